package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

func TestApplyIsAllOrNothing(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 3))
	good := dlq.Change{LetterID: 1, Version: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded, Event: dlq.Event{Kind: dlq.EventDiscarded, Actor: "ann"}}
	for name, tt := range map[string]struct {
		bad  dlq.Change
		code dlq.Code
	}{
		"stale version":     {dlq.Change{LetterID: 2, Version: 7, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded}, dlq.CodeConflict},
		"impossible step":   {dlq.Change{LetterID: 2, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting}, dlq.CodeRefused},
		"no such letter":    {dlq.Change{LetterID: 9, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded}, dlq.CodeNotFound},
		"no such replay":    {dlq.Change{LetterID: 2, Trigger: dlq.TriggerEdit, To: dlq.StateOpen, Replay: &dlq.Replay{ID: "none"}}, dlq.CodeNotFound},
		"verdict, no facts": {dlq.Change{LetterID: 2, Trigger: dlq.TriggerReclassify, To: dlq.StateOpen, Verdict: &dlq.Verdict{}}, dlq.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Apply(t.Context(), good, tt.bad)
			wantCode(t, err, tt.code)
			if l, err := s.Letter(t.Context(), 1); err != nil || l.State != dlq.StateOpen || l.Version != 1 {
				t.Errorf("half of the changes were made: %+v, %v", l, err)
			}
			s.recount(t)

			letters, errs := s.ApplyEach(t.Context(), []dlq.Change{{LetterID: 3, Trigger: dlq.TriggerEdit, To: dlq.StateOpen}, tt.bad})
			if errs[0] != nil || letters[0].ID != 3 || letters[1].ID != 0 {
				t.Errorf("each on its own: %+v, %v", letters, errs)
			}
			wantCode(t, errs[1], tt.code)
		})
	}
}

// Two people who act on one letter at once: one does, the other is told.
func TestOneOfManyWins(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 1))
	var all sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		all.Go(func() {
			r := dlq.Replay{ID: fmt.Sprint("replay-", i), Outcome: dlq.OutcomeSending}
			_, errs[i] = s.Apply(context.Background(), dlq.Change{LetterID: 1, Version: 1, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1})
			// Who is told that somebody was faster must be able to see it.
			if l, err := s.Letter(context.Background(), 1); err != nil || l.State != dlq.StateSending {
				t.Errorf("after the answer %v the letter is %s, %v", errs[i], l.State, err)
			}
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, dlq.CodeConflict)
	}
	d, err := s.Detail(t.Context(), 1)
	if err != nil || won != 1 || len(d.ReplayList) != 1 || d.Replays != 1 {
		t.Errorf("%d claims won, %d replays, %v", won, len(d.ReplayList), err)
	}
}

