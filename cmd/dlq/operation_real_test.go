package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// An operation gives thousands of letters back while the console is killed ten times and the broker once, to a consumer that
// fails every fifth of them. Every letter reaches its consumer group, none twice unless its letter says that it may have; the
// ledger adds up and knows which fifth failed again, and RocketMQ's own mqadmin counts the same copies. DLQ_SOAK=1 makes it
// 100 000 letters at full speed.
func TestOperationSurvivesKill9(t *testing.T) {
	letters := 3000
	if os.Getenv("DLQ_SOAK") != "" {
		letters = 100000
	} else {
		t.Parallel()
	}
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			if letters < 10000 {
				t.Parallel()
			}
			n := node.Own(t, node.Options{Version: version, DelayLevels: node.ShortDelays, JavaOptions: []string{"-Xmx512m"}})
			killOperation(t, n, letters)
		})
	}
}

func killOperation(t *testing.T, n *node.Node, letters int) {
	s := newStage(t, n, "bulk")
	group := s.groups["bulk"]
	s.crowd.Say("some")
	s.feed(group, letters, everyFifth)
	data, address := filepath.Join(t.TempDir(), "dlq.db"), freeAddress(t)
	s.c = startConsole(t, data, address, "--namesrv", n.NameServer())
	s.letters(group, letters)
	pace := dlq.Pace{}
	if letters < 10000 {
		pace.Rate = float64(letters) / 10 // at full speed so few would be gone before the last kill
	}
	op := s.start(s.draft(group, dlq.OperationSpec{Pace: pace}))
	var said bytes.Buffer
	followed := make(chan int, 1) // by a person at a shell, who is to see its end
	go func(url string) {
		env := environment{get: func(string) string { return "" }, stdout: &said, stderr: &said}
		followed <- run(t.Context(), []string{"operations", "show", "--follow", "--server", url, op.ID}, env)
	}(s.c.url)

	const kills = 10
	for n := range kills {
		already := sent(s.operation(op.ID))
		more := int64(1 + mathrand.IntN(letters/(4*kills))) // the moment of the kill is the input of this test
		s.until(op.ID, fmt.Sprintf("%d more letters are sent", more), func(o dlq.Operation) bool { return sent(o) >= already+more })
		if o := s.operation(op.ID); !o.State.Acts() {
			t.Errorf("kill %d comes too late: %s, %v", n+1, o.State, o.Counts)
		}
		if n == kills/2 {
			s.restartBroker()
		}
		s.c.kill()
		s.c = startConsole(t, data, address, "--namesrv", s.n.NameServer())
	}
	op = s.settled(op.ID)
	s.checkLedger(op, int64(letters))
	if op.End != dlq.EndCompleted || op.Counts[dlq.ItemConfirmed] != int64(letters*4/5) || op.Counts[dlq.ItemFailedAgain] != int64(letters/5) {
		t.Errorf("the operation ended as %s: %v", op.End, op.Counts)
	}
	end := fmt.Sprintf("settled  %d of %d  confirmed %d  failed again %d", letters, letters, letters*4/5, letters/5)
	if status := <-followed; status != 3 || !strings.Contains(said.String(), end) {
		t.Errorf("who followed it saw status %d and not %q:\n%s", status, end, said.String())
	}
	s.checkCopies(op, group, letters)
	s.checkAdmin(group)
	t.Logf("%d letters, %d kills, and one of the broker: %s from start to the last letter, %s to the last outcome; %v", letters, kills,
		op.EndedAt.Sub(*op.StartedAt).Round(time.Millisecond), op.SettledAt.Sub(*op.StartedAt).Round(time.Millisecond), op.Counts)
}

// givenBack is how many letters an operation has given back, or has begun to.
func givenBack(o dlq.Operation) int64 {
	return o.Letters - o.Counts[dlq.ItemPending] - o.Counts[dlq.ItemSkipped]
}

// sent is how many of them the broker is known to have.
func sent(o dlq.Operation) int64 { return givenBack(o) - o.Counts[dlq.ItemSending] }

// stage is a node with consumer groups that do as they are told, and a console.
type stage struct {
	t      *testing.T
	n      *node.Node
	wire   *remoting.Client
	topic  string
	groups map[string]string // by what they are for
	crowd  *node.Consumer
	c      *console
}

