package handlers

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// fakeConsoles is a cluster that shows what it is told to: real ones are in the tests of the program.
type fakeConsoles struct {
	others []dlq.Console
	err    error
	self   dlq.Console // that was announced last
}

func (f *fakeConsoles) Announce(_ context.Context, self dlq.Console) ([]dlq.Console, error) {
	f.self = self
	return f.others, f.err
}

// fakeSwitchStore keeps the switch in memory.
type fakeSwitchStore struct{ a dlq.Automation }

func (s *fakeSwitchStore) Automation(context.Context) (dlq.Automation, error) { return s.a, nil }

func (s *fakeSwitchStore) SetAutomation(_ context.Context, seen int64, a dlq.Automation) (dlq.Automation, error) {
	if seen != s.a.Version {
		return s.a, dlq.Errorf(dlq.CodeConflict, "changed")
	}
	a.Version = seen + 1
	s.a = a
	return a, nil
}

func TestRivals(t *testing.T) {
	start := time.Now().UTC()
	other := func(id string, since time.Duration) dlq.Console {
		at := start.Add(since)
		return dlq.Console{ID: id, Host: "b", Address: "127.0.0.1:1", Automation: true, Since: &at}
	}
	for name, c := range map[string]struct {
		cluster          fakeConsoles
		on, acts, called bool
		actor            string
	}{
		"alone":                       {fakeConsoles{}, true, true, true, "lin"},
		"another one does not act":    {fakeConsoles{others: []dlq.Console{{ID: "x"}}}, true, true, true, "lin"},
		"another one acts since then": {fakeConsoles{others: []dlq.Console{other("x", time.Minute)}}, true, true, true, "lin"},
		"another one acted before":    {fakeConsoles{others: []dlq.Console{other("x", -time.Minute)}}, false, false, false, dlq.ActorConsole},
		"its former self":             {fakeConsoles{others: []dlq.Console{other("x", 0)}}, true, false, false, "lin"},
		"the cluster is away":         {fakeConsoles{err: dlq.Errorf(dlq.CodeUnavailable, "away")}, true, false, false, "lin"},
		"the cluster does not show":   {fakeConsoles{err: dlq.Errorf(dlq.CodeNotSupported, "no")}, true, true, true, "lin"},
	} {
		t.Run(name, func(t *testing.T) {
			now := start
			store := &fakeSwitchStore{dlq.Automation{On: true, Since: &start, Actor: "lin", Version: 3}}
			sw, err := NewSwitch(t.Context(), store, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			v := NewRivals(&c.cluster, sw, slog.New(slog.DiscardHandler), func() time.Time { return now })
			if v.Automation().On || v.Calls().On {
				t.Error("acts before it looked")
			}
			for v.runOnce(t.Context()) {
			}
			if got := sw.Get(); got.On != c.on || got.Actor != c.actor {
				t.Errorf("the switch is %+v", got)
			}
			if v.Automation().On != c.acts || v.Calls().On != c.called {
				t.Errorf("acts %t, calls %t", v.Automation().On, v.Calls().On)
			}
			if c.cluster.self.Automation != c.on {
				t.Errorf("announced %+v", c.cluster.self)
			}
			now = now.Add(rivalsFresh)
			if v.Automation().On {
				t.Error("acts on what it knew long ago")
			}
			if v.Calls().On != c.called {
				t.Error("calls do not go on while the cluster is away")
			}
		})
	}
}

// Two consoles with copies of one data file say the same instant: one of the two gives way when the other stays.
func TestRivalsWithTheSameFile(t *testing.T) {
	start := time.Now().UTC()
	for _, id := range []string{"", "g"} { // before and behind any id in hex
		now := start
		sw, err := NewSwitch(t.Context(), &fakeSwitchStore{dlq.Automation{On: true, Since: &start, Version: 1}}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		v := NewRivals(&fakeConsoles{others: []dlq.Console{{ID: id, Automation: true, Since: &start}}}, sw, slog.New(slog.DiscardHandler), func() time.Time { return now })
		for range 60 {
			for v.runOnce(t.Context()) {
			}
			now = now.Add(rivalsEvery)
		}
		if gaveWay := id == ""; sw.Get().On == gaveWay || v.Automation().On == gaveWay {
			t.Errorf("the other is %q: %+v", id, sw.Get())
		}
	}
}