// A person's way with a letter, and what each step leaves behind.
func TestSteps(t *testing.T) {
	c := newClock()
	var events []dlq.Event
	s := open(t, Options{Now: c.now, Retention: 48 * time.Hour, Publish: func(e []dlq.Event) { events = append(events, e...) }})
	admit(t, s, batchOf("pay", 0, 1))
	due := c.now().Add(time.Hour + 5*time.Millisecond)
	hold := dlq.HoldRetriesUsedUp
	ann, nobody := "ann", ""
	step := func(ch dlq.Change, want func(*dlq.Letter)) {
		t.Helper()
		before, err := s.Letter(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		c.add(time.Minute)
		ch.LetterID = 1
		got := apply(t, s, ch)
		before.State, before.Version, before.ChangedAt, before.DueAt, before.ExpiresAt, before.Resolution = ch.To, before.Version+1, c.now(), nil, nil, ""
		want(&before)
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ch.Trigger, diff)
		}
		if again, err := s.Letter(t.Context(), 1); err != nil || !cmp.Equal(again, got) {
			t.Errorf("%s: read again it is %+v, %v", ch.Trigger, again, err)
		}
	}
	nothing := func(*dlq.Letter) {}
	step(dlq.Change{Trigger: dlq.TriggerSnooze, To: dlq.StateSnoozed, DueAt: &due, Owner: &ann}, func(l *dlq.Letter) { l.DueAt, l.Owner = &due, "ann" })
	step(dlq.Change{Trigger: dlq.TriggerWake, To: dlq.StateOpen, DueAt: &due}, nothing)
	step(dlq.Change{Trigger: dlq.TriggerEdit, To: dlq.StateOpen, AddFlags: []dlq.Flag{dlq.FlagEdited, dlq.FlagQuarantined}, Hold: &hold, Owner: &nobody, Severity: dlq.SeverityLow, Route: dlq.RouteRetry}, func(l *dlq.Letter) {
		l.Flags, l.Hold, l.Owner, l.Severity, l.Route = []dlq.Flag{dlq.FlagQuarantined, dlq.FlagEdited}, hold, "", dlq.SeverityLow, dlq.RouteRetry
	})
	step(dlq.Change{Trigger: dlq.TriggerPlan, To: dlq.StateScheduled, DueAt: &due, DropFlags: []dlq.Flag{dlq.FlagQuarantined}}, func(l *dlq.Letter) {
		l.DueAt, l.Flags = &due, []dlq.Flag{dlq.FlagEdited}
	})
	step(dlq.Change{Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded, DueAt: &due}, func(l *dlq.Letter) {
		at := c.now().Add(48 * time.Hour)
		l.ExpiresAt = &at
	})
	step(dlq.Change{Trigger: dlq.TriggerRestore, To: dlq.StateOpen}, nothing)
	n := int64(7)
	facts := dlq.Facts{Reason: "told", ReasonText: "by a report", Origin: dlq.OriginReport, Topic: "payments", RetryCount: &n}
	verdict := dlq.Verdict{Rule: "other", RuleVersion: 9, Route: dlq.RouteCompensate, Severity: dlq.SeverityCritical, Owner: "bob", Labels: []string{"x"}, Compensation: &dlq.CompensationPlan{Name: "settle"}}
	step(dlq.Change{Trigger: dlq.TriggerReclassify, To: dlq.StateCompensating, Facts: &facts, Verdict: &verdict, DueAt: &due}, func(l *dlq.Letter) {
		l.Reason, l.ReasonText, l.ReasonOrigin, l.ReasonField, l.Topic, l.RetryCount, l.Business, l.Fingerprint = "told", "by a report", dlq.OriginReport, "", "payments", &n, "", ""
		l.Rule, l.RuleVersion, l.Route, l.Severity, l.Owner, l.Labels, l.Runbook, l.DueAt = "other", 9, dlq.RouteCompensate, dlq.SeverityCritical, "bob", []string{"x"}, "", &due
	})
	d, err := s.Detail(t.Context(), 1)
	if err != nil || !cmp.Equal(d.Verdict, verdict) || d.Judged != (dlq.Judgement{Now: c.now(), Deaths: 1}) {
		t.Errorf("verdict %+v judged by %+v, %v", d.Verdict, d.Judged, err)
	}
	step(dlq.Change{Trigger: dlq.TriggerCompensated, To: dlq.StateResolved, Resolution: dlq.ResolvedCompensated,
		Event: dlq.Event{Kind: dlq.EventCompensated, Actor: dlq.ActorAutomation, Note: "done", Rule: "other", Detail: map[string]string{"refund": "1"}}}, func(l *dlq.Letter) {
		at := c.now().Add(48 * time.Hour)
		l.ExpiresAt, l.Resolution = &at, dlq.ResolvedCompensated
	})
	want := dlq.Event{ID: 2, LetterID: 1, At: c.now(), Kind: dlq.EventCompensated, Actor: dlq.ActorAutomation, Note: "done", Rule: "other", Detail: map[string]string{"refund": "1"}}
	if d, err = s.Detail(t.Context(), 1); err != nil || !cmp.Equal(d.Events[0], want) {
		t.Errorf("event %+v, %v", d.Events[0], err)
	}
	want.State, want.From, want.ConsumerGroup = dlq.StateResolved, dlq.StateCompensating, "pay"
	if diff := cmp.Diff(want, events[len(events)-1]); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	s.recount(t)
}

