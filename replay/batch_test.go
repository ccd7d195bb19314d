package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// tasks adds open letters 1 to n and returns them as an operation's tasks.
func tasks(f *fakeStore, n int, edit func(id int64, l *dlq.Letter, m *dlq.DeadMessage)) []dlq.OperationTask {
	for id := range int64(n) {
		f.add(id+1, dlq.StateOpen, func(l *dlq.Letter, m *dlq.DeadMessage) {
			if edit != nil {
				edit(id+1, l, m)
			}
		})
	}
	return f.tasks()
}

// tasks are all letters as they are now.
func (f *fakeStore) tasks() (out []dlq.OperationTask) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, id := range slices.Sorted(maps.Keys(f.letters)) {
		l, m := f.letters[id], f.messages[id]
		m.Properties = maps.Clone(m.Properties)
		out = append(out, dlq.OperationTask{LetterID: id, Position: int64(i), Letter: &l, Message: &m})
	}
	return out
}

func bulk(list []dlq.OperationTask, spec dlq.ReplaySpec) dlq.ReplayBatch {
	return dlq.ReplayBatch{Operation: 7, Spec: spec, Actor: "lin", Note: "healed", Tasks: list}
}

func skips(results []dlq.BatchResult) (out []string) {
	for _, r := range results {
		out = append(out, r.Skip)
	}
	return out
}

func TestBatchSends(t *testing.T) {
	store, broker := newFakeStore(), &stubBroker{}
	list := tasks(store, 250, nil)
	before := store.calls
	results := newService(store, broker).Batch(t.Context(), bulk(list, dlq.ReplaySpec{}))
	if calls := store.calls - before; calls > 20 {
		t.Errorf("%d calls to the store for 250 letters", calls)
	}
	sent := map[int64]dlq.SendRequest{}
	for _, req := range broker.sends() {
		sent[req.Replay.LetterID] = req
	}
	if len(sent) != 250 || len(broker.sends()) != 250 || len(results) != 250 {
		t.Fatalf("%d letters in %d sends, %d results", len(sent), len(broker.sends()), len(results))
	}
	for i, res := range results {
		r, l := res.Replay, store.letter(res.LetterID)
		if res.LetterID != int64(i+1) || res.Skip != "" || res.Err != nil || res.Later || r.LetterID != res.LetterID || r.Outcome != dlq.OutcomeWaiting {
			t.Fatalf("result %d: %+v", i, res)
		}
		if r.Operation != 7 || r.Actor != "lin" || r.Note != "healed" || sent[res.LetterID].Replay.Operation != 7 || l.State != dlq.StateAwaiting || l.Replays != 1 {
			t.Fatalf("letter %s replay %s", dump(l), dump(r))
		}
	}
	if diff := cmp.Diff([]dlq.EventKind{dlq.EventSent}, store.kinds(1)); diff != "" {
		t.Error(diff)
	}
	if e := store.firstEvent(); e.Detail["operation"] != "7" {
		t.Errorf("event %s", dump(e))
	}
}

