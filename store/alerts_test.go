package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// alertOf makes an alert whose condition holds since an instant.
func alertOf(id string, state dlq.AlertState, since time.Time) dlq.Alert {
	a := dlq.Alert{
		ID: id, Rule: "rule of " + id, Signal: "open_letters", State: state, Severity: dlq.AlertWarning, Labels: map[string]string{"consumer_group": "pay"},
		Annotations: map[string]string{"summary": "积压"}, Receivers: []string{"ops"}, Unit: dlq.UnitCount, Value: 12.5, Threshold: 10, ActiveSince: since, HeldAt: since, RuleVersion: 3,
		Reasons: []dlq.Facet{{Value: "network_timeout", Count: 7}},
	}
	if state != dlq.AlertPending {
		at := since.Add(time.Minute)
		a.FiredAt = &at
	}
	if state == dlq.AlertResolved {
		at := since.Add(2 * time.Minute)
		a.ResolvedAt = &at
	}
	return a
}

func saveAlerts(t testing.TB, s *Store, step dlq.AlertStep) {
	t.Helper()
	if err := s.SaveAlerts(context.Background(), step); err != nil {
		t.Fatal(err)
	}
}

func book(t testing.TB, s *Store) dlq.AlertBook {
	t.Helper()
	b, err := s.AlertBook(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func history(t testing.TB, s *Store) []dlq.Alert {
	t.Helper()
	list, err := s.AlertHistory(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Random steps lead to the book that they say, over restarts, with every alert that fired in the history and every event
// in order.
func TestAlertBook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	c := newClock()
	s := open(t, Options{Path: path, Now: c.now})
	if b := book(t, s); b.EvaluatedAt != nil || b.Alerts != nil || b.Groups != nil || len(history(t, s)) != 0 {
		t.Errorf("a new file has %+v", b)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	alerts, groups := map[string]dlq.Alert{}, map[string]dlq.AlertGroup{}
	ended := map[string]dlq.Alert{} // by id and beginning
	var events []dlq.AlertEvent
	for n := range 300 {
		c.add(time.Second)
		at := c.now()
		step := dlq.AlertStep{At: at}
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			have, ok := alerts[id]
			switch {
			case rnd.IntN(3) > 0:
				continue
			case !ok || have.State == dlq.AlertResolved: // begins, perhaps again while its last end has still to be told
				step.Alerts = append(step.Alerts, alertOf(id, dlq.AlertPending, at))
				if ok && rnd.IntN(2) == 0 {
					step.Gone = append(step.Gone, id)
				}
			case have.State == dlq.AlertPending && rnd.IntN(3) == 0:
				step.Gone = append(step.Gone, id)
			case have.State == dlq.AlertPending:
				step.Alerts = append(step.Alerts, alertOf(id, dlq.AlertFiring, have.ActiveSince))
			default:
				step.Alerts = append(step.Alerts, alertOf(id, dlq.AlertResolved, have.ActiveSince))
				if rnd.IntN(2) == 0 { // nobody is to be told
					step.Gone = append(step.Gone, id)
				}
			}
			step.Events = append(step.Events, dlq.AlertEvent{AlertID: id, Rule: "r", Kind: dlq.AlertEventFiring, At: at, Value: float64(n), Receiver: "ops", DeliveryID: "dlv", SilenceID: "sil", Detail: "x"})
		}
		for id, a := range alerts {
			if a.State == dlq.AlertResolved && rnd.IntN(4) == 0 && !slices.ContainsFunc(step.Alerts, func(x dlq.Alert) bool { return x.ID == id }) {
				step.Gone = append(step.Gone, id)
			}
		}
		if rnd.IntN(4) == 0 {
			g := dlq.AlertGroup{Receiver: fmt.Sprint("r", rnd.IntN(3)), Told: map[string]dlq.AlertState{}}
			if rnd.IntN(3) > 0 {
				g.Told["a"], g.Waiting, g.SentAt = dlq.AlertFiring, map[string]time.Time{"b": at}, &at
			}
			step.Groups = append(step.Groups, g)
		}
		saveAlerts(t, s, step)
		began := map[string]bool{}
		for _, a := range step.Alerts {
			alerts[a.ID], began[a.ID] = a, a.State != dlq.AlertResolved
			if a.State == dlq.AlertResolved {
				ended[a.ID+a.ActiveSince.String()] = a
			}
		}
		for _, id := range step.Gone {
			if !began[id] {
				delete(alerts, id)
			}
		}
		for _, g := range step.Groups {
			if groups[g.Receiver] = g; g.SentAt == nil {
				delete(groups, g.Receiver)
			}
		}
		events = append(events, step.Events...)
		if n%60 == 59 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, Options{Path: path, Now: c.now})
		}
		if n%10 != 9 {
			continue
		}
		want := dlq.AlertBook{EvaluatedAt: &at}
		for _, id := range slices.Sorted(maps.Keys(alerts)) {
			want.Alerts = append(want.Alerts, alerts[id])
		}
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			want.Groups = append(want.Groups, groups[name])
		}
		if diff := cmp.Diff(want, book(t, s)); diff != "" {
			t.Fatalf("after step %d (-want +got):\n%s", n, diff)
		}
	}
	list, err := s.AlertHistory(t.Context(), 500)
	if err != nil || len(list) != len(ended) || len(list) < 50 {
		t.Fatalf("%d alerts in the history, want %d, %v", len(list), len(ended), err)
	}
	for i, a := range list {
		if diff := cmp.Diff(ended[a.ID+a.ActiveSince.String()], a); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if i > 0 && a.ResolvedAt.After(*list[i-1].ResolvedAt) {
			t.Errorf("%d is newer than the one before", i)
		}
	}
	pages := func(alert string, limit int) (all []dlq.AlertEvent) {
		for before := int64(0); ; before = all[len(all)-1].ID {
			page, err := s.AlertEvents(t.Context(), alert, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			if all = append(all, page...); len(page) < limit {
				slices.Reverse(all)
				return all
			}
		}
	}
	if diff := cmp.Diff(events, pages("", 41), cmpopts.IgnoreFields(dlq.AlertEvent{}, "ID")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	ofA := slices.DeleteFunc(events, func(e dlq.AlertEvent) bool { return e.AlertID != "a" })
	if diff := cmp.Diff(ofA, pages("a", 7), cmpopts.IgnoreFields(dlq.AlertEvent{}, "ID")); diff != "" {
		t.Errorf("events of one alert (-want +got):\n%s", diff)
	}
	s.checkFile(t)
}

// A step is stored whole or not at all.
func TestSaveAlertsAllOrNothing(t *testing.T) {
	s := open(t, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	at := time.Now().UTC().Truncate(time.Millisecond)
	first := dlq.AlertStep{At: at, Alerts: []dlq.Alert{alertOf("a", dlq.AlertFiring, at)}, Deliveries: []dlq.Delivery{deliveryOf("dlv_1", "ops", "a")}}
	saveAlerts(t, s, first)
	whole := func() string {
		t.Helper()
		page, err := s.Deliveries(t.Context(), dlq.DeliveryFilter{}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		events, err := s.AlertEvents(t.Context(), "", 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v %+v %+v", book(t, s), page, events)
	}
	before := whole()
	step := dlq.AlertStep{At: at.Add(time.Second), Alerts: []dlq.Alert{alertOf("b", dlq.AlertFiring, at)}, Gone: []string{"a"},
		Events: []dlq.AlertEvent{{AlertID: "b", Kind: dlq.AlertEventFiring, At: at}}, Groups: []dlq.AlertGroup{{Receiver: "ops", SentAt: &at}}}

	// The same id of a delivery again; a number that JSON does not have.
	step.Deliveries = []dlq.Delivery{deliveryOf("dlv_2", "ops", "b"), deliveryOf("dlv_1", "ops", "b")}
	wantCode(t, s.SaveAlerts(t.Context(), step), dlq.CodeConflict)
	step.Deliveries = step.Deliveries[:1]
	step.Alerts[0].Value = math.NaN()
	wantCode(t, s.SaveAlerts(t.Context(), step), dlq.CodeInvalid)
	step.Alerts[0].Value = 1
	if after := whole(); after != before {
		t.Errorf("refused steps changed something:\n%s\n%s", before, after)
	}

	// The disk is full.
	s.limitPages(t, int(s.number(t, "PRAGMA page_count")))
	large := step
	large.Events = nil
	for i := range 400 {
		large.Events = append(large.Events, dlq.AlertEvent{AlertID: "b", Kind: dlq.AlertEventFiring, At: at, Detail: strings.Repeat("x", 100) + fmt.Sprint(i)})
	}
	err := s.SaveAlerts(t.Context(), large)
	wantCode(t, err, dlq.CodeUnavailable)
	if !s.Full() {
		t.Error("not full")
	}
	if after := whole(); after != before {
		t.Errorf("the full disk left something:\n%s\n%s", before, after)
	}
	if n := s.mem.allPending(); n != 1 {
		t.Errorf("%d deliveries are pending", n)
	}
	s.limitPages(t, 1<<20)
	saveAlerts(t, s, large)
	if b := book(t, s); len(b.Alerts) != 1 || b.Alerts[0].ID != "b" || len(b.Groups) != 1 {
		t.Errorf("%+v", b)
	}
	s.checkFile(t)
}

// Over a thousand that wait for one receiver the oldest are dropped, which is said in the history of their alerts and
// counted. Other receivers are not touched.
func TestQueueOfAReceiverIsBounded(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	c := newClock()
	s := open(t, Options{Registerer: reg, Now: c.now})
	n := 0
	many := func(receiver string, k int) (list []dlq.Delivery) {
		for range k {
			n++
			list = append(list, deliveryOf(fmt.Sprintf("dlv_%04d", n), receiver, fmt.Sprint("a", n), "common"))
		}
		return list
	}
	saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: many("other", 600)})
	saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: many("ops", maxPending-1)})
	if err := s.AddDelivery(t.Context(), dlq.Delivery{ID: "dlv_test", Kind: dlq.DeliveryTest, Receiver: "ops", State: dlq.DeliveryPending}); err != nil {
		t.Fatal(err)
	}
	if n := s.number(t, "SELECT count(*) FROM alert_event"); n != 0 {
		t.Errorf("%d events before there are too many", n)
	}
	saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: many("ops", 3)})
	page, err := s.Deliveries(t.Context(), dlq.DeliveryFilter{States: []dlq.DeliveryState{dlq.DeliveryDropped}}, "", 0)
	if err != nil || len(page.Items) != 3 {
		t.Fatalf("%d dropped, %v", len(page.Items), err)
	}
	for i, id := range []string{"dlv_0603", "dlv_0602", "dlv_0601"} {
		if d := page.Items[i]; d.ID != id || d.Receiver != "ops" || d.NextAt != nil || d.Error == "" {
			t.Errorf("dropped: %+v", d)
		}
	}
	events, err := s.AlertEvents(t.Context(), "a602", 0, 0)
	want := []dlq.AlertEvent{{AlertID: "a602", Rule: "rule of a602", Kind: dlq.AlertEventHeldBack, At: c.now(), Value: 12.5, Receiver: "ops", DeliveryID: "dlv_0602", Detail: "queue_full"}}
	if diff := cmp.Diff(want, events, cmpopts.IgnoreFields(dlq.AlertEvent{}, "ID")); diff != "" || err != nil {
		t.Errorf("events (-want +got), %v:\n%s", err, diff)
	}
	waiting, err := s.WaitingDeliveries(t.Context())
	if err != nil || len(waiting) != maxPending+600 || waiting[0].ID != "dlv_0604" || waiting[maxPending].ID != "dlv_0001" {
		t.Errorf("%d wait, %v", len(waiting), err)
	}
	if !slices.IsSortedFunc(waiting[:maxPending-4], func(a, b dlq.Delivery) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("not oldest first")
	}
	expect := `
# HELP dlq_alert_notifications_dropped_total Notifications that were dropped because too many waited for their receiver.
# TYPE dlq_alert_notifications_dropped_total counter
dlq_alert_notifications_dropped_total{receiver="ops"} 3
# HELP dlq_queue_depth What waits: writes by lane, and notifications in the outbox.
# TYPE dlq_queue_depth gauge
dlq_queue_depth{queue="background"} 0
dlq_queue_depth{queue="intake"} 0
dlq_queue_depth{queue="outbox"} 1600
dlq_queue_depth{queue="people"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(expect), "dlq_alert_notifications_dropped_total", "dlq_queue_depth"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

func TestSilences(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	silence := func(id string, from, to time.Duration) dlq.Silence {
		return dlq.Silence{ID: id, Matchers: map[string][]string{"consumer_group": {"pay", "stock"}, "rule": {"r"}}, StartsAt: c.now().Add(from), EndsAt: c.now().Add(to), Author: "ann", Note: "维护", CreatedAt: c.now()}
	}
	list := func() (ids string) {
		t.Helper()
		all, err := s.Silences(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			ids += x.ID + " "
		}
		return ids
	}
	if all, err := s.Silences(t.Context(), 0); err != nil || all == nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	bad := silence("bad", 0, time.Hour)
	for _, change := range []func(*dlq.Silence){func(x *dlq.Silence) { x.Matchers = nil }, func(x *dlq.Silence) { x.EndsAt = x.StartsAt }, func(x *dlq.Silence) { x.ID = "" }} {
		x := bad
		change(&x)
		wantCode(t, s.AddSilence(t.Context(), x), dlq.CodeInvalid)
	}
	a, b, future := silence("a", 0, time.Hour), silence("b", 0, 2*time.Hour), silence("future", time.Hour, 2*time.Hour)
	for _, x := range []dlq.Silence{a, b, future} {
		if err := s.AddSilence(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		c.add(time.Minute)
	}
	wantCode(t, s.AddSilence(t.Context(), a), dlq.CodeConflict)
	all, err := s.Silences(t.Context(), 0)
	if diff := cmp.Diff([]dlq.Silence{future, b, a}, all); diff != "" || err != nil {
		t.Errorf("(-want +got), %v:\n%s", err, diff)
	}
	got, err := s.EndSilence(t.Context(), "b", "bob")
	if b.EndsAt, b.EndedBy = c.now(), "bob"; err != nil || !cmp.Equal(b, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(b, got))
	}
	got, err = s.EndSilence(t.Context(), "b", "eve")
	if wantCode(t, err, dlq.CodeConflict); got.EndedBy != "bob" {
		t.Errorf("%+v", got)
	}
	_, err = s.EndSilence(t.Context(), "x", "eve")
	wantCode(t, err, dlq.CodeNotFound)
	if got := list(); got != "future a b " {
		t.Errorf("%s", got)
	}
	if got, err := s.EndSilence(t.Context(), "future", "bob"); err != nil || got.EndsAt.Before(got.StartsAt) || got.Matches(&dlq.Alert{Rule: "r", Labels: map[string]string{"consumer_group": "pay"}}, c.now()) {
		t.Errorf("%+v, %v", got, err)
	}
	c.add(time.Hour)
	if got := list(); got != "future b a " {
		t.Errorf("%s", got)
	}
	for i := range maxSilences {
		if err := s.AddSilence(t.Context(), silence(fmt.Sprint("x", i), 0, time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, s.AddSilence(t.Context(), silence("too many", 0, time.Hour)), dlq.CodeRefused)
}

// Retention takes what is over and nothing else, and of what a receiver of type alertmanager is told every minute it
// leaves an hour.
func TestSweepOfAlerts(t *testing.T) {
	c := newClock()
	const keep = 24 * time.Hour
	s := open(t, Options{Now: c.now, Retention: keep})
	at := c.now()
	old, still := alertOf("old", dlq.AlertResolved, at), alertOf("still", dlq.AlertFiring, at)
	step := dlq.AlertStep{At: at, Alerts: []dlq.Alert{old, still, alertOf("untold", dlq.AlertResolved, at)}, Gone: []string{"old"}}
	for _, id := range []string{"old", "still"} {
		for range 2 * forgetBatch {
			step.Events = append(step.Events, dlq.AlertEvent{AlertID: id, Kind: dlq.AlertEventFiring, At: at})
		}
	}
	add := func(id, kind string, state dlq.DeliveryState, reason dlq.NotificationReason) {
		d := deliveryOf(id, "am", "still")
		d.Type, d.State, d.Notification.Reason = kind, state, reason
		step.Deliveries = append(step.Deliveries, d)
	}
	for i := range 250 {
		add(fmt.Sprint("repeat", i), "alertmanager", dlq.DeliverySent, dlq.NotifyRepeat)
		add(fmt.Sprint("merged", i), "alertmanager", dlq.DeliveryMerged, dlq.NotifyRepeat)
	}
	add("first", "alertmanager", dlq.DeliverySent, dlq.NotifyFirst)
	add("chat", "wecom", dlq.DeliverySent, dlq.NotifyRepeat)
	add("failed", "alertmanager", dlq.DeliveryFailed, dlq.NotifyRepeat)
	add("waits", "wecom", dlq.DeliveryPending, dlq.NotifyNew)
	saveAlerts(t, s, step)
	d, err := s.Delivery(t.Context(), "repeat7")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDelivery(t.Context(), d, &dlq.DeliveryAttempt{DeliveryID: d.ID, Number: 1, At: at}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddSilence(t.Context(), dlq.Silence{ID: "s", Matchers: map[string][]string{"rule": {"x"}}, StartsAt: at, EndsAt: at.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	sweep := func() (transactions int) {
		t.Helper()
		for {
			transactions++
			pause, err := s.sweepAlertsOnce(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if pause > 0 {
				return transactions
			}
		}
	}
	rows := func() string {
		t.Helper()
		var b bytes.Buffer
		for _, table := range []string{"alert", "alert_event", "silence", "delivery", "delivery_alert", "delivery_attempt"} {
			fmt.Fprint(&b, table, " ", s.number(t, "SELECT count(*) FROM "+table), " ")
		}
		return strings.TrimSpace(b.String())
	}
	sweep()
	if got, want := rows(), "alert 3 alert_event 2000 silence 1 delivery 504 delivery_alert 504 delivery_attempt 1"; got != want {
		t.Errorf("at once: %s, want %s", got, want)
	}
	c.add(time.Hour + time.Second)
	if n := sweep(); n < 3 {
		t.Errorf("500 deliveries go in %d transactions", n)
	}
	if got, want := rows(), "alert 3 alert_event 2000 silence 1 delivery 4 delivery_alert 4 delivery_attempt 0"; got != want {
		t.Errorf("after an hour: %s, want %s", got, want)
	}
	c.add(keep)
	sweep()
	if got, want := rows(), "alert 2 alert_event 1000 silence 0 delivery 1 delivery_alert 1 delivery_attempt 0"; got != want {
		t.Errorf("at the end: %s, want %s", got, want)
	}
	if b := book(t, s); len(b.Alerts) != 2 {
		t.Errorf("%+v", b)
	}
	s.checkFile(t)
}
