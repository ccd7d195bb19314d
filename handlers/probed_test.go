package handlers

import (
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

func TestProbed(t *testing.T) {
	open := dlq.Letter{ID: 1, State: dlq.StateOpen, Route: dlq.RouteManual, Reason: dlq.ReasonUnknown, ReasonOrigin: dlq.OriginUnknown, Topic: "orders", DiedAt: noon}
	failed := dlq.Probe{LetterID: 1, Actor: "mei", Note: "why?", ClientID: "10.0.0.7@1", Language: "JAVA", Verdict: dlq.ProbeException,
		Text: "502", Reason: "network_timeout", Spent: dlq.Duration(12 * time.Millisecond), Trusted: true}
	verdict := func(v dlq.ProbeVerdict) dlq.Probe {
		p := failed
		p.Verdict, p.Text, p.Reason = v, "", ""
		return p
	}
	possible := []dlq.Flag{dlq.FlagPossibleDuplicate}
	noted := func(change func(*dlq.Letter)) dlq.Letter {
		l := open
		change(&l)
		return l
	}
	for _, tt := range []struct {
		name   string
		letter dlq.Letter
		before []dlq.Event // newest first, before its arrival
		probe  dlq.Probe
		state  dlq.State
		reason string
		flags  []dlq.Flag
	}{
		{"it says why", open, nil, failed, dlq.StateScheduled, "network_timeout", nil},
		{"it was probed before", open, []dlq.Event{{Kind: dlq.EventProbed, Actor: "bo"}}, failed, dlq.StateScheduled, "network_timeout", nil},
		{"somebody owns it", noted(func(l *dlq.Letter) { l.Owner = "mei" }), nil, failed, dlq.StateOpen, dlq.ReasonUnknown, nil},
		{"somebody noted something", open, []dlq.Event{{Kind: dlq.EventNoted, Actor: "bo"}}, failed, dlq.StateOpen, dlq.ReasonUnknown, nil},
		{"it is on its way", noted(func(l *dlq.Letter) { l.State = dlq.StateSending }), nil, failed, dlq.StateSending, dlq.ReasonUnknown, nil},
		{"it is known already", noted(func(l *dlq.Letter) {
			l.Reason, l.ReasonText, l.ReasonOrigin = "network_timeout", "502", dlq.OriginProbe
		}), nil, failed, dlq.StateOpen, "network_timeout", nil},
		{"it fails and says nothing", open, nil, verdict(dlq.ProbeLater), dlq.StateOpen, dlq.ReasonUnknown, nil},
		{"it took the message", open, nil, verdict(dlq.ProbeSuccess), dlq.StateOpen, dlq.ReasonUnknown, possible},
		{"nobody knows whether it ran", open, nil, verdict(dlq.ProbeTimeout), dlq.StateOpen, dlq.ReasonUnknown, possible},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newMemory(atNoon)
			s.add(tt.letter)
			s.letters[1].Events = append(tt.before, s.letters[1].Events...)
			l, err := newDesk(s, reasonRules(), on, &LiveCompensations{}).Probed(t.Context(), tt.probe)
			if err != nil {
				t.Fatal(err)
			}
			after := s.letter(1)
			if diff := cmp.Diff(after.Letter, l); diff != "" {
				t.Errorf("the answer is not the letter: %s", diff)
			}
			if after.State != tt.state || after.Reason != tt.reason || !cmp.Equal(after.Flags, tt.flags) {
				t.Errorf("%s, %s by %s, flags %v", after.State, after.Reason, after.ReasonOrigin, after.Flags)
			}
			e := after.Events[0]
			if e.Kind != dlq.EventProbed || e.Actor != "mei" || e.Note != "why?" || e.Detail["verdict"] != string(tt.probe.Verdict) || e.Detail["text"] != tt.probe.Text ||
				e.Detail["client"] != "10.0.0.7@1" || e.Detail["language"] != "JAVA" || e.Detail["spent"] != "12ms" || e.Detail["trusted"] != "true" || e.Detail["reason"] != tt.probe.Reason {
				t.Errorf("event %+v", e)
			}
			if after.State == dlq.StateScheduled && (after.ReasonOrigin != dlq.OriginProbe || e.Rule != "passing" || e.Detail["route"] != "retry" || e.Detail["from_reason"] != dlq.ReasonUnknown) {
				t.Errorf("reason by %s, event %+v", after.ReasonOrigin, e)
			}
		})
	}
}

// A reason that ranks before the probe's stays, and what the probe said is noted.
func TestProbeYieldsToABetterSource(t *testing.T) {
	s := newMemory(atNoon)
	s.add(dlq.Letter{ID: 1, State: dlq.StateOpen, Reason: "data_format_error", ReasonOrigin: dlq.OriginProperty})
	r := rules{func(*dlq.DeadMessage, *dlq.Report, dlq.Judgement) (dlq.Facts, dlq.Verdict) {
		return dlq.Facts{Reason: "data_format_error", Origin: dlq.OriginProperty, ReasonText: "new in the text"}, dlq.Verdict{Rule: "else", Route: dlq.RouteManual}
	}}
	l, err := newDesk(s, r, on, &LiveCompensations{}).Probed(t.Context(), dlq.Probe{LetterID: 1, Actor: "mei", Verdict: dlq.ProbeException, Reason: "x", Text: strings.Repeat("错", 5000)})
	if err != nil || l.Reason != "data_format_error" || l.ReasonText != "" {
		t.Errorf("%+v, %v", l, err)
	}
	if e := s.letter(1).Events[0]; e.Kind != dlq.EventProbed || e.Detail["reason"] != "x" || len(e.Detail["text"]) > maxProbeText || e.Detail["route"] != "" {
		t.Errorf("event %+v", e)
	}
}

