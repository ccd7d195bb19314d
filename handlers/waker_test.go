package handlers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

func TestWaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s := newMemory(time.Now)
		const many = wakeBatch + 50
		for id := range int64(many) {
			s.add(dlq.Letter{ID: id + 1, State: dlq.StateSnoozed, DueAt: ptr(begun.Add(time.Minute))})
		}
		s.add(dlq.Letter{ID: 1000, State: dlq.StateSnoozed, DueAt: ptr(begun.Add(time.Hour))})
		s.add(dlq.Letter{ID: 1001, State: dlq.StateScheduled, DueAt: ptr(begun)})
		w := NewWaker(s, nil, nil)
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := w.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		run(59 * time.Second)
		if l := s.letter(1); l.State != dlq.StateSnoozed {
			t.Errorf("woke too early: %s", l.State)
		}
		s.fail = func(op string) error {
			if op == "due" {
				return dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
			}
			return nil
		}
		run(10 * time.Second)
		s.fail = nil
		run(2 * time.Second)
		for id := range int64(many) {
			if l := s.letter(id + 1); l.State != dlq.StateOpen || l.Events[0].Kind != dlq.EventWoke {
				t.Fatalf("letter %d: %s, %+v", id+1, l.State, l.Events[0])
			}
		}
		if a, b := s.letter(1000).State, s.letter(1001).State; a != dlq.StateSnoozed || b != dlq.StateScheduled {
			t.Errorf("others: %s, %s", a, b)
		}
	})
}

// Letters that somebody moves at the same moment do not hold the waker in a circle.
func TestWakerBearsConflicts(t *testing.T) {
	s := newMemory(atNoon)
	for id := range int64(wakeBatch) {
		s.add(dlq.Letter{ID: id + 1, State: dlq.StateSnoozed, DueAt: ptr(noon)})
	}
	s.fail = func(op string) error {
		if op == "apply" {
			return dlq.Errorf(dlq.CodeConflict, "somebody was quicker")
		}
		return nil
	}
	if err := NewWaker(s, atNoon, nil).runOnce(t.Context()); err != nil {
		t.Error(err)
	}
}
