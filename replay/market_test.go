package replay_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

func TestMain(m *testing.M) {
	node.SideBySide()
	os.Exit(node.Main(m))
}

// market is a topic with one consumer group of a real broker, and a real consumer of the Go client in a process of its
// own, which fails everything until it is healed.
type market struct {
	t            *testing.T
	n            *node.Node
	wire         *remoting.Client
	topic, group string
	orderly      bool
	program      func() *exec.Cmd // another consumer than the Go one; nil for that

	consumer *node.Consumer // nil while nobody is connected
	before   []*node.Consumer
}

// newMarket prepares topic, group and retry topic; consumers come with connect.
func newMarket(t *testing.T, n *node.Node, orderly bool) *market {
	t.Helper()
	suffix := fmt.Sprintf("%x", time.Now().UnixNano())
	m := &market{t: t, n: n, wire: remoting.New(remoting.Options{}), topic: "orders_" + suffix, group: "pay_" + suffix, orderly: orderly}
	t.Cleanup(func() { m.wire.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, topic := range []string{m.topic, dlq.RetryPrefix + m.group} {
		if err := m.wire.UpdateTopic(ctx, n.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.wire.UpdateSubscriptionGroup(ctx, n.BrokerAddr(), remoting.SubscriptionGroup{Name: m.group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 1}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *market) connect() {
	m.t.Helper()
	if m.program != nil {
		m.consumer = node.Follow(m.t, m.program())
	} else {
		m.consumer = m.n.Consume(m.t, m.group, m.topic, fmt.Sprintf("-orderly=%v", m.orderly))
	}
}

// disconnect ends the consumer in an orderly way.
func (m *market) disconnect() {
	m.consumer.Stop()
	m.before, m.consumer = append(m.before, m.consumer), nil
}

func (m *market) heal() {
	m.t.Helper()
	m.consumer.Say("well")
}

// delivered are the deliveries of one replay.
func (m *market) delivered(replayID string) (out []node.Delivery) {
	consumers := m.before
	if m.consumer != nil {
		consumers = append(slices.Clone(consumers), m.consumer)
	}
	for _, c := range consumers {
		out = append(out, c.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] == replayID })...)
	}
	return out
}

func (m *market) produce(body string, properties map[string]string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	properties[dlq.PropUniqueKey] = fmt.Sprintf("%032X", time.Now().UnixNano())
	for {
		_, err := m.wire.SendMessage(ctx, m.n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "market", Topic: m.topic, Body: []byte(body), Properties: properties})
		if err == nil {
			return
		}
		if !remoting.IsCode(err, remoting.AnswerBusy) { // a busy broker has stored nothing
			m.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
