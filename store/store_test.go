package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// open opens a store in a new folder, or that of the path, and closes it with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "dlq.db")
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func queueOf(group string) dlq.Queue {
	return dlq.Queue{Cluster: "main", Broker: "broker-a", Topic: dlq.DLQPrefix + group}
}

// dead makes the message at an offset of a consumer group's queue.
func dead(group string, offset int64) dlq.DeadMessage {
	id := fmt.Sprintf("%s-%d", group, offset)
	return dlq.DeadMessage{
		Position:      dlq.Position{Queue: queueOf(group), Offset: offset, StoredAt: newClock().t.Add(time.Duration(offset) * time.Second)},
		ConsumerGroup: group, OriginalTopic: "orders", MessageID: "ID-" + id, PhysOffset: 1000 + offset,
		Properties: map[string]string{dlq.PropUniqueKey: "UK-" + id, dlq.PropKeys: "PAY-" + id + " " + strconv.FormatInt(offset%7, 10), dlq.PropTags: "t", dlq.PropOriginID: "ORIGIN-" + id},
		Body:       fmt.Appendf(nil, `{"order":"PAY-%s","text":"库存不足 of %d"}`, id, offset), BodyState: dlq.BodyPlain,
		SysFlag: 1, Flag: 2, ReconsumeTimes: 16, BornAt: newClock().t.Add(-time.Hour), BornHost: "10.0.0.1:5555", StoreHost: "10.0.0.9:10911",
	}
}

// arriving makes an arrival with a verdict of some variety.
func arriving(m dlq.DeadMessage) dlq.Arrival {
	reasons := []string{"network_timeout", "data_format_error", "inventory_shortage"}
	i := int(m.Offset) % len(reasons)
	return dlq.Arrival{
		Message: m,
		Facts: dlq.Facts{Reason: reasons[i], ReasonText: "text of " + reasons[i], Origin: dlq.OriginProperty, Field: "property.X", Business: "payment",
			Topic: m.OriginalTopic, Fingerprint: fmt.Sprintf("%016x", 0xfff0000000000000+uint64(i))},
		Verdict: dlq.Verdict{Rule: "rule of " + reasons[i], RuleVersion: 3, Route: dlq.RouteManual, Severity: dlq.SeverityHigh, Runbook: "https://wiki", Labels: []string{"a", "b"}},
		Plan:    dlq.Plan{State: dlq.StateOpen},
	}
}

// batchOf makes the batch of the messages [from, to) of a group's queue.
func batchOf(group string, from, to int64) dlq.AdmitBatch {
	b := dlq.AdmitBatch{Queue: queueOf(group), From: from, Next: to}
	for o := from; o < to; o++ {
		b.Arrivals = append(b.Arrivals, arriving(dead(group, o)))
	}
	return b
}

func admit(t testing.TB, s *Store, batches ...dlq.AdmitBatch) {
	t.Helper()
	if err := <-s.Admit(context.Background(), batches); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, s *Store, c dlq.Change) dlq.Letter {
	t.Helper()
	l, err := s.Apply(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return l[0]
}

func list(t testing.TB, s *Store, f dlq.Filter) dlq.Page {
	t.Helper()
	p, err := s.Letters(t.Context(), f, "", 500)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantCode(t testing.TB, err error, code dlq.Code) {
	t.Helper()
	if dlq.CodeOf(err) != code {
		t.Fatalf("error %v has the code %q, want %q", err, dlq.CodeOf(err), code)
	}
}

func TestSmoke(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 20))
	p := list(t, s, dlq.Filter{})
	if len(p.Items) != 20 || p.Total.Count != 20 {
		t.Fatalf("%+v", p)
	}
	for { // until full text is up to date
		pause, err := s.indexOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if pause < 0 {
			break
		}
	}
	for _, f := range []dlq.Filter{{Query: "库存"}, {Query: "库存不足"}, {Query: "PAY-pay-3"}, {Query: "UK-pay-4"}, {Query: "7"}, {Reasons: []string{"network_timeout"}}, {Fingerprints: []string{"fff0000000000001"}},
		{Tab: dlq.TabAttention, ConsumerGroups: []string{"pay"}, Flags: []dlq.Flag{dlq.FlagEdited}}} {
		p := list(t, s, f)
		t.Log(f, len(p.Items), p.Total, p.Examined, p.Next)
	}
	d, err := s.Detail(t.Context(), p.Items[0].ID)
	t.Logf("%+v %v", d, err)
	sum, err := s.Summary(t.Context())
	t.Logf("%+v %v", sum, err)
	fc, err := s.Facets(t.Context(), dlq.Filter{Reasons: []string{"network_timeout"}})
	t.Logf("%+v %v", fc, err)
}

// indexAll teaches full text all letters.
func indexAll(t testing.TB, s *Store) {
	t.Helper()
	for {
		pause, err := s.indexOnce(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if pause < 0 {
			return
		}
	}
}
