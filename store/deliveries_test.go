package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// deliveryOf makes a new delivery that tells of firing alerts.
func deliveryOf(id, receiver string, alerts ...string) dlq.Delivery {
	at := newClock().t
	d := dlq.Delivery{ID: id, Kind: dlq.DeliveryAlert, Receiver: receiver, Type: "webhook", State: dlq.DeliveryPending, CreatedAt: at}
	d.Notification = dlq.Notification{Reason: dlq.NotifyFirst, At: at, More: 2}
	for _, id := range alerts {
		d.Notification.Alerts = append(d.Notification.Alerts, alertOf(id, dlq.AlertFiring, at))
	}
	return d
}

func delivery(t testing.TB, s *Store, id string) dlq.Delivery {
	t.Helper()
	d, err := s.Delivery(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDelivery(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	_, err := s.Delivery(t.Context(), "dlv_1")
	wantCode(t, err, dlq.CodeNotFound)
	d := deliveryOf("dlv_1", "ops", "a", "b")
	saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: []dlq.Delivery{d}})
	got := delivery(t, s, "dlv_1")
	d.ChangedAt = c.now()
	if diff := cmp.Diff(d, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}

	// A retry, then a success; each attempt is in the log, newest first.
	next := c.now().Add(5 * time.Second)
	d.Attempts, d.Failures, d.NextAt, d.Status, d.Error = 1, 1, &next, 503, "no"
	first := dlq.DeliveryAttempt{DeliveryID: d.ID, Number: 1, At: c.now(), Duration: dlq.Duration(time.Second), URL: "https://x", Headers: map[string]string{"a": "b"},
		Request: "{}", Status: 503, Answer: "oh 不", Error: "no", Address: "10.0.0.1"}
	if err := s.SaveDelivery(t.Context(), d, &first); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.SaveDelivery(t.Context(), d, &first), dlq.CodeConflict) // read before the change
	got = delivery(t, s, "dlv_1")
	if d.Log = []dlq.DeliveryAttempt{first}; !got.ChangedAt.After(d.ChangedAt) {
		t.Errorf("changed at %s, then at %s", d.ChangedAt, got.ChangedAt)
	}
	d.ChangedAt = got.ChangedAt
	if diff := cmp.Diff(d, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	second := dlq.DeliveryAttempt{DeliveryID: d.ID, Number: 2, ByHand: true, At: c.now(), Status: 200}
	d.State, d.Attempts, d.Failures, d.NextAt, d.Status, d.Error, d.Actor = dlq.DeliverySent, 2, 0, nil, 200, "", "ann"
	d.Receiver, d.Notification.More = "elsewhere", 9 // these stay what they were
	if err := s.SaveDelivery(t.Context(), d, &second); err != nil {
		t.Fatal(err)
	}
	got = delivery(t, s, "dlv_1")
	d.Log, d.ChangedAt, d.Receiver, d.Notification.More = []dlq.DeliveryAttempt{second, first}, got.ChangedAt, "ops", 2
	if diff := cmp.Diff(d, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if waiting, err := s.WaitingDeliveries(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("%+v, %v", waiting, err)
	}
	d.ID = "dlv_x"
	wantCode(t, s.SaveDelivery(t.Context(), d, nil), dlq.CodeNotFound)

	// Of very many attempts the newest are kept.
	got.Log = nil
	for n := 3; n < 80; n++ {
		got = delivery(t, s, "dlv_1")
		got.Attempts = n
		if err := s.SaveDelivery(t.Context(), got, &dlq.DeliveryAttempt{Number: n, At: c.now(), Headers: map[string]string{}}); err != nil {
			t.Fatal(err)
		}
	}
	if got = delivery(t, s, "dlv_1"); len(got.Log) != maxAttempts || got.Log[0].Number != 79 || s.number(t, "SELECT count(*) FROM delivery_attempt") != maxAttempts {
		t.Errorf("%d attempts", len(got.Log))
	}
}

// A test is left to whoever makes it for a minute.
func TestAddDelivery(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	d := dlq.Delivery{ID: "dlv_1", Kind: dlq.DeliveryTest, Receiver: "ops", State: dlq.DeliveryPending, Actor: "ann", Notification: dlq.Notification{Reason: dlq.NotifyTest, At: c.now()}}
	if err := s.AddDelivery(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.AddDelivery(t.Context(), d), dlq.CodeConflict)
	waiting, err := s.WaitingDeliveries(t.Context())
	next := c.now().Add(time.Minute)
	d.NextAt, d.CreatedAt, d.ChangedAt = &next, c.now(), c.now()
	if diff := cmp.Diff([]dlq.Delivery{d}, waiting); diff != "" || err != nil {
		t.Errorf("(-want +got), %v:\n%s", err, diff)
	}
}

func TestMergeDeliveries(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: []dlq.Delivery{deliveryOf("dlv_1", "ops", "a"), deliveryOf("dlv_2", "ops", "b"), deliveryOf("dlv_3", "dev", "a"), deliveryOf("dlv_4", "ops", "c")}})
	d := delivery(t, s, "dlv_4")
	d.State = dlq.DeliverySent
	if err := s.SaveDelivery(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	into := deliveryOf("dlv_5", "ops", "a", "b")
	for _, bad := range [][]string{{"dlv_1", "dlv_4"}, {"dlv_1", "dlv_3"}} {
		wantCode(t, s.MergeDeliveries(t.Context(), into, bad), dlq.CodeConflict)
	}
	wantCode(t, s.MergeDeliveries(t.Context(), into, []string{"dlv_1", "dlv_x"}), dlq.CodeNotFound)
	again := into
	again.ID = "dlv_2"
	wantCode(t, s.MergeDeliveries(t.Context(), again, []string{"dlv_1"}), dlq.CodeConflict)
	if got := delivery(t, s, "dlv_1"); got.State != dlq.DeliveryPending {
		t.Errorf("a refused merge changed %+v", got)
	}
	if err := s.MergeDeliveries(t.Context(), into, []string{"dlv_1", "dlv_2"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"dlv_1", "dlv_2"} {
		if got := delivery(t, s, id); got.State != dlq.DeliveryMerged || got.MergedInto != "dlv_5" || got.NextAt != nil {
			t.Errorf("%+v", got)
		}
	}
	waiting, err := s.WaitingDeliveries(t.Context())
	if err != nil || len(waiting) != 2 || waiting[0].ID != "dlv_3" || waiting[1].ID != "dlv_5" || s.mem.allPending() != 2 {
		t.Errorf("%+v, %v", waiting, err)
	}
	page, err := s.Deliveries(t.Context(), dlq.DeliveryFilter{AlertID: "b"}, "", 0)
	if err != nil || len(page.Items) != 2 || page.Items[0].ID != "dlv_5" || page.Items[1].ID != "dlv_2" {
		t.Errorf("%+v, %v", page, err)
	}
}

// Pages put together are what the filter chooses, newest first, and no query goes through the notifications of others.
func TestDeliveries(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	rnd := rand.New(rand.NewPCG(3, 4))
	states := []dlq.DeliveryState{dlq.DeliveryPending, dlq.DeliverySent, dlq.DeliveryFailed, dlq.DeliveryMerged, dlq.DeliveryDropped, dlq.DeliveryCancelled}
	var all []dlq.Delivery
	for i := range 400 {
		d := deliveryOf(fmt.Sprintf("dlv_%03d", i), pick(rnd, []string{"ops", "dev", "am"}), pick(rnd, []string{"a", "b"}), pick(rnd, []string{"b", "c"}))
		d.State, d.ChangedAt = pick(rnd, states), c.now()
		all = append(all, d)
	}
	saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: all})
	slices.Reverse(all)
	for range 30 {
		var f dlq.DeliveryFilter
		if rnd.IntN(2) == 0 {
			f.Receiver = pick(rnd, []string{"ops", "dev", "nobody"})
		}
		if rnd.IntN(2) == 0 {
			f.AlertID = pick(rnd, []string{"a", "b", "none"})
		}
		for range rnd.IntN(3) {
			f.States = append(f.States, pick(rnd, states))
		}
		want := []dlq.Delivery{}
		for _, d := range all {
			of := slices.ContainsFunc(d.Notification.Alerts, func(a dlq.Alert) bool { return a.ID == f.AlertID })
			if (f.Receiver == "" || d.Receiver == f.Receiver) && (f.AlertID == "" || of) && (f.States == nil || slices.Contains(f.States, d.State)) {
				want = append(want, d)
			}
		}
		got := []dlq.Delivery{}
		for cursor := ""; ; {
			page, err := s.Deliveries(t.Context(), f, cursor, 1+rnd.IntN(40))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Items...)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%+v (-want +got):\n%s", f, diff)
		}
	}
	for _, cursor := range []string{"x", "-1", "0", "1.5"} {
		_, err := s.Deliveries(t.Context(), dlq.DeliveryFilter{}, cursor, 0)
		wantCode(t, err, dlq.CodeInvalid)
	}
	for _, query := range []string{
		"SELECT seq FROM delivery INDEXED BY delivery_list WHERE seq>0 AND seq<9 AND receiver=1 AND state IN (1, 2) ORDER BY seq DESC LIMIT 5",
		"SELECT seq FROM delivery_alert a CROSS JOIN delivery ON seq=a.delivery WHERE a.alert=1 AND a.delivery<9 AND state IN (1, 2) ORDER BY a.delivery DESC LIMIT 5",
		"SELECT id FROM alert_event WHERE alert=1 AND id<9 ORDER BY id DESC LIMIT 5",
		"SELECT seq FROM delivery INDEXED BY delivery_pending WHERE state='pending' AND receiver=1 AND seq>1 ORDER BY seq LIMIT 5",
	} {
		plan := s.plan(t, query, nil)
		if strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}

