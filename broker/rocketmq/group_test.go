package rocketmq

import (
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// What a cluster says of groups, topics and itself, with real consumers.
func TestTellsGroupsAndTopics(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group, other := unique("orders"), unique("stock"), unique("audit")
		bn.topic(topic, 1, 6)
		bn.group(group, 3)
		bn.group(other, 3)
		b := open(t, n)
		ctx := t.Context()

		if info, err := b.Group(ctx, group, nil); err != nil || !info.Exists || info.Online || info.Kind != dlq.GroupUnknown || info.KindWhy != KindNoTrace || info.MaxRetry != 3 || info.LastSeen != nil {
			t.Errorf("a group without clients: %+v, %v", info, err)
		}
		ghost := unique("ghost")
		for range 2 { // asking must not create it
			if info, err := b.Group(ctx, ghost, nil); err != nil || info.Exists || info.Online {
				t.Errorf("a group that is not: %+v, %v", info, err)
			}
			time.Sleep(missStays)
		}

		shop := n.Consume(t, group, topic)
		audit := n.Consume(t, other, topic, "-orderly")
		shop.Say("well")
		audit.Say("well")
		for i := range 3 {
			bn.put(topic, fmt.Sprint(i), nil)
		}
		eventually(t, 40*time.Second, func() string {
			if a, b := len(shop.Heard(func(node.Delivery) bool { return true })), len(audit.Heard(func(node.Delivery) bool { return true })); a != 3 || b != 3 {
				return fmt.Sprintf("%d and %d deliveries", a, b)
			}
			return ""
		})
		eventually(t, 40*time.Second, func() string {
			info, err := b.Group(ctx, group, nil)
			if err != nil || !info.Online || info.Kind != dlq.GroupConcurrent || info.KindWhy != KindByListener || len(info.Clients) != 1 || info.Clients[0].Language != "GO" || info.Lag != 0 || !slices.Equal(info.Topics, []string{topic}) || info.LastSeen == nil {
				return fmt.Sprintf("%+v, %v", info, err)
			}
			return ""
		})
		eventually(t, 30*time.Second, func() string {
			if info, err := b.Group(ctx, other, nil); err != nil || info.Kind != dlq.GroupOrderly || info.KindWhy != KindByListener {
				return fmt.Sprintf("an orderly group: %+v, %v", info, err)
			}
			return ""
		})
		groups, complete, err := b.Subscribers(ctx, topic)
		want := []string{group, other}
		slices.Sort(want)
		if err != nil || !complete || !slices.Equal(groups, want) {
			t.Errorf("subscribers %v, %t, %v", groups, complete, err)
		}
		if _, _, err := b.Subscribers(ctx, unique("none")); dlq.CodeOf(err) != dlq.CodeNotFound {
			t.Errorf("subscribers of no topic: %v", err)
		}
		bn.topic(dlq.DLQPrefix+other, 1, 6)
		eventually(t, 30*time.Second, func() string { // it is watched without being asked for
			fresh := open(t, n)
			fresh.watchOnce(ctx)
			if s := fresh.groups[other]; s.kind != dlq.GroupOrderly || s.online.IsZero() {
				return fmt.Sprintf("%+v", s)
			}
			return ""
		})
		shop.Stop()
		for i := range 5 {
			bn.put(topic, fmt.Sprint(i), nil)
		}
		eventually(t, 20*time.Second, func() string {
			info, err := b.Group(ctx, group, nil)
			if err != nil || info.Online || info.Kind != dlq.GroupConcurrent || info.KindWhy != KindRemembered || info.Lag != 5 || info.LastSeen == nil {
				return fmt.Sprintf("after it left: %+v, %v", info, err)
			}
			return ""
		})

		caps, err := b.Capabilities(ctx, n.BrokerName())
		if err != nil || caps.Version != n.Version() || len(caps.Levels) != 18 || caps.Timer != (n.Version() == node.V5) || caps.OrderlyDiverts != (n.Version() == node.V5) || caps.Keeps != dlq.Duration(72*time.Hour) {
			t.Errorf("capabilities %+v, %v", caps, err)
		}
		if _, err := b.Capabilities(ctx, "nowhere"); dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("capabilities of no broker: %v", err)
		}
	})
}

