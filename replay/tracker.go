package replay

import (
	"context"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

const (
	trackLimit   = 2000                   // replays of one look at the store, asked of the brokers in one go
	trackHorizon = time.Hour              // longest sleep
	trackRest    = 200 * time.Millisecond // shortest
	trackWait    = time.Minute            // for the brokers' answers of one look
	trackAgain   = 3 * time.Second        // until what one look did not come to is looked at again
	absentAfter  = 5 * time.Second        // a send younger than this may still be on its way
	absentAgain  = 5 * time.Second        // between the two searches that prove that it was not sent
	undecidedFor = 10 * time.Minute
)

// RunTracker finds out whether sends of which nobody knows were made, and what became of those that were, until ctx
// ends; it returns nil then. It needs nothing but the store to go on after a restart, and asks no broker anything while
// no replay is open. A replay whose message came back is closed by the intake, which ends the looks at it.
func (s *Service) RunTracker(ctx context.Context) error {
	t := &tracker{Service: s, started: s.now()}
	sleep := func(d time.Duration, wake <-chan struct{}) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
	}
	for ctx.Err() == nil {
		t.sleep(time.Time{}) // who has something to look at now wakes it for one more run
		wait := t.runOnce(ctx)
		t.sleep(t.now().Add(wait))
		sleep(trackRest, nil)
		sleep(wait-trackRest, s.wake)
	}
	return nil
}

type tracker struct {
	*Service
	started time.Time
	begun   bool // what the process before left unsettled was taken over
}

// runOnce looks at every replay that is due, and returns how long there is nothing to do. The first time it looks at every
// send that is not settled, due or not: the process that made it is gone.
func (t *tracker) runOnce(ctx context.Context) time.Duration {
	if !t.begun {
		free := t.others()
		unsettled, err := t.Store.Unsettled(ctx)
		if err != nil {
			t.Logger.Error("find unsettled replays", "error", err)
			return 5 * time.Second
		}
		t.begun = true
		t.lookAt(ctx, free(unsettled))
	}
	for ctx.Err() == nil {
		free := t.others()
		due, err := t.Store.OpenReplays(ctx, t.now(), trackLimit)
		if err != nil {
			t.Logger.Error("find open replays", "error", err)
			return 5 * time.Second
		}
		mine := free(due)
		if !t.lookAt(ctx, mine) {
			return 5 * time.Second
		}
		if len(due) < trackLimit || len(mine) == 0 {
			break
		}
	}
	t.sweep(ctx)
	return t.rest(ctx)
}

// others leaves out replays that are being sent now. It must be called before they are read: one that was settled since
// would be followed by what it was.
func (t *tracker) others() (free func([]dlq.Replay) []dlq.Replay) {
	t.mu.Lock()
	busy := make(map[string]bool, len(t.inFlight))
	for id := range t.inFlight {
		busy[id] = true
	}
	t.mu.Unlock()
	return func(list []dlq.Replay) (rest []dlq.Replay) {
		for _, r := range list {
			if !busy[r.ID] {
				rest = append(rest, r)
			}
		}
		return rest
	}
}

// sleep tells when the tracker looks next by itself; zero while it does.
func (t *tracker) sleep(until time.Time) {
	t.mu.Lock()
	t.sleeps = until
	t.mu.Unlock()
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
	if len(t.watching) > 0 {
		wait = min(wait, max(sweepRest, t.sweepDue.Sub(now)))
	}
	return max(trackRest, wait)
}

// lookAt asks the brokers for replays, in one go, and writes what it learnt. It reports whether the store took it.
func (t *tracker) lookAt(ctx context.Context, replays []dlq.Replay) bool {
	if len(replays) == 0 {
		return true
	}
	asked, cancel := context.WithTimeout(ctx, trackWait)
	evidence, errs := t.Broker.LookMany(asked, replays)
	cancel()
	if ctx.Err() != nil {
		return true
	}
	away := !slices.Contains(errs, nil)
	notes := make([]note, len(replays))
	for i, r := range replays {
		notes[i] = t.read(r, evidence[i], errs[i], away)
	}
	return t.write(ctx, notes)
}

// note is what a look at a replay changes: the replay alone, or with it its letter.
type note struct {
	replay dlq.Replay
	change *dlq.Change // nil: the replay alone
}

