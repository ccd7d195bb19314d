package alerts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

const rulesOf = "alerts:\n- {name: pile, signal: open_letters, by: [consumer_group], above: 100, receivers: [%s]}\n"

func deskOf(t *testing.T, receiver string) *desk {
	return newDesk(t, "receivers: {ops: "+receiver+"}\n"+fmt.Sprintf(rulesOf, "ops"))
}

func TestOneIncidentIsOneMessage(t *testing.T) {
	d := deskOf(t, "{type: webhook, url: env:U}") // wait 10s, interval 1m, repeat 4h
	d.set("pile", "a", 101)
	d.turn()
	d.now = d.now.Add(5 * time.Second)
	d.set("pile", "b", 101)
	d.turn()
	d.pass(10 * time.Second)
	d.set("pile", "c", 101)
	d.pass(20 * time.Second)
	d.set("pile", "d", 101)
	d.set("pile", "a", 1)
	d.pass(4*time.Hour + 3*time.Minute)
	d.set("pile", "b", 1)
	d.set("pile", "c", 1)
	d.set("pile", "d", 1)
	d.pass(5 * time.Minute)
	d.is("told", d.told("ops"), "first@10:+a+b new@70:+b+c+d-a repeat@14470:+b+c+d resolved@14640:-b-c-d")
	d.is("events", d.happened("ops"), "notified notified notified notified notified notified/repeat notified/repeat notified/repeat notified notified notified")
	for _, e := range d.events {
		if e.Kind == dlq.AlertEventNotified && e.DeliveryID == "" {
			t.Errorf("%+v names no delivery", e)
		}
	}
	if g := d.book.Groups[0]; len(g.Told)+len(g.Waiting) != 0 || len(d.book.Alerts) != 0 {
		t.Errorf("left behind: %+v, %+v", g, d.book.Alerts)
	}
}

func TestResolvedBeforeTold(t *testing.T) {
	d := deskOf(t, "{type: webhook, url: env:U}")
	d.set("pile", "a", 101)
	d.turn()
	d.now = d.now.Add(5 * time.Second)
	d.set("pile", "a", 1)
	d.pass(time.Minute)
	d.is("told", d.told("ops"), "")
	d.is("events", d.happened("ops"), "held_back/resolved_before_told")
	d.is("states", d.states(), "")
}

func TestResolvedIsNotWanted(t *testing.T) {
	d := deskOf(t, "{type: webhook, url: env:U, resolved: false, wait: 0s, interval: 0s, repeat: 0s}")
	d.set("pile", "a", 101)
	d.turn()
	d.pass(24 * time.Hour)
	d.set("pile", "a", 1)
	d.pass(time.Minute)
	d.set("pile", "a", 101)
	d.pass(time.Minute)
	d.is("told", d.told("ops"), "first@0:+a first@86475:+a")
}

