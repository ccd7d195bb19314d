package rocketmq

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// copyState is what the copies of a replay show.
type copyState struct {
	copies    []dlq.Copy // oldest first
	delivered *trace     // newest copy in a topic that consumers read
	parked    bool       // a newer one is parked on its way to a retry, or no copy was delivered yet
	popped    bool       // a copy went through a POP retry topic
	tags      string
}

// classify says of every copy where it lies. A parked copy stays in the log and in the key index after its delivery, so
// those that have arrived are left out.
func classify(r dlq.Replay, traces []trace) copyState {
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
	var v copyState
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

// snapshot is what is asked once for all replays that are looked at together.
type snapshot struct {
	b  *Broker
	c  *cluster
	at time.Time

	mu      sync.Mutex
	groups  map[string]standing
	offsets map[question]offset
	boots   map[string]time.Time // when brokers were started, by name
}

// standing is how a consumer group stands.
type standing struct {
	presence
	kind dlq.GroupKind
	why  string
}

// question asks for an offset of a queue: the group's committed one, or without a group where the queue begins.
type question struct {
	group, broker, topic string
	queue                int
}

type offset struct {
	at    int64
	known bool
	err   error
	read  time.Time // when the broker had answered
}

func (b *Broker) snapshot(c *cluster) *snapshot {
	return &snapshot{b: b, c: c, at: b.now().UTC(), groups: map[string]standing{}, offsets: map[question]offset{}}
}

// standing asks how a group stands, before its replays are searched.
func (m *snapshot) standing(ctx context.Context, group string) (standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.groups[group]; ok {
		return s, nil
	}
	p, err := m.b.presence(ctx, m.c, group)
	if err != nil {
		return standing{}, err
	}
	s := standing{presence: p}
	s.kind, s.why = m.b.kind(ctx, group, p, nil)
	m.groups[group] = s
	return s, nil
}

// ask asks a broker for an offset.
func (m *snapshot) ask(ctx context.Context, q question) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.offsets[q]
	if !ok {
		o = m.b.askOffset(ctx, q)
		o.read = m.b.now().UTC()
		m.offsets[q] = o
	}
	return o.at, o.known, o.err
}

// readAt is when an offset was read that was asked for.
func (m *snapshot) readAt(q question) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offsets[q].read
}

