package replay_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// onOwn runs a test on a node of its own of each version.
func onOwn(t *testing.T, levels string, f func(t *testing.T, n *node.Node)) {
	for _, v := range node.Versions() {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			f(t, node.Own(t, node.Options{Version: v, DelayLevels: levels}))
		})
	}
}

// A broker that registered an address where nobody listens, as one behind a bridge does, and holds nothing of the consumer
// group: letters go, and what was on its way before it appeared is told of.
func TestRealBrokerThatCannotBeReached(t *testing.T) {
	t.Parallel()
	onOwn(t, "1s 40s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s", func(t *testing.T, n *node.Node) {
		second := node.Own(t, node.Options{Version: n.Version(), Join: n.NameServer(), BrokerName: "broker-b"})
		m := newMarket(t, n, false)
		m.on(second)
		m.connect()
		c := join(t, n.NameServer())
		o := openOffice(t, c, "")
		m.produce("pay 1", map[string]string{dlq.PropKeys: "k1"})
		first := o.letter(m.group, patience, dead(1))
		m.produce("pay 2", map[string]string{dlq.PropKeys: "k2"})
		other := o.letter(m.group, patience, func(l dlq.Letter) bool { return l.ID != first.ID && dead(1)(l) })
		m.heal()
		parked := o.replay(first, func(r *dlq.ReplayRequest) { r.Delay = dlq.Duration(40 * time.Second) })

		// A 4.9 broker listens on every interface, so this one is of 5.x whatever the others are.
		node.Own(t, node.Options{Join: n.NameServer(), BrokerName: "broker-c", Conf: map[string]string{"brokerIP1": "127.0.0.9"}})
		m.poll("broker-c is seen to be away", func() bool {
			st := c.Status()
			return st.Reachable && slices.Equal(st.Away(), []string{"broker-c"})
		})
		options, err := o.service.Options(t.Context(), other.ID)
		if err != nil || !options.Allowed || options.Default != dlq.DoorRetry || options.BrokerError != "" || options.HolderError != "" || !slices.Equal(options.BrokersAway, []string{"broker-c"}) {
			t.Fatalf("options %+v, %v", options, err)
		}
		for _, d := range options.Doors {
			if allowed := d.Door != dlq.DoorPop; d.Allowed != allowed || allowed && !slices.Contains(d.Warnings, "brokers_away") {
				t.Errorf("door %+v", d)
			}
		}
		now := o.replay(other, nil)
		for _, id := range []int64{other.ID, first.ID} {
			o.letter(m.group, patience, func(l dlq.Letter) bool { return l.ID == id && confirmed(l) })
		}
		if got := len(m.delivered(now.ID)) + len(m.delivered(parked.ID)); got != 2 {
			t.Errorf("%d deliveries", got)
		}
		st := c.Status()
		if away := st.Away(); !slices.Equal(away, []string{"broker-c"}) {
			t.Errorf("away: %v", away)
		}
		if topics, err := c.Topics(t.Context()); err != nil || slices.ContainsFunc(topics, func(i dlq.TopicInfo) bool { return i.LastError != "" }) {
			t.Errorf("topics %+v, %v", topics, err)
		}
	})
}

