package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// started makes an operation of a kind with a list of letters and lets it run.
func started(t testing.TB, s *Store, kind dlq.OperationKind, ids ...int64) dlq.Operation {
	t.Helper()
	o := drafted(t, s, kind, dlq.OperationPick{IDs: ids})
	o.State = dlq.OperationRunning
	o, err := s.SaveOperation(context.Background(), o, o.Version, dlq.OperationEvent{Kind: "began", Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func drafted(t testing.TB, s *Store, kind dlq.OperationKind, p dlq.OperationPick) dlq.Operation {
	t.Helper()
	ctx := context.Background()
	page, err := s.Operations(ctx, dlq.OperationFilter{}, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := s.NewOperation(ctx, dlq.Operation{ID: fmt.Sprint("op-after-", page.Total.Count, "-", s.now().UnixNano()), Kind: kind, Actor: "ann", Note: "why"})
	if err != nil {
		t.Fatal(err)
	}
	if o, err = s.Freeze(ctx, o.Number, p); err != nil {
		t.Fatal(err)
	}
	return o
}

// send claims a letter for an operation and writes that it was sent.
func send(t testing.TB, s *Store, number, letter int64, id string) dlq.Replay {
	t.Helper()
	r := dlq.Replay{ID: id, ConsumerGroup: "pay", UniqueKey: "UK", IntendedAt: s.now(), Outcome: dlq.OutcomeSending, Operation: number}
	apply(t, s, dlq.Change{LetterID: letter, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1})
	r.Outcome = dlq.OutcomeWaiting
	apply(t, s, dlq.Change{LetterID: letter, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &r})
	r.LetterID, r.Number = letter, 1
	return r
}

// end settles a replay.
func end(t testing.TB, s *Store, r dlq.Replay, o dlq.Outcome) {
	t.Helper()
	at := s.now()
	r.Outcome, r.SettledAt = o, &at
	c := dlq.Change{LetterID: r.LetterID, Trigger: dlq.TriggerSettle, To: dlq.StateResolved, Resolution: dlq.ResolvedConfirmed, Replay: &r}
	if o == dlq.OutcomeUnknown {
		c.Trigger, c.To = dlq.TriggerLost, dlq.StateOpen
	}
	apply(t, s, c)
}

func stateOf(t testing.TB, s *Store, number, letter int64) (dlq.ItemState, int) {
	t.Helper()
	p, err := s.Items(context.Background(), number, nil, "", 500)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Items, func(i dlq.OperationItem) bool { return i.LetterID == letter })
	return p.Items[i].State, p.Items[i].Tries
}

func TestOperationIsKeptWhole(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	admit(t, s, batchOf("pay", 0, 4))
	ctx := t.Context()
	at := func(d time.Duration) *time.Time { v := c.now().Add(d); return &v }
	want := dlq.Operation{
		ID: "spring-clean", Kind: dlq.OperationReplay, Actor: "ann", Note: "stock is back", Query: "tab=attention",
		Spec: dlq.OperationSpec{Pace: dlq.Pace{Rate: 20, RampUp: dlq.Duration(time.Minute)}, Brake: dlq.Brake{Of: 20, Above: 50},
			Replay: &dlq.ReplaySpec{Target: dlq.Target{Kind: dlq.TargetOtherGroup, Name: "x"}, Transform: []dlq.TransformStep{{Do: dlq.TransformSet, Path: "/a", Value: "1"}}}},
	}
	o, isNew, err := s.NewOperation(ctx, want)
	if err != nil || !isNew {
		t.Fatal(isNew, err)
	}
	want.Number, want.Version, want.State, want.CreatedAt, want.ChangedAt = 1, 1, dlq.OperationDraft, c.now(), c.now()
	want.Counts = o.Counts
	if diff := cmp.Diff(want, o); diff != "" || len(o.Counts) != len(dlq.ItemStates) {
		t.Fatalf("new (-want +got):\n%s%v", diff, o.Counts)
	}
	again, isNew, err := s.NewOperation(ctx, dlq.Operation{ID: "spring-clean", Kind: dlq.OperationDiscard, Actor: "bob"})
	if diff := cmp.Diff(want, again); diff != "" || isNew || err != nil {
		t.Fatalf("the same id again: new %v, %v\n%s", isNew, err, diff)
	}

	c.add(time.Minute)
	want.State, want.End, want.Cause, want.Because, want.Resume = dlq.OperationPaused, dlq.EndCancelled, dlq.PauseBreaker, map[string]string{"reason": "x"}, dlq.OperationCanary
	want.Note, want.CanaryLetters, want.Spec.Pace.Rate = "another", 5, 40
	want.HoldUntil, want.StartedAt, want.ResumedAt, want.EndedAt, want.SettledAt = at(1e9), at(2e9), at(3e9), at(4e9), at(5e9)
	want.Preview = &dlq.OperationPreview{At: c.now(), Letters: 7, Skipped: map[string]int64{"gone": 1}, Samples: []dlq.TransformSample{{LetterID: 1, Before: "{}"}}}
	want.Drift = &dlq.OperationDrift{At: c.now(), Gone: 3, Arrived: dlq.Count{Count: 2, Exact: true}}
	sent := want
	sent.Letters, sent.Kind, sent.Counts = 99, dlq.OperationDiscard, nil // not to be changed so
	if _, err = s.SaveOperation(ctx, sent, 1, dlq.OperationEvent{Kind: "paused", Actor: "bob", Note: "too many", Detail: map[string]string{"of": "20"}}); err != nil {
		t.Fatal(err)
	}
	want.Version, want.ChangedAt = 2, c.now()
	for _, name := range []string{"spring-clean", "1"} {
		if o, err = s.Operation(ctx, name); err != nil || !cmp.Equal(want, o) {
			t.Fatalf("%s (-want +got):\n%s%v", name, cmp.Diff(want, o), err)
		}
	}
	_, err = s.SaveOperation(ctx, want, 1, dlq.OperationEvent{})
	wantCode(t, err, dlq.CodeConflict)
	if !strings.Contains(err.Error(), "bob") || !strings.Contains(err.Error(), "paused") {
		t.Errorf("the conflict does not say who and what: %v", err)
	}
	if o, err = s.SaveOperation(ctx, want, 0, dlq.OperationEvent{}); err != nil || o.Version != 3 {
		t.Errorf("saving whatever it is: version %d, %v", o.Version, err)
	}
	events, err := s.OperationEvents(ctx, 1, 0)
	wantEvents := []dlq.OperationEvent{
		{ID: 2, At: c.now(), Kind: "paused", Actor: "bob", Note: "too many", Detail: map[string]string{"of": "20"}},
		{ID: 1, At: c.now().Add(-time.Minute), Kind: "created", Actor: "ann", Note: "stock is back"},
	}
	if diff := cmp.Diff(wantEvents, events); diff != "" || err != nil {
		t.Errorf("events (-want +got):\n%s%v", diff, err)
	}
	for _, err := range []error{
		func() error { _, err := s.Operation(ctx, "9"); return err }(),
		func() error { _, err := s.Operation(ctx, "nobody"); return err }(),
		func() error {
			_, err := s.SaveOperation(ctx, dlq.Operation{Number: 9}, 0, dlq.OperationEvent{})
			return err
		}(),
		func() error { _, err := s.Freeze(ctx, 9, dlq.OperationPick{}); return err }(),
		func() error { _, err := s.Items(ctx, 9, nil, "", 0); return err }(),
		func() error { _, err := s.OperationPick(ctx, 9); return err }(),
		func() error { _, err := s.OperationFacts(ctx, 9, forEver); return err }(),
		func() error { _, err := s.DriftOf(ctx, 9); return err }(),
		s.DropDraft(ctx, 9),
	} {
		wantCode(t, err, dlq.CodeNotFound)
	}
	_, err = s.Freeze(ctx, 1, dlq.OperationPick{IDs: []int64{1}})
	wantCode(t, err, dlq.CodeConflict)
}

func TestListOfOperations(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	for i := range 9 {
		o := dlq.Operation{ID: fmt.Sprint("op", i), Kind: dlq.OperationKinds[i%2], Actor: []string{"ann", "bob", "eve"}[i%3]}
		o, _, err := s.NewOperation(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		o.State = dlq.OperationStates[i%len(dlq.OperationStates)]
		o.Preview = &dlq.OperationPreview{}
		if _, err := s.SaveOperation(ctx, o, 0, dlq.OperationEvent{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		filter dlq.OperationFilter
		want   []int64
	}{
		{dlq.OperationFilter{}, []int64{9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{dlq.OperationFilter{Kinds: []dlq.OperationKind{dlq.OperationDiscard}}, []int64{8, 6, 4, 2}},
		{dlq.OperationFilter{Actors: []string{"ann", "bob"}, States: []dlq.OperationState{dlq.OperationDraft, dlq.OperationPaused}}, []int64{8, 5, 1}},
		{dlq.OperationFilter{Actors: []string{"nobody"}}, nil},
	} {
		var got []int64
		for cursor := ""; ; {
			p, err := s.Operations(ctx, tt.filter, cursor, 2)
			if err != nil || p.Total != (dlq.Count{Count: int64(len(tt.want)), Exact: true}) || p.Items == nil {
				t.Fatalf("%+v: total %+v, %v", tt.filter, p.Total, err)
			}
			for _, o := range p.Items {
				got = append(got, o.Number)
				if o.Preview != nil {
					t.Error("a list carries previews")
				}
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.filter, diff)
		}
	}
	active, err := s.ActiveOperations(ctx)
	var got []int64
	for _, o := range active {
		got = append(got, o.Number)
		if o.Preview == nil {
			t.Error("an active operation is not whole")
		}
	}
	if diff := cmp.Diff([]int64{2, 3, 4, 5, 6, 9}, got); diff != "" || err != nil {
		t.Errorf("active (-want +got):\n%s%v", diff, err)
	}
	_, err = s.Operations(ctx, dlq.OperationFilter{}, "?", 2)
	wantCode(t, err, dlq.CodeInvalid)
	_, err = s.Items(ctx, 1, nil, "0-abc", 2)
	wantCode(t, err, dlq.CodeInvalid)
	for name, query := range map[string]string{
		"list":     "SELECT count(*) FROM operation INDEXED BY operation_list WHERE true AND state IN ('a', 'b') AND number<9",
		"tasks":    "SELECT letter, position, tries FROM operation_item INDEXED BY operation_item_pending WHERE operation=1 AND consumer_group=2 AND state=0 AND position<9 ORDER BY position LIMIT 5",
		"items":    "SELECT letter, position, state, detail, tries, changed FROM operation_item INDEXED BY operation_item_state WHERE operation=1 AND state=2 AND position>=0 ORDER BY position LIMIT 5",
		"item":     "UPDATE operation_item SET state=1, tries=tries+1, detail='', changed=1 WHERE operation=2 AND letter=3 AND state=0",
		"outcomes": "SELECT letter FROM replay INDEXED BY replay_operation WHERE operation<>0 AND operation=1 AND settled_at>=2 AND settled_at IS NOT NULL ORDER BY settled_at DESC LIMIT 5",
		"ahead":    selectStanding + "WHERE id IN (SELECT value FROM json_each('[]'))",
		"letters":  selectLetter + "WHERE id IN (SELECT value FROM json_each('[]'))",
	} {
		plan := s.plan(t, query, nil)
		if strings.Contains(plan, "TEMP B-TREE") && !strings.Contains(query, "json_each") || strings.Contains(plan, "SCAN replay") || strings.Contains(plan, "SCAN letter") || strings.Contains(plan, "SCAN l ") || strings.Contains(plan, "SCAN operation_item") {
			t.Errorf("%s: %s", name, plan)
		}
	}
}

// Drafts go a day after they were touched last, settled operations after ninety days, chunk by chunk; what is active stays.
func TestRetentionOfOperations(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	ctx := t.Context()
	for from := int64(0); from < 6000; from += 2000 {
		admit(t, s, batchOf("pay", from, from+2000))
	}
	all := dlq.OperationPick{Filter: &dlq.Filter{}}
	states := []dlq.OperationState{dlq.OperationDraft, dlq.OperationRunning, dlq.OperationSettled, dlq.OperationSettling}
	for _, state := range states {
		o := drafted(t, s, dlq.OperationReplay, all)
		if state == dlq.OperationDraft {
			continue
		}
		at := c.now()
		o.State, o.SettledAt = state, &at
		if _, err := s.SaveOperation(ctx, o, 0, dlq.OperationEvent{}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (numbers []int64) {
		t.Helper()
		most := int64(0)
		for {
			before := s.number(t, "SELECT count(*) FROM operation_item")
			pause, err := s.sweepOperationsOnce(ctx)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, before-s.number(t, "SELECT count(*) FROM operation_item"))
			s.recount(t)
			if pause > 0 {
				break
			}
		}
		if most > itemChunk {
			t.Errorf("%d items were deleted at once", most)
		}
		p, err := s.Operations(ctx, dlq.OperationFilter{}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Items {
			numbers = append(numbers, o.Number)
		}
		if n := s.number(t, "SELECT count(*) FROM operation_item"); n != int64(6000*len(numbers)) {
			t.Errorf("%d items of %d operations", n, len(numbers))
		}
		return numbers
	}
	c.add(23 * time.Hour)
	if diff := cmp.Diff([]int64{4, 3, 2, 1}, left()); diff != "" {
		t.Error(diff)
	}
	c.add(2 * time.Hour)
	if diff := cmp.Diff([]int64{4, 3, 2}, left()); diff != "" {
		t.Error(diff)
	}
	c.add(90 * 24 * time.Hour)
	if diff := cmp.Diff([]int64{4, 2}, left()); diff != "" {
		t.Error(diff)
	}
	if o := drafted(t, s, dlq.OperationReplay, dlq.OperationPick{}); o.Number != 5 {
		t.Errorf("the next operation has the number %d", o.Number)
	}
	if n, err := s.CancelItems(ctx, 2); err != nil || n != 6000 {
		t.Errorf("%d items cancelled, %v", n, err)
	}
	s.recount(t)
}
