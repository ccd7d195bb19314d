package rocketmq

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/dlq"
)

const (
	openFor   = 5 * time.Minute // a replay that nobody asked for so long is no longer open
	trailRest = 30 * time.Second
	searchAt  = askAtOnce / 2 // replays that are looked for at the same time
)

// limits bound what following the replays of one consumer group takes.
type limits struct {
	few      int   // so many open replays are looked for one by one
	searches int   // replays that are looked for one by one in a round
	pulls    int64 // in a round
	backlog  int64 // messages that a trail may lie behind
	marks    int   // copies that are remembered; some 300 bytes each
	open     int   // replays that are remembered
}

func defaultLimits() limits {
	return limits{few: 50, searches: 400, pulls: 500, backlog: 200_000, marks: 200_000, open: 200_000}
}

// LookMany is Look for many replays; the i-th evidence or error is that of the i-th replay. It costs few requests however
// many replays there are: how a consumer group stands and what it committed is asked once for all, and what came back is
// found by reading on in the queues where it can lie. Where at most 50 replays of a group are open, or its queues cannot be
// followed, each is looked for by its key, as Look does.
//
// A round has limits: what it did not come to fails with dlq.CodeUnavailable, and is found out by a later one.
func (b *Broker) LookMany(ctx context.Context, list []dlq.Replay) ([]dlq.Evidence, []error) {
	evs, errs := make([]dlq.Evidence, len(list)), make([]error, len(list))
	c, err := b.present(ctx)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return evs, errs
	}
	groups := map[string]*round{}
	for i, r := range list {
		of := groups[r.ConsumerGroup]
		if of == nil {
			of = &round{snapshot: b.snapshot(c), group: r.ConsumerGroup, evs: evs, errs: errs}
			groups[r.ConsumerGroup] = of
		}
		of.replays = append(of.replays, asked{Replay: r, i: i})
	}
	var g errgroup.Group
	g.SetLimit(searchAt)
	for group, of := range groups {
		f := b.following(group)
		g.Go(func() error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.round(ctx, of)
			return nil
		})
	}
	g.Wait()
	return evs, errs
}

// round is the part of one LookMany that is about one consumer group.
type round struct {
	*snapshot
	group    string
	replays  []asked
	standing standing
	evs      []dlq.Evidence
	errs     []error
}

// asked is a replay with its place in the answer.
type asked struct {
	dlq.Replay
	i int
}

func (o *round) fail(list []asked, err error) {
	for _, r := range list {
		o.errs[r.i] = err
	}
}

// following is what is remembered of one consumer group from round to round.
type following struct {
	mu     sync.Mutex // held for a round
	used   time.Time  // guarded by Broker.mu
	open   map[string]*openReplay
	swept  time.Time
	trail  *trail            // nil: replays are looked for one by one
	era    map[string]string // of each broker: which process at which address, while the trail is followed
	rest   time.Time         // no trail is begun before
	longer time.Time         // nor is it begun anew further back
}

// openReplay is a replay that is being asked for.
type openReplay struct {
	asked  time.Time
	marks  []mark // what the trail does not show
	trail  *trail // that showed everything newer than marks, when it had been halved so often
	halved int
}

func (b *Broker) following(group string) *following {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	maps.DeleteFunc(b.follows, func(_ string, f *following) bool { return now.Sub(f.used) > 2*openFor })
	f := b.follows[group]
	if f == nil {
		f = &following{open: map[string]*openReplay{}}
		b.follows[group] = f
	}
	f.used = now
	return f
}

