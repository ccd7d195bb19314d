package rocketmq

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Door P reaches the gRPC clients of one consumer group, at once and after a delay; what fails again comes back. A probe of
// them tells whether, and never why.
func TestGRPCGroup(t *testing.T) {
	t.Parallel()
	n := node.Own(t, node.Options{Proxy: true, DelayLevels: node.ShortDelays})
	m := newMany(t, n)
	jars, err := n.Jars(t.Context(), node.GRPCClient)
	if err != nil {
		t.Fatal(err)
	}
	m.shop = node.Follow(t, exec.Command("java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Duser.home="+t.TempDir(), "-cp", jars,
		filepath.Join("testdata", "GrpcConsumer.java"), n.ProxyAddr(), m.group, m.topic, "push"))
	m.shop.Say("well")
	client := m.online()

	m.add("waiting", dlq.DoorPop, "now", nil)
	m.add("waiting", dlq.DoorPop, "level", func(r *dlq.SendRequest) { r.Replay.DelayLevel = 2 })
	m.add("waiting", dlq.DoorPop, "timer", func(r *dlq.SendRequest) {
		at := time.Now().Add(3 * time.Second)
		r.TimerAt, r.Replay.DeliverAt = &at, &at
	})
	for i, r := range m.list {
		eventually(t, 30*time.Second, func() string {
			if m.heard(r) == 0 {
				return "not delivered by door P"
			}
			return ""
		})
		least := []time.Duration{-time.Minute, 1500 * time.Millisecond, 1500 * time.Millisecond}[i]
		heard := m.shop.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] == r.ID })
		if after := heard[0].At.Sub(*r.SentAt); after < least || i == 0 && after > 10*time.Second { // nobody woken polls every 20 s
			t.Errorf("replay %d was delivered after %s", i, after)
		}
		if heard[0].Topic != m.topic || heard[0].Attempts != 0 {
			t.Errorf("replay %d: %+v", i, heard[0])
		}
	}
	for range 30 {
		m.add("waiting", dlq.DoorPop, "good", nil)
		m.add("waiting", dlq.DoorTopic, "good", nil)
	}
	m.settle(30 * time.Second)
	m.isFollowed(true)
	evs, _ := m.b.LookMany(t.Context(), m.list)
	for i, ev := range evs {
		if ev.PassedKnown || !ev.Online || ev.Retry < time.Second {
			t.Errorf("%s: %+v", m.list[i].Door, ev)
		}
	}

	d := m.patient(m.topic, "good", true, true)
	if a, err := m.b.Probe(t.Context(), m.group, client, d); err != nil || a.Verdict != dlq.ProbeSuccess || a.Trusted || a.Text != "" || a.OnDead {
		t.Errorf("well: %+v, %v", a, err)
	}
	m.shop.Say("sick")
	if a, err := m.b.Probe(t.Context(), m.group, "", d); err != nil || a.Verdict != dlq.ProbeLater || a.Trusted || a.Text != "" {
		t.Errorf("sick: %+v, %v", a, err)
	}

	m.list, m.want = nil, nil
	for range 5 {
		m.add("dead", dlq.DoorPop, "bad", nil)
		m.add("dead", dlq.DoorTopic, "bad", nil)
	}
	m.settle(90 * time.Second)
	m.isFollowed(true)

	req := m.request(dlq.DoorPop)
	req.Replay.Target = dlq.RetryPrefix + m.group
	if _, result, err := m.b.Send(t.Context(), req); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeRefused {
		t.Errorf("to another topic: %s, %v", result, err)
	}
	fifo := &many{scene: &scene{t: t, n: n, bn: m.bn, b: m.b, topic: m.topic, group: unique("fifo"), dead: m.dead}}
	g := remoting.SubscriptionGroup{Name: fifo.group, ConsumeEnable: true, Orderly: true, RetryQueues: 1, RetryMaxTimes: 1}
	if err := m.bn.wire.UpdateSubscriptionGroup(m.bn.ctx(), n.BrokerAddr(), g); err != nil {
		t.Fatal(err)
	}
	if _, result, err := m.b.Send(t.Context(), fifo.request(dlq.DoorPop)); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeRefused {
		t.Errorf("to a FIFO group: %s, %v", result, err)
	}
}

// To another consumer group, and to another topic: both must exist, and the other group gets it under the original topic.
func TestOtherTargets(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMany(t, n)
		other := unique("audit")
		m.bn.group(other, 1)
		elsewhere := unique("elsewhere")
		m.bn.topic(elsewhere, 1, 6)
		audit := n.Consume(t, other, elsewhere) // it does not even subscribe to the topic
		audit.Say("well")
		m.shop = n.Consume(t, m.group, m.topic)
		m.shop.Say("well")

		m.add("passed", dlq.DoorRetry, "good", func(r *dlq.SendRequest) {
			r.Replay.TargetKind, r.Replay.ConsumerGroup, r.Replay.Target = dlq.TargetOtherGroup, other, dlq.RetryPrefix+other
			r.Replay.Topic, r.Properties[dlq.PropRetryTopic] = elsewhere, elsewhere
		})
		m.settle(40 * time.Second)
		r := m.list[0]
		if got := audit.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] == r.ID }); len(got) != 1 || got[0].Topic != elsewhere {
			t.Errorf("the other group got %+v", got)
		}
		m.add("", dlq.DoorTopic, "good", func(r *dlq.SendRequest) {
			r.Replay.TargetKind, r.Replay.Target, r.Replay.Topic = dlq.TargetOtherTopic, elsewhere, elsewhere
		})
		eventually(t, 20*time.Second, func() string {
			if got := audit.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] == m.list[1].ID }); len(got) != 1 {
				return fmt.Sprintf("by the other topic: %+v", got)
			}
			return ""
		})
		if n := m.heard(r) + m.heard(m.list[1]); n != 0 {
			t.Errorf("the failed group got them, too: %d", n)
		}
		ghost := unique("ghost")
		for name, change := range map[string]func(*dlq.SendRequest){
			"no such topic":  func(r *dlq.SendRequest) { r.Replay.Target = ghost },
			"a retry topic":  func(r *dlq.SendRequest) { r.Replay.Target = dlq.RetryPrefix + other },
			"dead letters":   func(r *dlq.SendRequest) { r.Replay.Target = dlq.DLQPrefix + m.group },
			"a system topic": func(r *dlq.SendRequest) { r.Replay.Target = topicSchedule },
			"no such group": func(r *dlq.SendRequest) {
				r.Replay.Door, r.Replay.ConsumerGroup, r.Replay.Target = dlq.DoorRetry, ghost, dlq.RetryPrefix+ghost
			},
		} {
			req := m.request(dlq.DoorTopic)
			change(&req)
			if _, result, err := m.b.Send(t.Context(), req); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeRefused {
				t.Errorf("%s: %s, %v", name, result, err)
			}
		}
		if n.Version() == node.V4 {
			if _, result, err := m.b.Send(t.Context(), m.request(dlq.DoorPop)); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeNotSupported {
				t.Errorf("door P on 4.9: %s, %v", result, err)
			}
		}
	})
}
