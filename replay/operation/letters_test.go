package operation_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
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
