package classifier

import (
	"sync/atomic"

	"deadletteroffice/dlq"
)

// Live is the Ruleset in force. All its methods may be called at any time from anywhere.
type Live struct {
	now atomic.Pointer[versioned]
}

type versioned struct {
	rules   *Ruleset
	version int64
}

// NewLive returns a Live without rules: reasons are found, everything goes to a person, the version is 0.
func NewLive() *Live {
	l := &Live{}
	l.now.Store(&versioned{rules: empty()})
	return l
}

// Swap puts a Ruleset in force.
func (l *Live) Swap(version int64, r *Ruleset) { l.now.Store(&versioned{rules: r, version: version}) }

// Get returns the Ruleset in force and its version; it is never nil.
func (l *Live) Get() (*Ruleset, int64) {
	v := l.now.Load()
	return v.rules, v.version
}

// Facts is Ruleset.Facts by the rules in force.
func (l *Live) Facts(m *dlq.DeadMessage, report *dlq.Report) dlq.Facts {
	return l.now.Load().rules.Facts(m, report)
}

// Classify is Ruleset.Classify by the rules in force; the verdict names their version.
func (l *Live) Classify(m *dlq.DeadMessage, f dlq.Facts, j dlq.Judgement) dlq.Verdict {
	now := l.now.Load()
	v := now.rules.Classify(m, f, j)
	v.RuleVersion = now.version
	return v
}

// Judge is Ruleset.Judge by the rules in force, facts and verdict by the same version, which the verdict names.
func (l *Live) Judge(m *dlq.DeadMessage, report *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
	return l.JudgeProbed(m, report, nil, j)
}

// JudgeProbed is Ruleset.JudgeProbed by the rules in force.
func (l *Live) JudgeProbed(m *dlq.DeadMessage, report *dlq.Report, probe *dlq.Probe, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
	now := l.now.Load()
	f, v := now.rules.JudgeProbed(m, report, probe, j)
	v.RuleVersion = now.version
	return f, v
}

// Explain is Ruleset.Explain by the rules in force; the verdict names their version.
func (l *Live) Explain(m *dlq.DeadMessage, f dlq.Facts, j dlq.Judgement) dlq.Explanation {
	now := l.now.Load()
	e := now.rules.Explain(m, f, j)
	e.Verdict.RuleVersion = now.version
	return e
}

// Unwrap is Ruleset.Unwrap by the rules in force.
func (l *Live) Unwrap(m *dlq.DeadMessage) (body []byte, topic string, wrapped bool, err error) {
	return l.now.Load().rules.Unwrap(m)
}

// Automation is Ruleset.Automation by the rules in force.
func (l *Live) Automation() dlq.AutomationPolicy { return l.now.Load().rules.Automation() }

// ReplayTargets is Ruleset.ReplayTargets by the rules in force.
func (l *Live) ReplayTargets(consumerGroup string) dlq.ReplayTargets {
	return l.now.Load().rules.ReplayTargets(consumerGroup)
}

// Rules is Ruleset.Rules by the rules in force.
func (l *Live) Rules() []RuleInfo { return l.now.Load().rules.Rules() }
