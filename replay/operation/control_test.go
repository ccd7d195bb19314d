package operation_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// unlucky fails the messages whose body ends in one of some digits.
func unlucky(digits string) func(simulated.Seen) bool {
	return func(s simulated.Seen) bool {
		return !strings.ContainsAny(strings.TrimSuffix(string(s.Body), "}")[len(s.Body)-2:], digits)
	}
}

func TestCanaryThatComesOutWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(60, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.broker.SetOnline("pay", false)
		op := o.start("spring", dlq.OperationSpec{Canary: dlq.Canary{Letters: 2, Percent: 9}})
		if op.CanaryLetters != 6 { // 9 percent of 60, rounded up
			t.Errorf("the canary has %d letters", op.CanaryLetters)
		}
		o.until("the canary", func() bool { return o.get("spring").WaitsFor == "canary" })
		time.Sleep(time.Minute)
		op = o.get("spring")
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemWaiting: 6, dlq.ItemPending: 54})
		page, err := o.store.Items(context.Background(), op.Number, []dlq.ItemState{dlq.ItemWaiting}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for i, item := range page.Items {
			if item.Position != int64(i) {
				t.Errorf("the canary has the letter at position %d", item.Position)
			}
		}
		o.broker.SetOnline("pay", true)
		op = o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 60})
		if diff := cmp.Diff([]string{"created", "started", "began", "canary_passed", "completed", "settled"}, o.events(op)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCanaryThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(60, nil)
		o.does(unlucky("04")) // positions 0 and 4 of the canary
		o.start("spring", dlq.OperationSpec{Canary: dlq.Canary{Letters: 5}, Brake: dlq.Brake{Of: 20, Above: 30}})
		op := o.comes("spring", dlq.OperationPaused)
		if op.Counts[dlq.ItemFailedAgain] != 2 || op.Counts[dlq.ItemPending] != 55 { // the others need not be waited for
			t.Errorf("%v", op.Counts)
		}
		want := map[string]string{"fingerprint": "0123456789abcdef", "reason": "card_expired", "failed": "2", "of": "5", "above": "30"}
		if diff := cmp.Diff(want, op.Because); op.Cause != dlq.PauseCanary || diff != "" {
			t.Errorf("paused because of %s: %s", op.Cause, diff)
		}
		// Whoever resumes it has seen that.
		o.does(func(simulated.Seen) bool { return true })
		if _, err := o.Resume(context.Background(), "spring", 0, "", "li"); err != nil {
			t.Fatal(err)
		}
		op = o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 58, dlq.ItemFailedAgain: 2})
	})
}

func TestCanaryWithoutABrakeTakesNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(12, nil)
		o.does(unlucky("3"))
		o.start("spring", dlq.OperationSpec{Canary: dlq.Canary{Letters: 5}})
		if op := o.comes("spring", dlq.OperationPaused); op.Cause != dlq.PauseCanary || op.Because["failed"] != "1" {
			t.Errorf("paused because of %s %v", op.Cause, op.Because)
		}
	})
}

func TestCanaryReplacesSkippedLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, func(o *office) {
			o.policy.Stale = []dlq.StaleLimit{{Topic: "orders", After: dlq.Duration(10 * time.Minute)}}
		})
		o.die(20, nil)
		time.Sleep(11 * time.Minute)
		o.die(20, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.broker.SetOnline("pay", false)
		o.start("spring", dlq.OperationSpec{Canary: dlq.Canary{Letters: 3}})
		o.until("the canary", func() bool { return o.get("spring").WaitsFor == "canary" })
		op := o.get("spring")
		if got := op.Counts[dlq.ItemWaiting]; got != 3 {
			t.Errorf("%d letters were sent, the canary has 3", got)
		}
		if op.Counts[dlq.ItemSkipped] != 20 {
			t.Errorf("%d were skipped", op.Counts[dlq.ItemSkipped])
		}
		// A person need not wait for it.
		if op, err := o.Resume(context.Background(), "spring", op.Version, "", "li"); err != nil || op.State != dlq.OperationRunning {
			t.Fatalf("%s, %v", op.State, err)
		}
		o.comes("spring", dlq.OperationSettling)
		o.broker.SetOnline("pay", true)
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 20, dlq.ItemSkipped: 20})
	})
}

func TestBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(300, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 10}, Brake: dlq.Brake{Of: 20, Above: 60}})
		time.Sleep(5 * time.Second)
		o.does(unlucky("05"))
		time.Sleep(10 * time.Second)
		if op := o.get("spring"); op.State != dlq.OperationRunning || op.Counts[dlq.ItemFailedAgain] < 10 {
			t.Fatalf("with a fifth failing it is %s, %v", op.State, op.Because)
		}
		o.does(unlucky("0123456789"))
		op := o.comes("spring", dlq.OperationPaused)
		if op.Cause != dlq.PauseBreaker || op.Because["fingerprint"] != "0123456789abcdef" || op.Because["reason"] != "card_expired" || op.Because["of"] != "20" || op.Because["above"] != "60" {
			t.Errorf("paused because of %s %v", op.Cause, op.Because)
		}
		left := op.Counts[dlq.ItemPending]
		time.Sleep(10 * time.Minute)
		if op = o.get("spring"); op.State != dlq.OperationPaused || op.Counts[dlq.ItemPending] != left {
			t.Errorf("paused, it is %s and went from %d letters to %d", op.State, left, op.Counts[dlq.ItemPending])
		}
		// What failed before does not count against whoever resumes.
		o.does(func(simulated.Seen) bool { return true })
		if _, err := o.Resume(context.Background(), "spring", 0, "healed", "li"); err != nil {
			t.Fatal(err)
		}
		op = o.comes("spring", dlq.OperationSettled)
		if op.End != dlq.EndCompleted || op.Counts[dlq.ItemConfirmed]+op.Counts[dlq.ItemFailedAgain] != 300 {
			t.Errorf("%s with %v", op.End, op.Counts)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(100, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 5}})
		o.until("twenty letters", func() bool { return o.get("spring").Counts[dlq.ItemPending] <= 80 })
		op, err := o.Pause(context.Background(), "spring", 0, "lunch", "li")
		if err != nil || op.State != dlq.OperationPaused || op.Cause != dlq.PauseByHand {
			t.Fatalf("%s %s, %v", op.State, op.Cause, err)
		}
		synctest.Wait()
		left := o.get("spring").Counts[dlq.ItemPending]
		time.Sleep(time.Hour)
		if now := o.get("spring"); now.Counts[dlq.ItemPending] != left || now.Rate != 0 {
			t.Errorf("while it was paused %d letters became %d", left, now.Counts[dlq.ItemPending])
		}
		if _, err := o.Pause(context.Background(), "spring", 0, "", "li"); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("a second pause: %v", err)
		}
		if _, err := o.Resume(context.Background(), "spring", op.Version, "", "li"); err != nil {
			t.Fatal(err)
		}
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 100})
	})
}

func TestPaceOfTwoGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(400, nil)
		o.dieIn("ship", "parcels", 100, nil)
		o.does(func(simulated.Seen) bool { return true })
		d := o.draftOf(dlq.Operation{ID: "spring", Kind: dlq.OperationReplay, Actor: "li", Spec: dlq.OperationSpec{Pace: dlq.Pace{Rate: 20}}}, dlq.Filter{})
		if d.Preview.SendsPerSecond != 40 || d.Preview.DurationEstimate != dlq.Duration(20*time.Second) {
			t.Errorf("the preview foretells %g per second and %s", d.Preview.SendsPerSecond, d.Preview.DurationEstimate)
		}
		if _, err := o.Start(context.Background(), "spring", d.Version, "go", "li"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		op := o.get("spring")
		if op.Rate < 36 || op.Rate > 44 || op.NextLimit != 20 || op.DoneAt == nil {
			t.Errorf("its rate is %g, its limit %g, it will be done at %v", op.Rate, op.NextLimit, op.DoneAt)
		}
		time.Sleep(6 * time.Second)
		op = o.get("spring")
		if left := op.Counts[dlq.ItemPending]; left < 190 || left > 210 { // ship is done after five seconds
			t.Errorf("after ten seconds %d are left, want 200", left)
		}
		// Faster while it runs.
		if _, err := o.SetPace(context.Background(), "spring", 0, dlq.Pace{Rate: 100}, "wang"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2100 * time.Millisecond)
		if op = o.get("spring"); op.State != dlq.OperationSettling && op.State != dlq.OperationSettled {
			t.Errorf("two seconds later it is %s with %v", op.State, op.Counts)
		}
		o.counts(o.comes("spring", dlq.OperationSettled), map[dlq.ItemState]int64{dlq.ItemConfirmed: 500})
	})
}

