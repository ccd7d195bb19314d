package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// silencePause is between two probes of a broker that does not answer.
const silencePause = 2 * time.Second

// silence is what is remembered of a broker that does not answer. While it lasts nobody waits for the broker: a probe of its
// own finds out when it is over.
type silence struct {
	since  time.Time
	err    error
	probed time.Time // when a probe ended last, or the question that found the silence
	asking bool      // a probe is under way
}

// errSilent is why a broker that is known to be away is not asked.
type errSilent struct{ cause error }

func (e errSilent) Error() string { return fmt.Sprintf("not asked: %v", e.cause) }

// Unwrap returns how the broker failed to answer last.
func (e errSilent) Unwrap() error { return e.cause }

// probing marks the context of a probe, which asks a broker although it is known to be away.
type probing struct{}

// gate keeps requests from brokers that are known to be away.
func (b *Broker) gate(ctx context.Context, addr string) error {
	if ctx.Value(probing{}) != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.silent[addr]; s != nil {
		return errSilent{s.err}
	}
	return nil
}

// quiet returns why the broker at an address is known to be away; nil when it is not. It sees to it that a silent one is
// probed.
func (b *Broker) quiet(addr string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.silent[addr]
	if s == nil {
		return nil
	}
	if !s.asking && b.now().Sub(s.probed) >= silencePause && b.ending.Err() == nil {
		s.asking = true
		b.probes.Go(func() { b.probeSilent(addr, s) })
	}
	return s.err
}

// probeSilent asks a silent broker once, and ends its silence if it answers.
func (b *Broker) probeSilent(addr string, s *silence) {
	ctx, cancel := context.WithTimeout(context.WithValue(b.ending, probing{}, true), askPatience)
	defer cancel()
	_, err := b.wire.BrokerRuntimeInfo(ctx, addr)
	b.mu.Lock()
	defer b.mu.Unlock()
	s.asking, s.probed = false, b.now()
	if silent(err) {
		s.err = err
		return
	}
	if b.silent[addr] == s {
		delete(b.silent, addr)
		b.log.Info("a broker answers again", "addr", addr, "away_since", s.since)
		b.soon()
	}
}

// takeSilence remembers which brokers did not answer a round, and forgets addresses that are no broker's any more. The
// caller holds the lock.
func (b *Broker) takeSilence(c *cluster) {
	asked := map[string]bool{}
	for name, d := range c.brokers {
		addr := addrOf(d)
		asked[addr] = true
		switch err := c.away[name]; {
		case err == nil:
			delete(b.silent, addr)
		case b.silent[addr] == nil && !errors.As(err, new(errSilent)): // else it was not asked, and answers again
			b.log.Warn("a broker does not answer", "broker", name, "addr", addr, "error", err)
			b.silent[addr] = &silence{since: b.now().UTC(), err: err, probed: b.now()}
		}
	}
	maps.DeleteFunc(b.silent, func(addr string, _ *silence) bool { return !asked[addr] })
}

// isAway says whether a broker cannot be asked: it has no master as far as the cluster was seen, or its master is silent.
func (b *Broker) isAway(c *cluster, name string) bool {
	addr := c.brokers[name].Master()
	return addr == "" || b.quiet(addr) != nil
}

// awayError says how a broker is away; nil when it is not.
func (b *Broker) awayError(c *cluster, name string) error {
	d, registered := c.brokers[name]
	addr := d.Master()
	switch {
	case !registered:
		return gone(name)
	case addr == "":
		return onlySlave(name, d)
	}
	if err := b.quiet(addr); err != nil {
		return noAnswer(name, addr, err)
	}
	return nil
}

// split tells brokers that can be asked from those that are away.
func (b *Broker) split(c *cluster, names []string) (here, away []string) {
	for _, name := range names {
		if b.isAway(c, name) {
			away = append(away, name)
		} else {
			here = append(here, name)
		}
	}
	return here, away
}

