package simulated

import (
	"context"
	"time"

	"deadletteroffice/dlq"
)

const (
	batchSize  = 64
	retryAfter = time.Second // after an intake that could not take a batch
)

// readQueue reads one dead-letter queue into the intake until ctx ends.
func (b *Broker) readQueue(ctx context.Context, in Intake, name string) {
	q := b.queue(name)
	for ctx.Err() == nil {
		pos, _, err := in.Position(ctx, q)
		if err == nil {
			err = b.readFrom(ctx, in, q, pos)
		}
		switch {
		case ctx.Err() != nil:
		case dlq.CodeOf(err) == dlq.CodeConflict:
		default:
			b.opt.Logger.Warn("read a simulated queue", "topic", name, "error", err)
			pause(ctx, retryAfter)
		}
	}
}

// readFrom reads on until the intake refuses a batch.
func (b *Broker) readFrom(ctx context.Context, in Intake, q dlq.Queue, pos dlq.QueuePosition) error {
	b.passed(q.Topic, pos.Next)
	for {
		messages := b.from(q, pos.Next)
		if len(messages) == 0 {
			if pause(ctx, b.opt.Step); ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		batch := dlq.Batch{Queue: q, Epoch: pos.Epoch, From: pos.Next, Next: messages[len(messages)-1].Offset + 1, Messages: messages}
		select {
		case err := <-in.Accept(ctx, []dlq.Batch{batch}):
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		pos.Next = batch.Next
		b.passed(q.Topic, pos.Next)
	}
}

func (b *Broker) passed(name string, next int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read[name] = next
}

func (b *Broker) queue(name string) dlq.Queue {
	return dlq.Queue{Cluster: b.opt.Cluster, Broker: b.name, Topic: name}
}

func (b *Broker) from(q dlq.Queue, next int64) (out []dlq.DeadMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.topics[q.Topic]
	if !ok || b.away {
		return nil
	}
	for i := next; i < int64(len(t.log)) && len(out) < batchSize; i++ {
		out = append(out, b.deadMessage(q, t.log[i]))
	}
	return out
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
