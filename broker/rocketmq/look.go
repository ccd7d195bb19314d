package rocketmq

import (
	"cmp"
	"context"
	"slices"
	"strings"
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

// Look finds out where a replayed message is now. It fails unless every broker that may hold a copy answered, so that
// no copies and no error mean that there are none.
//
// Passed speaks of the newest copy that is not parked, the first delivery or a retry of it: for a group of which the
// committed offset proves anything, "passed, and no newer copy" means consumed. PassedKnown is false for gRPC and POP
// deliveries, whose offsets move at the delivery (apache/rocketmq PopBufferMergeService), for broadcasting groups, whose
// offsets are with their clients, for SQL subscriptions, which may have filtered, and for an offset that moved although
// the group was not seen online since the delivery: somebody reset it.
//
// gRPC clients behind a proxy in cluster mode are not connected to the broker, which takes their group for offline. Online
// is true for them once their group's offset has passed the newest copy, since somebody took it.
func (b *Broker) Look(ctx context.Context, r dlq.Replay) (dlq.Evidence, error) {
	c, err := b.present(ctx)
	if err != nil {
		return dlq.Evidence{}, err
	}
	ev := dlq.Evidence{At: b.now().UTC()}
	p, err := b.presence(ctx, c, r.ConsumerGroup)
	if err != nil {
		return ev, err
	}
	ev.Online = p.online
	traces, err := b.search(ctx, c, r)
	if err != nil {
		return ev, err
	}
	view := classify(r, traces)
	ev.Copies = view.copies
	kind, why := b.kind(ctx, r.ConsumerGroup, p, nil)
	if kind == dlq.GroupUnknown && (view.popped || why == KindByPull || r.Door == dlq.DoorTopic && c.pops(r.ConsumerGroup, r.Topic)) {
		kind = dlq.GroupGRPC // or one whose offset says as little
	}
	ev.Retry = b.retryLeft(ctx, r, view, kind, p)
	ev.Filtered = b.filtered(r, view, p)
	if err := b.offsets(ctx, r, view, kind, &ev); err != nil {
		return ev, err
	}
	return ev, nil
}

// pops says whether a POP retry topic of the group for the topic is there: its clients popped and failed.
func (c *cluster) pops(group, topic string) bool {
	retry := dlq.RetryPrefix + group
	return c.topics[retry+popSeparator+topic] || c.topics[retry+popSeparatorV2+topic]
}

// search asks every broker that may hold a copy, under every topic that a copy may lie in.
func (b *Broker) search(ctx context.Context, c *cluster, r dlq.Replay) ([]trace, error) {
	retry, dead := dlq.RetryPrefix+r.ConsumerGroup, dlq.DLQPrefix+r.ConsumerGroup
	topics := []string{r.Target, retry, dead, topicSchedule, topicTimer}
	if r.Door == dlq.DoorTopic || r.Door == dlq.DoorPop {
		topics = append(topics, retry+popSeparator+r.Topic, retry+popSeparatorV2+r.Topic)
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	holders, err := b.mastersOf(ctx, r.Target, retry, dead)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Outcome == dlq.OutcomeSending:
		holders = c.masters() // nobody knows which broker got it, if any
	case r.Receipt.Broker != "" && !slices.Contains(holders, r.Receipt.Broker):
		holders = append(holders, r.Receipt.Broker)
	}
	var (
		mu  sync.Mutex
		all []trace
	)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for _, name := range holders {
		addr := c.brokers[name].Master()
		if addr == "" {
			return nil, dlq.Errorf(dlq.CodeUnavailable, "the broker %s has no master now, so not every copy can be looked for", name)
		}
		for _, topic := range topics {
			if r.UniqueKey == "" || topic == "" {
				continue
			}
			g.Go(func() error {
				found, err := b.searchOne(gctx, name, addr, topic, r)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, found...)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if extra, ok := b.receipted(ctx, c, r, all); ok {
		all = append(all, extra)
	}
	return all, nil
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

// picture is what the copies of a replay show.
type picture struct {
	copies    []dlq.Copy // oldest first
	delivered *trace     // newest copy in a topic that consumers read
	parked    bool       // a newer one is parked on its way to a retry, or no copy was delivered yet
	popped    bool       // a copy went through a POP retry topic
	tags      string
}

// classify says of every copy where it lies. A parked copy stays in the log and in the key index after its delivery, so
// those that have arrived are left out.
func classify(r dlq.Replay, traces []trace) picture {
	slices.SortFunc(traces, func(x, y trace) int {
		return cmp.Or(x.m.StoredAt.Compare(y.m.StoredAt), cmp.Compare(x.broker, y.broker), cmp.Compare(x.m.PhysicalOffset, y.m.PhysicalOffset))
	})
	retry, dead := dlq.RetryPrefix+r.ConsumerGroup, dlq.DLQPrefix+r.ConsumerGroup
	first := 0 // counter of the first delivery
	if r.Door == dlq.DoorBack {
		first = r.DeadAttempts + 1
	}
	place := func(topic string, m *remoting.Message, parked bool) dlq.CopyPlace {
		_, pop := popRest(r.ConsumerGroup, topic)
		switch {
		case topic == dead:
			return dlq.PlaceDead
		case topic == r.Target && m.Reconsumed <= first && parked:
			return dlq.PlaceParked
		case topic == r.Target && m.Reconsumed <= first:
			return dlq.PlaceTarget
		case topic == retry || pop:
			return dlq.PlaceRetry
		}
		return "" // another consumer group's
	}
	var v picture
	var newestParked, newestDelivered time.Time
	for i := range traces {
		t := &traces[i]
		topic, parked := t.m.Topic, isParking(t.m.Topic)
		if parked {
			topic = t.m.Properties[dlq.PropRealTopic]
			if arrived(traces, t, topic) {
				continue
			}
		}
		where := place(topic, &t.m, parked)
		if where == "" {
			continue
		}
		v.copies = append(v.copies, dlq.Copy{
			Place: where, Broker: t.broker, Topic: t.m.Topic, Queue: t.m.QueueID, Offset: t.m.QueueOffset,
			MessageID: t.m.OffsetID(), StoredAt: t.m.StoredAt, ReconsumeTimes: t.m.Reconsumed,
		})
		v.tags = t.m.Properties[dlq.PropTags]
		if _, pop := t.m.Properties[propFirstPop]; pop {
			v.popped = true
		}
		switch {
		case where == dlq.PlaceDead:
		case parked:
			newestParked = t.m.StoredAt
		default:
			v.delivered, newestDelivered = t, t.m.StoredAt
		}
	}
	v.parked = v.delivered == nil || newestParked.After(newestDelivered)
	return v
}

func isParking(topic string) bool { return topic == topicSchedule || topic == topicTimer }

// arrived says whether the copy that a parked one stood for has been delivered, or parked anew by a rolling timer.
func arrived(all []trace, parked *trace, topic string) bool {
	return slices.ContainsFunc(all, func(t trace) bool {
		same := t.broker == parked.broker && t.m.Reconsumed == parked.m.Reconsumed && t.m.PhysicalOffset > parked.m.PhysicalOffset
		return same && (t.m.Topic == topic || isParking(t.m.Topic) && t.m.Properties[dlq.PropRealTopic] == topic)
	})
}

// offsets fills in whether the group's committed offset passed the delivered copy, and whether the copy can still be
// seen at all.
func (b *Broker) offsets(ctx context.Context, r dlq.Replay, v picture, kind dlq.GroupKind, ev *dlq.Evidence) error {
	if v.delivered == nil {
		return b.expired(ctx, r, v, ev)
	}
	d := v.delivered
	addr, err := b.master(d.broker)
	if err != nil {
		return err
	}
	actx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	lowest, err := b.wire.MinOffset(actx, addr, d.m.Topic, d.m.QueueID)
	if err != nil {
		return unreachable(d.broker, "the start of a queue", err)
	}
	ev.Expired = d.m.QueueOffset < lowest
	committed, known, err := b.wire.QueryConsumerOffset(actx, addr, r.ConsumerGroup, d.m.Topic, d.m.QueueID)
	if err != nil {
		return unreachable(d.broker, "the offset of "+r.ConsumerGroup, err)
	}
	passed := known && !v.parked && committed > d.m.QueueOffset
	if !offsetSpeaks(r, v, kind) {
		ev.Online = ev.Online || passed && (kind == dlq.GroupGRPC || kind == dlq.GroupGRPCFIFO)
		return nil
	}
	ev.Passed, ev.PassedKnown = passed, known
	if ev.Passed && !ev.Online {
		b.mu.Lock()
		last := b.groups[r.ConsumerGroup].online
		b.mu.Unlock()
		if last.Before(d.m.StoredAt.Add(-clockSlack)) {
			ev.Passed, ev.PassedKnown = false, false
		}
	}
	if r.Door == dlq.DoorTopic && b.subscription(r).ExpressionType == "SQL92" {
		ev.PassedKnown = false
	}
	return nil
}

// offsetSpeaks says whether a committed offset behind the copy means that a listener was done with it.
func offsetSpeaks(r dlq.Replay, v picture, kind dlq.GroupKind) bool {
	switch kind {
	case dlq.GroupGRPC, dlq.GroupGRPCFIFO, dlq.GroupBroadcast:
		return false
	case dlq.GroupPop:
		// Java POP consumers pull %RETRY%<group> in the old way and pop the rest.
		return v.delivered.m.Topic == dlq.RetryPrefix+r.ConsumerGroup
	}
	_, pop := popRest(r.ConsumerGroup, v.delivered.m.Topic)
	return !pop && !v.popped
}

// expired tells of a replay without a delivered copy whether one can have been there and gone.
func (b *Broker) expired(ctx context.Context, r dlq.Replay, v picture, ev *dlq.Evidence) error {
	if len(v.copies) > 0 || r.SentAt == nil {
		return nil
	}
	keep, err := b.retention(ctx, r.Receipt.Broker)
	if r.Receipt.Broker == "" || err != nil {
		return nil // nobody says how long: it is looked for on
	}
	ev.Expired = keep > 0 && ev.At.Sub(*r.SentAt) > keep+time.Duration(r.Delay)
	if r.Door == dlq.DoorBack || r.DelayLevel > 0 || r.DeliverAt != nil || ev.Expired {
		return nil
	}
	addr, err := b.master(r.Receipt.Broker)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	lowest, err := b.wire.MinOffset(ctx, addr, r.Target, r.Receipt.Queue)
	if err != nil {
		return unreachable(r.Receipt.Broker, "the start of a queue", err)
	}
	ev.Expired = r.Receipt.Offset < lowest
	return nil
}

// subscription is what the group wants of the replay's topic, now or when it was last seen.
func (b *Broker) subscription(r dlq.Replay) remoting.Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups[r.ConsumerGroup].subs[r.Target]
}

// filtered says whether the group's subscription drops the copy unread. Retry topics are subscribed to whole.
func (b *Broker) filtered(r dlq.Replay, v picture, p presence) bool {
	if r.Door != dlq.DoorTopic {
		return false
	}
	if _, wants := p.subs[r.Target]; p.online && !wants {
		return true
	}
	sub := b.subscription(r)
	if len(sub.Tags) == 0 || slices.Contains(sub.Tags, "*") || sub.ExpressionType == "SQL92" {
		return false
	}
	return !slices.Contains(sub.Tags, strings.TrimSpace(v.tags))
}

// retryLeft is how long the group goes on trying after the newest copy, at the longest; 0 when nobody can say.
func (b *Broker) retryLeft(ctx context.Context, r dlq.Replay, v picture, kind dlq.GroupKind, p presence) time.Duration {
	broker := r.Receipt.Broker
	if v.delivered != nil {
		broker = v.delivered.broker
	}
	t, err := b.traits(ctx, broker)
	if err != nil || len(t.Levels) == 0 || p.consume == consumeActively { // who pulls says each time how long it keeps a message
		return 0
	}
	tries := maxReconsume
	if p.configured && p.config.RetryMaxTimes > 0 {
		tries = p.config.RetryMaxTimes
	}
	made := 0
	if n := len(v.copies); n > 0 {
		made = v.copies[n-1].ReconsumeTimes
	}
	return schedule(t.Levels, kind, made, tries)
}

const (
	second = dlq.Duration(time.Second)
	minute = dlq.Duration(time.Minute)
)

// policyLevels are the pauses that gRPC and POP clients make, whatever the broker's delay levels are (apache/rocketmq
// CustomizedRetryPolicy, DefaultMQPushConsumerImpl.popDelayLevel).
var policyLevels = []dlq.Duration{
	second, 5 * second, 10 * second, 30 * second, minute, 2 * minute, 3 * minute, 4 * minute, 5 * minute, 6 * minute, 7 * minute,
	8 * minute, 9 * minute, 10 * minute, 20 * minute, 30 * minute, 60 * minute, 120 * minute,
}

// schedule adds up the retries that are left: level 3 after the first failure and one more each time
// (AbstractSendMessageProcessor.consumerSendMsgBack). What is popped pays for each round. gRPC groups begin with the first
// level and have one round more: the proxy dead-letters what it gets after the last failure. Clients of FIFO groups keep the
// message and do both by themselves.
func schedule(levels []dlq.Duration, kind dlq.GroupKind, made, tries int) time.Duration {
	first, extra := 3, time.Duration(0)
	switch kind {
	case dlq.GroupGRPC:
		levels, first, extra, tries = policyLevels, 1, popRound, tries+1
	case dlq.GroupGRPCFIFO:
		levels, first = policyLevels, 1
	case dlq.GroupPop:
		levels, extra = policyLevels, popRound
	}
	var sum time.Duration
	for n := made; n < tries; n++ {
		sum += time.Duration(levels[min(first+n, len(levels))-1]) + extra
	}
	return sum
}
