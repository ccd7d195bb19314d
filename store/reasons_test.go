package store

import (
	"testing"

	"deadletteroffice/dlq"
)

// Of a file that kept one reason a letter, the newest death has it, and those before say that theirs was not kept. From
// then on each keeps its own.
func TestReasonsOfAnEarlierFile(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	admit(t, s, batchOf("pay", 0, 1))
	again := func(offset int64, id string) {
		claim(t, s, 1, dlq.Replay{ID: id, Door: dlq.DoorRetry, ConsumerGroup: "pay", UniqueKey: "UK-pay-0", IntendedAt: c.now()})
		b := batchOf("pay", offset, offset+1)
		b.Arrivals[0].Join = &dlq.Join{LetterID: 1, ReplayID: id}
		admit(t, s, b)
	}
	again(1, "11111111111111111111111111111111")
	err := s.do(t.Context(), lanePeople, func(t *tx) error { // as the schema before had it
		_, err := t.exec("DELETE FROM death_reason")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	reasons := func(want ...string) {
		t.Helper()
		d, err := s.Detail(t.Context(), 1)
		if err != nil || len(d.History) != len(want) {
			t.Fatalf("%+v, %v", d.History, err)
		}
		for i, w := range want {
			if h := d.History[i]; h.Reason != w || w != "" && (h.Rule != "rule of "+w || h.RuleVersion != 3 || h.Route != dlq.RouteManual || h.Severity != dlq.SeverityHigh) {
				t.Errorf("death %d says %+v, want %q", h.ID, h.DeathReason, w)
			}
		}
	}
	reasons("data_format_error", "")
	again(2, "22222222222222222222222222222222")
	reasons("inventory_shortage", "data_format_error", "")

	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	c.add(2 * defaultRetention)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.number(t, "SELECT count(*) FROM death_reason"); n != 0 {
		t.Errorf("%d reasons of deaths are left behind", n)
	}
}
