package handlers

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"
)

// AutomationStore keeps the automation switch.
type AutomationStore interface {
	Automation(ctx context.Context) (dlq.Automation, error)
	SetAutomation(ctx context.Context, seenVersion int64, a dlq.Automation) (dlq.Automation, error)
}

// Switch holds the automation switch for everybody who has to look at it before each step, and keeps it in the store.
type Switch struct {
	store AutomationStore
	now   func() time.Time
	value atomic.Pointer[dlq.Automation]
}

// NewSwitch reads the switch from the store. On a new file it is off. Now may be nil.
func NewSwitch(ctx context.Context, store AutomationStore, now func() time.Time) (*Switch, error) {
	a, err := store.Automation(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the automation switch: %w", err)
	}
	s := &Switch{store: store, now: orNow(now)}
	s.value.Store(&a)
	return s, nil
}

// Get returns the switch as it stands.
func (s *Switch) Get() dlq.Automation { return *s.value.Load() }

// Set turns the switch. seen is the version that the person looked at; another's turn in between is CodeConflict. Only On,
// Stopped, Note and Actor of the wish count. Since is set when automation goes from off to on, so that only letters that
// die afterwards act; the global stop leaves it as it is.
func (s *Switch) Set(ctx context.Context, seen int64, wish dlq.Automation) (dlq.Automation, error) {
	before, now := s.Get(), s.now().UTC()
	next := dlq.Automation{On: wish.On, Stopped: wish.Stopped, Note: wish.Note, Actor: wish.Actor, ChangedAt: &now}
	if next.On {
		if next.Since = before.Since; !before.On || next.Since == nil {
			next.Since = &now
		}
	}
	if len(wish.Note) > maxNote {
		return before, tooLongNote()
	}
	after, err := s.store.SetAutomation(ctx, seen, next)
	if err != nil {
		if dlq.CodeOf(err) == dlq.CodeConflict {
			return s.reload(ctx, err)
		}
		return before, fmt.Errorf("set the automation switch: %w", err)
	}
	s.value.Store(&after)
	return after, nil
}

// reload takes over what stands in the store after a conflict and says who turned it.
func (s *Switch) reload(ctx context.Context, cause error) (dlq.Automation, error) {
	a, err := s.store.Automation(ctx)
	if err != nil {
		return s.Get(), fmt.Errorf("read the automation switch: %w", err)
	}
	s.value.Store(&a)
	who := a.Actor
	if who == "" {
		who = "somebody"
	}
	conflict := dlq.Errorf(dlq.CodeConflict, "%s turned the automation switch in between: %w", who, cause).
		WithHint("look at the switch as it stands now and decide again")
	conflict.Params = map[string]string{"by": who}
	return a, conflict
}
