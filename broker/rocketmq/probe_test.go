package rocketmq

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// patient is a dead message whose parts lie where a test wants them.
func (m *many) patient(topic, body string, original, dead bool) *dlq.DeadMessage {
	m.t.Helper()
	d := &dlq.DeadMessage{
		Position:      dlq.Position{Queue: dlq.Queue{Cluster: m.n.Cluster(), Broker: m.n.BrokerName(), Topic: dlq.DLQPrefix + m.group}},
		ConsumerGroup: m.group, OriginalTopic: topic, PhysOffset: 1 << 50, ReconsumeTimes: 2, Body: []byte(body),
		Properties: map[string]string{dlq.PropUniqueKey: newKey(), dlq.PropRetryTopic: topic},
	}
	if original {
		res := m.bn.put(topic, body, map[string]string{dlq.PropUniqueKey: d.UniqueKey()})
		d.Properties[dlq.PropOriginID] = res.MessageID
	}
	if dead {
		res := m.bn.put(d.Topic, body, d.Properties)
		_, offset, err := remoting.ParseMessageID(res.MessageID)
		if err != nil {
			m.t.Fatal(err)
		}
		d.PhysOffset, d.Offset, d.MessageID = offset, res.QueueOffset, res.MessageID
	}
	return d
}

func (m *many) online() string {
	m.t.Helper()
	client := ""
	eventually(m.t, 60*time.Second, func() string {
		info, err := m.b.Group(m.t.Context(), m.group, nil)
		if err != nil || len(info.Clients) != 1 {
			return fmt.Sprintf("%+v, %v", info, err)
		}
		client = info.Clients[0].ID
		return ""
	})
	return client
}

// A Java client tells everything: success, failure, the exception, and that it returned nothing; on the original where there
// is one, else on the dead copy.
func TestProbeJava(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		for _, kind := range []string{"concurrent", "orderly"} {
			m := newMany(t, n)
			other := unique("elsewhere") // nobody consumes it, and a Java client runs its listener on it all the same
			m.bn.topic(other, 1, 6)
			m.shop = consumeInJava(t, n, m.group, m.topic, kind)
			m.shop.Say("well")
			client := m.online()

			// Questions about one client at the same time, from all sides: it must live.
			fresh := open(t, n)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if info, err := fresh.Group(t.Context(), m.group, nil); err != nil || info.Kind != dlq.GroupKind(kind) {
						t.Errorf("%+v, %v", info, err)
					}
				})
			}
			wg.Wait()

			for body, want := range map[string]dlq.ProbeVerdict{"good": dlq.ProbeSuccess, "bad": dlq.ProbeLater, "throw": dlq.ProbeException, "null": dlq.ProbeNull} {
				d := m.patient(other, body, true, true)
				a, err := m.b.Probe(t.Context(), m.group, client, d)
				if err != nil || a.Verdict != want || a.ClientID != client || a.Language != "JAVA" || !a.Trusted || a.OnDead || a.Spent < 0 || a.Spent > 10*time.Second {
					t.Errorf("%s, %s: %+v, %v", kind, body, a, err)
				}
				if strings.Contains(a.Text, "java.lang.IllegalStateException: no stock: 库存不足") != (want == dlq.ProbeException) {
					t.Errorf("%s, %s: text %q", kind, body, a.Text)
				}
				if got := m.shop.Heard(func(d node.Delivery) bool { return d.Topic == other }); len(got) == 0 {
					t.Errorf("%s, %s: not run under the original topic", kind, body)
				}
			}

			// By key, as for dead letters of Java orderly consumers, whose origin id is the UNIQ_KEY.
			d := m.patient(other, "throw", true, true)
			d.Properties[dlq.PropOriginID] = d.UniqueKey()
			eventually(t, 5*time.Second, func() string { // its index follows
				if a, err := m.b.Probe(t.Context(), m.group, "", d); err != nil || a.OnDead || a.Verdict != dlq.ProbeException {
					return fmt.Sprintf("by key: %+v, %v", a, err)
				}
				return ""
			})
			// An original with another body is not what died.
			d.Body = []byte("good")
			if a, err := m.b.Probe(t.Context(), m.group, "", d); err != nil || !a.OnDead {
				t.Errorf("an edited message: %+v, %v", a, err)
			}
			d = m.patient(other, "good", false, true)
			if a, err := m.b.Probe(t.Context(), m.group, "", d); err != nil || !a.OnDead || a.Verdict != dlq.ProbeSuccess {
				t.Errorf("on the dead copy: %+v, %v", a, err)
			}
			if got := m.shop.Heard(func(d node.Delivery) bool { return d.Topic == dlq.DLQPrefix+m.group }); len(got) == 0 {
				t.Error("the dead copy was not run under its own topic")
			}
			if _, err := m.b.Probe(t.Context(), m.group, "", m.patient(other, "good", false, false)); dlq.CodeOf(err) != dlq.CodeRefused {
				t.Errorf("nothing left: %v", err)
			}
			if _, err := m.b.Probe(t.Context(), m.group, "nobody", d); dlq.CodeOf(err) != dlq.CodeNotFound {
				t.Errorf("another client: %v", err)
			}
			if kind == "concurrent" {
				a, err := m.b.Probe(t.Context(), m.group, client, m.patient(other, "slow 11", true, true))
				if err != nil || a.Verdict != dlq.ProbeTimeout || a.Spent < 9*time.Second || a.Spent > probePatience {
					t.Errorf("a slow listener: %+v, %v", a, err)
				}
			}
			m.shop.Stop()
			eventually(t, 30*time.Second, func() string {
				if _, err := m.b.Probe(t.Context(), m.group, "", d); dlq.CodeOf(err) != dlq.CodeRefused || !strings.Contains(err.Error(), "nobody") {
					return fmt.Sprint("offline: ", err)
				}
				return ""
			})
		}
	})
}

