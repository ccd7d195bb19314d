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
	if f.trail == nil {
		return list
	}
	var ready []asked
	for _, r := range list {
		if r.UniqueKey != "" && f.open[r.ID] != nil && f.covers(r) {
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
		case len(traces) == 0, r.Door == dlq.DoorTopic && !delayed(r.Replay) && !arrivedAt(r, traces):
			rest = append(rest, r) // its receipt names another place, or the trail has missed it
		default:
			o.evs[r.i], o.errs[r.i] = o.weigh(ctx, r.Replay, o.standing, traces)
		}
	}
	return rest
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
		if r.Door == dlq.DoorTopic && !delayed(r.Replay) && r.Receipt.MessageID != "" && !arrivedAt(r, f.traces(r.Replay)) {
			at := lane{broker: r.Receipt.Broker, topic: r.Target, queue: r.Receipt.Queue}
			wanted[at] = append(wanted[at], r)
		}
	}
	pulls := o.b.limits.searches
	for at, rs := range wanted {
		slices.SortFunc(rs, func(x, y asked) int { return cmp.Compare(x.Receipt.Offset, y.Receipt.Offset) })
		for len(rs) > 0 {
			from := rs[0].Receipt.Offset
			n := 1
			for n < len(rs) && rs[n].Receipt.Offset < from+pullCount {
				n++
			}
			if pulls--; pulls < 0 {
				o.fail(rs, tooMany(o.group))
				break
			}
			if err := f.fetchSome(ctx, o, at, rs[:n]); err != nil {
				o.fail(rs[:n], err)
			}
			rs = rs[n:]
		}
	}
}

func (f *following) fetchSome(ctx context.Context, o *round, at lane, rs []asked) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	from, to := rs[0].Receipt.Offset, rs[len(rs)-1].Receipt.Offset
	addr, err := o.b.master(at.broker)
	if err != nil {
		return err
	}
	res, err := o.b.wire.Pull(ctx, addr, remoting.PullRequest{Group: o.b.opt.Group, Topic: at.topic, Queue: at.queue, Offset: from, Max: int(to-from) + 1})
	if err != nil {
		return unreachable(at.broker, "to show what was sent to "+at.topic, err)
	}
	byOffset := map[int64]*remoting.Message{}
	for i := range res.Messages {
		byOffset[res.Messages[i].QueueOffset] = &res.Messages[i]
	}
	for _, r := range rs {
		if m := byOffset[r.Receipt.Offset]; m != nil && ours(r.Replay, at.broker, m) {
			p := f.open[r.ID]
			p.marks = append(p.marks, markOf(at, m))
		}
	}
	return nil
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
		holders, err := o.b.mastersOf(ctx, r.Target)
		for _, name := range holders {
			var found []trace
			if err == nil {
				found, err = o.b.searchOne(ctx, name, o.c.brokers[name].Master(), r.Target, r.Replay)
			}
			for _, t := range found {
				p := f.open[r.ID] // nobody else's
				p.marks = append(p.marks, markOf(lane{broker: t.broker, topic: t.m.Topic, queue: t.m.QueueID}, &t.m))
			}
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
		begun := o.b.now()
		traces, err := o.b.search(ctx, o.c, r.Replay)
		if err != nil {
			o.errs[r.i] = err
			return
		}
		if p := f.open[r.ID]; p != nil && f.trail != nil && r.Outcome != dlq.OutcomeSending {
			p.since, p.marks = begun, nil
			for _, t := range traces {
				p.marks = append(p.marks, markOf(lane{broker: t.broker, topic: t.m.Topic, queue: t.m.QueueID}, &t.m))
			}
		}
		o.evs[r.i], o.errs[r.i] = o.weigh(ctx, r.Replay, o.standing, traces)
	})
}

// each does something for several replays at the same time.
func each(list []asked, do func(asked)) {
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
