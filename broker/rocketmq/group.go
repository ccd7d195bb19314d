package rocketmq

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// How the kind of a consumer group was told, in dlq.GroupInfo.KindWhy. The codes are stable: the page translates them.
const (
	KindByBroadcast    = "online_broadcast"     // its clients say that they broadcast
	KindByPull         = "online_pull"          // its clients pull by themselves: RocketMQ does not tell whether they read a retry topic
	KindByNoRetry      = "online_no_retry"      // online, and without the subscription to %RETRY% that clustering remoting clients have
	KindByConfig       = "group_config"         // its subscription group is a FIFO one
	KindByListener     = "online_listener"      // one of its clients says whether its listener is an orderly one
	KindByConnections  = "online_connections"   // online by the remoting protocol; no client said more
	KindByPopQueues    = "online_pop_queues"    // one of its clients pops
	KindByPopTrace     = "dead_copy_pop"        // its dead message came through a POP retry topic
	KindByOrderlyTrace = "dead_copy_orderly"    // its dead message has what a Java orderly consumer writes
	KindByFirstAttempt = "dead_copy_first"      // its dead message died at the first attempt, as those of Go orderly consumers and of concurrent ones without retries do
	KindByRetryTrace   = "dead_copy_retried"    // its dead message went through the retry topic
	KindRemembered     = "seen_before"          // this console saw it online before
	KindNoTrace        = "offline_without_sign" // offline, and nothing tells
)

// seen is what the console remembers of a consumer group since it started.
type seen struct {
	kind   dlq.GroupKind // as its clients told last; "" when none did
	online time.Time     // when it was last online
	subs   map[string]remoting.Subscription
}

// presence is what the brokers say of a group's clients and configuration.
type presence struct {
	at      time.Time
	online  bool
	clients []dlq.GroupClient
	model   string // messageModel
	consume string // consumeType
	subs    map[string]remoting.Subscription
	hosts   map[string]string // client id -> address of a broker that it is connected to

	configured bool // a broker has its subscription group
	config     remoting.SubscriptionGroup

	serving []string // brokers that know the group: they have its subscription group, or clients of it
	away    []string // brokers that did not answer
}

// presenceStays bounds how often the brokers are asked the same: looks at many replays of one group come at once.
const presenceStays = 2 * time.Second