func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(120, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Replay: &dlq.ReplaySpec{Spread: dlq.Duration(10 * time.Minute)}})
		time.Sleep(5 * time.Minute)
		if left := o.get("spring").Counts[dlq.ItemPending]; left < 58 || left > 61 {
			t.Errorf("at half time %d of 120 are left", left)
		}
		op := o.comes("spring", dlq.OperationSettled)
		if took := op.EndedAt.Sub(*op.StartedAt); took < 9*time.Minute || took > 11*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

func TestReplayWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a bubble begins at midnight of 2000-01-01 UTC
		o := open(t, func(o *office) { o.step = 10 * time.Second })
		o.die(100, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 0.01}, Window: &dlq.ReplayWindow{From: "02:00", To: "02:10"}})
		op := o.comes("spring", dlq.OperationPaused)
		two := time.Date(2000, 1, 1, 2, 0, 0, 0, time.UTC)
		if op.Cause != dlq.PauseWindow || op.OpensAt == nil || !op.OpensAt.Equal(two) {
			t.Errorf("it is paused by %s until %v", op.Cause, op.OpensAt)
		}
		if _, err := o.Resume(context.Background(), "spring", 0, "", "li"); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("resumed outside its window: %v", err)
		}
		time.Sleep(time.Until(two) + 9*time.Minute)
		if op = o.get("spring"); op.State != dlq.OperationRunning || 100-op.Counts[dlq.ItemPending] != 6 {
			t.Errorf("at 02:09 it is %s with %v", op.State, op.Counts)
		}
		time.Sleep(2 * time.Minute)
		if op = o.get("spring"); op.State != dlq.OperationPaused || !op.OpensAt.Equal(two.AddDate(0, 0, 1)) {
			t.Errorf("at 02:11 it is %s until %v", op.State, op.OpensAt)
		}
		// By hand it stays paused when the window opens.
		if op, err := o.Pause(context.Background(), "spring", 0, "", "li"); err != nil || op.Cause != dlq.PauseByHand {
			t.Fatal(op.Cause, err)
		}
		time.Sleep(time.Until(two.AddDate(0, 0, 1)) + 5*time.Minute)
		if op = o.get("spring"); op.State != dlq.OperationPaused {
			t.Errorf("the next night it is %s", op.State)
		}
	})
}

func TestGlobalStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(100, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 10}})
		o.start("autumn", dlq.OperationSpec{Hold: dlq.Duration(time.Minute)})
		time.Sleep(2 * time.Second)
		o.stopped.Store(true)
		for _, id := range []string{"spring", "autumn"} {
			if op := o.comes(id, dlq.OperationPaused); op.Cause != dlq.PauseStop {
				t.Errorf("%s is paused by %s", id, op.Cause)
			}
			if _, err := o.Resume(context.Background(), id, 0, "", "li"); dlq.CodeOf(err) != dlq.CodeRefused {
				t.Errorf("%s was resumed under the stop: %v", id, err)
			}
		}
		left := o.get("spring").Counts[dlq.ItemPending]
		o.stopped.Store(false)
		time.Sleep(10 * time.Minute)
		if op := o.get("spring"); op.State != dlq.OperationPaused || op.Counts[dlq.ItemPending] != left {
			t.Errorf("when the stop was lifted it went on: %s %v", op.State, op.Counts)
		}
		for _, id := range []string{"spring", "autumn"} {
			if _, err := o.Resume(context.Background(), id, 0, "", "li"); err != nil {
				t.Fatal(err)
			}
			o.comes(id, dlq.OperationSettled)
		}
		if n := o.letters(dlq.Filter{Tab: dlq.TabResolved}); n != 100 {
			t.Errorf("%d letters are resolved", n)
		}
	})
}