// round looks at the replays of one consumer group.
func (f *following) round(ctx context.Context, o *round) {
	var err error
	if o.standing, err = o.snapshot.standing(ctx, o.group); err != nil {
		o.fail(o.replays, err)
		return
	}
	replays, err := o.tellable(ctx)
	if err != nil {
		o.fail(o.replays, err)
		return
	}
	f.remember(o)
	if len(f.open) <= o.b.limits.few {
		f.drop()
		f.search(ctx, o, replays)
		return
	}
	// Of a send that was not answered nobody knows which broker has it, if any: that is for a search of all of them.
	var unsure, sent []asked
	for _, r := range replays {
		if r.Outcome == dlq.OutcomeSending {
			unsure = append(unsure, r)
		} else {
			sent = append(sent, r)
		}
	}
	caughtUp, err := f.follow(ctx, o, sent)
	switch {
	case errors.Is(err, errNoTrail):
		f.search(ctx, o, append(unsure, sent...))
	case err != nil:
		o.fail(o.replays, err)
	case !caughtUp:
		o.fail(sent, dlq.Errorf(dlq.CodeUnavailable, "the queues of the consumer group %s are still being read", o.group))
		f.search(ctx, o, unsure)
	default:
		f.search(ctx, o, append(unsure, f.compare(ctx, o, sent)...))
	}
}

