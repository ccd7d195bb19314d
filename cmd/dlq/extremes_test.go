package main

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Producers that write microseconds, nanoseconds or nonsense for the time of a message have letters like everybody else:
// in the list, whole, with options, and for every act; a replay carries the number as it was.
func TestTimesOutOfRange(t *testing.T) {
	t.Parallel()
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) { t.Parallel(); timesOutOfRange(t, node.Shared(t, version)) })
	}
}

func timesOutOfRange(t *testing.T, n *node.Node) {
	w := newWorld(t, n, 0)
	now := time.Now().UnixMilli()
	born := []int64{now, now * 1000, now * 1_000_000, -1, -now, math.MaxInt64, math.MinInt64}
	for i, ms := range born {
		dead := remoting.SendRequest{ProducerGroup: "feeder", Topic: "%DLQ%" + w.group, BornAt: time.UnixMilli(ms), Body: []byte(`{}`),
			SysFlag: []int32{0, 0x700, 0x2}[i%3], Flag: []int32{0, math.MaxInt32, math.MinInt32}[i%3], Reconsumed: []int{0, math.MaxInt32, -1}[i%3],
			Properties: map[string]string{dlq.PropUniqueKey: randomHex(16), dlq.PropKeys: fmt.Sprint("born-", ms), dlq.PropRetryTopic: w.topic}}
		if _, err := w.wire.SendMessage(t.Context(), n.BrokerAddr(), dead); err != nil {
			t.Fatal(err)
		}
	}
	w.letters = len(born)
	c := startConsole(t, t.TempDir()+"/dlq.db", freeAddress(t), "--namesrv", n.NameServer())
	eventually(t, time.Minute, "all letters arrive", func() error { return w.arrived(c) })
	titles := map[string]dlq.Letter{}
	for _, l := range w.readLetters(t, c) {
		titles[l.Title()] = l
	}
	for _, ms := range born {
		l, ok := titles[fmt.Sprint("born-", ms)]
		if !ok || dlq.Millis(l.BornAt, l.BornRaw) != ms {
			t.Errorf("born %d: letter %+v", ms, l)
			continue
		}
		path := fmt.Sprintf("/letters/%d", l.ID)
		for _, view := range []string{"", "/replay-options", "/edits"} {
			if err := c.get(path+view, nil); err != nil {
				t.Errorf("born %d: %v", ms, err)
			}
		}
		act := func(name string) {
			var after dlq.Letter
			in := map[string]any{"version": l.Version, "note": "test"}
			if err := c.call(t.Context(), http.MethodPost, path+"/"+name, in, &after); err != nil {
				t.Errorf("born %d, %s: %v", ms, name, err)
				return
			}
			l.Version = after.Version
		}
		act("discard")
		act("restore")
		act("take")
		if err := c.call(t.Context(), http.MethodPost, path+"/replay", dlq.ReplayRequest{Version: l.Version, Door: dlq.DoorRetry}, nil); err != nil {
			t.Errorf("born %d, replay: %v", ms, err)
		}
	}
	// What reached the retry topic has the number that the producer wrote.
	eventually(t, time.Minute, "every replay is stored with its own time", func() error {
		res, err := w.wire.Pull(t.Context(), n.BrokerAddr(), remoting.PullRequest{Group: "reader", Topic: "%RETRY%" + w.group, Max: 32})
		if err != nil {
			return err
		}
		found := map[string]int64{}
		for _, m := range res.Messages {
			found[m.Properties[dlq.PropKeys]] = m.BornAt.UnixMilli()
		}
		for _, ms := range born {
			if got, ok := found[fmt.Sprint("born-", ms)]; !ok || got != ms {
				return fmt.Errorf("born %d: stored as %d (%v)", ms, got, ok)
			}
		}
		return nil
	})
}