// presence asks every master for the group's clients and for its configuration. It is told by those that answer, and fails
// when none does: clients are connected to all brokers that hold one of their topics, the retry topic among them, so those
// that hold what is asked for know who reads it.
func (b *Broker) presence(ctx context.Context, c *cluster, group string) (presence, error) {
	b.mu.Lock()
	p, ok := b.presences[group]
	b.mu.Unlock()
	if ok && b.now().Sub(p.at) < presenceStays {
		return p, nil
	}
	masters, away := b.split(c, slices.Sorted(maps.Keys(c.brokers)))
	conns := make([]remoting.ConsumerConnection, len(masters))
	configs := make([]*remoting.SubscriptionGroup, len(masters))
	errs := make([]error, len(masters))
	var g errgroup.Group
	g.SetLimit(askAtOnce)
	for i, name := range masters {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askPatience)
			defer cancel()
			addr := c.brokers[name].Master()
			conn, err := b.wire.ConsumerConnection(ctx, addr, group)
			if err != nil && !remoting.IsCode(err, remoting.AnswerConsumerOffline) {
				errs[i] = unreachable(name, "to name the clients of "+group, err)
				return nil
			}
			conns[i] = conn
			if configs[i], err = b.groupConfig(ctx, addr, group); err != nil {
				errs[i] = unreachable(name, "to tell the configuration of "+group, err)
			}
			return nil
		})
	}
	g.Wait()
	switch {
	case ctx.Err() != nil:
		return presence{}, ctx.Err()
	case len(masters) == 0:
		return presence{}, allAway("nobody tells of the consumer group "+group, away)
	case !slices.Contains(errs, nil):
		return presence{}, errs[0]
	}
	p = presence{at: b.now(), subs: map[string]remoting.Subscription{}, hosts: map[string]string{}}
	p.away = away
	for i, conn := range conns {
		if errs[i] != nil {
			b.log.Debug("a broker does not tell of a consumer group", "consumer_group", group, "broker", masters[i], "error", errs[i])
			p.away = append(p.away, masters[i])
		}
		if len(conn.Clients) > 0 || configs[i] != nil {
			p.serving = append(p.serving, masters[i])
		}
		for _, cl := range conn.Clients {
			if _, have := p.hosts[cl.ID]; have {
				continue
			}
			p.hosts[cl.ID] = c.brokers[masters[i]].Master()
			p.clients = append(p.clients, dlq.GroupClient{ID: cl.ID, Address: cl.Addr, Language: cl.Language, Version: clientVersion(cl.Language, cl.Version)})
		}
		if len(conn.Clients) > 0 {
			p.online, p.model, p.consume = true, conn.MessageModel, conn.ConsumeType
			maps.Copy(p.subs, conn.Subscriptions)
		}
		if configs[i] != nil {
			p.configured, p.config = true, *configs[i]
		}
	}
	slices.Sort(p.away)
	slices.SortFunc(p.clients, func(x, y dlq.GroupClient) int { return strings.Compare(x.ID, y.ID) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget()
	b.presences[group] = p
	if p.online {
		s := b.groups[group]
		s.online, s.subs = p.at.UTC(), p.subs
		b.groups[group] = s
	}
	return p, nil
}

// forget drops what is too old to be asked for again. The caller holds the lock.
func (b *Broker) forget() {
	maps.DeleteFunc(b.presences, func(_ string, p presence) bool { return b.now().Sub(p.at) >= presenceStays })
}

// groupTable is the configurations of all consumer groups of one broker.
type groupTable struct {
	at     time.Time
	groups map[string]remoting.SubscriptionGroup
}

const (
	groupsStay = 30 * time.Second // for a group that is in the table
	missStays  = time.Second      // for one that is not
)

// groupConfig asks a broker for one group's configuration; nil when it has none. It reads the whole table: 4.9 cannot
// be asked for one group, and 5.5.0 creates a group that it is asked for by request code 352 (measured).
func (b *Broker) groupConfig(ctx context.Context, addr, group string) (*remoting.SubscriptionGroup, error) {
	b.mu.Lock()
	table := b.tables[addr]
	b.mu.Unlock()
	g, ok := table.groups[group]
	if age := b.now().Sub(table.at); ok && age >= groupsStay || !ok && age >= missStays {
		groups, err := b.wire.SubscriptionGroups(ctx, addr)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		b.tables[addr] = groupTable{at: b.now(), groups: groups}
		b.mu.Unlock()
		g, ok = groups[group]
	}
	if !ok {
		return nil, nil
	}
	return &g, nil
}

// Group tells what the cluster knows of a consumer group. m is one of its dead messages, which tells the kind of a
// group that is offline; nil when there is none at hand. What brokers that are away would tell is not in it: BrokersAway
// names them. The error is dlq.CodeUnavailable, when nobody tells anything.
func (b *Broker) Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error) {
	c, err := b.present(ctx)
	if err != nil {
		return dlq.GroupInfo{}, err
	}
	p, err := b.presence(ctx, c, group)
	if err != nil {
		return dlq.GroupInfo{}, err
	}
	holder := ""
	if m != nil {
		holder = m.Broker
	}
	exists, away, err := b.isKnown(ctx, c, p, group, holder)
	if err != nil {
		return dlq.GroupInfo{}, err
	}
	info := dlq.GroupInfo{Name: group, Exists: exists, Online: p.online, Clients: p.clients, MaxRetry: -1, BrokersAway: away}
	if p.configured {
		info.MaxRetry = p.config.RetryMaxTimes
	}
	info.Kind, info.KindWhy = b.kind(ctx, group, p, m)
	info.ReadsRetry = info.Kind == dlq.GroupUnknown && (info.KindWhy == KindByConnections || info.KindWhy == KindByFirstAttempt)
	b.mu.Lock()
	if s := b.groups[group]; !s.online.IsZero() {
		at := s.online
		info.LastSeen = &at
	}
	b.mu.Unlock()
	info.Lag, info.Topics = b.lag(ctx, c, group, p)
	if info.Serving, err = b.serving(ctx, c, group, p); err != nil {
		return dlq.GroupInfo{}, err
	}
	return info, nil
}

// serving returns the brokers that answer and hold the group's retry topic or, where none does, those that know the group:
// a send makes the topic there, and the group's clients find it within the half minute in which they ask for routes anew.
func (b *Broker) serving(ctx context.Context, c *cluster, group string, p presence) ([]string, error) {
	holders, err := b.mastersOf(ctx, dlq.RetryPrefix+group)
	if err != nil {
		return nil, err
	}
	if here, _ := b.split(c, holders); len(here) > 0 {
		return here, nil
	}
	here, _ := b.split(c, p.serving)
	return here, nil
}

