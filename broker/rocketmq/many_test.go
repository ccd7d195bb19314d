package rocketmq

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// verdictOf puts evidence into one word, as the replay room reads it.
func verdictOf(ev dlq.Evidence) string {
	at := places(ev)
	switch {
	case slices.Contains(at, dlq.PlaceDead):
		return "dead"
	case len(at) == 0:
		return "nothing"
	case at[len(at)-1] == dlq.PlaceParked:
		return "parked"
	case ev.PassedKnown && ev.Passed && ev.Filtered:
		return "filtered"
	case ev.PassedKnown && ev.Passed:
		return "passed"
	case at[len(at)-1] == dlq.PlaceRetry:
		return "retried"
	case !ev.Online:
		return "offline"
	}
	return "waiting"
}

// many is a set of replays of one consumer group, and what must become of each.
type many struct {
	*scene
	list []dlq.Replay
	want []string
}

func newMany(t *testing.T, n *node.Node) *many {
	t.Helper()
	s := &scene{t: t, n: n, bn: newBench(t, n), b: open(t, n), topic: unique("orders"), group: unique("stock")}
	s.bn.topic(s.topic, 2, 6)
	s.bn.group(s.group, 1)
	s.bn.topic(dlq.DLQPrefix+s.group, 1, 6)
	return &many{scene: s}
}

// add sends one replay with a letter of its own.
func (m *many) add(want string, door dlq.Door, body string, change func(*dlq.SendRequest)) {
	m.t.Helper()
	m.dead = dlq.DeadMessage{Position: dlq.Position{Queue: dlq.Queue{Cluster: m.n.Cluster(), Broker: m.n.BrokerName()}}, Body: []byte(body), Properties: map[string]string{dlq.PropUniqueKey: newKey()}}
	if door == dlq.DoorBack {
		res := m.bn.put(dlq.DLQPrefix+m.group, body, map[string]string{dlq.PropUniqueKey: m.dead.UniqueKey(), dlq.PropRetryTopic: m.topic, dlq.PropTags: "new"})
		_, offset, err := remoting.ParseMessageID(res.MessageID)
		if err != nil {
			m.t.Fatal(err)
		}
		m.dead.PhysOffset = offset
	}
	req := m.request(door)
	if door == dlq.DoorBack {
		req.Replay.DelayLevel = 1
	}
	if change != nil {
		change(&req)
	}
	m.list = append(m.list, m.send(req))
	m.want = append(m.want, want)
}

// settle looks until every replay has become what it must, by both ways of looking. It fails when one is taken for
// consumed that was not: seen so twice, a second apart, without anything newer.
func (m *many) settle(limit time.Duration) {
	m.t.Helper()
	passed := map[string]time.Time{}
	eventually(m.t, limit, func() string {
		evs, errs := m.b.LookMany(m.t.Context(), m.list)
		open := ""
		for i, r := range m.list {
			if errs[i] != nil {
				open = errs[i].Error()
				continue
			}
			got := verdictOf(evs[i])
			if got != "passed" {
				delete(passed, r.ID)
			} else if at, before := passed[r.ID]; !before {
				passed[r.ID] = time.Now()
			} else if m.want[i] != "passed" && time.Since(at) > time.Second {
				m.t.Fatalf("door %s, %q: consumed, it says, and %s it must be: %+v", r.Door, m.want[i], m.want[i], evs[i])
			}
			if got != m.want[i] {
				open = fmt.Sprintf("door %s is %s, not %s: %+v", r.Door, got, m.want[i], evs[i])
			}
		}
		return open
	})
	evs, errs := m.b.LookMany(m.t.Context(), m.list)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for i, r := range m.list {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			one, err := m.b.Look(m.t.Context(), r)
			if err != nil || errs[i] != nil {
				m.t.Errorf("door %s: %v, %v", r.Door, err, errs[i])
			}
			if verdictOf(one) != m.want[i] || verdictOf(evs[i]) != m.want[i] || !slices.Equal(places(one), places(evs[i])) ||
				one.Online != evs[i].Online || one.Filtered != evs[i].Filtered || one.Expired != evs[i].Expired || one.Retry != evs[i].Retry {
				m.t.Errorf("door %s must be %s:\none by one %+v\ntogether   %+v", r.Door, m.want[i], one, evs[i])
				return
			}
			for k := range one.Copies {
				moved := one.Copies[k].Place == dlq.PlaceDead && isParking(evs[i].Copies[k].Topic) // on its way there: 4.9
				if one.Copies[k] != evs[i].Copies[k] && !moved {
					m.t.Errorf("door %s: copy %+v, together %+v", r.Door, one.Copies[k], evs[i].Copies[k])
				}
			}
		})
	}
	wg.Wait()
}

