package simulated

import (
	"maps"
	"strings"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// Consumer is one consumer group. Its Work is called by Run, for one message at a time, and by Probe meanwhile.
type Consumer struct {
	Group    string
	Kind     dlq.GroupKind
	Topics   []string
	MaxRetry int             // retries before a message is dead; default 2
	Work     func(Seen) bool // reports success; nil: always
}

// Seen is a message as a listener sees it.
type Seen struct {
	Group      string
	Topic      string // the original one, also on retries
	Properties map[string]string
	Body       []byte
	Attempts   int // reconsumeTimes
}

type group struct {
	Consumer
	online    bool
	seen      time.Time        // last time online
	committed map[string]int64 // by topic
	tries     int              // orderly: of the message at the head
	rest      time.Time        // orderly: suspended until

	turn sync.Mutex // held while it consumes: two consoles on this broker both run it
}

// retryPause is the delay before each retry: short, so that a demo shows something.
const retryPause = time.Second

// Consume adds a consumer group, online. One of the same name is replaced and keeps its offsets.
func (b *Broker) Consume(c Consumer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.MaxRetry <= 0 {
		c.MaxRetry = 2
	}
	g := &group{Consumer: c, online: true, seen: b.now(), committed: map[string]int64{}}
	if old, ok := b.groups[c.Group]; ok {
		g.committed = old.committed
	}
	b.groups[c.Group] = g
	for _, t := range c.Topics {
		b.topic(t)
	}
}

// SetOnline connects a consumer group or takes it off. It does nothing for a group that does not exist.
func (b *Broker) SetOnline(name string, online bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g, ok := b.groups[name]; ok {
		g.online = online
	}
}

// reads are the topics that a group's clients poll. gRPC clients poll a retry topic for each topic, never %RETRY%<group>
// (apache/rocketmq PopMessageProcessor); FIFO and broadcasting ones none at all.
func (g *group) reads() []string {
	out := append([]string{}, g.Topics...)
	switch g.Kind {
	case dlq.GroupGRPCFIFO, dlq.GroupBroadcast:
	case dlq.GroupGRPC:
		for _, t := range g.Topics {
			out = append(out, popRetry(g.Group, t))
		}
	default:
		out = append(out, dlq.RetryPrefix+g.Group)
	}
	return out
}

func popRetry(group, topic string) string { return dlq.RetryPrefix + group + "_" + topic }

// consume lets one group have what there is, unless it is having it.
func (b *Broker) consume(g *group, now time.Time) {
	if !g.turn.TryLock() {
		return
	}
	defer g.turn.Unlock()
	for {
		m, topic := b.head(g, now)
		if m == nil {
			return
		}
		ok := g.Work == nil || g.Work(Seen{Group: g.Group, Topic: topic, Properties: maps.Clone(m.props), Body: m.body, Attempts: m.attempts})
		b.handled(g, m, topic, ok, now)
	}
}

// head returns the next message of a group and the topic under which its listener sees it, or nil.
func (b *Broker) head(g *group, now time.Time) (*stored, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(g.rest) {
		return nil, ""
	}
	for _, name := range g.reads() {
		t, ok := b.topics[name]
		if !ok || g.committed[name] >= int64(len(t.log)) {
			continue
		}
		m := t.log[g.committed[name]]
		if original := m.props[dlq.PropRetryTopic]; original != "" && strings.HasPrefix(m.topic, dlq.RetryPrefix) {
			return m, original
		}
		return m, m.topic
	}
	return nil, ""
}

// handled does what a client and its broker do after a listener: move the offset, and put a failure to retry or death.
func (b *Broker) handled(g *group, m *stored, topic string, ok bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok && g.Kind == dlq.GroupOrderly && g.tries < g.MaxRetry {
		g.tries++ // it tries again by itself, and what follows waits
		g.rest = now.Add(retryPause / 2)
		return
	}
	g.tries = 0
	g.committed[m.topic]++
	switch {
	case ok || g.Kind == dlq.GroupBroadcast: // whose failures are dropped
	case g.Kind == dlq.GroupOrderly || m.attempts >= g.MaxRetry:
		b.die(g.Group, m, m.attempts+1, now)
	default:
		again := *m
		again.attempts++
		again.props = sentBack(m)
		again.props[dlq.PropDelay] = "1"
		retry := dlq.RetryPrefix + g.Group
		if g.Kind == dlq.GroupGRPC {
			retry = popRetry(g.Group, topic)
		}
		b.put(retry, again, now, now.Add(retryPause))
	}
}
