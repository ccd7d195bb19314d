package demo

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Market is the broker as the shop uses it.
type Market interface {
	// Open prepares topics and connects consumers. Every delivery is given to work, which reports success.
	Open(ctx context.Context, groups []Group, work func(Delivery) bool) (shut func(), err error)
	// Send sends one message, after Open.
	Send(ctx context.Context, g Goods) error
}

// Group is one consumer group of the shop.
type Group struct {
	Name    string
	Topics  []string
	Ordered bool
}

// Goods is a message that the shop sends.
type Goods struct {
	Topic      string
	Kind       string // the fault that it will meet; travels as its tag
	Key        string
	Properties map[string]string
	Body       []byte
	Sharding   string // what is kept in order; "" for nothing
}

// Delivery is a message as a consumer gets it.
type Delivery struct {
	Group     string
	Kind      string
	UniqueKey string
	Body      []byte
}

func groups() []Group {
	return []Group{
		{Name: GroupOrders, Topics: []string{TopicOrders}},
		{Name: GroupPayments, Topics: []string{TopicPayments}},
		{Name: GroupInventory, Topics: []string{TopicInventory}, Ordered: true},
		{Name: GroupNotifications, Topics: []string{TopicNotifications, TopicParked}},
	}
}

// rocketMarket is a real RocketMQ cluster.
type rocketMarket struct {
	nameServers []string
	log         *slog.Logger
	producer    client.Producer
}

// Open implements Market.
func (m *rocketMarket) Open(ctx context.Context, groups []Group, work func(Delivery) bool) (func(), error) {
	rocketmq.BridgeClientLog(m.log)
	if err := m.prepare(ctx, groups); err != nil {
		return nil, err
	}
	stop, err := m.consume(groups, work)
	if err != nil {
		stop()
		return nil, err
	}
	p, err := client.NewProducer(producer.WithNsResolver(rocketmq.NewResolver(m.nameServers)), producer.WithGroupName("shop-producer"),
		producer.WithInstanceName("shop-producer"), producer.WithRetry(0))
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("start the shop's producer: %w", err)
	}
	m.producer = p
	return func() {
		stop()
		_ = p.Shutdown() // there is nothing to do about it
	}, nil
}

// Send implements Market.
func (m *rocketMarket) Send(ctx context.Context, g Goods) error {
	out := primitive.NewMessage(g.Topic, g.Body).WithTag(g.Kind).WithKeys([]string{g.Key})
	for name, value := range g.Properties { // WithProperties would drop the tag and the key
		out.WithProperty(name, value)
	}
	if g.Sharding != "" {
		out.WithShardingKey(g.Sharding)
	}
	_, err := m.producer.SendSync(context.WithoutCancel(ctx), out)
	return err
}

// prepare creates topics and retry topics. Without it a consumer learns of its retry topic only at its next look at the
// routes, up to 30 s later.
func (m *rocketMarket) prepare(ctx context.Context, groups []Group) error {
	wire := remoting.New(remoting.Options{Logger: m.log})
	defer wire.Close()
	info, err := wire.ClusterInfo(ctx, strings.Join(m.nameServers, ";"))
	if err != nil { // the broker may still be starting
		m.log.Warn("the shop waits for the cluster", "error", err)
	}
	for err != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		info, err = wire.ClusterInfo(ctx, strings.Join(m.nameServers, ";"))
	}
	var topics []remoting.TopicConfig
	for _, g := range groups {
		for _, name := range g.Topics {
			topics = append(topics, remoting.TopicConfig{Name: name, ReadQueues: 4, WriteQueues: 4, Perm: 6, Order: g.Ordered})
		}
		topics = append(topics, remoting.TopicConfig{Name: dlq.RetryPrefix + g.Name, ReadQueues: 1, WriteQueues: 1, Perm: 6})
	}
	for _, b := range info.Brokers {
		address, ok := b.Addrs[0]
		if !ok {
			continue
		}
		for _, topic := range topics {
			if err := wire.UpdateTopic(ctx, address, topic); err != nil {
				return fmt.Errorf("create the shop's topic %s: %w", topic.Name, err)
			}
		}
	}
	return m.waitForRoutes(ctx, wire, topics)
}

// waitForRoutes returns when the name server knows every topic: a broker registers new topics a moment after creating them.
func (m *rocketMarket) waitForRoutes(ctx context.Context, wire *remoting.Client, topics []remoting.TopicConfig) error {
	for _, topic := range topics {
		for {
			if _, err := wire.Route(ctx, strings.Join(m.nameServers, ";"), topic.Name); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}