// isFollowed says whether the queues of the group are read on, and fails otherwise.
func (m *many) isFollowed(want bool) {
	m.t.Helper()
	if got := m.b.following(m.group).trail != nil; got != want {
		m.t.Errorf("followed: %t", got)
	}
}

// Many replays looked at together come out as each by itself: consumed, failed again, parked, filtered, and offline.
func TestLookManyAgreesWithLook(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMany(t, n)
		m.shop = n.Consume(t, m.group, m.topic, "-tags", "new || other")
		m.shop.Say("well")
		level := func(n int) func(*dlq.SendRequest) {
			return func(r *dlq.SendRequest) {
				at := time.Now().Add(time.Duration(n) * time.Second)
				r.Replay.DelayLevel, r.Replay.DeliverAt = n, &at
			}
		}
		timer := func(r *dlq.SendRequest) {
			at := time.Now().Add(3 * time.Second)
			r.TimerAt, r.Replay.DeliverAt = &at, &at
		}
		filtered := func(r *dlq.SendRequest) { r.Properties[dlq.PropTags] = "unwanted" }
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic, dlq.DoorBack} {
			for range 8 {
				m.add("passed", door, "good", nil)
				m.add("dead", door, "bad", nil)
			}
			for range 3 {
				m.add("passed", door, "good", level(3))
				m.add("dead", door, "bad", level(2))
			}
		}
		for range 3 {
			m.add("filtered", dlq.DoorTopic, "good", filtered)
			if n.Version() == node.V5 {
				m.add("passed", dlq.DoorTopic, "good", timer)
				m.add("passed", dlq.DoorRetry, "good", timer)
				m.add("dead", dlq.DoorRetry, "bad", timer)
			}
		}
		m.settle(90 * time.Second)
		m.isFollowed(true)
		for i, r := range m.list { // what failed was seen at each step of its way
			if m.want[i] == "dead" && r.Door == dlq.DoorRetry && !delayed(r) {
				var way []string
				for _, k := range m.b.following(m.group).trail.marks[r.UniqueKey] {
					way = append(way, k.topic)
				}
				slices.Sort(way)
				retry := dlq.RetryPrefix + m.group
				if want := []string{dlq.DLQPrefix + m.group, retry, retry, topicSchedule}; !slices.Equal(way, want) {
					t.Errorf("its copies were seen in %v, not in %v", way, want)
				}
			}
		}

		// A console that comes later finds out the same.
		m.b = open(t, n)
		m.settle(30 * time.Second)
		m.isFollowed(true)

		// Offline, and back.
		m.shop.Stop()
		eventually(t, 30*time.Second, func() string {
			if info, err := m.b.Group(t.Context(), m.group, nil); err != nil || info.Online {
				return fmt.Sprintf("%+v, %v", info, err)
			}
			return ""
		})
		m.list, m.want = nil, nil
		for range 30 {
			m.add("offline", dlq.DoorRetry, "good", nil)
			m.add("offline", dlq.DoorTopic, "good", nil)
		}
		m.settle(20 * time.Second)
		m.shop = n.Consume(t, m.group, m.topic)
		m.shop.Say("well")
		for i := range m.want {
			m.want[i] = "passed"
		}
		m.settle(60 * time.Second)
		m.isFollowed(true)
	})
}

// The same for orderly groups, whose consumers keep what fails to themselves until it dies.
func TestLookManyOrderly(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		for _, language := range []string{"go", "java"} {
			m := newMany(t, n)
			if language == "go" {
				m.shop = n.Consume(t, m.group, m.topic, "-orderly")
			} else {
				m.shop = consumeInJava(t, n, m.group, m.topic, "orderly")
			}
			m.shop.Say("well")
			for i := range 60 {
				if i%20 == 7 {
					m.add("dead", dlq.DoorBack, "bad", nil)
				} else {
					m.add("passed", dlq.DoorBack, "good", nil)
				}
			}
			m.settle(120 * time.Second)
			m.isFollowed(true)
			m.shop.Stop()
		}
	})
}

