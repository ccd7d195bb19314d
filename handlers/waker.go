package handlers

import (
	"context"
	"log/slog"
	"time"

	"deadletteroffice/dlq"
)

// WakerStore finds snoozed letters and moves them.
type WakerStore interface {
	Due(ctx context.Context, state dlq.State, now time.Time, limit int) ([]dlq.Letter, error)
	ApplyEach(ctx context.Context, changes []dlq.Change) ([]dlq.Letter, []error)
}

// Waker opens snoozed letters again when their time comes. People snoozed them, so the automation switch is not asked.
type Waker struct {
	store WakerStore
	now   func() time.Time
	log   *slog.Logger
}

// NewWaker makes a Waker. Now and logger may be nil.
func NewWaker(store WakerStore, now func() time.Time, logger *slog.Logger) *Waker {
	return &Waker{store: store, now: orNow(now), log: orLog(logger)}
}

// wakeBatch is how many letters wake in one transaction.
const wakeBatch = 200

// Run looks once a second until the context ends, and returns its error.
func (w *Waker) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := w.runOnce(ctx); err != nil && ctx.Err() == nil {
			w.log.Error("wake snoozed letters", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (w *Waker) runOnce(ctx context.Context) error {
	for {
		due, err := w.store.Due(ctx, dlq.StateSnoozed, w.now(), wakeBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		changes := make([]dlq.Change, len(due))
		for n, l := range due {
			changes[n] = dlq.Change{
				LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerWake, To: dlq.StateOpen,
				Event: dlq.Event{Kind: dlq.EventWoke, Actor: dlq.ActorAutomation},
			}
		}
		_, errs := w.store.ApplyEach(ctx, changes)
		woke := 0
		for _, err := range errs {
			if err == nil {
				woke++
			}
			// A conflict is a person who was quicker; the next look sees what they made of it.
			if err != nil && dlq.CodeOf(err) != dlq.CodeConflict && dlq.CodeOf(err) != dlq.CodeRefused {
				return err
			}
		}
		if len(due) < wakeBatch || woke == 0 {
			return nil
		}
	}
}
