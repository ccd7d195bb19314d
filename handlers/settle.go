package handlers

import (
	"strconv"
	"time"

	"deadletteroffice/dlq"
)

// name is what an answer is called in metrics and events: the verdict, or the ruling where there is none.
func (a answer) name() string {
	if a.ruling == rulingVerdict {
		return string(a.verdict)
	}
	return string(a.ruling)
}

// advance says where a call stands after an attempt, and when it is made again.
//
// An endpoint that decides ends it, and so does one that cannot settle the letter or is gone. One that asks to be asked
// again has three days. Everything else counts as a failure: the next attempt waits longer each time, after retry.Max failures
// there is none, and after three answers that break the contract neither.
func advance(call dlq.Call, a answer, retry dlq.RetryPlan, now time.Time) dlq.Call {
	call.ChangedAt, call.NextAt, call.Error, call.Reason = now, nil, a.err, a.reason
	again := func(wait time.Duration) {
		at := now.Add(max(wait, time.Second))
		call.State, call.NextAt = dlq.CallPending, &at
	}
	switch {
	case a.ruling == rulingVerdict && a.verdict != dlq.CallRetry:
		call.State, call.Verdict, call.Refs = dlq.CallAnswered, a.verdict, a.refs
	case a.ruling == rulingBusiness:
		call.State, call.Verdict = dlq.CallAnswered, dlq.CallManual
	case a.ruling == rulingRetired:
		call.State = dlq.CallCancelled
	case a.ruling == rulingVerdict || a.ruling == rulingOngoing:
		call.Verdict = a.verdict
		wait := a.wait
		if wait == 0 {
			wait = time.Duration(retry.Delay)
		}
		if again(wait); now.Sub(call.CreatedAt) > patience {
			call.State, call.NextAt = dlq.CallUsedUp, nil
		}
	default:
		call.Failures++
		if a.ruling == rulingBroken {
			call.Broken++
		}
		switch {
		case call.Broken >= maxBroken:
			call.State = dlq.CallBroken
		case call.Failures >= retry.Max:
			call.State = dlq.CallUsedUp
		default:
			again(max(a.wait, retry.Wait(call.Failures-1)))
		}
	}
	return call
}

// tally counts, in a call's log, the attempts that failed, and those of them whose answer broke the contract. It is the
// other half of understand: only an attempt that brought a verdict has no error.
func tally(log []dlq.Attempt) (failures, broken int) {
	for _, a := range log {
		switch r := rulingOf(a.Status); {
		case a.Error == "" || r == rulingOngoing:
		case r == rulingVerdict, r == rulingBroken:
			failures, broken = failures+1, broken+1
		default:
			failures++
		}
	}
	return failures, broken
}

// enact makes the change that a call's new standing brings to its letter.
func enact(d dlq.Detail, call dlq.Call, a answer, now time.Time) dlq.Change {
	event := dlq.Event{Kind: dlq.EventCallAnswered, Actor: dlq.ActorAutomation, Rule: d.Rule, Detail: map[string]string{
		"name": call.Name, "call": call.ID, "attempt": strconv.Itoa(call.Attempts), "answer": a.name(),
	}}
	if a.reason != "" {
		event.Detail["reason"] = dlq.Cut(a.reason, 500)
	}
	if a.err != "" {
		event.Detail["error"] = a.err
	}
	change := dlq.Change{LetterID: d.ID, Version: d.Version, Call: &call}
	toPerson := func(h dlq.Hold) {
		change.Trigger, change.To, change.Hold = dlq.TriggerAskPerson, dlq.StateOpen, &h
		event.Detail["hold"] = string(h)
	}
	switch {
	case call.State == dlq.CallPending:
		change.Trigger, change.To, change.DueAt = dlq.TriggerAskAgain, dlq.StateCompensating, call.NextAt
		event.Detail["next"] = call.NextAt.Format(time.RFC3339)
		if saysTheSame(d.Calls, call) {
			event.Kind = "" // the call's own log has it
		}
	case call.State == dlq.CallUsedUp:
		toPerson(dlq.HoldCompensationUsedUp)
	case call.State == dlq.CallBroken:
		toPerson(dlq.HoldCompensationBroken)
	case a.ruling == rulingRetired:
		toPerson(dlq.HoldNoCompensation)
	case a.ruling == rulingBusiness || a.verdict == dlq.CallManual:
		toPerson(dlq.HoldCompensationManual)
	case a.verdict == dlq.CallReplay:
		due := now.Add(a.wait)
		change.Trigger, change.To, change.DueAt = dlq.TriggerAskReplay, dlq.StateScheduled, &due
	case a.verdict == dlq.CallDone || a.verdict == dlq.CallCompensated:
		change.Trigger, change.To, change.Resolution = dlq.TriggerCompensated, dlq.StateResolved, dlq.ResolvedCompensated
		event.Kind = dlq.EventCompensated
		for n, ref := range a.refs {
			event.Detail["ref_"+strconv.Itoa(n+1)] = ref.Kind + " " + ref.ID
		}
	default:
		toPerson(dlq.HoldCompensationBroken)
	}
	change.Event = event
	return change
}

// saysTheSame reports whether a call's outcome repeats the one before.
func saysTheSame(calls []dlq.Call, call dlq.Call) bool {
	for _, before := range calls {
		if before.ID == call.ID {
			return before.Verdict == call.Verdict && before.Error == call.Error && before.Reason == call.Reason
		}
	}
	return false
}

// tooLate keeps a verdict that nobody waits for any more, for it may tell of a refund: as a note on the letter, which
// stays where it is.
func tooLate(d dlq.Detail, call dlq.Call, wanted dlq.Change) dlq.Change {
	call.NextAt = nil
	if call.State == dlq.CallPending {
		call.State = dlq.CallCancelled
	}
	change := edit(d.Letter, wanted.Event)
	change.LetterID, change.Version, change.Call = d.ID, d.Version, &call
	change.Event.Kind = dlq.EventCallAnswered
	change.Event.Detail["late"] = "true"
	return *change
}
