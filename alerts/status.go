package alerts

import (
	"cmp"
	"slices"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// maxShown is how many values of a rule are shown.
const maxShown = 50

// Rules returns the rules in force in the order of the file, with what the newest look at them found.
func (e *Engine) Rules() []dlq.AlertRule {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.rules == nil {
		return describeRules(e.deps.Live.value.Load().config)
	}
	return e.rules
}

// Receivers returns the receivers in force in the order of the file, without what is secret in them.
func (e *Engine) Receivers() []dlq.Receiver {
	config := e.deps.Live.value.Load().config
	out := make([]dlq.Receiver, 0, len(config.receivers))
	for _, r := range config.receivers {
		shown := dlq.Receiver{Name: r.name, Type: r.typ, Format: r.format, Locale: r.locale, Host: r.host(), PerMinute: r.perMinute,
			Disabled: r.disabled(), Signed: r.secret != (yamlnode.Reference{})}
		if shown.Disabled != "" {
			shown.Needs = r.needs()
		}
		out = append(out, shown)
	}
	return out
}

func describeRules(c *Config) []dlq.AlertRule {
	out := make([]dlq.AlertRule, 0, len(c.rules))
	for i := range c.rules {
		r := &c.rules[i]
		by, where := r.by, r.where
		if by == nil {
			by = []string{}
		}
		if where == nil {
			where = map[string][]string{}
		}
		out = append(out, dlq.AlertRule{
			Name: r.name, Signal: r.signal.name, Unit: r.signal.unit, Below: r.signal.below, Threshold: r.threshold,
			For: dlq.Duration(r.hold), KeepFiringFor: dlq.Duration(r.keep), Severity: r.severity, By: by, Where: where, Labels: r.labels,
			Receivers: r.receivers, Off: r.off, Line: r.line, Values: []dlq.AlertValue{},
		})
	}
	return out
}

// show keeps what a turn found.
func (e *Engine) show(t *turn) {
	rules := describeRules(t.config)
	for i := range rules {
		shown, r := &rules[i], &t.config.rules[i]
		if r.off {
			continue
		}
		at := t.now
		shown.EvaluatedAt = &at
		if err := t.readings[i].problem(); err != nil {
			shown.Error = dlq.SentenceOf(err, dlq.Unexpected)
		}
		for _, v := range t.readings[i].values {
			one := dlq.AlertValue{Labels: v.labels, Value: v.value}
			if a := t.alerts[instance(r.name, v.labels)]; a != nil && a.State != dlq.AlertResolved {
				one.State = a.State
			}
			shown.Values = append(shown.Values, one)
		}
		slices.SortStableFunc(shown.Values, func(a, b dlq.AlertValue) int {
			worse := cmp.Compare(b.Value, a.Value)
			if r.signal.below {
				worse = -worse
			}
			return cmp.Or(cmp.Compare(nearness(b.State), nearness(a.State)), worse)
		})
		if shown.MoreValues = max(len(shown.Values)-maxShown, 0); shown.MoreValues > 0 {
			shown.Values = shown.Values[:maxShown]
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = rules
}

func nearness(s dlq.AlertState) int {
	return slices.Index([]dlq.AlertState{"", dlq.AlertPending, dlq.AlertFiring}, s)
}