func TestRetention(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now, Retention: time.Hour})
	admit(t, s, batchOf("pay", 0, sweepBatch+10))
	indexAll(t, s)
	kept := map[int64]bool{}
	for id := int64(1); id <= sweepBatch+10; id++ {
		switch id % 100 {
		case 0:
			kept[id] = true // open
		case 1:
			claim(t, s, id, dlq.Replay{ID: fmt.Sprint("r", id), ConsumerGroup: "pay"})
			kept[id] = true // awaiting
		case 2: // discarded and taken back
			apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
			apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerRestore, To: dlq.StateOpen})
			kept[id] = true
		default:
			apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerResolve, To: dlq.StateResolved, Resolution: dlq.ResolvedByHand})
		}
	}
	c.add(time.Hour - time.Millisecond)
	for _, wait := range []time.Duration{0, sweepEvery} {
		if pause, err := s.sweepOnce(t.Context()); err != nil || pause != sweepEvery {
			t.Fatal(pause, err)
		}
		if wait == 0 && list(t, s, dlq.Filter{}).Total.Count != sweepBatch+10 {
			t.Fatal("deleted too early")
		}
	}
	c.add(time.Hour)
	for {
		pause, err := s.sweepOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if pause > 0 {
			break
		}
	}
	got := map[int64]bool{}
	for _, l := range list(t, s, dlq.Filter{}).Items {
		got[l.ID] = true
	}
	if diff := cmp.Diff(kept, got); diff != "" {
		t.Errorf("kept letters (-want +got):\n%s", diff)
	}
	if n := list(t, s, dlq.Filter{Query: "UK-pay-50"}).Total.Count; n != 0 {
		t.Errorf("a deleted letter is found %d times", n)
	}
	s.recount(t)
	s.checkFile(t)
}

func TestReplaysThatAreLookedAt(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	admit(t, s, batchOf("pay", 0, 4))
	at := func(d time.Duration) *time.Time { v := c.now().Add(d); return &v }
	full := dlq.Replay{ID: "full", Door: dlq.DoorBack, Why: "orderly", Cluster: "main", ConsumerGroup: "pay", Target: "%RETRY%pay", Topic: "orders", UniqueKey: "UK", AsNew: true,
		Delay: dlq.Duration(10 * time.Second), DelayLevel: 3, DeliverAt: at(time.Second), Automatic: true, Actor: "ann", Note: "why", IntendedAt: c.now(), Outcome: dlq.OutcomeSending,
		DeadPhysOffset: 1000, DeadAttempts: 16, TargetKind: dlq.TargetTopic, Edit: 3, Transformed: true}
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &full, CountReplay: 1})
	full.LetterID, full.Number = 1, 1
	if got, err := s.Unsettled(t.Context()); err != nil || len(got) != 1 || !cmp.Equal(got[0], full) {
		t.Errorf("unsettled: %+v, %v", got, err)
	}
	if got, err := s.OpenReplays(t.Context(), c.now().Add(time.Hour), 10); err != nil || len(got) != 0 {
		t.Errorf("a send under way is looked at: %+v, %v", got, err)
	}
	full.SentAt, full.SeenAt, full.NextLook = at(time.Second), at(2*time.Second), at(3*time.Second)
	full.Outcome, full.Detail, full.Error, full.Looks, full.OnlineFor = dlq.OutcomeWaiting, "d", "e", 4, dlq.Duration(5*time.Minute)
	full.Receipt = dlq.Receipt{Broker: "broker-a", Address: "10.0.0.9:10911", Queue: 3, Offset: 99, MessageID: "id", Weak: true}
	full.Number = 0 // a caller that does not know it does not change it
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &full})
	full.Number = 1
	if got, err := s.Replay(t.Context(), "full"); err != nil || !cmp.Equal(got, full) {
		t.Errorf("replay (-want +got):\n%s%v", cmp.Diff(full, got), err)
	}
	for i, d := range []time.Duration{2, 1} {
		r := claim(t, s, int64(i+2), dlq.Replay{ID: fmt.Sprint("r", i), ConsumerGroup: "pay"})
		r.NextLook = at(d * time.Second)
		if err := look(t, s, r); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(now *time.Time, limit int) (ids []string) {
		t.Helper()
		got, err := s.OpenReplays(t.Context(), *now, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			ids = append(ids, r.ID)
		}
		return ids
	}
	if diff := cmp.Diff([]string{"r1", "r0", "full"}, ids(at(3*time.Second), 10)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"r1", "r0"}, ids(at(2*time.Second), 10)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"r1"}, ids(at(time.Hour), 1)); diff != "" {
		t.Error(diff)
	}
	// A look that ends a replay shows in the letter's outcome and closes it.
	full.Outcome, full.NextLook = dlq.OutcomeUnknown, nil
	if err := look(t, s, full); err != nil {
		t.Fatal(err)
	}
	if n := list(t, s, dlq.Filter{Outcomes: []dlq.Outcome{dlq.OutcomeUnknown}}).Total.Count; n != 1 {
		t.Errorf("%d letters of unknown outcome", n)
	}
	wantCode(t, look(t, s, full), dlq.CodeConflict)
	_, err := s.Replay(t.Context(), "none")
	wantCode(t, err, dlq.CodeNotFound)
	s.recount(t)
}

