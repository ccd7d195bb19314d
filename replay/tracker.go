package replay

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"deadletteroffice/dlq"
)

const (
	trackLimit   = 200                    // replays of one look at the store
	trackRounds  = 10                     // looks at the store before a rest
	trackAtOnce  = 6                      // looks at the broker at the same time
	trackRate    = 100                    // looks at the broker per second
	trackHorizon = time.Hour              // longest sleep
	trackRest    = 200 * time.Millisecond // shortest
	sweepAfter   = 2 * time.Second        // a followed replay that is overdue by this much was closed by somebody else
	absentAfter  = 5 * time.Second        // a send younger than this may still be on its way
	absentAgain  = 5 * time.Second        // between the two searches that prove that it was not sent
	undecidedFor = 10 * time.Minute
)

// RunTracker finds out whether sends of which nobody knows were made, and what became of those that were, until ctx
// ends; it returns nil then. It needs nothing but the store to go on after a restart, and asks no broker anything while
// no replay is open.
func (s *Service) RunTracker(ctx context.Context) error {
	t := &tracker{Service: s, started: s.now(), pace: rate.NewLimiter(trackRate, trackAtOnce)}
	for {
		wait := t.runOnce(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

type tracker struct {
	*Service
	started time.Time
	pace    *rate.Limiter
	took    bool // what the process before left unsettled was taken over
}

// runOnce looks at every replay that is due, and returns how long there is nothing to do. The first time it looks at every
// send that is not settled, due or not: the process that made it is gone.
func (t *tracker) runOnce(ctx context.Context) time.Duration {
	if !t.took {
		unsettled, err := t.Store.Unsettled(ctx)
		if err != nil {
			t.Logger.Error("find unsettled replays", "error", err)
			return 5 * time.Second
		}
		t.took = true
		t.lookAt(ctx, unsettled)
	}
	for range trackRounds {
		due, err := t.Store.OpenReplays(ctx, t.now(), trackLimit)
		if err != nil {
			t.Logger.Error("find open replays", "error", err)
			return 5 * time.Second
		}
		t.lookAt(ctx, due)
		if len(due) < trackLimit || ctx.Err() != nil {
			break
		}
	}
	t.sweep(ctx)
	return t.rest(ctx)
}

// rest returns the time until the next look is due.
func (t *tracker) rest(ctx context.Context) time.Duration {
	now := t.now()
	wait := trackHorizon
	next, err := t.Store.OpenReplays(ctx, now.Add(trackHorizon), 1)
	if err != nil {
		t.Logger.Error("find open replays", "error", err)
		return 5 * time.Second
	}
	if len(next) > 0 && next[0].NextLook != nil {
		wait = next[0].NextLook.Sub(now)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, seen := range t.sights {
		wait = min(wait, seen.next.Add(sweepAfter).Sub(now))
	}
	return max(trackRest, wait)
}

// sweep finds followed replays that are no longer open: a death that came back has closed them.
func (t *tracker) sweep(ctx context.Context) {
	limit := t.now().Add(-sweepAfter)
	var late []string
	t.mu.Lock()
	for id, seen := range t.sights {
		if !seen.next.After(limit) {
			late = append(late, id)
		}
	}
	t.mu.Unlock()
	for _, id := range late {
		r, err := t.Store.Replay(ctx, id)
		switch {
		case dlq.CodeOf(err) == dlq.CodeNotFound:
			t.drop(id) // its letter was deleted
		case err != nil:
			t.Logger.Error("read a replay", "replay", id, "error", err)
		case r.Outcome.Final():
			t.count(r)
		default:
			t.mu.Lock()
			t.sights[id] = sight{next: t.now()}
			t.mu.Unlock()
		}
	}
}

func (t *tracker) drop(id string) {
	t.mu.Lock()
	delete(t.sights, id)
	t.mu.Unlock()
}

func (t *tracker) lookAt(ctx context.Context, replays []dlq.Replay) {
	var wg sync.WaitGroup
	gate := make(chan struct{}, trackAtOnce)
	for _, r := range replays {
		t.mu.Lock()
		busy := t.inFlight[r.ID]
		t.mu.Unlock()
		if busy || t.pace.Wait(ctx) != nil {
			continue
		}
		gate <- struct{}{}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := t.look(ctx, r); err != nil && ctx.Err() == nil {
				t.Logger.Error("track a replay", "replay", r.ID, "error", err)
			}
			<-gate
		}()
	}
	wg.Wait()
}

// look asks the broker for one replay, once, and writes what it learnt.
func (t *tracker) look(ctx context.Context, r dlq.Replay) error {
	asked, cancel := context.WithTimeout(ctx, askLimit)
	ev, err := t.Broker.Look(asked, r)
	cancel()
	if ctx.Err() != nil {
		return nil
	}
	r.Looks++
	if r.Outcome == dlq.OutcomeSending {
		return t.decide(ctx, r, ev, err)
	}
	if err != nil {
		return t.keep(ctx, r, r.Detail, 0) // the broker is away; what was seen last still stands
	}
	t.mu.Lock()
	last := t.sights[r.ID]
	t.mu.Unlock()
	f := judge(r, ev, last)
	r.OnlineFor = dlq.Duration(f.onlineFor)
	if f.outcome != dlq.OutcomeWaiting {
		return t.conclude(ctx, r, f)
	}
	if f.seen && r.SeenAt == nil {
		return t.seen(ctx, r, f)
	}
	return t.keep(ctx, r, f.detail, f.next)
}

// keep notes a look that decided nothing and when the next is due.
func (t *tracker) keep(ctx context.Context, r dlq.Replay, detail string, next time.Duration) error {
	return t.save(ctx, t.later(r, detail, next))
}

// save notes a look. A replay that is no longer open was closed by a death that came back.
func (t *tracker) save(ctx context.Context, r dlq.Replay) error {
	err := t.Store.SaveLook(ctx, r)
	if dlq.CodeOf(err) != dlq.CodeConflict {
		return err
	}
	stored, err := t.Store.Replay(ctx, r.ID)
	if err == nil && stored.Outcome.Final() {
		t.count(stored)
	}
	return err
}

// later sets what was seen and when to look again: soon after something new, then less and less often.
func (t *tracker) later(r dlq.Replay, detail string, next time.Duration) dlq.Replay {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.sights[r.ID]
	if r.Detail == detail {
		last.steps++
	} else {
		last.steps = 0
	}
	if next <= 0 {
		next = pauseAfter(last.steps)
	}
	at := now.Add(next)
	last.at, last.next = now, at
	t.sights[r.ID] = last
	r.Detail, r.NextLook = detail, &at
	return r
}

// seen notes that the consumer group had the message.
func (t *tracker) seen(ctx context.Context, r dlq.Replay, f finding) error {
	now := t.now()
	r = t.later(r, f.detail, f.next)
	r.SeenAt = &now
	return t.step(ctx, r, dlq.Change{
		Trigger: dlq.TriggerEdit, To: dlq.StateAwaiting,
		Event: dlq.Event{Kind: dlq.EventDelivered, Detail: map[string]string{"detail": f.detail}},
	})
}

// conclude writes the outcome.
func (t *tracker) conclude(ctx context.Context, r dlq.Replay, f finding) error {
	now := t.now()
	r.Outcome, r.Detail, r.SettledAt, r.NextLook = f.outcome, f.detail, &now, nil
	if f.seen && r.SeenAt == nil {
		r.SeenAt = &now
	}
	c := dlq.Change{Trigger: dlq.TriggerSettle, To: dlq.StateResolved, Event: dlq.Event{Detail: map[string]string{"detail": f.detail}}}
	switch f.outcome {
	case dlq.OutcomeConfirmed:
		c.Resolution, c.Event.Kind = dlq.ResolvedConfirmed, dlq.EventConfirmed
	case dlq.OutcomeAssumed:
		c.Resolution, c.Event.Kind = dlq.ResolvedAssumed, dlq.EventAssumed
	default:
		c.Trigger, c.To, c.Event.Kind = dlq.TriggerLost, dlq.StateOpen, dlq.EventOutcomeLost
		c.AddFlags = []dlq.Flag{dlq.FlagOutcomeUnknown}
	}
	return t.step(ctx, r, c)
}

// decide finds out whether a send was made.
func (t *tracker) decide(ctx context.Context, r dlq.Replay, ev dlq.Evidence, err error) error {
	now := t.now()
	switch {
	case err == nil && len(ev.Copies) > 0:
		return t.step(ctx, arrived(r, ev, now), dlq.Change{
			Trigger: dlq.TriggerSent, To: dlq.StateAwaiting,
			Event: dlq.Event{Kind: dlq.EventSent, Detail: map[string]string{"detail": DetailFound, "door": string(r.Door), "target": r.Target}},
		})
	case err == nil && r.Detail == DetailAbsentOnce:
		r.Outcome, r.Detail, r.SettledAt, r.NextLook = dlq.OutcomeSendFailed, DetailAbsent, &now, nil
		r.Error = errAbsent.Message
		c := notSent(dlq.Change{}, t.again(r, errAbsent, now))
		c.Event = dlq.Event{Kind: dlq.EventSendFailed, Detail: map[string]string{"detail": DetailAbsent}}
		return t.step(ctx, r, c)
	case err == nil && now.Sub(r.IntendedAt) >= absentAfter:
		return t.keep(ctx, r, DetailAbsentOnce, absentAgain)
	case err == nil:
		return t.keep(ctx, r, DetailSendUnknown, min(absentAfter, absentAfter-now.Sub(r.IntendedAt)))
	case now.Sub(later(r.IntendedAt, t.started)) >= undecidedFor:
		r.Outcome, r.Detail, r.SettledAt, r.NextLook = dlq.OutcomeUnknown, DetailUndecidable, &now, nil
		return t.step(ctx, r, dlq.Change{
			Trigger: dlq.TriggerUndecided, To: dlq.StateOpen, AddFlags: []dlq.Flag{dlq.FlagPossibleDuplicate},
			Event: dlq.Event{Kind: dlq.EventSendUnknown, Detail: map[string]string{"detail": DetailUndecidable}},
		})
	}
	detail := r.Detail
	if detail == DetailIntended {
		detail = DetailSendUnknown
	}
	return t.keep(ctx, r, detail, 0)
}

var errAbsent = &dlq.Error{Code: dlq.CodeUnavailable, Message: "the broker has no copy of it"}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// step writes a change of the letter together with its replay, unless somebody else has closed the replay meanwhile: a
// death that came back. The letter is read before the replay, so that whatever happens after both makes the version old.
func (t *tracker) step(ctx context.Context, r dlq.Replay, c dlq.Change) error {
	l, err := t.Store.Letter(ctx, r.LetterID)
	if err != nil {
		return err
	}
	stored, err := t.Store.Replay(ctx, r.ID)
	if err != nil {
		return err
	}
	if stored.Outcome.Final() {
		t.count(stored)
		return nil
	}
	if c.Trigger == dlq.TriggerEdit {
		c.To = l.State
	}
	c.LetterID, c.Version, c.Replay = r.LetterID, l.Version, &r
	c.Event.Actor, c.Event.ReplayID = dlq.ActorTracker, r.ID
	if _, err = t.apply(ctx, c); err == nil {
		t.count(r)
		return nil
	}
	if dlq.CodeOf(err) == dlq.CodeConflict {
		return t.save(ctx, t.later(stored, stored.Detail, trackRest)) // somebody wrote a note: look once more
	}
	return err
}

// count keeps the metrics and forgets what is over.
func (t *tracker) count(r dlq.Replay) {
	if !r.Outcome.Final() {
		if r.Detail == DetailFound {
			t.metrics.count(r, string(dlq.Sent))
		}
		return
	}
	t.metrics.count(r, string(r.Outcome))
	t.drop(r.ID)
}
