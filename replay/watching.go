package replay

import (
	"context"
	"time"

	"deadletteroffice/dlq"
)

const (
	sweepAfter = 2 * time.Second // a followed replay that is overdue by this much was closed by somebody else
	sweepRest  = time.Second     // between sweeps
	sweepLimit = 1000            // replays of one sweep

	// maxWatched bounds what is remembered of followed replays; those beyond it are followed by what the store has of them.
	maxWatched = 50_000
)

// watchState is what a replay's watcher remembers between looks. It need not survive the process.
type watchState struct {
	at    time.Time // of the last look; zero before the first
	steps int       // looks since the last that showed something new
	next  time.Time // when the next is due
}

// remember keeps a watch state. The caller holds the lock.
func (s *Service) remember(id string, seen watchState) {
	if _, known := s.watching[id]; !known && len(s.watching) >= maxWatched {
		return
	}
	s.watching[id] = seen
	if late := seen.next.Add(sweepAfter); s.sweepDue.IsZero() || late.Before(s.sweepDue) {
		s.sweepDue = late
	}
}

// watchStateOf returns what is remembered of a replay or, where nothing is, what its row tells of the last look.
func (s *Service) watchStateOf(r dlq.Replay) watchState {
	s.mu.Lock()
	seen, known := s.watching[r.ID]
	s.mu.Unlock()
	if known || r.Looks == 0 || r.NextLook == nil {
		return seen
	}
	paused := pause(r, r.Looks)
	if s.now().Sub(*r.NextLook) > paused {
		return watchState{} // nobody has looked for a while, so nobody knows what was then
	}
	return watchState{at: r.NextLook.Add(-paused), steps: r.Looks, next: *r.NextLook}
}

func (s *Service) drop(id string) {
	s.mu.Lock()
	delete(s.watching, id)
	s.mu.Unlock()
}

// sweep finds followed replays that are no longer open: a death that came back has closed them.
func (t *tracker) sweep(ctx context.Context) {
	now := t.now()
	var late []string
	t.mu.Lock()
	if now.Before(t.sweepDue) {
		t.mu.Unlock()
		return
	}
	t.sweepDue = time.Time{}
	for id, seen := range t.watching {
		due := seen.next.Add(sweepAfter)
		if !due.After(now) && len(late) < sweepLimit {
			late = append(late, id)
		} else if t.sweepDue.IsZero() || due.Before(t.sweepDue) {
			t.sweepDue = due
		}
	}
	t.mu.Unlock()
	for _, id := range late {
		if t.closed(ctx, id) {
			continue
		}
		t.mu.Lock()
		t.remember(id, watchState{next: now})
		t.mu.Unlock()
	}
}
