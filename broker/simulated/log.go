package simulated

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"deadletteroffice/dlq"
)

// topic is one topic with its one queue.
type topic struct {
	name string
	log  []*stored
}

// stored is one copy of a message.
type stored struct {
	topic    string // SCHEDULE_TOPIC_XXXX while parked
	offset   int64
	phys     int64
	id       string
	at       time.Time
	born     time.Time
	props    map[string]string
	body     []byte
	flag     int32
	sysFlag  int32
	attempts int // reconsumeTimes

	goal      string // parked: where it goes
	due       time.Time
	delivered bool
}

const parkTopic = "SCHEDULE_TOPIC_XXXX"

// put stores a copy, or parks it until due. The caller holds the lock.
func (b *Broker) put(name string, m stored, now, due time.Time) *stored {
	b.phys += int64(91 + len(m.body))
	c := &m
	c.props = maps.Clone(m.props)
	if c.props == nil {
		c.props = map[string]string{}
	}
	c.phys, c.at = b.phys, now
	c.id = fmt.Sprintf("7F00000100002A9F%016X", c.phys)
	c.goal, c.due, c.delivered = "", time.Time{}, false
	c.props["CLUSTER"] = b.opt.Cluster
	if c.props[dlq.PropUniqueKey] == "" {
		c.props[dlq.PropUniqueKey] = fmt.Sprintf("7F0000010001%020X", c.phys)
	}
	if due.After(now) {
		c.topic, c.goal, c.due = parkTopic, name, due
		c.props[dlq.PropRealTopic], c.props["REAL_QID"] = name, "0"
		b.parked = append(b.parked, c)
	} else {
		t := b.topic(name)
		c.topic, c.offset = name, int64(len(t.log))
		t.log = append(t.log, c)
	}
	key := c.props[dlq.PropUniqueKey]
	b.keys[key] = append(b.keys[key], c)
	return c
}

func (b *Broker) topic(name string) *topic {
	t, ok := b.topics[name]
	if !ok {
		t = &topic{name: name}
		b.topics[name] = t
	}
	return t
}

// Message is what a producer sends.
type Message struct {
	Topic      string
	Tag        string
	Key        string
	Properties map[string]string
	Body       []byte
}

// Produce stores a message as a producer's would be, and returns its UNIQ_KEY.
func (b *Broker) Produce(m Message) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	props := maps.Clone(m.Properties)
	if props == nil {
		props = map[string]string{}
	}
	if m.Tag != "" {
		props[dlq.PropTags] = m.Tag
	}
	if m.Key != "" {
		props[dlq.PropKeys] = m.Key
	}
	return b.put(m.Topic, stored{props: props, body: m.Body, born: now}, now, time.Time{}).props[dlq.PropUniqueKey]
}

// die puts a copy into the dead-letter topic as the broker does (apache/rocketmq AbstractSendMessageProcessor).
func (b *Broker) die(group string, m *stored, attempts int, now time.Time) *stored {
	dead := *m
	dead.attempts = attempts
	dead.props = sentBack(m)
	dead.props[dlq.PropDelay] = "0"
	return b.put(dlq.DLQPrefix+group, dead, now, time.Time{})
}

// sentBack are the properties that a message has after a consumer gave it back.
func sentBack(m *stored) map[string]string {
	props := maps.Clone(m.props)
	if props[dlq.PropRetryTopic] == "" {
		props[dlq.PropRetryTopic] = m.topic
	}
	if props[dlq.PropOriginID] == "" {
		props[dlq.PropOriginID] = m.id
	}
	props["WAIT"] = "false"
	return props
}

// deadMessage is a copy as the intake gets it.
func (b *Broker) deadMessage(q dlq.Queue, m *stored) dlq.DeadMessage {
	return dlq.DeadMessage{
		Position:      dlq.Position{Queue: q, Offset: m.offset, StoredAt: m.at},
		ConsumerGroup: q.ConsumerGroup(), OriginalTopic: m.props[dlq.PropRetryTopic], MessageID: m.id, PhysOffset: m.phys,
		Properties: maps.Clone(m.props), Body: m.body, BodyState: dlq.BodyPlain, Flag: m.flag, SysFlag: m.sysFlag,
		ReconsumeTimes: m.attempts, BornAt: m.born, BornHost: "127.0.0.1:50000", StoreHost: "127.0.0.1:10911",
		Orderly: m.attempts == 1 && m.props["REAL_TOPIC"] == "",
	}
}

func level(n int, levels []dlq.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	return time.Duration(levels[min(n, len(levels))-1])
}

func defaultLevels() []dlq.Duration {
	var out []dlq.Duration
	for _, s := range []int{1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200} {
		out = append(out, dlq.Duration(time.Duration(s)*time.Second))
	}
	return out
}

func parseMajor(version string) int {
	if version == "" {
		return 0
	}
	n, _ := strconv.Atoi(version[:1]) // 0 is "unknown"
	return n
}
