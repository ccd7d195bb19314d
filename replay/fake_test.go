package replay

import (
	"context"
	"encoding/json"
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

// stubBroker answers with its functions, and well where one is nil.
type stubBroker struct {
	status       func() dlq.ClusterStatus
	group        func() (dlq.GroupInfo, error)
	capabilities func() (dlq.Capabilities, error)
	abilities    func(broker string) (dlq.Capabilities, error)
	subscribers  func() ([]string, bool, error)
	topics       func() ([]dlq.TopicInfo, error)
	send         func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error)
	look         func(dlq.Replay) (dlq.Evidence, error)
	probe        func(client string) (dlq.ProbeAnswer, error)

	mu    sync.Mutex
	sent  []dlq.SendRequest
	looks int
	asked []int // replays of each LookMany
}

func (b *stubBroker) Status() dlq.ClusterStatus {
	if b.status != nil {
		return b.status()
	}
	return dlq.ClusterStatus{Reachable: true}
}

func (b *stubBroker) Group(_ context.Context, name string, _ *dlq.DeadMessage) (dlq.GroupInfo, error) {
	if b.group != nil {
		return b.group()
	}
	return dlq.GroupInfo{Name: name, Exists: true, Kind: dlq.GroupConcurrent, Online: true, MaxRetry: 16}, nil
}

func (b *stubBroker) Capabilities(_ context.Context, broker string) (dlq.Capabilities, error) {
	if b.abilities != nil {
		return b.abilities(broker)
	}
	if b.capabilities != nil {
		return b.capabilities()
	}
	return five(), nil
}

func (b *stubBroker) Subscribers(context.Context, string) ([]string, bool, error) {
	if b.subscribers != nil {
		return b.subscribers()
	}
	return []string{"audit", "pay-service"}, true, nil
}

func (b *stubBroker) Topics(context.Context) ([]dlq.TopicInfo, error) {
	if b.topics != nil {
		return b.topics()
	}
	return nil, nil
}

func (b *stubBroker) Send(_ context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	b.mu.Lock()
	b.sent = append(b.sent, req)
	b.mu.Unlock()
	if b.send != nil {
		return b.send(req)
	}
	return dlq.Receipt{Broker: "b", Offset: 5, MessageID: "m"}, dlq.Sent, nil
}

func (b *stubBroker) Look(_ context.Context, r dlq.Replay) (dlq.Evidence, error) {
	b.mu.Lock()
	b.looks++
	b.mu.Unlock()
	if b.look != nil {
		return b.look(r)
	}
	return dlq.Evidence{At: time.Now(), Online: true, PassedKnown: true, Passed: true, Copies: []dlq.Copy{{Place: dlq.PlaceTarget, Broker: "b", StoredAt: r.IntendedAt}}}, nil
}

func (b *stubBroker) Size(req dlq.SendRequest) (int, error) {
	if req.Compress {
		return len(req.Body) / 10, nil
	}
	return len(req.Body), nil
}

func (b *stubBroker) LookMany(ctx context.Context, list []dlq.Replay) (evidence []dlq.Evidence, errs []error) {
	b.mu.Lock()
	b.asked = append(b.asked, len(list))
	b.mu.Unlock()
	for _, r := range list {
		ev, err := b.Look(ctx, r)
		evidence, errs = append(evidence, ev), append(errs, err)
	}
	return evidence, errs
}

func (b *stubBroker) Probe(_ context.Context, _, client string, _ *dlq.DeadMessage) (dlq.ProbeAnswer, error) {
	return b.probe(client)
}

func (b *stubBroker) looked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looks
}

func (b *stubBroker) sends() []dlq.SendRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

type stubRules func(m *dlq.DeadMessage) ([]byte, string, bool, error)

func (r stubRules) Unwrap(m *dlq.DeadMessage) ([]byte, string, bool, error) {
	if r == nil {
		return m.Body, "", false, nil
	}
	return r(m)
}

func (r stubRules) ReplayTargets(string) dlq.ReplayTargets {
	return dlq.ReplayTargets{Topics: []string{"listed"}, ConsumerGroups: []string{"listed-group"}}
}

func levels(texts ...string) (out []dlq.Duration) {
	for _, s := range texts {
		d, err := dlq.ParseDuration(s)
		if err != nil {
			panic(err)
		}
		out = append(out, d)
	}
	return out
}

// five is a broker of version 5, four one of version 4.
func five() dlq.Capabilities {
	c := four()
	c.Version, c.Major, c.Timer, c.TimerMax, c.OrderlyDiverts, c.RefusesEmpty = "5.5.0", 5, true, dlq.Duration(72*time.Hour), true, true
	return c
}

func four() dlq.Capabilities {
	return dlq.Capabilities{Broker: "b", Version: "4.9.7", Major: 4, Levels: levels("1s", "5s", "10s", "30s", "1m", "2h")}
}

func newService(store *fakeStore, broker *stubBroker) *Service {
	return New(Deps{
		Store: store, Broker: broker, Rules: stubRules(nil), Now: store.now,
		Automation: func() dlq.Automation { return dlq.Automation{On: true} },
		Policy:     func() dlq.AutomationPolicy { return dlq.AutomationPolicy{Rate: 10} },
	})
}

func dump(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}
