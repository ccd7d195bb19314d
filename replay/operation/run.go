package operation

import (
	"context"
	"strconv"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

const (
	lookEvery   = 500 * time.Millisecond // between looks at the counts of an operation that acts
	settleEvery = 5 * time.Second        // between looks at one that acts no more, after its first minute
	maxBackOff  = 15 * time.Second
	maxFaults   = 10        // steps in a row that failed for a reason of ours, before the operation fails
	never       = time.Hour // a wait that something else ends
)

// actor is who does what an operation does by itself, in its events.
const actor = dlq.ActorAutomation

// What a running operation waits for, in dlq.Operation.WaitsFor.
const (
	waitsBroker = dlq.WaitsBroker
	waitsDisk   = dlq.WhyDiskFull
	waitsCanary = "canary"
	waitsOrder  = "order" // order is kept: each of its next letters follows one whose outcome is open
)

// run drives one operation from its start until it is settled.
type run struct {
	m      *Manager
	number int64
	wake   chan struct{}
	ended  chan batchEnd

	mu    sync.Mutex
	op    dlq.Operation // as it was read last; written by the goroutine alone
	stale bool          // a person changed it since
	anew  bool          // letters were taken out of its work: what was read of it before is of no use
	shown shown

	// Of the goroutine alone.
	read   time.Time // when op was read
	faults int
	began  time.Time               // when it came into the state in which it acts now, here in this process
	acts   dlq.OperationState      // that state; "" while it does not act
	judged map[dlq.ItemState]int64 // counts when the brake looked last
	feed   feed
	order  *order // nil unless order is kept
}

// shown is what people see of a run and the store does not know.
type shown struct {
	meter    meter
	limit    float64
	waitsFor string
	opensAt  time.Time
}

func newRun(m *Manager, o dlq.Operation) *run {
	return &run{m: m, number: o.Number, op: o, read: m.now(), wake: make(chan struct{}, 1), ended: make(chan batchEnd, maxSlots), feed: newFeed()}
}

// poke tells the run that its operation was changed.
func (r *run) poke() {
	r.mu.Lock()
	r.stale = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// lookAnew tells the run that letters were taken out of its work.
func (r *run) lookAnew() {
	r.mu.Lock()
	r.anew = true
	r.mu.Unlock()
	r.poke()
}

func (r *run) state() dlq.OperationState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.op.State
}

// show adds to an operation what it is doing now.
func (r *run) show(o *dlq.Operation, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !o.State.Acts() {
		return
	}
	if o.State == dlq.OperationPaused {
		if !r.shown.opensAt.IsZero() && o.Cause == dlq.PauseWindow {
			at := r.shown.opensAt
			o.OpensAt = &at
		}
		return
	}
	o.Rate, o.WaitsFor, o.NextLimit = r.shown.meter.rate(now), r.shown.waitsFor, r.shown.limit
	if left := o.Counts[dlq.ItemPending]; o.Rate > 0 && left > 0 {
		at := now.Add(seconds(float64(left) / o.Rate))
		o.DoneAt = &at
	}
}

// loop steps until the operation is settled or ctx ends. Batches that are under way are waited for.
func (r *run) loop(ctx context.Context) {
	defer r.drain(context.WithoutCancel(ctx))
	for {
		wait, done := r.tryStep(ctx)
		if done || ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		case e := <-r.ended:
			r.land(e)
			for more := true; more; {
				select {
				case e := <-r.ended:
					r.land(e)
				default:
					more = false
				}
			}
		}
		timer.Stop()
	}
}

func (r *run) drain(ctx context.Context) {
	for r.feed.inFlight > 0 {
		r.land(<-r.ended)
	}
	if err := r.skip(ctx); err != nil {
		r.m.Logger.Warn("skip letters of an operation; it is found out again when it goes on", "operation", r.number, "error", err)
	}
}

// tryStep makes a step, and knows what to do when it fails.
func (r *run) tryStep(ctx context.Context) (wait time.Duration, done bool) {
	wait, done, err := r.step(ctx)
	switch code := dlq.CodeOf(err); {
	case err == nil:
		r.faults = 0
		return wait, done
	case ctx.Err() != nil:
		return never, false
	case code == dlq.CodeNotFound:
		r.m.Logger.Warn("an operation is gone", "operation", r.number, "error", err)
		return 0, true
	case code == dlq.CodeConflict: // a person was quicker
		r.poke()
		return time.Millisecond, false
	default:
		r.faults++
		if waitsOn(err) == waitsDisk {
			r.waitFor(waitsDisk, r.limit(r.m.now()))
		}
		r.m.Logger.Error("step of an operation", "operation", r.number, "state", r.op.State, "error", err)
		if hopeless := code != dlq.CodeUnavailable && code != dlq.CodeInternal; hopeless || r.faults >= maxFaults && code == dlq.CodeInternal {
			r.fail(ctx, err)
		}
		return min(time.Second<<min(r.faults-1, 5), maxBackOff), false
	}
}

