package alerts

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// files are the rules between which the property test changes.
func files(t *testing.T) []*Config {
	const receivers = "receivers: {hook: {type: webhook, url: env:U}, ding: {type: dingtalk, url: env:U, wait: 0s, interval: 20s, repeat: 30m}, am: {type: alertmanager, url: env:U}, mute: {type: slack, url: env:U, resolved: false}}\n"
	var out []*Config
	for _, text := range []string{
		receivers + "alerts:\n- {name: a, signal: open_letters, by: [consumer_group], above: 5, receivers: [hook, ding, am, mute]}\n- {name: b, signal: rules_refused, for: 2m, keep_firing_for: 1m, receivers: [hook, am]}\n",
		receivers + "alerts:\n- {name: a, signal: open_letters, by: [consumer_group], above: 7, for: 1m, keep_firing_for: 3m, severity: critical, receivers: [hook, mute]}\n- {name: b, signal: rules_refused, off: true, receivers: [hook]}\n",
		"receivers: {hook: {type: webhook, url: env:U, wait: 1m}, am: {type: wecom, url: env:U}}\nalerts:\n- {name: b, signal: rules_refused, receivers: [am, hook]}\n- {name: a, signal: open_letters, by: [consumer_group], above: 3, receivers: [am]}\n",
		"receivers: {am: {type: alertmanager, url: env:U}}\nalerts:\n- {name: a, signal: open_letters, by: [consumer_group], above: 5, keep_firing_for: 2m, receivers: [am]}\n",
		"version: 1\n",
	} {
		out = append(out, compiled(t, text))
	}
	return out
}

// listener is one receiver's own picture of the world, made of nothing but what it was told.
type listener struct {
	firing map[string]bool
	ended  map[string]int // how often the end was told since it last fired
	last   time.Time
}

// Whatever is measured, silenced, edited, and killed between two turns: nobody hears of an end before a beginning; every
// firing is notified, silenced or held back with a reason for each of its receivers; no message tells of what is silenced;
// one incident is one message; and what the book says a receiver knows is what it was told.
func TestProperties(t *testing.T) {
	configs := files(t)
	total := map[dlq.AlertEventKind]int{}
	for seed := range uint64(50) {
		w := &randomWorld{desk: newDesk(t, "version: 1\n"), r: rand.New(rand.NewPCG(seed, 7)), configs: configs,
			heard: map[string]*listener{}, owed: map[[2]string]bool{}}
		w.config = configs[0]
		for range 250 {
			w.shake()
			w.check(w.turnOrDie())
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		for _, e := range w.events {
			total[e.Kind]++
		}
	}
	for _, kind := range []dlq.AlertEventKind{dlq.AlertEventPending, dlq.AlertEventFiring, dlq.AlertEventResolved, dlq.AlertEventDropped, dlq.AlertEventNotified, dlq.AlertEventSilenced, dlq.AlertEventHeldBack} {
		if total[kind] < 150 {
			t.Errorf("only %d events %s: the test tests little", total[kind], kind)
		}
	}
}

type randomWorld struct {
	*desk
	r       *rand.Rand
	configs []*Config
	heard   map[string]*listener
	owed    map[[2]string]bool // alert and receiver that fired and whose receiver was neither told nor passed over
}

// shake changes something.
func (w *randomWorld) shake() {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(30)) * time.Second)
	switch w.r.IntN(40) {
	case 0:
		w.config = w.configs[w.r.IntN(len(w.configs))]
		w.version++
	case 1:
		w.now = w.now.Add(time.Duration(w.r.IntN(120)) * time.Minute) // nobody looked
	case 2:
		w.silences = append(w.silences, dlq.Silence{ID: fmt.Sprintf("sil_%d", len(w.silences)), StartsAt: w.now,
			EndsAt:   w.now.Add(time.Duration(w.r.IntN(1200)) * time.Second),
			Matchers: []map[string][]string{{"rule": {"a"}}, {"rule": {"b"}}, {"consumer_group": {"g1", "g2"}}, {"severity": {"critical", "warning"}}}[w.r.IntN(4)]})
	case 3:
		if n := len(w.silences); n > 0 {
			w.silences[w.r.IntN(n)].EndsAt = w.now
		}
	case 4:
		name := []string{"hook", "ding", "am", "mute"}[w.r.IntN(4)]
		if w.disabled[name] == "" {
			w.disabled[name] = "not set"
		} else {
			delete(w.disabled, name)
		}
	case 5:
		name := []string{"a", "b"}[w.r.IntN(2)]
		if w.errs[name] == nil {
			w.errs[name] = errors.New("unknown")
		} else {
			delete(w.errs, name)
		}
	}
	for i := range 4 {
		if group := fmt.Sprintf("g%d", i); w.r.IntN(4) == 0 {
			w.set("a", group, float64(w.r.IntN(10)))
		}
	}
	if w.r.IntN(4) == 0 {
		w.set("b", "", float64(w.r.IntN(2)))
	}
}

