package remoting

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"deadletteroffice/broker/rocketmq/node"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

func mustHost(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	host, err := netip.ParseAddrPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// startConsumer starts a real consumer that fails every message whose body says so, and returns its client id.
func startConsumer(ctx context.Context, t *testing.T, c *Client, n *node.Node, group, topic string) string {
	t.Helper()
	rlog.SetLogLevel("fatal")
	pc, err := rocketmq.NewPushConsumer(consumer.WithNameServer(primitive.NamesrvAddr{n.NameServer()}), consumer.WithGroupName(group), consumer.WithInstance(group), consumer.WithMaxReconsumeTimes(1))
	if err != nil {
		t.Fatal(err)
	}
	err = pc.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "a || b"}, func(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range msgs {
			if strings.HasPrefix(string(m.Body), "bad") {
				return consumer.ConsumeRetryLater, errors.New("库存不足: no stock")
			}
		}
		return consumer.ConsumeSuccess, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	var ids []string
	eventually(t, ctx, "consumer online", func() (err error) {
		ids, err = c.ConsumerIDs(ctx, n.BrokerAddr(), group)
		return err
	})
	if len(ids) != 1 {
		t.Fatalf("clients %q", ids)
	}
	return ids[0]
}

func TestOnlineConsumer(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		broker, topic, group := n.BrokerAddr(), newTopic(ctx, t, c, n), unique("group")
		if err := c.UpdateTopic(ctx, broker, TopicConfig{Name: "%RETRY%" + group, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			t.Fatal(err)
		}
		id := startConsumer(ctx, t, c, n, group, topic)

		conn, err := c.ConsumerConnection(ctx, broker, group)
		if err != nil {
			t.Fatal(err)
		}
		if len(conn.Clients) != 1 || conn.Clients[0].ID != id || conn.Clients[0].Language != "GO" || conn.Clients[0].Version == 0 || conn.Clients[0].Addr == "" ||
			conn.ConsumeType != "CONSUME_PASSIVELY" || conn.MessageModel != "CLUSTERING" {
			t.Errorf("connection: %+v", conn)
		}
		tags := conn.Subscriptions[topic].Tags
		slices.Sort(tags)
		if !slices.Equal(tags, []string{"a", "b"}) || conn.Subscriptions[topic].ExpressionType != "TAG" {
			t.Errorf("subscription: %+v", conn.Subscriptions[topic])
		}
		if _, ok := conn.Subscriptions["%RETRY%"+group]; !ok {
			t.Errorf("no retry subscription in %+v", conn.Subscriptions)
		}
		if got, err := c.TopicConsumers(ctx, broker, topic); err != nil || !slices.Contains(got, group) {
			t.Errorf("topic consumers %q, %v", got, err)
		}
		eventually(t, ctx, "running info", func() error {
			info, err := c.ConsumerRunningInfo(ctx, broker, group, id, false)
			if err != nil {
				return err
			}
			if len(info.Properties) == 0 || len(info.Subscriptions) == 0 || len(info.Queues) < 2 || info.Stack != "" {
				return fmt.Errorf("%+v", info)
			}
			return nil
		})

		send := func(body string) Message {
			t.Helper()
			res, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte(body), Properties: map[string]string{"TAGS": "a", "UNIQ_KEY": unique("U")}})
			if err != nil {
				t.Fatal(err)
			}
			_, physical, err := ParseMessageID(res.MessageID)
			if err != nil {
				t.Fatal(err)
			}
			m, err := c.ViewMessage(ctx, broker, topic, physical)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		good, bad := send("good"), send("bad")
		for m, want := range map[*Message]string{&good: "CR_SUCCESS", &bad: "CR_THROW_EXCEPTION"} {
			res, err := c.ConsumeDirectly(ctx, broker, DirectRequest{Group: group, ClientID: id, MessageID: m.OffsetID(), Topic: topic, Broker: n.BrokerName()})
			if err != nil {
				t.Fatal(err)
			}
			if res.Result != want || strings.Contains(res.Remark, "库存不足") != (want != "CR_SUCCESS") {
				t.Errorf("%s: %+v", m.Body, res)
			}
		}

		// The failing message reaches the dead-letter topic by the consumer's and the broker's own doing.
		dead := func(key string) Message {
			t.Helper()
			var found Message
			eventually(t, ctx, "dead letter "+key, func() error {
				msgs, err := c.QueryMessage(ctx, broker, MessageQuery{Topic: "%DLQ%" + group, Key: key, Unique: true})
				if err != nil || len(msgs) == 0 {
					return fmt.Errorf("%d messages, %w", len(msgs), err)
				}
				found = msgs[len(msgs)-1]
				return nil
			})
			return found
		}
		letter := dead(bad.Properties["UNIQ_KEY"])
		if letter.Properties["RETRY_TOPIC"] != topic || letter.Properties["ORIGIN_MESSAGE_ID"] != bad.OffsetID() || letter.Reconsumed != 2 {
			t.Errorf("dead letter: %+v", letter)
		}

		// Handing back: level -1 goes straight to the dead-letter topic, level 1 to the consumer.
		other := send("good too")
		back := BackRequest{Group: group, PhysicalOffset: other.PhysicalOffset, OriginTopic: topic, OriginID: other.OffsetID(), DelayLevel: -1, MaxReconsumed: 16}
		if err := c.SendBack(ctx, broker, back); err != nil {
			t.Fatal(err)
		}
		copied := dead(other.Properties["UNIQ_KEY"])
		if copied.Reconsumed != 1 || string(copied.Body) != "good too" {
			t.Errorf("copy: %+v", copied)
		}
		back.PhysicalOffset, back.DelayLevel = copied.PhysicalOffset, 1
		before, err := c.MaxOffset(ctx, broker, "%RETRY%"+group, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SendBack(ctx, broker, back); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "consumption of the copy", func() error {
			offset, found, err := c.QueryConsumerOffset(ctx, broker, group, "%RETRY%"+group, 0)
			if err != nil || !found || offset <= before {
				return fmt.Errorf("committed %d (%t) of %d, %w", offset, found, before, err)
			}
			return nil
		})
		back.PhysicalOffset = 1 << 50
		if err := c.SendBack(ctx, broker, back); !IsCode(err, AnswerSystemError) {
			t.Errorf("handing back nothing: %v", err)
		}
	})
}