func TestBatchSkips(t *testing.T) {
	coupon := func(l *dlq.Letter, m *dlq.DeadMessage) {
		l.Topic, l.BornAt, l.DiedAt = "coupons", time.Now().Add(-25*time.Hour), time.Now()
	}
	shard := func(l *dlq.Letter, m *dlq.DeadMessage) { m.Properties[dlq.PropRetryTopic], m.OriginalTopic = "", "" }
	for _, tt := range []struct {
		name string
		edit func(*dlq.Letter, *dlq.DeadMessage)
		task func(*dlq.OperationTask)
		spec dlq.ReplaySpec
		kind dlq.GroupKind
		want string
		door dlq.Door
	}{
		{name: "nothing is wrong", door: "B"},
		{name: "gone", task: func(t *dlq.OperationTask) { t.Letter, t.Message = nil, nil }, want: dlq.SkipGone},
		{name: "resolved", edit: func(l *dlq.Letter, _ *dlq.DeadMessage) { l.State = dlq.StateResolved }, want: "state_resolved"},
		{name: "awaiting", edit: func(l *dlq.Letter, _ *dlq.DeadMessage) { l.State = dlq.StateAwaiting }, want: "state_awaiting"},
		{name: "changed meanwhile", task: func(t *dlq.OperationTask) { t.Letter.Version = 9 }, want: dlq.SkipChanged},
		{name: "quarantined", edit: func(l *dlq.Letter, _ *dlq.DeadMessage) { l.Flags = []dlq.Flag{dlq.FlagQuarantined} }, want: dlq.SkipQuarantined},
		{name: "quarantined, included", edit: func(l *dlq.Letter, _ *dlq.DeadMessage) { l.Flags = []dlq.Flag{dlq.FlagQuarantined} }, spec: dlq.ReplaySpec{IncludeQuarantined: true}, door: "B"},
		{name: "stale", edit: coupon, want: dlq.SkipStale},
		{name: "stale, included", edit: coupon, spec: dlq.ReplaySpec{IncludeStale: true}, door: "B"},
		{name: "topic unknown", edit: shard, want: ShutTopicUnknown},
		{name: "gRPC", kind: dlq.GroupGRPC, door: "P"},
		{name: "gRPC FIFO", kind: dlq.GroupGRPCFIFO, want: ShutGRPC},
		{name: "gRPC FIFO, door A asked for", kind: dlq.GroupGRPCFIFO, spec: dlq.ReplaySpec{Door: dlq.DoorTopic}, door: "A"},
		{name: "gRPC FIFO, topic asked for", kind: dlq.GroupGRPCFIFO, spec: dlq.ReplaySpec{Target: dlq.Target{Kind: dlq.TargetTopic}}, door: "A"},
		{name: "a shut door asked for", kind: dlq.GroupOrderly, spec: dlq.ReplaySpec{Door: dlq.DoorRetry}, want: ShutOrderlyDiverted},
		{name: "the probe asked for", spec: dlq.ReplaySpec{Door: dlq.DoorProbe}, want: StuckNoDoor},
		{name: "orderly", kind: dlq.GroupOrderly, door: "C"},
		{name: "a delay that is too long", spec: dlq.ReplaySpec{Delay: dlq.Duration(1000 * time.Hour)}, want: dlq.SkipRefused},
		{name: "not JSON", spec: dlq.ReplaySpec{Transform: []dlq.TransformStep{{Do: dlq.TransformRemove, Path: "/a"}}}, want: dlq.SkipTransform},
		{name: "transformed, orderly", kind: dlq.GroupOrderly, spec: dlq.ReplaySpec{Transform: []dlq.TransformStep{{Do: dlq.TransformSetProperty, Name: "x", Value: "1"}}}, want: ShutOrderlyDiverted},
		{name: "another group", spec: dlq.ReplaySpec{Anywhere: true, Target: dlq.Target{Kind: dlq.TargetOtherGroup, Name: "audit"}}, door: "B"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newFakeStore()
			store.add(1, dlq.StateOpen, tt.edit)
			broker := &stubBroker{group: func() (dlq.GroupInfo, error) {
				return dlq.GroupInfo{Name: "g", Exists: true, Kind: cmpOr(tt.kind, dlq.GroupConcurrent), Online: true}, nil
			}}
			s := newService(store, broker)
			s.Policy = func() dlq.AutomationPolicy {
				return dlq.AutomationPolicy{Stale: []dlq.StaleLimit{{Topic: "coupon*", After: dlq.Duration(24 * time.Hour)}}}
			}
			list := store.tasks()
			if tt.task != nil {
				tt.task(&list[0])
			}
			res := s.Batch(t.Context(), bulk(list, tt.spec))[0]
			if res.Skip != tt.want || res.Later || len(broker.sends()) != len(tt.door) || len(store.order) != len(tt.door) {
				t.Fatalf("%+v, %d sent, %d intents", res, len(broker.sends()), len(store.order))
			}
			if tt.door != "" && broker.sends()[0].Replay.Door != tt.door {
				t.Errorf("went through door %s", broker.sends()[0].Replay.Door)
			}
			if tt.want == dlq.SkipChanged || tt.want == "state_resolved" || tt.want == "state_awaiting" || tt.want == dlq.SkipRefused || tt.want == StuckNoDoor {
				return // these are not about doors
			}
			doors, err := s.Doors(t.Context(), tt.spec, list)
			if err != nil {
				t.Fatal(err)
			}
			shut := tt.want != "" && tt.want != dlq.SkipQuarantined && tt.want != dlq.SkipStale
			if d := doors[0]; d.Allowed == shut || shut && d.Why != tt.want || tt.door != "" && d.Door != tt.door || d.Receivers == nil || d.Warnings == nil {
				t.Errorf("told beforehand: %+v", d)
			}
		})
	}
}

func cmpOr(kind, otherwise dlq.GroupKind) dlq.GroupKind {
	if kind == "" {
		return otherwise
	}
	return kind
}

