package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// One letter whose times or numbers no JSON can write takes nobody's list with it, and neither do rows that an earlier
// program wrote as they came.
func TestExtremesInLists(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 3))
	b := dlq.AdmitBatch{Queue: queueOf("odd")}
	for _, n := range []int64{math.MinInt64, math.MaxInt64, -1, math.MaxInt32, math.MinInt32, 1_790_000_000_123_456, 1_790_000_000_123_456_789} {
		m := dead("odd", b.Next)
		m.BornAt, m.BornRaw = dlq.Instant(n)
		m.StoredAt, m.StoredRaw = dlq.Instant(n)
		m.PhysOffset, m.ReconsumeTimes, m.SysFlag, m.Flag = n, int(n), int32(n), int32(n)
		b.Arrivals = append(b.Arrivals, arriving(m))
		b.Next++
	}
	admit(t, s, b)
	old := dead("old", 0)
	admit(t, s, dlq.AdmitBatch{Queue: queueOf("old"), Next: 1, Arrivals: []dlq.Arrival{arriving(old)}})
	page := list(t, s, dlq.Filter{ConsumerGroups: []string{"old"}})
	err := s.outside(t.Context(), func() error {
		_, err := s.conn.ExecContext(context.Background(), fmt.Sprint("UPDATE letter SET born=-9000000000000000, died=9000000000000000, changed=9000000000000000, ",
			"due_at=9000000000000000, expires=-9000000000000000 WHERE id=", page.Items[0].ID))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	page = list(t, s, dlq.Filter{})
	if len(page.Items) != 11 {
		t.Fatalf("%d letters", len(page.Items))
	}
	write := func(what string, v any, err error) {
		t.Helper()
		if err == nil {
			_, err = json.Marshal(v)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	write("list", page, nil)
	for _, l := range page.Items {
		d, err := s.Detail(t.Context(), l.ID)
		write("letter", d, err)
		m, err := s.Message(t.Context(), l.ID)
		write("message", m, err)
		if l.ConsumerGroup == "odd" && (dlq.Millis(l.BornAt, l.BornRaw) != dlq.Millis(m.BornAt, m.BornRaw) || l.DiedRaw != m.StoredRaw) {
			t.Errorf("letter %d: born %d, died %d; message %d, %d", l.ID, l.BornRaw, l.DiedRaw, m.BornRaw, m.StoredRaw)
		}
		_, err = s.Apply(t.Context(), dlq.Change{LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded,
			Event: dlq.Event{Kind: dlq.EventDiscarded, Actor: "a", Note: "n"}})
		write("discard", nil, err)
	}
	if raw := page.Items[1].BornRaw; raw != 1_790_000_000_123_456_789 || page.Items[1].BornAt.Year() != 9999 {
		t.Errorf("nanoseconds are kept as %d, born %v", raw, page.Items[1].BornAt)
	}
	facets, err := s.Facets(t.Context(), dlq.Filter{})
	write("facets", facets, err)
	summary, err := s.Summary(t.Context())
	write("summary", summary, err)
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	write("by time", list(t, s, dlq.Filter{DiedAfter: &far}), nil)
}