// kind tells what kind of group it is: by its clients while it is online, else by what this console saw before, else by
// the traces in a dead message.
func (b *Broker) kind(ctx context.Context, group string, p presence, m *dlq.DeadMessage) (dlq.GroupKind, string) {
	online, why := dlq.GroupUnknown, ""
	if p.online {
		online, why = b.kindOnline(ctx, group, p)
		if why == KindByPull && m != nil && diedInPop(group, m.Properties) {
			online, why = dlq.GroupGRPC, KindByPopTrace
		}
		if online != dlq.GroupUnknown || why == KindByPull {
			b.mu.Lock()
			defer b.mu.Unlock()
			s := b.groups[group]
			s.kind = online
			b.groups[group] = s
			return online, why
		}
	}
	b.mu.Lock()
	before := b.groups[group].kind
	b.mu.Unlock()
	if before != "" && before != dlq.GroupUnknown {
		return before, KindRemembered
	}
	trace, traceWhy := kindOffline(group, p, m)
	if p.online && trace != dlq.GroupConcurrent && trace != dlq.GroupOrderly {
		// It has a retry subscription, so it speaks the remoting protocol. While clients are only slow to answer, nobody guesses.
		return dlq.GroupUnknown, why
	}
	return trace, traceWhy
}

func (b *Broker) kindOnline(ctx context.Context, group string, p presence) (dlq.GroupKind, string) {
	if p.model == "BROADCASTING" {
		return dlq.GroupBroadcast, KindByBroadcast
	}
	_, retries := p.subs[dlq.RetryPrefix+group]
	switch {
	case p.consume == consumeActively && (retries || !speakGRPC(p.clients)):
		return dlq.GroupUnknown, KindByPull
	case !retries && p.configured && p.config.Orderly:
		return dlq.GroupGRPCFIFO, KindByConfig
	case !retries:
		return dlq.GroupGRPC, KindByNoRetry
	}
	for _, cl := range p.clients {
		orderly, pops, err := b.listener(ctx, p.hosts[cl.ID], group, cl.ID)
		switch {
		case err != nil:
			b.log.Debug("a client does not tell its listener", "consumer_group", group, "client", cl.ID, "error", err)
			continue
		case orderly:
			return dlq.GroupOrderly, KindByListener
		case pops:
			return dlq.GroupPop, KindByPopQueues
		}
		return dlq.GroupConcurrent, KindByListener
	}
	return dlq.GroupUnknown, KindByConnections
}

// consumeActively is the consumeType of clients that pull by themselves, simple consumers of the gRPC client among them.
const consumeActively = "CONSUME_ACTIVELY"

// grpcClient matches what gRPC clients call themselves, host@process@number@time. A client of the remoting protocol is
// called address@instance.
var grpcClient = regexp.MustCompile(`^[^@]+@[0-9]+@[0-9]+@[0-9a-z]+$`)

func speakGRPC(clients []dlq.GroupClient) bool {
	return !slices.ContainsFunc(clients, func(c dlq.GroupClient) bool { return !grpcClient.MatchString(c.ID) })
}

// kindOffline reads the traces of a dead message.
func kindOffline(group string, p presence, m *dlq.DeadMessage) (dlq.GroupKind, string) {
	fifo := p.configured && p.config.Orderly
	switch {
	case fifo:
		return dlq.GroupGRPCFIFO, KindByConfig
	case m == nil:
		return dlq.GroupUnknown, KindNoTrace
	case diedInPop(group, m.Properties):
		return dlq.GroupGRPC, KindByPopTrace
	case m.Orderly:
		return dlq.GroupOrderly, KindByOrderlyTrace
	case m.Properties[dlq.PropRealTopic] == dlq.RetryPrefix+group:
		return dlq.GroupConcurrent, KindByRetryTrace
	case m.ReconsumeTimes == 1:
		// Of a Go orderly consumer, or of a concurrent one without retries or whose listener gave it up at once (a delay level
		// below 0): the dead copies are alike (apache/rocketmq AbstractSendMessageProcessor.consumerSendMsgBack).
		return dlq.GroupUnknown, KindByFirstAttempt
	case m.ReconsumeTimes > 1:
		return dlq.GroupConcurrent, KindByRetryTrace
	}
	return dlq.GroupUnknown, KindNoTrace
}

