package operation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/operation"
)

// shut says of letters up to one that their broker is away.
type shut struct {
	operation.Replays
	upTo int64
}

func (s shut) Doors(ctx context.Context, spec dlq.ReplaySpec, tasks []dlq.OperationTask) ([]dlq.DoorOption, error) {
	if len(tasks) == 1 && tasks[0].LetterID <= s.upTo {
		return []dlq.DoorOption{{Why: dlq.WaitsBroker}}, nil
	}
	return s.Replays.Doors(ctx, spec, tasks)
}

// A person gives up the letters that wait for a broker which is away: they are skipped with that word, the others keep their
// outcome, and the operation ends, also while it is paused.
func TestSkipWhatWaitsForABroker(t *testing.T) {
	for name, pauses := range map[string]bool{"while it runs": false, "while it is paused": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const letters, first = 1500, 900
				o := open(t, func(o *office) {
					o.shelve = func(s operation.Store) operation.Store { return elsewhere{s, first} }
					o.wrap = func(r operation.Replays) operation.Replays {
						return shut{batcher{r, func(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
							out := answers(b, dlq.BatchResult{Later: true, Err: dlq.Errorf(dlq.CodeUnavailable, "that broker is away")})
							for i, task := range b.Tasks {
								if task.LetterID > first {
									one := b
									one.Tasks = b.Tasks[i : i+1]
									out[i] = r.Batch(ctx, one)[0]
								} else {
									out[i].Away = task.Letter.Broker
								}
							}
							return out
						}}, first}
					}
				})
				o.die(letters, nil)
				o.does(func(simulated.Seen) bool { return true })
				o.start("spring", dlq.OperationSpec{})
				time.Sleep(2 * time.Minute)
				op := o.get("spring")
				if op.Counts[dlq.ItemPending] != first || op.WaitsFor != dlq.WaitsBroker {
					t.Fatalf("it waits for %q with %v", op.WaitsFor, op.Counts)
				}
				if _, err := o.Skip(t.Context(), "spring", 0, "canary", "", "li"); dlq.CodeOf(err) != dlq.CodeInvalid {
					t.Errorf("another cause: %v", err)
				}
				if _, err := o.Skip(t.Context(), "spring", op.Version+1, dlq.WaitsBroker, "", "li"); dlq.CodeOf(err) != dlq.CodeConflict {
					t.Errorf("another version: %v", err)
				}
				if pauses {
					if _, err := o.Pause(t.Context(), "spring", 0, "", "li"); err != nil {
						t.Fatal(err)
					}
				}
				op, err := o.Skip(t.Context(), "spring", 0, dlq.WaitsBroker, "it is not coming back", "li")
				if err != nil || op.Counts[dlq.ItemSkipped] != first || op.Counts[dlq.ItemPending] != 0 {
					t.Fatalf("%v, %v", op.Counts, err)
				}
				if pauses {
					if _, err := o.Resume(t.Context(), "spring", 0, "", "li"); err != nil {
						t.Fatal(err)
					}
				}
				begun := time.Now()
				o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: letters - first, dlq.ItemSkipped: first})
				if took := time.Since(begun); took > 30*time.Second {
					t.Errorf("it ended %s later", took)
				}
				page, err := o.store.Items(t.Context(), op.Number, []dlq.ItemState{dlq.ItemSkipped}, "", 500)
				for _, i := range page.Items {
					if i.Detail != dlq.SkipGivenUp || i.LetterID > first {
						t.Fatalf("%+v", i)
					}
				}
				list, e := o.store.OperationEvents(t.Context(), op.Number, 100)
				found := false
				for _, ev := range list {
					found = found || ev.Kind == "gave_up" && ev.Actor == "li" && ev.Note == "it is not coming back" && ev.Detail["letters"] == "900" && ev.Detail["brokers"] != ""
				}
				if err != nil || e != nil || !found {
					t.Errorf("the log %+v, %v, %v", list, err, e)
				}
				if _, err := o.Skip(t.Context(), "spring", 0, dlq.WaitsBroker, "", "li"); dlq.CodeOf(err) != dlq.CodeRefused {
					t.Errorf("after its end: %v", err)
				}
			})
		})
	}
}

// While the whole cluster is away every letter waits, and can be given up.
func TestSkipWhileTheClusterIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(20, nil)
		o.start("spring", dlq.OperationSpec{Hold: dlq.Duration(5 * time.Second)})
		o.broker.SetAway(true)
		o.until("it waits", func() bool { return o.get("spring").WaitsFor == dlq.WaitsBroker })
		if op, err := o.Skip(t.Context(), "spring", 0, dlq.WaitsBroker, "", "li"); err != nil || op.Counts[dlq.ItemSkipped] != 20 {
			t.Errorf("%v, %v", op.Counts, err)
		}
		o.broker.SetAway(false)
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemSkipped: 20})
	})
}
