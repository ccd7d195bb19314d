package alerts

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

const (
	quick = "receivers: {ops: {type: webhook, url: env:U, wait: 0s, interval: 0s}}\n"
	open  = "- {name: pile, signal: open_letters, by: [consumer_group], above: 100, receivers: [ops]"
	pile  = quick + "alerts:\n" + open + "}\n"
)

func TestForAndKeepFiringFor(t *testing.T) {
	d := newDesk(t, quick+"alerts:\n"+open+", for: 5m, keep_firing_for: 2m}\n")
	d.set("pile", "pay", 101)
	d.turn()
	d.is("states", d.states(), "pay:pending")
	d.pass(4*time.Minute + 50*time.Second)
	d.set("pile", "pay", 100) // not above
	d.turn()
	d.is("after a break", d.states(), "")
	d.is("events", d.happened(""), "pending dropped")
	d.set("pile", "pay", 500)
	d.turn()
	began := d.now
	d.pass(5*time.Minute - time.Millisecond)
	d.is("a moment before", d.states(), "pay:pending")
	d.pass(time.Millisecond)
	d.is("states", d.states(), "pay:firing")
	if a := d.book.Alerts[0]; !a.ActiveSince.Equal(began) || !a.FiredAt.Equal(d.now) || a.Value != 500 || a.Threshold != 100 || a.Signal != signalOpen {
		t.Errorf("%+v", a)
	}
	d.set("pile", "pay", 3)
	d.pass(time.Minute)
	d.is("it keeps firing", d.states(), "pay:firing")
	if v := d.book.Alerts[0].Value; v != 3 {
		t.Errorf("the newest value is %v", v)
	}
	d.set("pile", "pay", 700)
	d.turn() // begins the two minutes anew
	d.set("pile", "pay", 3)
	d.pass(2*time.Minute - 15*time.Second)
	d.is("it keeps firing", d.states(), "pay:firing")
	d.pass(15 * time.Second)
	d.is("over and told", d.states(), "")
	d.is("events", d.happened(""), "pending dropped pending firing resolved")
	d.is("told", d.told("ops"), "first@590:+pay resolved@770:-pay")
}

func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		away time.Duration
		want string
	}{
		{"`for` goes on after less than an hour", 59 * time.Minute, "pay:firing"},
		{"and begins anew after an hour", time.Hour, "pay:pending"},
	} {
		d := newDesk(t, quick+"alerts:\n"+open+", for: 1h}\n")
		d.set("pile", "pay", 101)
		d.turn()
		d.pass(time.Minute)
		d.restart()
		d.now = d.now.Add(tt.away)
		d.turn()
		d.is(tt.name, d.states(), tt.want)
		d.pass(time.Hour)
		d.is(tt.name+": told once", d.told("ops"), fmt.Sprintf("first@%d:+pay", int(d.book.Alerts[0].FiredAt.Sub(noon).Seconds())))
	}
	d := newDesk(t, pile)
	d.set("pile", "pay", 101)
	d.turn()
	d.restart()
	d.now = d.now.Add(3 * time.Hour)
	d.turn()
	d.is("what fires goes on", d.happened(""), "firing")
	d.is("and is told once", d.told("ops"), "first@0:+pay")
}

