package rocketmq

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	intern "unique"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

const laneAtOnce = 4 // queues that are pulled at the same time

// errNoTrail says that the queues cannot be followed: replays must be looked for one by one.
var errNoTrail = errors.New("the queues cannot be followed")

// lane is one queue that a trail follows.
type lane struct {
	broker, topic string
	queue         int
}

// mark is what a trail remembers of one stored copy.
type mark struct {
	lane
	host     netip.AddrPort
	real     string // where a parked copy goes
	tags     string
	replay   string
	offset   int64
	physical int64
	stored   int64 // milliseconds
	attempts int
	popped   bool
}

func markOf(at lane, m *remoting.Message) mark {
	_, popped := m.Properties[propFirstPop]
	return mark{
		lane: at, host: m.StoreHost, real: intern.Make(m.Properties[dlq.PropRealTopic]).Value(), tags: intern.Make(m.Properties[dlq.PropTags]).Value(),
		replay: strings.Clone(m.Properties[dlq.PropReplayID]), offset: m.QueueOffset, physical: m.PhysicalOffset, stored: m.StoredAt.UnixMilli(),
		attempts: m.Reconsumed, popped: popped,
	}
}

// trace is the copy as a search would have found it, as far as evidence is made of it.
func (k mark) trace(key string) trace {
	props := map[string]string{dlq.PropUniqueKey: key, dlq.PropReplayID: k.replay, dlq.PropRealTopic: k.real, dlq.PropTags: k.tags}
	if k.popped {
		props[propFirstPop] = ""
	}
	return trace{broker: k.broker, m: remoting.Message{
		Topic: k.topic, QueueID: k.queue, QueueOffset: k.offset, PhysicalOffset: k.physical, StoredAt: time.UnixMilli(k.stored).UTC(), StoreHost: k.host,
		Reconsumed: k.attempts, Properties: props,
	}}
}

// trail is every copy of one consumer group's messages in the topics where a replay can turn up after its delivery, read
// in order from an instant on: the retry topics, the dead-letter topic, and those in which brokers park what is to be
// delivered later. Where thousands of replays are open it answers for all of them with a few pulls.
type trail struct {
	b      *Broker
	group  string
	all    bool      // copies without a replay id are remembered, too: door C cannot mark its own
	since  time.Time // by the brokers' clocks: every copy stored at or after it is in marks, as far as the lanes are read
	halved int       // how often since was moved on

	mu    sync.Mutex        // while lanes are read at the same time
	next  map[lane]int64    // offset to go on from
	marks map[string][]mark // by UNIQ_KEY
	count int
}

func newTrail(b *Broker, group string, all bool, since time.Time) *trail {
	return &trail{b: b, group: group, all: all, since: since, next: map[lane]int64{}, marks: map[string][]mark{}}
}

