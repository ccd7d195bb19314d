package rocketmq

import (
	"cmp"
	"context"
	"maps"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// maxLabels bounds the series that topics and consumer groups can make; the rest counts as one.
const (
	maxLabels  = 500
	otherLabel = "__other__"
)

// gauges show the last discovery round: a topic that is gone has no series any more.
type gauges struct {
	up, member, awaySince, lag, last, expiring, requests *prometheus.Desc

	round *reading // guarded by Broker.mu
}

// reading is what one round measured.
type reading struct {
	cluster string
	topics  []dlq.TopicInfo
	soon    []int64   // of each topic, what may expire within the horizon
	newest  []float64 // of each topic, the store time of the newest message that was read, in seconds; 0 for none
}

func newGauges() *gauges {
	return &gauges{
		up: prometheus.NewDesc("dlq_broker_up", "Whether the cluster answers: 1 or 0.", []string{"cluster"}, nil),
		member: prometheus.NewDesc("dlq_broker_member_up", "Whether one broker of the cluster answers: 1 or 0. One that the name server knows no more is told for an hour.",
			[]string{"cluster", "broker"}, nil),
		awaySince: prometheus.NewDesc("dlq_broker_member_away_timestamp_seconds", "Since when one broker of the cluster does not answer, in seconds since 1970; nothing while it does.",
			[]string{"cluster", "broker"}, nil),
		lag:      prometheus.NewDesc("dlq_consumer_lag_messages", "Dead messages at the brokers that are not read yet.", []string{"cluster", "topic"}, nil),
		last:     prometheus.NewDesc("dlq_consumer_last_message_timestamp_seconds", "When the newest dead message that was read had been stored by its broker.", []string{"cluster", "topic"}, nil),
		requests: prometheus.NewDesc("dlq_broker_requests_total", "Requests to brokers and name servers by what they ask; those of the client library, which sends through door A, are not among them.", []string{"request"}, nil),
		expiring: prometheus.NewDesc("dlq_messages_expiring", "Unread dead messages that the brokers may delete within 12 hours.", []string{"cluster", "consumer_group"}, nil),
	}
}

// measure takes the figures of one round.
func (b *Broker) measure(ctx context.Context, c *cluster) {
	if b.opt.Registerer == nil {
		return
	}
	topics, err := b.Topics(ctx)
	if err != nil {
		return
	}
	m := &reading{cluster: c.name, topics: topics, soon: make([]int64, len(topics)), newest: make([]float64, len(topics))}
	for i, t := range topics {
		if m.soon[i], err = b.expiring(ctx, t, expiringHorizon); err != nil {
			b.log.Debug("what expires soon is not known", "topic", t.Topic, "error", err)
		}
		b.mu.Lock()
		if r := b.readers[t.Queue]; r != nil {
			if at := r.progress().newest; !at.IsZero() {
				m.newest[i] = float64(at.UnixMilli()) / 1000
			}
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gauges.round = m
}

// Describe implements prometheus.Collector.
func (b *Broker) Describe(ch chan<- *prometheus.Desc) {
	ch <- b.gauges.up
	ch <- b.gauges.member
	ch <- b.gauges.awaySince
	ch <- b.gauges.lag
	ch <- b.gauges.last
	ch <- b.gauges.expiring
	ch <- b.gauges.requests
}

// Collect implements prometheus.Collector.
func (b *Broker) Collect(ch chan<- prometheus.Metric) {
	b.mu.Lock()
	m := b.gauges.round
	b.mu.Unlock()
	st := b.Status()
	up := 0.0
	if st.Reachable {
		up = 1
	}
	ch <- prometheus.MustNewConstMetric(b.gauges.up, prometheus.GaugeValue, up, st.Cluster)
	for _, one := range st.Members {
		if up = 1; one.AwaySince != nil {
			up = 0
			ch <- prometheus.MustNewConstMetric(b.gauges.awaySince, prometheus.GaugeValue, float64(one.AwaySince.UnixMilli())/1000, st.Cluster, one.Name)
		}
		ch <- prometheus.MustNewConstMetric(b.gauges.member, prometheus.GaugeValue, up, st.Cluster, one.Name)
	}
	for code := range b.requests {
		if n := b.requests[code].Load(); n > 0 {
			ch <- prometheus.MustNewConstMetric(b.gauges.requests, prometheus.CounterValue, float64(n), cmp.Or(remoting.RequestName(code), strconv.Itoa(code)))
		}
	}
	if m == nil {
		return
	}
	type key struct{ cluster, name string }
	lag, last, soon := map[key]float64{}, map[key]float64{}, map[key]float64{}
	names := map[string]bool{}
	for i, t := range m.topics {
		topic, group := t.Topic, t.ConsumerGroup
		if !names[topic] && len(names) == maxLabels {
			topic, group = otherLabel, otherLabel
		}
		names[topic] = true
		lag[key{t.Cluster, topic}] += float64(t.Unread)
		soon[key{t.Cluster, group}] += float64(m.soon[i])
		last[key{t.Cluster, topic}] = max(last[key{t.Cluster, topic}], m.newest[i])
	}
	put := func(d *prometheus.Desc, values map[key]float64) {
		for k, v := range values {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, k.cluster, k.name)
		}
	}
	put(b.gauges.lag, lag)
	maps.DeleteFunc(last, func(_ key, v float64) bool { return v == 0 })
	put(b.gauges.last, last)
	put(b.gauges.expiring, soon)
}

// count counts a request.
func (b *Broker) count(code int) {
	if code >= 0 && code < len(b.requests) {
		b.requests[code].Add(1)
	}
}
