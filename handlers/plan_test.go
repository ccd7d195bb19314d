package handlers

import (
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// retryCase is a letter that every condition lets be replayed by itself.
func retryCase() Case {
	return Case{
		Now: noon, DiedAt: noon.Add(-time.Minute),
		Facts: dlq.Facts{Reason: "network_timeout", Origin: dlq.OriginProperty, Topic: "orders"},
		Verdict: dlq.Verdict{Rule: "passing", Route: dlq.RouteRetry, Retry: &dlq.RetryPlan{
			Delay: dlq.Duration(5 * time.Minute), Backoff: 2, Max: 3, MaxDelay: dlq.Duration(15 * time.Minute)}},
		Automation:   dlq.Automation{On: true, Since: ptr(noon.Add(-time.Hour))},
		Policy:       dlq.AutomationPolicy{MaxAge: dlq.Duration(30 * time.Minute), Rate: 10},
		Compensation: true,
		NewCallID:    func() string { return "call_1" },
	}
}

func TestPlan(t *testing.T) {
	scheduled := func(in time.Duration) dlq.Plan { return dlq.Plan{State: dlq.StateScheduled, DueAt: ptr(noon.Add(in))} }
	held := func(h dlq.Hold) dlq.Plan { return dlq.Plan{State: dlq.StateOpen, Hold: h} }
	asked := dlq.Plan{State: dlq.StateCompensating, DueAt: ptr(noon), Call: &dlq.Call{
		ID: "call_1", Name: "settle", State: dlq.CallPending, NextAt: ptr(noon), CreatedAt: noon, ChangedAt: noon}}
	compensate := func(c *Case) {
		c.Verdict = dlq.Verdict{Route: dlq.RouteCompensate, Compensation: &dlq.CompensationPlan{Name: "settle"}}
	}
	discard := func(c *Case) { c.Verdict = dlq.Verdict{Route: dlq.RouteDiscard, Note: "noise"} }
	all := func(changes ...func(*Case)) func(*Case) {
		return func(c *Case) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	off := func(c *Case) { c.Automation.On = false }
	stopped := func(c *Case) { c.Automation.Stopped = true }
	before := func(c *Case) { c.DiedAt = c.Automation.Since.Add(-time.Millisecond) }
	old := func(c *Case) { c.DiedAt = noon.Add(-30*time.Minute - time.Millisecond) }
	person := func(c *Case) { c.Person = true }
	origin := func(o dlq.ReasonOrigin) func(*Case) { return func(c *Case) { c.Facts.Origin = o } }
	replays := func(n int) func(*Case) { return func(c *Case) { c.Replays = n } }
	failed := func(n int) func(*Case) { return func(c *Case) { c.Failures, c.Policy.Quarantine = n, 3 } }
	marked := func(p dlq.Plan) dlq.Plan { p.Flags = []dlq.Flag{dlq.FlagQuarantined}; return p }
	limit := func(topic string, after time.Duration) func(*Case) {
		return func(c *Case) {
			c.Policy.Stale = append(c.Policy.Stale, dlq.StaleLimit{Topic: topic, After: dlq.Duration(after)})
		}
	}
	born := func(before time.Duration) func(*Case) { return func(c *Case) { c.BornAt = noon.Add(-before) } }

	for _, tt := range []struct {
		name   string
		change func(*Case)
		want   dlq.Plan
	}{
		{"first retry", all(), scheduled(5 * time.Minute)},
		{"second retry waits longer", replays(1), scheduled(10 * time.Minute)},
		{"third retry waits no longer than max_delay", replays(2), scheduled(15 * time.Minute)},
		{"retries used up", replays(3), held(dlq.HoldRetriesUsedUp)},
		{"retries long used up", replays(9), held(dlq.HoldRetriesUsedUp)},
		{"automation off", off, held(dlq.HoldAutomationOff)},
		{"automation off and stopped", all(off, stopped), held(dlq.HoldAutomationOff)},
		{"stopped", stopped, held(dlq.HoldAutomationStopped)},
		{"died before automation", before, held(dlq.HoldBeforeAutomation)},
		{"died as automation began", func(c *Case) { c.Automation.Since = ptr(c.DiedAt) }, scheduled(5 * time.Minute)},
		{"too old", old, held(dlq.HoldTooOld)},
		{"just young enough", func(c *Case) { c.DiedAt = noon.Add(-30 * time.Minute) }, scheduled(5 * time.Minute)},
		{"the broker's clock is ahead", func(c *Case) { c.DiedAt = noon.Add(time.Minute) }, scheduled(5 * time.Minute)},
		{"a reason that the broker guessed", origin(dlq.OriginBroker), held(dlq.HoldNoReason)},
		{"no reason", origin(dlq.OriginUnknown), held(dlq.HoldNoReason)},
		{"no origin", origin(""), held(dlq.HoldNoReason)},
		{"a reported reason", origin(dlq.OriginReport), scheduled(5 * time.Minute)},
		{"a report that is not bound", func(c *Case) { c.Facts.Origin, c.Facts.Unbound = dlq.OriginUnboundReport, true }, held(dlq.HoldUnboundReport)},
		{"what such a report said of the death before", origin(dlq.OriginUnboundReport), held(dlq.HoldNoReason)},
		{"compensate by a report that is not bound", all(compensate, func(c *Case) { c.Facts.Unbound = true }), held(dlq.HoldUnboundReport)},
		{"discard by a report that is not bound", all(discard, func(c *Case) { c.Facts.Unbound = true }), held(dlq.HoldUnboundReport)},
		{"a person's choice: such a report does not matter", all(person, func(c *Case) { c.Facts.Origin, c.Facts.Unbound = dlq.OriginUnboundReport, true }), scheduled(5 * time.Minute)},
		{"unknown topic", func(c *Case) { c.Facts.Topic = "" }, held(dlq.HoldUnknownTopic)},
		{"retry without a clause", func(c *Case) { c.Verdict.Retry = nil }, held(dlq.HoldNone)},
		{"max 0", func(c *Case) { c.Verdict.Retry.Max = 0 }, held(dlq.HoldRetriesUsedUp)},

		{"a person's choice: age does not count", all(person, before), scheduled(5 * time.Minute)},
		{"a person's choice: nor does a guess", all(person, old, origin(dlq.OriginBroker)), scheduled(5 * time.Minute)},
		{"a person's choice: automation off holds", all(person, off), held(dlq.HoldAutomationOff)},
		{"a person's choice: the stop holds", all(person, stopped), held(dlq.HoldAutomationStopped)},
		{"a person's choice: used up", all(person, replays(3)), held(dlq.HoldRetriesUsedUp)},

		{"failed again", failed(2), scheduled(5 * time.Minute)},
		{"failed too often", failed(3), marked(held(dlq.HoldQuarantined))},
		{"failed too often, and used up", all(failed(9), replays(3)), marked(held(dlq.HoldQuarantined))},
		{"failed too often, no reason", all(failed(3), origin(dlq.OriginUnknown)), marked(held(dlq.HoldQuarantined))},
		{"failed too often, automation off", all(failed(3), off), marked(held(dlq.HoldAutomationOff))},
		{"failed too often for a rule that asks a person", all(failed(3), func(c *Case) { c.Verdict.Route = dlq.RouteManual }), marked(held(dlq.HoldNone))},
		{"failed too often, compensate", all(failed(3), compensate), marked(asked)},
		{"failed too often, discard", all(failed(3), discard), marked(dlq.Plan{State: dlq.StateDiscarded})},
		{"failed often, and nobody counts", all(failed(99), func(c *Case) { c.Policy.Quarantine = 0 }), scheduled(5 * time.Minute)},
		{"a person's choice: failures do not count", all(person, failed(99)), scheduled(5 * time.Minute)},

		{"an hour old, when it may be a day", all(born(time.Hour), limit("orders", 24*time.Hour)), scheduled(5 * time.Minute)},
		{"stale", all(born(25*time.Hour), limit("orders", 24*time.Hour)), held(dlq.HoldStale)},
		{"stale when its turn comes", all(born(24*time.Hour-time.Minute), limit("orders", 24*time.Hour)), held(dlq.HoldStale)},
		{"old, but of another topic", all(born(25*time.Hour), limit("coupon", 24*time.Hour)), scheduled(5 * time.Minute)},
		{"the first limit counts", all(born(25*time.Hour), limit("ord*", 48*time.Hour), limit("*", time.Hour)), scheduled(5 * time.Minute)},
		{"a producer's clock is ahead", all(born(-time.Hour), limit("*", 6*time.Minute)), scheduled(5 * time.Minute)},
		{"nobody knows when it was born", limit("*", 5*time.Minute), held(dlq.HoldStale)},
		{"stale, compensate", all(born(25*time.Hour), limit("*", time.Hour), compensate), asked},
		{"a person's choice: staleness does not count", all(person, born(25*time.Hour), limit("*", time.Hour)), scheduled(5 * time.Minute)},

		{"compensate", compensate, asked},
		{"compensate without a reason", all(compensate, origin(dlq.OriginUnknown)), asked},
		{"compensate without a topic", all(compensate, func(c *Case) { c.Facts.Topic = "" }), asked},
		{"compensate, off in the rules", all(compensate, func(c *Case) { c.Verdict.Compensation.Disabled = true }), held(dlq.HoldNoCompensation)},
		{"compensate, off now", all(compensate, func(c *Case) { c.Compensation = false }), held(dlq.HoldNoCompensation)},
		{"compensate without a name", all(compensate, func(c *Case) { c.Verdict.Compensation = nil }), held(dlq.HoldNoCompensation)},
		{"compensate, automation off", all(compensate, off), held(dlq.HoldAutomationOff)},
		{"compensate, stopped", all(compensate, stopped), held(dlq.HoldAutomationStopped)},
		{"compensate, too old", all(compensate, old), held(dlq.HoldTooOld)},
		{"compensate, before automation", all(compensate, before), held(dlq.HoldBeforeAutomation)},

		{"discard", discard, dlq.Plan{State: dlq.StateDiscarded}},
		{"discard, automation off", all(discard, off), held(dlq.HoldAutomationOff)},
		{"discard, too old", all(discard, old), held(dlq.HoldTooOld)},

		{"manual", func(c *Case) { c.Verdict.Route = dlq.RouteManual }, held(dlq.HoldNone)},
		{"manual, automation off", all(off, func(c *Case) { c.Verdict.Route = dlq.RouteManual }), held(dlq.HoldNone)},
		{"no route", func(c *Case) { c.Verdict.Route = "" }, held(dlq.HoldNone)},
		{"a route of another time", func(c *Case) { c.Verdict.Route = "teleport" }, held(dlq.HoldNone)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := retryCase()
			tt.change(&c)
			got := Plan(c)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if !dlq.Can(dlq.TriggerArrive, "", got.State) || !dlq.Can(dlq.TriggerReclassify, dlq.StateOpen, got.State) {
				t.Errorf("no letter may become %s that way", got.State)
			}
		})
	}
}

// While automation does not act, nothing but an open letter comes of any plan.
func TestPlanNeverActsWhileHalted(t *testing.T) {
	for _, route := range append([]dlq.Route{"", "x"}, dlq.Routes...) {
		for _, person := range []bool{false, true} {
			for _, a := range []dlq.Automation{{}, {Stopped: true}, {On: true, Stopped: true, Since: ptr(noon.Add(-time.Hour))}} {
				c := retryCase()
				c.Verdict.Route, c.Verdict.Compensation, c.Automation, c.Person = route, &dlq.CompensationPlan{Name: "settle"}, a, person
				if got := Plan(c); got.State != dlq.StateOpen || got.DueAt != nil || got.Call != nil {
					t.Errorf("route %q, automation %+v: %+v", route, a, got)
				}
			}
		}
	}
}

func TestCallIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newCallID()
		if len(id) != len("call_")+32 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