// A cluster that cannot be asked is asked once, and everything is left for later.
func TestBatchBrokerAway(t *testing.T) {
	store := newFakeStore()
	list := tasks(store, 150, nil)
	var asked atomic.Int64
	away := dlq.Errorf(dlq.CodeUnavailable, "away")
	s := newService(store, &stubBroker{group: func() (dlq.GroupInfo, error) { asked.Add(1); return dlq.GroupInfo{}, away }})
	for _, res := range s.Batch(t.Context(), bulk(list, dlq.ReplaySpec{})) {
		if !res.Later || !errors.Is(res.Err, away) || res.Skip != "" || res.Replay.ID != "" {
			t.Fatalf("%+v", res)
		}
	}
	if n := asked.Load(); n > claimers || len(store.order) != 0 {
		t.Errorf("asked %d times, %d intents", n, len(store.order))
	}
	doors, err := s.Doors(t.Context(), dlq.ReplaySpec{}, list[:2])
	if !errors.Is(err, away) || doors[1].Why != ShutBrokerAway || doors[1].Allowed {
		t.Errorf("doors %+v, %v", doors, err)
	}
}

// What becomes of a letter whose send does not succeed.
func TestBatchResults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result dlq.SendResult
		err    error
		detail string
		later  bool
		state  dlq.State
	}{
		{"unreached", dlq.NotSent, dlq.Errorf(dlq.CodeUnavailable, "away"), DetailUnreached, true, dlq.StateOpen},
		{"refused", dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "no"), DetailRefused, false, dlq.StateOpen},
		{"unknown", dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "no answer"), DetailSendUnknown, false, dlq.StateSending},
		{"diverted", dlq.Diverted, dlq.Errorf(dlq.CodeRefused, "straight into the DLQ"), DetailDiverted, false, dlq.StateAwaiting},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newFakeStore()
			list := tasks(store, 1, nil)
			s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) { return dlq.Receipt{}, tt.result, tt.err }})
			res := s.Batch(t.Context(), bulk(list, dlq.ReplaySpec{}))[0]
			if unsent := tt.result == dlq.NotSent; res.Replay.Detail != tt.detail || res.Later != tt.later || (res.Err != nil) != unsent || res.Skip != "" || store.letter(1).State != tt.state {
				t.Errorf("%+v, letter %s", res, store.letter(1).State)
			}
		})
	}
}

// The global stop is pulled while a batch is on its way: nothing more goes out.
func TestStopHaltsABatch(t *testing.T) {
	store := newFakeStore()
	list := tasks(store, 300, nil)
	var sent atomic.Int64
	var stopped atomic.Bool
	s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
		if stopped.Load() {
			t.Error("sent after the stop")
		}
		if sent.Add(1) == 40 {
			stopped.Store(true)
		}
		return dlq.Receipt{}, dlq.Sent, nil
	}})
	s.Automation = func() dlq.Automation { return dlq.Automation{Stopped: stopped.Load()} }
	b := bulk(list, dlq.ReplaySpec{})
	b.Concurrency = 1
	unsent := 0
	for i, res := range s.Batch(t.Context(), b) {
		switch {
		case res.Err == nil:
		case !res.Later || !errors.Is(res.Err, errStopped) || res.Replay.ID != "" && res.Replay.Detail != DetailStopped:
			t.Fatalf("letter %d: %+v", i+1, res)
		default:
			unsent++
			if l := store.letter(res.LetterID); l.State != dlq.StateOpen || l.Replays != 0 {
				t.Fatalf("letter %s", dump(l))
			}
		}
	}
	if unsent != 260 || sent.Load() != 40 {
		t.Errorf("%d sent, %d not", sent.Load(), unsent)
	}
	stopped.Store(false)
	if results := s.Batch(t.Context(), bulk(store.tasks(), dlq.ReplaySpec{})); len(results) != 300 || sent.Load() != 300 {
		t.Errorf("%d sent in the end", sent.Load())
	}
}

// The console stops: what is on its way is settled, the rest is left for later.
func TestBatchEndsWithItsContext(t *testing.T) {
	store := newFakeStore()
	list := tasks(store, 300, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var sent atomic.Int64
	s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
		if sent.Add(1) == 10 {
			cancel()
		}
		return dlq.Receipt{}, dlq.Sent, nil
	}})
	later := int64(0)
	for _, res := range s.Batch(ctx, bulk(list, dlq.ReplaySpec{})) {
		if res.Later {
			later++
		} else if res.Err != nil || res.Skip != "" {
			t.Fatalf("%+v", res)
		}
	}
	if later+sent.Load() != 300 || later < 200 {
		t.Errorf("%d sent, %d left for later", sent.Load(), later)
	}
	for _, r := range store.replays {
		if r.Outcome == dlq.OutcomeSending {
			t.Fatalf("not settled: %s", dump(r))
		}
	}
}

