package alerts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

const (
	// outage is how long nobody may have looked before a pending alert begins anew.
	outage = time.Hour
	// maxTold is how many alerts one message tells of. What is news beyond it waits for the next.
	maxTold = 400
)

// Codes that say in an AlertEvent why something happened, or did not.
const (
	DetailRuleRemoved        = "rule_removed"         // the rule is no longer in the file
	DetailRuleOff            = "rule_off"             // the rule says `off: true`
	DetailReturned           = "returned"             // the condition holds again before anybody was told that it was over
	DetailAlreadyTold        = "already_told"         // the receiver still takes the alert to be firing
	DetailResolvedBeforeTold = "resolved_before_told" // it was over before its first message was due
	DetailReceiverMissing    = "receiver_missing"     // the receiver is no longer in the file
	DetailReceiverRemoved    = "receiver_removed"     // the rule no longer names the receiver
	DetailReceiverDisabled   = "receiver_disabled"    // its address or secret is not set
	DetailRepeat             = "repeat"               // told again, since it still fires
)

// reading is what one rule measured, or why it could not.
type reading struct {
	values []value
	err    error
	left   int // of these that hold, how many are one too many; set by take
}

// problem says why the rule is not looked at, or not at all of it; the error is safe to show.
func (r *reading) problem() error {
	if r.err == nil && r.left > 0 {
		return dlq.Errorf(dlq.CodeTooLarge, "%d instances are over the threshold, and only %d are watched: choose fewer labels for by, or some values by where", r.left+maxInstances, maxInstances)
	}
	return r.err
}

// turn is one evaluation: everything that it depends on. Its step is a pure function of it.
type turn struct {
	now      time.Time
	book     dlq.AlertBook
	version  int64
	config   *Config
	readings []reading         // of the config's rules, in their order
	silences []dlq.Silence     // those in force are chosen by now
	disabled map[string]string // receiver to why it cannot be told anything
	newID    func() string     // of deliveries

	alerts map[string]*dlq.Alert // by id, as they become
	before map[string]*dlq.Alert // by id, as they were
	fired  map[string]bool       // ids of those that fire since this turn
	back   map[string]bool       // of these, those that were resolved and nobody had been told
	anew   bool                  // the last look is too long ago
	next   time.Time             // when something is due without any news; zero for never
	step   dlq.AlertStep
}

// take makes the turn and returns what it changed, and when the next is due at the latest; zero for no hurry.
func (t *turn) take() (dlq.AlertStep, time.Time) {
	t.step.At = t.now
	t.alerts, t.before = map[string]*dlq.Alert{}, map[string]*dlq.Alert{}
	t.fired, t.back = map[string]bool{}, map[string]bool{}
	for i := range t.book.Alerts {
		was, is := t.book.Alerts[i], t.book.Alerts[i]
		t.before[was.ID], t.alerts[was.ID] = &was, &is
	}
	t.anew = t.book.EvaluatedAt != nil && t.now.Sub(*t.book.EvaluatedAt) >= outage
	t.judge()
	t.silence()
	for _, name := range t.receivers() {
		t.tell(name)
	}
	t.close()
	return t.step, t.next
}

// judge moves every alert by what its rule measured.
func (t *turn) judge() {
	kept := map[string]bool{} // alerts that are done with
	now := map[string]float64{}
	rules := map[string]*rule{}
	for i := range t.config.rules {
		r := &t.config.rules[i]
		rules[r.name] = r
		if r.off {
			continue
		}
		if t.readings[i].err != nil {
			for id, a := range t.alerts {
				kept[id] = kept[id] || a.Rule == r.name
			}
			continue
		}
		holding, left := t.holding(r, t.readings[i].values)
		t.readings[i].left = left
		for _, v := range holding {
			id := instance(r.name, v.labels)
			kept[id] = true
			t.hold(r, id, v)
		}
		for _, v := range t.readings[i].values {
			now[instance(r.name, v.labels)] = v.value
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.alerts)) {
		a := t.alerts[id]
		if kept[id] || a.State == dlq.AlertResolved {
			continue
		}
		if v, ok := now[id]; ok {
			a.Value = v
		}
		switch r := rules[a.Rule]; {
		case r == nil:
			t.end(a, DetailRuleRemoved)
		case r.off:
			t.end(a, DetailRuleOff)
		case a.State == dlq.AlertPending || t.now.Sub(a.HeldAt) >= r.keep:
			t.end(a, "")
		}
	}
}

