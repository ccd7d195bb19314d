package replay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/dlq"
)

func ask(id int64) dlq.ReplayRequest {
	return dlq.ReplayRequest{LetterID: id, Version: 1, Actor: "lin", Note: "healed"}
}

func TestReplaySends(t *testing.T) {
	store, broker := newFakeStore(), &stubBroker{}
	store.add(1, dlq.StateOpen, func(l *dlq.Letter, _ *dlq.DeadMessage) { l.Replays, l.Flags = 1, []dlq.Flag{dlq.FlagSendFailed} })
	s := newService(store, broker)
	r, l, err := s.Replay(t.Context(), ask(1))
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != dlq.OutcomeWaiting || r.Door != dlq.DoorRetry || r.Why != WhyOnlyThisGroup || r.Target != "%RETRY%pay-service" || r.Topic != "orders" || r.UniqueKey != "KEY1" || r.SentAt == nil || r.Receipt.Offset != 5 {
		t.Errorf("replay: %s", dump(r))
	}
	if l.State != dlq.StateAwaiting || l.Replays != 2 || len(l.Flags) != 0 {
		t.Errorf("letter: %s", dump(l))
	}
	req := broker.sends()[0]
	if req.Properties[dlq.PropReplayID] != r.ID || req.Properties[dlq.PropReplayCount] != "2" || req.Properties[dlq.PropRetryTopic] != "orders" {
		t.Errorf("properties: %v", req.Properties)
	}
	if diff := cmp.Diff([]dlq.EventKind{dlq.EventIntended, dlq.EventSent}, store.kinds(1)); diff != "" {
		t.Error(diff)
	}
	if e := store.firstEvent(); e.Actor != "lin" || e.Note != "healed" || e.Detail["door"] != "B" || e.Detail["why"] != WhyOnlyThisGroup {
		t.Errorf("event: %s", dump(e))
	}
	if n := testutil.ToFloat64(s.metrics.replays.WithLabelValues("c", "pay-service", "sent")); n != 1 {
		t.Errorf("counted %v sends", n)
	}
}

func TestReplayResults(t *testing.T) {
	away := dlq.Errorf(dlq.CodeUnavailable, "the broker b could not be reached, nothing was sent")
	for _, tt := range []struct {
		name    string
		result  dlq.SendResult
		err     error
		state   dlq.State
		outcome dlq.Outcome
		detail  string
		flags   []dlq.Flag
		replays int
		events  []dlq.EventKind
		code    dlq.Code
	}{
		{"not sent", dlq.NotSent, away, dlq.StateOpen, dlq.OutcomeSendFailed, DetailUnreached, []dlq.Flag{dlq.FlagSendFailed}, 0, []dlq.EventKind{dlq.EventIntended, dlq.EventSendFailed}, dlq.CodeUnavailable},
		{"refused", dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "the broker b refuses it"), dlq.StateOpen, dlq.OutcomeSendFailed, DetailRefused, []dlq.Flag{dlq.FlagSendFailed}, 0, []dlq.EventKind{dlq.EventIntended, dlq.EventSendFailed}, dlq.CodeRefused},
		{"unknown", dlq.SentUnknown, away, dlq.StateSending, dlq.OutcomeSending, DetailSendUnknown, nil, 1, []dlq.EventKind{dlq.EventIntended, dlq.EventSendUnknown}, ""},
		{"nonsense", "", nil, dlq.StateSending, dlq.OutcomeSending, DetailSendUnknown, nil, 1, []dlq.EventKind{dlq.EventIntended, dlq.EventSendUnknown}, ""},
		{"diverted", dlq.Diverted, dlq.Errorf(dlq.CodeRefused, "straight into the DLQ"), dlq.StateAwaiting, dlq.OutcomeWaiting, DetailDiverted, []dlq.Flag{dlq.FlagSendFailed}, 1, []dlq.EventKind{dlq.EventIntended, dlq.EventSendFailed}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newFakeStore()
			store.add(1, dlq.StateOpen, nil)
			s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) { return dlq.Receipt{}, tt.result, tt.err }})
			r, l, err := s.Replay(t.Context(), ask(1))
			if dlq.CodeOf(err) != tt.code {
				t.Errorf("error: %v", err)
			}
			if l.State != tt.state || r.Outcome != tt.outcome || r.Detail != tt.detail || l.Replays != tt.replays || !slices.Equal(l.Flags, tt.flags) {
				t.Errorf("letter %s\nreplay %s", dump(l), dump(r))
			}
			if diff := cmp.Diff(r, store.replays[r.ID]); diff != "" {
				t.Errorf("what is answered is not what is stored: %s", diff)
			}
			if diff := cmp.Diff(tt.events, store.kinds(1)); diff != "" {
				t.Error(diff)
			}
			if (r.NextLook == nil) != (tt.outcome == dlq.OutcomeSendFailed) {
				t.Errorf("next look: %v", r.NextLook)
			}
		})
	}
}

func TestReplayRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state dlq.State
		req   func(*dlq.ReplayRequest)
		group dlq.GroupKind
		code  dlq.Code
		says  string
	}{
		{"no version", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Version = 0 }, "", dlq.CodeInvalid, "version"},
		{"old version", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Version = 9 }, "", dlq.CodeConflict, "in between"},
		{"no letter", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.LetterID = 2 }, "", dlq.CodeNotFound, "no letter"},
		{"resolved", dlq.StateResolved, nil, "", dlq.CodeRefused, "restore it first"},
		{"awaiting", dlq.StateAwaiting, nil, "", dlq.CodeRefused, "still open"},
		{"no such door", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Door = "Z" }, "", dlq.CodeInvalid, "no door"},
		{"door D", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Door = dlq.DoorProbe }, "", dlq.CodeRefused, "gives nothing back"},
		{"B for gRPC", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Door = dlq.DoorRetry }, dlq.GroupGRPC, dlq.CodeRefused, "gRPC"},
		{"A unasked", dlq.StateOpen, nil, dlq.GroupGRPCFIFO, dlq.CodeRefused, "other consumer groups"},
		{"as new by C", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Door, r.AsNew = dlq.DoorBack, true }, "", dlq.CodeInvalid, "new message"},
		{"too long", dlq.StateOpen, func(r *dlq.ReplayRequest) { r.Delay = dlq.Duration(1000 * time.Hour) }, "", dlq.CodeInvalid, "longest delay"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, broker := newFakeStore(), &stubBroker{}
			store.add(1, tt.state, nil)
			if tt.group != "" {
				broker.group = func() (dlq.GroupInfo, error) {
					return dlq.GroupInfo{Name: "pay-service", Exists: true, Kind: tt.group}, nil
				}
			}
			req := ask(1)
			if tt.req != nil {
				tt.req(&req)
			}
			_, _, err := newService(store, broker).Replay(t.Context(), req)
			if dlq.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v (%s), want %s with %q", err, dlq.CodeOf(err), tt.code, tt.says)
			}
			if len(broker.sends()) != 0 || len(store.replays) != 0 {
				t.Error("something was sent or written")
			}
		})
	}
}

func TestReplayWithoutBroker(t *testing.T) {
	store := newFakeStore()
	store.add(1, dlq.StateOpen, nil)
	away := dlq.Errorf(dlq.CodeUnavailable, "the name server does not answer")
	s := newService(store, &stubBroker{group: func() (dlq.GroupInfo, error) { return dlq.GroupInfo{}, away }})
	o, err := s.Options(t.Context(), 1)
	if err != nil || o.Allowed || o.Why != StuckBrokerAway || o.BrokerError != away.Message || o.Default != "" || o.Group.Name != "pay-service" {
		t.Errorf("options %s, %v", dump(o), err)
	}
	if _, _, err := s.Replay(t.Context(), ask(1)); !errors.Is(err, away) {
		t.Errorf("replay: %v", err)
	}
	if store.letter(1).State != dlq.StateOpen {
		t.Error("the letter moved")
	}
}