func TestCalls(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	admit(t, s, batchOf("pay", 0, 2))
	at := c.now().Add(time.Minute)
	call := dlq.Call{ID: "c1", LetterID: 1, Name: "settle", State: dlq.CallPending, NextAt: &at, CreatedAt: c.now(), ChangedAt: c.now()}
	if err := s.SaveCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.SaveCall(t.Context(), dlq.Call{ID: "c2", LetterID: 9}), dlq.CodeNotFound)
	if due, err := s.DueCalls(t.Context(), at.Add(-time.Millisecond), 5); err != nil || len(due) != 0 {
		t.Errorf("due too early: %+v, %v", due, err)
	}
	if due, err := s.DueCalls(t.Context(), at, 5); err != nil || len(due) != 1 || due[0].ID != "c1" {
		t.Errorf("not due: %+v, %v", due, err)
	}
	attempts := []dlq.Attempt{
		{CallID: "c1", Number: 1, At: c.now(), Duration: dlq.Duration(time.Second), Status: 500, Answer: "oops", Error: "bad", Address: "10.0.0.1"},
		{CallID: "c1", Number: 2, At: c.now(), Duration: dlq.Duration(time.Second), Status: 200, Answer: "{}"},
	}
	for _, a := range attempts {
		if err := s.AddAttempt(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, s.AddAttempt(t.Context(), dlq.Attempt{CallID: "none"}), dlq.CodeNotFound)
	c.add(time.Second)
	call.State, call.NextAt, call.Attempts, call.Verdict, call.Reason, call.Error, call.ChangedAt = dlq.CallAnswered, nil, 2, dlq.CallDone, "paid", "e", c.now()
	call.Refs = []dlq.CallRef{{Kind: "refund", ID: "7", URL: "https://x"}}
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerEdit, To: dlq.StateOpen, Call: &call})
	call.Log = []dlq.Attempt{attempts[1], attempts[0]}
	got, err := s.Call(t.Context(), "c1")
	if diff := cmp.Diff(call, got); diff != "" || err != nil {
		t.Errorf("call (-want +got):\n%s%v", diff, err)
	}
	d, err := s.Detail(t.Context(), 1)
	if err != nil || len(d.Calls) != 1 || !cmp.Equal(d.Calls[0], call) {
		t.Errorf("detail: %+v, %v", d.Calls, err)
	}
	_, err = s.Call(t.Context(), "none")
	wantCode(t, err, dlq.CodeNotFound)
}

