package rocketmq

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// scale is what the steps of an offset are weighed with.
type scale struct {
	standing
	words   words
	gave    *gauge
	counted bool // the broker says what it gave out
	filters bool // what is given out is not all that the offset passes
}

func (m *snapshot) scale(ctx context.Context, q question, s standing) scale {
	w := scale{standing: s, words: m.b.words(ctx, q.group, s.presence)}
	w.gave, w.counted = m.b.gauge(ctx, q)
	if work, _ := w.words.rates(q.topic); work > 0 {
		m.b.counts(q)
	}
	sub, ok := s.subs[q.topic]
	w.filters = ok && (sub.ExpressionType == "SQL92" || len(sub.Tags) > 0 && !slices.Contains(sub.Tags, "*"))
	return w
}

// ledger is the count that what explains a step is taken from; nil when there is none.
func (w *scale) ledger() *gauge {
	if !w.counted || w.filters {
		return nil
	}
	return w.gave
}

// heard is until when everything that was told covers what happened, but for the lag of counters.
func (w *scale) heard() time.Time {
	if w.counted {
		return earlier(w.words.at, w.gave.youngest())
	}
	return w.words.at
}

// weighSteps finds out what explains the steps that were observed. The caller holds the lock of p.
func (m *snapshot) weighSteps(ctx context.Context, q question, p *movement, s standing) {
	if len(p.points) == 0 || p.judged.Equal(m.at) {
		return
	}
	p.judged = m.at
	w := m.scale(ctx, q, s)
	for len(p.points) > 0 {
		newest, first := len(p.points)-1, p.points[0]
		n := slices.IndexFunc(p.points, func(to point) bool { return p.weighable(to, w.heard()) && m.explains(ctx, q, p, to, &w) })
		switch {
		case n >= 0:
			p.settle(n, false, w.ledger())
		case !p.attended(m.b.lastOnline(q.group)):
			if !w.toldOf(p.points[newest].at) {
				return
			}
			m.unexplained(q, p, newest, &w)
			p.settle(newest, true, nil)
		case m.at.Sub(first.at) > proofPatience && m.at.Sub(p.begun) > 2*proofPatience:
			lasts := s.online && m.booted(ctx, q.broker).After(p.since) && w.words.lasts(q, p.since, first.offset)
			moved := !p.ordinary() && !lasts
			if moved {
				m.unexplained(q, p, 0, &w)
			}
			p.settle(0, moved, nil)
		case p.ordinary() && s.online && !w.words.denies(q, first.offset):
			p.settle(0, false, nil)
		default:
			return
		}
	}
}

// unexplained logs what is known of steps that no deliveries explain.
func (m *snapshot) unexplained(q question, p *movement, n int, w *scale) {
	count, _ := w.gave.fresh(p.since)
	work, pulled := w.words.rates(q.topic)
	m.b.log.Info("an offset moved, and no deliveries explain it", "consumer_group", q.group, "broker", q.broker, "topic", q.topic, "queue", q.queue,
		"from", p.sure, "to", p.points[n].offset, "since", p.since.UTC(), "seen", p.points[n].at.UTC(), "online", w.online, "counted", w.counted, "given", count,
		"surplus", p.surplus, "clients", w.words.online, "answered", w.words.answered, "reads", w.words.owner(q) != nil, "worked", work, "pulled", pulled)
}

// toldOf says whether who made a step that was read at an instant would be known by now: a list of clients was asked for
// later, and everything is counted that was given out before.
func (w *scale) toldOf(at time.Time) bool {
	return w.at.After(at.Add(askPatience)) && (!w.counted || !w.gave.youngest().Before(at.Add(countLag)))
}

