package simulated

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// intake keeps what it is given, and refuses when it is told to.
type intake struct {
	mu     sync.Mutex
	next   map[dlq.Queue]int64
	dead   []dlq.DeadMessage
	refuse error
}

func (in *intake) Position(_ context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	next, ok := in.next[q]
	return dlq.QueuePosition{Queue: q, Next: next}, ok, nil
}

func (in *intake) Accept(_ context.Context, batches []dlq.Batch) <-chan error {
	in.mu.Lock()
	defer in.mu.Unlock()
	done := make(chan error, 1)
	if in.refuse != nil {
		done <- in.refuse
		return done
	}
	for _, b := range batches {
		if b.From != in.next[b.Queue] {
			done <- dlq.Errorf(dlq.CodeConflict, "from %d, want %d", b.From, in.next[b.Queue])
			return done
		}
		in.next[b.Queue] = b.Next
		in.dead = append(in.dead, b.Messages...)
	}
	done <- nil
	return done
}

func (in *intake) letters() []dlq.DeadMessage {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.dead)
}

// running starts a broker in the test's bubble.
func running(t *testing.T, o Options) (*Broker, *intake) {
	b, in := New(o), &intake{next: map[dlq.Queue]int64{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx, in) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b, in
}

// fault fails everything while it is broken.
type fault struct {
	mu     sync.Mutex
	healed bool
	seen   []Seen
}

func (f *fault) work(m Seen) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, m)
	return f.healed
}

func (f *fault) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed = true
}

func (f *fault) had() []Seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

func wish(m dlq.DeadMessage, door dlq.Door, id string) dlq.SendRequest {
	props := map[string]string{dlq.PropUniqueKey: m.UniqueKey(), dlq.PropReplayID: id, dlq.PropRetryTopic: "orders"}
	target := dlq.RetryPrefix + m.ConsumerGroup
	if door == dlq.DoorTopic {
		target = "orders"
		delete(props, dlq.PropRetryTopic)
	}
	if door == dlq.DoorPop {
		target = dlq.RetryPrefix + m.ConsumerGroup + "_orders"
		delete(props, dlq.PropRetryTopic)
	}
	return dlq.SendRequest{
		Replay: dlq.Replay{ID: id, Door: door, ConsumerGroup: m.ConsumerGroup, Target: target, Topic: "orders", UniqueKey: m.UniqueKey(),
			DeadPhysOffset: m.PhysOffset, DeadAttempts: m.ReconsumeTimes, IntendedAt: time.Now()},
		Body: m.Body, Properties: props, Broker: m.Broker,
	}
}

func TestAMessageDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := running(t, Options{})
		f := &fault{}
		b.Consume(Consumer{Group: "g", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, Work: f.work})
		key := b.Produce(Message{Topic: "orders", Tag: "t", Key: "k1 k2", Properties: map[string]string{"MINE": "x"}, Body: []byte("body")})
		time.Sleep(10 * time.Second)
		if len(f.had()) != 3 || f.had()[2].Topic != "orders" || f.had()[2].Attempts != 2 {
			t.Errorf("deliveries: %+v", f.had())
		}
		if len(in.letters()) != 1 {
			t.Fatalf("%d letters", len(in.letters()))
		}
		m := in.letters()[0]
		if m.ConsumerGroup != "g" || m.OriginalTopic != "orders" || m.UniqueKey() != key || m.ReconsumeTimes != 3 || string(m.Body) != "body" || m.Properties["MINE"] != "x" || m.Orderly {
			t.Errorf("dead: %+v", m)
		}
		if diff := cmp.Diff([]string{"k1", "k2"}, m.Keys()); diff != "" {
			t.Error(diff)
		}
		topics, err := b.Topics(t.Context())
		if err != nil || len(topics) != 1 || topics[0].Max != 1 || topics[0].Next != 1 || topics[0].Unread != 0 || topics[0].Queue != m.Queue {
			t.Errorf("topics: %+v %v", topics, err)
		}
	})
}