// What a probe found out is not lost when somebody acts meanwhile, and it survives what comes later.
func TestProbeIsKept(t *testing.T) {
	s := newMemory(atNoon)
	s.add(dlq.Letter{ID: 1, State: dlq.StateOpen, Reason: dlq.ReasonUnknown})
	s.fail = func(op string) error {
		if l := s.letters[1]; op == "apply" && l.Owner == "" {
			l.Owner, l.Version = "bo", l.Version+1
		}
		return nil
	}
	d := newDesk(s, reasonRules(), func() dlq.Automation { return dlq.Automation{} }, &LiveCompensations{})
	p := dlq.Probe{LetterID: 1, Actor: "mei", Verdict: dlq.ProbeException, Reason: "network_timeout", Text: "502"}
	if l, err := d.Probed(t.Context(), p); err != nil || l.Owner != "bo" || l.Reason != dlq.ReasonUnknown {
		t.Fatalf("%+v, %v", l, err)
	}
	// Judging anew by hand asks the probe, too.
	if l, err := d.Reroute(t.Context(), dlq.Act{LetterID: 1, Actor: "bo"}); err != nil || l.Reason != "network_timeout" || l.ReasonOrigin != dlq.OriginProbe || l.ReasonText != "502" {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := d.Probed(t.Context(), dlq.Probe{LetterID: 404}); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Errorf("no letter: %v", err)
	}
}

func TestConfirmedByProbe(t *testing.T) {
	probed := func(v dlq.ProbeVerdict, trusted bool) dlq.Event {
		return dlq.Event{Kind: dlq.EventProbed, Actor: "mei", Detail: probeDetail(dlq.Probe{Verdict: v, Trusted: trusted})}
	}
	for name, tt := range map[string]struct {
		events []dlq.Event // newest first, since the arrival
		code   dlq.Code
	}{
		"a success":                      {[]dlq.Event{probed(dlq.ProbeSuccess, true)}, ""},
		"a success, and a note since":    {[]dlq.Event{{Kind: dlq.EventNoted}, probed(dlq.ProbeSuccess, true), probed(dlq.ProbeException, true)}, ""},
		"a client that always says so":   {[]dlq.Event{probed(dlq.ProbeSuccess, false)}, dlq.CodeRefused},
		"a failure since":                {[]dlq.Event{probed(dlq.ProbeLater, true), probed(dlq.ProbeSuccess, true)}, dlq.CodeRefused},
		"a time-out":                     {[]dlq.Event{probed(dlq.ProbeTimeout, true)}, dlq.CodeRefused},
		"it died since":                  {[]dlq.Event{{Kind: dlq.EventDiedAgain}, probed(dlq.ProbeSuccess, true)}, dlq.CodeRefused},
		"a success before another death": {[]dlq.Event{probed(dlq.ProbeException, true), {Kind: dlq.EventDiedAgain}, probed(dlq.ProbeSuccess, true)}, dlq.CodeRefused},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMemory(atNoon)
			s.add(dlq.Letter{ID: 1, State: dlq.StateOpen})
			s.letters[1].Events = append(tt.events, s.letters[1].Events...)
			l, err := newDesk(s, rules{}, on, &LiveCompensations{}).Resolve(t.Context(), dlq.Act{LetterID: 1, Actor: "mei", Resolution: dlq.ResolvedConfirmed})
			if dlq.CodeOf(err) != tt.code {
				t.Fatal(err)
			}
			if err == nil && (l.State != dlq.StateResolved || l.Resolution != dlq.ResolvedConfirmed || s.letter(1).Events[0].Detail["resolution"] != "confirmed") {
				t.Errorf("%s, %s, %+v", l.State, l.Resolution, s.letter(1).Events[0])
			}
		})
	}
}

// An operation's acts say so in each change, so that the store moves its ledger with the letter.
func TestManyOfAnOperation(t *testing.T) {
	s := newMemory(atNoon)
	var seen []int64
	s.add(dlq.Letter{ID: 1, State: dlq.StateOpen})
	s.add(dlq.Letter{ID: 2, State: dlq.StateOpen})
	s.applied = func(c dlq.Change) { seen = append(seen, c.Operation) }
	d := newDesk(s, rules{}, on, &LiveCompensations{})
	if _, err := d.Many(t.Context(), "discard", []int64{1, 2}, dlq.Act{Actor: "mei", Note: "rubbish", Operation: 7}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{7, 7}, seen); diff != "" {
		t.Error(diff)
	}
}

// A quarantined letter is not given back because an endpoint says so.
func TestQuarantinedLettersAreNotReplayedByEndpoints(t *testing.T) {
	l := dlq.Letter{Topic: "orders"}
	if got := allowed(l); !cmp.Equal(got, everyVerdict) {
		t.Errorf("allowed %v", got)
	}
	l.Flags = []dlq.Flag{dlq.FlagQuarantined}
	for _, v := range allowed(l) {
		if v == dlq.CallReplay {
			t.Error("replay is allowed")
		}
	}
}
