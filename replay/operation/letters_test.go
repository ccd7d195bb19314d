package operation_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/operation"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// heard collects what consumers were given, by sharding key.
type heard struct {
	mu   sync.Mutex
	list map[string][]int
}

func (h *heard) take(s simulated.Seen) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, _ := strconv.Atoi(strings.Trim(string(s.Body), `{"n:}`))
	if h.list == nil {
		h.list = map[string][]int{}
	}
	key := s.Properties["__SHARDINGKEY"]
	h.list[key] = append(h.list[key], n)
	return n
}

func TestKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		// Letters 0, 3, 6 … belong to user0, 1, 4, 7 … to user1, and so on; from 30 on they have no key.
		o.die(40, func(i int) map[string]string {
			if i < 30 {
				return map[string]string{"__SHARDINGKEY": fmt.Sprint("user", i%3)}
			}
			return nil
		})
		var h heard
		o.does(func(s simulated.Seen) bool { return h.take(s) != 10 }) // of user1: 1, 4, 7, 10, 13, …
		o.start("spring", dlq.OperationSpec{Replay: &dlq.ReplaySpec{KeepOrder: true}})
		o.until("the letters without a key", func() bool { return o.get("spring").Counts[dlq.ItemConfirmed] >= 10 })
		if op := o.get("spring"); op.WaitsFor != "order" || op.Counts[dlq.ItemPending] == 0 {
			t.Errorf("it waits for %q with %v", op.WaitsFor, op.Counts)
		}
		// In the middle of it the process starts anew: the order is found again.
		o.until("half of the keys", func() bool { return o.get("spring").Counts[dlq.ItemPending] < 16 })
		o.halt()
		o.run()
		op := o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 33, dlq.ItemFailedAgain: 1, dlq.ItemSkipped: 6})
		want := map[string][]int{"user0": {0, 3, 6, 9, 12, 15, 18, 21, 24, 27}, "user1": {1, 4, 7, 10, 10}, "user2": {2, 5, 8, 11, 14, 17, 20, 23, 26, 29}}
		delete(h.list, "")
		if diff := cmp.Diff(want, h.list); diff != "" {
			t.Error(diff)
		}
		page, err := o.store.Items(context.Background(), op.Number, []dlq.ItemState{dlq.ItemSkipped}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Items {
			if i.Detail != dlq.SkipEarlier {
				t.Errorf("position %d was skipped: %s", i.Position, i.Detail)
			}
		}
	})
}

func TestKeepOrderAroundSkippedLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(12, func(i int) map[string]string { return map[string]string{"__SHARDINGKEY": fmt.Sprint("user", i%2)} })
		page, err := o.store.Letters(context.Background(), dlq.Filter{}, "", 50)
		if err != nil {
			t.Fatal(err)
		}
		byKey := map[string]dlq.Letter{}
		for _, l := range page.Items {
			byKey[l.Keys[0]] = l
		}
		// Of user0 the third is quarantined, of user1 the third is settled already.
		for _, c := range []dlq.Change{
			{LetterID: byKey["K4"].ID, Trigger: dlq.TriggerEdit, To: dlq.StateOpen, AddFlags: []dlq.Flag{dlq.FlagQuarantined}},
			{LetterID: byKey["K5"].ID, Trigger: dlq.TriggerResolve, To: dlq.StateResolved, Resolution: dlq.ResolvedByHand},
		} {
			if _, errs := o.store.ApplyEach(context.Background(), []dlq.Change{c}); errs[0] != nil {
				t.Fatal(errs[0])
			}
		}
		var h heard
		o.does(func(s simulated.Seen) bool { h.take(s); return true })
		o.start("spring", dlq.OperationSpec{Replay: &dlq.ReplaySpec{KeepOrder: true}})
		op := o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 7, dlq.ItemSkipped: 5})
		if diff := cmp.Diff(map[string][]int{"user0": {0, 2}, "user1": {1, 3, 7, 9, 11}}, h.list); diff != "" {
			t.Error(diff)
		}
		got := map[string]int{}
		items, err := o.store.Items(context.Background(), op.Number, []dlq.ItemState{dlq.ItemSkipped}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items.Items {
			got[i.Detail]++
		}
		if diff := cmp.Diff(map[string]int{dlq.SkipQuarantined: 1, "state_resolved": 1, dlq.SkipEarlier: 3}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLettersThatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(20, nil)
		ctx := context.Background()
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 1}})
		time.Sleep(5 * time.Second)
		// While it runs a person gives the last letter back by hand, discards another, and quarantines a third.
		page, err := o.store.Letters(ctx, dlq.Filter{Tab: dlq.TabAttention}, "", 3)
		if err != nil {
			t.Fatal(err)
		}
		one, two, three := page.Items[0], page.Items[1], page.Items[2]
		o.broker.SetOnline("pay", false)
		if _, _, err := o.replays.Replay(ctx, dlq.ReplayRequest{LetterID: one.ID, Version: one.Version, Actor: "wang"}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []dlq.Change{
			{LetterID: two.ID, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded},
			{LetterID: three.ID, Trigger: dlq.TriggerEdit, To: dlq.StateOpen, AddFlags: []dlq.Flag{dlq.FlagQuarantined}},
		} {
			if _, errs := o.store.ApplyEach(ctx, []dlq.Change{c}); errs[0] != nil {
				t.Fatal(errs[0])
			}
		}
		o.comes("spring", dlq.OperationSettling)
		o.broker.SetOnline("pay", true)
		op := o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 17, dlq.ItemSkipped: 3})
		got := map[int64]string{}
		items, err := o.store.Items(ctx, op.Number, []dlq.ItemState{dlq.ItemSkipped}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items.Items {
			got[i.LetterID] = i.Detail
		}
		if diff := cmp.Diff(map[int64]string{one.ID: "state_awaiting", two.ID: "state_discarded", three.ID: dlq.SkipQuarantined}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOtherKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(230, nil)
		for _, step := range []struct {
			kind dlq.OperationKind
			spec dlq.OperationSpec
			tab  dlq.Tab
			to   dlq.Tab
		}{
			{dlq.OperationRoute, dlq.OperationSpec{Route: dlq.RouteManual}, dlq.TabAttention, dlq.TabAttention},
			{dlq.OperationDiscard, dlq.OperationSpec{Canary: dlq.Canary{Letters: 3}, Brake: dlq.Brake{Of: 20}}, dlq.TabAttention, dlq.TabDiscarded},
			{dlq.OperationRestore, dlq.OperationSpec{Pace: dlq.Pace{Rate: 50}}, dlq.TabDiscarded, dlq.TabAttention},
			{dlq.OperationResolve, dlq.OperationSpec{}, dlq.TabAttention, dlq.TabResolved},
		} {
			id := string(step.kind)
			d := o.draftOf(dlq.Operation{ID: id, Kind: step.kind, Spec: step.spec, Actor: "li"}, dlq.Filter{Tab: step.tab})
			if d.Preview.Eligible != 230 {
				t.Errorf("%s: %+v", id, d.Preview)
			}
			began := time.Now()
			if _, err := o.Start(context.Background(), id, d.Version, "cleaning up", "li"); err != nil {
				t.Fatal(err)
			}
			op := o.comes(id, dlq.OperationSettled)
			o.counts(op, map[dlq.ItemState]int64{dlq.ItemDone: 230})
			if n := o.letters(dlq.Filter{Tab: step.to}); n != 230 {
				t.Errorf("after %s there are %d letters in %s", id, n, step.to)
			}
			if step.kind == dlq.OperationRestore {
				if took := time.Since(began); took < 4*time.Second || took > 6*time.Second {
					t.Errorf("230 letters at 50 per second took %s", took)
				}
			}
		}
	})
}

// batcher is a replay service with a Batch of its own.
type batcher struct {
	operation.Replays
	batch func(context.Context, dlq.ReplayBatch) []dlq.BatchResult
}

func (b batcher) Batch(ctx context.Context, batch dlq.ReplayBatch) []dlq.BatchResult {
	return b.batch(ctx, batch)
}

// answers gives every letter of a batch the same result.
func answers(b dlq.ReplayBatch, r dlq.BatchResult) []dlq.BatchResult {
	out := make([]dlq.BatchResult, len(b.Tasks))
	for i, t := range b.Tasks {
		out[i] = r
		out[i].LetterID = t.LetterID
	}
	return out
}

func TestOneGroupDoesNotHoldTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(o *office) {
			o.wrap = func(r operation.Replays) operation.Replays {
				return batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
					if b.Tasks[0].Letter.ConsumerGroup == "pay" {
						time.Sleep(20 * time.Second)
					}
					return r.Batch(ctx, b)
				}}
			}
		})
		o.die(900, nil)
		o.dieIn("ship", "parcels", 300, nil)
		o.does(func(simulated.Seen) bool { return true })
		d := o.draftOf(dlq.Operation{ID: "spring", Kind: dlq.OperationReplay, Actor: "li"}, dlq.Filter{})
		if _, err := o.Start(context.Background(), "spring", d.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := o.letters(dlq.Filter{ConsumerGroups: []string{"ship"}, Tab: dlq.TabResolved}); n != 300 {
			t.Errorf("while pay hangs %d letters of ship came good", n)
		}
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 1200})
	})
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		back := time.Now().Add(5 * time.Minute)
		o := open(t, func(o *office) {
			o.wrap = func(r operation.Replays) operation.Replays {
				return batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
					calls.Add(1)
					if time.Now().Before(back) { // as Status does not know yet
						return answers(b, dlq.BatchResult{Later: true, Err: dlq.Errorf(dlq.CodeUnavailable, "the broker is away")})
					}
					return r.Batch(ctx, b)
				}}
			}
		})
		o.die(500, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{})
		time.Sleep(time.Minute)
		if op := o.get("spring"); op.WaitsFor != "broker_away" || op.State != dlq.OperationRunning {
			t.Errorf("it is %s and waits for %q", op.State, op.WaitsFor)
		}
		time.Sleep(time.Until(back))
		if n := calls.Load(); n < 15 || n > 30 { // one every fifteen seconds in the end
			t.Errorf("the broker was tried %d times in five minutes", n)
		}
		op := o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 500})
		if took := op.EndedAt.Sub(back); took > 20*time.Second {
			t.Errorf("with the broker back it took %s", took)
		}
	})
}

