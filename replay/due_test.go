package replay

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

func scheduled(store *fakeStore, n int, group string) {
	for range n {
		id := int64(len(store.letters) + 1)
		store.add(id, dlq.StateScheduled, func(l *dlq.Letter, m *dlq.DeadMessage) {
			l.ConsumerGroup, m.ConsumerGroup = group, group
		})
	}
}

func count(store *fakeStore, state dlq.State) (n int) {
	store.mu.Lock()
	defer store.mu.Unlock()
	for _, l := range store.letters {
		if l.State == state {
			n++
		}
	}
	return n
}

func running(t *testing.T, s *Service) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.RunDue(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDueKeepsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, broker := newFakeStore(), &stubBroker{}
		scheduled(store, 200, "one")
		scheduled(store, 30, "two")
		s := newService(store, broker)
		running(t, s)
		time.Sleep(10*time.Second + 500*time.Millisecond)
		byGroup := map[string]int{}
		for _, req := range broker.sends() {
			byGroup[req.Replay.ConsumerGroup]++
			if req.Replay.Door != dlq.DoorRetry || !req.Replay.Automatic || req.Replay.Actor != dlq.ActorAutomation || req.TimerAt != nil || req.Replay.DelayLevel != 0 {
				t.Fatalf("sent: %s", dump(req.Replay))
			}
		}
		// A first second's worth at once, then 10 a second.
		if byGroup["one"] != 110 || byGroup["two"] != 30 {
			t.Errorf("in ten seconds: %v", byGroup)
		}
		if e := store.firstEvent(); e.Kind != dlq.EventIntended || e.Rule != "r" || e.Actor != dlq.ActorAutomation {
			t.Errorf("event: %s", dump(e))
		}
	})
}

func TestDueStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		scheduled(store, 1000, "one")
		var automation atomic.Pointer[dlq.Automation]
		automation.Store(&dlq.Automation{})
		var away atomic.Bool
		broker := &stubBroker{status: func() dlq.ClusterStatus { return dlq.ClusterStatus{Reachable: !away.Load()} }}
		s := newService(store, broker)
		s.Automation = func() dlq.Automation { return *automation.Load() }
		running(t, s)
		still := func(why string) {
			t.Helper()
			before := len(broker.sends())
			time.Sleep(time.Minute)
			if n := len(broker.sends()); n != before {
				t.Errorf("%s: %d sent", why, n-before)
			}
		}
		still("automation is off")
		automation.Store(&dlq.Automation{On: true, Stopped: true})
		still("stopped")
		automation.Store(&dlq.Automation{On: true})
		away.Store(true)
		still("the broker is away")
		away.Store(false)
		time.Sleep(3*time.Second + 500*time.Millisecond)
		if n := len(broker.sends()); n < 30 || n > 50 {
			t.Errorf("running for 3 s: %d sent", n)
		}
		automation.Store(&dlq.Automation{On: true, Stopped: true})
		still("stopped again")
	})
}

func TestDueDoors(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind dlq.GroupKind
		door dlq.Door
		why  string
	}{
		{"concurrent", dlq.GroupConcurrent, dlq.DoorRetry, ""},
		{"orderly", dlq.GroupOrderly, dlq.DoorBack, ""},
		{"gRPC", dlq.GroupGRPC, dlq.DoorPop, ""},
		{"gRPC FIFO", dlq.GroupGRPCFIFO, "", WhyOnlyTopic},
		{"nobody knows", dlq.GroupUnknown, "", WhyKindUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newFakeStore()
			scheduled(store, 3, "g")
			broker := &stubBroker{group: func() (dlq.GroupInfo, error) {
				now := time.Now()
				return dlq.GroupInfo{Name: "g", Exists: true, Kind: tt.kind, Online: true, LastSeen: &now}, nil
			}}
			if _, err := newDueRun(newService(store, broker)).runOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if tt.door == "" {
				l := store.letter(1)
				if l.State != dlq.StateOpen || l.Hold != dlq.HoldNoDoor || len(broker.sends()) != 0 {
					t.Errorf("letter %s, %d sent", dump(l), len(broker.sends()))
				}
				if e := store.firstEvent(); e.Kind != dlq.EventCancelled || e.Detail["why"] != tt.why || e.Detail["hold"] != string(dlq.HoldNoDoor) {
					t.Errorf("event %s", dump(e))
				}
				return
			}
			if n := len(broker.sends()); n != 3 || broker.sends()[0].Replay.Door != tt.door || count(store, dlq.StateAwaiting) != 3 {
				t.Errorf("%d sent", n)
			}
			if tt.door == dlq.DoorBack && broker.sends()[0].Replay.DelayLevel != 1 {
				t.Error("door C without a delay level")
			}
		})
	}
}

func TestDueNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		scheduled(store, 1, "g")
		cause := dlq.Errorf(dlq.CodeUnavailable, "the broker b could not be reached")
		broker := &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) { return dlq.Receipt{}, dlq.NotSent, cause }}
		d := newDueRun(newService(store, broker))
		var waits []time.Duration
		for range 7 {
			if _, err := d.runOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			l := store.letter(1)
			if l.State != dlq.StateScheduled || l.Replays != 0 {
				t.Fatalf("letter %s", dump(l))
			}
			waits = append(waits, time.Until(*l.DueAt))
			time.Sleep(time.Until(*l.DueAt))
		}
		if want := "[30s 1m0s 2m0s 4m0s 8m0s 10m0s 10m0s]"; fmt.Sprint(waits) != want {
			t.Errorf("tried again after %v, want %s", waits, want)
		}
		cause = dlq.Errorf(dlq.CodeRefused, "the broker b refuses the message")
		if _, err := d.runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := store.letter(1); l.State != dlq.StateOpen || !l.HasFlag(dlq.FlagSendFailed) {
			t.Errorf("refused for good: %s", dump(l))
		}
	})
}

// A group whose broker cannot be asked keeps its letters scheduled and does not hinder the others.
func TestDueAsksLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		scheduled(store, 5, "g")
		var asked atomic.Int64
		var back atomic.Bool
		broker := &stubBroker{group: func() (dlq.GroupInfo, error) {
			asked.Add(1)
			if back.Load() {
				return dlq.GroupInfo{Name: "g", Exists: true, Kind: dlq.GroupConcurrent}, nil
			}
			return dlq.GroupInfo{}, dlq.Errorf(dlq.CodeUnavailable, "away")
		}}
		s := newService(store, broker)
		running(t, s)
		time.Sleep(time.Minute)
		if asked.Load() > 13 || count(store, dlq.StateScheduled) != 5 {
			t.Errorf("asked %d times, %d scheduled", asked.Load(), count(store, dlq.StateScheduled))
		}
		back.Store(true)
		time.Sleep(10 * time.Second)
		if count(store, dlq.StateAwaiting) != 5 {
			t.Errorf("%d are awaiting", count(store, dlq.StateAwaiting))
		}
	})
}

// Automation, too, asks for a send that could not be decided before it sends again.
func TestDuePossibleDuplicate(t *testing.T) {
	for _, found := range []bool{true, false} {
		store := newFakeStore()
		store.add(1, dlq.StateScheduled, func(l *dlq.Letter, _ *dlq.DeadMessage) { l.Flags, l.Replays = []dlq.Flag{dlq.FlagPossibleDuplicate}, 1 })
		store.replays["old"] = dlq.Replay{ID: "old", LetterID: 1, Outcome: dlq.OutcomeUnknown, Detail: DetailUndecidable}
		store.order = []string{"old"}
		broker := &stubBroker{look: func(dlq.Replay) (ev dlq.Evidence, err error) {
			if found {
				ev.Copies = []dlq.Copy{{Place: dlq.PlaceTarget, StoredAt: time.Now()}}
			}
			return ev, nil
		}}
		if _, err := newDueRun(newService(store, broker)).runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := store.letter(1); l.State != dlq.StateAwaiting || l.Replays != 1 || len(l.Flags) != 0 || (len(broker.sends()) == 0) != found {
			t.Errorf("found %v: letter %s, %d sent", found, dump(l), len(broker.sends()))
		}
	}
}

// The long queue of one consumer group does not hide another group's letters.
func TestDueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, broker := newFakeStore(), &stubBroker{}
		scheduled(store, 2*dueLimit, "long")
		scheduled(store, 3, "short")
		s := newService(store, broker)
		running(t, s)
		time.Sleep(5 * time.Second)
		n := 0
		for _, req := range broker.sends() {
			if req.Replay.ConsumerGroup == "short" {
				n++
			}
		}
		if n != 3 {
			t.Errorf("%d of the short queue's letters were sent", n)
		}
		time.Sleep(4 * time.Minute)
		if left := count(store, dlq.StateScheduled); left != 0 {
			t.Errorf("%d are left after four minutes at 10 a second", left)
		}
	})
}

// Many at once: intents and settles go in batches, sends side by side.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		scheduled(store, 250, "g")
		broker := &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			time.Sleep(10 * time.Millisecond)
			return dlq.Receipt{}, dlq.Sent, nil
		}}
		s := newService(store, broker)
		s.Policy = func() dlq.AutomationPolicy { return dlq.AutomationPolicy{Rate: 1000} }
		start := time.Now()
		store.calls = 0
		if _, err := newDueRun(s).runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if count(store, dlq.StateAwaiting) != 250 {
			t.Errorf("%d awaiting", count(store, dlq.StateAwaiting))
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("took %s", took)
		}
		if writes := store.calls - 250 - 1; writes > 40 { // one Message each, one Due
			t.Errorf("%d transactions for 250 letters", writes)
		}
	})
}

