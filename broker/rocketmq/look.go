package rocketmq

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

const (
	// clockSlack is by how much the clocks of a broker and of this console may differ.
	clockSlack = time.Minute
	// popRound is how much longer than its delay a POP retry may take: the revive service and, before 5.4.0, a waiting pop.
	popRound = 20 * time.Second
)

// trace is one stored copy of a replayed message.
type trace struct {
	broker string
	m      remoting.Message
}

// Look finds out where a replayed message is now. Brokers that may hold a copy and do not answer are in Away: no copies, no
// error and nobody away mean that there are none. A copy may be on the broker that took it and, since consumers that cannot
// give a message back there produce it anew to their retry topic (apache/rocketmq DefaultMQPushConsumerImpl.sendMessageBack),
// on those that hold this or the dead-letter topic.
//
// Passed speaks of the newest copy that is not parked, the first delivery or a retry of it: for a group of which the
// committed offset proves anything, "passed, and no newer copy" means consumed. PassedKnown is false for gRPC and POP
// deliveries, whose offsets move at the delivery (apache/rocketmq PopBufferMergeService), for broadcasting groups, whose
// offsets are with their clients, and for SQL subscriptions, which may have filtered. An offset that is behind the copy is
// Weighing until deliveries explain how it came there, and Moved when they do not: somebody set it.
//
// gRPC clients behind a proxy in cluster mode are not connected to the broker, which takes their group for offline. Online
// is true for them once their group's offset has passed the newest copy, since somebody took it.
func (b *Broker) Look(ctx context.Context, r dlq.Replay) (dlq.Evidence, error) {
	c, err := b.present(ctx)
	if err != nil {
		return dlq.Evidence{}, err
	}
	return b.snapshot(c).look(ctx, r)
}

func (m *snapshot) look(ctx context.Context, r dlq.Replay) (dlq.Evidence, error) {
	s, err := m.standing(ctx, r.ConsumerGroup)
	if err != nil {
		return dlq.Evidence{}, err
	}
	traces, away, err := m.b.search(ctx, m.c, r)
	if err != nil {
		return dlq.Evidence{}, err
	}
	return m.weigh(ctx, r, s, traces, away)
}

// pops says whether a POP retry topic of the group for the topic is there: its clients popped and failed.
func (c *cluster) pops(group, topic string) bool {
	retry := dlq.RetryPrefix + group
	return c.topics[retry+popSeparator+topic] || c.topics[retry+popSeparatorV2+topic]
}

// mayHold tells which brokers can have a copy of a replay: those that can be asked, and those that are away.
func (b *Broker) mayHold(ctx context.Context, c *cluster, r dlq.Replay) (here, away []string, err error) {
	topics := []string{dlq.RetryPrefix + r.ConsumerGroup, dlq.DLQPrefix + r.ConsumerGroup}
	if r.Receipt.Broker == "" {
		topics = append(topics, r.Target)
	}
	holders, err := b.mastersOf(ctx, topics...)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.Receipt.Broker != "":
		holders = append(holders, r.Receipt.Broker)
	case r.Outcome == dlq.OutcomeSending:
		// Nobody knows which broker got it, if any. One that left may have it.
		all, lost, err := b.complete(ctx, "")
		if err != nil {
			return nil, nil, err
		}
		away = lost
		for name, d := range all {
			// One that is silent and does not hold the topic cannot have been chosen.
			if d.Master() != "" && (c.brokers[name].Master() == "" || !b.isAway(c, name)) {
				holders = append(holders, name)
			}
		}
	}
	slices.Sort(holders)
	here, silent := b.split(c, slices.Compact(holders))
	return here, slices.Concat(away, silent, b.left(c, r.ConsumerGroup, r.IntendedAt)), nil
}

