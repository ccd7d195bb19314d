package rocketmq

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// compare makes evidence of what the trail shows, and returns the replays of which it does not show everything.
func (f *following) compare(ctx context.Context, o *round, list []asked) (rest []asked) {
	var ready []asked
	for _, r := range list {
		if r.UniqueKey != "" && f.open[r.ID] != nil {
			ready = append(ready, r)
		} else {
			rest = append(rest, r)
		}
	}
	f.fetch(ctx, o, ready)
	f.find(ctx, o, ready)
	for _, r := range ready {
		switch traces := f.traces(r.Replay); {
		case o.errs[r.i] != nil:
		case !f.shows(r, traces):
			rest = append(rest, r)
		default:
			o.evs[r.i], o.errs[r.i] = o.weigh(ctx, r.Replay, o.standing, traces, nil)
		}
	}
	return rest
}

// shows says whether every copy of a replay is known. The first one tells, which the answer to the send named: all others
// are younger, by the clock of the broker. Door C is told no place.
func (f *following) shows(r asked, traces []trace) bool {
	if f.adopted(r) {
		return true
	}
	_, first, err := remoting.ParseMessageID(r.Receipt.MessageID)
	if err != nil {
		return len(traces) > 0 && !r.IntendedAt.Add(-clockSlack).Before(f.trail.since)
	}
	return slices.ContainsFunc(traces, func(t trace) bool {
		return t.broker == r.Receipt.Broker && t.m.PhysicalOffset == first && !t.m.StoredAt.Before(f.trail.since)
	})
}

// traces are the copies of a replay that are known.
func (f *following) traces(r dlq.Replay) []trace {
	marks := f.trail.marks[r.UniqueKey]
	if p := f.open[r.ID]; p != nil {
		marks = append(slices.Clip(marks), p.marks...)
	}
	type place struct {
		broker   string
		physical int64
	}
	seen := map[place]bool{}
	var out []trace
	for _, k := range marks {
		t := k.trace(r.UniqueKey)
		if at := (place{k.broker, k.physical}); !seen[at] && ours(r, k.broker, &t.m) {
			seen[at] = true
			out = append(out, t)
		}
	}
	return out
}

// arrivedAt says whether a copy in the topic that a replay was sent to is among the known ones.
func arrivedAt(r asked, traces []trace) bool {
	return slices.ContainsFunc(traces, func(t trace) bool { return t.m.Topic == r.Target })
}

// fetch reads the first copies of replays to a topic that is not followed, whose places the answers to the sends named. What
// was sent one after the other lies side by side, so one pull brings many.
func (f *following) fetch(ctx context.Context, o *round, list []asked) {
	wanted := map[lane][]asked{}
	for _, r := range list {
		if r.Door == dlq.DoorTopic && !delayed(r.Replay) && r.Receipt.MessageID != "" && !f.adopted(r) && !arrivedAt(r, f.traces(r.Replay)) {
			at := lane{broker: r.Receipt.Broker, topic: r.Target, queue: r.Receipt.Queue}
			wanted[at] = append(wanted[at], r)
		}
	}
	pulls := o.b.limits.searches
	for at, rs := range wanted {
		slices.SortFunc(rs, func(x, y asked) int { return cmp.Compare(x.Receipt.Offset, y.Receipt.Offset) })
		for len(rs) > 0 {
			if pulls--; pulls < 0 {
				o.fail(rs, tooMany(o.group))
				break
			}
			n, err := f.fetchSome(ctx, o, at, rs)
			if err != nil {
				o.fail(rs, err)
				break
			}
			rs = rs[n:]
		}
	}
}

// fetchSome reads the first of some copies, and those behind it that come with it; it returns how many are dealt with.
// What is not found, or may not be read, is left to a search.
func (f *following) fetchSome(ctx context.Context, o *round, at lane, rs []asked) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	addr, err := o.b.master(at.broker)
	if err != nil {
		return 0, err
	}
	from := rs[0].Receipt.Offset
	window := 1
	for window < len(rs) && rs[window].Receipt.Offset < from+pullCount {
		window++
	}
	res, err := o.b.wire.Pull(ctx, addr, remoting.PullRequest{
		Group: o.b.opt.Group, Topic: at.topic, Queue: at.queue, Offset: from, Max: int(rs[window-1].Receipt.Offset-from) + 1,
	})
	if silent(err) {
		return 0, unreachable(at.broker, "to show what was sent to "+at.topic, err)
	}
	got, to := map[int64]*remoting.Message{}, from
	for i := range res.Messages {
		m := &res.Messages[i]
		got[m.QueueOffset], to = m, max(to, m.QueueOffset)
	}
	n := 0
	for n < window && rs[n].Receipt.Offset <= to {
		r := rs[n]
		if m := got[r.Receipt.Offset]; m != nil && ours(r.Replay, at.broker, m) {
			f.open[r.ID].marks = append(f.open[r.ID].marks, markOf(at, m))
		}
		n++
	}
	return n, nil
}

// find searches the delivered copies of replays that were parked on their way to a topic that is not followed.
func (f *following) find(ctx context.Context, o *round, list []asked) {
	var due []asked
	for _, r := range list {
		if r.Door == dlq.DoorTopic && delayed(r.Replay) && (r.DeliverAt == nil || !o.at.Before(r.DeliverAt.Add(-time.Second))) && !arrivedAt(r, f.traces(r.Replay)) {
			due = append(due, r)
		}
	}
	if limit := o.b.limits.searches; len(due) > limit {
		o.fail(due[limit:], tooMany(o.group))
		due = due[:limit]
	}
	each(due, func(r asked) {
		holders, err := []string{r.Receipt.Broker}, error(nil)
		if r.Receipt.Broker == "" {
			holders, err = o.b.mastersOf(ctx, r.Target)
		}
		for _, name := range holders {
			var found []trace
			if err == nil {
				found, err = o.b.searchOne(ctx, name, o.c.brokers[name].Master(), r.Target, r.Replay)
			}
			f.keep(r, found)
		}
		o.errs[r.i] = err
	})
}

func tooMany(group string) error {
	return dlq.Errorf(dlq.CodeUnavailable, "more replays of the consumer group %s are open than can be looked for at once", group)
}

// search looks for replays one by one, and remembers what it finds while there is a trail that goes on from there.
func (f *following) search(ctx context.Context, o *round, list []asked) {
	if limit := o.b.limits.searches; len(list) > limit {
		o.fail(list[limit:], tooMany(o.group))
		list = list[:limit]
	}
	each(list, func(r asked) {
		traces, away, err := o.b.search(ctx, o.c, r.Replay)
		if err != nil {
			o.errs[r.i] = err
			return
		}
		if p := f.open[r.ID]; p != nil && f.trail != nil && r.Outcome != dlq.OutcomeSending && len(away) == 0 {
			p.trail, p.halved, p.marks = f.trail, f.trail.halved, nil
			f.keep(r, traces)
		}
		o.evs[r.i], o.errs[r.i] = o.weigh(ctx, r.Replay, o.standing, traces, away)
	})
}

// keep remembers copies of a replay beside the trail. It may be called for different replays at the same time.
func (f *following) keep(r asked, found []trace) {
	p := f.open[r.ID]
	for i := range found {
		t := &found[i]
		p.marks = append(p.marks, markOf(lane{broker: t.broker, topic: t.m.Topic, queue: t.m.QueueID}, &t.m))
	}
}

// each does something for several of a list at the same time.
func each[T any](list []T, do func(T)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(searchAt, len(list)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				do(list[i])
			}
		})
	}
	wg.Wait()
}
