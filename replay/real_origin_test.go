package replay_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// buryOne puts a message straight into the group's DLQ, as a tool or a hosted service would.
func (m *market) buryOne(body string, properties map[string]string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	dead := dlq.DLQPrefix + m.group
	if err := m.wire.UpdateTopic(ctx, m.n.BrokerAddr(), remoting.TopicConfig{Name: dead, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		m.t.Fatal(err)
	}
	properties[dlq.PropUniqueKey] = fmt.Sprintf("%032X", time.Now().UnixNano())
	for {
		_, err := m.wire.SendMessage(ctx, m.n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "market", Topic: dead, Body: []byte(body), Properties: properties})
		if err == nil {
			return
		}
		if !remoting.IsCode(err, remoting.AnswerBusy) {
			m.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// A letter whose topic only DLQ_ORIGIN_TOPIC tells goes back without a question. One whose topic nobody tells goes under the
// topic that the operator names, to the failed group alone; one that is not there, or that the group does not know, is
// refused or warned of.
func TestRealOriginKnownElsewhere(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		m.heal()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.buryOne("origin", map[string]string{dlq.PropKeys: "ORIGIN-1", "DLQ_ORIGIN_TOPIC": m.topic, "DLQ_ORIGIN_MESSAGE_ID": "7F0000010000690B0000000000000000"})
		l := o.letter(m.group, patience, dead(1))
		if l.Topic != m.topic {
			t.Fatalf("the topic is told as %q", l.Topic)
		}
		r := o.replay(l, nil)
		o.letter(m.group, patience, confirmed)
		if got := m.delivered(r.ID); len(got) != 1 || got[0].Topic != m.topic {
			t.Errorf("delivered %v", got)
		}

		m.buryOne("lost", map[string]string{dlq.PropKeys: "LOST-1", dlq.PropRetryTopic: dlq.RetryPrefix + m.group})
		l = o.letter(m.group, patience, dead(1))
		if options, err := o.service.Options(t.Context(), l.ID); err != nil || options.Allowed || options.Doors[0].Why != replay.ShutTopicUnknown {
			t.Errorf("without a topic: %+v, %v", options, err)
		}
		for topic, want := range map[string]string{m.topic + "_not_there": replay.ShutTopicMissing} {
			options, err := o.service.OptionsFor(t.Context(), l.ID, dlq.Target{Topic: topic}, true)
			if err != nil || options.Allowed || options.Doors[0].Why != want {
				t.Errorf("under %s: %+v, %v", topic, options, err)
			}
		}
		stranger := newMarket(t, n, false)
		m.poll("a topic that the group does not subscribe to is warned of", func() bool {
			options, err := o.service.OptionsFor(t.Context(), l.ID, dlq.Target{Topic: stranger.topic}, true)
			return err == nil && options.Default == dlq.DoorRetry && slices.Contains(options.Doors[0].Warnings, replay.WarnNotSubscribed)
		})
		target := dlq.Target{Topic: m.topic}
		options, err := o.service.OptionsFor(t.Context(), l.ID, target, true)
		if err != nil || options.Default != dlq.DoorRetry || slices.Contains(options.Doors[0].Warnings, replay.WarnNotSubscribed) || !slices.Equal(options.Doors[0].Receivers, []string{m.group}) {
			t.Errorf("under its own topic: %+v, %v", options, err)
		}
		r = o.replay(l, func(r *dlq.ReplayRequest) { r.Target = target })
		m.poll("it is consumed", func() bool { return o.stored(r.ID).Outcome == dlq.OutcomeConfirmed })
		if got := m.delivered(r.ID); len(got) != 1 || got[0].Topic != m.topic || r.Topic != m.topic {
			t.Errorf("delivered %v, recorded %+v", got, r)
		}
	})
}