func TestOptions(t *testing.T) {
	store, broker := newFakeStore(), &stubBroker{}
	store.add(1, dlq.StateOpen, nil)
	at := time.Now()
	store.replays["x"] = dlq.Replay{ID: "x", LetterID: 1, Outcome: dlq.OutcomeConfirmed, SettledAt: &at}
	store.order = []string{"x"}
	s := newService(store, broker)
	s.Now = func() time.Time { // each look at the clock is a while after the one before: no answer is remembered
		at = at.Add(answersStay)
		return at
	}
	s.Rules = stubRules(func(*dlq.DeadMessage) ([]byte, string, bool, error) { return []byte("in"), "payments", true, nil })
	o, err := s.Options(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if !o.Allowed || o.Default != dlq.DoorRetry || o.Version != 1 || o.SameLast5m != 7 || !o.Unwraps || o.ConfirmedAt == nil || !o.Timer || len(o.Levels) != 6 || o.Levels[2] != (dlq.DelayOption{Level: 3, Delay: dlq.Duration(10 * time.Second)}) {
		t.Errorf("options: %s", dump(o))
	}
	for _, d := range o.Doors {
		if d.Door == dlq.DoorTopic && d.Target != "payments" {
			t.Errorf("door A leads to %q, not to the topic in the envelope", d.Target)
		}
		if d.Door == dlq.DoorRetry && !slices.Contains(d.Warnings, WarnConfirmed) {
			t.Errorf("door B does not warn of the confirmed replay: %v", d.Warnings)
		}
	}
	if o.DeadCopyUntil != nil {
		t.Errorf("the dead copy is kept until %s, although nobody says how long", o.DeadCopyUntil)
	}
	broker.capabilities = func() (dlq.Capabilities, error) {
		c := five()
		c.Keeps = dlq.Duration(time.Minute)
		return c, nil
	}
	clear(s.ask.known) // as after a moment
	if o, err = s.Options(t.Context(), 1); err != nil || o.DeadCopyUntil == nil || !o.DeadCopyUntil.Equal(store.messages[1].StoredAt.Add(time.Minute)) {
		t.Errorf("dead copy until %v, %v", o.DeadCopyUntil, err)
	}
	broker.topics = func() ([]dlq.TopicInfo, error) {
		return []dlq.TopicInfo{{Queue: store.messages[1].Queue, Min: 2}}, nil
	}
	clear(s.ask.known)
	if o, err = s.Options(t.Context(), 1); err != nil || o.Doors[1].Door != dlq.DoorBack || o.Doors[1].Why != ShutEnvelope {
		t.Errorf("door C: %s %v", dump(o.Doors[1]), err)
	}
	s.Rules = stubRules(nil)
	if o, err = s.Options(t.Context(), 1); err != nil || o.Doors[1].Why != ShutDeadCopyGone {
		t.Errorf("door C: %s %v", dump(o.Doors[1]), err)
	}
	for _, state := range []dlq.State{dlq.StateSending, dlq.StateAwaiting, dlq.StateCompensating, dlq.StateResolved, dlq.StateDiscarded} {
		store.add(2, state, nil)
		o, err := s.Options(t.Context(), 2)
		if err != nil || o.Allowed || sentences[o.Why] == "" {
			t.Errorf("%s: %v %q %v", state, o.Allowed, o.Why, err)
		}
	}
	if _, err := s.Options(t.Context(), 99); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Errorf("no letter: %v", err)
	}
}

// Many questions about one consumer group at once are one question to the cluster. Its answer holds for a moment, an
// error does not.
func TestTheClusterIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.add(1, dlq.StateOpen, nil)
		var asked atomic.Int64
		var away atomic.Bool
		broker := &stubBroker{group: func() (dlq.GroupInfo, error) {
			asked.Add(1)
			time.Sleep(100 * time.Millisecond)
			if away.Load() {
				return dlq.GroupInfo{}, dlq.Errorf(dlq.CodeUnavailable, "away")
			}
			return dlq.GroupInfo{Name: "pay-service", Exists: true, Kind: dlq.GroupConcurrent}, nil
		}}
		s := newService(store, broker)
		look := func(times int) (away int) {
			var wg sync.WaitGroup
			var n atomic.Int64
			for range times {
				wg.Go(func() {
					o, err := s.Options(t.Context(), 1)
					if err != nil {
						t.Error(err)
					}
					if o.BrokerError != "" {
						n.Add(1)
					}
				})
			}
			wg.Wait()
			return int(n.Load())
		}
		look(20)
		look(20)
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(answersStay)
		away.Store(true)
		if n := look(20); n != 20 || asked.Load() != 2 {
			t.Errorf("%d of 20 were told that the broker is away, asked %d times", n, asked.Load())
		}
		away.Store(false)
		if n := look(1); n != 0 || asked.Load() != 3 {
			t.Errorf("an error was kept: %d, asked %d times", n, asked.Load())
		}
	})
}

// Two people press the button at the same moment: one message goes out, and the other is told by whom.
func TestTwoPeopleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.add(1, dlq.StateOpen, nil)
		broker := &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			time.Sleep(time.Second)
			return dlq.Receipt{}, dlq.Sent, nil
		}}
		s := newService(store, broker)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				req := ask(1)
				req.Actor = string(rune('a' + i))
				_, _, errs[i] = s.Replay(t.Context(), req)
			})
		}
		wg.Wait()
		won := ""
		for i, err := range errs {
			if err == nil {
				won += string(rune('a' + i))
			}
		}
		if len(won) != 1 || len(broker.sends()) != 1 {
			t.Fatalf("%q won, %d sends", won, len(broker.sends()))
		}
		for _, err := range errs {
			var e *dlq.Error
			if errors.As(err, &e) && (e.Code != dlq.CodeConflict || e.Params["actor"] != won || !strings.HasPrefix(e.Message, won+" has just replayed")) {
				t.Errorf("told: %v %v", e, e.Params)
			}
		}
	})
}