// lag sums what the group has not consumed yet, over its topics and its retry topic; -1 when a broker that holds one of them
// does not tell.
func (b *Broker) lag(ctx context.Context, c *cluster, group string, p presence) (int64, []string) {
	topics := map[string]bool{dlq.RetryPrefix + group: true}
	for t := range p.subs {
		topics[t] = true
	}
	total := int64(0)
	if p.model == "BROADCASTING" {
		total = -1 // offsets are kept by the clients
	}
	masters, away := b.split(c, slices.Sorted(maps.Keys(c.brokers)))
	for _, name := range masters {
		actx, cancel := context.WithTimeout(ctx, askPatience)
		stats, err := b.wire.ConsumeStats(actx, c.brokers[name].Master(), group, "")
		cancel()
		if err != nil {
			b.log.Debug("lag is not known", "consumer_group", group, "broker", name, "error", err)
			total = -1
			continue
		}
		for _, q := range stats.Queues {
			topics[q.Queue.Topic] = true
			if total >= 0 {
				total += max(q.BrokerOffset-q.ConsumerOffset, 0)
			}
		}
	}
	if len(away) > 0 && total >= 0 {
		holders, err := b.mastersOf(ctx, slices.Sorted(maps.Keys(topics))...)
		if err != nil || slices.ContainsFunc(away, func(name string) bool { return slices.Contains(holders, name) }) {
			total = -1
		}
	}
	maps.DeleteFunc(topics, func(t string, _ bool) bool { return strings.HasPrefix(t, dlq.RetryPrefix) })
	return total, slices.Sorted(maps.Keys(topics))
}

// watchEvery is the pause between looks at the consumer groups that have dead letters. Queue locks of an orderly consumer
// that crashed live for 60 s, so it must be known to that order when a group was last online.
const watchEvery = 20 * time.Second

// watch remembers of every consumer group with a %DLQ% topic when it was online and of what kind it is, until ctx ends:
// when a letter is given back its group may be gone.
func (b *Broker) watch(ctx context.Context) {
	for sleep(ctx, watchEvery) == nil {
		b.watchOnce(ctx)
	}
}

func (b *Broker) watchOnce(ctx context.Context) {
	c, err := b.present(ctx)
	if err != nil {
		return // Status says so
	}
	var g errgroup.Group
	g.SetLimit(askAtOnce / 4)
	asked := map[string]bool{}
	for _, f := range c.queues {
		group := f.queue.ConsumerGroup()
		if asked[group] || ctx.Err() != nil {
			continue
		}
		asked[group] = true
		g.Go(func() error {
			p, err := b.presence(ctx, c, group)
			if err != nil {
				b.log.Debug("a consumer group cannot be watched", "consumer_group", group, "error", err)
				return nil
			}
			b.mu.Lock()
			known := b.groups[group].kind != ""
			b.mu.Unlock()
			if p.online && !known {
				b.kind(ctx, group, p, nil)
			}
			return nil
		})
	}
	g.Wait()
}

// Subscribers lists the consumer groups that get what is sent to a topic: those online and those that committed an
// offset once. complete is false when a broker could not be asked. A topic that does not exist is dlq.CodeNotFound, and one
// of which no broker can be asked now dlq.CodeUnavailable.
func (b *Broker) Subscribers(ctx context.Context, topic string) (groups []string, complete bool, err error) {
	c, err := b.present(ctx)
	if err != nil {
		return nil, false, err
	}
	holders, err := b.locate(ctx, topic, "")
	if err != nil {
		return nil, false, err
	}
	if len(holders) == 0 {
		return nil, true, dlq.Errorf(dlq.CodeNotFound, "the cluster has no topic %s", topic)
	}
	here, away := b.split(c, holders)
	if len(here) == 0 {
		return nil, false, allAway("the topic "+topic+" cannot be reached", away)
	}
	all := map[string]bool{}
	complete = len(away) == 0
	for _, name := range here {
		actx, cancel := context.WithTimeout(ctx, askPatience)
		list, err := b.wire.TopicConsumers(actx, c.brokers[name].Master(), topic)
		cancel()
		if err != nil {
			b.log.Debug("subscribers are not known", "topic", topic, "broker", name, "error", err)
			complete = false
			continue
		}
		for _, g := range list {
			all[g] = true
		}
	}
	delete(all, b.opt.Group)
	return slices.Sorted(maps.Keys(all)), complete, nil
}

// clientVersion names a client's version, "" where it is not known. MQVersion.java has counted two steps, a snapshot and a
// release, for each of ten patches of each of ten minors since V4_0_0, its 213th. The Go client always claims V4_5_2.
func clientVersion(language string, ordinal int) string {
	const v400 = 213
	if ordinal < v400 || language == "GO" {
		return ""
	}
	n := (ordinal - v400 + 1) / 2
	v := version{4 + n/100, n / 10 % 10, n % 10}.String()
	if (ordinal-v400)%2 != 0 {
		v += "-SNAPSHOT"
	}
	return v
}
