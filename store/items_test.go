package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// What an operation gave back decides where its items stand, also when a send turns out to have happened after all.
func TestItemsFollowTheirReplays(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	admit(t, s, batchOf("pay", 0, 6))
	o := started(t, s, dlq.OperationReplay, 1, 2, 3, 4, 5)
	n := 0
	notSent := func(letter int64, detail string) dlq.Replay {
		t.Helper()
		n++
		r := dlq.Replay{ID: fmt.Sprint("r", n), ConsumerGroup: "pay", IntendedAt: s.now(), Outcome: dlq.OutcomeSending, Operation: o.Number}
		apply(t, s, dlq.Change{LetterID: letter, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1})
		at := s.now()
		r.Outcome, r.Detail, r.SettledAt = dlq.OutcomeSendFailed, detail, &at
		apply(t, s, dlq.Change{LetterID: letter, Trigger: dlq.TriggerNotSent, To: dlq.StateOpen, Replay: &r, CountReplay: -1})
		return r
	}
	want := func(letter int64, state dlq.ItemState, tries int) {
		t.Helper()
		if got, n := stateOf(t, s, o.Number, letter); got != state || n != tries {
			t.Errorf("item %d is %s after %d tries, want %s after %d", letter, got, n, state, tries)
		}
	}
	for i := range maxTries - 1 {
		notSent(1, []string{"unreached", "absent", "stopped"}[i%3])
	}
	want(1, dlq.ItemPending, maxTries-1)
	notSent(1, "unreached")
	want(1, dlq.ItemSendFailed, maxTries)
	notSent(2, "refused")
	want(2, dlq.ItemSendFailed, 1)
	if list, err := s.RecentOutcomes(ctx, o.Number, time.Time{}, 10); err != nil || len(list) != 1 || list[0].LetterID != 2 {
		t.Errorf("outcomes: %+v, %v", list, err)
	}

	found := notSent(3, "absent")
	if err := s.SkipItems(ctx, o.Number, map[int64]string{3: dlq.SkipCancelled, 2: dlq.SkipChanged}); err != nil {
		t.Fatal(err)
	}
	want(3, dlq.ItemSkipped, 1)
	found.Outcome, found.SettledAt = dlq.OutcomeWaiting, nil
	apply(t, s, dlq.Change{LetterID: 3, Trigger: dlq.TriggerFound, To: dlq.StateAwaiting, Replay: &found})
	want(3, dlq.ItemWaiting, 1)
	want(2, dlq.ItemSendFailed, 1)

	// Of a batch in which a letter is claimed again and its earlier replay is settled, each knows of the other.
	earlier := notSent(4, "unreached")
	changes := []dlq.Change{{LetterID: 6, Trigger: dlq.TriggerEdit}, {LetterID: 5, Trigger: dlq.TriggerEdit}, // enough to be read together
		{LetterID: 4, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &dlq.Replay{ID: "later", ConsumerGroup: "pay", Outcome: dlq.OutcomeSending, Operation: o.Number}},
		{LetterID: 4, Trigger: dlq.TriggerEdit, To: dlq.StateSending, Replay: &earlier}}
	earlier.Outcome = dlq.OutcomeUnknown
	if _, errs := s.ApplyEach(ctx, changes); slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Fatal(errs)
	}
	want(4, dlq.ItemSending, 2)
	s.recount(t)

	// A letter that died again stays so for the operation, whatever becomes of it later.
	r := send(t, s, o.Number, 5, "fifth")
	b := batchOf("pay", 6, 7)
	b.Arrivals[0].Join = &dlq.Join{LetterID: 5, ReplayID: r.ID}
	admit(t, s, b)
	want(5, dlq.ItemFailedAgain, 1)
	end(t, s, send(t, s, 0, 5, "by hand"), dlq.OutcomeConfirmed)
	want(5, dlq.ItemFailedAgain, 1)

	// A death that comes in before the send is settled closes the replay: the settle is too late.
	early := dlq.Replay{ID: "early", ConsumerGroup: "pay", Outcome: dlq.OutcomeSending, IntendedAt: s.now()}
	apply(t, s, dlq.Change{LetterID: 6, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &early})
	b = batchOf("pay", 7, 8)
	b.Arrivals[0].Join = &dlq.Join{LetterID: 6, ReplayID: early.ID}
	admit(t, s, b)
	early.Outcome = dlq.OutcomeWaiting
	_, err := s.Apply(ctx, dlq.Change{LetterID: 6, Trigger: dlq.TriggerEdit, Replay: &early})
	wantCode(t, err, dlq.CodeConflict)
	wantCode(t, look(t, s, early), dlq.CodeConflict)
	s.recount(t)

	// An operation that acts no more tries nothing again.
	o.State = dlq.OperationSettling
	if _, err := s.SaveOperation(ctx, o, 0, dlq.OperationEvent{}); err != nil {
		t.Fatal(err)
	}
	later, err := s.Replay(ctx, "later")
	if err != nil {
		t.Fatal(err)
	}
	later.Outcome, later.Detail = dlq.OutcomeSendFailed, "absent"
	apply(t, s, dlq.Change{LetterID: 4, Trigger: dlq.TriggerNotSent, To: dlq.StateOpen, Replay: &later})
	want(4, dlq.ItemSendFailed, 2)
	s.recount(t)

	// What is not the operation's to act on is refused, and nothing of it happens.
	before := list(t, s, dlq.Filter{})
	_, err = s.Apply(ctx, dlq.Change{LetterID: 6, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &dlq.Replay{ID: "stray", Outcome: dlq.OutcomeSending, Operation: o.Number}})
	wantCode(t, err, dlq.CodeConflict)
	_, err = s.Apply(ctx, dlq.Change{LetterID: 4, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded, Operation: o.Number})
	wantCode(t, err, dlq.CodeConflict)
	if diff := cmp.Diff(before, list(t, s, dlq.Filter{})); diff != "" {
		t.Errorf("a refused change did something:\n%s", diff)
	}
}

