package rocketmq

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// How an offset moved.
//
// A committed offset behind a message does not tell that a consumer had it: anybody can set the offset of a consumer group
// (mqadmin resetOffsetByTime, updateConsumerOffset, a console's button), and a group whose offset was lost begins where it
// is told to, which may be the end. So each step of an offset must be explained by deliveries:
//
//   - Somebody of the group was connected in the time of the step.
//   - As many messages were worked on as the step is long. Java clients say at what rate they worked and pulled in the last
//     minute (request code 307); what a broker gave out to the group (GROUP_GET_NUMS, request code 315) is taken where a client
//     cannot say it. What was counted before the first of the messages was stored does not count.
//   - The client that reads the queue answers, and its own offset is not before the step: a client that works on the message
//     commits what it knows every five seconds, so an offset that was set meanwhile moves back.
//
// Where an offset moves all the time, a step that is no longer than those that follow it needs no count. A step that is not
// explained within proofPatience was made by somebody else. What a Go client pulled and did not work on
// before its offset was set is not told from what it worked on: it does not count reliably (package remoting, ConsumeStatus).
//
// A copy that the offset had passed before this process looked at its queue for the first time, or while a broker was started
// anew and counts from 0, counts as consumed if the client that reads the queue says that it runs since before the copy was
// stored; else nobody can tell.
const (
	proofPatience = 40 * time.Second // counters are up to ten seconds old, in the client and once more here
	proofEvery    = 3 * time.Second  // between observations while replays are open
	proofWords    = 5 * time.Second  // how old a client's word may be

	// unseenPatience is how long after a step a client may be seen first: what is known of a group's clients is older than
	// what is known of its offset.
	unseenPatience = 2*presenceStays + proofEvery
	proofClients   = 16               // clients of a group that are asked
	gaugeWindow    = time.Minute      // that brokers and clients count over
	counting       = 10 * time.Second // how often they look at their counters
	gaugeKeeps     = 600              // samples
)

// passing is what is known of how an offset came behind a copy.
type passing int

const (
	notPassed   passing = iota
	passedMaybe         // it is being found out
	passedByUse         // consumers had it
	passedMoved         // not by deliveries: the offset was set, or nobody can tell
)

// movement is how the committed offset of a consumer group moved in one queue.
type movement struct {
	used time.Time // when a copy was last asked for; guarded by Broker.mu

	mu     sync.Mutex
	begun  time.Time
	seen   bool      // an offset was observed before any copy was found to be passed
	floor  int64     // copies below were passed before anything was observed
	sure   int64     // how offsets below came to be passed is known
	since  time.Time // since when the offset was sure, and messages waited behind it
	last   time.Time // when it was last seen there
	online bool      // whether somebody was connected then
	points []point   // later observations, oldest first
	moved  []stretch // offsets that were passed without deliveries
	judged time.Time
}

type point struct {
	at     time.Time
	offset int64
	online bool
}

type stretch struct{ from, to int64 }

