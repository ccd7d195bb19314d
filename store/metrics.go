package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// Consumer groups and reasons come from outside; over these numbers of label values the rest is counted as one.
const (
	maxGroupLabels  = 500
	maxReasonLabels = 100
	otherLabel      = "__other__"
)

// metrics are what the store tells Prometheus. Counts of letters are read when they are asked for.
type metrics struct {
	s        *Store
	registry prometheus.Registerer
	busy     prometheus.Counter
	tx       prometheus.Histogram
	dropped  *prometheus.CounterVec
	open     *prometheus.Desc
	oldest   *prometheus.Desc
	wal      *prometheus.Desc
	size     *prometheus.Desc
	depth    *prometheus.Desc
}

func newMetrics(s *Store) *metrics {
	return &metrics{
		s:    s,
		busy: prometheus.NewCounter(prometheus.CounterOpts{Name: "dlq_sqlite_busy_total", Help: "Writes and checkpoints that found the database busy."}),
		tx: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "dlq_sqlite_tx_duration_seconds", Help: "Duration of write transactions.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dlq_alert_notifications_dropped_total",
			Help: "Notifications that were dropped because too many waited for their receiver."}, []string{"receiver"}),
		open:   prometheus.NewDesc("dlq_messages_open", "Open letters.", []string{"cluster", "consumer_group", "reason"}, nil),
		oldest: prometheus.NewDesc("dlq_oldest_open_message_timestamp_seconds", "When the oldest open letter died.", []string{"cluster", "consumer_group"}, nil),
		wal:    prometheus.NewDesc("dlq_sqlite_wal_bytes", "Size of the write-ahead log.", nil, nil),
		size:   prometheus.NewDesc("dlq_db_size_bytes", "Size of the database file.", nil, nil),
		depth:  prometheus.NewDesc("dlq_queue_depth", "What waits: writes by lane, and notifications in the outbox.", []string{"queue"}, nil),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if err := r.Register(m); err != nil {
		return fmt.Errorf("registering the store's metrics: %w", err)
	}
	m.registry = r
	return nil
}

func (m *metrics) unregister() {
	if m.registry != nil {
		m.registry.Unregister(m)
	}
}

// transaction notes one write transaction.
func (m *metrics) transaction(took time.Duration, err error) {
	m.tx.Observe(took.Seconds())
	if isBusy(err) {
		m.busy.Inc()
	}
}

// drop notes notifications that were dropped. Receivers are those of rules.yaml, so there are few.
func (m *metrics) drop(byReceiver map[string]int) {
	for receiver, n := range byReceiver {
		m.dropped.WithLabelValues(label(receiver)).Add(float64(n))
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	m.busy.Describe(out)
	m.tx.Describe(out)
	m.dropped.Describe(out)
	for _, d := range []*prometheus.Desc{m.open, m.oldest, m.wal, m.size, m.depth} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.busy.Collect(out)
	m.tx.Collect(out)
	m.dropped.Collect(out)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for from, name := range laneNames {
		gauge(m.depth, float64(m.s.lanes.depth(lane(from))), name)
	}
	gauge(m.depth, float64(m.s.mem.allPending()), "outbox")
	gauge(m.size, fileSize(m.s.path))
	gauge(m.wal, fileSize(m.s.path+"-wal"))
	m.collectOpen(gauge)
	if err := m.collectOldest(gauge); err != nil {
		m.s.log.Warn("the metric of the oldest open letters cannot be read", "error", err)
	}
}

// fileSize returns 0 for a file that is not there, as an empty write-ahead log.
func fileSize(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

type openLabels struct{ cluster, group, reason string }

func (m *metrics) collectOpen(gauge func(*prometheus.Desc, float64, ...string)) {
	mem := m.s.mem
	open := stateCode(dlq.StateOpen)
	counts := map[openLabels]int64{}
	byGroup, byReason := map[string]int64{}, map[string]int64{}
	mem.mu.RLock()
	for _, k := range mem.tally.rows {
		if k.state == open {
			l := openLabels{mem.text(k.cluster), mem.text(k.dims[dimGroup]), mem.text(k.dims[dimReason])}
			counts[l] += k.n
			byGroup[l.group] += k.n
			byReason[l.reason] += k.n
		}
	}
	mem.mu.RUnlock()
	group, reason := labels(byGroup, maxGroupLabels), labels(byReason, maxReasonLabels)
	summed := map[openLabels]int64{}
	for l, n := range counts {
		summed[openLabels{label(l.cluster), group(l.group), reason(l.reason)}] += n
	}
	for l, n := range summed {
		gauge(m.open, float64(n), l.cluster, l.group, l.reason)
	}
}

func (m *metrics) collectOldest(gauge func(*prometheus.Desc, float64, ...string)) error {
	var oldest map[groupInCluster]time.Time
	err := m.s.read(context.Background(), func(ctx context.Context, q querier) (err error) {
		oldest, err = m.s.oldestOpen(ctx, q)
		return err
	})
	counts := map[string]int64{}
	for k := range oldest {
		counts[m.s.mem.textOf(k.group)]++
	}
	group := labels(counts, maxGroupLabels)
	summed := map[openLabels]time.Time{}
	for k, at := range oldest {
		l := openLabels{cluster: label(m.s.mem.textOf(k.cluster)), group: group(m.s.mem.textOf(k.group))}
		if have, ok := summed[l]; !ok || at.Before(have) {
			summed[l] = at
		}
	}
	for l, at := range summed {
		gauge(m.oldest, float64(at.UnixMilli())/1000, l.cluster, l.group)
	}
	return err
}

// labels returns what stands for each value: itself for the most frequent ones, else otherLabel.
func labels(counts map[string]int64, most int) func(string) string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	kept := map[string]bool{}
	for _, name := range names[:min(most, len(names))] {
		kept[name] = true
	}
	return func(name string) string {
		if !kept[name] || name == dlq.OtherValues {
			return otherLabel
		}
		return label(name)
	}
}

// label makes a text that Prometheus takes as a label's value, of 200 bytes at most.
func label(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "\uFFFD") }
