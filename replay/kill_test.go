package replay

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

// Every call to the store fails in turn, with and without having had its effect, as if the process died or the disk
// vanished at that moment; then a new process takes over. In the end the message has gone out at most once, or the
// letter says that it may have gone out twice, and no letter hangs: it waits for an outcome that then comes, or is with a
// person.
func TestKillPoints(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			reached := false
			t.Run(fmt.Sprintf("call %d, after=%v", n, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { reached = killAt(t, n, after) })
			})
			if !reached {
				if n < 5 {
					t.Fatalf("only %d calls were made", n-1)
				}
				break
			}
		}
	}
}

// killAt replays one letter with the n-th call broken, and reports whether there was such a call.
func killAt(t *testing.T, n int, after bool) bool {
	store := newFakeStore()
	store.add(1, dlq.StateOpen, nil)
	held := map[string]time.Time{} // what the broker has, by replay
	broker := &stubBroker{
		send: func(req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			held[req.Replay.ID] = time.Now()
			return dlq.Receipt{Broker: "b"}, dlq.Sent, nil
		},
		look: func(r dlq.Replay) (dlq.Evidence, error) {
			ev := dlq.Evidence{At: time.Now(), Online: true, PassedKnown: true}
			if at, ok := held[r.ID]; ok {
				ev.Passed = true
				ev.Copies = []dlq.Copy{{Place: dlq.PlaceTarget, Broker: "b", StoredAt: at}}
			}
			return ev, nil
		},
	}
	store.breakAt, store.after = n, after
	_, _, err := newService(store, broker).Replay(t.Context(), ask(1))
	reached := store.calls >= n

	// The next process: a person who got an error, or found the letter open again, presses once more.
	store.breakAt = 0
	s := newService(store, broker)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.RunTracker(ctx) }()
	time.Sleep(2 * time.Minute)
	if l := store.letter(1); l.State == dlq.StateOpen {
		again := ask(1)
		again.Version = l.Version
		if _, _, err := s.Replay(ctx, again); err != nil {
			t.Errorf("the second try: %v", err)
		}
		time.Sleep(time.Minute)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	l := store.letter(1)
	if l.State != dlq.StateResolved || l.Resolution != dlq.ResolvedConfirmed {
		t.Errorf("first answer %v; in the end the letter is %s", err, dump(l))
	}
	if sends := broker.sends(); len(sends) != 1 || l.Replays != 1 {
		t.Errorf("first answer %v; sent %d times, counted %d", err, len(sends), l.Replays)
	}
	for id, r := range store.replays {
		if !r.Outcome.Final() {
			t.Errorf("replay %s is %s in the end", id, r.Outcome)
		}
	}
	return reached
}