// fail ends an operation that cannot go on. If even that cannot be written, it is tried again with the next step.
func (r *run) fail(ctx context.Context, cause error) {
	o := r.op
	because := map[string]string{"error": dlq.SentenceOf(cause, dlq.Unexpected)}
	if r.m.end(&o, dlq.EndFailed, because) != nil {
		return // it had ended before
	}
	if err := r.save(ctx, o, dlq.OperationEvent{Kind: "failed", Detail: because}); err != nil {
		r.poke()
		r.m.Logger.Error("write that an operation failed", "operation", r.number, "error", err)
	}
}

// look reads the operation unless it was read a moment ago.
func (r *run) look(ctx context.Context, keeps time.Duration) error {
	r.mu.Lock()
	stale := r.stale
	r.stale = false
	r.mu.Unlock()
	if !stale && r.m.now().Sub(r.read) < keeps {
		return nil
	}
	o, err := r.m.Store.Operation(ctx, strconv.FormatInt(r.number, 10))
	if err != nil {
		r.mu.Lock()
		r.stale = r.stale || stale
		r.mu.Unlock()
		return err
	}
	r.take(o)
	return nil
}

// take takes over the operation as the store has it.
func (r *run) take(o dlq.Operation) {
	r.m.metrics.moved(o.Kind, r.op.Counts, o.Counts)
	r.mu.Lock()
	r.op = o
	r.mu.Unlock()
	r.read = r.m.now()
}

// save writes a step of the operation's state with its event.
func (r *run) save(ctx context.Context, o dlq.Operation, e dlq.OperationEvent) error {
	e.Actor = actor
	saved, err := r.m.Store.SaveOperation(ctx, o, r.op.Version, e)
	if err == nil {
		r.take(saved)
	}
	return err
}

// step does what is to be done now, and says how long to wait for the next step, unless something happens before. done
// says that the operation is settled.
func (r *run) step(ctx context.Context) (wait time.Duration, done bool, err error) {
	now := r.m.now()
	if err := r.look(ctx, r.keeps(now)); err != nil {
		return 0, false, err
	}
	if err := r.skip(ctx); err != nil {
		return 0, false, err
	}
	switch r.op.State {
	case dlq.OperationQueued:
		wait, err = r.queued(ctx, now)
	case dlq.OperationCanary, dlq.OperationRunning:
		wait, err = r.acting(ctx, now)
	case dlq.OperationPaused:
		r.rest()
		wait, err = r.paused(ctx, now)
	case dlq.OperationSettling:
		r.rest()
		wait, err = r.settling(ctx, now)
	default:
		done = true
	}
	return wait, done, err
}

// keeps is how long the operation as it was read last is good enough.
func (r *run) keeps(now time.Time) time.Duration {
	switch r.op.State {
	case dlq.OperationCanary, dlq.OperationRunning:
		return lookEvery
	case dlq.OperationSettling:
		return r.settleWait(now)
	default:
		return never
	}
}

// rest forgets what was prepared, for letters change while an operation does not act.
func (r *run) rest() {
	r.acts, r.order = "", nil
	r.feed.clear()
}

func (r *run) waitFor(what string, limit float64) {
	r.mu.Lock()
	r.shown.waitsFor, r.shown.limit = what, limit
	r.mu.Unlock()
}

// pause stops the operation by itself.
func (r *run) pause(ctx context.Context, cause dlq.PauseCause, because map[string]string) error {
	resume := r.op.State
	if cause == dlq.PauseCanary {
		resume = dlq.OperationRunning // whoever resumes it has seen how the canary came out
	}
	o := r.op
	e, err := pause(&o, resume, cause, because)
	if err != nil {
		return err
	}
	return r.save(ctx, o, e)
}