// holding chooses the values that are worth an alert, at most maxInstances of them: those that are one already, then the
// worst. left is how many are left out.
func (t *turn) holding(r *rule, values []value) (holding []value, left int) {
	for _, v := range values {
		if r.holds(v.value) {
			holding = append(holding, v)
		}
	}
	if len(holding) <= maxInstances {
		return holding, 0
	}
	active := func(v value) int {
		if a := t.alerts[instance(r.name, v.labels)]; a != nil && a.State != dlq.AlertResolved {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(holding, func(a, b value) int {
		worse := cmp.Compare(b.value, a.value)
		if r.signal.below {
			worse = -worse
		}
		return cmp.Or(cmp.Compare(active(a), active(b)), worse)
	})
	return holding[:maxInstances], len(holding) - maxInstances
}

// instance is the id of a rule's alert for these labels of `by`.
func instance(rule string, labels map[string]string) string {
	h := sha256.New()
	add := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	add(rule)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		add(name)
		add(labels[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// hold is for an instance whose condition holds now.
func (t *turn) hold(r *rule, id string, v value) {
	a := t.alerts[id]
	switch {
	case a == nil || a.State == dlq.AlertResolved && !t.untold(id):
		a = &dlq.Alert{ID: id, State: dlq.AlertPending, ActiveSince: t.now}
		t.alerts[id] = a
		t.describe(r, a, v)
		if r.hold > 0 {
			t.event(a, dlq.AlertEventPending, "")
		}
	case a.State == dlq.AlertResolved:
		// Somebody still takes it to be firing: it is one incident that goes on.
		a.State, a.ResolvedAt = dlq.AlertFiring, nil
		t.describe(r, a, v)
		t.fired[id], t.back[id] = true, true
		t.event(a, dlq.AlertEventFiring, DetailReturned)
	default:
		t.describe(r, a, v)
		if t.anew && a.State == dlq.AlertPending {
			a.ActiveSince = t.now
		}
	}
	a.HeldAt = t.now
	if a.State == dlq.AlertPending && t.now.Sub(a.ActiveSince) >= r.hold {
		at := t.now
		a.State, a.FiredAt = dlq.AlertFiring, &at
		t.fired[id] = true
		t.event(a, dlq.AlertEventFiring, "")
	} else if a.State == dlq.AlertPending {
		t.due(a.ActiveSince.Add(r.hold))
	}
}

// describe writes what the rule and the newest value say into the alert.
func (t *turn) describe(r *rule, a *dlq.Alert, v value) {
	a.Rule, a.Signal, a.Severity, a.RuleVersion = r.name, r.signal.name, r.severity, t.version
	a.Unit, a.Below, a.Threshold, a.Value, a.Reasons = r.signal.unit, r.signal.below, r.threshold, v.value, v.reasons
	a.Annotations, a.Receivers, a.Where = r.annotations, r.receivers, r.where
	a.Labels = maps.Clone(v.labels)
	maps.Copy(a.Labels, r.labels)
}

// untold reports whether a receiver takes a resolved alert to be firing still.
func (t *turn) untold(id string) bool {
	return slices.ContainsFunc(t.book.Groups, func(g dlq.AlertGroup) bool { return g.Told[id] == dlq.AlertFiring })
}

// end is for an alert whose condition holds no longer.
func (t *turn) end(a *dlq.Alert, why string) {
	if a.State == dlq.AlertPending {
		t.event(a, dlq.AlertEventDropped, why)
		t.step.Gone = append(t.step.Gone, a.ID)
		delete(t.alerts, a.ID)
		return
	}
	at := t.now
	a.State, a.ResolvedAt = dlq.AlertResolved, &at
	t.event(a, dlq.AlertEventResolved, why)
}

// silence finds the silence that holds each alert back; of several, the one that ends last.
func (t *turn) silence() {
	for _, a := range t.alerts {
		a.SilenceID = ""
		var ends time.Time
		for i := range t.silences {
			if s := &t.silences[i]; s.Matches(a, t.now) && s.EndsAt.After(ends) {
				a.SilenceID, ends = s.ID, s.EndsAt
			}
		}
		if a.SilenceID != "" {
			t.due(ends)
		}
	}
}

// receivers are all that are or were told something, those in the file first.
func (t *turn) receivers() []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, r := range t.config.receivers {
		add(r.name)
	}
	for i := range t.book.Groups {
		add(t.book.Groups[i].Receiver)
	}
	for _, id := range slices.Sorted(maps.Keys(t.alerts)) {
		for _, name := range t.alerts[id].Receivers {
			add(name)
		}
	}
	return out
}

// close collects what changed.
func (t *turn) close() {
	groups := map[string]dlq.AlertGroup{}
	for _, g := range t.book.Groups {
		groups[g.Receiver] = g
	}
	for _, g := range t.step.Groups {
		groups[g.Receiver] = g
	}
	for _, id := range slices.Sorted(maps.Keys(t.alerts)) {
		a := t.alerts[id]
		if was := t.before[id]; was == nil || !reflect.DeepEqual(was, a) {
			t.step.Alerts = append(t.step.Alerts, *a)
		}
		if a.State != dlq.AlertResolved {
			continue
		}
		owed := false
		for _, g := range groups {
			_, told := g.Told[id]
			owed = owed || told
		}
		if !owed {
			t.step.Gone = append(t.step.Gone, id)
		}
	}
}

func (t *turn) event(a *dlq.Alert, kind dlq.AlertEventKind, detail string) {
	t.step.Events = append(t.step.Events, dlq.AlertEvent{AlertID: a.ID, Rule: a.Rule, Kind: kind, At: t.now, Value: a.Value, Detail: detail})
}

// due asks for a turn at an instant at the latest.
func (t *turn) due(at time.Time) {
	if t.next.IsZero() || at.Before(t.next) {
		t.next = at
	}
}

// after returns the book as it is once a step was stored.
func after(book dlq.AlertBook, step *dlq.AlertStep) dlq.AlertBook {
	at := step.At
	out := dlq.AlertBook{EvaluatedAt: &at}
	changed, groups := map[string]bool{}, map[string]bool{}
	for _, a := range step.Alerts {
		changed[a.ID] = true
	}
	for _, g := range step.Groups {
		groups[g.Receiver] = true
	}
	for _, a := range slices.Concat(slices.DeleteFunc(slices.Clone(book.Alerts), func(a dlq.Alert) bool { return changed[a.ID] }), step.Alerts) {
		if !slices.Contains(step.Gone, a.ID) {
			out.Alerts = append(out.Alerts, a)
		}
	}
	out.Groups = slices.Concat(slices.DeleteFunc(slices.Clone(book.Groups), func(g dlq.AlertGroup) bool { return groups[g.Receiver] }), step.Groups)
	out.Groups = slices.DeleteFunc(out.Groups, func(g dlq.AlertGroup) bool { return len(g.Told)+len(g.Waiting) == 0 && g.SentAt == nil })
	return out
}
