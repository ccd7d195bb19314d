package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Letters flow into a DLQ and people replay them while the console is killed again and again. At the end nothing is lost
// and nothing doubled: every dead message is one letter, and every replay reached the consumer group as often as the
// console says. RocketMQ's own mqadmin counts what the broker holds.
// DLQ_SOAK=1 makes it ten times as long.
func TestKill9LosesAndDoublesNothing(t *testing.T) {
	kills, letters := 6, 4000
	if os.Getenv("DLQ_SOAK") != "" {
		kills, letters = 60, 40000
	}
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			killAgainAndAgain(t, node.Shared(t, version), kills, letters)
		})
	}
}

func killAgainAndAgain(t *testing.T, n *node.Node, kills, letters int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := newWorld(t, n, letters)
	data, address := filepath.Join(t.TempDir(), "dlq.db"), freeAddress(t)
	fed := make(chan error, 1)
	go func() { fed <- w.feed(ctx, time.Duration(kills)*1500*time.Millisecond) }()

	for range kills {
		c := startConsole(t, data, address, "--namesrv", n.NameServer())
		people, leave := context.WithCancel(ctx)
		var busy sync.WaitGroup
		for range 3 {
			busy.Go(func() { w.replaySome(people, c) })
		}
		time.Sleep(time.Duration(200+mathrand.IntN(1800)) * time.Millisecond) // the moment of the kill is the input of this test
		c.kill()
		leave()
		busy.Wait()
	}
	if err := <-fed; err != nil {
		t.Fatal(err)
	}

	c := startConsole(t, data, address, "--namesrv", n.NameServer())
	var all map[int64]dlq.Letter
	eventually(t, 2*time.Minute, "every dead message is a letter", func() error {
		if err := w.arrived(c); err != nil {
			return err
		}
		all = w.readLetters(t, c)
		return nil
	})
	w.checkLetters(t, all)
	w.checkReplays(t, c)
}

// world is the broker's side of the test: a consumer group with a consumer that counts, and its DLQ.
type world struct {
	node    *node.Node
	wire    *remoting.Client
	group   string
	topic   string
	letters int

	mu   sync.Mutex
	seen map[string]map[string]bool // replay id -> offset ids of the copies that the consumer group got
}

func newWorld(t *testing.T, n *node.Node, letters int) *world {
	t.Helper()
	name := "kill-" + randomHex(4)
	w := &world{node: n, wire: remoting.New(remoting.Options{}), group: name, topic: name + "-topic", letters: letters, seen: map[string]map[string]bool{}}
	t.Cleanup(func() { _ = w.wire.Close() })
	ctx := t.Context()
	for _, topic := range []string{w.topic, "%RETRY%" + w.group, "%DLQ%" + w.group} {
		if err := w.wire.UpdateTopic(ctx, n.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, "the route of "+topic, func() error {
			_, err := w.wire.Route(ctx, n.NameServer(), topic)
			return err
		})
	}
	c, err := rocketmq.NewPushConsumer(consumer.WithNameServer(primitive.NamesrvAddr{n.NameServer()}), consumer.WithGroupName(w.group),
		consumer.WithInstance(w.group), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(w.topic, consumer.MessageSelector{}, w.consume); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Shutdown() })
	return w
}

// consume counts copies by their offset id: a consumer may get one copy twice, but two copies are two sends.
func (w *world) consume(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range messages {
		id := m.GetProperty(dlq.PropReplayID)
		if w.seen[id] == nil {
			w.seen[id] = map[string]bool{}
		}
		w.seen[id][m.OffsetMsgId] = true
	}
	return consumer.ConsumeSuccess, nil
}

// feed puts the dead letters into the DLQ, spread over a time.
func (w *world) feed(ctx context.Context, over time.Duration) error {
	pause := over / time.Duration(w.letters)
	for i := range w.letters {
		dead := remoting.SendRequest{ProducerGroup: "feeder", Topic: "%DLQ%" + w.group,
			Properties: map[string]string{dlq.PropUniqueKey: randomHex(16), dlq.PropKeys: "n-" + strconv.Itoa(i), dlq.PropRetryTopic: w.topic,
				dlq.PropOriginID: "7F00000100002A9F0000000000000001", "FAILURE_REASON": "network_timeout"},
			Body: []byte(fmt.Sprintf(`{"number":%d}`, i))}
		_, err := w.wire.SendMessage(ctx, w.node.BrokerAddr(), dead)
		for remoting.IsCode(err, remoting.AnswerBusy) { // refused, so not stored
			time.Sleep(50 * time.Millisecond)
			_, err = w.wire.SendMessage(ctx, w.node.BrokerAddr(), dead)
		}
		if err != nil {
			return fmt.Errorf("feed letter %d: %w", i, err)
		}
		time.Sleep(pause)
	}
	return nil
}

// replaySome is a person who replays whatever needs attention, until the console is gone.
func (w *world) replaySome(ctx context.Context, c *console) {
	for ctx.Err() == nil {
		var page dlq.Page
		if err := c.call(ctx, http.MethodGet, "/letters?tab=attention&limit=50&consumer_group="+w.group, nil, &page); err != nil {
			if ctx.Err() == nil {
				time.Sleep(20 * time.Millisecond)
			}
			continue
		}
		for _, l := range page.Items {
			if ctx.Err() != nil {
				return
			}
			// Two people press at once and the console dies in between: refusals and broken connections belong to the test.
			_ = c.call(ctx, http.MethodPost, fmt.Sprintf("/letters/%d/replay", l.ID), dlq.ReplayRequest{Version: l.Version, Door: dlq.DoorRetry}, nil)
		}
	}
}

