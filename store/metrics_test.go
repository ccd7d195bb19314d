package store

import (
	"fmt"
	"strings"
	"testing"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	s := open(t, Options{Registerer: r})
	admit(t, s, batchOf("pay", 0, 4), batchOf("stock", 9, 10))
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	want := `
# HELP dlq_messages_open Open letters.
# TYPE dlq_messages_open gauge
dlq_messages_open{cluster="main",consumer_group="pay",reason="data_format_error"} 1
dlq_messages_open{cluster="main",consumer_group="pay",reason="inventory_shortage"} 1
dlq_messages_open{cluster="main",consumer_group="pay",reason="network_timeout"} 1
dlq_messages_open{cluster="main",consumer_group="stock",reason="network_timeout"} 1
# HELP dlq_oldest_open_message_timestamp_seconds When the oldest open letter died.
# TYPE dlq_oldest_open_message_timestamp_seconds gauge
dlq_oldest_open_message_timestamp_seconds{cluster="main",consumer_group="pay"} 1.795255201e+09
dlq_oldest_open_message_timestamp_seconds{cluster="main",consumer_group="stock"} 1.795255209e+09
# HELP dlq_queue_depth What waits: writes by lane, and notifications in the outbox.
# TYPE dlq_queue_depth gauge
dlq_queue_depth{queue="background"} 0
dlq_queue_depth{queue="intake"} 0
dlq_queue_depth{queue="outbox"} 0
dlq_queue_depth{queue="people"} 0
# HELP dlq_sqlite_busy_total Writes and checkpoints that found the database busy.
# TYPE dlq_sqlite_busy_total counter
dlq_sqlite_busy_total 0
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "dlq_messages_open", "dlq_oldest_open_message_timestamp_seconds", "dlq_queue_depth", "dlq_sqlite_busy_total"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"dlq_sqlite_wal_bytes", "dlq_db_size_bytes", "dlq_sqlite_tx_duration_seconds"} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n != 1 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(r); err != nil || n != 0 {
		t.Errorf("%d metrics are left after Close, %v", n, err)
	}
}

// Names that come from outside are capped, and the sum stays what it is.
func TestMetricsCap(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	s := open(t, Options{Registerer: r})
	b := dlq.AdmitBatch{Queue: queueOf("x")}
	for i := range maxGroupLabels + 20 {
		a := arriving(dead("x", int64(i)))
		a.Message.ConsumerGroup = fmt.Sprint("group-", i)
		a.Facts.Reason = fmt.Sprint("reason-\xff", i)
		b.Arrivals = append(b.Arrivals, a)
	}
	admit(t, s, b)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	groups, reasons := map[string]bool{}, map[string]bool{}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "dlq_messages_open" {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetGauge().GetValue()
			groups[m.GetLabel()[1].GetValue()] = true
			reasons[m.GetLabel()[2].GetValue()] = true
		}
	}
	if len(groups) != maxGroupLabels+1 || len(reasons) != maxReasonLabels+1 || !groups[otherLabel] || !reasons[otherLabel] || sum != maxGroupLabels+20 {
		t.Errorf("%d groups, %d reasons, sum %v", len(groups), len(reasons), sum)
	}
}
