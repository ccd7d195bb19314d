package alerts

import (
	"context"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// SignalStore measures what signals say of letters and replays.
type SignalStore interface {
	LetterSignals(ctx context.Context) ([]dlq.LetterSignal, error)
	ReplaySignals(ctx context.Context) ([]dlq.ReplaySignal, error)
	OldestOpenBy(ctx context.Context, labels []string) ([]dlq.OldestOpen, error)
}

// Cluster says how the brokers do. Topics may answer with what was seen last.
type Cluster interface {
	Status() dlq.ClusterStatus
	Topics(ctx context.Context) ([]dlq.TopicInfo, error)
}

// topicsPatience is how long the brokers may take to tell what they hold.
const topicsPatience = 10 * time.Second

// measured is something that was asked for, or why it is not known.
type measured[T any] struct {
	value T
	err   error
}

// samples is everything that the rules in force ask for, as it is at one moment.
type samples struct {
	at      time.Time
	letters measured[[]dlq.LetterSignal]
	replays measured[[]dlq.ReplaySignal]
	oldest  map[string]measured[[]dlq.OldestOpen] // by oldestKey
	status  dlq.ClusterStatus
	topics  measured[[]dlq.TopicInfo]
	stalled bool // nothing can be stored
	refused bool // the rules file is not in force
	disk    measured[float64]
}

// oldestKey tells one question for the oldest letters from another.
func oldestKey(labels []string) string { return strings.Join(labels, ",") }

// sample asks for what the rules need, and for nothing else.
func (e *Engine) sample(ctx context.Context, c *Config, now time.Time) samples {
	s := samples{at: now, oldest: map[string]measured[[]dlq.OldestOpen]{}, status: e.deps.Cluster.Status()}
	needs := func(names ...string) bool {
		return slices.ContainsFunc(c.rules, func(r rule) bool { return !r.off && slices.Contains(names, r.signal.name) })
	}
	if needs(signalOpen, signalArrivals, signalOldest, signalUnclassified) {
		s.letters.value, s.letters.err = e.deps.Signals.LetterSignals(ctx)
	}
	if needs(signalFailedAgain) {
		s.replays.value, s.replays.err = e.deps.Signals.ReplaySignals(ctx)
	}
	for i := range c.rules {
		if r := &c.rules[i]; !r.off && r.signal.name == signalOldest {
			labels := r.watched()
			if _, have := s.oldest[oldestKey(labels)]; !have {
				list, err := e.deps.Signals.OldestOpenBy(ctx, labels)
				s.oldest[oldestKey(labels)] = measured[[]dlq.OldestOpen]{list, err}
			}
		}
	}
	if needs(signalExpiry, signalStalled) {
		asking, done := context.WithTimeout(ctx, topicsPatience)
		s.topics.value, s.topics.err = e.deps.Cluster.Topics(asking)
		done()
	}
	if needs(signalStalled) {
		s.stalled = e.deps.Stalled()
	}
	if needs(signalRefused) {
		s.refused = e.deps.RulesRefused()
	}
	if needs(signalDisk) {
		s.disk.value, s.disk.err = e.deps.Disk()
	}
	return s
}
