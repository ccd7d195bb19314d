package rocketmq

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
)

// gauge is a running count made of counts of the last minute.
type gauge struct {
	mu      sync.Mutex
	used    time.Time // guarded by Broker.mu
	samples []sample
}

type sample struct {
	at            time.Time
	window, total float64
}

// add takes the count of the minute before an instant.
func (g *gauge) add(at time.Time, window float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	total := window
	if i := g.before(at.Add(-gaugeWindow)); i >= 0 {
		total += g.samples[i].total
	}
	if n := len(g.samples); n > 0 {
		total = max(total, g.samples[n-1].total)
	}
	g.samples = append(g.samples, sample{at, window, total})
	if n := len(g.samples); n > gaugeKeeps {
		g.samples = slices.Delete(g.samples, 0, n-gaugeKeeps)
	}
}

// before is the index of the newest sample that is not younger; -1 if there is none.
func (g *gauge) before(at time.Time) int {
	i, _ := slices.BinarySearchFunc(g.samples, at, func(s sample, t time.Time) int { return s.at.Compare(t) })
	if i < len(g.samples) && g.samples[i].at.Equal(at) {
		return i
	}
	return i - 1
}

// fresh is how much was counted since an instant. Without a sample from before, all of the first one is, and from is when that
// was taken.
func (g *gauge) fresh(since time.Time) (count float64, from time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.samples)
	if n == 0 {
		return 0, time.Time{}
	}
	if i := g.before(since); i >= 0 {
		return g.samples[n-1].total - g.samples[i].total, time.Time{}
	}
	first := g.samples[0]
	return g.samples[n-1].total - first.total + first.window, first.at
}

// base is the newest sample that was taken by an instant; false if there is none.
func (g *gauge) base(since time.Time) (sample, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := g.before(since); i >= 0 {
		return g.samples[i], true
	}
	return sample{}, false
}

// between is how much was counted between two instants.
func (g *gauge) between(from, to time.Time) float64 {
	all, _ := g.fresh(from)
	later, _ := g.fresh(to)
	return all - later
}

// counter names something that is counted.
type counter struct{ group, broker, topic string }

func (b *Broker) gaugeOf(of counter) *gauge {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	maps.DeleteFunc(b.gauged, func(_ counter, g *gauge) bool { return now.Sub(g.used) > 2*openFor })
	g := b.gauged[of]
	if g == nil {
		g = &gauge{}
		b.gauged[of] = g
	}
	g.used = now
	return g
}

// newest is the last sample's count, and when it was taken.
func (g *gauge) newest() (count float64, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.samples); n > 0 {
		return g.samples[n-1].window, g.samples[n-1].at
	}
	return 0, time.Time{}
}

// youngest is when the last sample was taken.
func (g *gauge) youngest() time.Time {
	_, at := g.newest()
	return at
}

// gauge asks a broker what it gave out to a group; false when it does not say.
func (b *Broker) gauge(ctx context.Context, q question) (*gauge, bool) {
	g := b.gaugeOf(counter{q.group, q.broker, q.topic})
	if b.now().Sub(g.youngest()) < proofEvery/2 {
		return g, true
	}
	addr, err := b.master(q.broker)
	if err != nil {
		return g, false
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	n, err := b.wire.BrokerStat(ctx, addr, remoting.StatGroupGet, q.topic+"@"+q.group)
	if err != nil {
		b.log.Debug("a broker does not say what it gave out", "consumer_group", q.group, "broker", q.broker, "error", err)
		return g, !g.youngest().IsZero() && silent(err)
	}
	g.add(b.now(), float64(n))
	return g, true
}

// counts is since when the clients of a group are known to count a topic.
func (b *Broker) counts(q question) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := counter{q.group, "", q.topic}
	if b.counting[of].IsZero() {
		b.counting[of] = b.now()
	}
	return b.counting[of]
}

// lastOnline is when somebody of a group was last seen connected.
func (b *Broker) lastOnline(group string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.groups[group].online
}
