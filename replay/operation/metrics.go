package operation

import (
	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// metrics shows the operations that are under way, and counts what became of their letters.
type metrics struct {
	letters *prometheus.CounterVec
}

// underWay collects how many operations are in each state when it is asked.
type underWay struct {
	m    *Manager
	desc *prometheus.Desc
}

func (c underWay) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

func (c underWay) Collect(ch chan<- prometheus.Metric) {
	count := map[dlq.OperationState]int{}
	c.m.mu.Lock()
	runs := make([]*run, 0, len(c.m.runs))
	for _, r := range c.m.runs {
		runs = append(runs, r)
	}
	c.m.mu.Unlock()
	for _, r := range runs {
		count[r.state()]++
	}
	for _, s := range dlq.OperationStates {
		if s.Acts() || s == dlq.OperationSettling {
			ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(count[s]), string(s))
		}
	}
}

func newMetrics(m *Manager, r prometheus.Registerer) metrics {
	out := metrics{letters: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dlq_operation_letters_total",
		Help: "Letters of operations by what became of them: confirmed, assumed, failed_again, send_failed, unknown, skipped, done.",
	}, []string{"kind", "state"})}
	if r != nil {
		r.MustRegister(out.letters, underWay{m, prometheus.NewDesc("dlq_operations",
			"Operations under way by state: queued, canary, running, paused, settling.", []string{"state"}, nil)})
	}
	return out
}

// final are the states of items that are counted: those that an item does not leave by itself.
var final = []dlq.ItemState{dlq.ItemConfirmed, dlq.ItemAssumed, dlq.ItemFailedAgain, dlq.ItemSendFailed, dlq.ItemUnknown, dlq.ItemSkipped, dlq.ItemDone}

// moved counts the letters that came into a final state between two looks at the same operation.
func (m metrics) moved(kind dlq.OperationKind, before, after map[dlq.ItemState]int64) {
	for _, s := range final {
		if n := after[s] - before[s]; n > 0 {
			m.letters.WithLabelValues(string(kind), string(s)).Add(float64(n))
		}
	}
}