// newStage makes a consumer group for each name, with one consumer that fails everything.
func newStage(t *testing.T, n *node.Node, names ...string) *stage {
	t.Helper()
	s := &stage{t: t, n: n, wire: remoting.New(remoting.Options{}), topic: "bulk-" + randomHex(4), groups: map[string]string{}}
	t.Cleanup(func() { _ = s.wire.Close() })
	topics := []string{s.topic}
	var kinds []string
	for _, name := range names {
		s.groups[name] = name + "-" + randomHex(4)
		topics = append(topics, dlq.RetryPrefix+s.groups[name], dlq.DLQPrefix+s.groups[name])
		kinds = append(kinds, s.groups[name]+":concurrent")
	}
	for _, topic := range topics {
		if err := s.wire.UpdateTopic(t.Context(), n.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			t.Fatal(err)
		}
	}
	for _, group := range s.groups {
		if err := s.wire.UpdateSubscriptionGroup(t.Context(), n.BrokerAddr(), remoting.SubscriptionGroup{Name: group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 1}); err != nil {
			t.Fatal(err)
		}
	}
	s.crowd = javaConsumer(t, n, n.Version(), "Crowd.java", append([]string{n.NameServer(), s.topic}, kinds...)...)
	return s
}

// feed puts dead letters into a group's DLQ, with keys n-0, n-1, …
func (s *stage) feed(group string, letters int, bad func(int) bool) {
	s.t.Helper()
	var feeders errgroup.Group
	feeders.SetLimit(16)
	for i := range letters {
		feeders.Go(func() error {
			dead := remoting.SendRequest{ProducerGroup: "feeder", Topic: dlq.DLQPrefix + group, Body: fmt.Appendf(nil, `{"number":%d}`, i), Properties: map[string]string{
				dlq.PropUniqueKey: randomHex(16), dlq.PropKeys: "n-" + strconv.Itoa(i), dlq.PropRetryTopic: s.topic,
				dlq.PropOriginID: "7F00000100002A9F0000000000000001", "FAILURE_REASON": "network_timeout", "FAILURE_DETAIL": "no route"}}
			if bad(i) {
				dead.Properties["BAD"] = "yes"
			}
			_, err := s.wire.SendMessage(s.t.Context(), s.n.BrokerAddr(), dead)
			for remoting.IsCode(err, remoting.AnswerBusy) { // refused, so not stored
				time.Sleep(20 * time.Millisecond)
				_, err = s.wire.SendMessage(s.t.Context(), s.n.BrokerAddr(), dead)
			}
			return err
		})
	}
	if err := feeders.Wait(); err != nil {
		s.t.Fatalf("feed %s: %v", group, err)
	}
}

// letters waits until so many letters of a group need attention.
func (s *stage) letters(group string, n int) {
	s.t.Helper()
	s.wait(fmt.Sprintf("%d letters of %s", n, group), func() error {
		var page dlq.Page
		if err := s.c.get("/letters?tab=attention&limit=1&consumer_group="+group, &page); err != nil {
			return err
		}
		if page.Total.Count != int64(n) {
			return fmt.Errorf("%d letters", page.Total.Count)
		}
		return nil
	})
}

// draft prepares a replay of all letters of a group that need attention.
func (s *stage) draft(group string, spec dlq.OperationSpec) dlq.Operation {
	s.t.Helper()
	if spec.Replay == nil {
		spec.Replay = &dlq.ReplaySpec{}
	}
	return s.post("/operations", map[string]any{"kind": dlq.OperationReplay, "note": "the sink is back", "query": "tab=attention&consumer_group=" + group, "spec": spec})
}

func (s *stage) start(o dlq.Operation) dlq.Operation {
	s.t.Helper()
	return s.post("/operations/"+o.ID+"/start", map[string]any{"version": o.Version, "note": "the sink is back"})
}

// tell pauses, resumes or cancels an operation, whatever it is now.
func (s *stage) tell(id, what string) dlq.Operation {
	s.t.Helper()
	return s.post("/operations/"+id+"/"+what, map[string]any{"note": "as the test says"})
}