// Two consoles on one broker both let its consumer groups go on: still every message is had once.
func TestTwoConsoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := running(t, Options{})
		in := &intake{next: map[dlq.Queue]int64{}}
		second := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { second <- b.Run(ctx, in) }()
		f := &fault{healed: true}
		b.Consume(Consumer{Group: "g", Topics: []string{"orders"}, Work: func(m Seen) bool {
			time.Sleep(time.Millisecond) // the other comes along
			return f.work(m)
		}})
		for i := range 500 {
			b.Produce(Message{Topic: "orders", Body: fmt.Append(nil, i)})
		}
		time.Sleep(10 * time.Second)
		for i, m := range f.had() {
			if string(m.Body) != fmt.Sprint(i) {
				t.Fatalf("message %s in place %d", m.Body, i)
			}
		}
		if n := len(f.had()); n != 500 {
			t.Errorf("%d of 500 were had", n)
		}
		cancel()
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}

// One replay through each door, to each kind of group, healed before; what RocketMQ 5.5.0 was measured to do.
func TestDoors(t *testing.T) {
	for _, tt := range []struct {
		kind dlq.GroupKind
		door dlq.Door
		want dlq.SendResult
		got  bool // the listener gets it
	}{
		{dlq.GroupConcurrent, dlq.DoorRetry, dlq.Sent, true},
		{dlq.GroupConcurrent, dlq.DoorBack, dlq.Sent, true},
		{dlq.GroupConcurrent, dlq.DoorTopic, dlq.Sent, true},
		{dlq.GroupOrderly, dlq.DoorRetry, dlq.Diverted, false},
		{dlq.GroupOrderly, dlq.DoorBack, dlq.Sent, true},
		{dlq.GroupOrderly, dlq.DoorTopic, dlq.Sent, true},
		{dlq.GroupGRPC, dlq.DoorRetry, dlq.Sent, false},
		{dlq.GroupGRPC, dlq.DoorTopic, dlq.Sent, true},
		{dlq.GroupGRPC, dlq.DoorPop, dlq.Sent, true},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.kind, tt.door), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, in := running(t, Options{})
				f := &fault{}
				b.Consume(Consumer{Group: "g", Kind: tt.kind, Topics: []string{"orders"}, Work: f.work})
				b.Produce(Message{Topic: "orders", Body: []byte("body")})
				time.Sleep(10 * time.Second)
				f.heal()
				m := in.letters()[0]
				req := wish(m, tt.door, "r1")
				req.Replay.DelayLevel = map[dlq.Door]int{dlq.DoorBack: 1}[tt.door]
				before := len(f.had())
				receipt, result, err := b.Send(t.Context(), req)
				if result != tt.want || (err == nil) != (tt.want == dlq.Sent) {
					t.Fatalf("%s, %v", result, err)
				}
				req.Replay.Receipt = receipt
				time.Sleep(5 * time.Second)
				ev, err := b.Look(t.Context(), req.Replay)
				if err != nil || len(ev.Copies) != 1 {
					t.Fatalf("evidence %+v, %v", ev, err)
				}
				if had := f.had(); len(had) > before != tt.got || had[len(had)-1].Topic != "orders" {
					t.Errorf("delivered: %+v", had[before:])
				}
				evs, errs := b.LookMany(t.Context(), []dlq.Replay{req.Replay, {ID: "none"}})
				if diff := cmp.Diff(ev, evs[0]); diff != "" || len(evs) != 2 || len(errs) != 2 || errs[0] != nil || errs[1] != nil || len(evs[1].Copies) > 0 {
					t.Errorf("together: %s %v", diff, errs)
				}
				if passed := ev.Passed && ev.PassedKnown; passed != (tt.got && tt.kind != dlq.GroupGRPC) {
					t.Errorf("evidence %+v", ev)
				}
				if (ev.Copies[0].Place == dlq.PlaceDead) != (tt.want == dlq.Diverted) {
					t.Errorf("copies %+v", ev.Copies)
				}
			})
		})
	}
}

func TestAReplayDiesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := running(t, Options{})
		f := &fault{}
		b.Consume(Consumer{Group: "g", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, Work: f.work})
		b.Produce(Message{Topic: "orders", Body: []byte("body")})
		time.Sleep(10 * time.Second)
		req := wish(in.letters()[0], dlq.DoorRetry, "r1")
		req.Replay.DelayLevel = 2
		if _, result, err := b.Send(t.Context(), req); result != dlq.Sent {
			t.Fatal(err)
		}
		places := func() (out []dlq.CopyPlace) {
			ev, err := b.Look(t.Context(), req.Replay)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range ev.Copies {
				out = append(out, c.Place)
			}
			return out
		}
		time.Sleep(4 * time.Second)
		if diff := cmp.Diff([]dlq.CopyPlace{dlq.PlaceParked}, places()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(1500 * time.Millisecond)
		if diff := cmp.Diff([]dlq.CopyPlace{dlq.PlaceTarget, dlq.PlaceRetry}, places()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(5 * time.Second)
		if diff := cmp.Diff([]dlq.CopyPlace{dlq.PlaceTarget, dlq.PlaceRetry, dlq.PlaceRetry, dlq.PlaceDead}, places()); diff != "" {
			t.Error(diff)
		}
		if all := in.letters(); len(all) != 2 || all[1].Properties[dlq.PropReplayID] != "r1" || all[1].UniqueKey() != all[0].UniqueKey() {
			t.Errorf("letters: %+v", all)
		}
	})
}

func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := running(t, Options{})
		f := &fault{healed: true}
		b.Consume(Consumer{Group: "g", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, Work: f.work})
		time.Sleep(time.Second)
		b.SetOnline("g", false)
		b.Produce(Message{Topic: "orders"})
		time.Sleep(time.Minute)
		g, err := b.Group(t.Context(), "g", nil)
		if err != nil || g.Online || g.Lag != 1 || g.LastSeen == nil || time.Since(*g.LastSeen) < 59*time.Second {
			t.Errorf("group %+v %v", g, err)
		}
		b.SetOnline("g", true)
		time.Sleep(time.Second)
		if g, err := b.Group(t.Context(), "g", nil); err != nil || !g.Online || g.Lag != 0 || len(f.had()) != 1 {
			t.Errorf("group %+v %v", g, err)
		}
		if g, err := b.Group(t.Context(), "nobody", nil); err != nil || g.Exists {
			t.Errorf("group %+v %v", g, err)
		}
	})
}

func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := running(t, Options{})
		f := &fault{}
		b.Consume(Consumer{Group: "g", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, Work: f.work})
		b.SetAway(true)
		b.Produce(Message{Topic: "orders", Body: []byte("body")})
		time.Sleep(time.Minute)
		if s := b.Status(); s.Reachable || s.Error == "" || !s.Simulated {
			t.Errorf("status %+v", s)
		}
		if _, result, err := b.Send(t.Context(), dlq.SendRequest{}); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("send: %s %v", result, err)
		}
		if _, err := b.Look(t.Context(), dlq.Replay{}); dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("look: %v", err)
		}
		if len(in.letters()) != 0 {
			t.Error("read while away")
		}
		b.SetAway(false)
		time.Sleep(time.Second)
		if len(in.letters()) != 1 {
			t.Errorf("%d letters", len(in.letters()))
		}
	})
}

// An intake that cannot take a batch gets it again, and none is lost or doubled.
func TestIntakeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := running(t, Options{})
		in.mu.Lock()
		in.refuse = dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
		in.mu.Unlock()
		f := &fault{}
		b.Consume(Consumer{Group: "g", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, Work: f.work})
		for range 200 {
			b.Produce(Message{Topic: "orders", Body: []byte("body")})
		}
		time.Sleep(time.Minute)
		in.mu.Lock()
		in.refuse = nil
		in.mu.Unlock()
		time.Sleep(10 * time.Second)
		for i, m := range in.letters() {
			if m.Offset != int64(i) {
				t.Fatalf("letter %d has offset %d", i, m.Offset)
			}
		}
		if len(in.letters()) != 200 {
			t.Errorf("%d letters", len(in.letters()))
		}
	})
}