// read makes a note of a look. away says that nothing at all could be told.
func (t *tracker) read(r dlq.Replay, ev dlq.Evidence, err error, away bool) note {
	last := t.watchStateOf(r)
	r.Looks++
	if r.Outcome == dlq.OutcomeSending {
		return t.decide(r, last, ev, err)
	}
	if err != nil && !away { // one look has its limits, and did not come to this one
		last.steps--
		return t.keep(r, last, r.Detail, trackAgain)
	}
	if err != nil {
		return t.keep(r, last, r.Detail, 0) // the broker is away; what was seen last still stands
	}
	f := judge(r, ev, last)
	r.OnlineFor = dlq.Duration(f.onlineFor)
	if f.outcome != dlq.OutcomeWaiting {
		return t.conclude(r, f)
	}
	if f.seen && r.SeenAt == nil {
		now := t.now()
		r.SeenAt = &now
		n := t.keep(r, last, f.detail, f.next)
		if r.Operation == 0 {
			n.change = &dlq.Change{
				Trigger: dlq.TriggerEdit,
				Event:   dlq.Event{Kind: dlq.EventDelivered, Detail: map[string]string{"detail": f.detail}},
			}
		}
		return n
	}
	return t.keep(r, last, f.detail, f.next)
}

// keep notes a look that decided nothing, and when the next is due: soon after something new, then less and less often.
func (t *tracker) keep(r dlq.Replay, last watchState, detail string, next time.Duration) note {
	now := t.now()
	if r.Detail == detail {
		last.steps++
	} else {
		last.steps = 0
	}
	if next <= 0 {
		next = pause(r, last.steps)
	}
	at := now.Add(next)
	last.at, last.next = now, at
	t.mu.Lock()
	t.remember(r.ID, last)
	t.mu.Unlock()
	r.Detail, r.NextLook = detail, &at
	return note{replay: r}
}

// conclude notes the outcome.
func (t *tracker) conclude(r dlq.Replay, f finding) note {
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
	case dlq.OutcomeFailedAgain:
		c.Trigger, c.To, c.Event.Kind = dlq.TriggerLost, dlq.StateOpen, dlq.EventDiedAgain
		c.AddFlags = []dlq.Flag{dlq.FlagFailedAgain}
	default:
		c.Trigger, c.To, c.Event.Kind = dlq.TriggerLost, dlq.StateOpen, dlq.EventOutcomeLost
		c.AddFlags = []dlq.Flag{dlq.FlagOutcomeUnknown}
	}
	return note{r, &c}
}

// decide finds out whether a send was made.
func (t *tracker) decide(r dlq.Replay, last watchState, ev dlq.Evidence, err error) note {
	now := t.now()
	if err == nil && len(ev.Copies) == 0 && len(ev.Away) > 0 {
		err = errAway
	}
	switch {
	case err == nil && len(ev.Copies) > 0:
		r = arrived(r, ev, now)
		c := dlq.Change{Trigger: dlq.TriggerSent, To: dlq.StateAwaiting}
		if r.TargetKind == dlq.TargetOtherTopic {
			c = nobodyFollowed(c, &r, now)
		}
		c.Event = dlq.Event{Kind: dlq.EventSent, Detail: map[string]string{"detail": DetailFound, "door": string(r.Door), "target": r.Target}}
		return note{r, &c}
	case err == nil && r.Detail == DetailAbsentOnce:
		r.Outcome, r.Detail, r.SettledAt, r.NextLook = dlq.OutcomeSendFailed, DetailAbsent, &now, nil
		r.Error = errAbsent.Message
		c := notSent(dlq.Change{}, &r, t.again(r, errAbsent, now))
		c.Event = dlq.Event{Kind: dlq.EventSendFailed, Detail: map[string]string{"detail": DetailAbsent}}
		return note{r, &c}
	case err == nil && now.Sub(r.IntendedAt) >= absentAfter:
		return t.keep(r, last, DetailAbsentOnce, absentAgain)
	case err == nil:
		return t.keep(r, last, DetailSendUnknown, min(absentAfter, absentAfter-now.Sub(r.IntendedAt)))
	case now.Sub(later(r.IntendedAt, t.started)) >= undecidedFor:
		r.Outcome, r.Detail, r.SettledAt, r.NextLook = dlq.OutcomeUnknown, DetailUndecidable, &now, nil
		return note{r, &dlq.Change{
			Trigger: dlq.TriggerUndecided, To: dlq.StateOpen, AddFlags: []dlq.Flag{dlq.FlagPossibleDuplicate},
			Event: dlq.Event{Kind: dlq.EventSendUnknown, Detail: map[string]string{"detail": DetailUndecidable}},
		}}
	}
	detail := r.Detail
	if detail == DetailIntended {
		detail = DetailSendUnknown
	}
	return t.keep(r, last, detail, 0)
}

