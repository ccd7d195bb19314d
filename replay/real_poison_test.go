package replay_test

import (
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// Two of ten letters have properties that leave no room for what a replay adds, so no frame carries them: the operation sends
// the eight and ends, the two are send_failed naming the property. A rule that retries three times tries such a letter once.
func TestRealLettersThatNoFrameCarries(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		m.heal()
		o := openOffice(t, join(t, n.NameServer()), "")
		for i := range 10 {
			props := map[string]string{dlq.PropRetryTopic: m.topic}
			if i%5 == 0 {
				props["TRACE_BAGGAGE"] = strings.Repeat("x", 32_615)
			}
			m.buryOne("pay", props)
		}
		f := dlq.Filter{ConsumerGroups: []string{m.group}}
		var list []dlq.Letter
		m.poll("all are read", func() bool {
			page, err := o.store.Letters(t.Context(), f, "", 50)
			if err != nil {
				t.Fatal(err)
			}
			list = page.Items
			return len(list) == 10
		})
		op, _, err := o.store.NewOperation(t.Context(), dlq.Operation{ID: "ten", Kind: dlq.OperationReplay, State: dlq.OperationRunning, Actor: "lin", Note: "healed", Spec: dlq.OperationSpec{Replay: &dlq.ReplaySpec{}}})
		if err == nil {
			op, err = o.store.Freeze(t.Context(), op.Number, dlq.OperationPick{Filter: &f})
		}
		if err != nil {
			t.Fatal(err)
		}
		b := dlq.ReplayBatch{Operation: op.Number, Actor: "lin", Note: "healed"}
		for _, l := range list {
			b.Tasks = append(b.Tasks, dlq.OperationTask{LetterID: l.ID, Letter: &l})
		}
		m.poll("none is left for later", func() bool {
			var later []dlq.OperationTask
			for _, res := range o.service.Batch(t.Context(), b) {
				switch {
				case res.Later: // the broker was too busy
					l, err := o.store.Letter(t.Context(), res.LetterID)
					if err != nil {
						t.Fatal(err)
					}
					later = append(later, dlq.OperationTask{LetterID: l.ID, Letter: &l})
				case res.Err != nil && (dlq.CodeOf(res.Err) != dlq.CodeRefused || !strings.Contains(res.Replay.Error, `"TRACE_BAGGAGE"`)):
					t.Errorf("%+v", res)
				}
			}
			b.Tasks = later
			return len(later) == 0
		})
		m.poll("the ledger", func() bool {
			op, err = o.store.Operation(t.Context(), "ten")
			return err == nil && op.Counts[dlq.ItemConfirmed] == 8 && op.Counts[dlq.ItemSendFailed] == 2
		})

		o.mu.Lock()
		o.plan = func(*dlq.DeadMessage) dlq.Plan {
			due := time.Now()
			return dlq.Plan{State: dlq.StateScheduled, DueAt: &due}
		}
		o.mu.Unlock()
		m.buryOne("automatic", map[string]string{dlq.PropRetryTopic: m.topic, "TRACE_BAGGAGE": strings.Repeat("x", 32_615)})
		l := o.letter(m.group, patience, func(l dlq.Letter) bool { return l.Hold == dlq.HoldSendFailed })
		d, err := o.store.Detail(t.Context(), l.ID)
		if err != nil || l.State != dlq.StateOpen || !l.HasFlag(dlq.FlagSendFailed) || len(d.ReplayList) != 1 || d.ReplayList[0].Outcome != dlq.OutcomeSendFailed {
			t.Errorf("%s, %v", o.describe([]dlq.Letter{l}), err)
		}
	})
}