// observe notes where the offset is. x is a copy that it is asked for.
func (p *movement) observe(at time.Time, committed int64, online bool, x int64, stored time.Time) {
	switch {
	case p.begun.IsZero():
		p.begun, p.floor = at, min(x, committed)
		p.sure, p.since, p.last, p.online = p.floor, at, at, online
		switch {
		case committed <= x:
			p.seen = true
		case at.Sub(stored) > gaugeWindow: // no counter reaches back
			p.floor, p.sure = committed, committed
		default:
			p.since, p.last = stored, stored // it cannot have been behind the copy before there was one
		}
	case x < p.floor && !p.seen && p.sure == p.floor && at.Sub(stored) < gaugeWindow: // nothing is judged yet
		p.floor, p.sure, p.since, p.last = x, x, earlier(p.since, stored), earlier(p.last, stored)
	}
	newest := p.sure
	if n := len(p.points); n > 0 {
		newest = p.points[n-1].offset
	}
	switch {
	case committed < newest: // it was set back, by whomever: what lies behind is to be passed once more
		p.points = slices.DeleteFunc(p.points, func(q point) bool { return q.offset > committed })
		p.moved = slices.DeleteFunc(p.moved, func(s stretch) bool { return s.from >= committed })
		for i := range p.moved {
			p.moved[i].to = min(p.moved[i].to, committed)
		}
		if committed <= p.sure {
			p.sure, p.floor, p.since, p.last, p.online = committed, min(p.floor, committed), at, at, online
		}
	case committed > newest:
		p.points = append(p.points, point{at, committed, online})
		if n := len(p.points); n > 60 { // proofPatience ends before
			p.points = slices.Delete(p.points, 1, n-60+1)
		}
	case len(p.points) == 0:
		p.last, p.online = at, online
	}
	if x == p.sure && len(p.points) == 0 && p.since.Before(stored) && stored.Before(at) {
		p.since = stored // the queue was empty until then
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle says how the offset came to the n-th point, and forgets the points until there.
func (p *movement) settle(n int, moved bool) {
	at := p.points[n]
	if moved {
		p.moved = append(p.moved, stretch{p.sure, at.offset})
		if len(p.moved) > 1000 {
			p.moved = slices.Delete(p.moved, 0, 1)
		}
	}
	p.sure, p.since, p.last, p.online = at.offset, at.at, at.at, at.online
	p.points = slices.Delete(p.points, 0, n+1)
}

// of says how a copy was passed; before says that nobody watched.
func (p *movement) of(x, committed int64) (how passing, before bool) {
	switch {
	case committed <= x:
		return notPassed, false
	case x < p.floor:
		return passedMaybe, true
	case x >= p.sure:
		return passedMaybe, false
	case slices.ContainsFunc(p.moved, func(s stretch) bool { return s.from <= x && x < s.to }):
		return passedMoved, false
	}
	return passedByUse, false
}

// passed says how the committed offset of a consumer group came behind a delivered copy.
func (m *moment) passed(ctx context.Context, group string, s standing, d *trace, committed int64) passing {
	q := question{group: group, broker: d.broker, topic: d.m.Topic, queue: d.m.QueueID}
	p := m.b.movementOf(q)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observe(m.at, committed, s.online, d.m.QueueOffset, d.m.StoredAt)
	m.weighSteps(ctx, q, p, s)
	how, before := p.of(d.m.QueueOffset, committed)
	if !before {
		return how
	}
	words := m.b.words(ctx, group, s.presence)
	owner := words.owner(q)
	switch {
	case owner != nil && owner.Queues[messageQueue(q)].CommitOffset > d.m.QueueOffset && startOf(*owner).Before(d.m.StoredAt):
		return passedByUse
	case m.at.Sub(p.begun) < proofPatience && (owner == nil || words.answered < words.online): // a client may be listed late
		return passedMaybe
	}
	return passedMoved
}

// untouched notes that a group never committed an offset where a copy lies, so that it has not consumed it yet.
func (m *moment) untouched(group string, s standing, d *trace) {
	p := m.b.movementOf(question{group: group, broker: d.broker, topic: d.m.Topic, queue: d.m.QueueID})
	p.mu.Lock()
	defer p.mu.Unlock()
	x := d.m.QueueOffset
	switch {
	case p.begun.IsZero():
		p.begun, p.since, p.seen, p.floor, p.sure = m.at, m.at, true, x, x
	case len(p.points) > 0 || p.sure != p.floor:
		return
	}
	p.floor = min(p.floor, x)
	p.sure, p.last, p.online = p.floor, m.at, s.online
}

func (b *Broker) movementOf(q question) *movement {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	maps.DeleteFunc(b.moves, func(_ question, p *movement) bool { return now.Sub(p.used) > 2*openFor })
	p := b.moves[q]
	if p == nil {
		p = &movement{}
		b.moves[q] = p
	}
	p.used = now
	return p
}

// weighSteps finds out what explains the steps that were observed. The caller holds the lock of p.
func (m *moment) weighSteps(ctx context.Context, q question, p *movement, s standing) {
	if len(p.points) == 0 || p.judged.Equal(m.at) {
		return
	}
	p.judged = m.at
	words := m.b.words(ctx, q.group, s.presence)
	gave, counted := m.b.gauge(ctx, q)
	for n := len(p.points) - 1; n >= 0; n-- {
		switch at := p.points[n]; {
		case !p.attended(n, m.b.lastOnline(q.group)):
			if m.at.Sub(at.at) > unseenPatience {
				p.settle(n, true)
			}
			return
		case m.explains(ctx, q, p, at, s, words, gave, counted):
			p.settle(n, false)
			return
		}
	}
	for len(p.points) > 0 && m.at.Sub(p.points[0].at) > proofPatience && m.at.Sub(p.begun) > 2*proofPatience {
		lasts := s.online && m.rebooted(ctx, q.broker, p.since) && words.lasts(q, p.since, p.points[0].offset)
		p.settle(0, !p.ordinary() && !lasts)
	}
	if p.ordinary() && s.online && !words.denies(q, p.points[0].offset) {
		p.settle(0, false)
	}
}

// ordinary says whether the first step is like the three that follow it: a group that is busy all the time.
func (p *movement) ordinary() bool {
	if len(p.points) < 4 {
		return false
	}
	first := p.points[0]
	pace := float64(first.offset-p.sure) / max(first.at.Sub(p.last), time.Second).Seconds()
	for i, next := range p.points[1:4] {
		prior := p.points[i]
		if float64(next.offset-prior.offset)/max(next.at.Sub(prior.at), time.Second).Seconds() < pace/2 {
			return false
		}
	}
	return true
}

// rebooted says whether a broker was started anew since an instant: it counts from 0 then.
func (m *moment) rebooted(ctx context.Context, broker string, since time.Time) bool {
	addr, err := m.b.master(broker)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	info, err := m.b.wire.BrokerRuntimeInfo(ctx, addr)
	if err != nil {
		return false
	}
	ms, err := strconv.ParseInt(info["bootTimestamp"], 10, 64)
	return err == nil && time.UnixMilli(ms).After(since)
}

// lasts says whether the client that reads a queue runs since before an instant, and has come to an offset by itself.
func (w *words) lasts(q question, since time.Time, offset int64) bool {
	owner := w.owner(q)
	return owner != nil && !w.denies(q, offset) && startOf(*owner).Before(since)
}

// attended says whether somebody of the group was connected between the last look before a step and the n-th point. A broker
// that was started anew lists its clients after their next heartbeat, half a minute later, while they pull already.
func (p *movement) attended(n int, last time.Time) bool {
	return p.online || last.After(p.last.Add(-time.Minute)) || slices.ContainsFunc(p.points[:n+1], func(q point) bool { return q.online })
}

// explains says whether deliveries explain the step to a point.
func (m *moment) explains(ctx context.Context, q question, p *movement, to point, s standing, words words, gave *gauge, counted bool) bool {
	step := float64(to.offset - p.sure)
	sub, ok := s.subs[q.topic]
	filters := ok && (sub.ExpressionType == "SQL92" || len(sub.Tags) > 0 && !slices.Contains(sub.Tags, "*"))
	if filters {
		step = 1 // what a filter drops is not given out, and not counted among what was given
	}
	given := func() bool {
		count, from := gave.fresh(p.since)
		if !counted || count < step {
			return !counted
		}
		if filters {
			return true
		}
		newest, at := gave.newest()
		return newest >= 0.8*m.recent(ctx, q, to.offset, at) && (from.IsZero() || count >= 0.8*m.recent(ctx, q, to.offset, from))
	}
	if !s.online {
		return counted && given() // they had it, and left
	}
	if words.at.Before(to.at) || words.denies(q, to.offset) {
		return false
	}
	if words.owner(q) == nil && (words.answered == 0 || m.at.Sub(to.at) < proofPatience/4) {
		return false // a queue changes hands, or a client cannot tell now; what was set meanwhile it sets back
	}
	if !words.java {
		return given()
	}
	work, pulled := words.rates(q.topic)
	elapsed := max(gaugeWindow, m.at.Sub(p.since)).Seconds()
	if work == 0 || work*elapsed < step*0.8 {
		return false
	}
	if work >= pulled*0.99 { // they worked on all that they pulled
		return true
	}
	// A client divides by the time since it counts the topic, ten seconds to a minute.
	need := max(step, 0.8*m.recent(ctx, q, to.offset, words.at))
	return work*counting.Seconds() >= need || work*gaugeWindow.Seconds() >= need && m.at.Sub(m.b.counts(q)) > gaugeWindow
}

// recent is how many of the messages before an offset were stored in the minute before an instant, and a little earlier, since
// counters lag. All of them must have been counted in that minute, or nearly all where they come steadily.
func (m *moment) recent(ctx context.Context, q question, offset int64, at time.Time) float64 {
	addr, err := m.b.master(q.broker)
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	from, err := m.b.wire.SearchOffset(ctx, addr, q.topic, q.queue, at.Add(-gaugeWindow-counting))
	if err != nil {
		return 0
	}
	return float64(max(0, offset-from))
}

func messageQueue(q question) remoting.MessageQueue {
	return remoting.MessageQueue{Topic: q.topic, Broker: q.broker, ID: q.queue}
}

// words is what the clients of a group say of themselves.
type words struct {
	at       time.Time // every answer is at least as new
	online   int
	answered int
	java     bool // all that are online answered, and count
	infos    []remoting.ConsumerRunningInfo
}

// owner is the client that reads a queue; nil when none says so.
func (w *words) owner(q question) *remoting.ConsumerRunningInfo {
	for i := range w.infos {
		if pq, ok := w.infos[i].Queues[messageQueue(q)]; ok && !pq.Dropped {
			return &w.infos[i]
		}
	}
	return nil
}

// denies says whether the client that reads a queue has not come to an offset.
func (w *words) denies(q question, offset int64) bool {
	owner := w.owner(q)
	return owner != nil && owner.Queues[messageQueue(q)].CommitOffset < offset
}

// rates is how many messages of a topic clients worked on and pulled, per second.
func (w *words) rates(topic string) (work, pulled float64) {
	for _, info := range w.infos {
		st := info.Status[topic]
		work, pulled = work+st.OK+st.Failed, pulled+st.Pulled
	}
	return work, pulled
}

func startOf(info remoting.ConsumerRunningInfo) time.Time {
	ms, err := strconv.ParseInt(info.Properties[propStarted], 10, 64)
	if err != nil {
		return time.Now().AddDate(100, 0, 0) // nobody knows
	}
	return time.UnixMilli(ms)
}

const propStarted = "PROP_CONSUMER_START_TIMESTAMP"

// words asks the clients of a group.
func (b *Broker) words(ctx context.Context, group string, p presence) words {
	asked := p.clients[:min(len(p.clients), proofClients)]
	w := words{at: b.now(), online: len(p.clients), java: len(p.clients) > 0 && len(asked) == len(p.clients)}
	heard := make([]hearing, len(asked))
	var g errgroup.Group
	for i, cl := range asked {
		g.Go(func() (err error) {
			if heard[i], err = b.word(ctx, p.hosts[cl.ID], group, cl.ID, proofWords); err != nil {
				b.log.Debug("a client does not tell how far it is", "consumer_group", group, "client", cl.ID, "error", err)
			}
			return nil
		})
	}
	g.Wait()
	for i, h := range heard {
		w.java = w.java && asked[i].Language == "JAVA" && h.err == nil && h.info.Status != nil
		if h.mute || h.at.IsZero() {
			continue
		}
		w.answered++
		w.at = earlier(w.at, h.at)
		w.infos = append(w.infos, h.info)
	}
	return w
}

// baseline counts what a group was given before something is sent to it, so that what it is given afterwards is told from that.
func (b *Broker) baseline(ctx context.Context, r dlq.Replay, holder string) {
	holders := []string{holder}
	switch r.Door {
	case dlq.DoorPop:
		return
	case dlq.DoorTopic:
		var err error
		if holders, err = b.mastersOf(ctx, r.Target); err != nil {
			return // the send says so
		}
	}
	q := question{group: r.ConsumerGroup, topic: r.Target}
	for _, q.broker = range holders {
		if g := b.gaugeOf(counter{q.group, q.broker, q.topic}); b.now().Sub(g.youngest()) >= proofEvery {
			b.gauge(ctx, q)
		}
	}
}

// prove observes the offsets that replays wait for, until ctx ends. Looks alone come too seldom to see steps.
func (b *Broker) prove(ctx context.Context) {
	for sleep(ctx, proofEvery) == nil {
		b.proveOnce(ctx)
	}
}

func (b *Broker) proveOnce(ctx context.Context) {
	b.mu.Lock()
	now, open := b.now(), map[string][]question{}
	for q, p := range b.moves {
		if now.Sub(p.used) < openFor {
			open[q.group] = append(open[q.group], q)
		}
	}
	b.mu.Unlock()
	if len(open) == 0 {
		return
	}
	c, err := b.present(ctx)
	if err != nil {
		return // Status says so
	}
	each(slices.Collect(maps.Keys(open)), func(group string) {
		m := b.moment(c)
		s, err := m.standing(ctx, group)
		if err != nil {
			b.log.Debug("how far a consumer group is cannot be watched", "consumer_group", group, "error", err)
			return
		}
		for _, q := range open[group] {
			m.follow(ctx, q, s)
		}
	})
}

// follow notes where an offset is, and how it came there.
func (m *moment) follow(ctx context.Context, q question, s standing) {
	committed, known, err := m.ask(ctx, q)
	if err != nil || !known {
		return
	}
	m.b.mu.Lock()
	p := m.b.moves[q]
	m.b.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun.IsZero() {
		return
	}
	p.observe(m.at, committed, s.online, max(committed, p.sure), m.at)
	if len(p.points) == 0 && s.online {
		m.b.gauge(ctx, q) // what comes before a step is no part of it
	}
	m.weighSteps(ctx, q, p, s)
}