// errAway is why nothing can be said of a send that brokers which do not answer may have taken.
var errAway = &dlq.Error{Code: dlq.CodeUnavailable, Message: "a broker that may have it does not answer"}

var errAbsent = &dlq.Error{Code: dlq.CodeUnavailable, Message: "the broker has no copy of it"}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// write keeps notes, in transactions of maxBatch, and reports whether the store took them.
func (t *tracker) write(ctx context.Context, notes []note) (ok bool) {
	ok = true
	var looks, steps []note
	for i, n := range notes {
		if n.change == nil {
			looks = append(looks, n)
		} else {
			steps = append(steps, n)
		}
		if last := i == len(notes)-1; len(looks) == maxBatch || last && len(looks) > 0 {
			ok = t.saveLooks(ctx, looks) && ok
			looks = nil
		}
		if last := i == len(notes)-1; len(steps) == maxBatch || last && len(steps) > 0 {
			ok = t.takeSteps(ctx, steps) && ok
			steps = nil
		}
	}
	return ok
}

// saveLooks writes notes that leave letters alone.
func (t *tracker) saveLooks(ctx context.Context, notes []note) (ok bool) {
	list := make([]dlq.Replay, len(notes))
	for i, n := range notes {
		list[i] = n.replay
	}
	var failed error
	for i, err := range t.Store.SaveLooks(ctx, list) {
		switch {
		case err == nil:
			t.count(list[i])
		case dlq.CodeOf(err) == dlq.CodeConflict: // no longer open
			t.closed(ctx, list[i].ID)
		default:
			failed = err
		}
	}
	return t.took(ctx, failed)
}

// takeSteps writes notes with what they change of letters. A death that came back in between has closed its replay, and a
// letter that something else moved keeps its place: then the replay alone is closed.
func (t *tracker) takeSteps(ctx context.Context, notes []note) (ok bool) {
	changes := make([]dlq.Change, len(notes))
	for i, n := range notes {
		c := *n.change
		c.LetterID, c.Replay = n.replay.LetterID, &notes[i].replay
		c.Event.Actor, c.Event.ReplayID = dlq.ActorTracker, n.replay.ID
		changes[i] = c
	}
	var alone []note
	var failed error
	_, errs := t.Store.ApplyEach(ctx, changes)
	for i, err := range errs {
		r := notes[i].replay
		switch dlq.CodeOf(err) {
		case "":
			t.count(r)
		case dlq.CodeNotFound:
			t.drop(r.ID) // its letter was deleted
		case dlq.CodeConflict:
			t.closed(ctx, r.ID)
		case dlq.CodeRefused:
			alone = append(alone, note{replay: r})
		default:
			failed = err
		}
	}
	ok = t.took(ctx, failed)
	if len(alone) > 0 {
		ok = t.saveLooks(ctx, alone) && ok
	}
	return ok
}

// took reports whether the store took what was noted.
func (t *tracker) took(ctx context.Context, failed error) bool {
	if failed != nil && ctx.Err() == nil {
		t.Logger.Error("note what became of replays", "error", failed)
	}
	return failed == nil
}

// closed forgets a replay that somebody else has closed, and reports whether it is so.
func (t *tracker) closed(ctx context.Context, id string) bool {
	r, err := t.Store.Replay(ctx, id)
	switch {
	case err == nil && r.Outcome.Final():
		t.count(r)
		return true
	case dlq.CodeOf(err) == dlq.CodeNotFound:
		t.drop(id)
		return true
	case err != nil && ctx.Err() == nil:
		t.Logger.Error("read a replay", "replay", id, "error", err)
	}
	return false
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
