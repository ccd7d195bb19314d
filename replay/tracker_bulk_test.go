package replay

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/dlq"
)

// The outcomes of an operation are asked for together and written together, and a fifth of them comes back through the
// intake, which ends the looks at them.
func TestTrackerFollowsAnOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const letters = 3000
		store, c := newFakeStore(), &scene{online: true, passKnown: true}
		broker := &stubBroker{look: c.look}
		s := newService(store, broker)
		tracked(t, s)
		s.Batch(t.Context(), bulk(tasks(store, letters, nil), dlq.ReplaySpec{}))
		c.at(dlq.PlaceTarget)
		time.Sleep(2 * time.Second)
		if n := broker.looked(); n != 0 {
			t.Errorf("%d looks before any consumer can have committed", n)
		}
		for _, r := range store.written()[:letters/5] {
			store.die(r.ID)
		}
		c.set(func() { c.passed = true })
		before := store.called()
		time.Sleep(8 * time.Second)
		if n := count(store, dlq.StateResolved); n != letters*4/5 {
			t.Errorf("%d letters are resolved", n)
		}
		broker.mu.Lock()
		asked := slices.Clone(broker.asked)
		broker.mu.Unlock()
		if looks := broker.looked(); looks != 2*letters*4/5 || slices.Max(asked) != trackLimit || len(asked) > 8 {
			t.Errorf("%d looks in questions of %v", looks, asked)
		}
		if calls := store.called() - before; calls > letters/5+150 { // those that came back are read one by one
			t.Errorf("%d calls to the store", calls)
		}
		for outcome, want := range map[string]float64{"confirmed": letters * 4 / 5, "failed_again": letters / 5, "sent": letters} {
			if n := testutil.ToFloat64(s.metrics.replays.WithLabelValues("c", "pay-service", outcome)); n != want {
				t.Errorf("%v counted as %s", n, outcome)
			}
		}
		if diff := cmp.Diff([]dlq.EventKind{dlq.EventSent, dlq.EventConfirmed}, store.kinds(letters)); diff != "" {
			t.Error(diff)
		}
		if r := store.written()[letters-1]; r.SeenAt == nil {
			t.Errorf("not seen: %s", dump(r))
		}
		if s.mu.Lock(); len(s.watching)+len(s.inFlight) != 0 {
			t.Errorf("%d replays are remembered", len(s.watching))
		}
		s.mu.Unlock()
		before = store.called()
		time.Sleep(24 * time.Hour)
		if calls := store.called() - before; calls > 100 || broker.looked() != 2*letters*4/5 {
			t.Errorf("%d calls to the store in a day in which nothing is open", calls)
		}
	})
}

// The letter is with a person again, since the replay before died late; the newer replay still gets its outcome.
func TestTrackerClosesAReplayWhoseLetterMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, passKnown: true, passed: true}
		store.add(1, dlq.StateOpen, nil)
		broker := &stubBroker{look: c.look}
		s := newService(store, broker)
		tracked(t, s)
		r, _, err := s.Replay(t.Context(), ask(1))
		if err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		store.mu.Lock()
		l := store.letters[1]
		l.State, l.Version, l.Deaths = dlq.StateOpen, l.Version+1, 2
		store.letters[1] = l
		store.mu.Unlock()
		time.Sleep(time.Minute)
		if r, l := store.only(t), store.letter(1); r.Outcome != dlq.OutcomeConfirmed || l.State != dlq.StateOpen {
			t.Errorf("replay %s letter %s", dump(r), dump(l))
		}
		looks := broker.looked()
		time.Sleep(time.Hour)
		if broker.looked() != looks {
			t.Errorf("replay %s is still looked at", r.ID)
		}
	})
}

// More replays are open than are remembered: they are followed all the same, and a group that leaves no trace of success
// is waited for as long.
func TestTrackerWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, retry: 10 * time.Minute}
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, &stubBroker{look: c.look})
		s.mu.Lock()
		for i := range maxWatched {
			s.remember(string(rune(i)), watchState{next: time.Now().Add(1000 * time.Hour)})
		}
		s.mu.Unlock()
		tracked(t, s)
		if _, _, err := s.Replay(t.Context(), ask(1)); err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		time.Sleep(5 * time.Minute)
		c.set(func() { c.online = false })
		time.Sleep(2 * time.Hour)
		if r := store.only(t); r.Outcome != dlq.OutcomeWaiting || time.Duration(r.OnlineFor) > 7*time.Minute || time.Duration(r.OnlineFor) < 3*time.Minute {
			t.Errorf("after five minutes online: %s", dump(r))
		}
		c.set(func() { c.online = true })
		time.Sleep(12 * time.Minute)
		if r := store.only(t); r.Outcome != dlq.OutcomeAssumed {
			t.Errorf("in the end: %s", dump(r))
		}
		if len(s.watching) > maxWatched {
			t.Errorf("%d replays are remembered", len(s.watching))
		}
	})
}

// A send to another topic of which nobody knew is found: it was sent, and nobody is followed.
func TestTrackerFindsASendToAnotherTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{}
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, &stubBroker{look: c.look, send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			return dlq.Receipt{}, dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "no answer")
		}})
		tracked(t, s)
		req := ask(1)
		req.Target, req.Anywhere = dlq.Target{Kind: dlq.TargetOtherTopic, Name: "parking"}, true
		if _, _, err := s.Replay(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		c.at(dlq.PlaceTarget)
		time.Sleep(3 * time.Second)
		if r, l := store.only(t), store.letter(1); r.Outcome != dlq.OutcomeUnknown || r.Detail != DetailOtherTopic || l.State != dlq.StateOpen || !l.HasFlag(dlq.FlagOutcomeUnknown) || l.HasFlag(dlq.FlagPossibleDuplicate) {
			t.Errorf("replay %s letter %s", dump(r), dump(l))
		}
	})
}

// A person is told within a second of a send although the tracker sleeps, and a send at every moment of its work is seen.
func TestTrackerWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, c := newFakeStore(), &scene{online: true, passKnown: true, passed: true}
		for id := range int64(40) {
			store.add(id+1, dlq.StateOpen, nil)
		}
		c.at(dlq.PlaceTarget)
		s := newService(store, &stubBroker{look: c.look})
		tracked(t, s)
		time.Sleep(30 * time.Minute)
		var wg sync.WaitGroup
		for id := range int64(40) {
			wg.Go(func() {
				time.Sleep(time.Duration(id) * 37 * time.Millisecond)
				if _, _, err := s.Replay(t.Context(), ask(id+1)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(3 * time.Second)
		if n := count(store, dlq.StateResolved); n != 40 {
			t.Errorf("%d are resolved", n)
		}
	})
}