func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(200, nil)
		o.does(func(simulated.Seen) bool { return true })
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 20}})
		time.Sleep(3 * time.Second)
		o.broker.SetAway(true)
		o.until("waiting for the broker", func() bool { return o.get("spring").WaitsFor == "broker_away" })
		time.Sleep(40 * time.Minute)
		op := o.get("spring")
		if op.State != dlq.OperationRunning || op.Counts[dlq.ItemSendFailed] != 0 {
			t.Errorf("after forty minutes it is %s with %v", op.State, op.Counts)
		}
		o.broker.SetAway(false)
		back := time.Now()
		op = o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 200})
		if took := op.EndedAt.Sub(back); took > 30*time.Second {
			t.Errorf("with the broker back it took %s", took)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(100, nil)
		var heard atomic.Int64
		o.does(func(simulated.Seen) bool { heard.Add(1); return true })

		// A draft goes away, one that has not begun is undone.
		d := o.draft("draft", dlq.OperationSpec{})
		if op, err := o.Cancel(context.Background(), "draft", d.Version, "", "li"); err != nil || op.End != dlq.EndCancelled {
			t.Fatal(op.End, err)
		}
		if _, err := o.Get(context.Background(), "draft"); dlq.CodeOf(err) != dlq.CodeNotFound {
			t.Errorf("the draft is still there: %v", err)
		}
		op := o.start("held", dlq.OperationSpec{Hold: dlq.Duration(10 * time.Second)})
		if op.State != dlq.OperationQueued || op.HoldUntil == nil {
			t.Fatalf("it is %s", op.State)
		}
		time.Sleep(9 * time.Second)
		if _, err := o.Cancel(context.Background(), "held", op.Version, "oops", "li"); err != nil {
			t.Fatal(err)
		}
		op = o.comes("held", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemSkipped: 100})
		if op.End != dlq.EndCancelled || op.StartedAt != nil || heard.Load() != 0 {
			t.Errorf("it ended %s, began at %v, %d were heard", op.End, op.StartedAt, heard.Load())
		}

		// One that runs keeps what it has done.
		o.broker.SetOnline("pay", false)
		o.start("spring", dlq.OperationSpec{Pace: dlq.Pace{Rate: 10}})
		time.Sleep(4 * time.Second)
		op, err := o.Cancel(context.Background(), "spring", 0, "wrong topic", "wang")
		if err != nil || op.State != dlq.OperationSettling || op.End != dlq.EndCancelled || op.Counts[dlq.ItemPending] != 0 {
			t.Fatalf("%s %s %v, %v", op.State, op.End, op.Counts, err)
		}
		sent := op.Counts[dlq.ItemWaiting]
		o.broker.SetOnline("pay", true)
		op = o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: sent, dlq.ItemSkipped: 100 - sent})
		if sent < 35 || sent > 45 || heard.Load() != sent {
			t.Errorf("%d were sent and %d heard", sent, heard.Load())
		}
		page, err := o.store.Items(context.Background(), op.Number, []dlq.ItemState{dlq.ItemSkipped}, "", 1)
		if err != nil || page.Items[0].Detail != dlq.SkipCancelled {
			t.Errorf("%+v, %v", page.Items, err)
		}
		if _, err := o.Cancel(context.Background(), "spring", 0, "", "li"); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("cancelled twice: %v", err)
		}
	})
}
