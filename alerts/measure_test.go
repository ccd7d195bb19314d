package alerts

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// world is a sample with something of everything.
func world() samples {
	at := func(d time.Duration) *time.Time { x := noon.Add(d); return &x }
	topic := func(group string, unread int64, expires *time.Time, change func(*dlq.TopicInfo)) dlq.TopicInfo {
		t := dlq.TopicInfo{Queue: dlq.Queue{Cluster: "c1", Topic: dlq.DLQPrefix + group}, ConsumerGroup: group, Readable: true, Unread: unread, ExpiresAt: expires, CheckedAt: noon}
		if change != nil {
			change(&t)
		}
		return t
	}
	return samples{
		at: noon,
		letters: measured[[]dlq.LetterSignal]{value: []dlq.LetterSignal{
			{Cluster: "c1", ConsumerGroup: "pay", Topic: "orders", Reason: "timeout", Open: 60, LastMinute: 3, LastHour: 8},
			{Cluster: "c1", ConsumerGroup: "pay", Topic: "orders", Reason: "unknown", Open: 50, LastMinute: 0, LastHour: 8},
			{Cluster: "c1", ConsumerGroup: "pay", Topic: "bills", Reason: "timeout", Open: 5, LastMinute: 1},
			{Cluster: "c2", ConsumerGroup: "pay", Topic: "orders", Reason: "broken", Open: 1, LastMinute: 2, LastHour: 0},
			{Cluster: "c1", ConsumerGroup: "stock", Topic: "orders", Reason: "unknown", Open: 7, LastMinute: 0, LastHour: 9},
		}},
		replays: measured[[]dlq.ReplaySignal]{value: []dlq.ReplaySignal{
			{Cluster: "c1", ConsumerGroup: "pay", Settled: 10, FailedAgain: 3}, {Cluster: "c1", ConsumerGroup: "stock", Settled: 4, FailedAgain: 4},
		}},
		oldest: map[string]measured[[]dlq.OldestOpen]{
			"":               {value: []dlq.OldestOpen{{Labels: map[string]string{}, DiedAt: noon.Add(-3 * time.Hour)}}},
			"consumer_group": {value: []dlq.OldestOpen{{Labels: map[string]string{"consumer_group": "pay"}, DiedAt: noon.Add(-time.Hour)}, {Labels: map[string]string{"consumer_group": "stock"}, DiedAt: noon.Add(time.Second)}}},
			"consumer_group,topic": {value: []dlq.OldestOpen{{Labels: map[string]string{"consumer_group": "pay", "topic": "orders"}, DiedAt: noon.Add(-time.Minute)},
				{Labels: map[string]string{"consumer_group": "pay", "topic": "bills"}, DiedAt: noon.Add(-time.Hour)}, {Labels: map[string]string{"consumer_group": "stock", "topic": "orders"}, DiedAt: noon.Add(-2 * time.Minute)}}},
		},
		status: dlq.ClusterStatus{Cluster: "c1", NameServers: []string{"n:1"}, Reachable: true, Since: at(-time.Hour)},
		topics: measured[[]dlq.TopicInfo]{value: []dlq.TopicInfo{
			topic("pay", 5, at(2*time.Hour), nil), topic("pay", 5, at(time.Hour), nil), topic("stock", 0, at(time.Minute), nil),
			topic("late", 9, at(-time.Minute), func(t *dlq.TopicInfo) { t.LastError = "no answer" }),
			topic("locked", 9, nil, func(t *dlq.TopicInfo) { t.Readable, t.LastError = false, "write only" }),
			topic("stale", 0, nil, func(t *dlq.TopicInfo) { t.CheckedAt = noon.Add(-2 * time.Minute) }),
		}},
		disk: measured[float64]{value: 0.93},
	}
}