// The request of the person ends while the message is on its way: the send goes on and is settled.
func TestReplayOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.add(1, dlq.StateOpen, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			cancel()
			time.Sleep(time.Second)
			return dlq.Receipt{}, dlq.Sent, nil
		}})
		if _, l, err := s.Replay(ctx, ask(1)); err != nil || l.State != dlq.StateAwaiting {
			t.Errorf("letter %s, %v", l.State, err)
		}
	})
}

// The replay is back in the DLQ, and joined to its letter, before the answer to the send is written down.
func TestIntakeWasFaster(t *testing.T) {
	store := newFakeStore()
	store.add(1, dlq.StateOpen, nil)
	s := newService(store, &stubBroker{send: func(req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
		store.die(req.Replay.ID)
		return dlq.Receipt{}, dlq.Diverted, dlq.Errorf(dlq.CodeRefused, "straight into the DLQ")
	}})
	r, l, err := s.Replay(t.Context(), ask(1))
	if err != nil || r.Outcome != dlq.OutcomeFailedAgain || l.State != dlq.StateOpen || l.Deaths != 2 {
		t.Errorf("replay %s letter %s error %v", dump(r), dump(l), err)
	}
}

// A note that somebody writes while the message is on its way does not get into the way of the settle.
func TestNoteDuringSend(t *testing.T) {
	store := newFakeStore()
	store.add(1, dlq.StateOpen, nil)
	s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
		store.mu.Lock()
		defer store.mu.Unlock()
		l := store.letters[1]
		l.Version++
		store.letters[1] = l
		return dlq.Receipt{}, dlq.Sent, nil
	}})
	if r, l, err := s.Replay(t.Context(), ask(1)); err != nil || l.State != dlq.StateAwaiting || r.Outcome != dlq.OutcomeWaiting {
		t.Errorf("replay %s letter %s error %v", dump(r), dump(l), err)
	}
}

// A letter whose earlier send could not be decided: the broker is asked before anything is sent.
func TestPossibleDuplicateAsksFirst(t *testing.T) {
	setUp := func(look func(dlq.Replay) (dlq.Evidence, error)) (*fakeStore, *stubBroker, *Service) {
		store, broker := newFakeStore(), &stubBroker{look: look}
		store.add(1, dlq.StateOpen, func(l *dlq.Letter, _ *dlq.DeadMessage) { l.Flags, l.Replays = []dlq.Flag{dlq.FlagPossibleDuplicate}, 1 })
		store.replays["old"] = dlq.Replay{ID: "old", LetterID: 1, Outcome: dlq.OutcomeUnknown, Detail: DetailUndecidable}
		store.order = []string{"old"}
		return store, broker, newService(store, broker)
	}
	t.Run("found", func(t *testing.T) {
		_, broker, s := setUp(func(r dlq.Replay) (dlq.Evidence, error) {
			return dlq.Evidence{Copies: []dlq.Copy{{Place: dlq.PlaceTarget, Broker: "b", Offset: 3, StoredAt: time.Now()}}}, nil
		})
		r, l, err := s.Replay(t.Context(), ask(1))
		if err != nil || r.ID != "old" || r.Outcome != dlq.OutcomeWaiting || r.Receipt.Offset != 3 || l.State != dlq.StateAwaiting || len(l.Flags) != 0 || len(broker.sends()) != 0 {
			t.Errorf("replay %s letter %s error %v, %d sends", dump(r), dump(l), err, len(broker.sends()))
		}
	})
	t.Run("absent", func(t *testing.T) {
		_, broker, s := setUp(func(dlq.Replay) (dlq.Evidence, error) { return dlq.Evidence{}, nil })
		r, l, err := s.Replay(t.Context(), ask(1))
		if err != nil || r.ID == "old" || l.State != dlq.StateAwaiting || len(l.Flags) != 0 || l.Replays != 1 || len(broker.sends()) != 1 {
			t.Errorf("replay %s letter %s error %v, %d sends", dump(r), dump(l), err, len(broker.sends()))
		}
	})
	t.Run("nobody can say", func(t *testing.T) {
		store, broker, s := setUp(func(dlq.Replay) (dlq.Evidence, error) { return dlq.Evidence{}, errBroken })
		if _, _, err := s.Replay(t.Context(), ask(1)); dlq.CodeOf(err) != dlq.CodeUnavailable || len(broker.sends()) != 0 || store.letter(1).State != dlq.StateOpen {
			t.Errorf("error %v, %d sends", err, len(broker.sends()))
		}
	})
}
