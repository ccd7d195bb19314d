package rocketmq

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// How an offset moved.
//
// A committed offset behind a message does not tell that a consumer had it: anybody can set the offset of a consumer group
// (mqadmin resetOffsetByTime, updateConsumerOffset, a console's button), and a group whose offset was lost begins where it
// is told to, which may be the end. So each step of an offset must be explained by deliveries:
//
//   - As many messages were worked on as the offset moved. Java clients say at what rate they worked and pulled in the last
//     minute (request code 307); what a broker gave out to the group (GROUP_GET_NUMS, request code 315) is taken where a client
//     cannot say it. What was counted before the first of the messages was stored does not count, and what explained one step
//     explains no other.
//   - The counts must reach to the newest step: those of a consumer group that works on after its offset was set would explain
//     the jump otherwise. Where it moves on and on, they reach as far as they lag behind.
//   - The client that reads the queue answers, and its own offset is not before the step: a client that works on the message
//     commits what it knows every five seconds, so an offset that was set meanwhile moves back.
//   - While nobody of the group is seen connected, the broker's count must tell it exactly. A client is listed before it can
//     commit, so a list that was asked for after the offset was read names who made the step, if he is still there; who left
//     meanwhile has been counted by then.
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
	proofClients  = 16               // clients of a group that are asked
	gaugeWindow   = time.Minute      // that brokers and clients count over
	counting      = 10 * time.Second // how often they look at their counters
	countLag      = counting + 2*time.Second
	gaugeKeeps    = 600 // samples

	// nearly allows for the clocks of a client's counters: it divides by a time that is a few seconds more or less.
	nearly = 0.9
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

	mu      sync.Mutex
	begun   time.Time
	seen    bool      // an offset was observed before any copy was found to be passed
	floor   int64     // copies below were passed before anything was observed
	sure    int64     // how offsets below came to be passed is known
	since   time.Time // since when the offset was sure, and messages waited behind it
	last    time.Time // when it was last seen there
	read    time.Time // when it was read last, wherever it was
	online  bool      // whether somebody was connected when it was last seen there
	surplus float64   // what the broker gave out until since, and no step explains; negative: it had not counted so far
	paid    bool      // surplus says what was not counted by since; else it has to be guessed
	uses    []use     // steps of the last minutes that consumers made
	points  []point   // later observations, oldest first
	moved   []stretch // offsets that were passed without deliveries
	judged  time.Time
}

type point struct {
	at     time.Time
	offset int64
	online bool
}

type stretch struct{ from, to int64 }

type use struct {
	at     time.Time
	length float64
}

// observe notes where the offset was when it was read at an instant. x is a copy that it is asked for.
func (p *movement) observe(at time.Time, committed int64, online bool, x int64, stored time.Time) {
	if at.Before(p.read) {
		return // others have read it since, and it is no step back
	}
	p.read = at
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
		if committed < p.sure {
			p.sure, p.floor, p.since, p.last, p.online = committed, min(p.floor, committed), at, at, online
			p.surplus, p.paid = 0, false
		}
	case committed > newest:
		p.points = append(p.points, point{at, committed, online})
		if n := len(p.points); n > 60 { // proofPatience ends before
			p.points = slices.Delete(p.points, 1, n-60+1)
		}
	case len(p.points) == 0:
		p.last, p.online = at, online
	}
	if x == p.sure && len(p.points) == 0 && stored.Before(at) {
		p.waits(stored)
	}
}

// waits notes that the copy where the offset is was stored at an instant. If it came long after the offset, nothing was given
// out between. If it is the first that the offset waited for, what was given out between then and the first look counts, too.
func (p *movement) waits(stored time.Time) {
	switch {
	case stored.Sub(p.since) > countLag: // everything before is counted by now
		p.since, p.surplus, p.paid = stored, 0, false
	case stored.Before(p.since) && p.since.Equal(p.begun):
		p.since = stored
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle says how the offset came to the n-th point, and forgets the points until there. gave is nil when nobody counts.
func (p *movement) settle(n int, moved bool, gave *gauge) {
	at := p.points[n]
	length := float64(at.offset - p.sure)
	if p.paid = gave != nil && !moved; p.paid {
		p.surplus += gave.between(p.since, at.at) - length
	} else {
		p.surplus = 0
	}
	if moved {
		p.moved = append(p.moved, stretch{p.sure, at.offset})
		if len(p.moved) > 1000 {
			p.moved = slices.Delete(p.moved, 0, 1)
		}
	} else {
		p.uses = slices.DeleteFunc(append(p.uses, use{at.at, length}), func(u use) bool { return at.at.Sub(u.at) > 2*gaugeWindow })
	}
	p.sure, p.since, p.last, p.online = at.offset, at.at, at.at, at.online
	p.points = slices.Delete(p.points, 0, n+1)
}

// consumed is how far consumers are known to have come since an instant.
func (p *movement) consumed(since time.Time) (length float64) {
	for _, u := range p.uses {
		if u.at.After(since) {
			length += u.length
		}
	}
	return length
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
func (m *snapshot) passed(ctx context.Context, group string, s standing, d *trace, committed int64) passing {
	q := question{group: group, broker: d.broker, topic: d.m.Topic, queue: d.m.QueueID}
	p := m.b.movementOf(q)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observe(m.readAt(q), committed, s.online, d.m.QueueOffset, d.m.StoredAt)
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
func (m *snapshot) untouched(group string, s standing, d *trace) {
	q := question{group: group, broker: d.broker, topic: d.m.Topic, queue: d.m.QueueID}
	p := m.b.movementOf(q)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait(m.readAt(q), s.online, d.m.QueueOffset, d.m.StoredAt)
}

// wait notes that no offset was committed when it was asked for at an instant, while a copy lay there.
func (p *movement) wait(at time.Time, online bool, x int64, stored time.Time) {
	switch {
	case p.begun.IsZero():
		p.begun, p.since, p.seen, p.floor, p.sure = at, at, true, x, x
	case at.Before(p.read) || len(p.points) > 0 || p.sure != p.floor:
		return
	}
	p.floor = min(p.floor, x)
	p.since = earlier(p.since, stored) // whatever was given out of it was given out later
	p.sure, p.last, p.read, p.online = p.floor, at, at, online
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
