package replay_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// An operation against a consumer that fails a known fifth: the ledger's numbers are exactly right, and nothing went out
// twice.
func TestRealOperationAgainstAFailingFifth(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		const letters = 100
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		for i := range letters {
			body := fmt.Sprintf("pay %d", i)
			if i%5 == 0 {
				body = "bad " + body
			}
			m.produce(body, map[string]string{dlq.PropKeys: fmt.Sprint(i)})
		}
		var list []dlq.Letter
		m.poll("all are dead", func() bool {
			page, err := o.store.Letters(t.Context(), dlq.Filter{ConsumerGroups: []string{m.group}}, "", 500)
			if err != nil {
				t.Fatal(err)
			}
			list = page.Items
			return len(list) >= letters
		})
		if len(list) != letters {
			t.Fatalf("%d letters: the consumer gave one up twice", len(list))
		}
		m.heal()
		op, _, err := o.store.NewOperation(t.Context(), dlq.Operation{ID: "fifth", Kind: dlq.OperationReplay, State: dlq.OperationRunning, Actor: "lin", Note: "healed", Spec: dlq.OperationSpec{Replay: &dlq.ReplaySpec{}}})
		if err == nil {
			op, err = o.store.Freeze(t.Context(), op.Number, dlq.OperationPick{Filter: &dlq.Filter{ConsumerGroups: []string{m.group}}})
		}
		if err != nil || op.Letters != letters {
			t.Fatalf("%d letters are frozen, %v", op.Letters, err)
		}
		b := dlq.ReplayBatch{Operation: op.Number, Actor: "lin", Note: "healed"}
		for _, l := range list {
			b.Tasks = append(b.Tasks, dlq.OperationTask{LetterID: l.ID, Letter: &l})
		}
		sent := map[string]bool{}
		m.poll("everything is sent", func() bool {
			var later []dlq.OperationTask
			for _, res := range o.service.Batch(t.Context(), b) {
				switch {
				case res.Later: // the broker was too busy
					l, err := o.store.Letter(t.Context(), res.LetterID)
					if err != nil {
						t.Fatal(err)
					}
					later = append(later, dlq.OperationTask{LetterID: l.ID, Letter: &l})
				case res.Err != nil || res.Skip != "" || res.Replay.Outcome.Final():
					t.Fatalf("%+v", res)
				default:
					sent[res.Replay.ID] = true
				}
			}
			b.Tasks = later
			return len(later) == 0
		})
		m.poll("every outcome is known", func() bool {
			if op, err = o.store.Operation(t.Context(), "fifth"); err != nil {
				t.Fatal(err)
			}
			return op.Counts[dlq.ItemConfirmed]+op.Counts[dlq.ItemFailedAgain] == letters
		})
		if op.Counts[dlq.ItemConfirmed] != letters*4/5 || op.Counts[dlq.ItemFailedAgain] != letters/5 {
			t.Errorf("ledger %v", op.Counts)
		}
		if len(sent) != letters {
			t.Errorf("%d replays", len(sent))
		}
		for id := range sent {
			got := m.delivered(id)
			want := 1
			if len(got) > 0 && strings.HasPrefix(got[0].Body, "bad") {
				want = 2 // it is retried once
			}
			if len(got) != want {
				t.Errorf("replay %s was delivered %d times", id, len(got))
			}
		}
	})
}

// A message that a person has changed arrives as changed, and as no new message; the stored original stays.
func TestRealEditedReplay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("bad amount", map[string]string{dlq.PropKeys: "k1", "shop": "12", "debug": "1"})
		l := o.letter(m.group, patience, dead(1))
		m.heal()
		e, after, err := o.service.Edit(t.Context(), dlq.Edit{
			LetterID: l.ID, Author: "lin", Note: "wrong amount", Body: []byte("amount 5"), Set: map[string]string{"shop": "13", dlq.PropKeys: "k2"}, Remove: []string{"debug"},
		}, l.Version)
		if err != nil {
			t.Fatal(err)
		}
		r := o.replay(after, func(r *dlq.ReplayRequest) { r.Edit = e.Number })
		done := o.letter(m.group, patience, confirmed)
		got := m.delivered(r.ID)
		if len(got) != 1 || got[0].Body != "amount 5" || got[0].Properties["shop"] != "13" || got[0].Properties["debug"] != "" || got[0].Properties[dlq.PropKeys] != "k2" || got[0].Properties[dlq.PropUniqueKey] != l.UniqueKey {
			t.Errorf("delivered %v", got)
		}
		editable, err := o.service.Editable(t.Context(), l.ID, "")
		if err != nil || string(editable.Body) != "bad amount" || len(editable.Edits) != 1 || !done.HasFlag(dlq.FlagEdited) {
			t.Errorf("%+v, flags %v, %v", editable, done.Flags, err)
		}
	})
}

