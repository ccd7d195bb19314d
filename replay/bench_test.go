package replay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// BenchmarkReplays gives letters of 1 KB back to a real 5.5.0 through door B, with intents and settles in a real store, in
// batches of an operation, and reports them per second beside bare sends at the same concurrency.
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
	const letters = 10_000
	o := openOffice(b, join(b, n.NameServer()), "")
	b.ReportMetric(letters/o.replayAll(dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName(), Topic: dlq.DLQPrefix + group}, letters).Seconds(), "replays/s")
	o.stop()

	start := time.Now()
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for range letters / 16 {
				if _, err := wire.SendMessage(b.Context(), n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "raw", Topic: "raw_" + group, Body: make([]byte, 1024)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	b.ReportMetric(letters/16*16/time.Since(start).Seconds(), "sends/s")
}

// BenchmarkBookkeeping is BenchmarkReplays without a broker: every send is answered at once.
func BenchmarkBookkeeping(b *testing.B) {
	const letters = 20_000
	o := openOffice(b, instant{}, "")
	b.ReportMetric(letters/o.replayAll(dlq.Queue{Cluster: "c", Broker: "b", Topic: dlq.DLQPrefix + "g"}, letters).Seconds(), "replays/s")
}

// replayAll brings letters of 1 KB into the office, gives them back as an operation, and returns how long that took.
func (o *office) replayAll(queue dlq.Queue, letters int) time.Duration {
	o.t.Helper()
	ctx, now := o.t.Context(), time.Now()
	for at := 0; at < letters; at += 1000 {
		batch := dlq.Batch{Queue: queue, From: int64(at), Next: int64(at + 1000)}
		for i := at; i < at+1000; i++ {
			batch.Messages = append(batch.Messages, dlq.DeadMessage{
				Position: dlq.Position{Queue: queue, Offset: int64(i), StoredAt: now}, ConsumerGroup: queue.ConsumerGroup(), OriginalTopic: "orders", Body: make([]byte, 1024), BodyState: dlq.BodyPlain,
				Properties: map[string]string{dlq.PropUniqueKey: fmt.Sprintf("%s-%d", queue.Topic, i), dlq.PropRealTopic: dlq.RetryPrefix + queue.ConsumerGroup()}, ReconsumeTimes: 3, BornAt: now,
			})
		}
		if err := o.accept(ctx, []dlq.Batch{batch}); err != nil {
			o.t.Fatal(err)
		}
	}
	op, _, err := o.store.NewOperation(ctx, dlq.Operation{ID: "bench", Kind: dlq.OperationReplay, State: dlq.OperationRunning, Actor: "lin", Note: "bench", Spec: dlq.OperationSpec{Replay: &dlq.ReplaySpec{}}})
	if err == nil {
		op, err = o.store.Freeze(ctx, op.Number, dlq.OperationPick{Filter: &dlq.Filter{}})
	}
	if err != nil || op.Letters != int64(letters) {
		o.t.Fatalf("%d letters are frozen, %v", op.Letters, err)
	}
	var tasks []dlq.OperationTask
	for cursor := ""; len(tasks) == 0 || cursor != ""; {
		page, err := o.store.Letters(ctx, dlq.Filter{}, cursor, 500)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, l := range page.Items {
			tasks = append(tasks, dlq.OperationTask{LetterID: l.ID, Letter: &l})
		}
		cursor = page.Next
	}
	if len(tasks) != letters {
		o.t.Fatalf("%d letters", len(tasks))
	}
	start := time.Now()
	pages := make(chan []dlq.OperationTask)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for page := range pages {
				for _, res := range o.service.Batch(ctx, dlq.ReplayBatch{Operation: op.Number, Tasks: page, Actor: "lin"}) {
					if res.Err != nil || res.Skip != "" {
						o.t.Errorf("%+v", res)
						return
					}
				}
			}
		})
	}
	for page := range slices.Chunk(tasks, 200) {
		pages <- page
	}
	close(pages)
	workers.Wait()
	return time.Since(start)
}

// instant is a broker that takes everything at once.
type instant struct{}

func (instant) run(ctx context.Context, _ *office) error { <-ctx.Done(); return nil }

func (instant) Status() dlq.ClusterStatus { return dlq.ClusterStatus{Reachable: true} }

func (instant) Group(_ context.Context, name string, _ *dlq.DeadMessage) (dlq.GroupInfo, error) {
	return dlq.GroupInfo{Name: name, Exists: true, Kind: dlq.GroupConcurrent, Online: true}, nil
}

func (instant) Capabilities(context.Context, string) (dlq.Capabilities, error) {
	return dlq.Capabilities{Broker: "b", Major: 5}, nil
}

func (instant) Subscribers(context.Context, string) ([]string, bool, error) { return nil, true, nil }
func (instant) Topics(context.Context) ([]dlq.TopicInfo, error)             { return nil, nil }

func (instant) Send(context.Context, dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	return dlq.Receipt{Broker: "b"}, dlq.Sent, nil
}

func (instant) Look(context.Context, dlq.Replay) (dlq.Evidence, error) { return dlq.Evidence{}, nil }

func (instant) LookMany(_ context.Context, list []dlq.Replay) ([]dlq.Evidence, []error) {
	return make([]dlq.Evidence, len(list)), make([]error, len(list))
}

func (instant) Probe(context.Context, string, string, *dlq.DeadMessage) (dlq.ProbeAnswer, error) {
	return dlq.ProbeAnswer{}, dlq.Errorf(dlq.CodeNotSupported, "there is nobody")
}
