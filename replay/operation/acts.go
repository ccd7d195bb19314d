package operation

import (
	"context"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

func whole(n int64) string { return strconv.FormatInt(n, 10) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Start lets a draft act, after the time for undo that its spec names. It needs the version whose preview was seen, and
// a note, which is kept: why. The drift since the letters were chosen is kept with it.
//
// The errors are CodeInvalid without a note or a version, CodeConflict when the draft changed in between, and CodeRefused
// when it has been started already, has no letters, or the global stop is on.
func (m *Manager) Start(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	note = strings.TrimSpace(note)
	switch {
	case version == 0:
		return dlq.Operation{}, invalid("name the version of the operation whose preview was seen")
	case note == "":
		return dlq.Operation{}, invalid("an operation needs a note: say why")
	}
	return m.act(ctx, wish{id, version, note, actor}, func(o *dlq.Operation) (e dlq.OperationEvent, err error) {
		if err := step(o, moveStart, dlq.OperationQueued); err != nil {
			return e, err
		}
		if err := m.refuseStopped(); err != nil {
			return e, err
		}
		if o.Preview == nil {
			return e, dlq.Errorf(dlq.CodeRefused, "the letters of operation %d are still being chosen", o.Number)
		}
		if o.Letters == 0 {
			return e, dlq.Errorf(dlq.CodeRefused, "operation %d has no letters", o.Number)
		}
		d, err := m.Store.DriftOf(ctx, o.Number)
		if err != nil {
			return e, err
		}
		o.Drift, o.Note = &d, note
		o.CanaryLetters = min(max(o.Spec.Canary.Letters, int64(math.Ceil(float64(o.Letters)*o.Spec.Canary.Percent/100))), o.Letters)
		if hold := time.Duration(o.Spec.Hold); hold > 0 {
			until := m.now().Add(hold)
			o.HoldUntil = &until
		}
		return dlq.OperationEvent{Kind: "started", Detail: map[string]string{
			"letters": whole(o.Letters), "gone": whole(d.Gone), "arrived": whole(d.Arrived.Count),
		}}, nil
	})
}

// Pause stops an operation from acting; what is with the broker already takes its way. One that waits for its window does
// not go on by itself any more.
func (m *Manager) Pause(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	return m.act(ctx, wish{id, version, note, actor}, func(o *dlq.Operation) (e dlq.OperationEvent, err error) {
		resume := o.State
		if o.State == dlq.OperationPaused {
			if o.Cause != dlq.PauseWindow {
				return e, dlq.Errorf(dlq.CodeRefused, "operation %d is paused already", o.Number)
			}
			resume = o.Resume
		}
		return pause(o, resume, dlq.PauseByHand, nil)
	})
}

// pause stops an operation, which goes on in a state when it is resumed.
func pause(o *dlq.Operation, resume dlq.OperationState, cause dlq.PauseCause, because map[string]string) (dlq.OperationEvent, error) {
	if err := step(o, movePause, dlq.OperationPaused); err != nil {
		return dlq.OperationEvent{}, err
	}
	o.Cause, o.Because, o.Resume = cause, because, resume
	detail := maps.Clone(because)
	if detail == nil {
		detail = map[string]string{}
	}
	detail["cause"] = string(cause)
	return dlq.OperationEvent{Kind: "paused", Detail: detail}, nil
}

// Resume lets a paused operation go on; the brake counts anew from here. One that waits for the outcomes of its canary goes
// on without them. The error is CodeRefused while the global stop is on, and outside the replay window.
func (m *Manager) Resume(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	return m.act(ctx, wish{id, version, note, actor}, func(o *dlq.Operation) (e dlq.OperationEvent, err error) {
		to := dlq.OperationRunning
		if o.State == dlq.OperationPaused {
			to = o.Resume
		}
		w, err := newWindow(o.Spec.Window, m.Zone)
		if err != nil {
			return e, err
		}
		if now := m.now(); w != nil && !w.open(now) {
			return e, dlq.Errorf(dlq.CodeRefused, "operation %d acts from %s to %s only", o.Number, o.Spec.Window.From, o.Spec.Window.To).
				WithHint("it opens at %s", w.change(now).Format(time.RFC3339))
		}
		if err := m.refuseStopped(); err != nil {
			return e, err
		}
		from, cause := o.State, o.Cause
		if err := step(o, moveResume, to); err != nil {
			return e, err
		}
		now := m.now()
		o.ResumedAt = &now
		e = dlq.OperationEvent{Kind: "resumed", Detail: map[string]string{"from": string(from)}}
		if cause != "" {
			e.Detail["cause"] = string(cause)
		}
		return e, nil
	})
}

// Cancel calls an operation off. It takes nothing back: what was sent stays sent, and the outcomes of that are still
// waited for. Letters whose turn had not come are skipped. A draft goes away.
func (m *Manager) Cancel(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error) {
	o, err := m.Store.Operation(ctx, id)
	if err != nil {
		return o, err
	}
	if o.State == dlq.OperationDraft {
		if version != 0 && version != o.Version {
			return o, m.conflict(ctx, o, version)
		}
		o.End = dlq.EndCancelled
		return o, m.Store.DropDraft(ctx, o.Number)
	}
	o, err = m.act(ctx, wish{id, version, note, actor}, func(o *dlq.Operation) (e dlq.OperationEvent, err error) {
		from := o.State
		if err := m.end(o, dlq.EndCancelled, nil); err != nil {
			return e, err
		}
		return dlq.OperationEvent{Kind: "cancelled", Detail: map[string]string{"from": string(from)}}, nil
	})
	if err != nil {
		return o, err
	}
	// The run would do it too. Done here, the answer tells what became of the letters.
	if _, err := m.Store.CancelItems(ctx, o.Number); err != nil {
		m.Logger.Warn("skip the letters of a cancelled operation; its run does it", "operation", o.Number, "error", err)
	}
	return m.Get(ctx, id)
}

// end takes an operation out of the states in which it acts.
func (m *Manager) end(o *dlq.Operation, how dlq.OperationEnd, because map[string]string) error {
	if err := step(o, moveEnd, dlq.OperationSettling); err != nil {
		return err
	}
	now := m.now()
	o.End, o.Because, o.EndedAt = how, because, &now
	return nil
}

// SetPace changes how fast an operation acts, at once. A ramp goes on from where it is.
func (m *Manager) SetPace(ctx context.Context, id string, version int64, p dlq.Pace, actor string) (dlq.Operation, error) {
	if err := checkPace(p); err != nil {
		return dlq.Operation{}, err
	}
	return m.act(ctx, wish{id, version, "", actor}, func(o *dlq.Operation) (e dlq.OperationEvent, err error) {
		if !o.State.Acts() && o.State != dlq.OperationDraft {
			return e, dlq.Errorf(dlq.CodeRefused, "operation %d acts no more", o.Number)
		}
		was := o.Spec.Pace
		o.Spec.Pace = p
		return dlq.OperationEvent{Kind: "paced", Detail: map[string]string{
			"rate": number(p.Rate), "from": number(was.Rate), "ramp_up": p.RampUp.String(), "concurrency": strconv.Itoa(p.Concurrency),
		}}, nil
	})
}

// refuseStopped refuses to let anything act while the global stop is on.
func (m *Manager) refuseStopped() error {
	if m.Automation().Stopped {
		return dlq.Errorf(dlq.CodeRefused, "the global stop is on").WithHint("lift it first")
	}
	return nil
}

// wish is what a person asks of an operation.
type wish struct {
	id      string
	version int64 // that was seen; 0 takes the operation as it is
	note    string
	actor   string
}

const maxRetries = 5

// act does one thing to an operation for a person: one compare-and-set, together with the event that tells of it.
func (m *Manager) act(ctx context.Context, w wish, do func(*dlq.Operation) (dlq.OperationEvent, error)) (dlq.Operation, error) {
	if err := checkNote(w.note); err != nil {
		return dlq.Operation{}, err
	}
	for try := 1; ; try++ {
		o, err := m.Store.Operation(ctx, w.id)
		if err != nil {
			return dlq.Operation{}, err
		}
		if w.version != 0 && w.version != o.Version {
			return dlq.Operation{}, m.conflict(ctx, o, w.version)
		}
		e, err := do(&o)
		if err != nil {
			return dlq.Operation{}, err
		}
		e.Actor, e.Note = w.actor, strings.TrimSpace(w.note)
		saved, err := m.Store.SaveOperation(ctx, o, o.Version, e)
		if err == nil {
			m.adopt(saved)
			return m.live(saved), nil
		}
		if w.version != 0 || dlq.CodeOf(err) != dlq.CodeConflict || try == maxRetries {
			return dlq.Operation{}, err
		}
		// The operation took a step of its own in between, and the person means whatever it is now.
	}
}
