package webhook

import (
	"context"
	"sync"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dlq_webhook_requests_total",
			Help: "Outgoing webhook requests by receiver and outcome.",
		}, []string{"receiver", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "dlq_webhook_request_duration_seconds",
			Help:                            "How long outgoing webhook requests took, by receiver and outcome.",
			Buckets:                         prometheus.ExponentialBuckets(0.01, 2.5, 10),
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"receiver", "outcome"}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.duration)
	}
	return m
}

func (m *metrics) observe(receiver, outcome string, took time.Duration) {
	m.requests.WithLabelValues(receiver, outcome).Inc()
	m.duration.WithLabelValues(receiver, outcome).Observe(took.Seconds())
}

// outcomeOf names what became of a call in a handful of words, which are a label.
func outcomeOf(ctx context.Context, res Response, err error) string {
	switch {
	case ctx.Err() != nil:
		return "cancelled"
	case dlq.CodeOf(err) == dlq.CodeRefused:
		return "blocked"
	case err != nil:
		return "no_answer"
	case res.Status < 300:
		return "success"
	case res.Status < 400:
		return "redirect"
	case res.Status < 500:
		return "client_error"
	default:
		return "server_error"
	}
}

// Receivers are those of rules.yaml; over so many, which a file that is edited again and again may come to, the rest is
// counted as one.
const (
	maxReceivers = 200
	otherLabel   = "__other__"
)

// What becomes of notifications, which are a label.
const (
	outcomeSent      = "sent"
	outcomeRetried   = "retried"
	outcomeFailed    = "failed"
	outcomeCancelled = "cancelled"
	outcomeMerged    = "merged"
)

type outboxMetrics struct {
	notifications *prometheus.CounterVec

	mu   sync.Mutex
	seen map[string]bool
}

func newOutboxMetrics(r prometheus.Registerer) *outboxMetrics {
	m := &outboxMetrics{seen: map[string]bool{}, notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dlq_alert_notifications_total",
		Help: "Notifications by receiver and what became of them: sent, retried, failed, cancelled, or merged into a digest.",
	}, []string{"receiver", "outcome"})}
	if r != nil {
		r.MustRegister(m.notifications)
	}
	return m
}

func (m *outboxMetrics) add(receiver, outcome string, n int) {
	m.notifications.WithLabelValues(m.label(receiver), outcome).Add(float64(n))
}

func (m *outboxMetrics) label(receiver string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.seen[receiver] {
		if len(m.seen) >= maxReceivers {
			return otherLabel
		}
		m.seen[receiver] = true
	}
	return receiver
}