func TestBatchConcurrency(t *testing.T) {
	for _, limit := range []int{1, 5, 0, 100} {
		synctest.Test(t, func(t *testing.T) {
			store := newFakeStore()
			list := tasks(store, 120, nil)
			var now, most atomic.Int64
			s := newService(store, &stubBroker{send: func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				return dlq.Receipt{}, dlq.Sent, nil
			}})
			b := bulk(list, dlq.ReplaySpec{})
			b.Concurrency = limit
			s.Batch(t.Context(), b)
			want := int64(limit)
			if limit == 0 || limit > maxSends {
				want = maxSends
			}
			if most.Load() != want {
				t.Errorf("limit %d: %d sends at once", limit, most.Load())
			}
		})
	}
}

// Letters with one sharding key go one after another; what is not delivered stops those behind it, and no other.
func TestBatchKeepsOrder(t *testing.T) {
	const keys, each = 5, 8
	shard := func(id int64) string { return fmt.Sprint((id - 1) % keys) }
	for _, tt := range []struct {
		name   string
		result dlq.SendResult
		err    error
		skip   string
		later  bool
	}{
		{"all well", dlq.Sent, nil, "", false},
		{"refused", dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "no"), dlq.SkipEarlier, false},
		{"diverted", dlq.Diverted, dlq.Errorf(dlq.CodeRefused, "straight into the DLQ"), dlq.SkipEarlier, false},
		{"unknown", dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "no answer"), dlq.SkipEarlier, false},
		{"unreached", dlq.NotSent, dlq.Errorf(dlq.CodeUnavailable, "away"), "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore()
				list := tasks(store, keys*each+20, func(id int64, _ *dlq.Letter, m *dlq.DeadMessage) {
					if id <= keys*each {
						m.Properties[dlq.PropShardingKey] = shard(id)
					}
				})
				const sick = 2*keys + 1 // the third letter of the first key
				var mu sync.Mutex
				sent, under := map[string][]int64{}, map[string]int{}
				s := newService(store, &stubBroker{send: func(req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
					id, key := req.Replay.LetterID, req.Properties[dlq.PropShardingKey]
					mu.Lock()
					sent[key] = append(sent[key], id)
					if under[key]++; key != "" && under[key] > 1 {
						t.Errorf("two of key %s at once", key)
					}
					mu.Unlock()
					time.Sleep(time.Duration(id%7) * time.Millisecond)
					mu.Lock()
					under[key]--
					mu.Unlock()
					if id == sick {
						return dlq.Receipt{}, tt.result, tt.err
					}
					return dlq.Receipt{}, dlq.Sent, nil
				}})
				results := s.Batch(t.Context(), bulk(list, dlq.ReplaySpec{KeepOrder: true}))
				for key, ids := range sent {
					if key != "" && !slices.IsSorted(ids) {
						t.Errorf("key %s went as %v", key, ids)
					}
				}
				for _, res := range results {
					behind := res.LetterID <= keys*each && res.LetterID > sick && shard(res.LetterID) == shard(sick) && tt.result != dlq.Sent
					switch {
					case behind:
						if res.Skip != tt.skip || res.Later != tt.later || res.Replay.ID != "" || store.letter(res.LetterID).State != dlq.StateOpen {
							t.Errorf("letter %d behind the sick one: %+v", res.LetterID, res)
						}
					case res.LetterID == sick:
					case res.Skip != "" || res.Replay.Outcome != dlq.OutcomeWaiting:
						t.Errorf("letter %d: %+v", res.LetterID, res)
					}
				}
			})
		})
	}
	t.Run("skipped", func(t *testing.T) {
		store := newFakeStore()
		list := tasks(store, 6, func(id int64, l *dlq.Letter, m *dlq.DeadMessage) {
			m.Properties[dlq.PropShardingKey] = "k"
			switch id {
			case 1:
				l.State = dlq.StateResolved
			case 3:
				l.State = dlq.StateDiscarded
			case 5:
				l.Flags = []dlq.Flag{dlq.FlagQuarantined}
			}
		})
		results := newService(store, &stubBroker{}).Batch(t.Context(), bulk(list, dlq.ReplaySpec{KeepOrder: true}))
		if diff := cmp.Diff([]string{"state_resolved", "", "state_discarded", "", dlq.SkipQuarantined, dlq.SkipEarlier}, skips(results)); diff != "" {
			t.Error(diff)
		}
	})
}

