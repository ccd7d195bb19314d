package operation_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/replay/operation"
	"deadletteroffice/store"
)

// fill puts letters of a consumer group straight into the store.
func fill(tb testing.TB, st *store.Store, broker, group string, n int) {
	tb.Helper()
	q := dlq.Queue{Cluster: "simulated", Broker: broker, Topic: dlq.DLQPrefix + group}
	if _, _, err := st.QueuePosition(context.Background(), q); err != nil {
		tb.Fatal(err)
	}
	at := time.Now().Add(-time.Minute)
	for from := 0; from < n; from += 500 {
		b := dlq.AdmitBatch{Queue: q, From: int64(from), Next: int64(min(from+500, n))}
		for i := from; i < min(from+500, n); i++ {
			b.Arrivals = append(b.Arrivals, dlq.Arrival{
				Message: dlq.DeadMessage{
					Position:      dlq.Position{Queue: q, Offset: int64(i), StoredAt: at},
					ConsumerGroup: group, OriginalTopic: "orders", MessageID: fmt.Sprintf("7F00000100002A9F%016X", i), PhysOffset: int64(i),
					Properties: map[string]string{dlq.PropUniqueKey: fmt.Sprintf("%s%026X", group[:3], i), dlq.PropKeys: fmt.Sprint("K", i)},
					Body:       make([]byte, 1024), ReconsumeTimes: 16, BornAt: at,
				},
				Facts:   dlq.Facts{Reason: "card_expired", Origin: dlq.OriginProperty, Topic: "orders", Fingerprint: "0123456789abcdef"},
				Verdict: dlq.Verdict{Rule: "r", Route: dlq.RouteManual, Severity: dlq.SeverityNormal}, Plan: dlq.Plan{State: dlq.StateOpen},
			})
		}
		if err := <-st.Admit(context.Background(), []dlq.AdmitBatch{b}); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkOperation replays 10 000 letters at full speed to a broker that answers at once: the bookkeeping alone.
func BenchmarkOperation(b *testing.B) {
	for _, letters := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(letters), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				o := open(b, nil)
				fill(b, o.store, o.broker.Status().Brokers[0], "pay", letters)
				o.broker.SetOnline("pay", false)
				b.StartTimer()
				begin := time.Now()
				d, err := o.Create(context.Background(), dlq.Operation{ID: "spring", Kind: dlq.OperationReplay, Actor: "li"}, dlq.OperationPick{Filter: &dlq.Filter{}})
				if err != nil {
					b.Fatal(err)
				}
				drafted, busy := time.Since(begin), cpu(b)
				if _, err := o.Start(context.Background(), "spring", d.Version, "go", "li"); err != nil {
					b.Fatal(err)
				}
				for o.get("spring").State != dlq.OperationSettling {
					time.Sleep(5 * time.Millisecond)
				}
				took := time.Since(begin)
				b.ReportMetric(float64((cpu(b)-busy).Microseconds())/float64(letters), "cpu-µs/letter")
				b.StopTimer()
				if n := o.get("spring").Counts[dlq.ItemWaiting]; n != int64(letters) {
					b.Fatalf("%d were sent", n)
				}
				b.ReportMetric(drafted.Seconds()*1000, "ms/draft")
				b.ReportMetric(float64(letters)/(took-drafted).Seconds(), "letters/s")
				o.halt()
				b.StartTimer()
			}
		})
	}
}

// cpu is the processor time that this process has used.
func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var _ operation.Store = (*store.Store)(nil)