func (r *run) queued(ctx context.Context, now time.Time) (time.Duration, error) {
	if r.m.Automation().Stopped {
		return 0, r.pause(ctx, dlq.PauseStop, nil)
	}
	if hold := r.op.HoldUntil; hold != nil && now.Before(*hold) {
		return min(hold.Sub(now), time.Second), nil
	}
	o, to := r.op, dlq.OperationRunning
	if o.CanaryLetters > 0 {
		to = dlq.OperationCanary
	}
	if err := step(&o, moveBegin, to); err != nil {
		return 0, err
	}
	o.StartedAt = &now
	return 0, r.save(ctx, o, dlq.OperationEvent{Kind: "began"})
}

func (r *run) paused(ctx context.Context, now time.Time) (time.Duration, error) {
	if r.op.Cause != dlq.PauseWindow {
		return never, nil
	}
	w, err := newWindow(r.op.Spec.Window, r.m.Zone)
	if err != nil {
		return 0, err
	}
	if w != nil && !w.open(now) {
		opens := w.change(now)
		r.mu.Lock()
		r.shown.opensAt = opens
		r.mu.Unlock()
		return min(opens.Sub(now), time.Minute), nil // clocks may be set
	}
	o := r.op
	if err := step(&o, moveResume, o.Resume); err != nil {
		return 0, err
	}
	return 0, r.save(ctx, o, dlq.OperationEvent{Kind: "resumed", Detail: map[string]string{"cause": string(dlq.PauseWindow)}})
}

// acting sends the canary or the rest, unless there is a reason to stop.
func (r *run) acting(ctx context.Context, now time.Time) (time.Duration, error) {
	if r.m.Automation().Stopped {
		return 0, r.pause(ctx, dlq.PauseStop, nil)
	}
	w, err := newWindow(r.op.Spec.Window, r.m.Zone)
	if err != nil {
		return 0, err
	}
	if w != nil && !w.open(now) {
		return 0, r.pause(ctx, dlq.PauseWindow, map[string]string{"opens_at": w.change(now).Format(time.RFC3339)})
	}
	r.mu.Lock()
	anew := r.anew
	r.anew = false
	r.mu.Unlock()
	if r.acts != r.op.State {
		r.acts, r.began, anew = r.op.State, now, true
	}
	if anew {
		r.order = nil
		r.feed.clear()
	}
	if tripped, err := r.brake(ctx); err != nil || tripped {
		return 0, err
	}
	if err := r.keepOrder(ctx, now); err != nil {
		return 0, err
	}
	if r.op.State == dlq.OperationCanary {
		return r.canary(ctx, now)
	}
	wait, err := r.launch(ctx, now, bounds{letters: never64})
	if err != nil || !r.feed.idle() {
		return wait, err
	}
	return wait, r.finish(ctx, &wait)
}

// finish ends the operation if it came to its last letter. Letters may come back to their turn after a send that did not
// reach the broker, and one that is being sent may still do so.
func (r *run) finish(ctx context.Context, wait *time.Duration) error {
	if err := r.look(ctx, 0); err != nil {
		return err
	}
	if !r.op.State.Acts() {
		*wait = 0
		return nil
	}
	c := r.op.Counts
	if c[dlq.ItemPending] > 0 {
		r.feed.planned, *wait = false, 10*time.Millisecond
		return nil
	}
	if c[dlq.ItemSending] > 0 {
		*wait = lookEvery
		return nil
	}
	o := r.op
	if err := r.m.end(&o, dlq.EndCompleted, nil); err != nil {
		return err
	}
	*wait = 0
	return r.save(ctx, o, dlq.OperationEvent{Kind: "completed"})
}

// settling waits until the last outcome is known.
func (r *run) settling(ctx context.Context, now time.Time) (time.Duration, error) {
	c := r.op.Counts
	if c[dlq.ItemPending] > 0 {
		if _, err := r.m.Store.CancelItems(ctx, r.number); err != nil {
			return 0, err
		}
		return 0, r.look(ctx, 0)
	}
	if r.feed.inFlight > 0 || c[dlq.ItemSending]+c[dlq.ItemWaiting] > 0 {
		return r.settleWait(now), nil
	}
	o := r.op
	if err := step(&o, moveSettle, dlq.OperationSettled); err != nil {
		return 0, err
	}
	o.SettledAt, o.Because = &now, r.op.Because // why it failed is kept
	return 0, r.save(ctx, o, dlq.OperationEvent{Kind: "settled"})
}

// settleWait spaces looks at an operation that only waits for outcomes.
func (r *run) settleWait(now time.Time) time.Duration {
	if ended := r.op.EndedAt; ended != nil && now.Sub(*ended) > time.Minute {
		return settleEvery
	}
	return lookEvery
}
