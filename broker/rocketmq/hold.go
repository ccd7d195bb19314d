package rocketmq

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Who has a popped message.
//
// A broker writes a check point of every batch that is popped, and one more whenever a client asks for more time or gives a
// message back for later; and it writes every acknowledgement. Until they are due both lie in the timer topic, going to the
// revive log; what is due at once is written there (apache/rocketmq PopMessageProcessor, AckMessageProcessor,
// ChangeInvisibleTimeProcessor). So of each message it can be told whether it was popped, whether whoever popped it last still
// holds it, and whether it was acknowledged. A message that is given back for later is acknowledged after its new check point is
// written, which may be in the other topic: only an acknowledgement that two looks find to be the last one counts.
const (
	popLogPulls = 300     // of the timer topic, in one look
	popLogMarks = 200_000 // check points and acknowledgements that are remembered
	reviveLog   = "rmq_sys_REVIVE_LOG_"
)

var errNoPopLog = errors.New("the broker does not store who has a popped message")

// popMark is a check point or an acknowledgement.
type popMark struct {
	Start     int64   `json:"so"`
	Popped    int64   `json:"pt"` // milliseconds
	Invisible int64   `json:"it"`
	Count     int     `json:"n"`
	Diffs     []int64 `json:"d"`
	Queue     int     `json:"q"`
	Topic     string  `json:"t"`
	Group     string  `json:"c"`
	Ack       int64   `json:"ao"`
	Acks      []int64 `json:"aol"`
	tag       string
}

// covers says whether a mark is about the message at an offset.
func (k popMark) covers(offset int64) bool {
	switch {
	case k.tag == "ack":
		return k.Ack == offset
	case k.tag == "bAck":
		return slices.Contains(k.Acks, offset)
	case len(k.Diffs) > 0:
		return slices.Contains(k.Diffs, offset-k.Start)
	}
	return offset >= k.Start && offset < k.Start+int64(k.Count)
}

// popLog is what was popped and acknowledged at one broker since an instant, for the consumer groups that are asked for.
type popLog struct {
	mu     sync.Mutex
	since  time.Time
	begun  bool
	next   map[lane]int64       // offset to go on from
	groups map[string]time.Time // when each was last asked for
	marks  map[string][]popMark // by consumer group
	count  int
}

// popHolder is who has a popped message.
type popHolder int

const (
	holdUnknown popHolder = iota
	holdNobody            // it was not popped
	holdTaken             // somebody popped it and did not acknowledge it
	holdDone              // it was acknowledged
)

// holds tells who has a copy that POP consumers read.
func (m *snapshot) holds(ctx context.Context, group string, d *trace) popHolder {
	t, err := m.b.traits(ctx, d.broker)
	if err != nil || !t.popStored {
		return holdUnknown
	}
	m.b.mu.Lock()
	log := m.b.popLogs[d.broker]
	if log == nil {
		log = &popLog{next: map[lane]int64{}, groups: map[string]time.Time{}, marks: map[string][]popMark{}}
		m.b.popLogs[d.broker] = log
	}
	m.b.mu.Unlock()
	log.mu.Lock()
	defer log.mu.Unlock()
	if err := log.advance(ctx, m.b, m.c.brokers[d.broker].Cluster, d.broker, group, d.m.StoredAt.Add(-5*time.Second), m.at); err != nil {
		m.b.log.Debug("nobody tells who has a popped message", "consumer_group", group, "broker", d.broker, "error", err)
		return holdUnknown
	}
	return log.of(group, d.m.Topic, d.m.QueueID, d.m.QueueOffset, m.at)
}

// of tells who has the message at a place.
func (l *popLog) of(group, topic string, queue int, offset int64, now time.Time) popHolder {
	var last *popMark
	acks := map[int64]bool{}
	for i := range l.marks[group] {
		k := &l.marks[group][i]
		switch {
		case k.Topic != topic || k.Queue != queue || !k.covers(offset):
		case k.tag != "ck":
			acks[k.Popped] = true
		case last == nil || k.Popped >= last.Popped:
			last = k
		}
	}
	switch {
	case last == nil:
		return holdNobody
	case acks[last.Popped]:
		return holdDone
	case now.UnixMilli() > last.Popped+last.Invisible+popRound.Milliseconds():
		return holdUnknown // it should be in the retry topic by now
	}
	return holdTaken
}

// advance reads on to the end, or begins anew for what was not read before.
func (l *popLog) advance(ctx context.Context, b *Broker, cluster, broker, group string, since, now time.Time) error {
	addr, err := b.master(broker)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askPatience)
	defer cancel()
	for g, used := range l.groups {
		if now.Sub(used) > 2*openFor {
			l.count -= len(l.marks[g])
			delete(l.groups, g)
			delete(l.marks, g)
		}
	}
	_, known := l.groups[group]
	l.groups[group] = now
	if !l.begun || !known || since.Before(l.since) {
		if !l.begun || since.Before(l.since) {
			l.since = since
		}
		clear(l.marks)
		clear(l.next)
		l.begun, l.count = true, 0
	}
	pulls := popLogPulls
	for _, topic := range []string{topicTimer, reviveLog + cluster} {
		stats, err := b.wire.TopicStats(ctx, addr, topic)
		if err != nil {
			return err
		}
		for _, q := range stats {
			at := lane{topic: topic, queue: q.Queue.ID}
			if _, have := l.next[at]; !have {
				if l.next[at], err = b.wire.SearchOffset(ctx, addr, topic, at.queue, l.since); err != nil {
					return err
				}
				l.next[at] = min(max(l.next[at], q.MinOffset), q.MaxOffset)
			}
			if err := l.read(ctx, b, addr, at, q.MaxOffset, &pulls); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads one queue to its end.
func (l *popLog) read(ctx context.Context, b *Broker, addr string, at lane, end int64, pulls *int) error {
	for l.next[at] < end {
		if *pulls--; *pulls < 0 || l.count > popLogMarks {
			l.begun = l.count <= popLogMarks
			return errNoPopLog
		}
		res, err := b.wire.Pull(ctx, addr, remoting.PullRequest{Group: b.opt.Group, Topic: at.topic, Queue: at.queue, Offset: l.next[at], Max: pullCount})
		if err != nil {
			return err
		}
		next := l.next[at]
		for i := range res.Messages {
			l.note(&res.Messages[i])
			next = max(next, res.Messages[i].QueueOffset+1)
		}
		if len(res.Messages) == 0 {
			next = max(next, res.NextOffset)
		}
		if next == l.next[at] {
			return errNoPopLog
		}
		l.next[at] = next
	}
	return nil
}

func (l *popLog) note(msg *remoting.Message) {
	if !strings.HasPrefix(msg.Topic, reviveLog) && !strings.HasPrefix(msg.Properties[dlq.PropRealTopic], reviveLog) {
		return
	}
	k := popMark{tag: msg.Properties[dlq.PropTags]}
	if err := json.Unmarshal(msg.Body, &k); err != nil {
		return
	}
	if _, wanted := l.groups[k.Group]; wanted {
		l.marks[k.Group] = append(l.marks[k.Group], k)
		l.count++
	}
}
