package dlq

import (
	"slices"
	"testing"
	"testing/quick"
	"time"
)

// The whole table of a letter's states, as a person would read it: from, trigger, everything it may become.
func TestTransitions(t *testing.T) {
	want := map[State]map[Trigger][]State{
		"":                {TriggerArrive: {StateOpen, StateScheduled, StateCompensating, StateDiscarded}},
		StateOpen:         {TriggerFound: {StateAwaiting}, TriggerPlan: {StateScheduled}, TriggerSnooze: {StateSnoozed}, TriggerClaim: {StateSending}, TriggerResolve: {StateResolved}, TriggerDiscard: {StateDiscarded}, TriggerReclassify: {StateOpen, StateScheduled, StateCompensating, StateDiscarded}},
		StateSnoozed:      {TriggerFound: {StateAwaiting}, TriggerPlan: {StateScheduled}, TriggerWake: {StateOpen}, TriggerClaim: {StateSending}, TriggerResolve: {StateResolved}, TriggerDiscard: {StateDiscarded}},
		StateScheduled:    {TriggerFound: {StateAwaiting}, TriggerCancel: {StateOpen}, TriggerClaim: {StateSending}, TriggerResolve: {StateResolved}, TriggerDiscard: {StateDiscarded}},
		StateSending:      {TriggerSent: {StateAwaiting}, TriggerNotSent: {StateOpen, StateScheduled}, TriggerUndecided: {StateOpen}},
		StateAwaiting:     {TriggerSettle: {StateResolved}, TriggerLost: {StateOpen}},
		StateCompensating: {TriggerCancel: {StateOpen}, TriggerCompensated: {StateResolved}, TriggerAskReplay: {StateScheduled}, TriggerAskAgain: {StateCompensating}, TriggerAskPerson: {StateOpen}},
		StateResolved:     {TriggerRestore: {StateOpen}},
		StateDiscarded:    {TriggerRestore: {StateOpen}},
	}
	for trigger := range transitions {
		for _, from := range append([]State{""}, States...) {
			for _, to := range States {
				allowed := slices.Contains(want[from][trigger], to)
				switch trigger {
				case TriggerDie:
					allowed = from != "" && slices.Contains([]State{StateOpen, StateScheduled, StateCompensating, StateDiscarded}, to)
				case TriggerEdit:
					allowed = from == to
				}
				if got := Can(trigger, from, to); got != allowed {
					t.Errorf("Can(%s, %q, %q) = %v", trigger, from, to, got)
				}
			}
		}
	}
	if Can("no such trigger", StateOpen, StateResolved) {
		t.Error("an unknown trigger moves a letter")
	}
}

// Every state that is not an end leads, in some steps, to an end or to a person.
func TestEveryStateLeadsSomewhere(t *testing.T) {
	for _, s := range States {
		seen, todo := map[State]bool{s: true}, []State{s}
		for len(todo) > 0 {
			from := todo[0]
			todo = todo[1:]
			for trigger := range transitions {
				for _, to := range States {
					if Can(trigger, from, to) && !seen[to] {
						seen[to] = true
						todo = append(todo, to)
					}
				}
			}
		}
		if !seen[StateOpen] || !seen[StateResolved] {
			t.Errorf("%s never reaches a person or an end: %v", s, seen)
		}
	}
}

func TestTabs(t *testing.T) {
	count := map[Tab]int{}
	for _, s := range States {
		count[s.Tab()]++
	}
	for _, tab := range Tabs {
		if count[tab] == 0 {
			t.Errorf("no state is shown in the tab %s", tab)
		}
	}
	if count[TabInFlight] != 4 || len(count) != len(Tabs) {
		t.Errorf("states by tab: %v", count)
	}
}

func TestRetryPlanWait(t *testing.T) {
	p := RetryPlan{Delay: Duration(5 * time.Minute), Backoff: 2, MaxDelay: Duration(2 * time.Hour)}
	for replays, want := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 2 * time.Hour, 2 * time.Hour} {
		if got := p.Wait(replays); got != want {
			t.Errorf("Wait(%d) = %s, want %s", replays, got, want)
		}
	}
	if got := (RetryPlan{Delay: Duration(time.Hour), Backoff: 10}).Wait(1000); got <= 0 {
		t.Errorf("an unlimited wait overflowed to %s", got)
	}
}

func TestLevel(t *testing.T) {
	c := Capabilities{Levels: []Duration{Duration(time.Second), Duration(5 * time.Second), Duration(10 * time.Second), Duration(time.Second)}}
	for _, tt := range []struct {
		ask    time.Duration
		level  int
		actual time.Duration
		ok     bool
	}{{0, 0, 0, true}, {time.Millisecond, 1, time.Second, true}, {6 * time.Second, 3, 10 * time.Second, true}, {11 * time.Second, 0, 0, false}} {
		if level, actual, ok := c.Level(tt.ask); level != tt.level || actual != tt.actual || ok != tt.ok {
			t.Errorf("Level(%s) = %d, %s, %v", tt.ask, level, actual, ok)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"10s": 10 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "0s": 0, "250ms": 250 * time.Millisecond, "-5m": -5 * time.Minute} {
		got, err := ParseDuration(text)
		if err != nil || time.Duration(got) != want {
			t.Errorf("ParseDuration(%q) = %s, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%q is written as %q", text, got)
		}
	}
	for _, text := range []string{"", "5", "five", "2d3", "d", "1x"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s", text, got)
		}
	}
	back := func(ms int32) bool {
		d := Duration(time.Duration(ms) * time.Millisecond)
		got, err := ParseDuration(d.String())
		return err == nil && got == d
	}
	if err := quick.Check(back, nil); err != nil {
		t.Error(err)
	}
}