// What random work of the engine, the outbox and people leaves is counted right, over restarts too.
func TestPendingIsCounted(t *testing.T) {
	c := newClock()
	path := t.TempDir() + "/dlq.db"
	s := open(t, Options{Path: path, Now: c.now})
	rnd := rand.New(rand.NewPCG(5, 6))
	var ids []string
	for step := range 500 {
		switch rnd.IntN(4) {
		case 0:
			id := fmt.Sprint("dlv_", step)
			ids = append(ids, id)
			saveAlerts(t, s, dlq.AlertStep{At: c.now(), Deliveries: []dlq.Delivery{deliveryOf(id, pick(rnd, []string{"ops", "dev"}), "a")}})
		case 1, 2:
			if len(ids) == 0 {
				continue
			}
			d := delivery(t, s, pick(rnd, ids))
			d.State = pick(rnd, []dlq.DeliveryState{dlq.DeliveryPending, dlq.DeliverySent, dlq.DeliveryFailed})
			if rnd.IntN(5) == 0 {
				d.ChangedAt = d.ChangedAt.Add(-time.Second)
			}
			if err := s.SaveDelivery(context.Background(), d, nil); err != nil && dlq.CodeOf(err) != dlq.CodeConflict {
				t.Fatal(err)
			}
		case 3:
			waiting, err := s.WaitingDeliveries(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(waiting) < 2 {
				continue
			}
			into := deliveryOf(fmt.Sprint("dlv_", step), waiting[0].Receiver, "a")
			err = s.MergeDeliveries(t.Context(), into, []string{waiting[0].ID, waiting[1].ID})
			if same := waiting[0].Receiver == waiting[1].Receiver; same != (err == nil) || !same && dlq.CodeOf(err) != dlq.CodeConflict {
				t.Fatal(err)
			}
			if err == nil {
				ids = append(ids, into.ID)
			}
		}
		if step%100 == 99 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, Options{Path: path, Now: c.now})
		}
		if step%10 == 9 {
			waiting, err := s.WaitingDeliveries(t.Context())
			if n := s.number(t, "SELECT count(*) FROM delivery WHERE state='pending'"); err != nil || int(n) != s.mem.allPending() || len(waiting) != int(n) {
				t.Fatalf("step %d: %d are pending, %d are counted, %d are listed, %v", step, n, s.mem.allPending(), len(waiting), err)
			}
		}
	}
	s.checkFile(t)
}
