package demo

import (
	"context"
	"fmt"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/dlq"
)

// How often a consumer of the shop tries a message before the broker puts it into the DLQ.
const maxReconsumeTimes = 2

// consume starts one consumer for each consumer group. stop ends those that were started, also after an error.
func (m *rocketMarket) consume(groups []Group, work func(Delivery) bool) (stop func(), err error) {
	var started []client.PushConsumer
	stop = func() {
		for _, c := range started {
			_ = c.Shutdown() // there is nothing to do about it
		}
	}
	for _, g := range groups {
		c, err := client.NewPushConsumer(
			consumer.WithNsResolver(rocketmq.NewResolver(m.nameServers)),
			consumer.WithGroupName(g.Name),
			consumer.WithInstance(g.Name), // a client of its own: consumers that share one also share its locks
			consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
			consumer.WithConsumerOrder(g.Ordered),
			consumer.WithMaxReconsumeTimes(maxReconsumeTimes))
		if err != nil {
			return stop, fmt.Errorf("make the consumer of %s: %w", g.Name, err)
		}
		listen := concurrent
		if g.Ordered {
			listen = orderly
		}
		for _, topic := range g.Topics { // all before Start: later ones are a data race in the client
			if err := c.Subscribe(topic, consumer.MessageSelector{}, func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
				m := messages[0]
				return listen(ctx, work(Delivery{Group: g.Name, Kind: m.GetTags(), UniqueKey: m.GetProperty(dlq.PropUniqueKey), Body: m.Body}))
			}); err != nil {
				return stop, fmt.Errorf("subscribe %s to %s: %w", g.Name, topic, err)
			}
		}
		if err := c.Start(); err != nil {
			return stop, fmt.Errorf("start the consumer of %s: %w", g.Name, err)
		}
		started = append(started, c)
	}
	return stop, nil
}

// concurrent fails a message by asking for it again in a second (delay level 1), so that it is dead after a few.
func concurrent(ctx context.Context, good bool) (consumer.ConsumeResult, error) {
	if good {
		return consumer.ConsumeSuccess, nil
	}
	if c, ok := primitive.GetConcurrentlyCtx(ctx); ok {
		c.DelayLevelWhenNextConsume = 1
	}
	return consumer.ConsumeRetryLater, nil
}

// orderly fails a message by suspending its queue; the client puts it into the DLQ after its limit.
func orderly(ctx context.Context, good bool) (consumer.ConsumeResult, error) {
	if good {
		return consumer.ConsumeSuccess, nil
	}
	if c, ok := primitive.GetOrderlyCtx(ctx); ok {
		c.SuspendCurrentQueueTimeMillis = 500 // without it the client calls again at once, for ever
	}
	return consumer.SuspendCurrentQueueAMoment, nil
}
