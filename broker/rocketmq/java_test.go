package rocketmq

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// An orderly consumer of the Java client: told by its listener and, offline, by its dead letters; on 5.x door B is
// diverted while it is online, on 4.9 not; door C reaches it.
func TestJavaOrderlyGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := javaScene(t, n, "orderly")
		if !s.dead.Orderly {
			t.Errorf("its dead letter %+v", s.dead)
		}
		s.isKind(dlq.GroupOrderly, KindByListener)
		fresh := open(t, n)
		if kind, why := kindOffline(s.group, presence{}, &s.dead); kind != dlq.GroupOrderly || why != KindByOrderlyTrace {
			t.Errorf("by its dead letter: %s, %s", kind, why)
		}
		caps, err := fresh.Capabilities(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}

		// Still sick: the letter dies again, on 4.9 after it was parked on its way to the DLQ.
		req := s.request(dlq.DoorBack)
		req.Replay.DelayLevel = 1
		r := s.send(req)
		eventually(t, 60*time.Second, func() string {
			if got := places(s.look(r)); len(got) == 0 || got[len(got)-1] != dlq.PlaceDead {
				return fmt.Sprintf("copies %v", got)
			}
			return ""
		})
		s.dead = s.deaths(2)[1]

		s.shop.Say("well")
		req = s.request(dlq.DoorBack)
		req.Replay.DelayLevel = 1
		s.confirmed(s.send(req))

		_, result, err := s.b.Send(t.Context(), s.request(dlq.DoorRetry))
		want := dlq.Sent
		if caps.OrderlyDiverts {
			want = dlq.Diverted
		}
		if result != want || (err == nil) != (want == dlq.Sent) {
			t.Errorf("door B: %s, %v", result, err)
		}
	})
}

func TestJavaConcurrentGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := javaScene(t, n, "concurrent")
		s.isKind(dlq.GroupConcurrent, KindByListener)
		s.shop.Say("well")
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
			s.confirmed(s.send(s.request(door)))
		}
	})
}

// A Java group that pops: its offset says nothing about what was popped, and all about what came by its retry topic.
func TestJavaPopGroup(t *testing.T) {
	t.Parallel()
	n := node.Shared(t, node.V5)
	bn := newBench(t, n)
	s := &scene{t: t, n: n, bn: bn, b: open(t, n), desk: newDesk(), topic: unique("orders"), group: unique("stock")}
	bn.topic(s.topic, 1, 6)
	bn.group(s.group, 1)
	start(t, s.b, s.desk)
	mode, err := json.Marshal(map[string]any{"topic": s.topic, "consumerGroup": s.group, "mode": "POP", "popShareQueueNum": 0})
	if err != nil {
		t.Fatal(err)
	}
	if ans, err := bn.wire.Do(bn.ctx(), n.BrokerAddr(), &remoting.Command{Code: remoting.RequestSetConsumeMode, Body: mode}); err != nil || ans.Err() != nil {
		t.Fatal(err, ans)
	}
	s.shop = consumeInJava(t, n, s.group, s.topic, "pop")
	s.shop.Say("well")
	s.dead = dlq.DeadMessage{Position: dlq.Position{Queue: dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName()}}, Body: []byte("x"), Properties: map[string]string{"UNIQ_KEY": newKey()}}
	bn.put(s.topic, "warm", nil)
	s.isKind(dlq.GroupPop, KindByPopQueues)
	s.confirmed(s.send(s.request(dlq.DoorRetry)))
	r := s.send(s.request(dlq.DoorTopic))
	eventually(t, 30*time.Second, func() string {
		if s.heard(r) == 0 {
			return "not delivered by door A"
		}
		return ""
	})
	if ev := s.look(r); ev.PassedKnown || !ev.Online || ev.Retry <= 0 || !slices.Equal(places(ev), []dlq.CopyPlace{dlq.PlaceTarget}) {
		t.Errorf("evidence %+v", ev)
	}
}

// javaShop is a scene with a consumer of the Java client.
func javaShop(t *testing.T, n *node.Node, kind string) *scene {
	t.Helper()
	s := openScene(t, n)
	s.shop = consumeInJava(t, n, s.group, s.topic, kind)
	return s
}

// javaScene is a javaShop in which one message has died.
func javaScene(t *testing.T, n *node.Node, kind string) *scene {
	t.Helper()
	s := javaShop(t, n, kind)
	s.oneDies()
	return s
}

func (s *scene) isKind(kind dlq.GroupKind, why string) {
	s.t.Helper()
	eventually(s.t, 60*time.Second, func() string {
		info, err := s.b.Group(s.t.Context(), s.group, nil)
		if err != nil || !info.Online || info.Kind != kind || info.KindWhy != why || info.Clients[0].Language != "JAVA" || info.Clients[0].Version != s.n.Version() {
			return fmt.Sprintf("group %+v, %v", info, err)
		}
		return ""
	})
}
