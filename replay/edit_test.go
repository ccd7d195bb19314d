package replay

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// editable puts a letter of three properties into a store.
func editable() (*fakeStore, *stubBroker, *Service) {
	store, broker := newFakeStore(), &stubBroker{}
	store.add(1, dlq.StateOpen, func(_ *dlq.Letter, m *dlq.DeadMessage) {
		m.Body = []byte(`{"a":1}`)
		maps.Copy(m.Properties, map[string]string{"shop": "12", "api-Key": "s3", dlq.PropKeys: "A-1", dlq.PropDelay: "5", dlq.PropReplayCount: "1"})
	})
	return store, broker, newService(store, broker)
}

func TestEditable(t *testing.T) {
	store, _, s := editable()
	store.edits[1] = []dlq.Edit{{LetterID: 1, Number: 1}}
	e, err := s.Editable(t.Context(), 1, "")
	if err != nil {
		t.Fatal(err)
	}
	want := dlq.Editable{
		LetterID: 1, Version: 1, Deaths: 1, Body: []byte(`{"a":1}`), Charset: "utf-8", Edits: store.edits[1],
		Properties: []dlq.EditableProperty{
			{Name: "DELAY", Value: "5", Locked: true, Stripped: true},
			{Name: "DLQ_REPLAY_COUNT", Value: "1", Locked: true},
			{Name: "KEYS", Value: "A-1"},
			{Name: "RETRY_TOPIC", Value: "orders", Locked: true},
			{Name: "UNIQ_KEY", Value: "KEY1", Locked: true},
			{Name: "api-Key", Value: "s3", Sensitive: true},
			{Name: "shop", Value: "12"},
		},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	s.Rules = stubRules(func(*dlq.DeadMessage) ([]byte, string, bool, error) { return []byte("inside"), "t", true, nil })
	if e, err := s.Editable(t.Context(), 1, ""); err != nil || string(e.Body) != "inside" {
		t.Errorf("%q, %v", e.Body, err)
	}
	if _, err := s.Editable(t.Context(), 2, ""); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Errorf("no letter: %v", err)
	}
}

