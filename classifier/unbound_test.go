package classifier

import (
	"testing"

	"deadletteroffice/dlq"
)

// A report by a token that is not bound to consumer groups is shown. Whether it made a difference is said, so that nothing
// starts that would not have started without it.
func TestUnboundReports(t *testing.T) {
	rules, found := CompileText([]byte(`version: 1
facts: {reason: [property.FAILURE_REASON, report, broker], reason_text: [report]}
rules:
  - {name: noisy, match: {reason_text: {contains: noise}}, route: discard, discard: {allow: true, note: x}}
  - {name: passing, match: {reason: network_timeout}, route: retry, retry: {delay: 1m, max: 3}}
  - {name: shipped, match: {topic: parcels}, route: retry, retry: {delay: 1m, max: 3}}
  - {name: rest, route: manual}
`))
	if rules == nil {
		t.Fatal(found)
	}
	for _, tt := range []struct {
		name, topic, property, reason, text string
		rule                                string
		origin                              dlq.ReasonOrigin
		unbound, guessed                    bool
	}{
		{"it chooses another rule", "orders", "", "network_timeout", "", "passing", dlq.OriginUnboundReport, true, true},
		{"the rule would be the same", "parcels", "", "oom", "", "shipped", dlq.OriginUnboundReport, true, true},
		{"the reason is known anyway", "orders", "network_timeout", "oom", "", "passing", dlq.OriginProperty, false, false},
		{"its text chooses another rule", "orders", "network_timeout", "oom", "noise", "noisy", dlq.OriginProperty, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &dlq.DeadMessage{ConsumerGroup: "pay", OriginalTopic: tt.topic, Properties: map[string]string{}, ReconsumeTimes: 16}
			if tt.property != "" {
				m.Properties["FAILURE_REASON"] = tt.property
			}
			report := &dlq.Report{Reason: tt.reason, ReasonText: tt.text}
			f, v := rules.Judge(m, report, dlq.Judgement{Deaths: 1})
			if v.Rule != tt.rule || f.Origin != tt.origin || f.Unbound != tt.unbound || f.Guessed() != tt.guessed {
				t.Errorf("unbound: rule %s, %+v", v.Rule, f)
			}
			report.Bound = true
			if f, v := rules.Judge(m, report, dlq.Judgement{Deaths: 1}); f.Unbound || f.Guessed() || v.Rule != tt.rule {
				t.Errorf("bound: rule %s, %+v", v.Rule, f)
			}
		})
	}
	// A later death that does not say why shows what was reported of the one before, and it is a guess still.
	m := &dlq.DeadMessage{ConsumerGroup: "pay", OriginalTopic: "orders", Properties: map[string]string{}, ReconsumeTimes: 16}
	j := dlq.Judgement{Deaths: 2, Earlier: &dlq.Cause{Reason: "network_timeout", Origin: dlq.OriginUnboundReport, Field: "report"}}
	if f, v := rules.Judge(m, nil, j); v.Rule != "passing" || !f.Inherited() || !f.Guessed() {
		t.Errorf("inherited: %s %+v", v.Rule, f)
	}
}
