package operation

import (
	"time"

	"deadletteroffice/dlq"
)

const (
	// awayLimit is for how long an operation waits for a broker that alone can give letters back: then they are skipped.
	awayLimit = 10 * time.Minute
	laneTry   = 10 // letters of a broker that are tried at once while it is away
)

// lane is the letters of one consumer group that only one broker can give back, while that is away. They are passed over,
// save a few now and then, so that those behind them go on.
type lane struct {
	backOff  time.Duration
	until    time.Time // nothing of it is tried before
	position int64     // the first letter that was passed over lies here or behind it; never64 for none
	tries    int       // letters that may still be tried now
}

// note takes note of what became of a batch's letters broker by broker: a broker of which all of them wait gets a lane, and
// one that took a letter has none.
func (r *run) note(g *group, e batchEnd, now time.Time) {
	type sum struct {
		waiting, sent, all int
		position           int64
	}
	sums := map[string]*sum{}
	for i := range e.results {
		t, res := &e.tasks[i], &e.results[i]
		if t.Letter == nil {
			continue
		}
		s := sums[t.Letter.Broker]
		if s == nil {
			s = &sum{position: never64}
			sums[t.Letter.Broker] = s
		}
		s.all++
		switch {
		case res.Away != "":
			s.waiting++
			s.position = min(s.position, t.Position)
		case !res.Later && res.Skip == "":
			s.sent++
		}
	}
	for broker, s := range sums {
		if s.waiting > 0 && r.feed.away[broker].IsZero() {
			r.feed.away[broker] = now
		}
		switch {
		case s.waiting == s.all && r.order == nil && now.Sub(r.feed.away[broker]) < awayLimit:
			g.lay(broker, s.position, now)
		case s.waiting == 0 && s.sent > 0:
			delete(r.feed.away, broker)
			g.merge(broker)
		}
	}
}

// lay puts a broker's letters off, each time for longer.
func (g *group) lay(broker string, position int64, now time.Time) {
	l := g.lanes[broker]
	if l == nil {
		l = &lane{position: never64}
		g.lanes[broker] = l
	}
	l.backOff = min(max(2*l.backOff, time.Second), maxBackOff)
	l.until, l.tries, l.position = now.Add(l.backOff), 0, min(l.position, position)
	left := g.buffer[:0]
	for _, t := range g.buffer { // what was read before is passed over as well
		if t.Letter.Broker != broker {
			left = append(left, t)
		} else {
			l.position = min(l.position, t.Position)
		}
	}
	g.buffer = left
}

// merge lets a broker's letters have their turn like all others.
func (g *group) merge(broker string) {
	if l := g.lanes[broker]; l != nil {
		delete(g.lanes, broker)
		g.back(l.position)
	}
}

// back has letters read again from a position on.
func (g *group) back(position int64) {
	if position < g.from {
		g.from, g.dry = position, false
	}
}

// passes says whether a letter that was read is left for its lane, and keeps its place.
func (g *group) passes(t *dlq.OperationTask) bool {
	l := g.lanes[t.Letter.Broker]
	if l == nil {
		return false
	}
	if l.tries > 0 {
		l.tries--
		return false
	}
	l.position = min(l.position, t.Position)
	return true
}

// open begins the try of a lane whose time has come, when all else that the group has is done. What lies behind the few letters of it was read already, so reading
// jumps back there afterwards. Letters of brokers that were waited for too long have their turn at once: they are skipped
// unless another way has opened.
func (r *run) open(g *group, now time.Time) {
	for broker, l := range g.lanes {
		switch {
		case g.inFlight > 0 || len(g.buffer) > 0:
		case l.position == never64: // the last try left nothing of it
			delete(g.lanes, broker)
		case now.Sub(r.feed.away[broker]) >= awayLimit:
			g.merge(broker)
			g.jump = jump{}
		case g.dry && !now.Before(l.until):
			if l.position < g.from {
				g.jump = jump{from: g.from, dry: true}
				g.back(l.position)
			}
			l.tries, l.position, l.until = laneTry, never64, now.Add(maxBackOff)
		}
	}
}

// jump is where reading goes on after a try.
type jump struct {
	from int64
	dry  bool
}

// land jumps forward once the letters of the try were read. Those between are passed over.
func (g *group) land() {
	if g.jump.from == 0 {
		return
	}
	if g.from < g.jump.from {
		for _, l := range g.lanes {
			if l.tries > 0 {
				return // they lie further on
			}
		}
		for _, l := range g.lanes {
			l.position = min(l.position, g.from)
		}
		g.from, g.dry = g.jump.from, g.jump.dry
	}
	g.jump = jump{}
}

// nextLane is how long until a lane is tried again.
func (g *group) nextLane(now time.Time) time.Duration {
	wait := never
	if g.inFlight > 0 {
		return wait
	}
	for _, l := range g.lanes {
		if l.position != never64 {
			wait = min(wait, max(l.until.Sub(now), time.Millisecond))
		}
	}
	return wait
}
