package replay_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
)

// The in-memory broker and a real 5.5.0 with Go consumers walk the main job alike: the same doors for the same reasons,
// the same dead copies, the same events and outcomes.
func TestRealAndSimulatedAreAlike(t *testing.T) {
	t.Parallel()
	for _, orderly := range []bool{false, true} {
		t.Run(fmt.Sprintf("orderly=%v", orderly), func(t *testing.T) {
			kind := dlq.GroupConcurrent
			if orderly {
				kind = dlq.GroupOrderly
			}
			b := standIn{simulated.New(simulated.Options{Step: 20 * time.Millisecond})}
			heal := sick(b, kind)
			got := walk(openOffice(t, b, ""), "g", heal, func() {
				b.Produce(simulated.Message{Topic: "orders", Key: "k", Tag: "t", Properties: map[string]string{"MINE": "x"}, Body: []byte("body")})
			})

			n := node.Shared(t, node.V5)
			m := newMarket(t, n, orderly)
			m.connect()
			want := walk(openOffice(t, join(t, n.NameServer()), ""), m.group, m.heal, func() {
				m.produce("body", map[string]string{dlq.PropKeys: "k", dlq.PropTags: "t", "MINE": "x"})
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("real -, simulated +\n%s", diff)
			}
		})
	}
}

// walk goes through the main job and writes down what can be compared.
func walk(o *office, group string, heal, produce func()) (trace []string) {
	o.t.Helper()
	note := func(format string, args ...any) { trace = append(trace, fmt.Sprintf(format, args...)) }
	look := func(l dlq.Letter) {
		m, err := o.store.Message(o.t.Context(), l.ID)
		if err != nil {
			o.t.Fatal(err)
		}
		note("dead %d: attempts %d, reconsumed %d, body %s, key %s, tag %s, own %s, replay id %v", l.Deaths, l.Attempts, m.ReconsumeTimes, m.Body,
			m.Properties[dlq.PropKeys], m.Properties[dlq.PropTags], m.Properties["MINE"], m.Properties[dlq.PropReplayID] != "")
		options, err := o.service.Options(o.t.Context(), l.ID)
		if err != nil {
			o.t.Fatal(err)
		}
		note("kind %s, default %s, timer %v", options.Group.Kind, options.Default, options.Timer)
		for _, d := range options.Doors {
			if d.Door == dlq.DoorProbe {
				d.Warnings = nil // clients for Go do not tell the truth of an orderly listener; those of the stand-in do
			}
			note("door %s: %v %s %v, %d receivers", d.Door, d.Allowed, d.Why, d.Warnings, len(d.Receivers))
		}
	}
	produce()
	l := o.letter(group, patience, dead(1))
	look(l)
	r := o.replay(l, nil)
	note("sent by %s because %s: %s", r.Door, r.Why, r.Outcome)
	l = o.letter(group, patience, dead(2))
	look(l)
	note("came back: %s %s", o.stored(r.ID).Outcome, o.stored(r.ID).Detail)
	heal()
	r = o.replay(l, nil)
	l = o.letter(group, patience, confirmed)
	note("came good: %s %s, %d replays", o.stored(r.ID).Outcome, o.stored(r.ID).Detail, l.Replays)
	detail, err := o.store.Detail(o.t.Context(), l.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range slices.Backward(detail.Events) {
		if e.Kind != dlq.EventDelivered { // whether the tracker looks before the intake reads is a matter of moments
			note("%s by %s", e.Kind, e.Actor)
		}
	}
	return trace
}