// A Go client takes the original alone. Its successes mean something where its listener is not an orderly one.
func TestProbeGo(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		for _, orderly := range []bool{false, true} {
			m := newMany(t, n)
			m.shop = n.Consume(t, m.group, m.topic, fmt.Sprintf("-orderly=%t", orderly))
			m.shop.Say("well")
			m.online()
			good, bad := m.patient(m.topic, "good", true, true), m.patient(m.topic, "bad", true, true)
			want := map[*dlq.DeadMessage]dlq.ProbeVerdict{good: dlq.ProbeSuccess, bad: dlq.ProbeLater}
			if orderly {
				want[bad] = dlq.ProbeSuccess // it suspended, says success, and is not to be trusted
			}
			for d, verdict := range want {
				eventually(t, 40*time.Second, func() string { // until the client tells its listener
					a, err := m.b.Probe(t.Context(), m.group, "", d)
					if err != nil || a.Verdict != verdict || a.Trusted == orderly || a.Language != "GO" || a.OnDead {
						return fmt.Sprintf("orderly %t, %s: %+v, %v", orderly, d.Body, a, err)
					}
					return ""
				})
			}
			if !orderly { // to an orderly group that is online 5.x diverts it
				// Given back by door B it lies in the retry topic under its own replay id; clients take that for the original.
				d := m.patient(m.topic, "good", true, true)
				d.Properties[dlq.PropReplayID] = "r1"
				m.bn.put(dlq.RetryPrefix+m.group, "good", d.Properties)
				eventually(t, 5*time.Second, func() string {
					if a, err := m.b.Probe(t.Context(), m.group, "", d); err != nil || a.OnDead || a.Verdict != dlq.ProbeSuccess {
						return fmt.Sprintf("from the retry topic: %+v, %v", a, err)
					}
					return ""
				})
			}
			if _, err := m.b.Probe(t.Context(), m.group, "", m.patient(m.topic, "good", false, true)); dlq.CodeOf(err) != dlq.CodeRefused || !strings.Contains(err.Error(), "one for Go") {
				t.Errorf("the dead copy alone: %v", err)
			}
			other := unique("elsewhere")
			m.bn.topic(other, 1, 6)
			if _, err := m.b.Probe(t.Context(), m.group, "", m.patient(other, "good", true, true)); dlq.CodeOf(err) != dlq.CodeRefused || !strings.Contains(err.Error(), "no listener") {
				t.Errorf("a topic that nobody consumes: %v", err)
			}
			m.shop.Stop()
		}
	})
}