// Two thousand open replays of one group cost less than two hundred requests a round.
func TestLookManyIsCheap(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		const count, dear = 2000, 200
		m := newMany(t, n)
		m.shop = n.Consume(t, m.group, m.topic)
		m.shop.Say("well")
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
			m.list = make([]dlq.Replay, count)
			var wg sync.WaitGroup
			for k := range 8 {
				wg.Go(func() {
					for i := k; i < count; i += 8 {
						m.list[i] = m.quick(door, "good")
					}
				})
			}
			wg.Wait()
			rounds, most := 0, int64(0)
			eventually(t, 90*time.Second, func() string {
				before := m.requests()
				evs, errs := m.b.LookMany(t.Context(), m.list)
				spent := m.requests() - before
				rounds, most = rounds+1, max(most, spent)
				if spent >= dear {
					t.Fatalf("round %d cost %d requests", rounds, spent)
				}
				for i := range evs {
					if errs[i] != nil || verdictOf(evs[i]) != "passed" {
						return fmt.Sprintf("%+v, %v", evs[i], errs[i])
					}
				}
				return ""
			})
			t.Logf("door %s: %d rounds, at most %d requests each", door, rounds, most)
		}
	})
}

func (s *scene) requests() (n int64) {
	for i := range s.b.requests {
		n += s.b.requests[i].Load()
	}
	return n
}

// quick puts a replay where a door would, with one request.
func (s *scene) quick(door dlq.Door, body string) dlq.Replay {
	now := time.Now().UTC()
	r := dlq.Replay{
		ID: strings.ToLower(newKey()), Door: door, ConsumerGroup: s.group, Topic: s.topic, Target: dlq.RetryPrefix + s.group, UniqueKey: newKey(),
		IntendedAt: now, SentAt: &now, Outcome: dlq.OutcomeWaiting,
	}
	props := map[string]string{dlq.PropUniqueKey: r.UniqueKey, dlq.PropReplayID: r.ID, dlq.PropRetryTopic: s.topic}
	if door == dlq.DoorTopic {
		r.Target = s.topic
	}
	res := s.bn.put(r.Target, body, props)
	r.Receipt = dlq.Receipt{Broker: s.n.BrokerName(), Queue: res.Queue, Offset: res.QueueOffset, MessageID: res.MessageID}
	return r
}

// What one round cannot do is said to be open, and a later one does it; what cannot be followed is looked for by its key.
func TestLookManyWithinLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMany(t, n)
		m.shop = n.Consume(t, m.group, m.topic)
		m.shop.Say("well")
		for range 200 {
			m.list = append(m.list, m.quick(dlq.DoorRetry, "good"))
			m.want = append(m.want, "passed")
		}
		m.b.limits.pulls = 2
		_, errs := m.b.LookMany(t.Context(), m.list)
		if dlq.CodeOf(errs[0]) != dlq.CodeUnavailable || !strings.Contains(errs[0].Error(), "still being read") {
			t.Errorf("with two pulls: %v", errs[0])
		}
		m.settle(60 * time.Second)
		m.isFollowed(true)

		// A trail that forgets must look for what it forgot.
		m.b = open(t, n)
		m.b.limits.marks = 150
		m.settle(60 * time.Second)
		if got := m.b.following(m.group).trail.count; got > 150 {
			t.Errorf("%d copies are remembered", got)
		}

		// Too far behind to be followed: by key, so many at a time.
		m.b = open(t, n)
		m.b.limits.backlog, m.b.limits.searches = 20, 150
		_, errs = m.b.LookMany(t.Context(), m.list)
		if errs[0] != nil || dlq.CodeOf(errs[199]) != dlq.CodeUnavailable {
			t.Errorf("by key: %v, %v", errs[0], errs[199])
		}
		m.isFollowed(false)
		m.b.limits.searches = 200
		m.settle(60 * time.Second)
		m.isFollowed(false)

		// A dead-letter topic that may not be read cannot be followed either.
		m.bn.topic(dlq.DLQPrefix+m.group, 1, 2)
		m.bn.put(dlq.DLQPrefix+m.group, "x", map[string]string{dlq.PropUniqueKey: newKey()})
		m.b = open(t, n)
		m.settle(60 * time.Second)
		m.isFollowed(false)

		// Few are looked for by key as well.
		m.b = open(t, n)
		m.list, m.want = m.list[:50], m.want[:50]
		m.settle(30 * time.Second)
		m.isFollowed(false)
	})
}