func TestSilences(t *testing.T) {
	d := deskOf(t, "{type: webhook, url: env:U, wait: 10s, interval: 0s, repeat: 5m}")
	silence := func(id string, from, to time.Duration, group string) {
		d.silences = append(d.silences, dlq.Silence{ID: id, Matchers: map[string][]string{"consumer_group": {group}}, StartsAt: noon.Add(from), EndsAt: noon.Add(to)})
	}
	silence("sil_1", 0, time.Hour, "a")
	silence("sil_2", 0, 2*time.Hour, "a")
	d.set("pile", "a", 101)
	d.turn()
	d.pass(30 * time.Minute)
	d.is("silenced from the start", d.told("ops"), "")
	d.is("events", d.happened("ops"), "silenced")
	if a := d.book.Alerts[0]; a.SilenceID != "sil_2" || a.State != dlq.AlertFiring || d.events[1].SilenceID != "sil_2" {
		t.Errorf("%+v, %+v", a, d.events[1])
	}
	d.pass(2*time.Hour - 30*time.Minute)
	d.pass(15 * time.Second)
	d.is("told when the silence ends", d.told("ops"), "first@7210:+a")

	silence("sil_3", 2*time.Hour+time.Minute, 3*time.Hour, "a")
	d.set("pile", "b", 101)
	d.pass(20 * time.Minute)
	last := d.deliveries[len(d.deliveries)-1].Notification
	if last.Reason != dlq.NotifyRepeat || len(last.Alerts) != 1 || last.Alerts[0].Labels["consumer_group"] != "b" {
		t.Errorf("a silenced alert is repeated: %+v", last)
	}
	n := len(d.deliveries)
	d.set("pile", "a", 1)
	d.set("pile", "b", 1)
	d.pass(time.Minute)
	if got := d.deliveries[n:]; len(got) != 1 || len(got[0].Notification.Alerts) != 1 || got[0].Notification.Alerts[0].Labels["consumer_group"] != "b" {
		t.Errorf("the end of a silenced alert is told: %+v", got)
	}
	d.is("the newest events", d.happened("ops")[strings.LastIndex(d.happened("ops"), "repeat"):], "repeat silenced notified")

	// It fires, and a silence begins before the news is due.
	d.set("pile", "c", 101)
	d.turn()
	silence("sil_4", d.now.Sub(noon)+time.Second, d.now.Sub(noon)+time.Hour, "c")
	n = len(d.deliveries)
	d.pass(time.Minute)
	if len(d.deliveries) != n {
		t.Errorf("told: %+v", d.deliveries[n:])
	}
	if e := d.events[len(d.events)-1]; e.Kind != dlq.AlertEventSilenced || e.SilenceID != "sil_4" {
		t.Errorf("%+v", e)
	}
}

func TestReceiversThatCannotBeTold(t *testing.T) {
	two := "receivers: {ops: {type: slack, url: env:U, wait: 0s}, two: {type: slack, url: env:U, wait: 0s}}\n"
	d := newDesk(t, two+fmt.Sprintf(rulesOf, "ops, two"))
	d.disabled["two"] = "the variable U is not set"
	d.set("pile", "a", 101)
	d.turn()
	d.pass(5 * time.Minute)
	d.is("events", d.happened("two"), "held_back/receiver_disabled")
	d.is("told", d.told("two"), "")
	delete(d.disabled, "two")
	d.turn()
	d.is("told once it can be", d.told("two"), "first@300:+a")

	d.config = compiled(t, two+fmt.Sprintf(rulesOf, "two"))
	d.turn()
	d.set("pile", "a", 1)
	d.pass(time.Minute)
	d.is("the rule no longer names it", d.told("ops"), "first@0:+a")
	d.is("told", d.told("two"), "first@300:+a resolved@360:-a")

	// News waits, and the receiver leaves the file.
	d.config = compiled(t, strings.ReplaceAll(two, "wait: 0s", "wait: 1h")+fmt.Sprintf(rulesOf, "ops, two"))
	d.set("pile", "b", 101)
	d.turn()
	d.config = compiled(t, strings.ReplaceAll(two, "wait: 0s", "wait: 1h")+fmt.Sprintf(rulesOf, "two"))
	d.turn()
	d.is("events", d.happened("ops"), "notified held_back/receiver_removed")
	d.config = compiled(t, "receivers: {other: {type: slack, url: env:U}}\n")
	d.turn()
	d.is("events", d.happened("two"), "held_back/receiver_disabled notified notified held_back/resolved_before_told")
	if len(d.book.Groups) != 0 || len(d.book.Alerts) != 0 {
		t.Errorf("left behind: %+v", d.book)
	}
	if msg := d.disabledText(); msg != "" {
		t.Error(msg)
	}
}

// disabledText finds alerts that were told to a receiver that could not be told.
func (d *desk) disabledText() string {
	for _, x := range d.deliveries {
		if d.disabled[x.Receiver] != "" {
			return "told " + x.Receiver
		}
	}
	return ""
}

