package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

const (
	askPatience = 5 * time.Second // for one question to one node
	askAtOnce   = 16              // questions under way at the same time
)

// cluster is what one discovery round found.
type cluster struct {
	at      time.Time
	name    string                         // of the cluster; several clusters on one set of name servers are joined by ", "
	brokers map[string]remoting.BrokerData // by broker name
	topics  map[string]bool                // every topic of the cluster
	queues  []found                        // of %DLQ% topics, sorted
	away    map[string]error               // brokers that do not answer, by name
}

// found is one queue of a %DLQ% topic as its broker describes it.
type found struct {
	queue    dlq.Queue
	perm     int
	min, max int64
	failed   error // why min and max are not known, or from before
	gone     bool  // its broker is not registered any more
}

func (c *cluster) masters() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.brokers)) {
		if b := c.brokers[name]; b.Master() != "" {
			names = append(names, name)
		}
	}
	return names
}

// round looks at the cluster once. The error says that no name server answers, or none of the brokers: then there is still
// what the name server told.
func (b *Broker) round(ctx context.Context) (*cluster, error) {
	c := &cluster{at: b.now().UTC(), topics: map[string]bool{}, away: map[string]error{}}
	info, topics, err := b.askNames(ctx)
	if err != nil {
		return nil, explain(dlq.Errorf(dlq.CodeUnavailable, "no name server answers (%s): %w", b.names, err).
			WithHint("check that the addresses are right and that a name server runs there"), err)
	}
	c.brokers = info.Brokers
	c.name = strings.Join(slices.Sorted(maps.Keys(info.Clusters)), ", ")
	var dead []string
	for _, t := range topics {
		c.topics[t] = true
		if strings.HasPrefix(t, dlq.DLQPrefix) && t != dlq.DLQPrefix {
			dead = append(dead, t)
		}
	}
	if len(c.brokers) == 0 {
		return nil, dlq.Errorf(dlq.CodeUnavailable, "no name server knows a broker (%s)", b.names).WithHint("start a broker, or check that it registers with this name server")
	}
	if err := b.findQueues(ctx, c, dead); err != nil {
		return nil, err
	}
	b.recall(c)
	masters := c.masters()
	if len(masters) > 0 && !slices.ContainsFunc(masters, func(name string) bool { return c.away[name] == nil }) {
		why := errors.Join(slices.Collect(maps.Values(c.away))...)
		return c, explain(dlq.Errorf(dlq.CodeUnavailable, "no broker answers (%s): %w", strings.Join(masters, ", "), why).
			WithHint("brokers register the address in brokerIP1; it must be reachable from here"), why)
	}
	return c, nil
}

// recall adds what was known before of queues whose brokers do not tell now: those of brokers that the name server knows no
// more are still there for who looks for them.
func (b *Broker) recall(c *cluster) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cluster == nil {
		return
	}
	have := map[dlq.Queue]*found{}
	for i := range c.queues {
		have[c.queues[i].queue] = &c.queues[i]
	}
	var lost []found
	for _, old := range b.cluster.queues {
		name := old.queue.Broker
		_, registered := c.brokers[name]
		_, met := b.met[name]
		switch f := have[old.queue]; {
		case f != nil && f.failed != nil && f.max == 0:
			f.min, f.max = old.min, old.max
		case f == nil && !registered && met:
			old.failed, old.gone = gone(name), true
			lost = append(lost, old)
		}
	}
	c.queues = append(c.queues, lost...)
	slices.SortFunc(c.queues, func(x, y found) int { return compareQueues(x.queue, y.queue) })
}

func (b *Broker) askNames(ctx context.Context) (remoting.ClusterInfo, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askPatience)
	defer cancel()
	info, err := b.wire.ClusterInfo(ctx, b.names)
	if err != nil {
		return info, nil, err
	}
	topics, err := b.wire.TopicList(ctx, b.names)
	return info, topics, err
}