// arrived says whether all that was fed are letters. Other tests' letters lie on the same broker.
func (w *world) arrived(c *console) error {
	var page dlq.Page
	if err := c.get("/letters?limit=1&consumer_group="+w.group, &page); err != nil {
		return err
	}
	if page.Total.Count < int64(w.letters) {
		return fmt.Errorf("%d letters of %d", page.Total.Count, w.letters)
	}
	return nil
}

// readLetters reads every letter of the consumer group through the API.
func (w *world) readLetters(t *testing.T, c *console) map[int64]dlq.Letter {
	t.Helper()
	all := map[int64]dlq.Letter{}
	for _, tab := range dlq.Tabs {
		for cursor := ""; ; {
			var page dlq.Page
			if err := c.get("/letters?limit=200&tab="+string(tab)+"&consumer_group="+w.group+"&cursor="+cursor, &page); err != nil {
				t.Fatal(err)
			}
			for _, l := range page.Items {
				all[l.ID] = l
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return all
}

// checkLetters compares the letters with what was fed and with what mqadmin says.
func (w *world) checkLetters(t *testing.T, all map[int64]dlq.Letter) {
	t.Helper()
	if held := w.held(t); held != int64(w.letters) {
		t.Fatalf("mqadmin counts %d messages in the DLQ, %d were sent", held, w.letters)
	}
	numbers := map[string]int{}
	for _, l := range all {
		numbers[l.Title()]++
		if l.Deaths != 1 {
			t.Errorf("letter %s has %d deaths", l.Title(), l.Deaths)
		}
	}
	for i := range w.letters {
		if n := numbers["n-"+strconv.Itoa(i)]; n != 1 {
			t.Errorf("dead message %d is %d letters", i, n)
		}
	}
	if len(all) != w.letters {
		t.Errorf("%d letters of %d dead messages", len(all), w.letters)
	}
}

// held asks mqadmin how many messages the DLQ holds.
func (w *world) held(t *testing.T) int64 {
	t.Helper()
	out, err := w.node.Admin(t.Context(), "topicStatus", "-t", "%DLQ%"+w.group)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for line := range strings.Lines(out) { // broker, queue, min, max, last update
		if f := strings.Fields(line); len(f) >= 4 && f[0] == w.node.BrokerName() {
			lowest, err1 := strconv.ParseInt(f[2], 10, 64)
			highest, err2 := strconv.ParseInt(f[3], 10, 64)
			if err1 != nil || err2 != nil {
				t.Fatalf("topicStatus: %q", line)
			}
			sum += highest - lowest
		}
	}
	return sum
}

// checkReplays waits until no send is in doubt, and compares what the console says of each replay with what the
// consumer group got.
func (w *world) checkReplays(t *testing.T, c *console) {
	t.Helper()
	replays := map[string]dlq.Replay{}
	flagged := map[int64]bool{}
	eventually(t, 3*time.Minute, "every send is settled and every replay that was sent has arrived", func() error {
		clear(replays)
		for id, l := range w.readLetters(t, c) {
			flagged[id] = l.HasFlag(dlq.FlagPossibleDuplicate)
			if l.Replays == 0 && !l.HasFlag(dlq.FlagSendFailed) && l.State == dlq.StateOpen {
				continue
			}
			var d dlq.Detail
			if err := c.get(fmt.Sprintf("/letters/%d", id), &d); err != nil {
				return err
			}
			for _, r := range d.ReplayList {
				replays[r.ID] = r
			}
		}
		for _, r := range replays {
			if r.Outcome == dlq.OutcomeSending {
				return fmt.Errorf("replay %s of letter %d is in doubt: %s", r.ID, r.LetterID, r.Detail)
			}
			if got := len(w.copies(r.ID)); (r.Outcome == dlq.OutcomeWaiting || r.Outcome == dlq.OutcomeConfirmed) && got == 0 {
				return fmt.Errorf("replay %s of letter %d is %s, but the consumer group did not get it", r.ID, r.LetterID, r.Outcome)
			}
		}
		return nil
	})
	sent := 0
	for _, r := range replays {
		got := len(w.copies(r.ID))
		switch {
		case got > 1:
			t.Errorf("replay %s of letter %d arrived %d times", r.ID, r.LetterID, got)
		case got == 1 && r.Outcome == dlq.OutcomeSendFailed:
			t.Errorf("replay %s of letter %d arrived, and the console says that it was not sent", r.ID, r.LetterID)
		case r.Outcome == dlq.OutcomeUnknown && !flagged[r.LetterID]:
			t.Errorf("letter %d is in doubt and does not say so", r.LetterID)
		}
		sent += got
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(w.seen)) {
		if _, known := replays[id]; !known {
			t.Errorf("the consumer group got replay %q, and the console forgot it", id)
		}
	}
	if sent == 0 {
		t.Error("no replay was sent: the test tested nothing")
	}
	t.Logf("%d letters, %d replays, %d of them sent", w.letters, len(replays), sent)
}

func (w *world) copies(id string) map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen[id])
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
