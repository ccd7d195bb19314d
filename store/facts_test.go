package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// forEver is how long a broker keeps messages that does not tell.
func forEver(string) time.Duration { return 0 }

func TestFactsOfAnOperation(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now, Retention: 5 * time.Hour})
	ctx := t.Context()
	pay, stock := batchOf("pay", 0, 9), batchOf("stock", 0, 3)
	for i := range pay.Arrivals { // for Java orderly consumers: when it died
		pay.Arrivals[i].Message.BornAt = pay.Arrivals[i].Message.StoredAt
	}
	stock.Arrivals[0].Message.BornAt = time.Time{}
	admit(t, s, pay, stock)
	var ids []int64
	for id := range int64(12) {
		ids = append(ids, id+1)
	}
	for id, flag := range map[int64]dlq.Flag{4: dlq.FlagQuarantined, 5: dlq.FlagFailedAgain, 1: dlq.FlagQuarantined} {
		apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerEdit, AddFlags: []dlq.Flag{flag}})
	}
	apply(t, s, dlq.Change{LetterID: 2, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	o := drafted(t, s, dlq.OperationReplay, dlq.OperationPick{IDs: ids})
	c.add(6 * time.Hour)
	if _, err := s.sweepOnce(ctx); err != nil { // letter 2 is gone
		t.Fatal(err)
	}
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	end(t, s, send(t, s, 0, 3, "earlier"), dlq.OutcomeUnknown)
	send(t, s, 0, 6, "under way")
	b := batchOf("mail", 0, 2) // the same failure goes on
	for i := range b.Arrivals {
		b.Arrivals[i].Message.StoredAt = c.now()
	}
	admit(t, s, b)

	p, err := s.OperationFacts(ctx, o.Number, forEver)
	if err != nil {
		t.Fatal(err)
	}
	died := func(second int) *time.Time { v := newClock().t.Add(time.Duration(second) * time.Second); return &v }
	cause := func(i int, reason string, letters, same int64) dlq.CausePreview {
		return dlq.CausePreview{Fingerprint: fmt.Sprintf("fff000000000000%d", i), Reason: reason, ReasonText: "text of " + reason, Letters: letters, SameLast5m: same}
	}
	want := dlq.OperationPreview{
		At: c.now(), Letters: 12, Eligible: 9, Skipped: map[string]int64{"gone": 1, "state_discarded": 1, "state_awaiting": 1},
		Groups: []dlq.Facet{{Value: "pay", Count: 8}, {Value: "stock", Count: 3}}, Topics: []dlq.Facet{{Value: "orders", Count: 11}},
		Reasons: []dlq.Facet{{Value: "inventory_shortage", Count: 4}, {Value: "network_timeout", Count: 4}, {Value: "data_format_error", Count: 3}},
		Routes:  []dlq.Facet{{Value: "manual", Count: 11}}, OldestDied: died(0), NewestDied: died(8),
		NearExpiry: 1, ReplayedBefore: 1, FailedAgain: 1, Quarantined: 1,
		Causes: []dlq.CausePreview{cause(0, "network_timeout", 4, 1), cause(2, "inventory_shortage", 4, 0), cause(1, "data_format_error", 3, 1)},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if d, err := s.DriftOf(ctx, o.Number); err != nil || d.Gone != 2 || d.Arrived != (dlq.Count{Exact: true}) {
		t.Errorf("drift %+v, %v: letters 1 and 6 cannot be replayed any more, 2 could not from the start", d, err)
	}
	// Died in seconds 0 to 8, six hours ago. The broker deletes those of the first six seconds within the next six hours.
	var asked []string
	p, err = s.OperationFacts(ctx, o.Number, func(broker string) time.Duration {
		asked = append(asked, broker)
		return 12*time.Hour - 5*time.Second
	})
	if err != nil || len(asked) != 1 || asked[0] != "broker-a" {
		t.Errorf("asked %q how long messages are kept, %v", asked, err)
	}
	soon := int64(0)
	for _, id := range ids {
		if l, err := s.Letter(ctx, id); err == nil && l.DiedAt.Before(newClock().t.Add(6*time.Second)) {
			soon++
		}
	}
	if soon == 0 || soon == p.Letters || p.NearExpiry != soon {
		t.Errorf("%d of %d near expiry, want %d", p.NearExpiry, p.Letters, soon)
	}
	restore := drafted(t, s, dlq.OperationRestore, dlq.OperationPick{IDs: ids})
	if p, err = s.OperationFacts(ctx, restore.Number, forEver); err != nil || p.Eligible != 1 || p.Skipped["state_open"] != 9 || p.Letters != 11 {
		t.Errorf("to be restored: %+v, %v", p, err)
	}
	now := newClock().t.Add(time.Hour)
	for _, tt := range []struct {
		limits []dlq.StaleLimit
		want   int64
	}{
		{nil, 0},
		{[]dlq.StaleLimit{{Topic: "coupon*", After: 1}}, 0},
		{[]dlq.StaleLimit{{Topic: "ord*", After: dlq.Duration(time.Hour - 5*time.Second)}}, 6}, // of seconds 0 to 4 or an hour before: letters 3, 4, 5 and 10, 11, 12
		{[]dlq.StaleLimit{{Topic: "ord*", After: dlq.Duration(90 * time.Minute)}}, 2},          // 11 and 12
		{[]dlq.StaleLimit{{Topic: "orders", After: 0}, {Topic: "*", After: 1}}, 0},
	} {
		if n, err := s.StaleItems(ctx, o.Number, dlq.AutomationPolicy{Stale: tt.limits}, now); err != nil || n != tt.want {
			t.Errorf("%+v: %d stale, want %d, %v", tt.limits, n, tt.want, err)
		}
	}
}

func TestLaterConfirmed(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	ctx := t.Context()
	message := func(group string, offset int64, unique, keys string) dlq.Arrival {
		m := dead(group, offset)
		m.Properties = map[string]string{dlq.PropUniqueKey: unique, dlq.PropKeys: keys}
		return arriving(m)
	}
	pay := dlq.AdmitBatch{Queue: queueOf("pay"), Next: 8, Arrivals: []dlq.Arrival{
		message("pay", 0, "U1", "order-1"), message("pay", 1, "U1", ""), // 1 and 2: the same UNIQ_KEY
		message("pay", 2, "U3", "order-3 c7"), message("pay", 3, "U4", "order-4 c7"), // 3 and 4: a common key
		message("pay", 4, "U5", "order-5"), message("pay", 5, "U6", "order-5"), // 5 and 6: never confirmed
		message("pay", 6, "U7", "order-7"), message("pay", 7, "", ""), // 7 has its twin in another group, 8 has no keys
	}}
	admit(t, s, pay, dlq.AdmitBatch{Queue: queueOf("stock"), Next: 1, Arrivals: []dlq.Arrival{message("stock", 0, "U7", "order-7")}})
	c.add(time.Hour)
	end(t, s, send(t, s, 0, 2, "r2"), dlq.OutcomeConfirmed)
	end(t, s, send(t, s, 0, 4, "r4"), dlq.OutcomeConfirmed)
	end(t, s, send(t, s, 0, 6, "r6"), dlq.OutcomeUnknown)
	end(t, s, send(t, s, 0, 9, "r9"), dlq.OutcomeConfirmed)
	end(t, s, send(t, s, 0, 8, "r8"), dlq.OutcomeConfirmed)
	got, err := s.LaterConfirmed(ctx, list(t, s, dlq.Filter{}).Items)
	if diff := cmp.Diff(map[int64]bool{1: true, 3: true}, got); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
	letter, err := s.Letter(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	letter.DiedAt = c.now().Add(time.Minute) // it died after the other came good
	if got, err = s.LaterConfirmed(ctx, []dlq.Letter{letter}); err != nil || len(got) != 0 {
		t.Errorf("confirmed before: %v, %v", got, err)
	}
}

func TestEdits(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now, Retention: time.Hour})
	ctx := t.Context()
	admit(t, s, batchOf("pay", 0, 2))
	if list, err := s.Edits(ctx, 1); err != nil || list == nil || len(list) != 0 {
		t.Errorf("before the first: %+v, %v", list, err)
	}
	first := dlq.Edit{LetterID: 1, Author: "ann", Note: "amount was text", Body: []byte(`{"a":1}`), Set: map[string]string{"TAGS": "x", "bytes": "\xff\x00"}, Remove: []string{"KEYS"}}
	made, letter, err := s.AddEdit(ctx, first, 1)
	if err != nil || letter.Version != 2 || letter.State != dlq.StateOpen {
		t.Fatalf("%+v, %v", letter, err)
	}
	first.Number, first.Deaths, first.At = 1, 1, c.now()
	if diff := cmp.Diff(first, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	_, _, err = s.AddEdit(ctx, dlq.Edit{LetterID: 1, Author: "bob"}, 1)
	wantCode(t, err, dlq.CodeConflict)
	if !strings.Contains(err.Error(), "ann") {
		t.Errorf("the conflict names nobody: %v", err)
	}
	_, _, err = s.AddEdit(ctx, dlq.Edit{LetterID: 1, Author: "bob", Base: 2}, 2)
	wantCode(t, err, dlq.CodeInvalid)
	_, _, err = s.AddEdit(ctx, dlq.Edit{LetterID: 9, Author: "bob"}, 2)
	wantCode(t, err, dlq.CodeNotFound)
	second := dlq.Edit{LetterID: 1, Author: "bob", Base: 1, Body: []byte{}, Set: map[string]string{}, Remove: []string{}}
	if second, _, err = s.AddEdit(ctx, second, 2); err != nil {
		t.Fatal(err)
	}
	got, err := s.Edits(ctx, 1)
	if diff := cmp.Diff([]dlq.Edit{second, first}, got); diff != "" || err != nil {
		t.Errorf("edits (-want +got):\n%s%v", diff, err)
	}
	d, err := s.Detail(ctx, 1)
	if err != nil || d.Events[0].Kind != dlq.EventEdited || d.Events[0].Actor != "bob" || d.Events[1].Note != "amount was text" || d.Events[1].Detail["edit"] != "1" {
		t.Errorf("events: %+v, %v", d.Events, err)
	}
	if body, _, err := s.Body(ctx, 1); err != nil || string(body) != string(dead("pay", 0).Body) {
		t.Errorf("the original was changed: %s, %v", body, err)
	}
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	c.add(2 * time.Hour)
	if _, err := s.sweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	if n := s.number(t, "SELECT count(*) FROM edit"); n != 0 {
		t.Errorf("%d edits outlive their letter", n)
	}
	s.checkFile(t)
}