func (b *Broker) askOffset(ctx context.Context, q question) offset {
	addr, err := b.master(q.broker)
	if err != nil {
		return offset{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	o := offset{known: true}
	if q.group == "" {
		if o.at, err = b.wire.MinOffset(ctx, addr, q.topic, q.queue); err != nil {
			o.err = unreachable(q.broker, "the start of a queue", err)
		}
		return o
	}
	if o.at, o.known, err = b.wire.QueryConsumerOffset(ctx, addr, q.group, q.topic, q.queue); err != nil {
		o.err = unreachable(q.broker, "the offset of "+q.group, err)
	}
	return o
}

// weigh makes evidence of the copies that were found.
func (m *snapshot) weigh(ctx context.Context, r dlq.Replay, s standing, traces []trace, away []string) (dlq.Evidence, error) {
	ev := dlq.Evidence{At: m.at, Online: s.online, Away: away}
	view := classify(r, traces)
	ev.Copies = view.copies
	kind := s.kind
	if kind == dlq.GroupUnknown &&
		(view.popped || s.why == KindByPull || r.Door == dlq.DoorPop || r.Door == dlq.DoorTopic && m.c.pops(r.ConsumerGroup, r.Topic)) {
		kind = dlq.GroupGRPC // or one whose offset says as little
	}
	ev.Retry = m.b.retryLeft(ctx, r, view, kind, s.presence)
	ev.Filtered = m.b.filtered(r, view, s.presence)
	if len(away) > 0 {
		return ev, nil // where the newest copy lies is not known
	}
	err := m.positions(ctx, r, view, kind, s, &ev)
	if at := whereOf(r, view); silent(err) && at != "" && ctx.Err() == nil {
		ev.Away, err = []string{at}, nil
	}
	return ev, err
}

// whereOf is the broker whose offsets tell of a replay.
func whereOf(r dlq.Replay, v copyState) string {
	if v.delivered != nil {
		return v.delivered.broker
	}
	return r.Receipt.Broker
}

// positions fills in whether the group's committed offset passed the delivered copy, and whether the copy can still be
// seen at all.
func (m *snapshot) positions(ctx context.Context, r dlq.Replay, v copyState, kind dlq.GroupKind, s standing, ev *dlq.Evidence) error {
	if v.delivered == nil {
		return m.expired(ctx, r, v, ev)
	}
	d := v.delivered
	lowest, _, err := m.ask(ctx, question{broker: d.broker, topic: d.m.Topic, queue: d.m.QueueID})
	if err != nil {
		return err
	}
	ev.Expired = d.m.QueueOffset < lowest
	committed, known, err := m.ask(ctx, question{group: r.ConsumerGroup, broker: d.broker, topic: d.m.Topic, queue: d.m.QueueID})
	if err != nil {
		return err
	}
	passed := known && !v.parked && committed > d.m.QueueOffset
	// Broadcasting consumers keep their offsets to themselves.
	ev.Taken = passed || kind == dlq.GroupBroadcast
	if !offsetSpeaks(r, v, kind) {
		ev.Online = ev.Online || passed && (kind == dlq.GroupGRPC || kind == dlq.GroupGRPCFIFO)
		if v.delivered != nil && !v.parked && kind == dlq.GroupGRPC && s.why != KindByPull {
			switch m.holds(ctx, r.ConsumerGroup, d) {
			case holdNobody:
				ev.Taken = false
			case holdTaken:
				ev.Held = true
			case holdDone:
				ev.Acked = true
			}
		}
		return nil
	}
	ev.PassedKnown = true // who never committed an offset there has consumed nothing
	if !known && !v.parked {
		m.untouched(r.ConsumerGroup, s, d)
	}
	if known && !v.parked {
		switch m.passed(ctx, r.ConsumerGroup, s, d, committed) {
		case passedByUse:
			ev.Passed = true
		case passedMaybe:
			ev.Weighing = true
		case passedMoved:
			ev.Moved = true
		}
	}
	if r.Door == dlq.DoorTopic && m.b.subscription(r).ExpressionType == "SQL92" {
		ev.PassedKnown = false
	}
	return nil
}

// offsetSpeaks says whether a committed offset behind the copy means that a listener was done with it.
func offsetSpeaks(r dlq.Replay, v copyState, kind dlq.GroupKind) bool {
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
func (m *snapshot) expired(ctx context.Context, r dlq.Replay, v copyState, ev *dlq.Evidence) error {
	if len(v.copies) > 0 || r.SentAt == nil {
		return nil
	}
	keep, err := m.b.retention(ctx, r.Receipt.Broker)
	if r.Receipt.Broker == "" || err != nil {
		return nil // nobody says how long: it is looked for on
	}
	ev.Expired = keep > 0 && ev.At.Sub(*r.SentAt) > keep+time.Duration(r.Delay)
	if r.Door == dlq.DoorBack || delayed(r) || ev.Expired {
		return nil
	}
	lowest, _, err := m.ask(ctx, question{broker: r.Receipt.Broker, topic: r.Target, queue: r.Receipt.Queue})
	if err != nil {
		return err
	}
	ev.Expired = r.Receipt.Offset < lowest
	return nil
}

// delayed says whether a replay's receipt names a parked copy.
func delayed(r dlq.Replay) bool { return r.DelayLevel > 0 || r.DeliverAt != nil }

// subscription is what the group wants of the replay's topic, now or when it was last seen.
func (b *Broker) subscription(r dlq.Replay) remoting.Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups[r.ConsumerGroup].subs[r.Target]
}

// filtered says whether the group's subscription drops the copy unread. Retry topics are subscribed to whole.
func (b *Broker) filtered(r dlq.Replay, v copyState, p presence) bool {
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
func (b *Broker) retryLeft(ctx context.Context, r dlq.Replay, v copyState, kind dlq.GroupKind, p presence) time.Duration {
	t, err := b.traits(ctx, whereOf(r, v))
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