func TestCapabilities(t *testing.T) {
	for version, timer := range map[string]bool{"5.5.0": true, "4.9.7": false} {
		c, err := New(Options{Version: version}).Capabilities(t.Context(), "")
		if err != nil || c.Timer != timer || c.OrderlyDiverts != timer || c.RefusesEmpty != timer || len(c.Levels) != 18 || time.Duration(c.Levels[8]) != 5*time.Minute {
			t.Errorf("%s: %+v %v", version, c, err)
		}
	}
}

func TestSubscribers(t *testing.T) {
	b := New(Options{})
	b.Consume(Consumer{Group: "b", Topics: []string{"orders"}})
	b.Consume(Consumer{Group: "a", Topics: []string{"orders", "payments"}})
	groups, complete, err := b.Subscribers(t.Context(), "orders")
	if err != nil || !complete || !slices.Equal(groups, []string{"a", "b"}) {
		t.Errorf("%v %v %v", groups, complete, err)
	}
	if _, _, err := b.Subscribers(t.Context(), "nothing"); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Errorf("%v", err)
	}
	if err := b.Repair(t.Context(), "nothing"); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Errorf("%v", err)
	}
}

// A probe runs the listener now and changes nothing at the broker.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := running(t, Options{})
		f := &fault{}
		b.Consume(Consumer{Group: "g", Kind: dlq.GroupConcurrent, Topics: []string{"orders"}, Work: f.work})
		b.Produce(Message{Topic: "orders", Body: []byte("body")})
		time.Sleep(10 * time.Second)
		m := in.letters()[0]
		info, err := b.Group(t.Context(), "g", nil)
		if err != nil {
			t.Fatal(err)
		}
		id := info.Clients[0].ID
		before := len(f.had())
		want := dlq.ProbeAnswer{ClientID: id, Language: "SIMULATED", Verdict: dlq.ProbeLater, Trusted: true}
		if a, err := b.Probe(t.Context(), "g", "", &m); err != nil || a != want {
			t.Errorf("sick: %+v, %v", a, err)
		}
		f.heal()
		want.Verdict = dlq.ProbeSuccess
		if a, err := b.Probe(t.Context(), "g", id, &m); err != nil || a != want {
			t.Errorf("healed: %+v, %v", a, err)
		}
		if had := f.had()[before:]; len(had) != 2 || had[0].Topic != "orders" || string(had[1].Body) != "body" {
			t.Errorf("the listener had %+v", had)
		}
		lost := m
		lost.OriginalTopic = ""
		if a, err := b.Probe(t.Context(), "g", "", &lost); err != nil || !a.OnDead || f.had()[before+2].Topic != "%DLQ%g" {
			t.Errorf("without its topic: %+v, %v", a, err)
		}
		time.Sleep(10 * time.Second)
		if len(in.letters()) != 1 || len(f.had()) != before+3 {
			t.Errorf("%d letters, %d deliveries", len(in.letters()), len(f.had()))
		}
		for _, tt := range []struct {
			group, client string
			change        func()
			code          dlq.Code
		}{
			{"g", "another", func() {}, dlq.CodeNotFound},
			{"nobody", "", func() {}, dlq.CodeRefused},
			{"g", "", func() { b.SetOnline("g", false) }, dlq.CodeRefused},
			{"g", "", func() { b.SetAway(true) }, dlq.CodeUnavailable},
		} {
			tt.change()
			if _, err := b.Probe(t.Context(), tt.group, tt.client, &m); dlq.CodeOf(err) != tt.code {
				t.Errorf("%s of %s: %v", tt.client, tt.group, err)
			}
		}
		_, errs := b.LookMany(t.Context(), []dlq.Replay{{ID: "r1"}})
		if dlq.CodeOf(errs[0]) != dlq.CodeUnavailable {
			t.Errorf("away: %v", errs)
		}
	})
}