// A letter of which an earlier send may have arrived is looked for first.
func TestBatchAsksForPossibleDuplicates(t *testing.T) {
	store := newFakeStore()
	list := tasks(store, 3, func(id int64, l *dlq.Letter, _ *dlq.DeadMessage) {
		if id < 3 {
			l.Flags, l.Replays = []dlq.Flag{dlq.FlagPossibleDuplicate}, 1
			old := dlq.Replay{ID: fmt.Sprintf("old%d", id), LetterID: id, Outcome: dlq.OutcomeUnknown, Detail: DetailUndecidable}
			store.replays[old.ID], store.order = old, append(store.order, old.ID)
		}
	})
	broker := &stubBroker{look: func(r dlq.Replay) (dlq.Evidence, error) {
		if r.ID == "old1" {
			return dlq.Evidence{Copies: []dlq.Copy{{Place: dlq.PlaceTarget, Broker: "b", StoredAt: time.Now()}}}, nil
		}
		return dlq.Evidence{}, nil
	}}
	results := newService(store, broker).Batch(t.Context(), bulk(list, dlq.ReplaySpec{}))
	if diff := cmp.Diff([]string{StuckAwaiting, "", ""}, skips(results)); diff != "" || results[0].Replay.ID != "old1" {
		t.Errorf("%s; %+v", diff, results[0])
	}
	if len(broker.sends()) != 2 || len(store.letter(2).Flags) != 0 || store.letter(2).Replays != 1 || store.letter(1).State != dlq.StateAwaiting {
		t.Errorf("%d sent, letters %s %s", len(broker.sends()), dump(store.letter(1)), dump(store.letter(2)))
	}
}

func TestBatchTransforms(t *testing.T) {
	store := newFakeStore()
	list := tasks(store, 2, func(id int64, _ *dlq.Letter, m *dlq.DeadMessage) {
		m.Body = []byte(`{"amount": 12345678901234567890, "note":"x"}`)
		if id == 2 {
			m.Body = []byte(`{"amount":1}`)
			m.Properties["region"] = "eu"
		}
		m.Properties["gone"] = "x"
	})
	list[1].Message = nil // it is read when it is needed
	delete(store.messages[2].Properties, "gone")
	broker := &stubBroker{}
	steps := []dlq.TransformStep{{Do: dlq.TransformRemove, Path: "/note"}, {Do: dlq.TransformSetProperty, Name: "region", Value: "eu"}, {Do: dlq.TransformRemoveProperty, Name: "gone"}}
	s := newService(store, broker)
	for _, res := range s.Batch(t.Context(), bulk(list, dlq.ReplaySpec{Transform: steps})) {
		if res.Skip != "" || res.Replay.Transformed != (res.LetterID == 1) || len(store.letter(res.LetterID).Flags) != 2-int(res.LetterID) {
			t.Errorf("%+v, flags %v", res, store.letter(res.LetterID).Flags)
		}
	}
	for _, req := range broker.sends() {
		want := map[int64]string{1: `{"amount": 12345678901234567890}`, 2: `{"amount":1}`}[req.Replay.LetterID]
		if string(req.Body) != want || req.Properties["region"] != "eu" || req.Properties["gone"] != "" || req.Properties[dlq.PropUniqueKey] != fmt.Sprintf("KEY%d", req.Replay.LetterID) {
			t.Errorf("letter %d: %s %v", req.Replay.LetterID, req.Body, req.Properties)
		}
	}
	if string(list[0].Message.Body) != `{"amount": 12345678901234567890, "note":"x"}` || list[0].Message.Properties["gone"] != "x" {
		t.Error("the stored original was changed")
	}
	got := s.Sample(steps, list[0])
	want := dlq.TransformSample{LetterID: 1, Title: "KEY1", Before: `{"amount": 12345678901234567890, "note":"x"}`, After: `{"amount": 12345678901234567890}`, Properties: map[string]string{"region": "eu", "gone": ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := s.Sample([]dlq.TransformStep{{Do: dlq.TransformSet, Path: "/note/x", Value: "1"}}, list[0]); got.Error == "" || got.After != got.Before {
		t.Errorf("a path through a text: %s", dump(got))
	}
	if res := s.Batch(t.Context(), bulk(list, dlq.ReplaySpec{Transform: []dlq.TransformStep{{Do: "shout"}}})); dlq.CodeOf(res[0].Err) != dlq.CodeInvalid {
		t.Errorf("an unknown step: %+v", res[0])
	}
}
