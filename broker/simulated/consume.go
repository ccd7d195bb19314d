package simulated

import (
	"maps"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// Consumer is one consumer group. Work is called with the Broker's lock held: it must not call the Broker.
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

// consume lets one group have what there is.
func (b *Broker) consume(g *group, now time.Time) {
	if !g.online {
		return
	}
	g.seen = now
	for _, name := range g.reads() {
		t, ok := b.topics[name]
		for ok && g.committed[name] < int64(len(t.log)) {
			if !b.handle(g, t.log[g.committed[name]], now) {
				break
			}
			g.committed[name]++
		}
	}
}

// handle gives one message to the listener. It reports whether the group is done with this copy.
func (b *Broker) handle(g *group, m *stored, now time.Time) bool {
	if g.Kind == dlq.GroupOrderly && now.Before(g.rest) {
		return false
	}
	topic := m.topic
	if strings.HasPrefix(topic, dlq.RetryPrefix) && m.props[dlq.PropRetryTopic] != "" {
		topic = m.props[dlq.PropRetryTopic]
	}
	seen := Seen{Group: g.Group, Topic: topic, Properties: maps.Clone(m.props), Body: m.body, Attempts: m.attempts}
	if g.Work == nil || g.Work(seen) {
		g.tries = 0
		return true
	}
	switch {
	case g.Kind == dlq.GroupBroadcast: // failures are dropped
	case g.Kind == dlq.GroupOrderly && g.tries < g.MaxRetry:
		// It tries again by itself, and what follows waits.
		g.tries++
		g.rest = now.Add(retryPause / 2)
		return false
	case g.Kind == dlq.GroupOrderly:
		g.tries = 0
		b.die(g.Group, m, m.attempts+1, now)
	case m.attempts >= g.MaxRetry:
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
	return true
}
