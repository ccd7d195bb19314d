package rocketmq

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

func TestTrailRemembersWhatMatters(t *testing.T) {
	stored := func(topic, real, replay string) *remoting.Message {
		return &remoting.Message{Topic: topic, Properties: map[string]string{dlq.PropUniqueKey: topic + real + replay, dlq.PropRealTopic: real, dlq.PropReplayID: replay}}
	}
	for _, c := range []struct {
		m           *remoting.Message
		marked, all bool // remembered by a trail of marked copies, and by one of all
	}{
		{stored("%RETRY%g", "", "r1"), true, true},
		{stored("%RETRY%g", "%RETRY%g", ""), false, true},
		{stored("%DLQ%g", "", "r1"), true, true},
		{stored("%DLQ%g", "", ""), false, true},
		{stored("%RETRY%g_orders", "", "r1"), true, true},
		{stored(topicSchedule, "%RETRY%g", "r1"), true, true},
		{stored(topicSchedule, "%DLQ%g", ""), false, true},
		{stored(topicSchedule, "%RETRY%other", "r1"), false, false},
		{stored(topicSchedule, "orders", "r1"), true, true},
		{stored(topicSchedule, "orders", ""), false, false},
		{stored(topicTimer, "%RETRY%g", "r1"), true, true},
		{&remoting.Message{Topic: "%RETRY%g", Properties: map[string]string{dlq.PropReplayID: "r1"}}, false, false},
	} {
		for all, want := range map[bool]bool{false: c.marked, true: c.all} {
			tr := newTrail(nil, "g", all, time.Time{})
			tr.note(lane{broker: "b", topic: c.m.Topic}, c.m)
			if got := tr.count == 1; got != want {
				t.Errorf("%s %v, all %t: remembered %t", c.m.Topic, c.m.Properties, all, got)
			}
		}
	}
}

// A copy that a trail remembers tells as much as the stored one.
func TestMarkIsFaithful(t *testing.T) {
	for _, want := range []trace{
		copyOf("%RETRY%g", 1000, 0, dlq.PropRealTopic, "%RETRY%g", dlq.PropTags, "new", dlq.PropRetryTopic, "orders"),
		copyOf(topicSchedule, 2000, 1, dlq.PropRealTopic, "%DLQ%g"),
		copyOf("%RETRY%g_orders", 3000, 1, propFirstPop, "1"),
	} {
		got := markOf(lane{broker: want.broker, topic: want.m.Topic, queue: want.m.QueueID}, &want.m).trace("K")
		a, b := classify(replayB, []trace{want}), classify(replayB, []trace{got})
		if diff := cmp.Diff(a.copies, b.copies); diff != "" || a.parked != b.parked || a.popped != b.popped || a.tags != b.tags || !ours(replayB, "b", &got.m) {
			t.Errorf("%s %+v\n%+v", diff, a, b)
		}
	}
}

func TestTrailShortens(t *testing.T) {
	tr := newTrail(nil, "g", false, time.UnixMilli(0))
	for at := int64(1000); at < 1010; at++ {
		k := copyOf("%RETRY%g", at, 0)
		tr.note(lane{broker: "b", topic: "%RETRY%g"}, &k.m)
	}
	tr.shorten()
	if tr.count != 4 || len(tr.marks["K"]) != 4 || tr.since.UnixMilli() != 1006 || tr.halved != 1 {
		t.Errorf("%d left, since %d", tr.count, tr.since.UnixMilli())
	}
	tr.shorten()
	tr.shorten()
	if tr.count != 0 || len(tr.marks) != 0 {
		t.Errorf("%d left", tr.count)
	}
}

// Whether everything of a replay is known is told by its first copy, not by clocks that may differ.
func TestTrailShowsAll(t *testing.T) {
	first := copyOf("%RETRY%g", 5000, 0)
	again := copyOf(topicSchedule, 6000, 1, dlq.PropRealTopic, "%RETRY%g")
	b, c := asked{Replay: replayB}, asked{Replay: replayB}
	b.Receipt = dlq.Receipt{Broker: "b", MessageID: first.m.OffsetID()}
	c.Door, c.IntendedAt = dlq.DoorBack, time.UnixMilli(5000)
	for name, tt := range map[string]struct {
		r      asked
		since  time.Time
		traces []trace
		want   bool
	}{
		"its first copy is there":    {b, time.UnixMilli(5000), []trace{first, again}, true},
		"a later copy alone":         {b, time.UnixMilli(5500), []trace{again}, false},
		"the trail begins behind it": {b, time.UnixMilli(5001), []trace{first, again}, false},
		"nothing":                    {b, time.UnixMilli(0), nil, false},
		"on another broker":          {b, time.UnixMilli(0), []trace{{broker: "z", m: first.m}}, false},
		"C, begun long before":       {c, time.UnixMilli(5000).Add(-clockSlack), []trace{first}, true},
		"C, begun just before":       {c, time.UnixMilli(4000), []trace{first}, false},
		"C, nothing is there yet":    {c, time.UnixMilli(0), nil, false},
	} {
		f := &following{trail: newTrail(nil, "g", true, tt.since), open: map[string]*openReplay{}}
		if got := f.shows(tt.r, tt.traces); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		f.open[tt.r.ID] = &openReplay{trail: f.trail}
		if !f.shows(tt.r, tt.traces) {
			t.Errorf("%s: it was searched", name)
		}
		f.trail.halved++
		if got := f.shows(tt.r, tt.traces); got != tt.want {
			t.Errorf("%s: %t after the trail was halved", name, got)
		}
	}
}

func TestTrailBegins(t *testing.T) {
	now := time.Now()
	o := &round{snapshot: &snapshot{b: &Broker{limits: limits{few: 3}}, at: now}}
	sent := func(ages ...time.Duration) time.Duration {
		var list []asked
		for _, a := range ages {
			list = append(list, asked{Replay: dlq.Replay{IntendedAt: now.Add(-a)}})
		}
		slices.Reverse(list)
		return now.Sub(o.from(list))
	}
	for _, c := range []struct{ got, want time.Duration }{
		{sent(time.Second), time.Second},
		{sent(time.Second, 4*time.Minute), 4 * time.Minute},
		{sent(time.Second, time.Hour, 2*time.Hour), time.Second},
		{sent(time.Second, time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour, 5*time.Hour), 2 * time.Hour},
		{sent(5 * time.Hour), 5 * time.Hour},
	} {
		if c.got != c.want {
			t.Errorf("begins %s back, not %s", c.got, c.want)
		}
	}
}
