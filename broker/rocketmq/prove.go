package rocketmq

import (
	"context"
	"maps"
	"slices"

	"deadletteroffice/dlq"
)

// baseline counts what a group was given before something is sent to it, so that what it is given afterwards is told from that.
func (b *Broker) baseline(ctx context.Context, r dlq.Replay, holder string) {
	holders := []string{holder}
	switch r.Door {
	case dlq.DoorPop:
		return
	case dlq.DoorTopic:
		var err error
		if holders, err = b.mastersOf(ctx, r.Target); err != nil {
			return // the send says so
		}
	}
	q := question{group: r.ConsumerGroup, topic: r.Target}
	for _, q.broker = range holders {
		if g := b.gaugeOf(counter{q.group, q.broker, q.topic}); b.now().Sub(g.youngest()) >= proofEvery {
			b.gauge(ctx, q)
		}
	}
}

// prove observes the offsets that replays wait for, until ctx ends. Looks alone come too seldom to see steps.
func (b *Broker) prove(ctx context.Context) {
	for sleep(ctx, proofEvery) == nil {
		b.proveOnce(ctx)
	}
}

func (b *Broker) proveOnce(ctx context.Context) {
	b.mu.Lock()
	now, open := b.now(), map[string][]question{}
	for q, p := range b.moves {
		if now.Sub(p.used) < openFor {
			open[q.group] = append(open[q.group], q)
		}
	}
	b.mu.Unlock()
	if len(open) == 0 {
		return
	}
	c, err := b.present(ctx)
	if err != nil {
		return // Status says so
	}
	each(slices.Collect(maps.Keys(open)), func(group string) {
		m := b.snapshot(c)
		s, err := m.standing(ctx, group)
		if err != nil {
			b.log.Debug("how far a consumer group is cannot be watched", "consumer_group", group, "error", err)
			return
		}
		for _, q := range open[group] {
			m.follow(ctx, q, s)
		}
	})
}

// follow notes where an offset is, and how it came there.
func (m *snapshot) follow(ctx context.Context, q question, s standing) {
	committed, known, err := m.ask(ctx, q)
	if err != nil || !known {
		return
	}
	m.b.mu.Lock()
	p := m.b.moves[q]
	m.b.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun.IsZero() {
		return
	}
	at := m.readAt(q)
	p.observe(at, committed, s.online, max(committed, p.sure), at)
	if len(p.points) == 0 && s.online {
		m.b.gauge(ctx, q) // what comes before a step is no part of it
	}
	m.weighSteps(ctx, q, p, s)
}
