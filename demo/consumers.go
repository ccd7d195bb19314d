package demo

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"deadletteroffice/dlq"
)

// How often a consumer of the shop tries a message before the broker puts it into the DLQ.
const maxReconsumeTimes = 2

// consume starts one consumer for each consumer group. stop ends those that were started, also after an error.
func (m *rocketMarket) consume(groups []Group, work func(Delivery) bool) (stop func(), err error) {
	var started []rocketmq.PushConsumer
	stop = func() {
		for _, c := range started {
			_ = c.Shutdown() // there is nothing to do about it
		}
	}
	for _, g := range groups {
		c, err := rocketmq.NewPushConsumer(
			consumer.WithNsResolver(resolver(m.nameServers)),
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
				return listen(ctx, work(Delivery{Group: g.Name, Kind: m.GetTags(), UniqueKey: m.GetProperty(dlq.PropUniqueKey)}))
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

// names looks host names up for the client, which takes addresses only (apache/rocketmq-client-go issue 649).
type names struct {
	mu    sync.Mutex
	hosts []string
	last  []string
}

func resolver(hosts []string) *names { return &names{hosts: hosts} }

// Description implements primitive.NsResolver.
func (r *names) Description() string { return "look-up of the name servers' host names" }

// Resolve implements primitive.NsResolver. The last good answer is kept while the look-up fails.
func (r *names) Resolve() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var found []string
	for _, hostPort := range r.hosts {
		host, port, err := net.SplitHostPort(hostPort)
		if err != nil {
			continue
		}
		addresses, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			continue
		}
		for _, a := range addresses {
			found = append(found, net.JoinHostPort(a, port))
		}
	}
	if len(found) > 0 {
		r.last = found
	}
	return r.last
}
