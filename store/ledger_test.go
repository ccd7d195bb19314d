package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// bureau is a store in which operations are worked on at random, with what should come of them.
type bureau struct {
	t     *testing.T
	s     *Store
	clock *clock
	rnd   *rand.Rand

	next    int64 // offset
	ops     map[int64]*listing
	replays []*replayed
	made    int
}

// listing is an operation as it should be.
type listing struct {
	state dlq.OperationState
	kind  dlq.OperationKind
	items map[int64]*item // by letter
}

type item struct {
	position, tries int64
	state           dlq.ItemState
	detail          string
}

type replayed struct {
	id                string
	letter, operation int64
	outcome           dlq.Outcome
}

// However letters are claimed, settled, skipped, cancelled and die again, every operation's items stand where their replays
// do, and its counts are those of its items.
func TestRandomOperations(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newClock()
			b := &bureau{t: t, s: open(t, Options{Now: c.now, Retention: 20 * 24 * time.Hour}), clock: c, rnd: rand.New(rand.NewPCG(seed, 2)), ops: map[int64]*listing{}}
			for step := range 300 {
				b.work()
				if step%30 == 29 {
					b.check()
				}
			}
			b.s.checkFile(t)
		})
	}
}

func (b *bureau) work() {
	b.clock.add(time.Duration(b.rnd.IntN(9000)) * time.Millisecond)
	switch n := b.rnd.IntN(100); {
	case n < 10:
		b.admit()
	case n < 17:
		b.create()
	case n < 25:
		b.save()
	case n < 60:
		b.act()
	case n < 85:
		b.settle()
	case n < 92:
		b.look()
	case n < 97:
		b.skip()
	case n < 98:
		b.cancel()
	default:
		b.forget()
	}
}

