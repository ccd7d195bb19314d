// Package simulated is an in-memory stand-in for a RocketMQ cluster: for unit tests, and for the demo where no Java can
// be had. It is no broker. It does what the office sees of one: dead-letter queues that are read in order, doors, delays,
// consumers that fail and retry, offsets, and evidence of what became of a replay. Everything is gone when the process
// ends, so every start makes a broker of another name: what a store remembers of an earlier one is never mixed with it.
package simulated

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// Intake takes dead messages in, in the way of the real broker package: batches of one queue, in order; the channel gets
// one value.
type Intake interface {
	Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error)
	Accept(ctx context.Context, batches []dlq.Batch) <-chan error
}

// Options may all be left out.
type Options struct {
	Cluster string           // default "simulated"
	Version string           // of RocketMQ whose manners it has, "5.5.0" (default) or one of 4.9
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger
	Step    time.Duration // how often messages move; default 100 ms
}

// Broker is the stand-in. Its methods may be called at the same time.
type Broker struct {
	opt   Options
	now   func() time.Time
	name  string
	since time.Time

	mu     sync.Mutex
	away   bool
	phys   int64
	topics map[string]*topic
	parked []*stored // in a delay, in order of storing
	groups map[string]*group
	keys   map[string][]*stored // copies by UNIQ_KEY
	read   map[string]int64     // next offset to be read, by %DLQ% topic
}

// New makes a Broker. Nothing moves before Run.
func New(o Options) *Broker {
	if o.Cluster == "" {
		o.Cluster = "simulated"
	}
	if o.Version == "" {
		o.Version = "5.5.0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Step <= 0 {
		o.Step = 100 * time.Millisecond
	}
	b := &Broker{
		opt: o, now: func() time.Time { return o.Now().UTC() },
		topics: map[string]*topic{}, groups: map[string]*group{}, keys: map[string][]*stored{}, read: map[string]int64{},
	}
	b.since = b.now()
	b.name = "broker-" + strconv.FormatInt(b.since.UnixMilli(), 36)
	return b
}

// Run moves messages, and reads every %DLQ% topic into the intake, until ctx ends; it returns nil then.
func (b *Broker) Run(ctx context.Context, in Intake) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	reading := map[string]bool{}
	tick := time.NewTicker(b.opt.Step)
	defer tick.Stop()
	for {
		for _, name := range b.step() {
			if !reading[name] {
				reading[name] = true
				readers.Go(func() { b.readQueue(ctx, in, name) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step delivers what is due, lets every consumer group that is online consume, and returns the dead-letter topics.
func (b *Broker) step() (dead []string) {
	b.mu.Lock()
	now := b.now()
	b.parked = slices.DeleteFunc(b.parked, func(m *stored) bool {
		if m.due.After(now) {
			return false
		}
		m.delivered = true
		b.put(m.goal, *m, now, time.Time{})
		return true
	})
	var online []*group
	for _, name := range sortedKeys(b.groups) {
		if g := b.groups[name]; g.online {
			g.seen = now
			online = append(online, g)
		}
	}
	b.mu.Unlock()
	for _, g := range online {
		b.consume(g, now)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range sortedKeys(b.topics) {
		if strings.HasPrefix(name, dlq.DLQPrefix) {
			dead = append(dead, name)
		}
	}
	return dead
}

// Close does nothing: all ends with Run's context.
func (b *Broker) Close() error { return nil }

// SetAway makes the broker unreachable, or reachable again: nothing is read, sent or answered meanwhile. Consumers go on.
func (b *Broker) SetAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// reachable is the error that every question gets while the broker is away. The caller holds the lock.
func (b *Broker) reachable() error {
	if b.away {
		return dlq.Errorf(dlq.CodeUnavailable, "the simulated broker is away").WithHint("bring it back")
	}
	return nil
}

// Status says that this is the stand-in.
func (b *Broker) Status() dlq.ClusterStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := dlq.ClusterStatus{Cluster: b.opt.Cluster, NameServers: []string{}, Reachable: !b.away, Since: &b.since, Simulated: true, Brokers: []string{b.name}}
	m := dlq.BrokerState{Name: b.name, Role: dlq.RoleMaster}
	if b.away {
		s.Error = "the simulated broker is away"
		m.AwaySince, m.Why, m.Error = &b.since, dlq.AwayOther, s.Error
	}
	s.Members = []dlq.BrokerState{m}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
