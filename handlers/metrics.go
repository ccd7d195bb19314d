package handlers

import (
	"errors"
	"sync"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// A label's values may come from messages, and producers write what they like: so many are kept apart, the rest is one.
const (
	maxGroups  = 500
	maxReasons = 200
	otherLabel = "__other__"
)

type metrics struct {
	ingested     *prometheus.CounterVec
	classified   *prometheus.CounterVec
	unclassified *prometheus.CounterVec
	decisions    *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	groups       capped
	reasons      capped
}

// newMetrics registers the package's metrics, or finds those that another part of the package registered.
func newMetrics(r prometheus.Registerer) *metrics {
	if r == nil {
		r = prometheus.NewRegistry()
	}
	return &metrics{
		ingested: registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_messages_ingested_total",
			Help: "Dead messages read into the store; replayed says whether it was a replay that died.",
		}, []string{"cluster", "consumer_group", "replayed"})),
		classified: registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_classifications_total",
			Help: "Dead messages by the rule that judged them and the reason that was found.",
		}, []string{"rule", "reason"})),
		unclassified: registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_unclassified_total",
			Help: "Dead messages of which nobody says why they died.",
		}, []string{"cluster", "consumer_group"})),
		decisions: registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_decisions_total",
			Help: "Decisions about letters by path, what was decided, and who decided (auto, user or webhook).",
		}, []string{"handler", "verdict", "origin"})),
		duration: registered(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "dlq_handler_duration_seconds",
			Help:                            "How long a piece of work took: a batch of the intake, a compensation call.",
			Buckets:                         prometheus.ExponentialBuckets(0.001, 3, 10),
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"handler", "result"})),
		groups:  capped{max: maxGroups},
		reasons: capped{max: maxReasons},
	}
}

// arrived counts what one stored arrival was.
func (m *metrics) arrived(a *dlq.Arrival) {
	group := m.groups.label(a.Message.ConsumerGroup)
	replayed := "false"
	if a.Join != nil {
		replayed = "true"
	}
	m.ingested.WithLabelValues(a.Message.Cluster, group, replayed).Inc()
	m.classified.WithLabelValues(a.Verdict.Rule, m.reasons.label(a.Facts.Reason)).Inc()
	if a.Facts.Reason == dlq.ReasonUnknown {
		m.unclassified.WithLabelValues(a.Message.Cluster, group).Inc()
	}
	m.decided(string(a.Verdict.Route), string(a.Plan.State), "auto")
}

func (m *metrics) decided(handler, verdict, origin string) {
	m.decisions.WithLabelValues(handler, verdict, origin).Inc()
}

func (m *metrics) took(handler, result string, d time.Duration) {
	m.duration.WithLabelValues(handler, result).Observe(d.Seconds())
}

// registered registers a collector, or returns the equal one that is there already.
func registered[C prometheus.Collector](r prometheus.Registerer, c C) C {
	var there prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &there) {
		if same, ok := there.ExistingCollector.(C); ok {
			return same
		}
	} else if err != nil {
		panic(err) // two different metrics of one name: a mistake in the program, seen at its first start
	}
	return c
}

// capped keeps the first max different values of a label and calls all others __other__.
type capped struct {
	max  int
	mu   sync.Mutex
	seen map[string]struct{}
}

func (c *capped) label(value string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.seen[value]; ok {
		return value
	}
	if len(c.seen) >= c.max {
		return otherLabel
	}
	if c.seen == nil {
		c.seen = map[string]struct{}{}
	}
	c.seen[value] = struct{}{}
	return value
}
