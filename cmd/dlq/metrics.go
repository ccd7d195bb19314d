package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/rulebook"
)

func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dlq_build_info", Help: "The program that runs; always 1.", ConstLabels: prometheus.Labels{"version": version}})
	g.Set(1)
	return g
}

// reloadMetrics tell whether the rules file as it is now is in force.
type reloadMetrics struct {
	good, at *prometheus.Desc
	book     *rulebook.Book
}

func newReloadMetrics(r prometheus.Registerer) *reloadMetrics {
	m := &reloadMetrics{
		good: prometheus.NewDesc("dlq_config_last_reload_successful", "1 when the rules file as it is now is in force, 0 when it was refused.", nil, nil),
		at:   prometheus.NewDesc("dlq_config_last_reload_success_timestamp_seconds", "When the rules in force came into force, in seconds since 1970.", nil, nil),
	}
	r.MustRegister(m)
	return m
}

// follow sets the book to look at. Before it nothing is told.
func (m *reloadMetrics) follow(b *rulebook.Book) { m.book = b }

// Describe implements prometheus.Collector.
func (m *reloadMetrics) Describe(c chan<- *prometheus.Desc) {
	c <- m.good
	c <- m.at
}

// Collect implements prometheus.Collector.
func (m *reloadMetrics) Collect(c chan<- prometheus.Metric) {
	if m.book == nil {
		return
	}
	now, good := m.book.Current(), 1.0
	if now.Refused != nil {
		good = 0
	}
	c <- prometheus.MustNewConstMetric(m.good, prometheus.GaugeValue, good)
	c <- prometheus.MustNewConstMetric(m.at, prometheus.GaugeValue, float64(now.Version.At.UnixMilli())/1000)
}