// members tells how each broker stands. The caller holds the lock.
func (b *Broker) members(c *cluster) []dlq.BrokerState {
	var list []dlq.BrokerState
	for name, d := range c.brokers {
		m := dlq.BrokerState{Name: name, Address: d.Master(), Role: dlq.RoleMaster}
		switch s := b.silent[m.Address]; {
		case m.Address == "":
			at := b.lost[name]
			m.Role, m.Address, m.AwaySince, m.Why, m.Error = dlq.RoleSlave, addrOf(d), &at, dlq.AwayNoMaster, dlq.SentenceOf(onlySlave(name, d), noWords)
		case s != nil:
			at := s.since
			m.AwaySince, m.Why, m.Error = &at, causeOf(s.err), dlq.SentenceOf(noAnswer(name, m.Address, s.err), noWords)
		}
		list = append(list, m)
	}
	for name, at := range b.lost {
		if _, registered := c.brokers[name]; !registered {
			list = append(list, dlq.BrokerState{Name: name, Address: b.addresses[name], Role: dlq.RoleGone, AwaySince: &at, Why: dlq.AwayUnregistered, Error: dlq.SentenceOf(gone(name), noWords)})
		}
	}
	slices.SortFunc(list, func(x, y dlq.BrokerState) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// takeLosses remembers since when brokers that were there have no master any more. The caller holds the lock.
func (b *Broker) takeLosses(c *cluster, at time.Time) {
	for name, d := range c.brokers {
		if d.Master() != "" {
			b.met[name], b.addresses[name] = at, d.Master()
			delete(b.lost, name)
		} else if b.lost[name].IsZero() {
			b.lost[name] = at
		}
	}
	for name, seen := range b.met {
		_, registered := c.brokers[name]
		switch {
		case registered:
		case at.Sub(seen) >= metStays:
			delete(b.met, name)
			delete(b.lost, name)
			delete(b.addresses, name)
		case b.lost[name].IsZero():
			b.log.Warn("a broker is gone from the name server", "broker", name, "addr", b.addresses[name])
			b.lost[name] = at
		}
	}
}

// addrOf is the address at which a broker is asked: its master's or, where there is none, its first slave's.
func addrOf(d remoting.BrokerData) string {
	for _, id := range slices.Sorted(maps.Keys(d.Addrs)) {
		return d.Addrs[id]
	}
	return ""
}

func onlySlave(name string, d remoting.BrokerData) error {
	return dlq.Errorf(dlq.CodeUnavailable, "the broker %s has no master, only a slave (%s)", name, addrOf(d)).
		WithHint("start its master again, or promote the slave: then its dead letters are read on")
}

func gone(name string) error {
	return dlq.Errorf(dlq.CodeUnavailable, "the name server does not know the broker %s any more", name)
}

// causeOf tells how a broker fails to answer.
func causeOf(err error) dlq.AwayCause {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return dlq.AwayRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return dlq.AwayUnroutable
	case errors.As(err, new(*net.DNSError)):
		return dlq.AwayNameUnknown
	case errors.As(err, new(*remoting.DialError)) && errors.As(err, &timeout) && timeout.Timeout():
		return dlq.AwayNoConnection
	case errors.As(err, new(*remoting.NoAnswer)):
		return dlq.AwayNoAnswer
	}
	return dlq.AwayOther
}

// noAnswer puts into words how a broker fails to answer.
func noAnswer(name, addr string, err error) error {
	why := "nobody answers at " + addr
	switch causeOf(err) {
	case dlq.AwayRefused:
		why = "nobody listens at " + addr
	case dlq.AwayUnroutable:
		why = "there is no way to " + addr
	case dlq.AwayNameUnknown:
		why = "the name in " + addr + " cannot be resolved"
	case dlq.AwayNoConnection:
		why = "no connection to " + addr + " comes about"
	case dlq.AwayNoAnswer:
		why = "the connection to " + addr + " is there, but no answer comes"
	}
	return dlq.Errorf(dlq.CodeUnavailable, "the broker %s does not answer: %s: %w", name, why, err).
		WithHint("brokers register the address in brokerIP1; it must be reachable from here")
}

// allAway is the error of a question that only brokers could answer of which none does.
func allAway(what string, names []string) error {
	return dlq.Errorf(dlq.CodeUnavailable, "%s: %s", what, doNotAnswer(names))
}

func areAway(names []string) string {
	if len(names) == 1 {
		return "the broker " + names[0] + " is away"
	}
	return "the brokers " + strings.Join(names, ", ") + " are away"
}

func doNotAnswer(names []string) string {
	if len(names) == 1 {
		return "the broker " + names[0] + " does not answer"
	}
	return "the brokers " + strings.Join(names, ", ") + " do not answer"
}
