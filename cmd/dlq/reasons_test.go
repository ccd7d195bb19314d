package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/store"
)

// dying is a letter that dies again and again in a console of the real store, rules, intake and desk; what it gives back
// is only written down.
type dying struct {
	t      *testing.T
	store  *store.Store
	rules  *classifier.Live
	intake *handlers.Intake
	desk   *handlers.Desk
	offset int64
	now    time.Time
}

const dyingRules = `
automation: {quarantine_after: 0}
rules:
  - {name: silent, match: {death_reason: unknown, reason: told_before}, route: manual, manual: {severity: critical}}
  - {name: heals, match: {reason: network_timeout}, route: retry, retry: {delay: 1m, max: 9%s}}
  - {name: users, match: {reason: user_data_error}, route: manual, manual: {severity: high, runbook: "https://wiki.example/users"}}
  - {name: rest, route: manual, manual: {severity: low}}
`

func newDying(t *testing.T, option string) *dying {
	t.Helper()
	d := &dying{t: t, rules: classifier.NewLive(), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	rules, found := classifier.CompileText(fmt.Appendf(nil, dyingRules, option))
	if rules == nil {
		t.Fatalf("%+v", found)
	}
	d.rules.Swap(1, rules)
	clock := func() time.Time { return d.now }
	var err error
	if d.store, err = store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "dlq.db"), Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
	automation, err := handlers.NewSwitch(t.Context(), d.store, clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := automation.Set(t.Context(), automation.Get().Version, dlq.Automation{On: true}); err != nil {
		t.Fatal(err)
	}
	none := &handlers.LiveCompensations{}
	d.intake = handlers.NewIntake(handlers.IntakeDeps{Store: d.store, Rules: d.rules, Automation: automation.Get, Policy: d.rules.Automation, Compensations: none, Now: clock})
	d.desk = handlers.NewDesk(handlers.DeskDeps{Store: d.store, Rules: d.rules, Switch: automation, Policy: d.rules.Automation, Compensations: none, Now: clock})
	return d
}

func (d *dying) messageID(death int64) string { return fmt.Sprintf("7F00000100002A9F%016X", death) }

// die lets the message die with these properties, and returns its letter.
func (d *dying) die(properties ...map[string]string) dlq.Detail {
	d.t.Helper()
	q := dlq.Queue{Cluster: "main", Broker: "a", Topic: "%DLQ%pay"}
	batch := dlq.Batch{Queue: q, From: d.offset, Next: d.offset + int64(len(properties))}
	for _, p := range properties {
		all := map[string]string{dlq.PropUniqueKey: "UK1", dlq.PropKeys: "order-1"}
		for k, v := range p {
			all[k] = v
		}
		batch.Messages = append(batch.Messages, dlq.DeadMessage{Position: dlq.Position{Queue: q, Offset: d.offset, StoredAt: d.now}, ConsumerGroup: "pay",
			OriginalTopic: "orders", MessageID: d.messageID(d.offset), Properties: all, Body: []byte(`{}`), BornAt: d.now, ReconsumeTimes: 3})
		d.offset++
	}
	d.pass()
	if err := <-d.intake.Accept(d.t.Context(), []dlq.Batch{batch}); err != nil {
		d.t.Fatal(err)
	}
	return d.letter()
}

func (d *dying) pass() { d.now = d.now.Add(time.Second) }

func (d *dying) letter() dlq.Detail {
	d.t.Helper()
	l, err := d.store.Detail(d.t.Context(), 1)
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// give writes down that the letter was given back, and returns what its next copy carries.
func (d *dying) give(id string) map[string]string {
	d.t.Helper()
	d.pass()
	r := dlq.Replay{ID: id, Door: dlq.DoorRetry, ConsumerGroup: "pay", UniqueKey: "UK1", IntendedAt: d.now, Outcome: dlq.OutcomeSending}
	if _, err := d.store.Apply(d.t.Context(), dlq.Change{LetterID: 1, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1}); err != nil {
		d.t.Fatal(err)
	}
	r.Outcome = dlq.OutcomeWaiting
	if _, err := d.store.Apply(d.t.Context(), dlq.Change{LetterID: 1, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &r}); err != nil {
		d.t.Fatal(err)
	}
	return map[string]string{dlq.PropReplayID: id}
}

func (d *dying) report(r dlq.Report) {
	d.t.Helper()
	d.pass()
	r.ConsumerGroup = "pay"
	if _, err := d.desk.Report(d.t.Context(), "shop", []dlq.Report{bound(r)}); err != nil {
		d.t.Fatal(err)
	}
}

// says checks the letter's reason, whether it is an earlier death's, and what each death says, newest first.
func (d *dying) says(reason string, from int64, deaths ...string) {
	d.t.Helper()
	l := d.letter()
	var got []string
	for _, h := range l.History {
		got = append(got, h.Reason)
	}
	if l.Reason != reason || l.ReasonDeath != from || fmt.Sprint(got) != fmt.Sprint(deaths) {
		d.t.Errorf("reason %s from death %d, deaths %v; want %s from %d, %v", l.Reason, l.ReasonDeath, got, reason, from, deaths)
	}
}

// A letter that dies again without a reason keeps the one that is known, with all that the rules made of it, and says
// that it is the earlier death's; each death keeps its own.
func TestReasonIsKeptForEachDeath(t *testing.T) {
	t.Parallel()
	d := newDying(t, "")
	d.die(map[string]string{"FAILURE_REASON": "user_data_error", "FAILURE_DETAIL": "age is -1"})
	d.says("user_data_error", 0, "user_data_error")
	print := d.letter().Fingerprint

	l := d.die(d.give("11111111111111111111111111111111"))
	d.says("user_data_error", 1, "unknown", "user_data_error")
	if l.Severity != dlq.SeverityHigh || l.Runbook == "" || l.Rule != "users" || l.ReasonText != "age is -1" || l.Fingerprint != print {
		t.Errorf("letter %+v", l.Letter)
	}
	if first := l.History[1]; first.ReasonOrigin != dlq.OriginProperty || first.ReasonText != "age is -1" || first.Rule != "users" || first.Severity != dlq.SeverityHigh {
		t.Errorf("first death %+v", first)
	}
	page, err := d.store.Letters(t.Context(), dlq.Filter{Reasons: []string{"user_data_error"}}, "", 10)
	if err != nil || len(page.Items) != 1 {
		t.Errorf("%d letters in the list, %v", len(page.Items), err)
	}

	// Two deaths that are read at once, of which the first has a reason of its own.
	second := d.give("22222222222222222222222222222222")
	second["FAILURE_REASON"] = "other"
	d.die(second, map[string]string{dlq.PropReplayID: second[dlq.PropReplayID]})
	d.says("other", 3, "unknown", "other", "unknown", "user_data_error")

	// What is told of the newest death takes the earlier one's place; what is told of an earlier one stays there.
	d.report(dlq.Report{UniqueKey: "UK1", Reason: "told", ReasonText: "by the shop"})
	d.says("told", 0, "told", "other", "unknown", "user_data_error")
	d.report(dlq.Report{MessageID: d.messageID(1), Reason: "late"})
	d.says("told", 0, "told", "other", "late", "user_data_error")

	// A report says nothing of the death that follows the replay after it.
	d.die(d.give("33333333333333333333333333333333"))
	d.says("told", 4, "unknown", "told", "other", "late", "user_data_error")
	d.report(dlq.Report{UniqueKey: "UK1", Reason: "told again"})
	d.says("told again", 0, "told again", "told", "other", "late", "user_data_error")

	// The rules' facts are the same when they judge anew.
	if _, err := d.desk.Reroute(t.Context(), dlq.Act{LetterID: 1, Actor: "mei"}); err != nil {
		t.Fatal(err)
	}
	d.says("told again", 0, "told again", "told", "other", "late", "user_data_error")
}

// A report about an earlier death gives the letter its reason where the newest death has none.
func TestLateReportAboutAnEarlierDeath(t *testing.T) {
	t.Parallel()
	d := newDying(t, "")
	d.die(map[string]string{})
	d.die(d.give("11111111111111111111111111111111"))
	d.says("unknown", 0, "unknown", "unknown")
	d.report(dlq.Report{MessageID: d.messageID(0), Reason: "user_data_error", ReasonText: "age is -1"})
	d.says("user_data_error", 1, "unknown", "user_data_error")
	if l := d.letter(); l.Severity != dlq.SeverityHigh || l.Fingerprint == "" || l.History[1].Fingerprint != l.Fingerprint {
		t.Errorf("letter %+v, first death %+v", l.Letter, l.History[1])
	}
	rules, _ := d.rules.Get()
	list, _, err := d.store.Backlog(t.Context(), 0, 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d letters, %v", len(list), err)
	}
	if shifts, err := classifier.NewBacktest(rules, rules).Judge(t.Context(), list); err != nil || shifts[0].RuleNow != "users" {
		t.Errorf("a backtest says %+v, %v", shifts, err)
	}
	d.report(dlq.Report{MessageID: d.messageID(0), Reason: "told_before"})
	d.says("told_before", 1, "unknown", "told_before")
	if l := d.letter(); l.Rule != "silent" || l.Severity != dlq.SeverityCritical {
		t.Errorf("a rule about this death's own reason: %+v", l.Letter)
	}
}

// An earlier death's reason starts nothing by itself unless the rule says so.
func TestEarlierReasonStartsNothing(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]struct {
		state dlq.State
		hold  dlq.Hold
	}{
		"":                       {dlq.StateOpen, dlq.HoldEarlierReason},
		", earlier_reason: true": {dlq.StateScheduled, dlq.HoldNone},
	} {
		d := newDying(t, option)
		if l := d.die(map[string]string{"FAILURE_REASON": "network_timeout"}); l.State != dlq.StateScheduled {
			t.Errorf("%q: first death is %s", option, l.State)
		}
		l := d.die(d.give("11111111111111111111111111111111"))
		d.says("network_timeout", 1, "unknown", "network_timeout")
		if l.State != want.state || l.Hold != want.hold || l.Route != dlq.RouteRetry {
			t.Errorf("%q: %s, hold %q, route %s", option, l.State, l.Hold, l.Route)
		}
	}
}

// A probe that was begun before the letter died once more is about the death before.
func TestLateProbeIsAboutTheDeathBefore(t *testing.T) {
	t.Parallel()
	d := newDying(t, "")
	d.die(map[string]string{})
	d.pass()
	begun := d.now
	d.die(d.give("11111111111111111111111111111111"))
	if _, err := d.desk.Probed(t.Context(), dlq.Probe{LetterID: 1, At: begun, Actor: "mei", Verdict: dlq.ProbeException, Reason: "user_data_error", ClientID: "c"}); err != nil {
		t.Fatal(err)
	}
	d.says("user_data_error", 1, "unknown", "user_data_error")
	d.pass()
	if _, err := d.desk.Probed(t.Context(), dlq.Probe{LetterID: 1, At: d.now, Actor: "mei", Verdict: dlq.ProbeException, Reason: "now", ClientID: "c"}); err != nil {
		t.Fatal(err)
	}
	d.says("now", 0, "now", "user_data_error")
}

// bound is the report as it comes by a token that names the consumer group.
func bound(r dlq.Report) dlq.Report {
	r.Bound = true
	return r
}