// findQueues asks where each %DLQ% topic lies, and then each of those brokers what it holds.
func (b *Broker) findQueues(ctx context.Context, c *cluster, topics []string) error {
	routes := make([]remoting.TopicRoute, len(topics))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for i, topic := range topics {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(gctx, 2*askPatience)
			defer cancel()
			var err error
			routes[i], err = b.wire.Route(ctx, b.names, topic)
			if remoting.IsCode(err, remoting.AnswerTopicMissing) {
				return nil // deleted since the list was made
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return dlq.Errorf(dlq.CodeUnavailable, "a name server does not tell where dead-letter topics lie: %w", err)
	}

	type part struct {
		topic, broker string
		data          remoting.QueueData
		stats         []remoting.QueueStats
		err           error
	}
	byBroker := map[string][]*part{}
	for i, route := range routes {
		for _, q := range route.Queues {
			if _, registered := c.brokers[q.Broker]; registered {
				byBroker[q.Broker] = append(byBroker[q.Broker], &part{topic: topics[i], broker: q.Broker, data: q})
			}
		}
	}
	for _, name := range c.masters() {
		if byBroker[name] == nil { // brokers without a %DLQ% topic are asked for anything at all
			byBroker[name] = []*part{{broker: name}}
		}
	}
	quiet := map[string]error{}
	for name, d := range c.brokers {
		if err := b.quiet(addrOf(d)); err != nil {
			quiet[name] = errSilent{err}
		}
	}
	if len(quiet) == len(c.brokers) { // a round shall tell something
		clear(quiet)
		ctx = context.WithValue(ctx, probing{}, true)
	}
	ask := func(p *part) {
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		if addr := addrOf(c.brokers[p.broker]); p.topic == "" {
			_, p.err = b.wire.BrokerRuntimeInfo(ctx, addr)
		} else {
			p.stats, p.err = b.wire.TopicStats(ctx, addr, p.topic)
		}
	}
	// The first question tells whether the broker answers at all: one that does not would hold up a round with each.
	var all errgroup.Group
	for name, list := range byBroker {
		all.Go(func() error {
			first := list[0]
			if first.err = quiet[name]; first.err == nil {
				ask(first)
			}
			var g errgroup.Group
			g.SetLimit(askAtOnce)
			for _, p := range list[1:] {
				if silent(first.err) {
					p.err = first.err
					continue
				}
				g.Go(func() error {
					ask(p)
					return nil
				})
			}
			return g.Wait()
		})
	}
	if err := errors.Join(all.Wait(), ctx.Err()); err != nil {
		return err
	}
	var parts []*part
	for _, list := range byBroker {
		parts = append(parts, list...)
	}
	for _, p := range parts {
		if silent(p.err) {
			c.away[p.broker] = p.err
		}
		if p.topic == "" {
			continue
		}
		if d := c.brokers[p.broker]; d.Master() == "" {
			p.err = onlySlave(p.broker, d)
		}
		for number := range max(p.data.ReadQueues, 1) {
			f := found{
				queue:  dlq.Queue{Cluster: c.brokers[p.broker].Cluster, Broker: p.broker, Topic: p.topic, Number: number},
				perm:   p.data.Perm,
				failed: p.err,
			}
			for _, s := range p.stats {
				if s.Queue.ID == number {
					f.min, f.max = s.MinOffset, s.MaxOffset
				}
			}
			c.queues = append(c.queues, f)
		}
	}
	slices.SortFunc(c.queues, func(x, y found) int { return compareQueues(x.queue, y.queue) })
	return nil
}

// silent says whether an error is the lack of an answer.
func silent(err error) bool {
	var answered *remoting.ResponseError
	return err != nil && !errors.As(err, &answered)
}

func compareQueues(x, y dlq.Queue) int {
	return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Cluster, y.Cluster), cmp.Compare(x.Broker, y.Broker), cmp.Compare(x.Number, y.Number))
}