// advance reads every lane to its end as it is now. false means that there is more than one round can read. The error is
// errNoTrail when the queues cannot be followed at all, and tells otherwise which broker did not answer.
func (t *trail) advance(ctx context.Context, addrs map[string]string, topics []string) (bool, error) {
	ends, err := t.ends(ctx, addrs, topics)
	if err != nil {
		return false, err
	}
	backlog, from := int64(0), map[lane]int64{}
	for at, end := range ends {
		if from[at] = t.next[at]; from[at] > end {
			return false, errNoTrail // the queue lost its tail
		}
		backlog += end - from[at]
	}
	if backlog > t.b.limits.backlog {
		return false, errNoTrail
	}
	var left atomic.Int64
	left.Store(t.b.limits.pulls)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(laneAtOnce)
	done := true
	for at, end := range ends {
		if from[at] == end {
			continue
		}
		g.Go(func() error {
			next, err := t.read(gctx, addrs[at.broker], at, from[at], end, &left)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.next[at] = next
			done = done && next >= end
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	if t.count > t.b.limits.marks {
		t.shorten()
	}
	return done, nil
}

// ends asks where each lane ends, and where one that is new begins.
func (t *trail) ends(ctx context.Context, addrs map[string]string, topics []string) (map[lane]int64, error) {
	ends := map[lane]int64{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for name, addr := range addrs {
		for _, topic := range topics {
			g.Go(func() error {
				ctx, cancel := context.WithTimeout(gctx, askPatience)
				defer cancel()
				stats, err := t.b.wire.TopicStats(ctx, addr, topic)
				if remoting.IsCode(err, remoting.AnswerTopicMissing) {
					return nil
				}
				if err != nil {
					return unfollowed(name, err)
				}
				if topic == topicSchedule {
					// The topic has 18 queues, and one more is made for each level above that: nobody can pull those.
					can, err := t.b.traits(ctx, name)
					if err != nil {
						return err
					}
					if len(can.Levels) > len(stats) {
						return errNoTrail
					}
				}
				for _, q := range stats {
					at := lane{broker: name, topic: topic, queue: q.Queue.ID}
					t.mu.Lock()
					_, have := t.next[at]
					t.mu.Unlock()
					start := q.MaxOffset
					if !have && q.MaxOffset > q.MinOffset && (q.LastUpdate.IsZero() || !q.LastUpdate.Before(t.since)) {
						if start, err = t.b.wire.SearchOffset(ctx, addr, topic, at.queue, t.since); err != nil {
							return unfollowed(name, err)
						}
						start = min(max(start, q.MinOffset), q.MaxOffset)
					}
					t.mu.Lock()
					ends[at] = q.MaxOffset
					if !have {
						t.next[at] = start
					}
					t.mu.Unlock()
				}
				return nil
			})
		}
	}
	return ends, g.Wait()
}

// unfollowed tells a broker that does not answer from one that does not let a queue be read.
func unfollowed(broker string, err error) error {
	if silent(err) {
		return unreachable(broker, "to be followed", err)
	}
	return errNoTrail
}

// read pulls one lane until its end, or until no pulls are left, and returns how far it came.
func (t *trail) read(ctx context.Context, addr string, at lane, from, end int64, left *atomic.Int64) (int64, error) {
	for from < end {
		if left.Add(-1) < 0 {
			return from, nil
		}
		actx, cancel := context.WithTimeout(ctx, askPatience)
		res, err := t.b.wire.Pull(actx, addr, remoting.PullRequest{Group: t.b.opt.Group, Topic: at.topic, Queue: at.queue, Offset: from, Max: pullCount})
		cancel()
		if err != nil {
			return from, unfollowed(at.broker, err)
		}
		before := from
		switch res.Code {
		case remoting.AnswerSuccess:
			for i := range res.Messages {
				if m := &res.Messages[i]; m.QueueOffset >= from {
					t.note(at, m)
					from = m.QueueOffset + 1
				}
			}
		case remoting.AnswerPullOffsetMoved:
			from = max(from, res.MinOffset) // what was before is gone, for a search too
		default:
			from = max(from, res.NextOffset)
		}
		if from == before {
			return from, errNoTrail
		}
	}
	return from, nil
}

// note remembers a copy, if it can be one of a replay to the group.
func (t *trail) note(at lane, m *remoting.Message) {
	key, goal, marked := m.Properties[dlq.PropUniqueKey], m.Topic, m.Properties[dlq.PropReplayID] != ""
	if isParking(goal) {
		goal = m.Properties[dlq.PropRealTopic]
	}
	_, pop := popRest(t.group, goal)
	own := pop || goal == dlq.RetryPrefix+t.group || goal == dlq.DLQPrefix+t.group
	others := !own && (strings.HasPrefix(goal, dlq.RetryPrefix) || strings.HasPrefix(goal, dlq.DLQPrefix))
	if key == "" || others || !marked && !(own && t.all) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, have := t.marks[key]; !have {
		key = strings.Clone(key)
	}
	t.marks[key] = append(t.marks[key], markOf(at, m))
	t.count++
}

// shorten forgets the older half of the marks. Replays whose copies may be among them must be looked for once more.
func (t *trail) shorten() {
	stored := make([]int64, 0, t.count)
	for _, list := range t.marks {
		for _, k := range list {
			stored = append(stored, k.stored)
		}
	}
	slices.Sort(stored)
	limit := stored[len(stored)/2] + 1
	t.count = 0
	for key, list := range t.marks {
		list = slices.DeleteFunc(list, func(k mark) bool { return k.stored < limit })
		t.count += len(list)
		if t.marks[key] = list; len(list) == 0 {
			delete(t.marks, key)
		}
	}
	if at := time.UnixMilli(limit).UTC(); at.After(t.since) {
		t.since = at
	}
	t.halved++
}
