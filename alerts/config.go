package alerts

import (
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// Config is what the sections alerts and receivers of one version of rules.yaml say.
type Config struct {
	rules     []rule
	receivers []*receiver
}

// rule is one member of the section alerts.
type rule struct {
	name        string
	line        int
	off         bool // kept in the file, but not looked at
	signal      signal
	threshold   float64             // seconds, letters or a part of one; 0 for a flag
	by          []string            // labels that tell instances apart, each once
	where       map[string][]string // label to the values that count
	hold        time.Duration       // `for`
	keep        time.Duration       // `keep_firing_for`
	severity    dlq.AlertSeverity
	labels      map[string]string
	annotations map[string]string
	receivers   []string // each once
}

// holds reports whether a value is one to tell of.
func (r *rule) holds(value float64) bool {
	switch {
	case r.signal.unit == dlq.UnitFlag:
		return value > 0
	case r.signal.below:
		return value < r.threshold
	default:
		return value > r.threshold
	}
}

// watched returns the labels that must be told apart to evaluate the rule: those of by and of where, in the order of
// letterLabels.
func (r *rule) watched() []string {
	var out []string
	for _, name := range letterLabels {
		if _, chosen := r.where[name]; chosen || slices.Contains(r.by, name) {
			out = append(out, name)
		}
	}
	return out
}

func (c *Config) receiver(name string) *receiver {
	if c != nil {
		for _, r := range c.receivers {
			if r.name == name {
				return r
			}
		}
	}
	return nil
}
