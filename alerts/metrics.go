package alerts

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// metrics tell how alerts stand. Their labels are words of this program and names of receivers, of which a file has at
// most maxReceivers.
type metrics struct {
	evaluations   *prometheus.CounterVec
	notifications *prometheus.CounterVec
	alerts, at    *prometheus.Desc

	mu   sync.Mutex
	book dlq.AlertBook
	seen map[string]bool // receivers; more than the file may hold are one
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		evaluations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_alert_evaluations_total",
			Help: "Looks at all alert rules; result error: what they found could not be stored.",
		}, []string{"result"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_alert_dispatches_total",
			Help: "Alerts that a receiver was told of (notified), or not (silenced, held_back).",
		}, []string{"receiver", "result"}),
		alerts: prometheus.NewDesc("dlq_alerts", "Alerts by state and severity.", []string{"state", "severity"}, nil),
		at:     prometheus.NewDesc("dlq_alert_last_evaluation_timestamp_seconds", "When all alert rules were looked at last, in seconds since 1970.", nil, nil),
		seen:   map[string]bool{},
	}
	for _, result := range []string{"ok", "error"} {
		m.evaluations.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(m.evaluations, m.notifications, m)
	}
	return m
}

// took counts a turn that was stored.
func (m *metrics) took(book dlq.AlertBook, step *dlq.AlertStep) {
	m.evaluations.WithLabelValues("ok").Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.book = book
	for _, e := range step.Events {
		switch e.Kind {
		case dlq.AlertEventNotified, dlq.AlertEventSilenced, dlq.AlertEventHeldBack:
			name := e.Receiver
			if !m.seen[name] && len(m.seen) >= 2*maxReceivers {
				name = "__other__"
			}
			m.seen[name] = true
			m.notifications.WithLabelValues(name, string(e.Kind)).Inc()
		}
	}
}

func (m *metrics) failed() { m.evaluations.WithLabelValues("error").Inc() }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.alerts
	ch <- m.at
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	book := m.book
	m.mu.Unlock()
	for _, state := range []dlq.AlertState{dlq.AlertPending, dlq.AlertFiring} {
		for _, severity := range severities {
			n := 0
			for i := range book.Alerts {
				if book.Alerts[i].State == state && string(book.Alerts[i].Severity) == severity {
					n++
				}
			}
			ch <- prometheus.MustNewConstMetric(m.alerts, prometheus.GaugeValue, float64(n), string(state), severity)
		}
	}
	if book.EvaluatedAt != nil {
		ch <- prometheus.MustNewConstMetric(m.at, prometheus.GaugeValue, float64(book.EvaluatedAt.UnixMilli())/1000)
	}
}