// turnOrDie takes a turn; in one of ten the process dies before it is stored, and all that it did is lost.
func (w *randomWorld) turnOrDie() dlq.AlertStep {
	if w.r.IntN(10) == 0 {
		w.ready().take()
		w.restart()
		return dlq.AlertStep{}
	}
	return w.turn()
}

func (w *randomWorld) check(step dlq.AlertStep) {
	if step.At.IsZero() {
		return // what was shaken counts from the next turn on
	}
	w.checkAlerts(step)
	for i := range step.Deliveries {
		w.hear(&step.Deliveries[i])
	}
	told := map[string]bool{}
	for _, d := range step.Deliveries {
		told[d.ID+d.Receiver] = true
	}
	book := map[string]*dlq.Alert{}
	for _, a := range slices.Concat(step.Alerts, w.book.Alerts) {
		book[a.ID] = &a
	}
	for _, e := range step.Events {
		key := [2]string{e.AlertID, e.Receiver}
		switch e.Kind {
		case dlq.AlertEventFiring:
			for _, name := range book[e.AlertID].Receivers {
				w.owed[[2]string{e.AlertID, name}] = true
			}
			continue
		case dlq.AlertEventNotified:
			if !told[e.DeliveryID+e.Receiver] {
				w.t.Errorf("%+v names a delivery that is not there", e)
			}
		case dlq.AlertEventSilenced:
			if !slices.ContainsFunc(w.silences, func(s dlq.Silence) bool { return s.ID == e.SilenceID }) {
				w.t.Errorf("%+v names no silence", e)
			}
		case dlq.AlertEventHeldBack:
			if e.Detail == "" {
				w.t.Errorf("%+v gives no reason", e)
			}
		default:
			continue
		}
		delete(w.owed, key)
	}
	w.checkBook()
}

// checkAlerts holds each alert to its rule.
func (w *randomWorld) checkAlerts(step dlq.AlertStep) {
	for i := range step.Alerts {
		a := &step.Alerts[i]
		switch {
		case a.State == dlq.AlertFiring && (a.FiredAt == nil || a.FiredAt.Before(a.ActiveSince) || a.ResolvedAt != nil),
			a.State == dlq.AlertResolved && (a.FiredAt == nil || a.ResolvedAt == nil || a.ResolvedAt.Before(*a.FiredAt)),
			a.State == dlq.AlertPending && (a.FiredAt != nil || a.ResolvedAt != nil):
			w.t.Errorf("%+v", a)
		}
	}
	for i := range w.config.rules {
		r := &w.config.rules[i]
		for group, v := range w.values[r.name] {
			labels := map[string]string{}
			if len(r.by) > 0 {
				labels[labelGroup] = group
			}
			id := instance(r.name, labels)
			at := slices.IndexFunc(w.book.Alerts, func(a dlq.Alert) bool { return a.ID == id && a.State != dlq.AlertResolved })
			if holds := !r.off && r.holds(v); w.errs[r.name] == nil && holds != (at >= 0) && (holds || at >= 0 && w.now.Sub(w.book.Alerts[at].HeldAt) >= r.keep) {
				w.t.Errorf("%s of %s is %v, and there is an alert: %v", r.name, group, v, at >= 0)
			}
		}
	}
}