func (s *stage) post(path string, in any) (o dlq.Operation) {
	s.t.Helper()
	if err := s.c.call(s.t.Context(), http.MethodPost, path, in, &o); err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *stage) operation(id string) (o dlq.Operation) {
	s.t.Helper()
	if err := s.c.get("/operations/"+id, &o); err != nil {
		s.t.Fatal(err)
	}
	return o
}

// until waits until an operation is as asked.
func (s *stage) until(id, what string, as func(dlq.Operation) bool) (o dlq.Operation) {
	s.t.Helper()
	s.wait(what, func() error {
		if o = s.operation(id); !as(o) {
			text, _ := json.Marshal(o)
			return fmt.Errorf("operation %s", text)
		}
		return nil
	})
	return o
}

func (s *stage) settled(id string) dlq.Operation {
	s.t.Helper()
	return s.until(id, "the operation is settled", func(o dlq.Operation) bool { return o.State == dlq.OperationSettled })
}

// wait polls, as long as a loaded machine may take.
func (s *stage) wait(what string, check func() error) {
	s.t.Helper()
	patience := 5 * time.Minute
	if os.Getenv("DLQ_SOAK") != "" {
		patience = 30 * time.Minute
	}
	eventually(s.t, patience, what, check)
}

// restartBroker kills the broker and starts it again while the console goes on.
func (s *stage) restartBroker() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.n.KillBroker(ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := s.n.StartBroker(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// items reads the whole ledger of an operation.
func (s *stage) items(id string) (all []dlq.OperationItem) {
	s.t.Helper()
	for cursor := ""; ; {
		var page dlq.ItemPage
		if err := s.c.get("/operations/"+id+"/items?limit=200&cursor="+cursor, &page); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// checkLedger recounts an operation's ledger.
func (s *stage) checkLedger(o dlq.Operation, letters int64) {
	s.t.Helper()
	items := s.items(o.ID)
	counts, seen, unsent := map[dlq.ItemState]int64{}, map[int64]bool{}, map[string]int{}
	for _, state := range dlq.ItemStates {
		counts[state] = 0
	}
	for _, i := range items {
		counts[i.State]++
		if i.State == dlq.ItemSendFailed && i.Replay != nil {
			unsent[fmt.Sprintf("%s after %d tries: %s", i.Replay.Detail, i.Tries, i.Replay.Error)]++
		}
		seen[i.LetterID] = true
		if i.Replay != nil && string(i.Replay.Outcome) != string(i.State) {
			s.t.Errorf("letter %d is %s, its replay is %s", i.LetterID, i.State, i.Replay.Outcome)
		}
	}
	if len(unsent) > 0 {
		s.t.Logf("letters that could not be sent: %v", unsent)
	}
	if !maps.Equal(counts, o.Counts) || o.Letters != letters || int64(len(seen)) != letters || int64(len(items)) != letters {
		s.t.Errorf("%d letters, %d items of %d letters; counted %v, the operation says %v", o.Letters, len(items), len(seen), counts, o.Counts)
	}
}

// copies are the stored copies that a group's consumer got, by replay id and by key, with those of retries or without. A
// consumer may get one copy twice; two copies that are no retries are two sends. A client that cannot give a message back
// to a broker that was killed sends a copy by itself, with a delay; when that takes two tries, the copy says that it is
// the first delivery (apache/rocketmq DefaultMQProducerImpl.sendKernelImpl clears RECONSUME_TIME at the first try).
func (s *stage) copies(group string, retries bool) (byReplay, byKey map[string]map[string]bool) {
	byReplay, byKey = map[string]map[string]bool{}, map[string]map[string]bool{}
	note := func(m map[string]map[string]bool, name, id string) {
		if m[name] == nil {
			m[name] = map[string]bool{}
		}
		m[name][id] = true
	}
	for _, d := range s.crowd.Heard(func(d node.Delivery) bool {
		return d.Properties["GROUP"] == group && (retries || d.Attempts == 0 && d.Properties[dlq.PropDelay] == "")
	}) {
		note(byReplay, d.Properties[dlq.PropReplayID], d.Properties["OFFSET_ID"])
		note(byKey, d.Properties[dlq.PropKeys], d.Properties["OFFSET_ID"])
	}
	return byReplay, byKey
}

// checkCopies compares what a group got with what the console says.
func (s *stage) checkCopies(o dlq.Operation, group string, letters int) {
	s.t.Helper()
	byReplay, byKey := s.copies(group, false)
	flagged, twice, known := map[string]bool{}, 0, map[string]bool{}
	for _, i := range s.items(o.ID) {
		if i.Letter == nil {
			s.t.Errorf("letter %d is gone", i.LetterID)
			continue
		}
		if i.Letter.HasFlag(dlq.FlagPossibleDuplicate) {
			flagged[i.Letter.Title()] = true
		}
		replays := []dlq.Replay{*i.Replay}
		if i.Tries > 1 {
			var d dlq.Detail
			if err := s.c.get(fmt.Sprintf("/letters/%d", i.LetterID), &d); err != nil {
				s.t.Fatal(err)
			}
			replays = d.ReplayList
		}
		for _, r := range replays {
			known[r.ID] = true
			switch got := len(byReplay[r.ID]); {
			case got > 1:
				s.t.Errorf("replay %s of letter %d was stored %d times", r.ID, i.LetterID, got)
			case got == 1 && r.Outcome == dlq.OutcomeSendFailed:
				s.t.Errorf("replay %s of letter %d arrived, and the console says that it was not sent", r.ID, i.LetterID)
			case got == 0 && r.Outcome == dlq.OutcomeConfirmed:
				s.t.Errorf("replay %s of letter %d never arrived, and the console says that it was consumed", r.ID, i.LetterID)
			}
		}
	}
	for i := range letters {
		key := "n-" + strconv.Itoa(i)
		switch got := len(byKey[key]); {
		case got == 0:
			s.t.Errorf("letter %s never arrived", key)
		case got > 1 && !flagged[key]:
			s.t.Errorf("letter %s arrived %d times and does not say so", key, got)
		case got > 1:
			twice++
		}
	}
	for id := range byReplay {
		if !known[id] {
			s.t.Errorf("the consumer group got replay %q, and the console forgot it", id)
		}
	}
	var page dlq.Page
	if err := s.c.get("/letters?limit=1&flag=possible_duplicate&consumer_group="+group, &page); err != nil {
		s.t.Fatal(err)
	}
	if page.Total.Count != int64(len(flagged)) {
		s.t.Errorf("the list counts %d possible duplicates, the ledger %d", page.Total.Count, len(flagged))
	}
	s.t.Logf("%d letters say that they may have arrived twice, %d did", len(flagged), twice)
}

// checkAdmin compares what a group's consumer got with what mqadmin says the broker holds and the group has passed.
func (s *stage) checkAdmin(group string) {
	s.t.Helper()
	_, byKey := s.copies(group, true)
	var got int64
	for _, ids := range byKey {
		got += int64(len(ids))
	}
	s.wait("mqadmin agrees", func() error {
		out, err := s.n.Admin(s.t.Context(), "topicStatus", "-t", dlq.RetryPrefix+group)
		if err != nil {
			return err
		}
		var held int64
		for line := range strings.Lines(out) { // broker, queue, min, max, last update
			if f := strings.Fields(line); len(f) >= 4 && f[0] == s.n.BrokerName() {
				lowest, err1 := strconv.ParseInt(f[2], 10, 64)
				highest, err2 := strconv.ParseInt(f[3], 10, 64)
				if err1 != nil || err2 != nil {
					return fmt.Errorf("topicStatus: %q", line)
				}
				held += highest - lowest
			}
		}
		if held != got {
			return fmt.Errorf("mqadmin counts %d copies in the retry topic, the consumer got %d", held, got)
		}
		if out, err = s.n.Admin(s.t.Context(), "consumerProgress", "-g", group); err != nil {
			return err
		}
		for line := range strings.Lines(out) { // topic, broker, queue, broker offset, consumer offset, …
			if f := strings.Fields(line); len(f) >= 5 && f[0] == dlq.RetryPrefix+group && f[3] != f[4] {
				return fmt.Errorf("consumerProgress: %q", line)
			}
		}
		return nil
	})
}
