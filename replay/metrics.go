package replay

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// maxGroupLabels bounds the series that consumer groups can make; later ones are counted together.
const maxGroupLabels = 500

type metrics struct {
	replays  *prometheus.CounterVec
	returned *prometheus.CounterVec
	groups   *groupLabels
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_replays_total",
			Help: "Replays by what became of them: sent, confirmed, assumed, failed_again, send_failed, unknown.",
		}, []string{"cluster", "consumer_group", "result"}),
		returned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_replay_returned_total",
			Help: "Replayed messages that came back to the dead-letter queue.",
		}, []string{"cluster", "consumer_group"}),
		groups: &groupLabels{known: map[string]bool{}},
	}
	if r != nil {
		r.MustRegister(m.replays, m.returned)
	}
	return m
}

func (m metrics) count(r dlq.Replay, result string) {
	group := m.groups.label(r.ConsumerGroup)
	m.replays.WithLabelValues(r.Cluster, group, result).Inc()
	if result == string(dlq.OutcomeFailedAgain) {
		m.returned.WithLabelValues(r.Cluster, group).Inc()
	}
}

type groupLabels struct {
	mu    sync.Mutex
	known map[string]bool
}

func (g *groupLabels) label(group string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known[group] {
		if len(g.known) >= maxGroupLabels {
			return "__other__"
		}
		g.known[group] = true
	}
	return group
}