// hear is a receiver that reads a message.
func (w *randomWorld) hear(d *dlq.Delivery) {
	l := w.heard[d.Receiver]
	if l == nil {
		l = &listener{firing: map[string]bool{}, ended: map[string]int{}}
		w.heard[d.Receiver] = l
	}
	r := w.config.receiver(d.Receiver)
	if r == nil || w.disabled[d.Receiver] != "" || d.Type != r.typ {
		w.t.Fatalf("%s is told, and cannot be", d.Receiver)
	}
	if !l.last.IsZero() && w.now.Sub(l.last) < r.interval {
		w.t.Errorf("%s is told twice within %s", d.Receiver, w.now.Sub(l.last))
	}
	l.last = w.now
	if len(d.Notification.Alerts) == 0 {
		w.t.Errorf("%s is told nothing", d.Receiver)
	}
	seen := map[string]bool{}
	for _, a := range d.Notification.Alerts {
		switch {
		case seen[a.ID]:
			w.t.Errorf("%s is told twice of %s", d.Receiver, a.ID)
		case slices.ContainsFunc(w.silences, func(s dlq.Silence) bool { return s.Matches(&a, w.now) }) && (a.State == dlq.AlertFiring || l.ended[a.ID] == 0):
			w.t.Errorf("%s is told of %s, which is silenced", d.Receiver, a.ID)
		case a.State == dlq.AlertResolved && !l.firing[a.ID] && (!r.pushed() || l.ended[a.ID] != 1):
			w.t.Errorf("%s is told the end of %s, and was not told that it fires (told %d times)", d.Receiver, a.ID, l.ended[a.ID])
		case a.State == dlq.AlertPending:
			w.t.Errorf("%s is told of a pending alert", d.Receiver)
		}
		seen[a.ID] = true
		if a.State == dlq.AlertFiring {
			l.firing[a.ID], l.ended[a.ID] = true, 0
		} else {
			delete(l.firing, a.ID)
			l.ended[a.ID]++
		}
	}
}

// checkBook compares what the book says that receivers know with what they were told, and looks for what was forgotten.
func (w *randomWorld) checkBook() {
	groups := map[string]dlq.AlertGroup{}
	for _, g := range w.book.Groups {
		groups[g.Receiver] = g
		for id, state := range g.Told {
			l := w.heard[g.Receiver]
			if l == nil || state == dlq.AlertFiring && !l.firing[id] || state == dlq.AlertResolved && l.ended[id] != 1 {
				w.t.Errorf("the book says that %s knows %s as %s", g.Receiver, id, state)
			}
			if !slices.ContainsFunc(w.book.Alerts, func(a dlq.Alert) bool { return a.ID == id }) {
				w.t.Errorf("%s is to be told of %s, which is gone", g.Receiver, id)
			}
		}
	}
	for key := range w.owed {
		if _, waits := groups[key[1]].Waiting[key[0]]; !waits {
			w.t.Errorf("%s fired, and %s was forgotten", key[0], key[1])
		}
	}
	for i := range w.book.Alerts {
		a := &w.book.Alerts[i]
		if a.State != dlq.AlertFiring || a.SilenceID != "" {
			continue
		}
		for _, name := range a.Receivers {
			_, waits := groups[name].Waiting[a.ID]
			if w.config.receiver(name) != nil && w.disabled[name] == "" && !waits && groups[name].Told[a.ID] != dlq.AlertFiring {
				w.t.Errorf("%s fires, and %s does not hear of it", a.ID, name)
			}
		}
	}
	if got := len(slices.Collect(maps.Keys(groups))); got != len(w.book.Groups) {
		w.t.Errorf("%d groups of %d receivers", len(w.book.Groups), got)
	}
}
