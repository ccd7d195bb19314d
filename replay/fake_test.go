package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// fakeStore keeps letters and replays in memory, with the rules of the real one that this package leans on: versions,
// the transition table, replays written with their letter. breakAt lets the n-th call from now fail, before or after its
// effect.
type fakeStore struct {
	mu       sync.Mutex
	letters  map[int64]dlq.Letter
	messages map[int64]dlq.DeadMessage
	replays  map[string]dlq.Replay
	order    []string // ids of replays, oldest first
	events   []dlq.Event
	edits    map[int64][]dlq.Edit // newest first
	now      func() time.Time

	calls   int
	breakAt int  // 0: never
	after   bool // the call has its effect, and its answer is lost
}

var errBroken = errors.New("the disk is gone")

func newFakeStore() *fakeStore {
	return &fakeStore{letters: map[int64]dlq.Letter{}, messages: map[int64]dlq.DeadMessage{}, replays: map[string]dlq.Replay{}, edits: map[int64][]dlq.Edit{}, now: time.Now}
}

// add puts a dead letter with sensible contents into the store.
func (f *fakeStore) add(id int64, state dlq.State, edit func(*dlq.Letter, *dlq.DeadMessage)) {
	due := f.now()
	l := dlq.Letter{ID: id, Version: 1, State: state, Cluster: "c", ConsumerGroup: "pay-service", Topic: "orders", Fingerprint: "f", Rule: "r", Deaths: 1, UniqueKey: fmt.Sprintf("KEY%d", id)}
	if state == dlq.StateScheduled {
		l.DueAt = &due
	}
	m := dlq.DeadMessage{
		Position:      dlq.Position{Queue: dlq.Queue{Cluster: "c", Broker: "b", Topic: "%DLQ%pay-service"}, Offset: id, StoredAt: f.now()},
		ConsumerGroup: "pay-service", OriginalTopic: "orders", MessageID: "id", PhysOffset: 1000 + id,
		Properties: map[string]string{dlq.PropUniqueKey: l.UniqueKey, dlq.PropRetryTopic: "orders"}, Body: []byte("body"), BodyState: dlq.BodyPlain,
		ReconsumeTimes: 3, BornAt: f.now(),
	}
	if edit != nil {
		edit(&l, &m)
	}
	f.letters[id], f.messages[id] = l, m
}

// enter counts a call; the returned function ends it.
func (f *fakeStore) enter() (leave func(), before, after error) {
	f.mu.Lock()
	f.calls++
	if f.breakAt > 0 && f.calls == f.breakAt {
		if f.after {
			return f.mu.Unlock, nil, errBroken
		}
		return f.mu.Unlock, errBroken, nil
	}
	return f.mu.Unlock, nil, nil
}

func (f *fakeStore) Letter(_ context.Context, id int64) (dlq.Letter, error) {
	leave, before, _ := f.enter()
	defer leave()
	if before != nil {
		return dlq.Letter{}, before
	}
	l, ok := f.letters[id]
	if !ok {
		return l, dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", id)
	}
	return l, nil
}

func (f *fakeStore) Detail(_ context.Context, id int64) (dlq.Detail, error) {
	leave, before, _ := f.enter()
	defer leave()
	l, ok := f.letters[id]
	switch {
	case before != nil:
		return dlq.Detail{}, before
	case !ok:
		return dlq.Detail{}, dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", id)
	}
	d := dlq.Detail{Letter: l}
	for _, rid := range slices.Backward(f.order) {
		if r := f.replays[rid]; r.LetterID == id {
			d.ReplayList = append(d.ReplayList, r)
		}
	}
	for _, e := range slices.Backward(f.events) {
		if e.LetterID == id {
			d.Events = append(d.Events, e)
		}
	}
	return d, nil
}

func (f *fakeStore) Message(_ context.Context, id int64) (dlq.DeadMessage, error) {
	leave, before, _ := f.enter()
	defer leave()
	m := f.messages[id]
	m.Properties = maps.Clone(m.Properties)
	return m, before
}

func (f *fakeStore) SameFailures(context.Context, string, time.Time) (int64, error) { return 7, nil }

func (f *fakeStore) Due(_ context.Context, state dlq.State, now time.Time, limit int) (out []dlq.Letter, err error) {
	leave, before, _ := f.enter()
	defer leave()
	for _, id := range slices.Sorted(maps.Keys(f.letters)) {
		l := f.letters[id]
		if l.State == state && !l.DueAt.After(now) && len(out) < limit {
			out = append(out, l)
		}
	}
	return out, before
}

func (f *fakeStore) ApplyEach(_ context.Context, changes []dlq.Change) ([]dlq.Letter, []error) {
	leave, before, after := f.enter()
	defer leave()
	letters, errs := make([]dlq.Letter, len(changes)), make([]error, len(changes))
	for i, c := range changes {
		if before != nil {
			errs[i] = before
			continue
		}
		letters[i], errs[i] = f.applyOne(c)
		if after != nil {
			errs[i] = after
		}
	}
	return letters, errs
}

