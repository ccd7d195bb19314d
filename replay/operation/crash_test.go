package operation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/operation"
	"deadletteroffice/store"
)

var errKilled = errors.New("the process was killed")

// mortal is a store, and a replay service, of a process that dies at its n-th write: before it, or when it is made. From
// then on it does nothing any more.
type mortal struct {
	*store.Store
	operation.Replays
	killed chan struct{}

	mu    sync.Mutex
	n     int
	after bool
	dead  bool
}

// write counts a write: whether the process lives to make it, and whether it is the one that the process dies of.
func (m *mortal) write() (alive, last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return false, false
	}
	if m.n--; m.n == 0 {
		m.dead = true
		close(m.killed)
		return false, true
	}
	return true, false
}

func (m *mortal) do(write func() error) error {
	alive, last := m.write()
	if alive {
		return write()
	}
	if last && m.after {
		if err := write(); err != nil {
			return err
		}
	}
	return errKilled
}

func (m *mortal) SaveOperation(ctx context.Context, o dlq.Operation, seen int64, e dlq.OperationEvent) (saved dlq.Operation, err error) {
	err = m.do(func() error {
		saved, err = m.Store.SaveOperation(ctx, o, seen, e)
		return err
	})
	return saved, err
}

func (m *mortal) Freeze(ctx context.Context, number int64, pick dlq.OperationPick) (o dlq.Operation, err error) {
	err = m.do(func() error {
		o, err = m.Store.Freeze(ctx, number, pick)
		return err
	})
	return o, err
}

func (m *mortal) SkipItems(ctx context.Context, number int64, why map[int64]string) error {
	return m.do(func() error { return m.Store.SkipItems(ctx, number, why) })
}

func (m *mortal) CancelItems(ctx context.Context, number int64) (n int64, err error) {
	err = m.do(func() error {
		n, err = m.Store.CancelItems(ctx, number)
		return err
	})
	return n, err
}

// Batch of a process that dies does half of its work, or all of it, and does not return before the end of the process.
func (m *mortal) Batch(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
	alive, last := m.write()
	if alive {
		return m.Replays.Batch(ctx, b)
	}
	results := make([]dlq.BatchResult, len(b.Tasks))
	if last {
		if !m.after {
			b.Tasks = b.Tasks[:len(b.Tasks)/2]
		}
		m.Replays.Batch(ctx, b)
	}
	<-ctx.Done()
	return results
}

// TestKilledAtEveryWrite kills the process at each write of an operation in turn, before it and after it, and lets
// another go on. Whatever it was, every letter is delivered once, and the ledger says what became of it.
func TestKilledAtEveryWrite(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			died := false
			t.Run(fmt.Sprintf("%d %v", n, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { died = killed(t, n, after) })
			})
			if !died || t.Failed() {
				if n < 8 {
					t.Errorf("only %d writes were made", n-1)
				}
				break
			}
		}
	}
}

func killed(t *testing.T, n int, after bool) (died bool) {
	m := &mortal{n: n, after: after, killed: make(chan struct{})}
	o := open(t, func(o *office) {
		o.mortal = m
		o.policy.Stale = []dlq.StaleLimit{{Topic: "orders", After: dlq.Duration(10 * time.Minute)}}
	})
	revive := func() bool {
		select {
		case <-m.killed:
		default:
			return false
		}
		if o.mortal != nil {
			o.halt()
			o.mortal, died = nil, true
			o.run()
		}
		return true
	}
	o.die(20, nil)
	time.Sleep(11 * time.Minute)
	o.die(120, nil)
	var mu sync.Mutex
	heard := map[string]int{}
	o.does(func(s simulated.Seen) bool {
		mu.Lock()
		defer mu.Unlock()
		heard[s.Properties[dlq.PropUniqueKey]]++
		return true
	})
	ctx := context.Background()
	spec := dlq.OperationSpec{Replay: &dlq.ReplaySpec{}, Canary: dlq.Canary{Letters: 3}, Pace: dlq.Pace{Rate: 40}, Hold: dlq.Duration(5 * time.Second)}
	// Whoever gets no answer asks again, as a client does.
	again := func(do func() error) {
		t.Helper()
		for {
			if err := do(); err == nil {
				return
			} else if !revive() {
				t.Fatal(err)
			}
		}
	}
	again(func() error {
		_, err := o.Create(ctx, dlq.Operation{ID: "spring", Kind: dlq.OperationReplay, Spec: spec, Actor: "li"}, dlq.OperationPick{Filter: &dlq.Filter{}})
		return err
	})
	again(func() error {
		op, err := o.Get(ctx, "spring")
		if err != nil || op.State != dlq.OperationDraft {
			return err
		}
		_, err = o.Start(ctx, "spring", op.Version, "go", "li")
		return err
	})
	paused := false
	o.until("its end", func() bool {
		revive()
		op := o.get("spring")
		if op.State == dlq.OperationRunning && op.Counts[dlq.ItemPending] < 60 && !paused {
			paused = true
			if _, err := o.Pause(ctx, "spring", 0, "", "li"); err != nil && !revive() {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			if _, err := o.Resume(ctx, "spring", 0, "", "li"); err != nil && dlq.CodeOf(err) != dlq.CodeRefused && !revive() {
				t.Fatal(err)
			}
		} else if op.State == dlq.OperationPaused {
			if _, err := o.Resume(ctx, "spring", 0, "", "li"); err != nil && !revive() {
				t.Fatal(err)
			}
		}
		return op.State == dlq.OperationSettled
	})
	op := o.get("spring")
	if op.End != dlq.EndCompleted {
		t.Errorf("it ended %s %v", op.End, op.Because)
	}
	o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 120, dlq.ItemSkipped: 20})
	mu.Lock()
	defer mu.Unlock()
	if len(heard) != 120 {
		t.Errorf("%d letters were delivered", len(heard))
	}
	for key, times := range heard {
		if times != 1 {
			t.Errorf("%s was delivered %d times", key, times)
		}
	}
	return died
}

// TestRestartInEveryState stops the process in an orderly way in each state, and starts it again.
func TestRestartInEveryState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(50, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.broker.SetOnline("pay", false)
		ctx := context.Background()
		restart := func(state dlq.OperationState) {
			t.Helper()
			before := o.comes("spring", state)
			o.halt()
			o.run()
			time.Sleep(time.Second)
			after := o.get("spring")
			if after.State != state || after.Cause != before.Cause || after.CanaryLetters != before.CanaryLetters {
				t.Errorf("%s became %s", state, after.State)
			}
		}
		op := o.draft("spring", dlq.OperationSpec{Hold: dlq.Duration(10 * time.Second), Canary: dlq.Canary{Letters: 5}, Pace: dlq.Pace{Rate: 2}})
		restart(dlq.OperationDraft)
		if _, err := o.Start(ctx, "spring", op.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		restart(dlq.OperationQueued)
		restart(dlq.OperationCanary)
		o.broker.SetOnline("pay", true)
		restart(dlq.OperationRunning)
		if _, err := o.Pause(ctx, "spring", 0, "", "li"); err != nil {
			t.Fatal(err)
		}
		restart(dlq.OperationPaused)
		o.broker.SetOnline("pay", false)
		if _, err := o.Resume(ctx, "spring", 0, "", "li"); err != nil {
			t.Fatal(err)
		}
		restart(dlq.OperationSettling)
		o.broker.SetOnline("pay", true)
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 50})
	})
}