// tellable returns the replays of which something can be told now. Of those that were sent, and may have a copy on a broker
// that is away, the evidence says no more than that: a copy that died is found by who reads the dead-letter queues.
func (o *round) tellable(ctx context.Context) (rest []asked, err error) {
	_, common, err := o.holders(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range o.replays {
		away := slices.Concat(common, o.b.left(o.c, o.group, r.IntendedAt))
		if at := r.Receipt.Broker; at != "" && o.b.isAway(o.c, at) {
			away = append(away, at)
		}
		if len(away) == 0 || r.Outcome == dlq.OutcomeSending {
			rest = append(rest, r)
			continue
		}
		slices.Sort(away)
		o.evs[r.i] = dlq.Evidence{At: o.at, Online: o.standing.online, Away: slices.Compact(away)}
	}
	return rest, nil
}

// remember notes which replays are open.
func (f *following) remember(o *round) {
	if o.at.Sub(f.swept) > openFor/10 {
		f.swept = o.at
		maps.DeleteFunc(f.open, func(_ string, p *openReplay) bool { return o.at.Sub(p.asked) > openFor })
	}
	for _, r := range o.replays {
		if p := f.open[r.ID]; p != nil {
			p.asked = o.at
		} else if len(f.open) < o.b.limits.open {
			f.open[r.ID] = &openReplay{asked: o.at}
		}
	}
}

// drop forgets the trail, and with it what was found beside it.
func (f *following) drop() {
	if f.trail == nil {
		return
	}
	f.trail, f.era = nil, nil
	for _, p := range f.open {
		p.trail, p.marks = nil, nil
	}
}

// follow brings the trail up to date, or begins one.
func (f *following) follow(ctx context.Context, o *round, list []asked) (bool, error) {
	if len(list) == 0 {
		return false, nil
	}
	addrs, away, err := o.holders(ctx, list)
	if err != nil {
		return false, err
	}
	if len(away) > 0 {
		return false, errNoTrail // what lies there cannot be followed
	}
	era, err := o.b.eras(ctx, addrs)
	if err != nil {
		return false, err
	}
	if f.trail != nil && !sameEra(f.era, era) {
		f.drop() // a process that ended may have lost what it had not written yet
	}
	topics, back := o.topics(list), slices.ContainsFunc(list, func(r asked) bool { return r.Door == dlq.DoorBack })
	if f.trail != nil && back && !f.trail.all {
		f.drop()
	}
	now := o.b.now()
	begin := func(list []asked) (bool, error) {
		from := now
		if len(list) > 0 {
			from = o.from(list)
		}
		// A quarter more, since what is asked for next may have been sent earlier.
		t := newTrail(o.b, o.group, back, from.Add(-clockSlack-max(0, now.Sub(from))/4))
		done, err := t.advance(ctx, addrs, topics)
		if !errors.Is(err, errNoTrail) { // as far as it came
			f.drop()
			f.trail, f.era = t, era
		}
		return done, err
	}
	if f.trail == nil {
		if now.Before(f.rest) {
			return false, errNoTrail
		}
		done, err := begin(list)
		if errors.Is(err, errNoTrail) {
			done, err = begin(nil)
		}
		if errors.Is(err, errNoTrail) {
			f.rest = now.Add(trailRest)
		}
		return done, err
	}
	late := slices.DeleteFunc(slices.Clone(list), func(r asked) bool {
		return f.adopted(r) || !r.IntendedAt.Add(-clockSlack).Before(f.trail.since)
	})
	if len(late) > o.b.limits.few && now.After(f.longer) {
		f.longer = now.Add(openFor)
		if done, err := begin(late); !errors.Is(err, errNoTrail) {
			return done, err
		}
	}
	maps.Copy(f.era, era)
	done, err := f.trail.advance(ctx, addrs, topics)
	if errors.Is(err, errNoTrail) {
		f.drop()
		f.rest = now.Add(trailRest)
	}
	return done, err
}

// from is when a trail for the replays should begin: a few that are much older than the others can be searched.
func (o *round) from(list []asked) time.Time {
	at := make([]time.Time, len(list))
	for i, r := range list {
		at[i] = r.IntendedAt
	}
	slices.SortFunc(at, time.Time.Compare)
	for i := range min(o.b.limits.few, len(at)-1) {
		if o.at.Sub(at[i]) < openFor {
			return at[i]
		}
	}
	return at[min(o.b.limits.few, len(at)-1)]
}

// adopted says whether a replay was searched when there was the trail already, so that both together show all its copies.
func (f *following) adopted(r asked) bool {
	p := f.open[r.ID]
	return p != nil && p.trail == f.trail && p.halved == f.trail.halved
}

// holders are the addresses of all masters that may hold a copy of one of the replays, and the names of those that are away.
func (o *round) holders(ctx context.Context, list []asked) (addrs map[string]string, away []string, err error) {
	topics := map[string]bool{dlq.RetryPrefix + o.group: true, dlq.DLQPrefix + o.group: true}
	names := map[string]bool{}
	for _, r := range list {
		if r.Receipt.Broker != "" {
			names[r.Receipt.Broker] = true
		} else {
			topics[r.Target] = true
		}
	}
	found, err := o.b.mastersOf(ctx, slices.Sorted(maps.Keys(topics))...)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range found {
		names[name] = true
	}
	here, away := o.b.split(o.c, slices.Sorted(maps.Keys(names)))
	addrs = map[string]string{}
	for _, name := range here {
		addrs[name] = o.c.brokers[name].Master()
	}
	return addrs, away, nil
}

// topics are those in which a copy can lie after the first delivery, or be parked before it.
func (o *round) topics(list []asked) []string {
	retry := dlq.RetryPrefix + o.group
	topics := map[string]bool{retry: true, dlq.DLQPrefix + o.group: true, topicSchedule: true}
	for _, r := range list {
		if r.DeliverAt != nil && r.DelayLevel == 0 {
			topics[topicTimer] = true
		}
		if r.Door == dlq.DoorTopic || r.Door == dlq.DoorPop {
			topics[retry+popSeparator+r.Topic], topics[retry+popSeparatorV2+r.Topic] = true, true
		}
	}
	return slices.Sorted(maps.Keys(topics))
}

// eras tells of each broker which process it is, by address and start.
func (b *Broker) eras(ctx context.Context, addrs map[string]string) (map[string]string, error) {
	var mu sync.Mutex
	out := map[string]string{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for name, addr := range addrs {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(gctx, askPatience)
			defer cancel()
			info, err := b.wire.BrokerRuntimeInfo(ctx, addr)
			if err != nil {
				return unfollowed(name, err)
			}
			t, err := b.traits(ctx, name)
			if err != nil {
				return err
			}
			if b.opt.TLS != nil && t.Major < 5 {
				return errNoTrail // such a broker cuts answers with several messages short
			}
			mu.Lock()
			defer mu.Unlock()
			out[name] = addr + " " + info["bootTimestamp"]
			return nil
		})
	}
	return out, g.Wait()
}

func sameEra(have, now map[string]string) bool {
	for name, e := range now {
		if old, ok := have[name]; ok && old != e {
			return false
		}
	}
	return true
}