// on makes the market's topic, group and retry topic on one more broker.
func (m *market) on(n *node.Node) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	for _, topic := range []string{m.topic, dlq.RetryPrefix + m.group} {
		if err := m.wire.UpdateTopic(ctx, n.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := m.wire.UpdateSubscriptionGroup(ctx, n.BrokerAddr(), remoting.SubscriptionGroup{Name: m.group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 1}); err != nil {
		m.t.Fatal(err)
	}
}

// bury puts dead letters of the market's group on a broker.
func (m *market) bury(n *node.Node, letters int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	dead := dlq.DLQPrefix + m.group
	if err := m.wire.UpdateTopic(ctx, n.BrokerAddr(), remoting.TopicConfig{Name: dead, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		m.t.Fatal(err)
	}
	for i := range letters {
		_, err := m.wire.SendMessage(ctx, n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "market", Topic: dead, Body: fmt.Appendf(nil, "%d on %s", i, n.BrokerName()), Reconsumed: 2, Properties: map[string]string{
			dlq.PropUniqueKey: fmt.Sprintf("%032X", time.Now().UnixNano()), dlq.PropRetryTopic: m.topic, dlq.PropRealTopic: dlq.RetryPrefix + m.group,
		}})
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// Letters of a broker that left for good go through those that are there, also with a console that has never seen it.
func TestRealBrokerThatIsGone(t *testing.T) {
	t.Parallel()
	onOwn(t, node.ShortDelays, func(t *testing.T, n *node.Node) {
		second := node.Own(t, node.Options{Version: n.Version(), DelayLevels: node.ShortDelays, Join: n.NameServer(), BrokerName: "broker-b"})
		m := newMarket(t, n, false)
		m.on(second)
		m.bury(n, 1)
		m.bury(second, 4)
		path := filepath.Join(t.TempDir(), "dlq.db")
		before := openOffice(t, join(t, n.NameServer()), path)
		m.poll("all are read", func() bool { return len(m.letters(before)) == 5 })
		before.stop()
		if err := before.store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := second.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.connect()
		m.heal()
		o := openOffice(t, join(t, n.NameServer()), path)
		m.poll("the cluster answers", func() bool { return o.service.Broker.Status().Reachable })
		var lost []dlq.Letter
		for _, l := range m.letters(o) {
			msg, err := o.store.Message(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			if msg.Broker == "broker-b" {
				lost = append(lost, l)
			}
		}
		if len(lost) != 4 {
			t.Fatalf("%d letters are on the broker that is gone", len(lost))
		}
		var options dlq.ReplayOptions
		m.poll("the retry topic is served elsewhere", func() bool {
			var err error
			if options, err = o.service.Options(t.Context(), lost[0].ID); err != nil {
				t.Fatal(err)
			}
			return options.Allowed
		})
		for _, d := range options.Doors {
			switch d.Door {
			case dlq.DoorRetry:
				if !d.Allowed || d.Broker != n.BrokerName() || !slices.Contains(d.Warnings, "other_broker") {
					t.Errorf("door %+v", d)
				}
			case dlq.DoorTopic:
				if !d.Allowed {
					t.Errorf("door %+v", d)
				}
			case dlq.DoorBack:
				if d.Allowed || d.Why != "broker_away" {
					t.Errorf("door %+v", d)
				}
			}
		}
		if options.Default != dlq.DoorRetry || options.HolderError != "the name server does not know the broker broker-b any more" {
			t.Errorf("options %+v", options)
		}
		for i, edit := range []func(*dlq.ReplayRequest){nil, func(r *dlq.ReplayRequest) { r.Door = dlq.DoorTopic }} {
			r := o.replay(lost[i], edit)
			o.letter(m.group, patience, func(l dlq.Letter) bool { return l.ID == lost[i].ID && confirmed(l) })
			if got := m.delivered(r.ID); len(got) != 1 || got[0].Topic != m.topic {
				t.Errorf("delivered %v", got)
			}
		}
		other := o.replay(lost[2], func(r *dlq.ReplayRequest) {
			r.Target, r.Anywhere = dlq.Target{Kind: dlq.TargetOtherTopic, Name: m.topic}, true
		})
		if other.Receipt.Broker != n.BrokerName() {
			t.Errorf("to a topic by its name: %+v", other)
		}
		l, err := o.store.Letter(t.Context(), lost[3].ID)
		if err != nil {
			t.Fatal(err)
		}
		res := o.service.Batch(t.Context(), dlq.ReplayBatch{Actor: "lin", Tasks: []dlq.OperationTask{{LetterID: l.ID, Letter: &l}}})
		if res[0].Err != nil || res[0].Skip != "" || res[0].Later {
			t.Errorf("in bulk: %+v", res[0])
		}
		o.letter(m.group, patience, func(l dlq.Letter) bool { return l.ID == lost[3].ID && confirmed(l) })
	})
}

// letters are all letters of the market's group.
func (m *market) letters(o *office) []dlq.Letter {
	m.t.Helper()
	page, err := o.store.Letters(m.t.Context(), dlq.Filter{ConsumerGroups: []string{m.group}}, "", 100)
	if err != nil {
		m.t.Fatal(err)
	}
	return page.Items
}