// A call that was being made when the process ended is known to have been begun, and is made again when it counts as lost.
func TestCallsAfterARestart(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 1))
	lost := time.Now().Add(time.Minute)
	if err := s.SaveCall(t.Context(), dlq.Call{ID: "c1", LetterID: 1, State: dlq.CallPending, Attempts: 1, NextAt: &lost}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Path: s.path})
	if due, err := s.DueCalls(t.Context(), time.Now(), 5); err != nil || len(due) != 0 {
		t.Errorf("made again while it may be under way: %+v, %v", due, err)
	}
	if due, err := s.DueCalls(t.Context(), lost, 5); err != nil || len(due) != 1 || due[0].Attempts != 1 {
		t.Errorf("lost: %+v, %v", due, err)
	}
}

func TestSettings(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	_, err := s.LatestRuleVersion(t.Context())
	wantCode(t, err, dlq.CodeNotFound)
	for _, tt := range []struct {
		sha  string
		want int64
	}{{"a", 1}, {"a", 1}, {"b", 2}, {"a", 3}} {
		got, err := s.AddRuleVersion(t.Context(), dlq.RuleVersion{SHA256: tt.sha, Text: "text " + tt.sha, Author: "ann", Note: "n"})
		if err != nil || got != tt.want {
			t.Errorf("version %d, %v, want %d", got, err, tt.want)
		}
	}
	v, err := s.RuleVersion(t.Context(), 2)
	if want := (dlq.RuleVersion{Version: 2, SHA256: "b", Text: "text b", Author: "ann", Note: "n", At: c.now()}); err != nil || v != want {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := s.LatestRuleVersion(t.Context()); err != nil || v.Version != 3 || v.Text != "text a" {
		t.Errorf("%+v, %v", v, err)
	}
	if list, err := s.RuleVersions(t.Context(), 0, 2); err != nil || len(list) != 2 || list[0].Version != 3 || list[0].Reverts != 1 || list[1].Version != 2 || list[1].Reverts != 0 || list[0].Text != "" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := s.RuleVersions(t.Context(), 2, 2); err != nil || len(list) != 1 || list[0].Version != 1 {
		t.Errorf("%+v, %v", list, err)
	}

	a, err := s.Automation(t.Context())
	if err != nil || a.On || a.Stopped || a.Version != 0 || a.Since != nil {
		t.Errorf("automation of a new file: %+v, %v", a, err)
	}
	since := c.now()
	set, err := s.SetAutomation(t.Context(), 0, dlq.Automation{On: true, Since: &since, Actor: "ann", Note: "go"})
	if want := (dlq.Automation{On: true, Since: &since, ChangedAt: &since, Actor: "ann", Note: "go", Version: 1}); err != nil || !cmp.Equal(set, want) {
		t.Errorf("%+v, %v", set, err)
	}
	now, err := s.SetAutomation(t.Context(), 0, dlq.Automation{Stopped: true})
	wantCode(t, err, dlq.CodeConflict)
	if !now.On || now.Stopped {
		t.Errorf("with the conflict comes %+v", now)
	}

	r := dlq.Remembered{Key: "k", Request: "ann POST /x", Status: 200, Answer: []byte(`{"a":1}`), At: c.now()}
	if err := s.Remember(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Remember(t.Context(), r), dlq.CodeConflict)
	if got, known, err := s.Remembered(t.Context(), "k"); err != nil || !known || !cmp.Equal(got, r) {
		t.Errorf("%+v, %v, %v", got, known, err)
	}
	c.add(25 * time.Hour)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, known, err := s.Remembered(t.Context(), "k"); err != nil || known {
		t.Errorf("remembered for longer than a day: %v", err)
	}
}

// A caller that no longer waits gets its answer at once, and its write is not made.
func TestGivenUpWrite(t *testing.T) {
	s := open(t, Options{})
	admit(t, s, batchOf("pay", 0, 1))
	hold := make(chan struct{})
	busy := newJob(0, func(*tx) error { <-hold; return nil })
	s.lanes.push(lanePeople, busy)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Apply(ctx, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hold)
	if err := <-busy.done; err != nil {
		t.Error(err)
	}
	if l := apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerEdit, To: dlq.StateOpen}); l.State != dlq.StateOpen || l.Version != 2 {
		t.Errorf("the write that was given up was made: %+v", l)
	}
}
