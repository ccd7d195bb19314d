package handlers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

const (
	rivalsEvery = 3 * time.Second
	rivalsRest  = 300 * time.Millisecond // shortest, when somebody waits to act
	// rivalsFresh is how old the last look at other consoles may be for automation to act.
	rivalsFresh = 15 * time.Second
	// ghostStays is for how long a cluster may show a console that is gone: brokers drop a connection that ended with its host
	// after 120 s.
	ghostStays = 150 * time.Second
)

// ConsoleCluster shows consoles to each other. Announce makes this one visible and returns the others. The error is
// dlq.CodeUnavailable while the cluster is away, and dlq.CodeNotSupported where it cannot show them.
type ConsoleCluster interface {
	Announce(ctx context.Context, self dlq.Console) ([]dlq.Console, error)
}

// Rivals keeps two consoles from acting by themselves on one cluster: every letter would be given back twice. It shows this
// console to the others, and switches automation off here when another one, on which it was switched on earlier, has it on.
type Rivals struct {
	cluster ConsoleCluster
	sw      *Switch
	log     *slog.Logger
	now     func() time.Time
	self    dlq.Console

	mu     sync.Mutex
	others []dlq.Console
	fault  string
	asked  time.Time // last look that succeeded, or found that the cluster cannot show consoles
	since  time.Time // what was announced then; zero for off
	twins  map[string]time.Time
	held   bool // a console that may be this one's former self is shown
	kick   chan struct{}
}

// NewRivals makes Rivals. Now may be nil.
func NewRivals(cluster ConsoleCluster, sw *Switch, log *slog.Logger, now func() time.Time) *Rivals {
	id := make([]byte, 8)
	rand.Read(id)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Rivals{
		cluster: cluster, sw: sw, log: log, now: orNow(now), self: dlq.Console{ID: hex.EncodeToString(id), Host: host},
		twins: map[string]time.Time{}, kick: make(chan struct{}, 1),
	}
}

// Run looks for other consoles until ctx ends; it returns nil then.
func (v *Rivals) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		again := v.runOnce(ctx)
		wait(ctx, rivalsRest, nil)
		if !again {
			wait(ctx, rivalsEvery-rivalsRest, v.kick)
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration, kick <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-kick:
	case <-timer.C:
	}
}

// runOnce announces this console and looks at the others. again says that what was announced is no longer true.
func (v *Rivals) runOnce(ctx context.Context) (again bool) {
	a := v.sw.Get()
	self := v.self
	self.Automation, self.Since = a.On, a.Since
	others, err := v.cluster.Announce(ctx, self)
	now := v.now()
	v.mu.Lock()
	v.fault = ""
	if err != nil {
		v.fault = err.Error()
		if dlq.CodeOf(err) == dlq.CodeUnavailable || ctx.Err() != nil {
			v.mu.Unlock()
			return false
		}
	}
	v.others, v.asked, v.since = others, now, stamp(a)
	earlier := v.earlier(a, now)
	v.mu.Unlock()
	if earlier == nil {
		return stamp(v.sw.Get()) != stamp(a)
	}
	v.log.Warn("another console acts on this cluster: automation is switched off here", "host", earlier.Host, "address", earlier.Address, "since", earlier.Since)
	_, err = v.sw.Set(ctx, a.Version, dlq.Automation{
		Stopped: a.Stopped, Actor: dlq.ActorConsole, Note: fmt.Sprintf("another console acts on this cluster: %s (%s)", earlier.Host, earlier.Address),
	})
	if err != nil && dlq.CodeOf(err) != dlq.CodeConflict {
		v.log.Error("switch automation off", "error", err)
		return false
	}
	return true
}

// earlier returns a console that acts by itself and whose automation was switched on before this one's. A console that says
// the very same instant has the same data file: it is this one's former self, which a broker still shows, or a copy of
// the file. It is waited for, and only the one that stays is a rival.
func (v *Rivals) earlier(a dlq.Automation, now time.Time) *dlq.Console {
	v.held = false
	seen := map[string]time.Time{}
	var first *dlq.Console
	for i, o := range v.others {
		if !a.On || a.Since == nil || !o.Automation || o.Since == nil {
			continue
		}
		mine, its := a.Since.UnixMilli(), o.Since.UnixMilli()
		if mine == its {
			at, known := v.twins[o.ID]
			if !known {
				at = now
			}
			if seen[o.ID] = at; now.Sub(at) < ghostStays || o.ID > v.self.ID {
				v.held = v.held || now.Sub(at) < ghostStays
				continue
			}
		}
		if its <= mine && (first == nil || o.Since.Before(*first.Since)) {
			first = &v.others[i]
		}
	}
	v.twins = seen
	return first
}

func stamp(a dlq.Automation) time.Time {
	if !a.On || a.Since == nil {
		return time.Time{}
	}
	return *a.Since
}

// Automation is the switch for those who send by it: off until it is sure that no other console acts, or that the cluster
// cannot tell.
func (v *Rivals) Automation() dlq.Automation { return v.gated(rivalsFresh) }

// Calls is the switch for those who do not need the cluster: they go on while it is away, once no other console was there.
func (v *Rivals) Calls() dlq.Automation { return v.gated(0) }

// gated is the switch, on only after a look that is not older than fresh; 0: however old.
func (v *Rivals) gated(fresh time.Duration) dlq.Automation {
	a := v.sw.Get()
	if !a.On {
		return a
	}
	v.mu.Lock()
	clear := !v.held && !v.asked.IsZero() && v.since.Equal(stamp(a)) && (fresh == 0 || v.now().Sub(v.asked) < fresh)
	v.mu.Unlock()
	if !clear {
		a.On = false
		select {
		case v.kick <- struct{}{}:
		default:
		}
	}
	return a
}

// Consoles returns the other consoles on the cluster, and why they cannot be seen; "" when they can.
func (v *Rivals) Consoles() ([]dlq.Console, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.others), v.fault
}
