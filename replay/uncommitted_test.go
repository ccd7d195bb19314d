package replay_test

import (
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// The consumer of an orderly group dies before it ever committed an offset of the retry topic. Its replay waits, longer than all
// retries would take, and nobody assumes anything; it is confirmed when somebody comes back and consumes it.
func TestRealOrderlyGroupThatNeverCommitted(t *testing.T) {
	t.Parallel()
	for _, v := range node.Versions() {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			n := node.Shared(t, v)
			m := newMarket(t, n, true)
			o := openOffice(t, join(t, n.NameServer()), "")
			m.connect()
			m.produce("pay 5", map[string]string{})
			l := o.letter(m.group, patience, dead(1))
			m.consumer.Kill()
			m.before, m.consumer = append(m.before, m.consumer), nil
			// A broker answers 0 for who committed nothing (apache/rocketmq 4.9 ConsumerManageProcessor.queryConsumerOffset).
			if at, _, err := m.wire.QueryConsumerOffset(t.Context(), n.BrokerAddr(), m.group, dlq.RetryPrefix+m.group, 0); err != nil || at != 0 {
				t.Fatal(at, err)
			}
			r := o.replay(l, nil)
			o.letter(m.group, patience, func(dlq.Letter) bool { return o.stored(r.ID).Detail == replay.DetailOffline })
			for end := time.Now().Add(45 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
				if r := o.stored(r.ID); r.Outcome != dlq.OutcomeWaiting || len(m.delivered(r.ID)) > 0 {
					t.Fatalf("nobody had it: %+v", r)
				}
			}
			m.connect()
			m.heal()
			done := o.letter(m.group, 3*patience, in(dlq.StateResolved, dlq.StateOpen))
			if got := o.stored(r.ID); got.Outcome != dlq.OutcomeConfirmed || got.Detail != replay.DetailConsumed || done.Deaths != 1 {
				t.Errorf("%s", o.describe([]dlq.Letter{done}))
			}
			// What the consumer had not committed before it died comes once more, too.
			mine := m.consumer.Heard(func(d node.Delivery) bool {
				byC := r.Door == dlq.DoorBack && d.Properties[dlq.PropUniqueKey] == l.UniqueKey && d.Attempts == l.Attempts+1
				return byC || d.Properties[dlq.PropReplayID] == r.ID
			})
			if len(mine) != 1 {
				t.Errorf("confirmed, and delivered %d times", len(mine))
			}
		})
	}
}
