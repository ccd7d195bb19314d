package replay

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/dlq"
)

// tracked runs a tracker beside the test. It ends with the test's bubble.
func tracked(t *testing.T, s *Service) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.RunTracker(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
}

// scene is what a stub broker's Look answers from.
type scene struct {
	mu                        sync.Mutex
	copies                    []dlq.Copy
	passed, online, passKnown bool
	expired                   bool
	retry                     time.Duration
	err                       error
}

func (c *scene) look(dlq.Replay) (dlq.Evidence, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return dlq.Evidence{
		Taken: true,
		At:    time.Now(), Copies: slices.Clone(c.copies), Passed: c.passed, PassedKnown: c.passKnown, Online: c.online, Expired: c.expired, Retry: c.retry,
	}, c.err
}

func (c *scene) at(place dlq.CopyPlace) {
	c.set(func() {
		c.copies = append(c.copies, dlq.Copy{Place: place, Broker: "b", Queue: 1, Offset: 9, MessageID: "found", StoredAt: time.Now()})
	})
}

func (c *scene) set(edit func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	edit()
}

func TestTrackerConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, passKnown: true}
		store.add(1, dlq.StateOpen, nil)
		broker := &stubBroker{look: c.look}
		s := newService(store, broker)
		tracked(t, s)
		if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		time.Sleep(5500 * time.Millisecond) // consumers commit every 5 s
		if r := store.only(t); r.Detail != DetailNotConsumed || r.SeenAt != nil || r.Looks < 2 {
			t.Errorf("before the commit: %s", dump(r))
		}
		c.set(func() { c.passed = true })
		time.Sleep(5 * time.Second)
		r, l := store.only(t), store.letter(1)
		if r.Outcome != dlq.OutcomeConfirmed || r.Detail != DetailConsumed || r.SeenAt == nil || r.SettledAt == nil || r.NextLook != nil {
			t.Errorf("replay: %s", dump(r))
		}
		if gap := r.SettledAt.Sub(*r.SeenAt); gap < time.Second {
			t.Errorf("the two looks are %s apart", gap)
		}
		if l.State != dlq.StateResolved || l.Resolution != dlq.ResolvedConfirmed {
			t.Errorf("letter: %s", dump(l))
		}
		if diff := cmp.Diff([]dlq.EventKind{dlq.EventIntended, dlq.EventSent, dlq.EventDelivered, dlq.EventConfirmed}, store.kinds(1)); diff != "" {
			t.Error(diff)
		}
		if n := testutil.ToFloat64(s.metrics.replays.WithLabelValues("c", "pay-service", "confirmed")); n != 1 {
			t.Errorf("counted %v", n)
		}
		looks := broker.looked()
		time.Sleep(24 * time.Hour)
		if broker.looked() != looks {
			t.Errorf("the broker is asked %d more times although nothing is open", broker.looked()-looks)
		}
	})
}

func TestTrackerLeavesADeathToTheIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, passKnown: true}
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, &stubBroker{look: c.look})
		tracked(t, s)
		if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		c.at(dlq.PlaceRetry)
		time.Sleep(3 * time.Second)
		if r := store.only(t); r.Detail != DetailBeingRetried || r.SeenAt == nil {
			t.Errorf("while it is retried: %s", dump(r))
		}
		c.at(dlq.PlaceDead)
		c.set(func() { c.passed = true })
		time.Sleep(10 * time.Second)
		if r, l := store.only(t), store.letter(1); r.Detail != DetailBackInDLQ || l.State != dlq.StateAwaiting {
			t.Errorf("before the intake has read it: %s %s", l.State, dump(r))
		}
		store.die(store.only(t).ID)
		time.Sleep(time.Hour)
		if l := store.letter(1); l.State != dlq.StateOpen || l.Deaths != 2 {
			t.Errorf("letter: %s", dump(l))
		}
		if n := testutil.ToFloat64(s.metrics.returned.WithLabelValues("c", "pay-service")); n != 1 {
			t.Errorf("counted %v returns", n)
		}
	})
}

func TestTrackerWaitsForAGroupThatIsOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{passKnown: true}
		store.add(1, dlq.StateOpen, nil)
		broker := &stubBroker{look: c.look}
		s := newService(store, broker)
		tracked(t, s)
		if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		time.Sleep(30 * 24 * time.Hour)
		if r := store.only(t); r.Outcome != dlq.OutcomeWaiting || r.Detail != DetailOffline {
			t.Fatalf("after a month: %s", dump(r))
		}
		if most := 30 * 24 * 31; broker.looked() > most {
			t.Errorf("%d looks in a month", broker.looked())
		}
		c.set(func() { c.online, c.passed = true, true })
		time.Sleep(2*time.Minute + 2*time.Second)
		if r := store.only(t); r.Outcome != dlq.OutcomeConfirmed {
			t.Errorf("back online: %s", dump(r))
		}
	})
}

func TestTrackerAssumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, retry: 10 * time.Minute}
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, &stubBroker{look: c.look})
		tracked(t, s)
		if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		time.Sleep(5 * time.Minute)
		c.set(func() { c.online = false })
		time.Sleep(24 * time.Hour)
		if r := store.only(t); r.Outcome != dlq.OutcomeWaiting || time.Duration(r.OnlineFor) > 7*time.Minute {
			t.Errorf("offline time counted: %s", dump(r))
		}
		c.set(func() { c.online = true })
		time.Sleep(14 * time.Minute)
		if r, l := store.only(t), store.letter(1); r.Outcome != dlq.OutcomeAssumed || l.Resolution != dlq.ResolvedAssumed {
			t.Errorf("replay %s, letter %s", dump(r), l.State)
		}
	})
}

func TestTrackerLosesTheEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{expired: true}
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, &stubBroker{look: c.look})
		tracked(t, s)
		if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		r, l := store.only(t), store.letter(1)
		if r.Outcome != dlq.OutcomeUnknown || r.Detail != DetailExpired || l.State != dlq.StateOpen || !l.HasFlag(dlq.FlagOutcomeUnknown) {
			t.Errorf("replay %s letter %s", dump(r), dump(l))
		}
	})
}

// A send of which nobody knows whether it was made.
func TestTrackerSettlesAnUnknownSend(t *testing.T) {
	lost := func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
		return dlq.Receipt{}, dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "the broker b did not answer")
	}
	t.Run("found", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, c := newFakeStore(), &scene{online: true, passKnown: true}
			store.add(1, dlq.StateOpen, nil)
			s := newService(store, &stubBroker{send: lost, look: c.look})
			tracked(t, s)
			if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond)
			c.at(dlq.PlaceTarget) // it was stuck in a buffer and comes late
			time.Sleep(3 * time.Second)
			r, l := store.only(t), store.letter(1)
			if l.State != dlq.StateAwaiting || r.Outcome != dlq.OutcomeWaiting || r.SentAt == nil || r.Receipt.MessageID != "found" || r.Error != "" {
				t.Errorf("replay %s letter %s", dump(r), dump(l))
			}
			c.set(func() { c.passed = true })
			time.Sleep(10 * time.Second)
			if l := store.letter(1); l.Resolution != dlq.ResolvedConfirmed || l.HasFlag(dlq.FlagPossibleDuplicate) {
				t.Errorf("letter %s", dump(l))
			}
		})
	})
	t.Run("absent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, c := newFakeStore(), &scene{}
			store.add(1, dlq.StateOpen, nil)
			s := newService(store, &stubBroker{send: lost, look: c.look})
			tracked(t, s)
			if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Second)
			if l := store.letter(1); l.State != dlq.StateSending {
				t.Errorf("given up after 9 s already: %s", l.State)
			}
			time.Sleep(6 * time.Second)
			r, l := store.only(t), store.letter(1)
			if l.State != dlq.StateOpen || !l.HasFlag(dlq.FlagSendFailed) || l.Replays != 0 || r.Outcome != dlq.OutcomeSendFailed || r.Detail != DetailAbsent {
				t.Errorf("replay %s letter %s", dump(r), dump(l))
			}
		})
	})
	t.Run("undecidable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, c := newFakeStore(), &scene{err: errBroken}
			store.add(1, dlq.StateOpen, nil)
			s := newService(store, &stubBroker{send: lost, look: c.look})
			tracked(t, s)
			if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9*time.Minute + 50*time.Second)
			if l := store.letter(1); l.State != dlq.StateSending {
				t.Errorf("given up early: %s", l.State)
			}
			time.Sleep(2 * time.Minute)
			r, l := store.only(t), store.letter(1)
			if l.State != dlq.StateOpen || !l.HasFlag(dlq.FlagPossibleDuplicate) || l.Replays != 1 || r.Outcome != dlq.OutcomeUnknown || r.Detail != DetailUndecidable {
				t.Errorf("replay %s letter %s", dump(r), dump(l))
			}
		})
	})
	t.Run("undecidable only after ten minutes of asking", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store, c := newFakeStore(), &scene{err: errBroken}
			store.add(1, dlq.StateOpen, nil)
			if _, _, err := newService(store, &stubBroker{send: lost}).Replay(t.Context(), ask(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // the console was not running
			tracked(t, newService(store, &stubBroker{look: c.look}))
			time.Sleep(9 * time.Minute)
			if l := store.letter(1); l.State != dlq.StateSending {
				t.Errorf("after 9 minutes: %s", l.State)
			}
			time.Sleep(3 * time.Minute)
			if l := store.letter(1); l.State != dlq.StateOpen {
				t.Errorf("after 12 minutes: %s", l.State)
			}
		})
	})
}

// An automatic send that turns out not to have been made is made again, later and later.
func TestTrackerPlansAnAutomaticSendAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{}
		store.add(1, dlq.StateScheduled, nil)
		s := newService(store, &stubBroker{look: c.look, send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			return dlq.Receipt{}, dlq.SentUnknown, errBroken
		}})
		d := newDueRun(s)
		if _, err := d.runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		tracked(t, s)
		time.Sleep(20 * time.Second)
		l := store.letter(1)
		if l.State != dlq.StateScheduled || l.DueAt == nil || !l.DueAt.After(time.Now()) || l.Replays != 0 {
			t.Errorf("letter %s", dump(l))
		}
	})
}

// The tracker does not touch a send that is under way in this process, however long it takes.
func TestTrackerLeavesASendUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, passKnown: true}
		store.add(1, dlq.StateOpen, nil)
		broker := &stubBroker{look: c.look, send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			time.Sleep(3 * time.Minute)
			return dlq.Receipt{}, dlq.Sent, nil
		}}
		s := newService(store, broker)
		tracked(t, s)
		go func() {
			if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(2*time.Minute + 50*time.Second)
		if broker.looked() != 0 || store.letter(1).State != dlq.StateSending {
			t.Errorf("%d looks, letter %s", broker.looked(), store.letter(1).State)
		}
		c.at(dlq.PlaceTarget)
		c.set(func() { c.passed = true })
		time.Sleep(30 * time.Second)
		if l := store.letter(1); l.Resolution != dlq.ResolvedConfirmed {
			t.Errorf("letter %s", dump(l))
		}
	})
}
