package classifier

import (
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// Ruleset is one version of the facts, envelopes, automation and rules of rules.yaml, compiled. It never changes.
type Ruleset struct {
	reason, text, business []source
	envelopes              []envelope
	retryCount             int // slot of body.retry_count
	policy                 dlq.AutomationPolicy
	targets                map[string]dlq.ReplayTargets // by consumer group
	rules                  []rule
	byReason               map[string][]int32 // places of rules that take one of some reasons only, see index
	anyReason              []int32            // places of the other rules; those that are off are in neither
	paths                  paths
	factsText              string // what the file says of facts and envelopes: where it is the same, the facts are
	fingerprint            bool   // a rule asks for it
}

type rule struct {
	info    RuleInfo
	when    []condition // joined by and; none takes everything
	verdict dlq.Verdict
}

// RuleInfo is what a list of rules shows.
type RuleInfo struct {
	Name      string    `json:"name"`
	Line      int       `json:"line"`
	Route     dlq.Route `json:"route"`
	Off       bool      `json:"off,omitempty"`        // switched off: checked, but skipped
	CoveredBy string    `json:"covered_by,omitempty"` // name of an earlier rule that leaves this one nothing
}

// Rules lists the rules in their order.
func (r *Ruleset) Rules() []RuleInfo {
	out := make([]RuleInfo, len(r.rules))
	for i := range r.rules {
		out[i] = r.rules[i].info
	}
	return out
}

// Automation returns the automation section.
func (r *Ruleset) Automation() dlq.AutomationPolicy { return r.policy }

// ReplayTargets returns to whom operators may send the letters of a consumer group besides that group itself.
func (r *Ruleset) ReplayTargets(consumerGroup string) dlq.ReplayTargets {
	return r.targets[consumerGroup]
}

// Facts finds out what is known of a dead message. report is the newest report about it, nil for none.
func (r *Ruleset) Facts(m *dlq.DeadMessage, report *dlq.Report) dlq.Facts {
	var f dlq.Facts
	s := subject{rules: r, m: m, facts: &f, steps: letterSteps}
	s.findFacts(report, nil)
	return f
}

// Classify returns the verdict of the first rule that matches; without one the letter goes to a person, and so does one on
// which patterns take too long (OverBudget). It never fails.
// RuleVersion is left 0, see Live.
func (r *Ruleset) Classify(m *dlq.DeadMessage, f dlq.Facts, j dlq.Judgement) dlq.Verdict {
	s := subject{rules: r, m: m, facts: &f, j: j, steps: letterSteps}
	return s.classify()
}

// Judge is Facts and Classify in one, for which the body is read once instead of twice.
func (r *Ruleset) Judge(m *dlq.DeadMessage, report *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
	return r.JudgeProbed(m, report, nil, j)
}

// JudgeProbed is Judge for a message with which a consumer was probed. A probe answers as a source does, in the place that
// the file gives it: with its Reason and its Text. Of a report that is not bound the facts say whether it made a difference.
func (r *Ruleset) JudgeProbed(m *dlq.DeadMessage, report *dlq.Report, probe *dlq.Probe, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
	var f dlq.Facts
	s := subject{rules: r, m: m, facts: &f, j: j, steps: letterSteps}
	s.findFacts(report, probe)
	v := s.classify()
	if report != nil && !report.Bound {
		without, other := r.JudgeProbed(m, nil, probe, j)
		f.Unbound = other.Rule != v.Rule || without.Guessed() && f.Origin == dlq.OriginUnboundReport
	}
	return f, v
}

// Explain is Classify with its reasons: every rule up to the one that matched, clause by clause. Rules that are off are
// left out. Where patterns take too long the rules end before.
func (r *Ruleset) Explain(m *dlq.DeadMessage, f dlq.Facts, j dlq.Judgement) dlq.Explanation {
	out := dlq.Explanation{Verdict: r.Classify(m, f, j), Rules: []dlq.RuleTrace{}}
	s := subject{rules: r, m: m, facts: &f, j: j, steps: explainedSteps} // more: what classifying skips is told, too
	for i := range r.rules {
		rule := &r.rules[i]
		if rule.info.Off {
			continue
		}
		trace := dlq.RuleTrace{Rule: rule.info.Name, Line: rule.info.Line, Matched: true, Clauses: []dlq.Clause{}}
		for k := range rule.when {
			var ok bool
			trace.Clauses, ok = rule.when[k].trace(&s, trace.Clauses, 0, false)
			trace.Matched = trace.Matched && ok
		}
		if s.spent() {
			break
		}
		out.Rules = append(out.Rules, trace)
		if trace.Matched {
			break
		}
	}
	return out
}

func (s *subject) classify() dlq.Verdict {
	if i := s.first(); i >= 0 {
		return s.rules.rules[i].copyVerdict()
	}
	v := unmatched()
	v.OverBudget = s.spent()
	return v
}

// unmatched is the verdict when no rule matches.
func unmatched() dlq.Verdict {
	return dlq.Verdict{Route: dlq.RouteManual, Severity: dlq.SeverityNormal}
}

// copyVerdict gives each letter a verdict of its own: what happens to one must not change another's.
func (r *rule) copyVerdict() dlq.Verdict {
	v := r.verdict
	v.Labels = slices.Clone(v.Labels)
	if v.Retry != nil {
		plan := *v.Retry
		v.Retry = &plan
	}
	if v.Compensation != nil {
		plan := *v.Compensation
		v.Compensation = &plan
	}
	return v
}

// Defaults of the automation section and of a retry clause.
const (
	defaultMaxAge   = time.Hour
	defaultRate     = 10.0
	defaultFailures = 3
	defaultDelay    = 5 * time.Minute
	defaultBackoff  = 2.0
	defaultRetries  = 3
	defaultMaxDelay = 2 * time.Hour
)

// empty is the Ruleset of a console without a rules file: reasons are found in the usual places, everything goes to a
// person.
func empty() *Ruleset {
	c := &compiler{out: newRuleset()}
	c.defaultFacts()
	return c.out
}

func newRuleset() *Ruleset {
	r := &Ruleset{policy: dlq.AutomationPolicy{MaxAge: dlq.Duration(defaultMaxAge), Rate: defaultRate, Quarantine: defaultFailures}}
	r.paths.root.slot = -1
	r.retryCount = r.paths.add([]string{"retry_count"})
	return r
}