func TestMeasure(t *testing.T) {
	for _, tt := range []struct {
		rule   string
		change func(*samples)
		want   string
	}{
		{"signal: open_letters, above: 1", nil, "=123 timeout:65 unknown:57 broken:1"},
		{"signal: open_letters, above: 1, by: [consumer_group]", nil, "pay=116 timeout:65 unknown:50 broken:1; stock=7 unknown:7"},
		{"signal: open_letters, above: 1, by: [cluster, reason], where: {consumer_group: pay}", nil, "c1,timeout=65 timeout:65; c1,unknown=50 unknown:50; c2,broken=1 broken:1"},
		{"signal: open_letters, above: 1, where: {consumer_group: [nobody]}", nil, "=0"},
		{"signal: open_letters, above: 1, by: [topic]", func(s *samples) { s.letters.value = nil }, ""},
		{"signal: open_letters, above: 1", func(s *samples) { s.letters.value = nil }, "=0"},
		{"signal: open_letters, above: 1", func(s *samples) { s.letters.err = errors.New("database is locked at /secret") }, "how many letters there are is not known"},
		{"signal: arrivals_per_minute, above: 1, by: [topic]", nil, "bills=1 timeout:1; orders=5 timeout:3 broken:2"},
		{"signal: oldest_open_age, above: 1m", nil, "=10800 timeout:65 unknown:57 broken:1"},
		{"signal: oldest_open_age, above: 1m, by: [consumer_group]", nil, "pay=3600 timeout:65 unknown:50 broken:1; stock=0 unknown:7"},
		{"signal: oldest_open_age, above: 1m, by: [consumer_group], where: {topic: [orders]}", nil, "pay=60 timeout:60 unknown:50 broken:1; stock=120 unknown:7"},
		{"signal: oldest_open_age, above: 1m, by: [topic]", nil, ""},
		{"signal: expiry, below: 6h", nil, "=0"},
		{"signal: expiry, below: 6h, by: [consumer_group]", nil, "late=0; pay=3600"},
		{"signal: expiry, below: 6h, where: {consumer_group: stock}", nil, ""},
		{"signal: expiry, below: 6h", func(s *samples) { s.topics.err = errors.New("timeout") }, "what the brokers hold is not known"},
		{"signal: failed_again_ratio, above: 20%", nil, "=0.5"},
		{"signal: failed_again_ratio, above: 20%, by: [consumer_group]", nil, "pay=0.3"},
		{"signal: failed_again_ratio, above: 20%", func(s *samples) { s.replays.err = errors.New("x") }, "what became of the replays is not known"},
		{"signal: unclassified_ratio, above: 20%", nil, "=0.68"},
		{"signal: unclassified_ratio, above: 20%, by: [consumer_group]", nil, "pay=0.5"},
		{"signal: intake_stalled", nil, "=1"},
		{"signal: intake_stalled, by: [consumer_group]", nil, "late=1; locked=0; pay=0; stale=1; stock=0"},
		{"signal: intake_stalled, by: [consumer_group]", func(s *samples) { s.stalled = true }, "late=1; locked=0; pay=1; stale=1; stock=0"},
		{"signal: intake_stalled", func(s *samples) { s.topics.value = nil }, "=0"},
		{"signal: intake_stalled", func(s *samples) { s.topics.value, s.stalled = nil, true }, "=1"},
		{"signal: intake_stalled", func(s *samples) { s.status.Reachable = false }, "whether intake is stalled is not known: the cluster cannot be reached"},
		{"signal: broker_unreachable, by: [cluster]", nil, "c1=0"},
		{"signal: broker_unreachable, by: [cluster]", func(s *samples) { s.status.Reachable = false }, "c1=1"},
		{"signal: broker_unreachable", func(s *samples) { s.status = dlq.ClusterStatus{Error: "no name server is set"} }, "=0"},
		{"signal: broker_unreachable", func(s *samples) { s.status.Reachable, s.status.Since = false, nil }, "the cluster was not asked yet"},
		{"signal: rules_refused", nil, "=0"},
		{"signal: rules_refused", func(s *samples) { s.refused = true }, "=1"},
		{"signal: disk, above: 90%", nil, "=0.93"},
		{"signal: disk, above: 90%", func(s *samples) { s.disk.err = errors.New("x") }, "the used part of the disk is not known"},
	} {
		c := compiled(t, quick+"alerts: [{name: a, receivers: [ops], "+tt.rule+"}]\n")
		s := world()
		if tt.change != nil {
			tt.change(&s)
		}
		values, err := measure(&c.rules[0], &s)
		var all []string
		for _, v := range values {
			var labels []string
			for _, name := range c.rules[0].by {
				labels = append(labels, v.labels[name])
			}
			text := fmt.Sprintf("%s=%v", strings.Join(labels, ","), math.Round(v.value*100)/100)
			for _, r := range v.reasons {
				text += fmt.Sprintf(" %s:%d", r.Value, r.Count)
			}
			all = append(all, text)
		}
		got := strings.Join(all, "; ")
		if err != nil {
			got = dlq.SentenceOf(err, dlq.Unexpected)
		}
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.rule, got, tt.want)
		}
	}
}

// What an alert measures in its last moment must be what makes it: a threshold is not reached by itself.
func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		holds map[float64]bool
	}{
		{"signal: open_letters, above: 100", map[float64]bool{99: false, 100: false, 101: true}},
		{"signal: expiry, below: 6h", map[float64]bool{21599: true, 21600: false, 21601: false, 0: true}},
		{"signal: disk, above: 90%", map[float64]bool{0.9: false, 0.91: true}},
		{"signal: rules_refused", map[float64]bool{0: false, 1: true}},
	} {
		c := compiled(t, quick+"alerts: [{name: a, receivers: [ops], "+tt.rule+"}]\n")
		for v, want := range tt.holds {
			if got := c.rules[0].holds(v); got != want {
				t.Errorf("%s: %v holds: %v", tt.rule, v, got)
			}
		}
	}
}

func TestInstance(t *testing.T) {
	one := instance("r", map[string]string{"a": "1", "b": "2"})
	if len(one) != 16 || one != instance("r", map[string]string{"b": "2", "a": "1"}) {
		t.Errorf("%s", one)
	}
	seen := map[string]bool{one: true}
	for _, other := range []string{instance("r", map[string]string{"a": "12", "b": ""}), instance("ra", map[string]string{"": "1", "b": "2"}), instance("r", nil), instance("r", map[string]string{"a": "1"})} {
		if seen[other] {
			t.Errorf("%s is twice", other)
		}
		seen[other] = true
	}
}

func TestDiskUsed(t *testing.T) {
	dir := t.TempDir()
	used, err := DiskUsed(filepath.Join(dir, "not there yet.db"))
	if err != nil || used <= 0 || used > 1 {
		t.Errorf("%v, %v", used, err)
	}
	if _, err := DiskUsed(filepath.Join(dir, "no", "such", "folder.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
