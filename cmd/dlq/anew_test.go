package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// While the console is off somebody deletes a dead-letter topic that it has read, or the broker's whole store, and by the
// time it is back the new queue has grown past where it had read the old one. No message of the new queue is passed over, no
// letter is stored twice, and the page says what happened.
func TestQueueMadeAnewWhileTheConsoleWasOff(t *testing.T) {
	t.Parallel()
	deleteTopic := func(t *testing.T, w *world) {
		if _, err := w.node.Admin(t.Context(), "deleteTopic", "-c", w.node.Cluster(), "-t", dlq.DLQPrefix+w.group); err != nil {
			t.Fatal(err)
		}
	}
	deleteStore := func(t *testing.T, w *world) {
		err := w.node.KillBroker(t.Context())
		if err == nil {
			err = errors.Join(os.RemoveAll(filepath.Join(w.node.Dir(), "store")), w.node.StartBroker(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range node.Versions() {
		t.Run(version+", the topic", func(t *testing.T) { t.Parallel(); madeAnew(t, node.Shared(t, version), deleteTopic) })
		t.Run(version+", the store", func(t *testing.T) {
			t.Parallel()
			madeAnew(t, node.Own(t, node.Options{Version: version}), deleteStore)
		})
	}
}

func madeAnew(t *testing.T, n *node.Node, remove func(*testing.T, *world)) {
	const before, after = 40, 100
	name := "anew-" + randomHex(4)
	w := &world{node: n, wire: remoting.New(remoting.Options{}), group: name, topic: name + "-topic"}
	t.Cleanup(func() { _ = w.wire.Close() })
	data, address := filepath.Join(t.TempDir(), "dlq.db"), freeAddress(t)
	// read waits until the console has read the queue to its end.
	read := func(c *console, letters int, next int64) {
		t.Helper()
		eventually(t, time.Minute, fmt.Sprintf("%d letters", letters), func() error {
			var topics struct{ Items []dlq.TopicInfo }
			if err := c.get("/topics", &topics); err != nil {
				return err
			}
			for _, q := range topics.Items {
				if q.ConsumerGroup == w.group && q.Next == next && q.Unread == 0 {
					if got := len(w.readLetters(t, c)); got != letters {
						return fmt.Errorf("%d letters", got)
					}
					return nil
				}
			}
			return fmt.Errorf("queues %+v", topics.Items)
		})
	}

	w.fill(t, "old", before)
	c := startConsole(t, data, address, "--namesrv", n.NameServer())
	read(c, before, before)
	if status := c.stop(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	remove(t, w)
	w.fill(t, "new", after)
	c = startConsole(t, data, address, "--namesrv", n.NameServer())
	read(c, before+after, after)

	times := map[string]int{}
	for _, l := range w.readLetters(t, c) {
		times[l.Title()]++
	}
	for prefix, count := range map[string]int{"old": before, "new": after} {
		for i := range count {
			if got := times[prefix+strconv.Itoa(i)]; got != 1 {
				t.Errorf("message %d of the %s queue is %d letters", i, prefix, got)
			}
		}
	}
	var gaps struct{ Items []dlq.Gap }
	if err := c.get("/gaps", &gaps); err != nil {
		t.Fatal(err)
	}
	var found []dlq.Gap
	for _, g := range gaps.Items {
		if g.Topic == dlq.DLQPrefix+w.group {
			found = append(found, g)
		}
	}
	if len(found) != 1 || found[0].Kind != dlq.GapTruncated || found[0].From != before {
		t.Errorf("gaps %+v", found)
	}

	// What was found out is remembered: another start reads nothing again.
	c.kill()
	c = startConsole(t, data, address, "--namesrv", n.NameServer())
	w.fill(t, "last", 1)
	read(c, before+after+1, after+1)
}

// fill creates the DLQ if it is not there and puts dead letters with keys of that prefix into it.
func (w *world) fill(t *testing.T, prefix string, letters int) {
	t.Helper()
	topic := dlq.DLQPrefix + w.group
	if err := w.wire.UpdateTopic(t.Context(), w.node.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		t.Fatal(err)
	}
	for i := range letters {
		message := remoting.SendRequest{ProducerGroup: "feeder", Topic: topic, Body: []byte("{}"), Properties: map[string]string{
			dlq.PropUniqueKey: randomHex(16), dlq.PropKeys: prefix + strconv.Itoa(i), dlq.PropRetryTopic: w.topic}}
		eventually(t, 20*time.Second, "the broker takes a message", func() error {
			_, err := w.wire.SendMessage(t.Context(), w.node.BrokerAddr(), message)
			if err != nil && !remoting.IsCode(err, remoting.AnswerBusy, remoting.AnswerServiceUnavailable) { // any other may have stored it
				t.Fatal(err)
			}
			return err
		})
	}
}