// A subscription by tags drops what it does not want: the offset passes, and that proves nothing.
func TestFilteredByTags(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 1, 6)
		bn.group(group, 1)
		s := &scene{t: t, n: n, bn: bn, b: open(t, n), topic: topic, group: group}
		s.dead = dlq.DeadMessage{Position: dlq.Position{Queue: dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName()}}, Body: []byte("x"), Properties: map[string]string{"UNIQ_KEY": newKey()}}
		s.shop = n.Consume(t, group, topic, "-tags", "paid || shipped")
		s.shop.Say("well")
		for tag, filtered := range map[string]bool{"new": true, "paid": false} {
			req := s.request(dlq.DoorTopic)
			req.Properties["TAGS"] = tag
			r := s.send(req)
			eventually(t, 40*time.Second, func() string {
				// What the broker leaves out is given to nobody, so nothing shows how the offset came behind it.
				ev := s.look(r)
				by := ev.Passed || filtered && (ev.Weighing || ev.Moved)
				if !by || !ev.PassedKnown || ev.Filtered != filtered {
					return fmt.Sprintf("tag %s: %+v", tag, ev)
				}
				return ""
			})
		}
	})
}

// gRPC clients behind a proxy in cluster mode are unknown to the broker: of their group it has a POP retry topic, and an offset
// that passes what they take.
func TestGroupBehindProxies(t *testing.T) {
	t.Parallel()
	n := node.Shared(t, node.V5)
	bn := newBench(t, n)
	for name, pops := range map[string]bool{"pops": true, "pulls": false} {
		s := &scene{t: t, n: n, bn: bn, topic: unique("orders"), group: unique("stock")}
		s.dead = dlq.DeadMessage{Position: dlq.Position{Queue: dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName()}}, Body: []byte("x"), Properties: map[string]string{"UNIQ_KEY": newKey()}}
		bn.topic(s.topic, 1, 6)
		bn.group(s.group, 1)
		if pops {
			bn.topic(dlq.RetryPrefix+s.group+"_"+s.topic, 1, 6)
		}
		s.b = open(t, n)
		r := s.send(s.request(dlq.DoorTopic))
		if ev := s.look(r); ev.Online || ev.Passed || len(ev.Copies) != 1 {
			t.Errorf("%s, not taken yet: %+v", name, ev)
		}
		if err := bn.wire.UpdateConsumerOffset(bn.ctx(), n.BrokerAddr(), s.group, s.topic, r.Receipt.Queue, r.Receipt.Offset+1); err != nil {
			t.Fatal(err)
		}
		// Of a group that pops the offset tells nothing; of any other it moved without anybody that the broker knows.
		eventually(t, 40*time.Second, func() string {
			if ev := s.look(r); ev.Online != pops || ev.Passed || ev.PassedKnown == pops || ev.Moved == pops {
				return fmt.Sprintf("%s, the offset passed: %+v", name, ev)
			}
			return ""
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	n := node.Shared(t, node.V5)
	bn := newBench(t, n)
	read, blind := dlq.DLQPrefix+unique("read"), dlq.DLQPrefix+unique("blind")
	bn.topic(read, 1, 6)
	bn.topic(blind, 1, 2)
	for range 3 {
		bn.put(read, "x", nil)
		bn.put(blind, "x", nil)
	}
	reg := prometheus.NewPedanticRegistry()
	b := open(t, n, func(o *Options) { o.Registerer = reg })
	page := func() string {
		w := httptest.NewRecorder()
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		text, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if problem := has(page(), `dlq_broker_up{cluster=""} 0`); problem != "" {
		t.Error(problem)
	}
	stop := start(t, b, newDesk())
	eventually(t, 20*time.Second, func() string {
		return has(page(),
			fmt.Sprintf(`dlq_broker_up{cluster="%s"} 1`, n.Cluster()),
			`dlq_broker_requests_total{request="topic list"}`, `dlq_broker_requests_total{request="pull message"}`,
			fmt.Sprintf(`dlq_consumer_lag_messages{cluster="%s",topic="%s"} 0`, n.Cluster(), read),
			fmt.Sprintf(`dlq_consumer_lag_messages{cluster="%s",topic="%s"} 3`, n.Cluster(), blind),
			fmt.Sprintf(`dlq_consumer_last_message_timestamp_seconds{cluster="%s",topic="%s"}`, n.Cluster(), read),
			fmt.Sprintf(`dlq_messages_expiring{cluster="%s",consumer_group="%s"} 0`, n.Cluster(), strings.TrimPrefix(blind, dlq.DLQPrefix)),
		)
	})
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	// Seen 71 hours later, all of it may go within twelve hours.
	stop() // which reads the clock
	later := b.now
	b.now = func() time.Time { return later().Add(71 * time.Hour) }
	infos, err := b.Topics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if i.Topic != blind {
			continue
		}
		if got, err := b.expiring(t.Context(), i, expiringHorizon); err != nil || got != 3 {
			t.Errorf("%d expire, %v", got, err)
		}
	}
}

// A dead-letter topic has a queue on each master: both are read and repaired, a letter goes back to the broker that holds
// it, and one broker that is away does not hide the other.
func TestTwoBrokers(t *testing.T) {
	onOwn(t, node.Options{}, func(t *testing.T, n *node.Node) {
		second := node.Own(t, node.Options{Version: n.Version(), DelayLevels: node.ShortDelays, Join: n.NameServer(), BrokerName: "broker-z"})
		group, topic := unique("stock"), unique("orders")
		dead := dlq.DLQPrefix + group
		benches := map[string]*bench{}
		for _, one := range []*node.Node{n, second} {
			bn := newBench(t, one)
			bn.topic(topic, 1, 6)
			bn.group(group, 2)
			bn.topic(dead, 1, 2)
			bn.put(dead, "on "+one.BrokerName(), map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": topic})
			benches[one.BrokerName()] = bn
		}
		desk := newDesk()
		b := open(t, n)
		start(t, b, desk)
		eventually(t, 60*time.Second, func() string {
			all, err := b.Topics(t.Context())
			if err != nil || len(all) != 2 || all[0].Readable || all[1].Readable || all[0].Unread+all[1].Unread != 2 {
				return fmt.Sprintf("%+v, %v", all, err)
			}
			return ""
		})
		if err := b.Repair(t.Context(), dead); err != nil {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, func() string {
			if got := len(desk.of(dead)); got != 2 {
				return fmt.Sprintf("%d of 2", got)
			}
			return ""
		})
		for _, m := range desk.of(dead) {
			if string(m.Body) != "on "+m.Broker {
				t.Errorf("%q was read from %s", m.Body, m.Broker)
			}
			s := &scene{t: t, n: n, bn: benches[m.Broker], b: b, desk: desk, topic: topic, group: group, dead: m}
			r := s.send(s.request(dlq.DoorRetry))
			eventually(t, 10*time.Second, func() string {
				ev := s.look(r)
				if len(ev.Copies) != 1 || ev.Copies[0].Broker != m.Broker || ev.Copies[0].Place != dlq.PlaceTarget {
					return fmt.Sprintf("copies %+v", ev.Copies)
				}
				return ""
			})
		}
		only := unique("only")
		benches[second.BrokerName()].topic(only, 1, 6)
		req := (&scene{t: t, n: n, topic: only, group: group, dead: desk.of(dead)[0]}).request(dlq.DoorTopic)
		req.Broker = n.BrokerName()
		if err := second.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Its topics are gone from the name server with it; that does not mean that they are no more. Nor is what it may have
		// been sent.
		unsure := req.Replay
		unsure.Outcome = dlq.OutcomeSending
		eventually(t, 30*time.Second, func() string {
			if ev, err := b.Look(t.Context(), unsure); err != nil || !slices.Equal(ev.Away, []string{second.BrokerName()}) {
				return fmt.Sprintf("a look for what a broker that is away may hold: %+v, %v", ev, err)
			}
			return ""
		})
		for range 3 {
			if _, result, err := b.Send(t.Context(), req); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeUnavailable {
				t.Errorf("to a topic of a broker that is away: %s, %v", result, err)
			}
		}
		benches[n.BrokerName()].put(dead, "on "+n.BrokerName(), nil)
		eventually(t, 30*time.Second, func() string {
			if got, st := len(desk.of(dead)), b.Status(); got != 3 || !st.Reachable {
				return fmt.Sprintf("%d of 3, %+v", got, st)
			}
			return ""
		})
		if _, err := b.Topics(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