// search asks every broker that may hold a copy, under every topic that a copy may lie in, and tells which of them are away.
func (b *Broker) search(ctx context.Context, c *cluster, r dlq.Replay) (all []trace, away []string, err error) {
	retry, dead := dlq.RetryPrefix+r.ConsumerGroup, dlq.DLQPrefix+r.ConsumerGroup
	topics := []string{r.Target, retry, dead, topicSchedule, topicTimer}
	if r.Door == dlq.DoorTopic || r.Door == dlq.DoorPop {
		topics = append(topics, retry+popSeparator+r.Topic, retry+popSeparatorV2+r.Topic)
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	holders, away, err := b.mayHold(ctx, c, r)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for _, name := range holders {
		addr := c.brokers[name].Master()
		for _, topic := range topics {
			if r.UniqueKey == "" || topic == "" {
				continue
			}
			g.Go(func() error {
				found, err := b.searchOne(gctx, name, addr, topic, r)
				mu.Lock()
				defer mu.Unlock()
				if silent(err) && gctx.Err() == nil {
					away = append(away, name)
					return nil
				}
				all = append(all, found...)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	if extra, ok := b.receipted(ctx, c, r, all); ok {
		all = append(all, extra)
	}
	slices.Sort(away)
	return all, slices.Compact(away), nil
}

func (b *Broker) searchOne(ctx context.Context, name, addr, topic string, r dlq.Replay) ([]trace, error) {
	msgs, err := b.byKey(ctx, name, addr, topic, r.UniqueKey, r.IntendedAt.Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	var out []trace
	for _, m := range msgs {
		if ours(r, name, &m) {
			out = append(out, trace{broker: name, m: m})
		}
	}
	return out, nil
}

// byKey asks one broker for the messages of a topic with a UNIQ_KEY, stored since an instant.
func (b *Broker) byKey(ctx context.Context, name, addr, topic, key string, since time.Time) ([]remoting.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	q := remoting.MessageQuery{Topic: topic, Key: key, Unique: true, Begin: since}
	if b.opt.TLS != nil {
		// Over TLS a 4.9 broker cuts answers with several messages short, and the connection is of no use afterwards
		// (FileRegionEncoder adds up capacities). The newest copy under each topic is the one that matters.
		t, err := b.traits(ctx, name)
		if err != nil {
			return nil, err
		}
		if t.Major < 5 {
			q.Unique, q.Max = false, 1
		}
	}
	msgs, err := b.wire.QueryMessage(ctx, addr, q)
	if remoting.IsCode(err, remoting.AnswerTopicMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, unreachable(name, "to look for a message", err)
	}
	return msgs, nil
}

// receipted reads the copy that the broker's answer to the send named, if the key index did not show it.
func (b *Broker) receipted(ctx context.Context, c *cluster, r dlq.Replay, have []trace) (trace, bool) {
	_, offset, err := remoting.ParseMessageID(r.Receipt.MessageID)
	addr := c.brokers[r.Receipt.Broker].Master()
	if err != nil || addr == "" || slices.ContainsFunc(have, func(t trace) bool { return t.broker == r.Receipt.Broker && t.m.PhysicalOffset == offset }) {
		return trace{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	m, err := b.wire.ViewMessage(ctx, addr, "", offset)
	if err != nil || m.PhysicalOffset != offset || !ours(r, r.Receipt.Broker, &m) {
		return trace{}, false
	}
	return trace{broker: r.Receipt.Broker, m: m}, true
}

// ours says whether a stored message is a copy of this replay. Door C cannot mark its copies: there it is one with the
// same UNIQ_KEY and a counter above the dead copy's, stored after the intent.
func ours(r dlq.Replay, broker string, m *remoting.Message) bool {
	if m.Properties[dlq.PropUniqueKey] != r.UniqueKey {
		return false
	}
	if r.Door != dlq.DoorBack {
		return m.Properties[dlq.PropReplayID] == r.ID
	}
	if broker == r.Receipt.Broker && m.PhysicalOffset <= r.DeadPhysOffset {
		return false
	}
	return m.Reconsumed > r.DeadAttempts && m.StoredAt.After(r.IntendedAt.Add(-clockSlack))
}
