package handlers

import (
	"context"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// newDesk makes a desk with its own automation switch.
func newDesk(s *memory, r ProbeJudge, automation func() dlq.Automation, comps *LiveCompensations) *Desk {
	sw := &Switch{now: s.now}
	a := automation()
	sw.value.Store(&a)
	return NewDesk(DeskDeps{Store: s, Rules: r, Switch: sw, Policy: policy, Compensations: comps, Now: s.now})
}

func atNoon() time.Time { return noon }

func TestActs(t *testing.T) {
	later := noon.Add(time.Hour)
	open := dlq.Letter{ID: 1, Version: 3, State: dlq.StateOpen, Route: dlq.RouteManual, DiedAt: noon.Add(-30 * 24 * time.Hour), Topic: "orders"}
	in := func(s dlq.State) dlq.Letter { l := open; l.State = s; return l }
	owned := open
	owned.Owner = "bo"
	scheduled := in(dlq.StateScheduled)
	scheduled.DueAt = &later
	quarantined := open
	quarantined.Flags, quarantined.Hold = []dlq.Flag{dlq.FlagQuarantined}, dlq.HoldQuarantined
	type want struct {
		State      dlq.State
		Resolution dlq.Resolution
		Owner      string
		Route      dlq.Route
		Due        bool
		Event      dlq.EventKind
	}
	for _, tt := range []struct {
		name   string
		letter dlq.Letter
		do     func(*Desk, context.Context, dlq.Act) (dlq.Letter, error)
		act    dlq.Act
		want   want
		code   dlq.Code
	}{
		{"discard", open, (*Desk).Discard, dlq.Act{Note: "test data"}, want{State: dlq.StateDiscarded, Route: dlq.RouteManual, Event: dlq.EventDiscarded}, ""},
		{"discard a scheduled one", scheduled, (*Desk).Discard, dlq.Act{Note: "test data"}, want{State: dlq.StateDiscarded, Route: dlq.RouteManual, Event: dlq.EventDiscarded}, ""},
		{"discard without a note", open, (*Desk).Discard, dlq.Act{Note: " \n"}, want{}, dlq.CodeInvalid},
		{"discard one under way", in(dlq.StateSending), (*Desk).Discard, dlq.Act{Note: "x"}, want{}, dlq.CodeRefused},
		{"discard with a novel", open, (*Desk).Discard, dlq.Act{Note: strings.Repeat("x", 5000)}, want{}, dlq.CodeTooLarge},
		{"discard with bytes", open, (*Desk).Discard, dlq.Act{Note: "\xff"}, want{}, dlq.CodeInvalid},
		{"resolve", open, (*Desk).Resolve, dlq.Act{Note: "done by SQL"}, want{State: dlq.StateResolved, Resolution: dlq.ResolvedByHand, Route: dlq.RouteManual, Event: dlq.EventResolved}, ""},
		{"resolve without a note", open, (*Desk).Resolve, dlq.Act{}, want{}, dlq.CodeInvalid},
		{"resolve as a duplicate", open, (*Desk).Resolve, dlq.Act{Note: "x", Resolution: dlq.ResolvedDuplicate}, want{}, dlq.CodeInvalid},
		{"confirm without a probe", open, (*Desk).Resolve, dlq.Act{Note: "I saw it", Resolution: dlq.ResolvedConfirmed}, want{}, dlq.CodeRefused},
		{"unquarantine", quarantined, (*Desk).Unquarantine, dlq.Act{Note: "fixed in 2.7"}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventUnquarantined}, ""},
		{"unquarantine without a note", quarantined, (*Desk).Unquarantine, dlq.Act{}, want{}, dlq.CodeInvalid},
		{"unquarantine one that is not", open, (*Desk).Unquarantine, dlq.Act{Note: "x"}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventArrived}, ""},
		{"restore", in(dlq.StateDiscarded), (*Desk).Restore, dlq.Act{}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventRestored}, ""},
		{"restore an open one", open, (*Desk).Restore, dlq.Act{}, want{}, dlq.CodeRefused},
		{"take", open, (*Desk).Take, dlq.Act{}, want{State: dlq.StateOpen, Owner: "mei", Route: dlq.RouteManual, Event: dlq.EventTaken}, ""},
		{"take a scheduled one", scheduled, (*Desk).Take, dlq.Act{}, want{State: dlq.StateScheduled, Owner: "mei", Route: dlq.RouteManual, Due: true, Event: dlq.EventTaken}, ""},
		{"take somebody else's", owned, (*Desk).Take, dlq.Act{}, want{}, dlq.CodeRefused},
		{"release", owned, (*Desk).Release, dlq.Act{}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventReleased}, ""},
		{"release nobody's", open, (*Desk).Release, dlq.Act{}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventArrived}, ""},
		{"snooze", open, (*Desk).Snooze, dlq.Act{Until: &later}, want{State: dlq.StateSnoozed, Route: dlq.RouteManual, Due: true, Event: dlq.EventSnoozed}, ""},
		{"snooze for ever", open, (*Desk).Snooze, dlq.Act{}, want{}, dlq.CodeInvalid},
		{"snooze until now", open, (*Desk).Snooze, dlq.Act{Until: ptr(noon)}, want{}, dlq.CodeInvalid},
		{"snooze for ten years", open, (*Desk).Snooze, dlq.Act{Until: ptr(noon.AddDate(10, 0, 0))}, want{}, dlq.CodeInvalid},
		{"note", scheduled, (*Desk).Note, dlq.Act{Note: "asked the warehouse"}, want{State: dlq.StateScheduled, Route: dlq.RouteManual, Due: true, Event: dlq.EventNoted}, ""},
		{"cancel", scheduled, (*Desk).Cancel, dlq.Act{}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventCancelled}, ""},
		{"cancel an open one", open, (*Desk).Cancel, dlq.Act{}, want{}, dlq.CodeRefused},
		{"reroute to retry", open, (*Desk).Reroute, dlq.Act{Route: dlq.RouteRetry}, want{State: dlq.StateScheduled, Route: dlq.RouteRetry, Due: true, Event: dlq.EventReclassified}, ""},
		{"reroute to compensate", open, (*Desk).Reroute, dlq.Act{Route: dlq.RouteCompensate}, want{State: dlq.StateCompensating, Route: dlq.RouteCompensate, Due: true, Event: dlq.EventReclassified}, ""},
		{"reroute to manual", open, (*Desk).Reroute, dlq.Act{Route: dlq.RouteManual}, want{State: dlq.StateOpen, Route: dlq.RouteManual, Event: dlq.EventReclassified}, ""},
		{"reroute to discard", open, (*Desk).Reroute, dlq.Act{Route: dlq.RouteDiscard}, want{}, dlq.CodeInvalid},
		{"reroute to nowhere", open, (*Desk).Reroute, dlq.Act{Route: "teleport"}, want{}, dlq.CodeInvalid},
		{"reroute one that waits", scheduled, (*Desk).Reroute, dlq.Act{Route: dlq.RouteManual}, want{}, dlq.CodeRefused},
		{"reroute by the rules", open, (*Desk).Reroute, dlq.Act{}, want{State: dlq.StateScheduled, Route: dlq.RouteRetry, Due: true, Event: dlq.EventReclassified}, ""},
		{"no such letter", dlq.Letter{ID: 2}, (*Desk).Take, dlq.Act{}, want{}, dlq.CodeNotFound},
		{"what was seen is old", open, (*Desk).Take, dlq.Act{Version: 2}, want{}, dlq.CodeConflict},
		{"what was seen is so", open, (*Desk).Take, dlq.Act{Version: 3}, want{State: dlq.StateOpen, Owner: "mei", Route: dlq.RouteManual, Event: dlq.EventTaken}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newMemory(atNoon)
			s.add(tt.letter)
			d := newDesk(s, retryRules(), on, settleAt(t, "http://shop/"))
			tt.act.LetterID, tt.act.Actor = 1, "mei"
			got, err := tt.do(d, t.Context(), tt.act)
			if dlq.CodeOf(err) != tt.code {
				t.Fatalf("code %q: %v", dlq.CodeOf(err), err)
			}
			if err != nil {
				if after := s.letter(tt.letter.ID); after.Version != max(tt.letter.Version, 1) {
					t.Error("a refused act changed the letter")
				}
				return
			}
			after := s.letter(1)
			if diff := cmp.Diff(after.Letter, got); diff != "" {
				t.Errorf("the answer is not the letter: %s", diff)
			}
			if after.HasFlag(dlq.FlagQuarantined) || after.Hold == dlq.HoldQuarantined {
				t.Errorf("flags %v, hold %s", after.Flags, after.Hold)
			}
			have := want{after.State, after.Resolution, after.Owner, after.Route, after.DueAt != nil, after.Events[0].Kind}
			if diff := cmp.Diff(tt.want, have); diff != "" {
				t.Error(diff)
			}
			if e := after.Events[0]; e.Kind != dlq.EventArrived && (e.Actor != "mei" || e.Note != tt.act.Note) {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// retryRules judges everything a timeout that is retried.
func retryRules() rules {
	return rules{func(*dlq.DeadMessage, *dlq.Report, dlq.Judgement) (dlq.Facts, dlq.Verdict) {
		return dlq.Facts{Reason: "network_timeout", Origin: dlq.OriginProperty, Topic: "orders"},
			dlq.Verdict{Rule: "passing", Route: dlq.RouteRetry, Severity: dlq.SeverityLow, Retry: &dlq.RetryPlan{Delay: dlq.Duration(time.Minute), Backoff: 1, Max: 3}}
	}}
}

// A compensation that is cancelled is called off in the same step.
func TestCancelEndsTheCall(t *testing.T) {
	s := newMemory(atNoon)
	s.add(waiting(1, noon))
	d := newDesk(s, rules{}, on, &LiveCompensations{})
	if _, err := d.Cancel(t.Context(), dlq.Act{LetterID: 1, Actor: "mei"}); err != nil {
		t.Fatal(err)
	}
	l := s.letter(1)
	if call := l.Calls[0]; l.State != dlq.StateOpen || call.State != dlq.CallCancelled || call.NextAt != nil {
		t.Errorf("letter %s, call %+v", l.State, call)
	}
}

// A reroute is held by the switch like everything that acts, and says so.
func TestRerouteIsHeldWhileAutomationIsOff(t *testing.T) {
	for _, route := range []dlq.Route{"", dlq.RouteRetry, dlq.RouteCompensate} {
		s := newMemory(atNoon)
		s.add(dlq.Letter{ID: 1, State: dlq.StateOpen, Topic: "orders"})
		d := newDesk(s, retryRules(), func() dlq.Automation { return dlq.Automation{} }, settleAt(t, "http://shop/"))
		l, err := d.Reroute(t.Context(), dlq.Act{LetterID: 1, Actor: "mei", Route: route})
		if err != nil || l.State != dlq.StateOpen || l.Hold != dlq.HoldAutomationOff {
			t.Errorf("route %q: %s, hold %s, %v", route, l.State, l.Hold, err)
		}
	}
}

func TestConflictsSayWhoDidWhat(t *testing.T) {
	s := newMemory(atNoon)
	s.add(dlq.Letter{ID: 1, Version: 1, State: dlq.StateOpen})
	d := newDesk(s, rules{}, on, &LiveCompensations{})
	if _, err := d.Discard(t.Context(), dlq.Act{LetterID: 1, Version: 1, Actor: "mei", Note: "rubbish"}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Take(t.Context(), dlq.Act{LetterID: 1, Version: 1, Actor: "bo"})
	e, ok := asError(err)
	if !ok || e.Code != dlq.CodeConflict {
		t.Fatalf("%v", err)
	}
	if want := "letter 1 changed since you looked: discarded, by mei; it is discarded now"; e.Message != want {
		t.Errorf("sentence %q, want %q", e.Message, want)
	}
	if diff := cmp.Diff(map[string]string{"id": "1", "by": "mei", "what": "discarded", "state": "discarded", "version": "2"}, e.Params); diff != "" {
		t.Error(diff)
	}
}

// "Whatever it is now" bears a change between reading and writing.
func TestActOnWhateverItIsNow(t *testing.T) {
	s := newMemory(atNoon)
	s.add(dlq.Letter{ID: 1, State: dlq.StateOpen})
	once := true
	s.fail = func(op string) error {
		if op == "apply" && once {
			once = false
			s.letters[1].Version++
		}
		return nil
	}
	d := newDesk(s, rules{}, on, &LiveCompensations{})
	if _, err := d.Note(t.Context(), dlq.Act{LetterID: 1, Actor: "mei", Note: "x"}); err != nil || once {
		t.Error(err)
	}
	once = true
	if _, err := d.Note(t.Context(), dlq.Act{LetterID: 1, Version: s.letters[1].Version, Actor: "mei", Note: "x"}); dlq.CodeOf(err) != dlq.CodeConflict {
		t.Errorf("a named version: %v", err)
	}
}

func TestMany(t *testing.T) {
	s := newMemory(atNoon)
	s.add(dlq.Letter{ID: 1, State: dlq.StateOpen})
	s.add(dlq.Letter{ID: 2, State: dlq.StateSending})
	s.add(dlq.Letter{ID: 3, State: dlq.StateSnoozed})
	d := newDesk(s, rules{}, on, &LiveCompensations{})
	results, err := d.Many(t.Context(), "discard", []int64{3, 1, 2, 9, 1}, dlq.Act{Actor: "mei", Note: "rubbish", Version: 77})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]dlq.Code{}
	for _, r := range results {
		got[r.LetterID] = dlq.CodeOf(r.Err)
		if r.Err == nil && r.Letter.State != dlq.StateDiscarded {
			t.Errorf("letter %d is %s", r.LetterID, r.Letter.State)
		}
	}
	if diff := cmp.Diff(map[int64]dlq.Code{1: "", 2: dlq.CodeRefused, 3: "", 9: dlq.CodeNotFound}, got); diff != "" || len(results) != 4 {
		t.Errorf("%d results: %s", len(results), diff)
	}
	for name, call := range map[string]func() ([]dlq.ActResult, error){
		"no note":  func() ([]dlq.ActResult, error) { return d.Many(t.Context(), "discard", []int64{1}, dlq.Act{}) },
		"no act":   func() ([]dlq.ActResult, error) { return d.Many(t.Context(), "explode", []int64{1}, dlq.Act{}) },
		"too many": func() ([]dlq.ActResult, error) { return d.Many(t.Context(), "take", make([]int64, 501), dlq.Act{}) },
	} {
		if _, err := call(); err == nil {
			t.Errorf("%s: done", name)
		}
	}
}

// switchStore keeps an Automation.
type switchStore struct {
	a   dlq.Automation
	err error
}

func (s *switchStore) Automation(context.Context) (dlq.Automation, error) { return s.a, nil }
func (s *switchStore) SetAutomation(_ context.Context, seen int64, a dlq.Automation) (dlq.Automation, error) {
	if s.err != nil {
		return s.a, s.err
	}
	if seen != s.a.Version {
		return s.a, dlq.Errorf(dlq.CodeConflict, "version %d", s.a.Version)
	}
	a.Version = seen + 1
	s.a = a
	return a, nil
}

func TestSwitch(t *testing.T) {
	now := noon
	store := &switchStore{a: dlq.Automation{Since: ptr(noon.AddDate(-1, 0, 0))}} // of another time
	sw, err := NewSwitch(t.Context(), store, func() time.Time { return now })
	if err != nil || sw.Get().On {
		t.Fatalf("a new file: %+v, %v", sw.Get(), err)
	}
	turn := func(on, stopped bool) dlq.Automation {
		t.Helper()
		now = now.Add(time.Minute)
		a, err := sw.Set(t.Context(), sw.Get().Version, dlq.Automation{On: on, Stopped: stopped, Actor: "mei", Note: "n", Since: ptr(noon.AddDate(-1, 0, 0)), Version: 99})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sw.Get(), a); diff != "" {
			t.Error(diff)
		}
		return a
	}
	first := turn(true, false)
	if first.Since == nil || !first.Since.Equal(now) || first.Actor != "mei" || !first.ChangedAt.Equal(now) {
		t.Errorf("switched on: %+v", first)
	}
	for name, a := range map[string]dlq.Automation{"stopped": turn(true, true), "going on": turn(true, false)} {
		if a.Since == nil || !a.Since.Equal(*first.Since) {
			t.Errorf("%s: since %v, want %v", name, a.Since, first.Since)
		}
	}
	if a := turn(false, false); a.Since != nil {
		t.Errorf("switched off: %+v", a)
	}
	if a := turn(true, false); !a.Since.Equal(now) {
		t.Errorf("switched on again: %+v", a)
	}
	store.a = dlq.Automation{On: false, Stopped: true, Actor: "bo", Version: 42}
	if _, err := sw.Set(t.Context(), 5, dlq.Automation{On: true}); dlq.CodeOf(err) != dlq.CodeConflict || !strings.Contains(err.Error(), "bo turned") || sw.Get().Version != 42 {
		t.Errorf("a conflict: %v; %+v", err, sw.Get())
	}
	store.err = dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
	if _, err := sw.Set(t.Context(), 42, dlq.Automation{On: true}); dlq.CodeOf(err) != dlq.CodeUnavailable || sw.Get().On {
		t.Errorf("a full disk: %v; %+v", err, sw.Get())
	}
}