func TestOneOfTwoBrokersAway(t *testing.T) {
	t.Run("every other letter", func(t *testing.T) {
		oneOfTwoBrokersAway(t, 900, func(id int64) bool { return id%2 == 1 })
	})
	t.Run("most of the first letters, more than are read at once", func(t *testing.T) {
		oneOfTwoBrokersAway(t, 1350, func(id int64) bool { return id <= 1500 && id%10 != 0 })
	})
}

func oneOfTwoBrokersAway(t *testing.T, letters int64, away func(letter int64) bool) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(10 * time.Minute)
		var calls atomic.Int64
		o := open(t, func(o *office) {
			o.wrap = func(r operation.Replays) operation.Replays {
				return batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
					calls.Add(1)
					out := answers(b, dlq.BatchResult{Later: true, Err: dlq.Errorf(dlq.CodeUnavailable, "that broker is away")})
					var here []dlq.OperationTask
					for _, t := range b.Tasks {
						if !away(t.LetterID) || !time.Now().Before(back) {
							here = append(here, t)
						}
					}
					b.Tasks = here
					for _, res := range r.Batch(ctx, b) {
						for i := range out {
							if out[i].LetterID == res.LetterID {
								out[i] = res
							}
						}
					}
					return out
				}}
			}
		})
		o.die(1800, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{})
		time.Sleep(3 * time.Minute)
		if op := o.get("spring"); op.Counts[dlq.ItemPending] != letters || op.State != dlq.OperationRunning {
			t.Errorf("it is %s with %v", op.State, op.Counts)
		}
		time.Sleep(time.Until(back))
		if n := calls.Load(); n > 800 {
			t.Errorf("%d batches were tried in ten minutes", n)
		}
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 1800})
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for asked, most := range map[int]int{1: 1, 5: 5, 7: 7, 8: 8, 0: 64} {
			var mu sync.Mutex
			sends, peak := 0, 0
			o := open(t, func(o *office) {
				o.wrap = func(r operation.Replays) operation.Replays {
					return batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
						mu.Lock()
						sends += b.Concurrency
						peak = max(peak, sends)
						mu.Unlock()
						time.Sleep(time.Second)
						mu.Lock()
						sends -= b.Concurrency
						mu.Unlock()
						return r.Batch(ctx, b)
					}}
				}
			})
			o.die(600, nil)
			o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Concurrency: asked}})
			o.comes("spring", dlq.OperationSettled)
			if peak != most {
				t.Errorf("%d sends at once were asked for, %d were made", asked, peak)
			}
			o.halt()
		}
	})
}

func TestLettersThatCannotBeSentForAnUnknownReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(o *office) {
			o.wrap = func(r operation.Replays) operation.Replays {
				return batcher{r, func(_ context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
					return answers(b, dlq.BatchResult{Err: fmt.Errorf("write intents: %w", context.DeadlineExceeded)})
				}}
			}
		})
		o.die(5, nil)
		o.start("spring", dlq.OperationSpec{})
		op := o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemSkipped: 5})
	})
}

func TestOperationThatCannotGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(5, nil)
		// Zones may go away with the machine's data; nobody can say then when the window is open.
		op := o.draft("spring", dlq.OperationSpec{})
		op.Spec.Window = &dlq.ReplayWindow{From: "02:00", To: "03:00", Zone: "Atlantis/Capital"}
		op, err := o.store.SaveOperation(context.Background(), op, op.Version, dlq.OperationEvent{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Start(context.Background(), "spring", op.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		op = o.comes("spring", dlq.OperationSettled)
		if op.End != dlq.EndFailed || !strings.Contains(op.Because["error"], "Atlantis") {
			t.Errorf("%s %v", op.End, op.Because)
		}
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemSkipped: 5})
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		o := open(t, func(o *office) { o.registry = registry })
		o.die(30, nil)
		o.does(unlucky("0"))
		o.start("spring", dlq.OperationSpec{})
		o.start("held", dlq.OperationSpec{Hold: dlq.Duration(time.Minute)})
		o.comes("spring", dlq.OperationSettled)
		synctest.Wait()
		want := `
# HELP dlq_operation_letters_total Letters of operations by what became of them: confirmed, assumed, failed_again, send_failed, unknown, skipped, done.
# TYPE dlq_operation_letters_total counter
dlq_operation_letters_total{kind="replay",state="confirmed"} 27
dlq_operation_letters_total{kind="replay",state="failed_again"} 3
# HELP dlq_operations Operations under way by state: queued, canary, running, paused, settling.
# TYPE dlq_operations gauge
dlq_operations{state="canary"} 0
dlq_operations{state="paused"} 0
dlq_operations{state="queued"} 1
dlq_operations{state="running"} 0
dlq_operations{state="settling"} 0
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

// elsewhere is a store whose first letters lie on another broker than the others.
type elsewhere struct {
	operation.Store
	first int64
}

func (e elsewhere) OperationTasks(ctx context.Context, number int64, group string, from, below int64, limit int, withMessage bool) ([]dlq.OperationTask, error) {
	tasks, err := e.Store.OperationTasks(ctx, number, group, from, below, limit, withMessage)
	for i := range tasks {
		if l := tasks[i].Letter; l != nil && l.ID <= e.first {
			l.Broker = "elsewhere"
		}
	}
	return tasks, err
}

// Letters that only a broker which is away could give back are passed over, however many and wherever they stand, and come
// to their turn when it is back.
func TestLettersOfABrokerThatIsAway(t *testing.T) {
	for name, comes := range map[string]bool{"it comes back": true, "it stays away": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const letters, first = 3000, 2500
				begun := time.Now()
				var asked atomic.Int64
				o := open(t, func(o *office) {
					o.shelve = func(s operation.Store) operation.Store { return elsewhere{s, first} }
					o.wrap = func(r operation.Replays) operation.Replays {
						return batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
							out := answers(b, dlq.BatchResult{Later: true, Err: dlq.Errorf(dlq.CodeUnavailable, "that broker is away")})
							var here []dlq.OperationTask
							for i, task := range b.Tasks {
								if task.LetterID > first || comes && time.Since(begun) > 5*time.Minute {
									here = append(here, task)
								} else {
									asked.Add(1)
									out[i].Away = task.Letter.Broker
								}
							}
							b.Tasks = here
							for _, res := range r.Batch(ctx, b) {
								for i := range out {
									if out[i].LetterID == res.LetterID {
										out[i] = res
									}
								}
							}
							return out
						}}
					}
				})
				o.die(letters, nil)
				o.does(func(simulated.Seen) bool { return true })
				o.start("spring", dlq.OperationSpec{})
				time.Sleep(time.Minute)
				if op := o.get("spring"); op.Counts[dlq.ItemPending] != first || op.WaitsFor != "broker_away" {
					t.Errorf("after a minute it waits for %q with %v", op.WaitsFor, op.Counts)
				}
				time.Sleep(4 * time.Minute)
				if n := asked.Load(); n > 1500 {
					t.Errorf("letters of the broker that is away were tried %d times", n)
				}
				want := map[dlq.ItemState]int64{dlq.ItemConfirmed: letters}
				if !comes {
					want = map[dlq.ItemState]int64{dlq.ItemConfirmed: letters - first, dlq.ItemSkipped: first}
				}
				op := o.comes("spring", dlq.OperationSettled)
				o.counts(op, want)
				if took := time.Since(begun); took > 12*time.Minute {
					t.Errorf("it took %s", took)
				}
				if !comes {
					page, err := o.store.Items(context.Background(), op.Number, []dlq.ItemState{dlq.ItemSkipped}, "", 1)
					if err != nil || page.Items[0].Detail != dlq.SkipBrokerAway {
						t.Errorf("%+v, %v", page.Items, err)
					}
				}
			})
		})
	}
}

// While the console's own disk is full an operation says so, and not that a broker is away. The store refuses as it does then.
func TestFullDiskIsNoBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := dlq.Errorf(dlq.CodeUnavailable, "the disk of the database is full or failing")
		full.Params = map[string]string{"why": dlq.WhyDiskFull}
		back := time.Now().Add(time.Minute)
		o := open(t, func(o *office) {
			o.wrap = func(r operation.Replays) operation.Replays {
				return batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
					if time.Now().Before(back) {
						return answers(b, dlq.BatchResult{Later: true, Err: full})
					}
					return r.Batch(ctx, b)
				}}
			}
		})
		o.die(50, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{})
		time.Sleep(30 * time.Second)
		if op := o.get("spring"); op.WaitsFor != "disk_full" || op.State != dlq.OperationRunning {
			t.Errorf("it is %s and waits for %q", op.State, op.WaitsFor)
		}
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 50})
	})
}
