package dlq

import "time"

// Verdict is what the rules say about a letter.
type Verdict struct {
	Rule        string   `json:"rule"`         // name of the first rule that matched; "" when none did
	RuleVersion int64    `json:"rule_version"` // version of the rules in force; 0 for none
	Route       Route    `json:"route"`
	Severity    Severity `json:"severity"`
	Owner       string   `json:"owner,omitempty"`
	Runbook     string   `json:"runbook,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Note        string   `json:"note,omitempty"`        // what a rule that discards says why
	OverBudget  bool     `json:"over_budget,omitempty"` // no rule took it because patterns took too long on it

	Retry        *RetryPlan        `json:"retry,omitempty"`        // only for RouteRetry
	Compensation *CompensationPlan `json:"compensation,omitempty"` // only for RouteCompensate
}

// RetryPlan is a rule's retry clause: when and how often the console replays by itself.
type RetryPlan struct {
	Delay    Duration `json:"delay"`
	Backoff  float64  `json:"backoff"` // at least 1
	Max      int      `json:"max"`
	MaxDelay Duration `json:"max_delay"`

	EarlierReason bool `json:"earlier_reason,omitempty"` // also where only an earlier death gave a reason
}

// Wait returns how long to wait before the replay that follows as many replays: delay × backoff^replays, at most MaxDelay.
func (p RetryPlan) Wait(replays int) time.Duration {
	d, limit := float64(p.Delay), float64(p.MaxDelay)
	for range replays {
		if d *= p.Backoff; limit > 0 && d >= limit {
			break
		}
	}
	if limit > 0 && d > limit {
		d = limit
	}
	if d > float64(1<<62) {
		d = float64(1 << 62)
	}
	return time.Duration(d)
}

// CompensationPlan names the endpoint that a compensate rule asks.
type CompensationPlan struct {
	Name     string `json:"name"`
	Disabled bool   `json:"disabled,omitempty"` // its URL is empty
}

// Clause is one condition of a rule and how a letter met it.
type Clause struct {
	Field string   `json:"field"`
	Op    string   `json:"op"`
	Want  []string `json:"want"`          // as the rule writes it
	Got   []string `json:"got,omitempty"` // the letter's value; cut after 256 bytes
	Have  bool     `json:"have"`          // the letter has the field at all
	OK    bool     `json:"ok"`
	Not   bool     `json:"not,omitempty"`   // stands inside a not
	Depth int      `json:"depth,omitempty"` // nesting of all, any and not
	Group string   `json:"group,omitempty"` // "all", "any" or "not": this line opens such a group; the other fields but OK and Depth are empty
	Line  int      `json:"line,omitempty"`  // line in rules.yaml
}

// RuleTrace is how one rule met a letter.
type RuleTrace struct {
	Rule    string   `json:"rule"`
	Line    int      `json:"line"`
	Matched bool     `json:"matched"`
	Clauses []Clause `json:"clauses"`
}

// Explanation is a verdict with its reasons: every rule up to the one that matched.
type Explanation struct {
	Verdict Verdict     `json:"verdict"`
	Rules   []RuleTrace `json:"rules"`
}

// Judgement is what the classifier needs beside the message and its facts.
type Judgement struct {
	Now     time.Time `json:"now"`
	Deaths  int       `json:"deaths"` // this one included
	Replays int       `json:"replays"`
	Earlier *Cause    `json:"-"` // the newest known reason among the deaths before this one; nil for none
}

// RuleHits counts the letters of one rule.
type RuleHits struct {
	Rule  string  `json:"rule"`
	Total int64   `json:"total"` // letters in the store whose newest verdict is this rule's
	Day   int64   `json:"day"`   // arrivals within 24 h
	Hours []int64 `json:"hours"` // the same by hour, oldest first, 24 of them
}