// To another consumer group alone, which the console names beforehand, and to another topic.
func TestRealOtherTargets(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m, other := newMarket(t, n, false), newMarket(t, n, false)
		m.connect()
		other.topic = m.topic // both groups subscribe to it
		other.connect()
		other.heal()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		target := dlq.Target{Kind: dlq.TargetOtherGroup, Name: other.group}
		m.poll("the other group is seen", func() bool {
			options, err := o.service.OptionsFor(t.Context(), l.ID, target, true)
			return err == nil && options.Default == dlq.DoorRetry && slices.Equal(options.Doors[0].Receivers, []string{other.group}) && options.Group.Online
		})
		r := o.replay(l, func(r *dlq.ReplayRequest) { r.Target, r.Anywhere = target, true })
		l = o.letter(m.group, patience, confirmed)
		if got := other.delivered(r.ID); len(got) != 1 || got[0].Topic != m.topic || len(m.delivered(r.ID)) != 0 {
			t.Errorf("the other group got %v, the failed one %v", got, m.delivered(r.ID))
		}

		elsewhere := newMarket(t, n, false)
		elsewhere.connect()
		elsewhere.heal()
		m.produce("pay 6", map[string]string{})
		l = o.letter(m.group, patience, dead(1))
		target = dlq.Target{Kind: dlq.TargetOtherTopic, Name: elsewhere.topic}
		r = o.replay(l, func(r *dlq.ReplayRequest) { r.Target, r.Anywhere = target, true })
		if r.Outcome != dlq.OutcomeUnknown || r.Detail != replay.DetailOtherTopic {
			t.Errorf("%+v", r)
		}
		m.poll("it arrives in the other topic", func() bool { return len(elsewhere.delivered(r.ID)) == 1 })
		target.Name += "_not_there"
		l = o.letter(m.group, patience, dead(1))
		if options, err := o.service.OptionsFor(t.Context(), l.ID, target, true); err != nil || options.Allowed || options.Doors[0].Why != replay.ShutTopicMissing {
			t.Errorf("a topic that is not there: %+v, %v", options, err)
		}
		target = dlq.Target{Kind: dlq.TargetOtherGroup, Name: "nobody_" + m.group}
		if options, err := o.service.OptionsFor(t.Context(), l.ID, target, true); err != nil || options.Allowed || options.Doors[0].Why != replay.ShutGroupMissing {
			t.Errorf("a group that is not there: %+v, %v", options, err)
		}
	})
}

// A probe runs the listener of a connected client and brings its verdict; nothing is stored at the broker.
func TestRealProbe(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		var kept []dlq.Probe
		o.service.Probed = func(ctx context.Context, p dlq.Probe) (dlq.Letter, error) {
			kept = append(kept, p)
			return o.store.Letter(ctx, p.LetterID)
		}
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		at, err := m.wire.MaxOffset(t.Context(), n.BrokerAddr(), dlq.RetryPrefix+m.group, 0)
		if err != nil {
			t.Fatal(err)
		}
		probe := func() (p dlq.Probe) {
			m.poll("the client is known to tell the truth", func() bool { // it does not name its listener for 20 s after its start
				p, _, err = o.service.Probe(t.Context(), dlq.ProbeRequest{LetterID: l.ID, Version: l.Version, Actor: "lin", Note: "why?"})
				return err == nil && p.Trusted
			})
			return p
		}
		if p := probe(); p.Verdict != dlq.ProbeLater || p.Language != "GO" || p.ClientID == "" {
			t.Errorf("while it fails: %+v", p)
		}
		m.heal()
		if p := probe(); p.Verdict != dlq.ProbeSuccess {
			t.Errorf("healed: %+v", p)
		}
		if now, err := m.wire.MaxOffset(t.Context(), n.BrokerAddr(), dlq.RetryPrefix+m.group, 0); err != nil || now != at || len(kept) < 2 {
			t.Errorf("%d probes are kept, the retry topic grew by %d, %v", len(kept), now-at, err)
		}
		m.disconnect()
		m.poll("nobody is connected", func() bool {
			_, _, err := o.service.Probe(t.Context(), dlq.ProbeRequest{LetterID: l.ID, Version: l.Version, Actor: "lin", Note: "why?"})
			return dlq.CodeOf(err) == dlq.CodeRefused && strings.Contains(err.Error(), "connected")
		})
	})
}
