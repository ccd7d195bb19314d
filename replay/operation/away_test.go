package operation_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/operation"
)

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