func TestEditedRules(t *testing.T) {
	d := newDesk(t, pile)
	d.set("pile", "pay", 101)
	d.set("pile", "order", 150)
	d.turn()
	first := d.book.Alerts
	d.config = compiled(t, strings.ReplaceAll(strings.ReplaceAll(pile, "100", "120"), "[ops]", "[ops], severity: critical, labels: {team: a}"))
	d.version = 2
	d.turn()
	d.is("another threshold is the same alert", d.states(), "order:firing")
	if a := d.book.Alerts[0]; a.ID != first[0].ID && a.ID != first[1].ID || a.Severity != dlq.AlertCritical || a.Labels["team"] != "a" || a.Threshold != 120 || a.RuleVersion != 2 {
		t.Errorf("%+v", a)
	}
	d.is("told", d.told("ops"), "first@0:+pay+order resolved@0:+order-pay")
	d.config = compiled(t, quick+"alerts:\n"+open+", off: true}\n")
	d.turn()
	d.is("off", d.states(), "")
	d.is("events", d.happened(""), "firing firing resolved resolved/rule_off")
	d.config = compiled(t, pile)
	d.turn()
	d.config = compiled(t, quick)
	d.turn()
	d.is("taken out", d.states(), "")
	if got := d.happened(""); !strings.HasSuffix(got, "firing firing resolved/rule_removed resolved/rule_removed") {
		t.Errorf("events: %s", got)
	}
	d.config = compiled(t, quick+"alerts:\n"+open+", for: 5m}\n")
	d.turn()
	d.config = compiled(t, quick)
	d.turn()
	if got := d.happened(""); !strings.HasSuffix(got, "pending pending dropped/rule_removed dropped/rule_removed") || d.states() != "" {
		t.Errorf("events: %s, states %s", got, d.states())
	}
}

// What cannot be measured neither begins nor ends an alert.
func TestUnknownChangesNothing(t *testing.T) {
	d := newDesk(t, quick+"alerts:\n"+open+", for: 1m}\n")
	d.set("pile", "pay", 101)
	d.turn()
	d.pass(2 * time.Minute)
	d.set("pile", "order", 101)
	d.turn()
	delete(d.values, "pile")
	d.errs["pile"] = errors.New("the disk is slow")
	d.pass(10 * time.Minute)
	d.is("states", d.states(), "order:pending pay:firing")
	d.errs = map[string]error{}
	d.turn()
	d.is("states", d.states(), "")
	d.is("events", d.happened(""), "pending firing pending resolved dropped")
	d.is("told", d.told("ops"), "first@60:+pay resolved@720:-pay")
}

func TestCap(t *testing.T) {
	d := newDesk(t, pile)
	for i := range 5 {
		d.set("pile", fmt.Sprintf("old%d", i), 101)
	}
	d.turn()
	for i := range 300 {
		d.set("pile", fmt.Sprintf("g%03d", i), 1000+float64(i))
	}
	turn := d.ready()
	step, _ := turn.take()
	if left := turn.readings[0].left; left != 105 {
		t.Errorf("%d are left out", left)
	}
	d.book = after(d.book, &step)
	states := d.states()
	if n := len(d.book.Alerts); n != maxInstances || !strings.Contains(states, "old4:firing") || !strings.Contains(states, "g299:") || strings.Contains(states, "g000:") {
		t.Errorf("%d alerts: %s", n, states)
	}
}

func TestReturnedBeforeAnybodyWasTold(t *testing.T) {
	d := newDesk(t, "receivers: {ops: {type: webhook, url: env:U, interval: 1m}, two: {type: webhook, url: env:U, wait: 0s, interval: 0s}}\nalerts:\n- {name: pile, signal: open_letters, by: [consumer_group], above: 100, for: 1m, receivers: [ops, two]}\n")
	d.set("pile", "pay", 101)
	d.turn()
	d.pass(2 * time.Minute)
	d.set("pile", "pay", 1)
	d.turn()
	d.set("pile", "pay", 101)
	d.pass(time.Second)
	d.is("events", d.happened(""), "pending firing resolved firing/returned")
	d.is("to whom it goes on", d.told("ops"), "first@70:+pay")
	d.is("to whom it is another one", d.told("two"), "first@60:+pay resolved@120:-pay first@121:+pay")
	d.is("events", d.happened("ops"), "notified held_back/already_told")
	a := d.book.Alerts[0]
	if !a.ActiveSince.Equal(noon) || a.ResolvedAt != nil || a.State != dlq.AlertFiring {
		t.Errorf("%+v", a)
	}
	d.set("pile", "pay", 1)
	d.pass(2 * time.Minute)
	d.set("pile", "pay", 101)
	d.pass(time.Second)
	d.is("another firing waits for `for` again", d.states(), "pay:pending")
}
