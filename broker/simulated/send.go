package simulated

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// Size returns how many bytes of body a send hands over: nothing is compressed here.
func (b *Broker) Size(req dlq.SendRequest) (int, error) { return len(req.Body), nil }

// Send takes a message back through the door that the replay names, with the manners of a RocketMQ broker: a send to the
// retry topic of an orderly group that is online goes to the dead-letter topic, one to a group that never reads its retry
// topic lies there for ever.
func (b *Broker) Send(_ context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return dlq.Receipt{}, dlq.NotSent, err
	}
	now := b.now()
	major := parseMajor(b.opt.Version)
	r := req.Replay
	m := stored{props: req.Properties, body: req.Body, flag: req.Flag, sysFlag: req.SysFlag, born: req.BornAt}
	due := now.Add(level(r.DelayLevel, defaultLevels()))
	if req.TimerAt != nil && major >= 5 {
		due = *req.TimerAt
	}
	target, diverted := r.Target, false
	switch r.Door {
	case dlq.DoorTopic, dlq.DoorRetry, dlq.DoorPop:
		if len(req.Body) == 0 && major >= 5 {
			return dlq.Receipt{}, dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "the simulated broker refuses an empty body")
		}
		if _, ok := b.topics[target]; !ok && r.Door == dlq.DoorTopic {
			return dlq.Receipt{}, dlq.NotSent, dlq.Errorf(dlq.CodeNotFound, "there is no topic %s", target)
		}
		if r.Door == dlq.DoorPop {
			if major < 5 || target != popRetry(r.ConsumerGroup, r.Topic) {
				return dlq.Receipt{}, dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "the simulated broker has no POP retry topic %s", target)
			}
			m.props = maps.Clone(req.Properties)
			m.props[dlq.PropRetryTopic] = r.Topic // which clients of the real one tell from the name of the topic
		}
		if _, ok := b.groups[r.ConsumerGroup]; !ok && r.Door != dlq.DoorTopic {
			return dlq.Receipt{}, dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "no broker knows the consumer group %s", r.ConsumerGroup)
		}
		if r.Door == dlq.DoorRetry && b.diverts(r.ConsumerGroup, now) {
			target, diverted = dlq.DLQPrefix+r.ConsumerGroup, true
		}
	case dlq.DoorBack:
		dead := b.deadCopy(r)
		if dead == nil {
			return dlq.Receipt{}, dlq.NotSent, dlq.Errorf(dlq.CodeRefused, "the broker has deleted the dead copy").
				WithHint("choose another door")
		}
		m = *dead
		m.attempts++
		m.props = sentBack(dead)
		target = dlq.RetryPrefix + r.ConsumerGroup
	default:
		return dlq.Receipt{}, dlq.NotSent, dlq.Errorf(dlq.CodeNotSupported, "the simulated broker has no door %s", r.Door)
	}
	if r.DelayLevel > 0 && due.After(now) {
		props := make(map[string]string, len(m.props)+1)
		for k, v := range m.props {
			props[k] = v
		}
		props[dlq.PropDelay] = strconv.Itoa(r.DelayLevel)
		m.props = props
	}
	c := b.put(target, m, now, due)
	receipt := dlq.Receipt{Broker: b.name, Address: "127.0.0.1:10911", Queue: 0, Offset: c.offset, MessageID: c.id}
	if diverted {
		return receipt, dlq.Diverted, dlq.Errorf(dlq.CodeRefused, "the broker put it straight into the dead-letter queue, because the orderly consumers of %s are online", r.ConsumerGroup)
	}
	return receipt, dlq.Sent, nil
}

// diverts is the broker's test for the queue locks of an orderly group (apache/rocketmq RebalanceLockManager). The caller
// holds the lock.
func (b *Broker) diverts(name string, now time.Time) bool {
	g, ok := b.groups[name]
	return ok && g.Kind == dlq.GroupOrderly && parseMajor(b.opt.Version) >= 5 && g.online && now.Sub(g.seen) < time.Minute
}

func (b *Broker) deadCopy(r dlq.Replay) *stored {
	t, ok := b.topics[dlq.DLQPrefix+r.ConsumerGroup]
	if !ok {
		return nil
	}
	for _, m := range t.log {
		if m.phys == r.DeadPhysOffset && m.props[dlq.PropUniqueKey] == r.UniqueKey {
			return m
		}
	}
	return nil
}

// Look tells where the copies of a replay are, and whether its consumer group is past the newest that it could read.
func (b *Broker) Look(_ context.Context, r dlq.Replay) (dlq.Evidence, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.reachable(); err != nil {
		return dlq.Evidence{}, err
	}
	ev := dlq.Evidence{At: b.now()}
	if r.Receipt.Broker != "" && r.Receipt.Broker != b.name {
		ev.Expired = true // it was sent to an earlier process
		return ev, nil
	}
	g := b.groups[r.ConsumerGroup]
	if g != nil {
		ev.Online = g.online
		ev.PassedKnown = g.Kind != dlq.GroupGRPC && g.Kind != dlq.GroupGRPCFIFO && g.Kind != dlq.GroupBroadcast
		ev.Retry = time.Duration(g.MaxRetry) * 2 * retryPause
	}
	for _, m := range b.keys[r.UniqueKey] {
		place, ours := placeOf(r, m)
		if !ours || m.delivered {
			continue
		}
		ev.Copies = append(ev.Copies, dlq.Copy{
			Place: place, Broker: b.name, Topic: m.topic, Offset: m.offset, MessageID: m.id, StoredAt: m.at, ReconsumeTimes: m.attempts,
		})
		ev.Passed = g != nil && m.topic != parkTopic && g.committed[m.topic] > m.offset
		ev.Taken = ev.Passed
	}
	return ev, nil
}

// placeOf tells whether a copy belongs to a replay, and what kind of topic holds it.
func placeOf(r dlq.Replay, m *stored) (dlq.CopyPlace, bool) {
	first := 0
	if r.Door == dlq.DoorBack {
		// Nothing can be written on what code 36 copies, so a raised counter must do.
		first = r.DeadAttempts + 1
		if m.attempts < first || m.at.Before(r.IntendedAt) {
			return "", false
		}
	} else if m.props[dlq.PropReplayID] != r.ID {
		return "", false
	}
	name := m.topic
	if name == parkTopic {
		name = m.goal
	}
	switch {
	case name == dlq.DLQPrefix+r.ConsumerGroup:
		return dlq.PlaceDead, true
	case m.attempts == first && name == r.Target && m.topic == parkTopic:
		return dlq.PlaceParked, true
	case m.attempts == first && name == r.Target:
		return dlq.PlaceTarget, true
	case strings.HasPrefix(name, dlq.RetryPrefix+r.ConsumerGroup):
		return dlq.PlaceRetry, true
	}
	return "", false // another group's
}

// Announce shows no other console: the cluster is in the memory of this one.
func (b *Broker) Announce(context.Context, dlq.Console) ([]dlq.Console, error) { return nil, nil }
