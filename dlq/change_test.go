package dlq

import (
	"testing"
	"time"
)

func TestIsStale(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	p := AutomationPolicy{Stale: []StaleLimit{
		{Topic: "orders", After: Duration(time.Hour)}, {Topic: "order*", After: Duration(time.Minute)}, {Topic: "[odd", After: Duration(time.Hour)},
		{Topic: "forever"}, {Topic: "*", After: Duration(24 * time.Hour)},
	}}
	for _, tt := range []struct {
		topic      string
		born, died time.Time
		want       bool
	}{
		{"orders", ago(2 * time.Hour), ago(time.Minute), true},           // as old as its producer says
		{"orders", ago(time.Hour), ago(time.Minute), false},              // not above the limit
		{"orders", time.Time{}, ago(2 * time.Hour), true},                // nobody says
		{"orders", now.AddDate(1, 0, 0), ago(2 * time.Hour), true},       // a producer's clock that is ahead
		{"orders-new", ago(2 * time.Minute), ago(time.Second), true},     // the first that matches
		{"[odd", ago(2 * time.Hour), ago(time.Second), true},             // a name that is no pattern
		{"forever", ago(1000 * time.Hour), ago(1000 * time.Hour), false}, // no limit
		{"else", ago(25 * time.Hour), ago(time.Second), true},
	} {
		if got := p.IsStale(tt.topic, tt.born, tt.died, now); got != tt.want {
			t.Errorf("%s, born %s, died %s: %t", tt.topic, tt.born, tt.died, got)
		}
	}
	if (AutomationPolicy{}).IsStale("orders", time.Time{}, time.Time{}, now) {
		t.Error("no limits")
	}
}
