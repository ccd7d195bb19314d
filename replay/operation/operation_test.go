package operation_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

func TestReplayToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, nil)
		o.die(250, nil)
		// Every fifth fails again.
		o.does(func(s simulated.Seen) bool {
			return !strings.HasSuffix(string(s.Body), "0}") && !strings.HasSuffix(string(s.Body), "5}")
		})

		d := o.draft("spring", dlq.OperationSpec{})
		if d.State != dlq.OperationDraft || d.Letters != 250 || d.Preview == nil || d.Preview.Eligible != 250 {
			t.Fatalf("the draft is %+v", d)
		}
		o.counts(d, map[dlq.ItemState]int64{dlq.ItemPending: 250})
		if _, err := o.Start(context.Background(), "spring", d.Version, "the card service is back", "li"); err != nil {
			t.Fatal(err)
		}
		op := o.comes("spring", dlq.OperationSettled)
		o.counts(op, map[dlq.ItemState]int64{dlq.ItemConfirmed: 200, dlq.ItemFailedAgain: 50})
		if op.End != dlq.EndCompleted || op.Note != "the card service is back" || op.StartedAt == nil || op.EndedAt == nil || op.SettledAt == nil {
			t.Errorf("it ended as %+v", op)
		}
		if diff := cmp.Diff([]string{"created", "started", "began", "completed", "settled"}, o.events(op)); diff != "" {
			t.Error(diff)
		}
		if n := o.letters(dlq.Filter{Tab: dlq.TabResolved}); n != 200 {
			t.Errorf("%d letters are resolved", n)
		}
	})
}
