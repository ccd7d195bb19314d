package handlers

import (
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// What a letter becomes by each ruling and verdict, from a first attempt and from a last one.
func TestAnswersMoveTheLetter(t *testing.T) {
	retry := dlq.RetryPlan{Delay: dlq.Duration(30 * time.Second), Backoff: 2, Max: 8}
	fresh := dlq.Call{ID: uid, Name: "settle", State: dlq.CallPending, Attempts: 1, CreatedAt: noon}
	last := fresh
	last.Attempts, last.Failures, last.Broken, last.CreatedAt = 20, 7, 2, noon.Add(-patience-time.Second)
	say := func(v dlq.CallVerdict) answer { return answer{ruling: rulingVerdict, verdict: v} }
	type want struct {
		To         dlq.State
		Hold       dlq.Hold
		Resolution dlq.Resolution
		Call       dlq.CallState
		In         time.Duration // until what is due next; -1 for nothing
		Event      dlq.EventKind
	}
	open := func(h dlq.Hold, c dlq.CallState) want {
		return want{dlq.StateOpen, h, "", c, -1, dlq.EventCallAnswered}
	}
	again := func(in time.Duration) want {
		return want{dlq.StateCompensating, "", "", dlq.CallPending, in, dlq.EventCallAnswered}
	}
	resolved := want{dlq.StateResolved, "", dlq.ResolvedCompensated, dlq.CallAnswered, -1, dlq.EventCompensated}
	replayed := func(in time.Duration) want {
		return want{dlq.StateScheduled, "", "", dlq.CallAnswered, in, dlq.EventCallAnswered}
	}
	slow := say(dlq.CallRetry)
	slow.wait = time.Hour
	later := say(dlq.CallReplay)
	later.wait = time.Minute
	for _, tt := range []struct {
		name        string
		a           answer
		first, last want
	}{
		{"done", say(dlq.CallDone), resolved, resolved},
		{"compensated", answer{ruling: rulingVerdict, verdict: dlq.CallCompensated, refs: []dlq.CallRef{{Kind: "refund", ID: "1"}}}, resolved, resolved},
		{"replay", say(dlq.CallReplay), replayed(0), replayed(0)},
		{"replay later", later, replayed(time.Minute), replayed(time.Minute)},
		{"manual", say(dlq.CallManual), open(dlq.HoldCompensationManual, dlq.CallAnswered), open(dlq.HoldCompensationManual, dlq.CallAnswered)},
		{"retry", say(dlq.CallRetry), again(30 * time.Second), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"retry in an hour", slow, again(time.Hour), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"at work", answer{ruling: rulingOngoing, err: "x"}, again(30 * time.Second), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"at work, asks for an hour", answer{ruling: rulingOngoing, wait: time.Hour, err: "x"}, again(time.Hour), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"failed", answer{ruling: rulingFailed, err: "x"}, again(30 * time.Second), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"failed, asks for an hour", answer{ruling: rulingFailed, wait: time.Hour, err: "x"}, again(time.Hour), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"failed, asks for less than it has to wait", answer{ruling: rulingFailed, wait: time.Second, err: "x"}, again(30 * time.Second), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
		{"broken", answer{ruling: rulingBroken, err: "x"}, again(30 * time.Second), open(dlq.HoldCompensationBroken, dlq.CallBroken)},
		{"cannot be settled", answer{ruling: rulingBusiness, err: "x"}, open(dlq.HoldCompensationManual, dlq.CallAnswered), open(dlq.HoldCompensationManual, dlq.CallAnswered)},
		{"gone", answer{ruling: rulingRetired, err: "x"}, open(dlq.HoldNoCompensation, dlq.CallCancelled), open(dlq.HoldNoCompensation, dlq.CallCancelled)},
		{"a ruling of another time", answer{ruling: "oracle", err: "x"}, again(30 * time.Second), open(dlq.HoldCompensationUsedUp, dlq.CallUsedUp)},
	} {
		for name, c := range map[string]struct {
			call dlq.Call
			want want
		}{"first": {fresh, tt.first}, "last": {last, tt.last}} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				d := dlq.Detail{Letter: dlq.Letter{ID: 1, Version: 4, State: dlq.StateCompensating}, Calls: []dlq.Call{c.call}}
				call := advance(c.call, tt.a, retry, noon)
				change := enact(d, call, tt.a, noon)
				got := want{To: change.To, Resolution: change.Resolution, Call: change.Call.State, In: -1, Event: change.Event.Kind}
				if change.Hold != nil {
					got.Hold = *change.Hold
				}
				if change.DueAt != nil {
					got.In = change.DueAt.Sub(noon)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				if !dlq.Can(change.Trigger, dlq.StateCompensating, change.To) {
					t.Errorf("%s may not lead to %s", change.Trigger, change.To)
				}
				if change.Version != 4 || (call.NextAt == nil) != (call.State != dlq.CallPending) {
					t.Errorf("change of version %d, call %+v", change.Version, call)
				}
			})
		}
	}
}

// The waits after failures grow as the compensation's retry clause says, and end after its max.
func TestFailuresWaitLongerEachTime(t *testing.T) {
	retry := dlq.RetryPlan{Delay: dlq.Duration(30 * time.Second), Backoff: 3, Max: 5, MaxDelay: dlq.Duration(10 * time.Minute)}
	call := dlq.Call{ID: uid, CreatedAt: noon}
	var waits []time.Duration
	now := noon
	for range 20 {
		call = advance(call, answer{ruling: rulingFailed}, retry, now)
		if call.NextAt == nil {
			break
		}
		waits = append(waits, call.NextAt.Sub(now))
		now = *call.NextAt
	}
	want := []time.Duration{30 * time.Second, 90 * time.Second, 270 * time.Second, 10 * time.Minute}
	if diff := cmp.Diff(want, waits); diff != "" || call.State != dlq.CallUsedUp {
		t.Errorf("state %s, waits: %s", call.State, diff)
	}
}

// Being told to wait does not count as failing, and what repeats itself makes no event each time.
func TestWaitingIsNoFailure(t *testing.T) {
	call := dlq.Call{ID: uid, CreatedAt: noon}
	events := 0
	for n := range 50 {
		a := answer{ruling: rulingOngoing, err: "at work"}
		before := call
		call = advance(call, a, dlq.RetryPlan{Delay: dlq.Duration(time.Minute), Backoff: 2, Max: 2}, noon.Add(time.Duration(n)*time.Minute))
		if call.State != dlq.CallPending || call.Failures != 0 {
			t.Fatalf("after %d answers: %+v", n+1, call)
		}
		d := dlq.Detail{Letter: dlq.Letter{State: dlq.StateCompensating}, Calls: []dlq.Call{before}}
		if enact(d, call, a, noon).Event.Kind != "" {
			events++
		}
	}
	if events != 1 {
		t.Errorf("%d events of 50 answers that say the same", events)
	}
}
