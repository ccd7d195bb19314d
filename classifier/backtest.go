package classifier

import (
	"context"
	"runtime"
	"sync"

	"deadletteroffice/dlq"
)

// Backtest judges letters by two rule sets, to see what the second would change.
type Backtest struct {
	now, then   *Ruleset
	sameFacts   bool // both find the same facts
	fingerprint bool // a rule of either asks for it
}

// NewBacktest compares the rules in force with others.
func NewBacktest(now, then *Ruleset) *Backtest {
	return &Backtest{now, then, now.factsText == then.factsText, now.fingerprint || then.fingerprint}
}

// Shift is what two rule sets say of one letter. A rule without a name stands for none.
type Shift struct {
	Now, Then         dlq.Route
	RuleNow, RuleThen string
}

// Judge returns for each letter what both say, each with the facts that it finds itself, as of the moment at which the
// letter was judged last. It uses all processors and returns when all is done, or the context's error: it is asked before
// each letter.
func (b *Backtest) Judge(ctx context.Context, list []dlq.Candidate) ([]Shift, error) {
	out := make([]Shift, len(list))
	workers := min(runtime.GOMAXPROCS(0), (len(list)+63)/64)
	if workers <= 1 {
		b.judge(ctx, list, out)
		return out, ctx.Err()
	}
	var all sync.WaitGroup
	for w := range workers {
		from, to := len(list)*w/workers, len(list)*(w+1)/workers
		all.Go(func() { b.judge(ctx, list[from:to], out[from:to]) })
	}
	all.Wait()
	return out, ctx.Err()
}

func (b *Backtest) judge(ctx context.Context, list []dlq.Candidate, out []Shift) {
	for i := range list {
		if ctx.Err() != nil {
			return
		}
		c := &list[i]
		var facts, other dlq.Facts
		now := subject{rules: b.now, m: &c.Message, facts: &facts, j: c.Judged, lean: !b.fingerprint, steps: letterSteps}
		now.findFacts(c.Report, nil)
		out[i].RuleNow, out[i].Now = now.says()
		then := subject{rules: b.then, m: &c.Message, facts: &facts, j: c.Judged, lean: !b.fingerprint, steps: letterSteps}
		if !b.sameFacts {
			then.facts = &other
			then.findFacts(c.Report, nil)
		}
		out[i].RuleThen, out[i].Then = then.says()
	}
}

// says is the verdict without what belongs to it.
func (s *subject) says() (rule string, route dlq.Route) {
	if i := s.first(); i >= 0 {
		info := &s.rules.rules[i].info
		return info.Name, info.Route
	}
	return "", unmatched().Route
}

// Tally counts shifts.
type Tally struct {
	Done, Changed int                  // Changed: the route is another
	Matrix        map[[2]dlq.Route]int // by route now and then
	Now, Then     map[string]int       // by rule
}

// NewTally returns an empty Tally.
func NewTally() *Tally {
	return &Tally{Matrix: map[[2]dlq.Route]int{}, Now: map[string]int{}, Then: map[string]int{}}
}

// Add counts some more.
func (t *Tally) Add(shifts []Shift) {
	for i := range shifts {
		s := &shifts[i]
		t.Done++
		if s.Now != s.Then {
			t.Changed++
		}
		t.Matrix[[2]dlq.Route{s.Now, s.Then}]++
		t.Now[s.RuleNow]++
		t.Then[s.RuleThen]++
	}
}