func (b *bureau) fail(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// some returns a random operation; nil when there is none.
func (b *bureau) some() (int64, *listing) {
	if len(b.ops) == 0 {
		return 0, &listing{}
	}
	number := pick(b.rnd, slices.Sorted(maps.Keys(b.ops)))
	return number, b.ops[number]
}

func (b *bureau) admit() {
	n := int64(1 + b.rnd.IntN(10))
	batch := batchOf("pay", b.next, b.next+n)
	b.next += n
	for i := range batch.Arrivals {
		if len(b.replays) == 0 || b.rnd.IntN(2) == 0 {
			continue
		}
		r := pick(b.rnd, b.replays)
		batch.Arrivals[i].Join = &dlq.Join{LetterID: r.letter, ReplayID: r.id}
	}
	// A letter that retention has deleted is none to join.
	for i := range batch.Arrivals {
		if j := batch.Arrivals[i].Join; j != nil {
			if _, err := b.s.Letter(context.Background(), j.LetterID); err == nil {
				b.outcome(b.replay(j.ReplayID), dlq.OutcomeFailedAgain, "")
			}
		}
	}
	admit(b.t, b.s, batch)
}

func (b *bureau) replay(id string) *replayed {
	return b.replays[slices.IndexFunc(b.replays, func(r *replayed) bool { return r.id == id })]
}

// outcome is what a replay's new outcome should mean to its item.
func (b *bureau) outcome(r *replayed, to dlq.Outcome, detail string) {
	from := r.outcome
	r.outcome = to
	o := b.ops[r.operation]
	if o == nil || from == to {
		return
	}
	i := o.items[r.letter]
	state := dlq.ItemState(to)
	if to == dlq.OutcomeSendFailed && slices.Contains([]string{"unreached", "absent", "stopped"}, detail) && i.tries < 20 && o.state.Acts() {
		state = dlq.ItemPending
	}
	if i.state == dlq.ItemState(from) || from == dlq.OutcomeSendFailed && (i.state == dlq.ItemPending || i.state == dlq.ItemSkipped) {
		i.state, i.detail = state, ""
	}
}

func (b *bureau) create() {
	b.made++
	kind := pick(b.rnd, []dlq.OperationKind{dlq.OperationReplay, dlq.OperationReplay, dlq.OperationDiscard})
	o, isNew, err := b.s.NewOperation(context.Background(), dlq.Operation{ID: fmt.Sprint("op-", b.made), Kind: kind, Actor: "ann", Note: "why"})
	if err != nil || !isNew || o.State != dlq.OperationDraft {
		b.t.Fatalf("%+v, %v, %v", o, isNew, err)
	}
	b.ops[o.Number] = &listing{state: dlq.OperationDraft, kind: kind, items: map[int64]*item{}}
	b.freeze(o.Number)
}

func (b *bureau) freeze(number int64) {
	l := b.ops[number]
	var p dlq.OperationPick
	if b.rnd.IntN(2) == 0 {
		p.Filter = &dlq.Filter{Tab: pick(b.rnd, dlq.Tabs)}
	} else {
		for range b.rnd.IntN(30) {
			p.IDs = append(p.IDs, 1+b.rnd.Int64N(b.s.mem.letter+2))
		}
	}
	for range b.rnd.IntN(3) {
		p.Except = append(p.Except, 1+b.rnd.Int64N(b.s.mem.letter+2))
	}
	page, err := b.s.Letters(context.Background(), dlq.Filter{}, "", 500)
	b.fail(err)
	slices.Reverse(page.Items)
	for _, letter := range page.Items {
		chosen := p.Filter != nil && chooses(p.Filter, &letter) || slices.Contains(p.IDs, letter.ID)
		if chosen && !slices.Contains(p.Except, letter.ID) && l.items[letter.ID] == nil {
			l.items[letter.ID] = &item{position: int64(len(l.items)), state: dlq.ItemPending}
		}
	}
	before, err := b.s.Operation(context.Background(), fmt.Sprint(number))
	b.fail(err)
	o, err := b.s.Freeze(context.Background(), number, p)
	b.fail(err)
	if o.Letters != int64(len(l.items)) || o.Version <= before.Version {
		b.t.Fatalf("frozen %d letters, want %d; version %d after %d", o.Letters, len(l.items), o.Version, before.Version)
	}
}

func (b *bureau) save() {
	number, l := b.some()
	if l.state == "" {
		return
	}
	if l.state == dlq.OperationDraft && b.rnd.IntN(3) == 0 {
		b.freeze(number)
		return
	}
	o, err := b.s.Operation(context.Background(), fmt.Sprint(number))
	b.fail(err)
	o.State = pick(b.rnd, []dlq.OperationState{dlq.OperationRunning, dlq.OperationRunning, dlq.OperationRunning, dlq.OperationPaused, dlq.OperationSettling, dlq.OperationSettled})
	at := b.clock.now()
	o.SettledAt = &at
	_, err = b.s.SaveOperation(context.Background(), o, o.Version+1, dlq.OperationEvent{})
	wantCode(b.t, err, dlq.CodeConflict)
	_, err = b.s.SaveOperation(context.Background(), o, o.Version, dlq.OperationEvent{Kind: "changed", Actor: "bob"})
	b.fail(err)
	l.state = o.State
}

// act claims letters for an operation, or discards them: letters of its list and others, also the same one twice.
func (b *bureau) act() {
	number, l := b.some()
	if l.state == "" || b.rnd.IntN(6) == 0 {
		number, l = 0, &listing{kind: dlq.OperationReplay}
	}
	var changes []dlq.Change
	var want []dlq.Code
	for range 1 + b.rnd.IntN(8) {
		id := 1 + b.rnd.Int64N(b.s.mem.letter+1)
		if len(l.items) > 0 && b.rnd.IntN(5) > 0 {
			id = pick(b.rnd, slices.Sorted(maps.Keys(l.items)))
		}
		c := dlq.Change{LetterID: id, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded, Operation: number}
		if l.kind == dlq.OperationReplay {
			b.made++
			c = dlq.Change{LetterID: id, Trigger: dlq.TriggerClaim, To: dlq.StateSending, CountReplay: 1,
				Replay: &dlq.Replay{ID: fmt.Sprintf("%032x", b.made), ConsumerGroup: "pay", UniqueKey: "UK", IntendedAt: b.clock.now(), Outcome: dlq.OutcomeSending, Operation: number}}
		}
		have, err := b.s.Letter(context.Background(), id)
		twice := slices.ContainsFunc(changes, func(o dlq.Change) bool { return o.LetterID == id })
		changes = append(changes, c)
		i := l.items[id]
		switch {
		case err != nil:
			want = append(want, dlq.CodeNotFound)
		case !dlq.Can(c.Trigger, have.State, c.To):
			want = append(want, dlq.CodeRefused)
		case twice && (i == nil || i.state != dlq.ItemPending) && number != 0: // whichever is found first
			want = append(want, "")
		case number != 0 && (i == nil || i.state != dlq.ItemPending):
			want = append(want, dlq.CodeConflict)
		case twice:
			want = append(want, dlq.CodeRefused)
		default:
			want = append(want, "done")
			if i != nil {
				i.state, i.detail = dlq.ItemDone, ""
			}
			if c.Replay != nil {
				b.replays = append(b.replays, &replayed{c.Replay.ID, id, number, dlq.OutcomeSending})
				if i != nil {
					i.state, i.tries = dlq.ItemSending, i.tries+1
				}
			}
		}
	}
	_, errs := b.s.ApplyEach(context.Background(), changes)
	for i, err := range errs {
		if got := dlq.CodeOf(err); want[i] == "done" && got != "" || want[i] != "done" && want[i] != "" && got != want[i] || want[i] == "" && got == "" {
			b.t.Fatalf("change %d of letter %d for operation %d: %v, want %s", i, changes[i].LetterID, number, err, want[i])
		}
	}
}

// settle brings replays further, in one batch.
func (b *bureau) settle() {
	var changes []dlq.Change
	var moved []func()
	for range 1 + b.rnd.IntN(8) {
		if len(b.replays) == 0 {
			return
		}
		r := pick(b.rnd, b.replays)
		l, err := b.s.Letter(context.Background(), r.letter)
		if err != nil || slices.ContainsFunc(changes, func(c dlq.Change) bool { return c.LetterID == l.ID }) {
			continue
		}
		stored, err := b.s.Replay(context.Background(), r.id)
		b.fail(err)
		type way struct {
			trigger dlq.Trigger
			to      dlq.State
			outcome dlq.Outcome
		}
		w := pick(b.rnd, []way{
			{dlq.TriggerSent, dlq.StateAwaiting, dlq.OutcomeWaiting}, {dlq.TriggerSent, dlq.StateAwaiting, dlq.OutcomeWaiting},
			{dlq.TriggerNotSent, dlq.StateOpen, dlq.OutcomeSendFailed}, {dlq.TriggerUndecided, dlq.StateOpen, dlq.OutcomeUnknown},
			{dlq.TriggerFound, dlq.StateAwaiting, dlq.OutcomeWaiting}, {dlq.TriggerSettle, dlq.StateResolved, dlq.OutcomeConfirmed},
			{dlq.TriggerSettle, dlq.StateResolved, dlq.OutcomeAssumed}, {dlq.TriggerLost, dlq.StateOpen, dlq.OutcomeUnknown}, {dlq.TriggerEdit, l.State, r.outcome},
		})
		stored.Outcome, stored.Detail = w.outcome, pick(b.rnd, []string{"refused", "unreached", "absent", "stopped"})
		if w.outcome.Final() {
			at := b.clock.now()
			stored.SettledAt = &at
		}
		if !dlq.Can(w.trigger, l.State, w.to) || r.outcome == dlq.OutcomeFailedAgain {
			continue
		}
		changes = append(changes, dlq.Change{LetterID: l.ID, Version: l.Version, Trigger: w.trigger, To: w.to, Replay: &stored})
		moved = append(moved, func() { b.outcome(r, w.outcome, stored.Detail) })
	}
	letters, errs := b.s.ApplyEach(context.Background(), changes)
	for i, err := range errs {
		b.fail(err)
		moved[i]()
		stored, err := b.s.Letter(context.Background(), letters[i].ID)
		b.fail(err)
		if diff := cmp.Diff(stored, letters[i]); diff != "" {
			b.t.Fatalf("letter %d as it is in the file and as it was answered:\n%s", stored.ID, diff)
		}
	}
}

func (b *bureau) look() {
	var looks []dlq.Replay
	var open []bool
	for range b.rnd.IntN(6) {
		if len(b.replays) == 0 {
			return
		}
		r := pick(b.rnd, b.replays)
		stored, err := b.s.Replay(context.Background(), r.id)
		if err != nil || slices.ContainsFunc(looks, func(o dlq.Replay) bool { return o.ID == r.id }) {
			continue
		}
		stored.Looks, stored.Detail = stored.Looks+1, "not_consumed"
		open = append(open, !r.outcome.Final())
		if b.rnd.IntN(3) == 0 {
			if stored.Outcome = dlq.OutcomeWaiting; !r.outcome.Final() {
				b.outcome(r, dlq.OutcomeWaiting, "")
			}
		}
		looks = append(looks, stored)
	}
	for i, err := range b.s.SaveLooks(context.Background(), looks) {
		if (err == nil) != open[i] || err != nil && dlq.CodeOf(err) != dlq.CodeConflict {
			b.t.Fatalf("look at %+v (open: %v): %v", looks[i], open[i], err)
		}
	}
}

func (b *bureau) skip() {
	number, l := b.some()
	why := map[int64]string{}
	for id, i := range l.items {
		if b.rnd.IntN(8) > 0 {
			continue
		}
		why[id] = pick(b.rnd, []string{dlq.SkipChanged, dlq.SkipStale})
		if i.state == dlq.ItemPending {
			i.state, i.detail = dlq.ItemSkipped, why[id]
		}
	}
	b.fail(b.s.SkipItems(context.Background(), number, why))
}

func (b *bureau) cancel() {
	number, l := b.some()
	var want int64
	for _, i := range l.items {
		if i.state == dlq.ItemPending {
			i.state, i.detail = dlq.ItemSkipped, dlq.SkipCancelled
			want++
		}
	}
	if n, err := b.s.CancelItems(context.Background(), number); err != nil || n != want {
		b.t.Fatalf("cancelled %d items, want %d, %v", n, want, err)
	}
}

// forget lets time pass until letters, drafts and settled operations are deleted, or drops a draft.
func (b *bureau) forget() {
	if number, l := b.some(); l.state != "" {
		err := b.s.DropDraft(context.Background(), number)
		if l.state == dlq.OperationDraft {
			delete(b.ops, number)
			b.fail(err)
		} else {
			wantCode(b.t, err, dlq.CodeRefused)
		}
	}
	if b.rnd.IntN(3) > 0 {
		return
	}
	b.clock.add(91 * 24 * time.Hour)
	for {
		pause, err := b.s.sweepOperationsOnce(context.Background())
		b.fail(err)
		if pause > 0 {
			break
		}
	}
	_, err := b.s.sweepOnce(context.Background())
	b.fail(err)
	maps.DeleteFunc(b.ops, func(_ int64, l *listing) bool {
		return l.state == dlq.OperationDraft || l.state == dlq.OperationSettled
	})
	b.replays = slices.DeleteFunc(b.replays, func(r *replayed) bool {
		_, err := b.s.Replay(context.Background(), r.id)
		return err != nil
	})
}

// check compares every operation with what is expected of it.
func (b *bureau) check() {
	t, ctx := b.t, context.Background()
	t.Helper()
	b.s.recount(t)
	page, err := b.s.Operations(ctx, dlq.OperationFilter{}, "", 500)
	if err != nil || len(page.Items) != len(b.ops) || page.Total.Count != int64(len(b.ops)) {
		t.Fatalf("%d operations, total %+v, want %d, %v", len(page.Items), page.Total, len(b.ops), err)
	}
	for number, l := range b.ops {
		o, err := b.s.Operation(ctx, fmt.Sprint(number))
		b.fail(err)
		counts := map[dlq.ItemState]int64{}
		for _, state := range dlq.ItemStates {
			counts[state] = 0
		}
		var pending []int64
		for _, i := range l.items {
			counts[i.state]++
			if i.state == dlq.ItemPending {
				pending = append(pending, i.position)
			}
		}
		slices.Sort(pending)
		if diff := cmp.Diff(counts, o.Counts); diff != "" || o.State != l.state || o.Letters != int64(len(l.items)) {
			t.Fatalf("operation %d is %s, want %s; counts (-want +got):\n%s", number, o.State, l.state, diff)
		}
		b.checkItems(number, l)
		tasks, err := b.s.OperationTasks(ctx, number, "pay", 0, 0, 1000, false)
		b.fail(err)
		var positions []int64
		for _, task := range tasks {
			positions = append(positions, task.Position)
		}
		work, err := b.s.OperationWork(ctx, number)
		if err != nil || !cmp.Equal(pending, positions) || work["pay"] != int64(len(pending)) {
			t.Fatalf("the work of operation %d is %v, its tasks %v, want %v", number, work, positions, pending)
		}
	}
}

func (b *bureau) checkItems(number int64, l *listing) {
	t := b.t
	t.Helper()
	states := dlq.ItemStates[b.rnd.IntN(len(dlq.ItemStates)):]
	got, want := map[int64]item{}, map[int64]item{}
	for id, i := range l.items {
		if slices.Contains(states, i.state) {
			want[id] = *i
		}
	}
	last := int64(-1)
	for cursor := ""; ; {
		p, err := b.s.Items(context.Background(), number, states, cursor, 1+b.rnd.IntN(20))
		b.fail(err)
		if p.Total.Count != int64(len(want)) {
			t.Fatalf("operation %d has %d items in %v, want %d", number, p.Total.Count, states, len(want))
		}
		for _, i := range p.Items {
			if i.Position <= last {
				t.Fatalf("position %d after %d", i.Position, last)
			}
			last = i.Position
			detail := i.Detail
			if i.State != dlq.ItemSkipped {
				detail = ""
			}
			got[i.LetterID] = item{i.Position, int64(i.Tries), i.State, detail}
			if i.Replay != nil && (i.Replay.Operation != number || i.Replay.LetterID != i.LetterID) {
				t.Fatalf("item %+v has the replay %+v", i, i.Replay)
			}
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(item{})); diff != "" {
		t.Fatalf("items of operation %d (-want +got):\n%s", number, diff)
	}
}