// weighable says whether all steps to a point may be explained together: to the newest and, where the offset moves on, to the
// newest of those that counters have reached.
func (p *movement) weighable(to point, heard time.Time) bool {
	newest := p.points[len(p.points)-1]
	if heard.Sub(p.points[0].at) > 2*countLag {
		for _, q := range p.points {
			if !q.at.After(heard.Add(-countLag)) {
				newest = q
			}
		}
		return to == newest || to == p.points[len(p.points)-1]
	}
	return to == newest
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

// booted is when a broker was started; the zero time when it does not say. It counts from 0 then, and what it gave out before it
// looked at its counters for the first time it never counts.
func (m *snapshot) booted(ctx context.Context, broker string) (at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, asked := m.boots[broker]; asked {
		return at
	}
	if m.boots == nil {
		m.boots = map[string]time.Time{}
	}
	defer func() { m.boots[broker] = at }()
	addr, err := m.b.master(broker)
	if err != nil {
		return time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	info, err := m.b.wire.BrokerRuntimeInfo(ctx, addr)
	if err != nil {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(info["bootTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// lasts says whether the client that reads a queue runs since before an instant, and has come to an offset by itself.
func (w *words) lasts(q question, since time.Time, offset int64) bool {
	owner := w.owner(q)
	return owner != nil && !w.denies(q, offset) && startOf(*owner).Before(since)
}

// attended says whether somebody of the group was seen connected since the last look before the steps. A broker that was
// started anew lists its clients after their next heartbeat, half a minute later, while they pull already.
func (p *movement) attended(last time.Time) bool {
	return last.After(p.last.Add(-time.Minute)) || p.online || slices.ContainsFunc(p.points, func(q point) bool { return q.online })
}

// explains says whether deliveries explain the steps to a point.
func (m *snapshot) explains(ctx context.Context, q question, p *movement, to point, w *scale) bool {
	step := float64(to.offset - p.sure)
	if w.filters {
		step = 1 // what a filter drops is not given out, and not counted among what was given
	}
	given := func() bool {
		if !w.counted {
			return false
		}
		count, from := w.gave.fresh(p.since)
		if count+p.surplus < step+m.late(ctx, q, p, to, w) {
			return false
		}
		if w.filters {
			return true
		}
		window, at := w.gave.newest()
		if window < 0.8*m.recent(ctx, q, to.offset, at) {
			return false
		}
		// What an earlier step took of the first sample is among the recent messages, too.
		return from.IsZero() || count+max(p.surplus, 0) >= 0.8*m.recent(ctx, q, to.offset, from)
	}
	words := &w.words
	switch {
	case !w.online:
		return given() // they had it, and left
	case !p.online && !p.points[0].online && !given():
		return false // whoever is there now came later
	}
	if words.at.Before(to.at) || words.denies(q, to.offset) {
		return false
	}
	// A queue changes hands, or a client cannot tell now: what was set meanwhile it sets back.
	late := m.at.Sub(to.at)
	if words.owner(q) == nil && (late < proofPatience/4 || words.answered == 0 && late < proofPatience) {
		return false
	}
	if !words.java {
		return !w.counted || given()
	}
	work, pulled := words.rates(q.topic)
	if work == 0 {
		return false
	}
	elapsed := max(gaugeWindow, m.at.Sub(p.since))
	enough := given()
	if !w.counted {
		enough = work*elapsed.Seconds() >= 0.8*step
	}
	step += p.consumed(m.at.Add(-elapsed)) // it has been counted in the same minute
	// A client divides by the time since it counts the topic, ten seconds to a minute.
	worked := func(n float64) bool {
		return work*counting.Seconds() >= nearly*n || work*gaugeWindow.Seconds() >= nearly*n && m.at.Sub(m.b.counts(q)) > gaugeWindow
	}
	switch {
	case work >= nearly*pulled: // they worked on all that they pulled
		return enough || worked(step)
	default:
		return worked(max(step, 0.8*m.recent(ctx, q, to.offset, words.at)))
	}
}

// late is how many messages before the step the broker gave out, but had not counted yet when the count began. Nobody says it:
// they are taken to be those that were stored just before, as far as they are missing in the count of then. Where the broker had
// just been started they may never have been counted; there it is enough that the client that reads the queue was there before,
// and has come to the point by itself.
func (m *snapshot) late(ctx context.Context, q question, p *movement, to point, w *scale) float64 {
	base, ok := w.gave.base(p.since)
	if !ok || p.paid || w.filters {
		return 0
	}
	counted := base.at.Add(-gaugeWindow)
	if boot := m.booted(ctx, q.broker); boot.After(counted) {
		if w.words.lasts(q, p.since, to.offset) {
			return 0
		}
		counted = boot
	}
	missing := m.storedSince(ctx, q, p.sure, counted) - base.window
	return max(0, min(missing, m.storedSince(ctx, q, p.sure, base.at.Add(-countLag-proofEvery))))
}

// recent is how many of the messages before an offset were stored in the minute before an instant, and a little earlier, since
// counters lag, but not before the broker was started. All of them must have been counted in that minute, or nearly all where
// they come steadily.
func (m *snapshot) recent(ctx context.Context, q question, offset int64, at time.Time) float64 {
	since := at.Add(-gaugeWindow - counting)
	if boot := m.booted(ctx, q.broker); boot.After(since) {
		since = boot
	}
	return m.storedSince(ctx, q, offset, since)
}

// storedSince is how many of the messages before an offset were stored since an instant; 0 where the broker does not say.
func (m *snapshot) storedSince(ctx context.Context, q question, offset int64, since time.Time) float64 {
	addr, err := m.b.master(q.broker)
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	from, err := m.b.wire.SearchOffset(ctx, addr, q.topic, q.queue, since)
	if err != nil {
		return 0
	}
	return float64(max(0, offset-from))
}