// present returns what the last round found, if that is not long ago, or makes one.
func (b *Broker) present(ctx context.Context) (*cluster, error) {
	b.mu.Lock()
	c, failed, at := b.cluster, b.failed, b.failedAt
	b.mu.Unlock()
	switch {
	case c != nil && b.now().Sub(c.at) < 2*b.opt.DiscoveryInterval:
		return c, nil
	case failed != nil && b.now().Sub(at) < b.opt.DiscoveryInterval:
		return nil, failed // people who ask in a row need not wait for the same silence each time
	}
	return b.discover(ctx)
}

// discover makes a round and remembers what came of it.
func (b *Broker) discover(ctx context.Context) (*cluster, error) {
	c, err := b.round(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.now().UTC()
	st := &b.status
	if st.Since == nil || st.Reachable != (err == nil) {
		st.Since = &at
		if err != nil {
			b.log.Warn("the cluster does not answer", "error", err)
		} else {
			b.log.Info("the cluster answers", "cluster", c.name, "brokers", c.masters(), "queues", len(c.queues))
		}
	}
	st.Reachable, st.Error, st.Hint = err == nil, "", ""
	b.failed, b.failedAt = err, at
	if c != nil {
		b.takeSilence(c)
		b.takeLosses(c, at)
		st.Cluster, st.Brokers, st.Members = c.name, slices.Sorted(maps.Keys(c.brokers)), b.members(c)
	}
	if err != nil {
		st.Error, st.Hint = dlq.SentenceOf(err, noWords), hintOf(err)
		return nil, err
	}
	b.cluster = c
	return c, nil
}

// noWords is what a person reads of a broker that said nothing.
const noWords = "the broker does not answer"

// hintOf returns what a person may do about an error.
func hintOf(err error) string {
	var e *dlq.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// master returns the address of a broker's master, as the last round that found it knows it.
func (b *Broker) master(broker string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cluster != nil {
		d, registered := b.cluster.brokers[broker]
		if addr := d.Master(); addr != "" {
			return addr, nil
		}
		if registered {
			return "", onlySlave(broker, d)
		}
	}
	return "", dlq.Errorf(dlq.CodeUnavailable, "the broker %s has no master that the name server knows", broker)
}

// holders are the brokers that hold a topic, as a name server told not long ago.
type holders struct {
	at    time.Time
	names []string
}

const routeStays = 2 * time.Second

// mastersOf returns the names of the brokers that hold any of the topics, sorted; topics that do not exist count for
// nothing.
func (b *Broker) mastersOf(ctx context.Context, topics ...string) ([]string, error) {
	names := map[string]bool{}
	for _, topic := range topics {
		b.mu.Lock()
		h, ok := b.routes[topic]
		b.mu.Unlock()
		if !ok || b.now().Sub(h.at) >= routeStays {
			var err error
			if h, err = b.holders(ctx, topic); err != nil {
				return nil, err
			}
		}
		for _, name := range h.names {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func (b *Broker) holders(ctx context.Context, topic string) (holders, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askPatience)
	defer cancel()
	h := holders{at: b.now()}
	route, err := b.wire.Route(ctx, b.names, topic)
	switch {
	case remoting.IsCode(err, remoting.AnswerTopicMissing):
	case err != nil:
		return h, dlq.Errorf(dlq.CodeUnavailable, "a name server does not tell where the topic %s lies: %w", topic, err)
	default:
		for _, q := range route.Queues {
			h.names = append(h.names, q.Broker)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.routes, func(_ string, old holders) bool { return h.at.Sub(old.at) >= routeStays })
	b.routes[topic] = h
	b.takeServed(topic, h)
	return h, nil
}

// Run reads every %DLQ% topic of the cluster into the intake until ctx ends, and returns nil then. A cluster that is
// away, at the start or later, is no error: Run goes on trying, and Status says since when.
func (b *Broker) Run(ctx context.Context, in Intake) error {
	var g errgroup.Group
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		g.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		clear(b.readers)
	}()
	g.Go(func() error {
		b.watch(ctx)
		return nil
	})
	g.Go(func() error {
		b.prove(ctx)
		return nil
	})
	tick := time.NewTicker(b.opt.DiscoveryInterval)
	defer tick.Stop()
	for {
		if c, err := b.discover(ctx); err == nil {
			b.tend(ctx, &g, in, c)
			b.measure(ctx, c)
		}
		select {
		case <-tick.C:
		case <-b.kick:
		case <-ctx.Done():
			return nil
		}
	}
}

// tend starts readers of queues that are new and stops those of topics that are gone.
func (b *Broker) tend(ctx context.Context, g *errgroup.Group, in Intake, c *cluster) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range c.queues {
		f := &c.queues[i]
		if f.perm&remoting.PermRead == 0 || f.gone {
			continue
		}
		if have := b.readers[f.queue]; have != nil {
			if f.failed == nil && have.progress().failed != nil {
				have.nudge()
			}
			continue
		}
		r := b.newReader(f.queue, in)
		rctx, stop := context.WithCancel(ctx)
		b.readers[f.queue] = &running{reader: r, stop: stop}
		b.log.Info("reading a dead-letter queue", "broker", f.queue.Broker, "topic", f.queue.Topic, "queue", f.queue.Number, "min", f.min, "max", f.max)
		g.Go(func() error {
			defer stop()
			r.run(rctx)
			return nil
		})
	}
	for q, have := range b.readers {
		if !c.topics[q.Topic] {
			b.log.Info("a dead-letter topic is gone", "broker", q.Broker, "topic", q.Topic)
			have.stop()
			delete(b.readers, q)
		}
	}
}

// running is a reader and how to stop it.
type running struct {
	*reader
	stop context.CancelFunc
}

// permissionError says that a topic cannot be read.
func permissionError(topic string) error {
	return dlq.Errorf(dlq.CodeRefused, "the topic %s may not be read: its permission is write only", topic).
		WithHint("repair it: that sets the permission to read and write")
}

// readError puts into words why a queue is not being read.
func readError(q dlq.Queue, group string, err error) error {
	switch {
	case err == nil:
		return nil
	case remoting.IsCode(err, remoting.AnswerNoPermission):
		return permissionError(q.Topic)
	case remoting.IsCode(err, remoting.AnswerGroupMissing):
		return dlq.Errorf(dlq.CodeRefused, "the broker %s does not know the consumer group %s: %w", q.Broker, group, err).
			WithHint("create it: mqadmin updateSubGroup -g %s", group)
	case remoting.IsCode(err, remoting.AnswerTopicMissing):
		return dlq.Errorf(dlq.CodeNotFound, "the topic %s is not on the broker %s: %w", q.Topic, q.Broker, err)
	case dlq.CodeOf(err) != dlq.CodeInternal:
		return err
	}
	var answer *remoting.ResponseError
	if errors.As(err, &answer) {
		return explain(dlq.Errorf(dlq.CodeUnavailable, "the broker %s refuses to be read: %w", q.Broker, err), err)
	}
	return explain(dlq.Errorf(dlq.CodeUnavailable, "the broker %s does not answer: %w", q.Broker, err), err)
}

// unreachable wraps an error of asking a broker.
func unreachable(broker string, what string, err error) error {
	if code := dlq.CodeOf(err); code != dlq.CodeInternal {
		return err
	}
	var answer *remoting.ResponseError
	if errors.As(err, &answer) {
		return explain(dlq.Errorf(dlq.CodeUnavailable, "the broker %s refuses %s: %w", broker, what, err), err)
	}
	return explain(dlq.Errorf(dlq.CodeUnavailable, "the broker %s does not answer: %w", broker, fmt.Errorf("%s: %w", what, err)), err)
}