// Alertmanager keeps the state itself: it is told at once, again every minute, and of the end twice.
func TestAlertmanager(t *testing.T) {
	d := deskOf(t, "{type: alertmanager, url: env:U}")
	d.set("pile", "a", 101)
	d.turn()
	d.pass(90 * time.Second)
	d.set("pile", "b", 101)
	d.pass(75 * time.Second)
	d.set("pile", "a", 1)
	d.pass(3 * time.Minute)
	d.set("pile", "b", 1)
	d.pass(5 * time.Minute)
	d.is("told", d.told("ops"), "first@0:+a repeat@60:+a new@105:+a+b repeat@165:+a+b resolved@180:+b-a repeat@240:+b-a repeat@300:+b resolved@360:-b repeat@420:-b")
	d.is("events", d.happened("ops"), "notified notified notified notified")
	if len(d.book.Alerts) != 0 || len(d.book.Groups[0].Told) != 0 {
		t.Errorf("left behind: %+v", d.book)
	}
	d.set("pile", "a", 101)
	d.pass(15 * time.Second)
	d.silences = []dlq.Silence{{ID: "sil_1", Matchers: map[string][]string{"rule": {"pile"}}, StartsAt: noon, EndsAt: noon.Add(24 * time.Hour)}}
	n := len(d.deliveries)
	d.pass(10 * time.Minute)
	if len(d.deliveries) != n {
		t.Errorf("a silenced alert is pushed: %s", d.told("ops"))
	}
	d.silences = nil
	d.pass(15 * time.Second)
	if len(d.deliveries) != n+1 {
		t.Errorf("it is not pushed once the silence is over: %s", d.told("ops"))
	}

	// It ends, and before that is said again the receiver becomes another type: nothing is left behind.
	d.set("pile", "a", 1)
	d.pass(15 * time.Second)
	d.config = compiled(t, "receivers: {ops: {type: slack, url: env:U}}\n"+fmt.Sprintf(rulesOf, "ops"))
	d.turn()
	if len(d.book.Alerts) != 0 || len(d.book.Groups[0].Told) != 0 {
		t.Errorf("left behind: %+v", d.book)
	}
}

// A message tells of 400 alerts at most. What is news beyond it is told by the next; what was told already is counted.
func TestManyAlerts(t *testing.T) {
	text := "receivers: {ops: {type: webhook, url: env:U, wait: 0s, repeat: 1h}, am: {type: alertmanager, url: env:U}}\nalerts:\n"
	for i := range 5 {
		text += fmt.Sprintf("- {name: pile%d, signal: open_letters, by: [consumer_group], above: 100, receivers: [ops, am]}\n", i)
	}
	d := newDesk(t, text)
	for rule := range 5 {
		for i := range 180 {
			d.set(fmt.Sprintf("pile%d", rule), fmt.Sprintf("g%03d", i), 101)
		}
	}
	d.turn()
	d.pass(59 * time.Second)
	told := map[string]int{}
	for i, want := range []struct {
		alerts, more int
		receiver     string
	}{{400, 0, "ops"}, {400, 0, "am"}, {400, 0, "am"}, {100, 0, "am"}} {
		x := d.deliveries[i]
		if x.Receiver != want.receiver || len(x.Notification.Alerts) != want.alerts || x.Notification.More != want.more {
			t.Errorf("message %d: %s gets %d alerts and %d more", i, x.Receiver, len(x.Notification.Alerts), x.Notification.More)
		}
		for _, a := range x.Notification.Alerts {
			told[x.Receiver+a.ID]++
		}
	}
	d.pass(3 * time.Minute)
	var more []int
	for _, x := range d.deliveries[4:] {
		if x.Receiver == "ops" {
			more = append(more, x.Notification.More)
			for _, a := range x.Notification.Alerts {
				told["ops"+a.ID]++
			}
		}
	}
	if fmt.Sprint(more) != "[400 500]" {
		t.Errorf("left out: %v", more)
	}
	if len(told) != 1800 {
		t.Errorf("%d alerts were told", len(told))
	}
}
