package webhook

import (
	"context"
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