// A console that stops gives back what it has claimed and not sent yet.
func TestDueEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		scheduled(store, 100, "g")
		ctx, cancel := context.WithCancel(t.Context())
		broker := &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			cancel()
			time.Sleep(time.Second)
			return dlq.Receipt{}, dlq.Sent, nil
		}}
		s := newService(store, broker)
		s.Policy = func() dlq.AutomationPolicy { return dlq.AutomationPolicy{Rate: 1000} }
		if err := s.RunDue(ctx); err != nil {
			t.Fatal(err)
		}
		sent := len(broker.sends())
		if sent == 100 || count(store, dlq.StateAwaiting) != sent || count(store, dlq.StateScheduled) != 100-sent {
			t.Errorf("%d sent, %d awaiting, %d scheduled", sent, count(store, dlq.StateAwaiting), count(store, dlq.StateScheduled))
		}
	})
}

// A message that says of itself that consoles gave it back too often is not given back by a rule, even when this store has
// never seen it; a person may.
func TestDueLeavesWhatGoesRound(t *testing.T) {
	for _, tt := range []struct {
		name       string
		count      string
		quarantine int
		flags      []dlq.Flag
		events     []dlq.Event
		sent       bool
	}{
		{"below the limit", "2", 3, nil, nil, true},
		{"at the limit", "3", 3, nil, nil, false},
		{"without a limit", "19", 0, nil, nil, true},
		{"without a limit, for ever", "20", 0, nil, nil, false},
		{"a number of somebody else's", "99999999999999999999", 0, nil, nil, false},
		{"no number", "many", 3, nil, nil, true},
		{"a person put it there although it is marked", "3", 3, []dlq.Flag{dlq.FlagQuarantined}, nil, true},
		{"a person let it go", "3", 3, nil, []dlq.Event{{LetterID: 1, Kind: dlq.EventArrived}, {LetterID: 1, Kind: dlq.EventUnquarantined}}, true},
		{"a person let it go before it died again", "3", 3, nil, []dlq.Event{{LetterID: 1, Kind: dlq.EventUnquarantined}, {LetterID: 1, Kind: dlq.EventDiedAgain}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, broker := newFakeStore(), &stubBroker{}
			store.add(1, dlq.StateScheduled, func(l *dlq.Letter, m *dlq.DeadMessage) {
				l.Flags, m.Properties[dlq.PropReplayCount] = tt.flags, tt.count
			})
			store.events = tt.events
			s := newService(store, broker)
			s.Policy = func() dlq.AutomationPolicy { return dlq.AutomationPolicy{Rate: 10, Quarantine: tt.quarantine} }
			if _, err := newDueRun(s).runOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			l := store.letter(1)
			if tt.sent {
				if l.State != dlq.StateAwaiting || len(broker.sends()) != 1 {
					t.Errorf("letter %s", dump(l))
				}
				return
			}
			if l.State != dlq.StateOpen || l.Hold != dlq.HoldQuarantined || !l.HasFlag(dlq.FlagQuarantined) || len(broker.sends()) != 0 {
				t.Errorf("letter %s", dump(l))
			}
			if e := store.events[len(store.events)-1]; e.Kind != dlq.EventQuarantined || e.Detail["why"] != WhyWentRound || e.Actor != dlq.ActorAutomation {
				t.Errorf("event %s", dump(e))
			}
			// A person's replay counts on from there.
			if _, _, err := s.Replay(t.Context(), dlq.ReplayRequest{LetterID: 1, Version: l.Version, Actor: "lin"}); err != nil {
				t.Fatal(err)
			}
			if m := store.messages[1]; broker.sends()[0].Properties[dlq.PropReplayCount] != strconv.Itoa(m.ReplayCount()+1) {
				t.Errorf("sent with count %s", broker.sends()[0].Properties[dlq.PropReplayCount])
			}
		})
	}
}

// The stop is pulled between the look for due letters and a send.
func TestDueStopsAtEachSend(t *testing.T) {
	store := newFakeStore()
	scheduled(store, 5, "g")
	var stopped atomic.Bool
	sent := 0
	s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
		sent++
		stopped.Store(true)
		return dlq.Receipt{}, dlq.Sent, nil
	}})
	s.sends["b"] = make(chan struct{}, 1)
	s.Automation = func() dlq.Automation { return dlq.Automation{On: true, Stopped: stopped.Load()} }
	if _, err := newDueRun(s).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent != 1 || count(store, dlq.StateAwaiting) != 1 || count(store, dlq.StateScheduled) != 4 {
		t.Errorf("%d sent, %d awaiting, %d scheduled", sent, count(store, dlq.StateAwaiting), count(store, dlq.StateScheduled))
	}
}
