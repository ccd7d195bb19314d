package rocketmq

import (
	"testing"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// What was known of the cluster while its broker was away does not make a topic or a consumer group absent once it is back.
func TestNothingIsAbsentByOldKnowledge(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 1, 6)
		bn.group(group, 1)
		bn.put(dlq.DLQPrefix+group, "order", map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": topic})
		s := &scene{t: t, n: n, bn: bn, desk: newDesk(), b: open(t, n), topic: topic, group: group}
		start(t, s.b, s.desk)
		s.dead = s.deaths(1)[0]

		b := s.b
		forget := func() { // as a round sees it between a broker's end and its return
			b.mu.Lock()
			defer b.mu.Unlock()
			now := b.now()
			b.cluster = &cluster{at: now, name: b.cluster.name, brokers: b.cluster.brokers, topics: map[string]bool{}, queues: b.cluster.queues, away: map[string]error{}}
			b.presences[group] = presence{at: now}
			b.tables[n.BrokerAddr()] = groupTable{at: now, groups: map[string]remoting.SubscriptionGroup{}}
			b.routes[topic] = holders{at: now}
		}
		for _, door := range []dlq.Door{dlq.DoorTopic, dlq.DoorRetry} {
			forget()
			if _, result, err := b.Send(t.Context(), s.request(door)); result != dlq.Sent || err != nil {
				t.Errorf("door %s: %s, %v", door, result, err)
			}
		}
		forget()
		if info, err := b.Group(t.Context(), group, &s.dead); err != nil || !info.Exists {
			t.Errorf("the consumer group: %+v, %v", info, err)
		}
		if _, _, err := b.Subscribers(t.Context(), topic); err != nil {
			t.Errorf("the topic: %v", err)
		}

		// What no broker has is absent.
		if info, err := b.Group(t.Context(), unique("nobody"), nil); err != nil || info.Exists {
			t.Errorf("a consumer group that no broker has: %+v, %v", info, err)
		}
		if _, _, err := b.Subscribers(t.Context(), unique("nothing")); dlq.CodeOf(err) != dlq.CodeNotFound {
			t.Errorf("a topic that no broker has: %v", err)
		}
	})
}
