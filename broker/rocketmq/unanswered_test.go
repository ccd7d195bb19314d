package rocketmq

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// A send that is not answered is neither sent nor not sent; asking the broker later settles it.
func TestUnansweredSends(t *testing.T) {
	onOwn(t, node.Options{}, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 1, 6)
		bn.group(group, 1)
		dead := bn.put(dlq.DLQPrefix+group, "order", map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": topic})
		desk := newDesk()
		s := &scene{t: t, n: n, bn: bn, desk: desk, b: open(t, n), topic: topic, group: group}
		start(t, s.b, desk)
		s.dead = s.deaths(1)[0]
		if s.dead.MessageID != dead.MessageID {
			t.Errorf("id %s, the broker said %s", s.dead.MessageID, dead.MessageID)
		}
		doors := []dlq.Door{dlq.DoorTopic, dlq.DoorRetry, dlq.DoorBack}
		for _, door := range doors { // connections and caches are there
			req := s.request(door)
			req.Replay.DelayLevel = 18
			s.send(req)
		}
		for _, door := range doors {
			for tries := 1; ; tries++ {
				r := s.unanswered(door)
				if door == dlq.DoorBack || s.isStored(r, 15*time.Second) {
					break
				}
				// Whoever gave up may have closed its connection before the broker had read the request: then it is truly absent.
				if tries == 3 {
					t.Fatalf("door %s: of three sends that were not answered none was stored", door)
				}
			}
		}
		m := &many{scene: s}
		for range 60 {
			m.list, m.want = append(m.list, s.quick(dlq.DoorRetry, "good")), append(m.want, "offline")
		}
		m.settle(20 * time.Second)
		m.isFollowed(true)
		if err := n.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		evs, errs := s.b.LookMany(t.Context(), m.list)
		for i := range evs {
			if dlq.CodeOf(errs[i]) != dlq.CodeUnavailable && len(evs[i].Away) == 0 {
				t.Errorf("many looks at a broker that is gone: %+v, %v", evs[i], errs[i])
			}
		}
		for _, door := range doors {
			if _, result, err := s.b.Send(t.Context(), s.request(door)); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeUnavailable {
				t.Errorf("door %s to a broker that is gone: %s, %v", door, result, err)
			}
		}
		// It may have lost what it had not written, so its queues are read anew.
		before := s.b.following(group).trail
		if err := n.StartBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.settle(60 * time.Second)
		eventually(t, 30*time.Second, func() string { // a broker that has just begun may not let itself be followed at once
			s.b.LookMany(t.Context(), m.list)
			if s.b.following(group).trail == before {
				return "what was known of the queues before the broker's end is still trusted"
			}
			return ""
		})
		m.settle(60 * time.Second)
		m.isFollowed(true)
	})
}

// unanswered sends to a broker that stands still after it was asked what it is, and before it stores.
func (s *scene) unanswered(door dlq.Door) dlq.Replay {
	t := s.t
	t.Helper()
	if err := s.n.PauseBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() string { // a signal takes effect a little later
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := s.bn.wire.BrokerRuntimeInfo(ctx, s.n.BrokerAddr()); err == nil {
			return "it still answers"
		}
		return ""
	})
	// What was known of group and cluster is as of a moment ago, however long the machine took to stop the broker.
	s.b.mu.Lock()
	p, now := s.b.presences[s.group], s.b.now().Add(15*time.Second) // longer than what is asked before a send
	p.at = now
	s.b.presences[s.group], s.b.cluster.at = p, now
	table := s.b.tables[s.n.BrokerAddr()]
	table.at = now
	s.b.tables[s.n.BrokerAddr()] = table
	s.b.mu.Unlock()
	for _, target := range []string{s.topic, dlq.RetryPrefix + s.group} {
		g := s.b.gaugeOf(counter{s.group, s.n.BrokerName(), target})
		g.mu.Lock()
		g.samples = append(g.samples, sample{at: now})
		g.mu.Unlock()
	}
	req := s.request(door)
	req.Replay.DelayLevel = 18
	_, result, err := s.b.Send(t.Context(), req)
	if door == dlq.DoorBack {
		// Door C reads the dead copy first, so nothing was asked of the broker yet.
		if result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("door C: %s, %v", result, err)
		}
	} else if result != dlq.SentUnknown || dlq.CodeOf(err) != dlq.CodeUnavailable {
		t.Errorf("door %s: %s, %v", door, result, err)
	}
	req.Replay.Outcome = dlq.OutcomeSending
	if ev, err := s.b.Look(t.Context(), req.Replay); dlq.CodeOf(err) != dlq.CodeUnavailable && !slices.Equal(ev.Away, []string{s.n.BrokerName()}) {
		t.Errorf("a look at a broker that stands still: %+v, %v", ev, err)
	}
	if err := s.n.ResumeBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() string {
		ev, err := s.b.Look(t.Context(), req.Replay)
		if st := s.b.Status(); err != nil || !st.Reachable || len(ev.Away) > 0 {
			return fmt.Sprintf("%v, %+v", err, st)
		}
		return ""
	})
	return req.Replay
}

// isStored waits a while for one copy of a replay, parked or delivered since.
func (s *scene) isStored(r dlq.Replay, patience time.Duration) bool {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if stored(places(s.look(r))) {
			return true
		}
	}
	return false
}

// stored says whether there is one copy, parked or delivered since.
func stored(at []dlq.CopyPlace) bool {
	return len(at) == 1 && (at[0] == dlq.PlaceParked || at[0] == dlq.PlaceTarget)
}
