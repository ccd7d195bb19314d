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
		func() error { _, err := s.OperationFacts(ctx, 9); return err }(),
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

// The list has what the pick chooses, in its order, and is added to only by what is not on it.
func TestFreeze(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	ctx := t.Context()
	b := batchOf("pay", 0, 12)
	for i := range b.Arrivals {
		b.Arrivals[i].Message.BornAt = c.now().Add(-time.Duration(i%4) * time.Hour)
	}
	admit(t, s, b, batchOf("stock", 0, 6))
	indexAll(t, s)
	apply(t, s, dlq.Change{LetterID: 3, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	listOf := func(number int64) (ids []int64) {
		t.Helper()
		for cursor := ""; ; {
			p, err := s.Items(ctx, number, nil, cursor, 5)
			if err != nil {
				t.Fatal(err)
			}
			for i, item := range p.Items {
				if item.Position != int64(len(ids)) || item.State != dlq.ItemPending || item.Letter == nil || item.Letter.ID != item.LetterID {
					t.Errorf("item %d: %+v", i, item)
				}
				ids = append(ids, item.LetterID)
			}
			if cursor = p.Next; cursor == "" {
				return ids
			}
		}
	}
	for name, tt := range map[string]struct {
		pick dlq.OperationPick
		want []int64
	}{
		"filter":    {dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{"pay"}, Tab: dlq.TabAttention}}, []int64{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		"except":    {dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{"pay"}}, Except: []int64{1, 4, 5, 6, 7, 8, 9, 10, 11, 99}}, []int64{2, 3, 12}},
		"by birth":  {dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{"pay"}}, ByBirth: true}, []int64{4, 8, 12, 3, 7, 11, 2, 6, 10, 1, 5, 9}},
		"selection": {dlq.OperationPick{IDs: []int64{18, 3, 99, 3, 1}, Except: []int64{1}}, []int64{3, 18}},
		"text":      {dlq.OperationPick{Filter: &dlq.Filter{Query: "PAY-stock-3"}}, []int64{16}},
		"words":     {dlq.OperationPick{Filter: &dlq.Filter{Query: "库存不足", ConsumerGroups: []string{"stock"}}}, []int64{13, 14, 15, 16, 17, 18}},
		"nothing":   {dlq.OperationPick{Filter: &dlq.Filter{Reasons: []string{"none such"}}}, nil},
		"nobody":    {dlq.OperationPick{}, nil},
	} {
		o := drafted(t, s, dlq.OperationReplay, tt.pick)
		if diff := cmp.Diff(tt.want, listOf(o.Number)); diff != "" || o.Letters != int64(len(tt.want)) || o.Counts[dlq.ItemPending] != o.Letters {
			t.Errorf("%s (-want +got):\n%s%d letters", name, diff, o.Letters)
		}
		if p, err := s.OperationPick(ctx, o.Number); err != nil || !cmp.Equal(p, tt.pick) {
			t.Errorf("%s: the pick that is kept: %+v, %v", name, p, err)
		}
	}
	filter := dlq.Filter{ConsumerGroups: []string{"stock"}, Tab: dlq.TabAttention}
	o := drafted(t, s, dlq.OperationReplay, dlq.OperationPick{Filter: &filter, Except: []int64{14}})
	admit(t, s, batchOf("stock", 6, 8), batchOf("pay", 12, 13))
	apply(t, s, dlq.Change{LetterID: 15, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	if d, err := s.DriftOf(ctx, o.Number); err != nil || d != (dlq.OperationDrift{At: c.now(), Gone: 1, Arrived: dlq.Count{Count: 2, Exact: true}}) {
		t.Errorf("drift %+v, %v", d, err)
	}
	if _, err := s.Freeze(ctx, o.Number, dlq.OperationPick{Filter: &filter, Except: []int64{14}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{13, 15, 16, 17, 18, 19, 20}, listOf(o.Number)); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	if d, err := s.DriftOf(ctx, o.Number); err != nil || d.Gone != 1 || d.Arrived != (dlq.Count{Exact: true}) {
		t.Errorf("drift after adding %+v, %v", d, err)
	}
	s.maxItems = 7
	if _, err := s.Freeze(ctx, o.Number, dlq.OperationPick{IDs: []int64{13, 15}}); err != nil {
		t.Errorf("what is on the list already: %v", err)
	}
	for _, p := range []dlq.OperationPick{{IDs: []int64{1}}, {Filter: &dlq.Filter{}}, {Filter: &dlq.Filter{Tab: dlq.TabAttention}}} {
		_, err := s.Freeze(ctx, o.Number, p)
		wantCode(t, err, dlq.CodeTooLarge)
	}
	if n := len(listOf(o.Number)); n != 7 {
		t.Errorf("a refused freeze left %d letters on the list", n)
	}
	s.recount(t)
}

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
	wantCode(t, s.SaveLook(ctx, early), dlq.CodeConflict)
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
	tasks, err := s.OperationTasks(ctx, o.Number, "pay", 4, 10, true)
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
	if tasks, err = s.OperationTasks(ctx, o.Number, "pay", 0, 2, false); err != nil || len(tasks) != 2 || tasks[0].Message != nil || tasks[0].Letter == nil {
		t.Errorf("without messages: %+v, %v", tasks, err)
	}
	if tasks, err = s.OperationTasks(ctx, o.Number, "nobody", 0, 2, false); err != nil || len(tasks) != 0 {
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
