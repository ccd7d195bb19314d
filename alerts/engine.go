package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

const (
	defaultEvery = 15 * time.Second
	// breath is the least time between two looks that events ask for: a burst of letters must not measure all the time.
	breath = 2 * time.Second
	// allSilences is as many as the store keeps that are not over.
	allSilences = 500
)

// BookStore keeps the state of the engine. SaveAlerts stores a step in one transaction, or not at all.
type BookStore interface {
	AlertBook(ctx context.Context) (dlq.AlertBook, error)
	SaveAlerts(ctx context.Context, step dlq.AlertStep) error
	Silences(ctx context.Context, limit int) ([]dlq.Silence, error)
}

// Deps is what an Engine needs. Told, Now, Logger and Registerer may be nil; Every 0 means 15 s.
type Deps struct {
	Book         BookStore
	Signals      SignalStore
	Cluster      Cluster
	Live         *Live
	Stalled      func() bool             // nothing that arrives can be stored
	RulesRefused func() bool             // the rules file as it is now is not in force
	Disk         func() (float64, error) // used part of the disk with the data
	Told         func()                  // called after deliveries were stored; must not block
	Every        time.Duration           // between two looks
	Now          func() time.Time
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
}

// Engine looks at all rules again and again, and writes deliveries for those who are to be told. What it knows is stored
// in the step that changes it, deliveries included: a process that dies at any moment forgets nothing and tells nothing
// twice.
type Engine struct {
	deps    Deps
	metrics *metrics
	woken   chan struct{}

	book   dlq.AlertBook // of Run alone
	loaded bool
	said   map[string]string // what was logged last about what, to say it once

	mu    sync.RWMutex
	rules []dlq.AlertRule // as the newest turn found them
}

// New makes an Engine that has not looked yet.
func New(d Deps) *Engine {
	if d.Every <= 0 {
		d.Every = defaultEvery
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Told == nil {
		d.Told = func() {}
	}
	return &Engine{deps: d, metrics: newMetrics(d.Registerer), woken: make(chan struct{}, 1), said: map[string]string{}}
}

// Wake asks for a look soon: letters arrived, or a silence changed. It does not block.
func (e *Engine) Wake() {
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

// Run looks every Deps.Every, when something is due, when the rules change, and soon after Wake, until the context ends.
// Failures are logged, and the next look tries again.
func (e *Engine) Run(ctx context.Context) error {
	for {
		next, err := e.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		e.say(slog.LevelError, "all rules", err)
		last, pause := e.deps.Now(), e.deps.Every
		if err == nil && !next.IsZero() {
			pause = min(pause, max(next.Sub(last), 0))
		}
		if !e.rest(ctx, max(pause, time.Millisecond)) {
			return nil
		}
	}
}

// rest waits for the next look; false when the context ended.
func (e *Engine) rest(ctx context.Context, pause time.Duration) bool {
	timer, calm := time.NewTimer(pause), time.NewTimer(breath)
	defer timer.Stop()
	defer calm.Stop()
	var woken <-chan struct{} // nil until there was a breath
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-e.deps.Live.swapped:
			return true
		case <-calm.C:
			woken = e.woken
		case <-woken:
			return true
		}
	}
}

// runOnce makes one turn and stores it. next is when something is due; zero for nothing.
func (e *Engine) runOnce(ctx context.Context) (next time.Time, err error) {
	if !e.loaded {
		if e.book, err = e.deps.Book.AlertBook(ctx); err != nil {
			return next, fmt.Errorf("read the state of the alerts: %w", err)
		}
		e.loaded = true
	}
	silences, err := e.deps.Book.Silences(ctx, allSilences)
	if err != nil {
		return next, fmt.Errorf("read the silences: %w", err)
	}
	now := e.deps.Now().UTC().Truncate(time.Millisecond)
	live := e.deps.Live.value.Load()
	t := turn{now: now, book: e.book, version: live.version, config: live.config, silences: silences,
		disabled: map[string]string{}, newID: dlq.NewDeliveryID}
	s := e.sample(ctx, live.config, now)
	if ctx.Err() != nil {
		return next, ctx.Err()
	}
	s.status.Cluster = clusterOf(&s.status, &e.book)
	t.readings = read(live.config, &s)
	for _, r := range live.config.receivers {
		if why := r.disabled(); why != "" {
			t.disabled[r.name] = why
		}
	}
	step, next := t.take()
	if err := e.deps.Book.SaveAlerts(ctx, step); err != nil {
		e.loaded = false // it may have been stored all the same: the store knows
		e.metrics.failed()
		return time.Time{}, fmt.Errorf("store what the alerts have come to: %w", err)
	}
	e.book = after(e.book, &step)
	e.metrics.took(e.book, &step)
	if len(step.Deliveries) > 0 {
		e.deps.Told()
	}
	e.show(&t)
	for i := range live.config.rules {
		e.say(slog.LevelInfo, "rule "+live.config.rules[i].name, t.readings[i].problem())
	}
	return next, nil
}

// read measures every rule that is not off.
func read(c *Config, s *samples) []reading {
	out := make([]reading, len(c.rules))
	for i := range c.rules {
		if !c.rules[i].off {
			out[i].values, out[i].err = measure(&c.rules[i], s)
		}
	}
	return out
}

// clusterOf is the cluster's name. While a cluster cannot be reached after a start, only the alerts about it still know
// its name.
func clusterOf(status *dlq.ClusterStatus, book *dlq.AlertBook) string {
	name := status.Cluster
	for i := range book.Alerts {
		if a := &book.Alerts[i]; name == "" && a.Signal == signalUnreachable && a.State != dlq.AlertResolved {
			name = a.Labels[labelCluster]
		}
	}
	return name
}

// say logs what keeps going wrong once, and that it is over. It belongs to Run.
func (e *Engine) say(level slog.Level, what string, err error) {
	if err == nil {
		if e.said[what] != "" {
			e.deps.Logger.Info("alerts are evaluated again", "what", what)
		}
		delete(e.said, what)
		return
	}
	if text := err.Error(); text != e.said[what] {
		e.said[what] = text
		e.deps.Logger.Log(context.Background(), level, "alerts could not be evaluated", "what", what, "error", err)
	}
}