func (f *fakeStore) applyOne(c dlq.Change) (dlq.Letter, error) {
	l, ok := f.letters[c.LetterID]
	if c.Trigger == dlq.TriggerEdit && c.To == "" {
		c.To = l.State
	}
	switch {
	case !ok:
		return l, dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", c.LetterID)
	case c.Version != 0 && c.Version != l.Version:
		return l, dlq.Errorf(dlq.CodeConflict, "letter %d was changed", c.LetterID)
	case !dlq.Can(c.Trigger, l.State, c.To):
		return l, dlq.Errorf(dlq.CodeRefused, "letter %d is %s", c.LetterID, l.State)
	}
	if c.Replay != nil {
		r := *c.Replay
		if have, ok := f.replays[r.ID]; (c.Trigger == dlq.TriggerClaim) == ok || have.Outcome == dlq.OutcomeFailedAgain {
			return l, dlq.Errorf(dlq.CodeConflict, "replay %s", r.ID)
		}
		if c.Trigger == dlq.TriggerClaim {
			f.order = append(f.order, r.ID)
			r.Number = len(f.order)
		}
		f.replays[r.ID] = r
	}
	l.Version++
	l.State = c.To
	l.Replays += c.CountReplay
	if c.Trigger != dlq.TriggerEdit {
		l.DueAt, l.Resolution, l.Hold = nil, c.Resolution, ""
	}
	if c.DueAt != nil {
		l.DueAt = c.DueAt
	}
	if c.Hold != nil {
		l.Hold = *c.Hold
	}
	l.Flags = slices.DeleteFunc(slices.Clone(l.Flags), func(have dlq.Flag) bool { return slices.Contains(c.DropFlags, have) })
	for _, add := range c.AddFlags {
		if !l.HasFlag(add) {
			l.Flags = append(l.Flags, add)
		}
	}
	if e := c.Event; e.Kind != "" {
		e.LetterID, e.At, e.State = l.ID, f.now(), l.State
		f.events = append(f.events, e)
	}
	f.letters[l.ID] = l
	return l, nil
}

func (f *fakeStore) Replay(_ context.Context, id string) (dlq.Replay, error) {
	leave, before, _ := f.enter()
	defer leave()
	r, ok := f.replays[id]
	if !ok && before == nil {
		before = dlq.Errorf(dlq.CodeNotFound, "there is no replay %s", id)
	}
	return r, before
}

func (f *fakeStore) OpenReplays(_ context.Context, now time.Time, limit int) (out []dlq.Replay, err error) {
	leave, before, _ := f.enter()
	defer leave()
	for _, id := range f.order {
		if r := f.replays[id]; !r.Outcome.Final() && r.NextLook != nil && !r.NextLook.After(now) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b dlq.Replay) int { return a.NextLook.Compare(*b.NextLook) })
	return out[:min(limit, len(out))], before
}

func (f *fakeStore) Unsettled(context.Context) (out []dlq.Replay, err error) {
	leave, before, _ := f.enter()
	defer leave()
	for _, id := range f.order {
		if r := f.replays[id]; r.Outcome == dlq.OutcomeSending {
			out = append(out, r)
		}
	}
	return out, before
}

func (f *fakeStore) SaveLooks(_ context.Context, list []dlq.Replay) []error {
	leave, before, after := f.enter()
	defer leave()
	errs := make([]error, len(list))
	for i, r := range list {
		switch {
		case before != nil:
			errs[i] = before
		case f.replays[r.ID].Outcome.Final():
			errs[i] = dlq.Errorf(dlq.CodeConflict, "replay %s is closed", r.ID)
		default:
			f.replays[r.ID], errs[i] = r, after
		}
	}
	return errs
}

func (f *fakeStore) AddEdit(_ context.Context, e dlq.Edit, version int64) (dlq.Edit, dlq.Letter, error) {
	leave, before, _ := f.enter()
	defer leave()
	l := f.letters[e.LetterID]
	switch {
	case before != nil:
		return e, l, before
	case version != l.Version:
		return e, l, dlq.Errorf(dlq.CodeConflict, "letter %d was changed", l.ID)
	}
	e.Number = len(f.edits[l.ID]) + 1
	f.edits[l.ID] = append([]dlq.Edit{e}, f.edits[l.ID]...)
	l.Version++
	f.letters[l.ID] = l
	f.events = append(f.events, dlq.Event{LetterID: l.ID, Kind: dlq.EventEdited, Actor: e.Author, At: f.now()})
	return e, l, nil
}

func (f *fakeStore) Edits(_ context.Context, id int64) ([]dlq.Edit, error) {
	leave, before, _ := f.enter()
	defer leave()
	return slices.Clone(f.edits[id]), before
}

func (f *fakeStore) Messages(_ context.Context, ids []int64) (map[int64]dlq.DeadMessage, error) {
	leave, before, _ := f.enter()
	defer leave()
	out := map[int64]dlq.DeadMessage{}
	for _, id := range ids {
		if m, ok := f.messages[id]; ok {
			out[id] = m
		}
	}
	return out, before
}

// die is what the intake does when a replayed message is back in the DLQ.
func (f *fakeStore) die(replayID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.replays[replayID]
	l := f.letters[r.LetterID]
	now := f.now()
	r.Outcome, r.SettledAt, r.NextLook = dlq.OutcomeFailedAgain, &now, nil
	l.State, l.Version, l.Deaths = dlq.StateOpen, l.Version+1, l.Deaths+1
	l.Flags = append(l.Flags, dlq.FlagFailedAgain)
	f.replays[replayID], f.letters[l.ID] = r, l
}

func (f *fakeStore) letter(id int64) dlq.Letter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.letters[id]
}

// only returns the one replay that was ever written.
func (f *fakeStore) only(t *testing.T) dlq.Replay {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) != 1 {
		t.Fatalf("%d replays were written, want 1", len(f.order))
	}
	return f.replays[f.order[0]]
}

// called is how often the store was called.
func (f *fakeStore) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// written are the replays in the order of their intents.
func (f *fakeStore) written() (out []dlq.Replay) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.order {
		out = append(out, f.replays[id])
	}
	return out
}

func (f *fakeStore) firstEvent() dlq.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.events[0]
}

func (f *fakeStore) kinds(id int64) (out []dlq.EventKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.LetterID == id {
			out = append(out, e.Kind)
		}
	}
	return out
}