func TestEditKeepsDifferences(t *testing.T) {
	store, _, s := editable()
	e, l, err := s.Edit(t.Context(), dlq.Edit{
		LetterID: 1, Author: "lin", Note: " wrong amount ", Body: []byte(`{"a":2}`),
		Set: map[string]string{"shop": "13", dlq.PropKeys: "A-1", dlq.PropUniqueKey: "KEY1", "new": "x"}, Remove: []string{"api-Key", "never"},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := dlq.Edit{LetterID: 1, Number: 1, Deaths: 1, Author: "lin", Note: "wrong amount", At: e.At, Body: []byte(`{"a":2}`), Set: map[string]string{"shop": "13", "new": "x"}, Remove: []string{"api-Key"}}
	if diff := cmp.Diff(want, e); diff != "" || e.At.IsZero() || l.Version != 2 {
		t.Errorf("%s version %d", diff, l.Version)
	}
	if string(store.messages[1].Body) != `{"a":1}` || store.messages[1].Properties["shop"] != "12" {
		t.Error("the original was changed")
	}
	// The second editor had opened the same version.
	_, _, err = s.Edit(t.Context(), dlq.Edit{LetterID: 1, Author: "mei", Note: "x", Body: []byte(`{"a":3}`)}, 1)
	var conflict *dlq.Error
	if !errors.As(err, &conflict) || conflict.Code != dlq.CodeConflict || conflict.Params["actor"] != "lin" || conflict.Params["event"] != string(dlq.EventEdited) {
		t.Errorf("the second editor: %v", err)
	}
	if _, _, err = s.Edit(t.Context(), dlq.Edit{LetterID: 1, Base: 1, Note: "x", Body: []byte(`{"a":2}`), Set: want.Set, Remove: want.Remove}, 2); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("the same again: %v", err)
	}
	// Back to the original is a difference to the first edit.
	if e, _, err = s.Edit(t.Context(), dlq.Edit{LetterID: 1, Base: 1, Note: "x", Body: []byte(`{"a":1}`)}, 2); err != nil || e.Number != 2 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestEditRefuses(t *testing.T) {
	good := func() dlq.Edit { return dlq.Edit{LetterID: 1, Note: "why", Body: []byte("other")} }
	set := func(name, value string) func(*dlq.Edit, *dlq.Letter, *dlq.DeadMessage) {
		return func(e *dlq.Edit, _ *dlq.Letter, _ *dlq.DeadMessage) { e.Set = map[string]string{name: value} }
	}
	for _, tt := range []struct {
		name string
		edit func(*dlq.Edit, *dlq.Letter, *dlq.DeadMessage)
		code dlq.Code
		says string
	}{
		{"nothing is wrong", func(*dlq.Edit, *dlq.Letter, *dlq.DeadMessage) {}, "", ""},
		{"no note", func(e *dlq.Edit, _ *dlq.Letter, _ *dlq.DeadMessage) { e.Note = " " }, dlq.CodeInvalid, "note"},
		{"no change", func(e *dlq.Edit, _ *dlq.Letter, m *dlq.DeadMessage) { e.Body = m.Body }, dlq.CodeInvalid, "nothing is different"},
		{"no such base", func(e *dlq.Edit, _ *dlq.Letter, _ *dlq.DeadMessage) { e.Base = 3 }, dlq.CodeInvalid, "no edit 3"},
		{"on its way", func(_ *dlq.Edit, l *dlq.Letter, _ *dlq.DeadMessage) { l.State = dlq.StateAwaiting }, dlq.CodeRefused, "still open"},
		{"a locked property", set(dlq.PropUniqueKey, "other"), dlq.CodeRefused, "UNIQ_KEY"},
		{"a property of this console", set("DLQ_ANYTHING", "x"), dlq.CodeRefused, "locked"},
		{"a locked property removed", func(e *dlq.Edit, _ *dlq.Letter, _ *dlq.DeadMessage) { e.Remove = []string{dlq.PropRetryTopic} }, dlq.CodeRefused, "RETRY_TOPIC"},
		{"no name", set("", "x"), dlq.CodeInvalid, "name"},
		{"no value", set("x", ""), dlq.CodeInvalid, "value"},
		{"a separator", set("x", "a\x01b"), dlq.CodeInvalid, "bytes 1 and 2"},
		{"set and removed", func(e *dlq.Edit, _ *dlq.Letter, _ *dlq.DeadMessage) {
			e.Set, e.Remove = map[string]string{"shop": "1"}, []string{"shop"}
		}, dlq.CodeInvalid, "at once"},
		{"a large body", func(e *dlq.Edit, _ *dlq.Letter, _ *dlq.DeadMessage) { e.Body = make([]byte, maxBody+1) }, dlq.CodeTooLarge, "4194304"},
		{"large properties", set("x", strings.Repeat("x", 32_400)), dlq.CodeTooLarge, "32767"},
		{"a compressed body", func(_ *dlq.Edit, _ *dlq.Letter, m *dlq.DeadMessage) { m.BodyState = dlq.BodyUndecoded }, dlq.CodeNotSupported, "decompressed"},
		{"properties of a compressed body", func(e *dlq.Edit, _ *dlq.Letter, m *dlq.DeadMessage) {
			m.BodyState, e.Body, e.Set = dlq.BodyUndecoded, m.Body, map[string]string{"x": "1"}
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, _, s := editable()
			e, l, m := good(), store.letters[1], store.messages[1]
			tt.edit(&e, &l, &m)
			store.letters[1], store.messages[1] = l, m
			_, _, err := s.Edit(t.Context(), e, 1)
			if dlq.CodeOf(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v (%s), want %s with %q", err, dlq.CodeOf(err), tt.code, tt.says)
			}
			if want := min(1, len(tt.code)); len(store.edits[1]) != 1-want {
				t.Errorf("%d edits are kept", len(store.edits[1]))
			}
		})
	}
	_, _, s := editable()
	if _, _, err := s.Edit(t.Context(), good(), 0); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("without a version: %v", err)
	}
	s.Rules = stubRules(func(*dlq.DeadMessage) ([]byte, string, bool, error) { return nil, "", true, errors.New("broken") })
	if _, _, err := s.Edit(t.Context(), good(), 1); dlq.CodeOf(err) != dlq.CodeRefused {
		t.Errorf("a broken envelope: %v", err)
	}
}

func TestReplayOfAnEdit(t *testing.T) {
	store, broker, s := editable()
	store.edits[1] = []dlq.Edit{
		{LetterID: 1, Number: 2, Deaths: 1, Body: []byte("two"), Set: map[string]string{"shop": "13"}, Remove: []string{"api-Key"}},
		{LetterID: 1, Number: 1, Deaths: 0, Body: []byte("one")},
	}
	req := ask(1)
	for edit, want := range map[int]dlq.Code{1: dlq.CodeRefused, 3: dlq.CodeNotFound} {
		req.Edit = edit
		_, _, err := s.Replay(t.Context(), req)
		var e *dlq.Error
		if !errors.As(err, &e) || e.Code != want || want == dlq.CodeRefused && (e.Params["why"] != ShutEditOutdated || e.Hint == "") {
			t.Errorf("edit %d: %v", edit, err)
		}
	}
	req.Edit, req.Door = 2, dlq.DoorBack
	_, _, err := s.Replay(t.Context(), req)
	var e *dlq.Error
	if !errors.As(err, &e) || e.Params["why"] != ShutEdited || len(broker.sends()) != 0 {
		t.Errorf("through door C: %v", err)
	}
	req.Door = ""
	r, l, err := s.Replay(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	sent := broker.sends()[0]
	if r.Edit != 2 || !l.HasFlag(dlq.FlagEdited) || !bytes.Equal(sent.Body, []byte("two")) || sent.Properties["shop"] != "13" || sent.Properties["api-Key"] != "" || sent.Properties[dlq.PropUniqueKey] != "KEY1" {
		t.Errorf("replay %s flags %v sent %s %v", dump(r), l.Flags, sent.Body, sent.Properties)
	}
	if e := store.firstEvent(); e.Detail["edit"] != "2" {
		t.Errorf("event %s", dump(e))
	}
}

// To another consumer group, and to another topic, where nobody is followed.
func TestReplayToOthers(t *testing.T) {
	t.Run("group", func(t *testing.T) {
		store, broker := newFakeStore(), &stubBroker{}
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, broker)
		o, err := s.OptionsFor(t.Context(), 1, dlq.Target{Kind: dlq.TargetOtherGroup, Name: "audit"}, true)
		if err != nil || !o.Allowed || o.Default != dlq.DoorRetry || o.Group.Name != "audit" || len(o.Doors) != 2 {
			t.Fatalf("%s %v", dump(o), err)
		}
		req := ask(1)
		req.Target, req.Anywhere = dlq.Target{Kind: dlq.TargetOtherGroup, Name: "audit"}, true
		r, l, err := s.Replay(t.Context(), req)
		if err != nil || r.ConsumerGroup != "audit" || r.Target != "%RETRY%audit" || r.TargetKind != dlq.TargetOtherGroup || r.Topic != "orders" || l.State != dlq.StateAwaiting {
			t.Errorf("%s, %s, %v", dump(r), l.State, err)
		}
		if sent := broker.sends()[0]; sent.Replay.ConsumerGroup != "audit" || sent.Properties[dlq.PropRetryTopic] != "orders" {
			t.Errorf("sent %s", dump(sent.Properties))
		}
		req.Door = dlq.DoorBack
		store.add(1, dlq.StateOpen, nil)
		if _, _, err := s.Replay(t.Context(), req); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("by door C: %v", err)
		}
	})
	t.Run("topic", func(t *testing.T) {
		store, broker := newFakeStore(), &stubBroker{}
		store.add(1, dlq.StateOpen, nil)
		req := ask(1)
		req.Target, req.Anywhere = dlq.Target{Kind: dlq.TargetOtherTopic, Name: "parking"}, true
		r, l, err := newService(store, broker).Replay(t.Context(), req)
		if err != nil || r.Door != dlq.DoorTopic || r.Target != "parking" || r.Topic != "parking" || r.ConsumerGroup != "pay-service" {
			t.Errorf("%s, %v", dump(r), err)
		}
		if r.Outcome != dlq.OutcomeUnknown || r.Detail != DetailOtherTopic || r.SentAt == nil || r.SettledAt == nil || r.NextLook != nil || l.State != dlq.StateOpen || !slices.Equal(l.Flags, []dlq.Flag{dlq.FlagOutcomeUnknown}) {
			t.Errorf("%s, letter %s", dump(r), dump(l))
		}
		if diff := cmp.Diff([]dlq.EventKind{dlq.EventIntended, dlq.EventSent}, store.kinds(1)); diff != "" {
			t.Error(diff)
		}
	})
	for name, target := range map[string]dlq.Target{
		"no such kind": {Kind: "moon"}, "no name": {Kind: dlq.TargetOtherTopic}, "a name too much": {Kind: dlq.TargetTopic, Name: "x"}, "a name alone": {Name: "x"},
		"a topic for a topic": {Kind: dlq.TargetTopic, Topic: "orders"}, "no name of a topic": {Topic: "or ders"}, "a topic of RocketMQ": {Topic: "%RETRY%pay"},
		"a topic that is too long": {Topic: strings.Repeat("x", 128)},
	} {
		store := newFakeStore()
		store.add(1, dlq.StateOpen, nil)
		s := newService(store, &stubBroker{})
		req := ask(1)
		req.Target = target
		if _, _, err := s.Replay(t.Context(), req); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.OptionsFor(t.Context(), 1, target, true); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("options, %s: %v", name, err)
		}
		if res := s.Batch(t.Context(), bulk(store.tasks(), dlq.ReplaySpec{Target: target})); dlq.CodeOf(res[0].Err) != dlq.CodeInvalid {
			t.Errorf("batch, %s: %+v", name, res[0])
		}
	}
}
