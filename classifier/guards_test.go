package classifier

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

func TestAutomationPolicy(t *testing.T) {
	const rest = "\nrules: [{name: x, route: manual}]\n"
	usual := dlq.AutomationPolicy{MaxAge: dlq.Duration(time.Hour), Rate: 10, Quarantine: 3}
	for text, change := range map[string]func(*dlq.AutomationPolicy){
		"version: 1":      func(*dlq.AutomationPolicy) {},
		"automation: {}":  func(*dlq.AutomationPolicy) {},
		"stale_after: []": func(*dlq.AutomationPolicy) {}, // at the top it is somebody else's key
		"automation: {quarantine_after: 0, stale_after: []}": func(p *dlq.AutomationPolicy) { p.Quarantine = 0 },
		"automation: {quarantine_after: 7, stale_after: [{topic: coupon-*, after: 1d}, {topic: '*', after: 30d}]}": func(p *dlq.AutomationPolicy) {
			p.Quarantine = 7
			p.Stale = []dlq.StaleLimit{{Topic: "coupon-*", After: dlq.Duration(24 * time.Hour)}, {Topic: "*", After: dlq.Duration(30 * 24 * time.Hour)}}
		},
	} {
		want := usual
		change(&want)
		if diff := cmp.Diff(want, mustCompile(t, text+rest).Automation()); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	if diff := cmp.Diff(usual, NewLive().Automation()); diff != "" {
		t.Errorf("without a file: %s", diff)
	}
}

func TestLimitsThatTakeAll(t *testing.T) {
	for _, tt := range []struct {
		pattern, other string
		want           bool
	}{
		{"*", "coupon", true}, {"*", "a?b*", true}, {"a*", "ab*", true}, {"a*c*", "a*c", true}, {"a", "a", true}, {"a?", "ab", true}, {"a?", "a?", true},
		{"ab*", "a*", false}, {"a?", "a*", false}, {"a*?", "a*b", false}, {"a", "b", false}, {"a?", "a??", false}, {"*c", "c*", false},
	} {
		if got := takesAll(tt.pattern, tt.other); got != tt.want {
			t.Errorf("takesAll(%q, %q) = %v", tt.pattern, tt.other, got)
		}
	}
}

// A probe answers in the place that the file gives it.
func TestProbeIsASource(t *testing.T) {
	const shipped = "rules: [{name: probed, match: {reason_origin: probe}, route: retry}, {name: else, route: manual}]"
	probe := &dlq.Probe{Reason: "java.io.IOException", Text: "java.io.IOException: no route to 10.0.0.7"}
	report := &dlq.Report{Reason: "network_timeout", ReasonText: "told", Bound: true}
	property := letter{Group: "g", Topic: "t", Properties: map[string]string{"FAILURE_REASON": "data_format_error"}}
	for _, tt := range []struct {
		name, text string
		letter     letter
		report     *dlq.Report
		reason     string
		says       string
		origin     dlq.ReasonOrigin
	}{
		{"nobody else knows", shipped, letter{Group: "g", Topic: "t"}, nil, probe.Reason, probe.Text, dlq.OriginProbe},
		{"a property ranks before it", shipped, property, nil, "data_format_error", probe.Text, dlq.OriginProperty},
		{"so does a report", shipped, letter{Group: "g"}, report, "network_timeout", "told", dlq.OriginReport},
		{"before the broker", shipped, letter{Group: "g", Attempts: 17}, nil, probe.Reason, probe.Text, dlq.OriginProbe},
		{"first of all", "facts: {reason: [probe, property.FAILURE_REASON], reason_text: [probe]}\n" + shipped, property, report, probe.Reason, probe.Text, dlq.OriginProbe},
		{"not asked", "facts: {reason: [report], reason_text: []}\n" + shipped, property, nil, dlq.ReasonUnknown, "", dlq.OriginUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := NewLive()
			live.Swap(4, mustCompile(t, tt.text))
			f, v := live.JudgeProbed(tt.letter.message(), tt.report, probe, tt.letter.judgement())
			if f.Reason != tt.reason || f.ReasonText != tt.says || f.Origin != tt.origin || f.Fingerprint != fingerprint(f.Reason, f.ReasonText) {
				t.Errorf("facts %+v", f)
			}
			if want := map[bool]string{true: "probed", false: "else"}[tt.origin == dlq.OriginProbe]; v.Rule != want || v.RuleVersion != 4 {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func TestReplayTargets(t *testing.T) {
	r := mustCompile(t, "replay_targets:\n  pay: {topics: [parking, orders], consumer_groups: canary}\n  empty: {}\nrules: [{name: a, route: manual}]")
	if diff := cmp.Diff(dlq.ReplayTargets{Topics: []string{"parking", "orders"}, ConsumerGroups: []string{"canary"}}, r.ReplayTargets("pay")); diff != "" {
		t.Error(diff)
	}
	if may := r.ReplayTargets("other"); may.Topics != nil || may.ConsumerGroups != nil {
		t.Errorf("%+v", may)
	}
	for text, want := range map[string]string{
		"pay: {topic: [a]}":               "unknown-key",
		"pay: [a]":                        "wrong-type",
		"pay: {topics: ['order*']}":       CodeBadTarget,
		"pay: {topics: ['%RETRY%g']}":     CodeBadTarget,
		"pay: {topics: [TBW102]}":         CodeBadTarget,
		"pay: {consumer_groups: ['a b']}": CodeBadTarget,
		"pay: {consumer_groups: [[a]]}":   "wrong-type",
	} {
		rules, found := compileText("replay_targets: {" + text + "}\nrules: [{name: a, route: manual}]")
		if rules != nil || found[0].Code != want || found[0].Line != 1 {
			t.Errorf("%s: %s", text, showFindings(found))
		}
	}
}
