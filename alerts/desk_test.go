package alerts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// compiled reads a rules file that must be good.
func compiled(t testing.TB, text string) *Config {
	t.Helper()
	root, found := yamlnode.Parse([]byte(text))
	if root == nil {
		t.Fatalf("%q is not read: %+v", text, found)
	}
	config, more := Compile(root, outside.From(environment))
	if all := append(found, more...); yamlnode.HasErrors(all) {
		t.Fatalf("%q has errors: %+v", text, all)
	}
	return config
}

// desk is the engine's world in a test: the book is kept as the store would, and what was written is remembered.
type desk struct {
	t        testing.TB
	now      time.Time
	book     dlq.AlertBook
	config   *Config
	version  int64
	values   map[string]map[string]float64 // rule to consumer group ("" for none) to value
	errs     map[string]error
	silences []dlq.Silence
	disabled map[string]string

	events     []dlq.AlertEvent
	deliveries []dlq.Delivery
	due        time.Time
}

func newDesk(t testing.TB, text string) *desk {
	return &desk{t: t, now: noon, config: compiled(t, text), version: 1, values: map[string]map[string]float64{}, errs: map[string]error{}, disabled: map[string]string{}}
}

// set says what a rule measures for a consumer group from now on.
func (d *desk) set(rule, group string, v float64) {
	if d.values[rule] == nil {
		d.values[rule] = map[string]float64{}
	}
	d.values[rule][group] = v
}

func (d *desk) ready() *turn {
	t := &turn{now: d.now, book: d.book, version: d.version, config: d.config, silences: d.silences, disabled: d.disabled,
		newID: func() string { return fmt.Sprintf("dlv_%d", len(d.deliveries)) }}
	for i := range d.config.rules {
		r := &d.config.rules[i]
		out := reading{err: d.errs[r.name]}
		for _, group := range sorted(d.values[r.name]) {
			if out.err != nil {
				break // nothing was measured
			}
			v := value{key: group, labels: map[string]string{}, value: d.values[r.name][group]}
			if slices.Contains(r.by, labelGroup) {
				v.labels[labelGroup] = group
			}
			out.values = append(out.values, v)
		}
		t.readings = append(t.readings, out)
	}
	return t
}

// turn takes one turn and keeps what it changed.
func (d *desk) turn() dlq.AlertStep {
	d.t.Helper()
	step, due := d.ready().take()
	d.book = after(d.book, &step)
	d.restart()
	d.events = append(d.events, step.Events...)
	d.deliveries = append(d.deliveries, step.Deliveries...)
	d.due = due
	return step
}

// restart is what a process that begins anew reads: the book as JSON holds it.
func (d *desk) restart() {
	d.t.Helper()
	text, err := json.Marshal(d.book)
	if err != nil {
		d.t.Fatal(err)
	}
	d.book = dlq.AlertBook{}
	if err := json.Unmarshal(text, &d.book); err != nil {
		d.t.Fatal(err)
	}
}

// pass lets time go by in turns of 15 seconds, and when something is due.
func (d *desk) pass(span time.Duration) {
	d.t.Helper()
	for end := d.now.Add(span); d.now.Before(end); {
		next := d.now.Add(15 * time.Second)
		if !d.due.IsZero() && d.due.After(d.now) && d.due.Before(next) {
			next = d.due
		}
		if next.After(end) {
			next = end
		}
		d.now = next
		d.turn()
	}
}

// told writes what a receiver was told since the test began, one message each: reason at seconds: +firing -resolved.
func (d *desk) told(receiver string) string {
	var out []string
	for _, x := range d.deliveries {
		if x.Receiver != receiver {
			continue
		}
		text := fmt.Sprintf("%s@%d:", x.Notification.Reason, int(x.CreatedAt.Sub(noon).Seconds()))
		for _, a := range x.Notification.Alerts {
			sign := "+"
			if a.State == dlq.AlertResolved {
				sign = "-"
			}
			text += sign + a.Labels[labelGroup]
		}
		if x.Notification.More > 0 {
			text += fmt.Sprintf("(%d more)", x.Notification.More)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// happened writes the events of one receiver, or with "" those of the alerts themselves: kind/detail.
func (d *desk) happened(receiver string) string {
	var out []string
	for _, e := range d.events {
		if e.Receiver != receiver {
			continue
		}
		text := string(e.Kind)
		if e.Detail != "" {
			text += "/" + e.Detail
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func (d *desk) states() string {
	var out []string
	for i := range d.book.Alerts {
		a := &d.book.Alerts[i]
		out = append(out, a.Labels[labelGroup]+":"+string(a.State))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// is checks one of the texts above.
func (d *desk) is(what, got, want string) {
	d.t.Helper()
	if got != want {
		d.t.Errorf("%s at %s:\n got %s\nwant %s", what, d.now.Sub(noon), got, want)
	}
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
