package operation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
	"deadletteroffice/replay/operation"

	"github.com/google/go-cmp/cmp"
)

func TestOneIDOneOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(10, nil)
		ctx := context.Background()
		create := func(actor string) (dlq.Operation, error) {
			return o.Create(ctx, dlq.Operation{ID: "click-1", Kind: dlq.OperationReplay, Actor: actor}, dlq.OperationPick{Filter: &dlq.Filter{}})
		}
		// A double click.
		var clicks sync.WaitGroup
		var numbers [8]int64
		for i := range numbers {
			clicks.Go(func() {
				op, err := create("li")
				if err != nil || op.Letters != 10 || op.Preview == nil {
					t.Errorf("%+v, %v", op, err)
				}
				numbers[i] = op.Number
			})
		}
		clicks.Wait()
		for _, n := range numbers {
			if n != numbers[0] {
				t.Errorf("operations %v were made", numbers)
			}
		}
		if _, err := create("wang"); dlq.CodeOf(err) != dlq.CodeConflict {
			t.Errorf("somebody else's id: %v", err)
		}
		// A repeated request much later finds what became of it.
		op := o.get("click-1")
		if _, err := o.Start(ctx, "click-1", op.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		o.comes("click-1", dlq.OperationSettled)
		if op, err := create("li"); err != nil || op.State != dlq.OperationSettled || op.Number != numbers[0] {
			t.Errorf("%s %d, %v", op.State, op.Number, err)
		}
		if op, err := o.Create(ctx, dlq.Operation{Kind: dlq.OperationReplay, Actor: "li"}, dlq.OperationPick{Filter: &dlq.Filter{}}); err != nil || op.ID == "" || op.Number == numbers[0] {
			t.Errorf("without an id: %q, %v", op.ID, err)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(3, nil)
		all := dlq.OperationPick{Filter: &dlq.Filter{}}
		spec := func(r dlq.ReplaySpec) dlq.OperationSpec { return dlq.OperationSpec{Replay: &r} }
		past := time.Now().Add(-time.Minute)
		for name, c := range map[string]struct {
			op   dlq.Operation
			pick dlq.OperationPick
			code dlq.Code
		}{
			"an id of digits":          {dlq.Operation{ID: "42", Kind: dlq.OperationReplay}, all, dlq.CodeInvalid},
			"an id with a blank":       {dlq.Operation{ID: "a b", Kind: dlq.OperationReplay}, all, dlq.CodeInvalid},
			"an unknown kind":          {dlq.Operation{Kind: "burn"}, all, dlq.CodeInvalid},
			"no letters chosen":        {dlq.Operation{Kind: dlq.OperationReplay}, dlq.OperationPick{}, dlq.CodeInvalid},
			"letters chosen twice":     {dlq.Operation{Kind: dlq.OperationReplay}, dlq.OperationPick{Filter: &dlq.Filter{}, IDs: []int64{1}}, dlq.CodeInvalid},
			"a route for a replay":     {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Route: dlq.RouteManual}}, all, dlq.CodeInvalid},
			"the route discard":        {dlq.Operation{Kind: dlq.OperationRoute, Spec: dlq.OperationSpec{Route: dlq.RouteDiscard}}, all, dlq.CodeInvalid},
			"a replay of a discard":    {dlq.Operation{Kind: dlq.OperationDiscard, Spec: spec(dlq.ReplaySpec{})}, all, dlq.CodeInvalid},
			"a negative pace":          {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Pace: dlq.Pace{Rate: -1}}}, all, dlq.CodeInvalid},
			"seventeen sends":          {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Pace: dlq.Pace{Concurrency: 17}}}, all, dlq.CodeInvalid},
			"a canary of 101 percent":  {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Canary: dlq.Canary{Percent: 101}}}, all, dlq.CodeInvalid},
			"a brake of 1 001":         {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Brake: dlq.Brake{Of: 1001}}}, all, dlq.CodeInvalid},
			"a hold of an hour":        {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Hold: dlq.Duration(time.Hour)}}, all, dlq.CodeInvalid},
			"a window that is no time": {dlq.Operation{Kind: dlq.OperationReplay, Spec: dlq.OperationSpec{Window: &dlq.ReplayWindow{From: "two", To: "five"}}}, all, dlq.CodeInvalid},
			"the door of probes":       {dlq.Operation{Kind: dlq.OperationReplay, Spec: spec(dlq.ReplaySpec{Door: dlq.DoorProbe})}, all, dlq.CodeInvalid},
			"a target without a name":  {dlq.Operation{Kind: dlq.OperationReplay, Spec: spec(dlq.ReplaySpec{Target: dlq.Target{Kind: dlq.TargetOtherTopic}})}, all, dlq.CodeInvalid},
			"two delays":               {dlq.Operation{Kind: dlq.OperationReplay, Spec: spec(dlq.ReplaySpec{Delay: 1, DeliverAt: &past})}, all, dlq.CodeInvalid},
			"a delivery in the past":   {dlq.Operation{Kind: dlq.OperationReplay, Spec: spec(dlq.ReplaySpec{DeliverAt: &past})}, all, dlq.CodeInvalid},
			"a transform of a locked one": {dlq.Operation{Kind: dlq.OperationReplay, Spec: spec(dlq.ReplaySpec{Transform: []dlq.TransformStep{
				{Do: dlq.TransformRemoveProperty, Name: "UNIQ_KEY"}}})}, all, dlq.CodeRefused},
			"a long note": {dlq.Operation{Kind: dlq.OperationReplay, Note: strings.Repeat("x", 4001)}, all, dlq.CodeTooLarge},
		} {
			c.op.Actor = "li"
			if _, err := o.Create(context.Background(), c.op, c.pick); dlq.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
		if p, err := o.List(context.Background(), dlq.OperationFilter{}, "", 10); err != nil || p.Total.Count != 0 {
			t.Errorf("%d operations were made all the same, %v", p.Total.Count, err)
		}
	})
}

func TestDraftThatIsHalfMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(o *office) {
			o.wrap = func(r operation.Replays) operation.Replays { return doors{r, &o.doorsFail} }
		})
		o.die(10, nil)
		ctx := context.Background()
		create := func() (dlq.Operation, error) {
			return o.Create(ctx, dlq.Operation{ID: "spring", Kind: dlq.OperationReplay, Actor: "li"}, dlq.OperationPick{Filter: &dlq.Filter{}})
		}
		// What asking again does not help leaves nothing behind.
		o.doorsFail = dlq.Errorf(dlq.CodeInvalid, "there is no such topic")
		if _, err := create(); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Fatal(err)
		}
		if _, err := o.Get(ctx, "spring"); dlq.CodeOf(err) != dlq.CodeNotFound {
			t.Errorf("the draft is still there: %v", err)
		}
		// What is our fault leaves a draft that cannot be started, and is finished by whoever asks again.
		o.doorsFail = errors.New("disk on fire")
		if _, err := create(); dlq.CodeOf(err) != dlq.CodeInternal {
			t.Fatal(err)
		}
		if _, err := o.Start(ctx, "spring", o.get("spring").Version, "go", "li"); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("half made, it was started: %v", err)
		}
		o.doorsFail = nil
		if op, err := create(); err != nil || op.Letters != 10 || op.Preview == nil {
			t.Errorf("%+v, %v", op, err)
		}
	})
}

// doors is a replay service that may fail to tell the doors.
type doors struct {
	operation.Replays
	fail *error
}

func (d doors) Doors(ctx context.Context, spec dlq.ReplaySpec, tasks []dlq.OperationTask) ([]dlq.DoorOption, error) {
	if *d.fail != nil {
		return nil, *d.fail
	}
	return d.Replays.Doors(ctx, spec, tasks)
}

func TestDraftThatOthersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(10, nil)
		ctx := context.Background()
		seen := o.draft("spring", dlq.OperationSpec{})
		changed, err := o.Change(ctx, "spring", seen.Version, dlq.OperationSpec{Pace: dlq.Pace{Rate: 5}}, "slowly", "wang")
		if err != nil || changed.Spec.Pace.Rate != 5 || changed.Note != "slowly" || changed.Preview.SendsPerSecond != 5 || changed.Letters != 10 {
			t.Fatalf("%+v, %v", changed, err)
		}
		for name, err := range map[string]error{
			"change":  second(o.Change(ctx, "spring", seen.Version, dlq.OperationSpec{}, "", "li")),
			"refresh": second(o.Refresh(ctx, "spring", seen.Version, false, "li")),
			"start":   second(o.Start(ctx, "spring", seen.Version, "go", "li")),
			"cancel":  second(o.Cancel(ctx, "spring", seen.Version, "", "li")),
			"pace":    second(o.SetPace(ctx, "spring", seen.Version, dlq.Pace{}, "li")),
		} {
			if dlq.CodeOf(err) != dlq.CodeConflict || !strings.Contains(err.Error(), "wang") {
				t.Errorf("%s with an old version: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"start without a note":    second(o.Start(ctx, "spring", changed.Version, " ", "li")),
			"start without a version": second(o.Start(ctx, "spring", 0, "go", "li")),
		} {
			if dlq.CodeOf(err) != dlq.CodeInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"pause a draft":  second(o.Pause(ctx, "spring", 0, "", "li")),
			"resume a draft": second(o.Resume(ctx, "spring", 0, "", "li")),
		} {
			if dlq.CodeOf(err) != dlq.CodeRefused {
				t.Errorf("%s: %v", name, err)
			}
		}
		op, err := o.Start(ctx, "spring", changed.Version, "go", "li")
		if err != nil {
			t.Fatal(err)
		}
		if err := second(o.Start(ctx, "spring", op.Version, "go", "li")); dlq.CodeOf(err) != dlq.CodeRefused && dlq.CodeOf(err) != dlq.CodeConflict {
			t.Errorf("started twice: %v", err)
		}
		o.comes("spring", dlq.OperationSettled)
		if err := second(o.Change(ctx, "spring", o.get("spring").Version, dlq.OperationSpec{}, "", "li")); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("changed after its end: %v", err)
		}
		if diff := cmp.Diff([]string{"created", "changed", "started", "began", "completed", "settled"}, o.events(op)); diff != "" {
			t.Error(diff)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(10, nil)
		ctx := context.Background()
		o.draft("spring", dlq.OperationSpec{})
		// Two are resolved by hand, three more die.
		page, err := o.store.Letters(ctx, dlq.Filter{}, "", 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Items {
			if _, err := o.store.ApplyEach(ctx, []dlq.Change{{LetterID: l.ID, Trigger: dlq.TriggerResolve, To: dlq.StateResolved, Resolution: dlq.ResolvedByHand}}); err[0] != nil {
				t.Fatal(err)
			}
		}
		o.die(3, nil)
		time.Sleep(3 * time.Second)
		op := o.get("spring")
		if op.Drift == nil || op.Drift.Gone != 2 || op.Drift.Arrived.Count != 3 {
			t.Fatalf("the drift is %+v", op.Drift)
		}
		op, err = o.Refresh(ctx, "spring", op.Version, false, "li")
		if err != nil || op.Letters != 10 || op.Preview.Eligible != 8 || op.Preview.Skipped["state_resolved"] != 2 {
			t.Fatalf("%d letters, %+v, %v", op.Letters, op.Preview, err)
		}
		op, err = o.Refresh(ctx, "spring", op.Version, true, "li")
		if err != nil || op.Letters != 13 || op.Preview.Eligible != 11 || op.Drift.Arrived.Count != 0 {
			t.Fatalf("%d letters, %+v, %+v, %v", op.Letters, op.Preview, op.Drift, err)
		}
		o.die(1, nil)
		if op, err = o.Start(ctx, "spring", op.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		op = o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 11, dlq.ItemSkipped: 2})
		if op.Drift == nil || op.Drift.Arrived.Count != 1 {
			t.Errorf("the drift at its start is %+v", op.Drift)
		}
	})
}

func TestPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(o *office) {
			o.policy.Stale = []dlq.StaleLimit{{Topic: "orders", After: dlq.Duration(time.Hour)}}
		})
		ctx := context.Background()
		// Keys K0 to K4 die, and once more later; the later ones come good.
		o.die(5, nil)
		o.die(5, nil)
		page, err := o.store.Letters(ctx, dlq.Filter{}, "", 5)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, l := range page.Items {
			ids = append(ids, l.ID)
		}
		first, err := o.Create(ctx, dlq.Operation{ID: "first", Kind: dlq.OperationReplay, Actor: "li"}, dlq.OperationPick{IDs: ids})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Start(ctx, "first", first.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		o.counts(o.comes("first", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 5})
		time.Sleep(2 * time.Hour)
		o.die(30, func(i int) map[string]string {
			if i < 7 {
				return map[string]string{"__SHARDINGKEY": fmt.Sprint("user", i%3)}
			}
			return nil
		})
		o.dieIn("ship", "parcels", 4, nil)
		o.broker.SetOnline("ship", false)

		op := o.draftOf(dlq.Operation{ID: "spring", Kind: dlq.OperationReplay, Actor: "li", Spec: dlq.OperationSpec{Replay: &dlq.ReplaySpec{
			Transform: []dlq.TransformStep{{Do: dlq.TransformSet, Path: "/again", Value: "true"}},
		}}}, dlq.Filter{Tab: dlq.TabAttention})
		p := op.Preview
		got := map[string]int64{
			"letters": p.Letters, "eligible": p.Eligible, "stale": p.Stale, "skipped stale": p.Skipped[dlq.SkipStale], "examined": p.Examined,
			"duplicates": p.Duplicates, "order risk": p.OrderRisk, "transform errors": p.TransformErrors,
		}
		want := map[string]int64{
			"letters": 39, "eligible": 34, "stale": 5, "skipped stale": 5, "examined": 39, "duplicates": 5, "order risk": 7, "transform errors": 0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if len(p.Doors) != 2 || p.Doors[0].ConsumerGroup != "pay" || p.Doors[0].Door != dlq.DoorRetry || p.Doors[0].Letters != 35 || p.Doors[1].Letters != 4 {
			t.Errorf("the doors are %+v", p.Doors)
		}
		if len(p.Consumers) != 2 || p.Consumers[0].Group.Name != "pay" || p.Consumers[0].Letters != 35 || !p.Consumers[0].Group.Online || p.Consumers[1].Group.Online {
			t.Errorf("the consumers are %+v", p.Consumers)
		}
		if len(p.Causes) != 1 || p.Causes[0].Fingerprint != "0123456789abcdef" || p.Causes[0].SameLast5m != 34 {
			t.Errorf("the causes are %+v", p.Causes)
		}
		if len(p.Samples) != 3 || p.Samples[0].Before != `{"n":0}` || p.Samples[0].After != `{"n":0,"again":true}` {
			t.Errorf("the samples are %+v", p.Samples)
		}
	})
}

func TestPreviewWithoutABroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(5, nil)
		o.broker.SetAway(true)
		p := o.draft("spring", dlq.OperationSpec{}).Preview
		if p.Eligible != 5 || p.BrokerError == "" || len(p.Consumers) != 1 || p.Consumers[0].Error == "" {
			t.Errorf("the preview is %+v", p)
		}
	})
}

func TestTransformThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(4, nil)
		o.broker.Produce(simulated.Message{Topic: "orders", Body: []byte("no JSON")})
		o.until("the fifth letter", func() bool { return o.letters(dlq.Filter{}) == 5 })
		var mu sync.Mutex
		var heard []string
		o.does(func(s simulated.Seen) bool {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, string(s.Body))
			return true
		})
		d := o.draft("spring", dlq.OperationSpec{Replay: &dlq.ReplaySpec{Transform: []dlq.TransformStep{{Do: dlq.TransformSet, Path: "/n", Value: "12345678901234567890"}}}})
		if p := d.Preview; p.TransformErrors != 1 || p.Skipped[dlq.SkipTransform] != 1 || p.Eligible != 4 {
			t.Errorf("the preview has %d errors, skips %v", p.TransformErrors, p.Skipped)
		}
		shown := false
		for _, s := range d.Preview.Samples {
			shown = shown || s.Error != ""
		}
		if !shown {
			t.Errorf("no sample shows what cannot be changed: %+v", d.Preview.Samples)
		}
		if _, err := o.Start(context.Background(), "spring", d.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 4, dlq.ItemSkipped: 1})
		for _, body := range heard {
			if body != `{"n":12345678901234567890}` {
				t.Errorf("the consumer got %s", body)
			}
		}
	})
}
