package replay

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/dlq"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m := newMetrics(registry)
	for i := range maxGroupLabels + 20 {
		m.count(dlq.Replay{Cluster: "c", ConsumerGroup: fmt.Sprint("g", i)}, string(dlq.OutcomeFailedAgain))
	}
	m.count(dlq.Replay{Cluster: "c", ConsumerGroup: "g0"}, string(dlq.OutcomeConfirmed))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	if n := testutil.CollectAndCount(m.returned); n != maxGroupLabels+1 {
		t.Errorf("%d series of returns", n)
	}
	if n := testutil.ToFloat64(m.replays.WithLabelValues("c", "__other__", "failed_again")); n != 20 {
		t.Errorf("%v are counted together", n)
	}
	if n := testutil.ToFloat64(m.returned.WithLabelValues("c", "g0")); n != 1 {
		t.Errorf("g0 came back %v times", n)
	}
}
