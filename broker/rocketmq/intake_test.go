package rocketmq

import (
	"fmt"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// Real dead letters of a real consumer are discovered, read from the start, and told apart from what the broker added.
func TestReadsDeadLettersOfARealConsumer(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 2, 6)
		bn.group(group, 1)
		desk := newDesk()
		b := open(t, n)
		start(t, b, desk)

		consume(t, n, group, topic)
		for i := range 5 {
			bn.put(topic, fmt.Sprintf("order %d", i), map[string]string{"KEYS": fmt.Sprintf("k%d", i), "TAGS": "new", "UNIQ_KEY": fmt.Sprintf("%032X", time.Now().UnixNano())})
		}
		eventually(t, 60*time.Second, func() string {
			if got := len(desk.of(dlq.DLQPrefix + group)); got != 5 {
				return fmt.Sprintf("%d dead letters instead of 5", got)
			}
			return ""
		})
		for _, m := range desk.of(dlq.DLQPrefix + group) {
			if m.OriginalTopic != topic || m.ConsumerGroup != group || m.ReconsumeTimes != 2 || m.BodyState != dlq.BodyPlain || m.Properties["TAGS"] != "new" {
				t.Errorf("dead letter %+v", m)
			}
			if m.StoredAt.Location() != time.UTC || time.Since(m.StoredAt) > time.Minute || m.MessageID == "" || m.Cluster != n.Cluster() || m.Broker != n.BrokerName() {
				t.Errorf("position %+v, id %q", m.Position, m.MessageID)
			}
		}
		desk.check(t)
		st := b.Status()
		if !st.Reachable || st.Cluster != n.Cluster() || st.Since == nil || st.Error != "" {
			t.Errorf("status %+v", st)
		}
	})
}

// A backlog of many queues is read whole, in order, once; most of it by the client library.
func TestReadsABacklogOfManyQueues(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		const queues, each = 12, 300
		var topics []string
		for range queues {
			topic := dlq.DLQPrefix + unique("many")
			bn.topic(topic, 1, 6)
			topics = append(topics, topic)
		}
		for i := range each {
			for _, topic := range topics {
				bn.put(topic, fmt.Sprintf("%s %d", topic, i), nil)
			}
		}
		desk := newDesk()
		b := open(t, n)
		start(t, b, desk)
		eventually(t, 30*time.Second, func() string {
			for _, topic := range topics {
				if got := len(desk.of(topic)); got != each {
					return fmt.Sprintf("%d of %d in %s", got, each, topic)
				}
			}
			return ""
		})
		for _, topic := range topics {
			for i, m := range desk.of(topic) {
				if want := fmt.Sprintf("%s %d", topic, i); string(m.Body) != want || m.Offset != int64(i) {
					t.Fatalf("message %d is %q at %d", i, m.Body, m.Offset)
				}
			}
		}
		desk.check(t)
	})
}
