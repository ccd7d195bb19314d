package replay

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

// Every call to the store fails in turn, with and without having had its effect; then a new process takes over and the
// operation goes on with what is not sent. In the end each message has gone out once.
func TestBatchKillPoints(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			reached := false
			t.Run(fmt.Sprintf("call %d, after=%v", n, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { reached = killBatchAt(t, n, after) })
			})
			if !reached {
				if n < 3 {
					t.Fatalf("only %d calls were made", n-1)
				}
				break
			}
		}
	}
}

func killBatchAt(t *testing.T, n int, after bool) bool {
	store := newFakeStore()
	tasks(store, 30, func(id int64, _ *dlq.Letter, m *dlq.DeadMessage) {
		m.Properties[dlq.PropShardingKey] = fmt.Sprint(id % 4)
	})
	var mu sync.Mutex
	held := map[string]time.Time{}
	broker := &stubBroker{
		send: func(req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			mu.Lock()
			defer mu.Unlock()
			held[req.Replay.ID] = time.Now()
			return dlq.Receipt{Broker: "b"}, dlq.Sent, nil
		},
		look: func(r dlq.Replay) (dlq.Evidence, error) {
			mu.Lock()
			defer mu.Unlock()
			ev := dlq.Evidence{At: time.Now(), Online: true, PassedKnown: true}
			if at, ok := held[r.ID]; ok {
				ev.Passed, ev.Copies = true, []dlq.Copy{{Place: dlq.PlaceTarget, Broker: "b", StoredAt: at}}
			}
			return ev, nil
		},
	}
	first := store.calls
	store.breakAt, store.after = first+n, after
	newService(store, broker).Batch(t.Context(), bulk(store.tasks(), dlq.ReplaySpec{KeepOrder: true}))
	reached := store.calls >= first+n

	store.breakAt = 0
	s := newService(store, broker)
	tracked(t, s)
	time.Sleep(2 * time.Minute)
	s.Batch(t.Context(), bulk(store.tasks(), dlq.ReplaySpec{KeepOrder: true}))
	time.Sleep(2 * time.Minute)
	if sends := broker.sends(); len(sends) != 30 {
		t.Errorf("sent %d times", len(sends))
	}
	for id := range int64(30) {
		if l := store.letter(id + 1); l.Resolution != dlq.ResolvedConfirmed || l.Replays != 1 {
			t.Errorf("letter %s", dump(l))
		}
	}
	return reached
}

// A broker that hangs holds nobody but the letters that go to it.
func TestOneBrokerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		list := tasks(store, 60, func(id int64, _ *dlq.Letter, m *dlq.DeadMessage) {
			if id <= 40 {
				m.Broker = "hangs"
			}
		})
		s := newService(store, &stubBroker{send: func(req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			if req.Broker == "hangs" {
				time.Sleep(sendLimit)
				return dlq.Receipt{}, dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "no answer")
			}
			return dlq.Receipt{}, dlq.Sent, nil
		}})
		go s.Batch(t.Context(), bulk(list[:40], dlq.ReplaySpec{}))
		synctest.Wait()
		start := time.Now()
		s.Batch(t.Context(), bulk(list[40:], dlq.ReplaySpec{}))
		if took := time.Since(start); took > time.Second {
			t.Errorf("the others took %s", took)
		}
		time.Sleep(5 * sendLimit)
	})
}

// From its intent on a replay names the broker that alone can have it, so that nobody takes it for absent while that is away.
func TestIntentsNameTheirBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		list := tasks(store, 1, func(_ int64, _ *dlq.Letter, m *dlq.DeadMessage) { m.Broker = "b" })
		var intent dlq.Replay
		s := newService(store, &stubBroker{send: func(req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
			var err error
			if intent, err = store.Replay(t.Context(), req.Replay.ID); err != nil {
				t.Error(err)
			}
			return dlq.Receipt{}, dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "no answer")
		}})
		s.Batch(t.Context(), bulk(list, dlq.ReplaySpec{}))
		if after := store.only(t); intent.Receipt.Broker != "b" || after.Receipt.Broker != "b" || after.Detail != DetailSendUnknown {
			t.Errorf("the intent names %q, the replay %+v", intent.Receipt.Broker, after)
		}
	})
}