func TestTasksAndMessages(t *testing.T) {
	s := open(t, Options{Retention: time.Nanosecond})
	ctx := t.Context()
	admit(t, s, batchOf("pay", 0, 5), batchOf("stock", 0, 3))
	o := started(t, s, dlq.OperationReplay, 1, 2, 3, 4, 5, 6, 7, 8)
	apply(t, s, dlq.Change{LetterID: 2, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	if _, err := s.sweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	send(t, s, o.Number, 3, "r")
	work, err := s.OperationWork(ctx, o.Number)
	if diff := cmp.Diff(map[string]int64{"pay": 4, "stock": 3}, work); diff != "" || err != nil {
		t.Errorf("work (-want +got):\n%s%v", diff, err)
	}
	tasks, err := s.OperationTasks(ctx, o.Number, "pay", 0, 4, 10, true)
	if err != nil || len(tasks) != 3 {
		t.Fatalf("%d tasks, %v", len(tasks), err)
	}
	for i, want := range []int64{1, 2, 4} {
		task := tasks[i]
		if task.LetterID != want || task.Position != want-1 {
			t.Errorf("task %d: %+v", i, task)
		}
		if want == 2 {
			if task.Letter != nil || task.Message != nil {
				t.Errorf("the task of a letter that is gone: %+v", task)
			}
			continue
		}
		letter, err := s.Letter(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		message, err := s.Message(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&letter, task.Letter) + cmp.Diff(&message, task.Message); diff != "" || string(message.Body) != string(dead("pay", want-1).Body) {
			t.Errorf("task %d (-want +got):\n%s", want, diff)
		}
	}
	if tasks, err = s.OperationTasks(ctx, o.Number, "pay", 0, 0, 2, false); err != nil || len(tasks) != 2 || tasks[0].Message != nil || tasks[0].Letter == nil {
		t.Errorf("without messages: %+v, %v", tasks, err)
	}
	if tasks, err = s.OperationTasks(ctx, o.Number, "nobody", 0, 0, 2, false); err != nil || len(tasks) != 0 {
		t.Errorf("of a group that is not there: %+v, %v", tasks, err)
	}
	all, err := s.Messages(ctx, []int64{1, 2, 8, 99})
	if err != nil || len(all) != 2 || !cmp.Equal(all[8].Properties, dead("stock", 2).Properties) {
		t.Errorf("messages: %+v, %v", all, err)
	}
	page, err := s.Items(ctx, o.Number, []dlq.ItemState{dlq.ItemWaiting}, "", 0)
	if err != nil || len(page.Items) != 1 || page.Items[0].Replay == nil || page.Items[0].Replay.ID != "r" || page.Items[0].ChangedAt == nil {
		t.Errorf("waiting: %+v, %v", page.Items, err)
	}
	if page, err = s.Items(ctx, o.Number, nil, "", 2); err != nil || page.Items[1].Letter != nil {
		t.Errorf("a letter that is gone is on the list with %+v, %v", page.Items[1].Letter, err)
	}
	admit(t, s, dlq.AdmitBatch{Queue: queueOf("pay"), From: 5, Next: 6, Arrivals: []dlq.Arrival{func() dlq.Arrival {
		a := arriving(dead("pay", 5))
		a.Plan.Flags, a.Plan.Hold = []dlq.Flag{dlq.FlagQuarantined}, dlq.HoldQuarantined
		return a
	}()}})
	if l := list(t, s, dlq.Filter{Flags: []dlq.Flag{dlq.FlagQuarantined}}); len(l.Items) != 1 || l.Items[0].ID != 9 {
		t.Errorf("quarantined on arrival: %+v", l.Items)
	}
}

func TestHistoryOfAnOperation(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	ctx := t.Context()
	admit(t, s, batchOf("pay", 0, 40))
	var ids []int64
	for id := range int64(40) {
		ids = append(ids, id+1)
	}
	o := started(t, s, dlq.OperationReplay, ids...)
	if slot, points, err := s.History(ctx, o.Number); err != nil || slot != dlq.Duration(5*time.Second) || points == nil || len(points) != 0 {
		t.Errorf("before the first: %v, %+v, %v", slot, points, err)
	}
	begun := c.now()
	var replays []dlq.Replay
	for i := range int64(3) {
		replays = append(replays, send(t, s, o.Number, i+1, fmt.Sprint("r", i)))
		c.add(5 * time.Second)
	}
	c.add(5 * time.Second)
	end(t, s, replays[0], dlq.OutcomeConfirmed)
	one := func(states ...dlq.ItemState) map[dlq.ItemState]int64 {
		m := map[dlq.ItemState]int64{}
		for _, state := range states {
			m[state]++
		}
		return m
	}
	point := func(slots int, states ...dlq.ItemState) dlq.OperationPoint {
		return dlq.OperationPoint{At: begun.Add(time.Duration(slots) * 5 * time.Second), Counts: one(states...)}
	}
	slot, points, err := s.History(ctx, o.Number)
	want := []dlq.OperationPoint{point(0, dlq.ItemSending, dlq.ItemWaiting), point(1, dlq.ItemSending, dlq.ItemWaiting), point(2, dlq.ItemSending, dlq.ItemWaiting), point(3), point(4, dlq.ItemConfirmed)}
	if diff := cmp.Diff(want, points); diff != "" || slot != dlq.Duration(5*time.Second) || err != nil {
		t.Errorf("history with slots of %v (-want +got):\n%s%v", slot, diff, err)
	}
	c.add(time.Hour)
	end(t, s, replays[1], dlq.OutcomeUnknown)
	slot, points, err = s.History(ctx, o.Number)
	if err != nil || slot != dlq.Duration(20*time.Second) || len(points) < 180 || len(points) > 240 || points[0].Counts[dlq.ItemSending] != 3 || points[len(points)-1].Counts[dlq.ItemUnknown] != 1 {
		t.Errorf("a long history: %d slots of %v, %v", len(points), slot, err)
	}
	b := batchOf("pay", 40, 41)
	b.Arrivals[0].Join = &dlq.Join{LetterID: 3, ReplayID: "r2"}
	admit(t, s, b)
	c.add(time.Second)
	outcomes, err := s.RecentOutcomes(ctx, o.Number, begun, 10)
	var got []string
	for _, r := range outcomes {
		got = append(got, fmt.Sprint(r.LetterID, " ", r.Outcome, " ", r.Reason, " ", r.Fingerprint[15:]))
	}
	slices.Sort(got[:2]) // of the same moment
	if diff := cmp.Diff([]string{"2 unknown data_format_error 1", "3 failed_again data_format_error 1", "1 confirmed network_timeout 0"}, got); diff != "" || err != nil {
		t.Errorf("outcomes (-want +got):\n%s%v", diff, err)
	}
	if outcomes, err = s.RecentOutcomes(ctx, o.Number, outcomes[0].At, 10); err != nil || len(outcomes) != 2 {
		t.Errorf("%d outcomes since the last, %v", len(outcomes), err)
	}
	if outcomes, err = s.RecentOutcomes(ctx, o.Number, begun, 1); err != nil || len(outcomes) != 1 {
		t.Errorf("%d outcomes of at most one, %v", len(outcomes), err)
	}
}
