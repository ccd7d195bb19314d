package replay_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// BenchmarkReplays gives letters of 1 KB back to a real 5.5.0 through door B, with intents and settles in a real store,
// and reports them per second beside bare sends at the same concurrency.
func BenchmarkReplays(b *testing.B) {
	n := node.Shared(b, node.V5)
	wire := remoting.New(remoting.Options{})
	defer wire.Close()
	group := fmt.Sprintf("bench_%x", time.Now().UnixNano())
	for _, topic := range []string{dlq.RetryPrefix + group, "raw_" + group} {
		if err := wire.UpdateTopic(b.Context(), n.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			b.Fatal(err)
		}
	}
	if err := wire.UpdateSubscriptionGroup(b.Context(), n.BrokerAddr(), remoting.SubscriptionGroup{Name: group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 16}); err != nil {
		b.Fatal(err)
	}
	const letters = 5000
	body := make([]byte, 1024)
	{
		o := openOffice(b, join(b, n.NameServer()), "")
		queue := dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName(), Topic: dlq.DLQPrefix + group}
		due := time.Now()
		o.plan = func(*dlq.DeadMessage) dlq.Plan { return dlq.Plan{State: dlq.StateScheduled, DueAt: &due} }
		batch := dlq.Batch{Queue: queue, Next: letters}
		for i := range letters {
			batch.Messages = append(batch.Messages, dlq.DeadMessage{
				Position: dlq.Position{Queue: queue, Offset: int64(i), StoredAt: due}, ConsumerGroup: group, OriginalTopic: "raw_" + group, Body: body, BodyState: dlq.BodyPlain,
				Properties: map[string]string{dlq.PropUniqueKey: fmt.Sprintf("%s-%d", group, i), dlq.PropRealTopic: dlq.RetryPrefix + group}, ReconsumeTimes: 3, BornAt: due,
			})
		}
		if err := o.accept(b.Context(), []dlq.Batch{batch}); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		for {
			s, err := o.store.Summary(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if s.States[dlq.StateScheduled]+s.States[dlq.StateSending] == 0 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		b.ReportMetric(letters/time.Since(start).Seconds(), "replays/s")
		o.stop()

		start = time.Now()
		var senders sync.WaitGroup
		for range 12 {
			senders.Go(func() {
				for range letters / 12 {
					if _, err := wire.SendMessage(b.Context(), n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "raw", Topic: "raw_" + group, Body: body}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		senders.Wait()
		b.ReportMetric(letters/12*12/time.Since(start).Seconds(), "sends/s")
	}
}
