package replay_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// cluster lets an office work on a real broker. One that loses sends nothing, and says that nobody knows.
type cluster struct {
	*rocketmq.Broker
	loses bool
}

func (c cluster) run(ctx context.Context, in *office) error { return c.Run(ctx, in) }

func (c cluster) Send(ctx context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	if c.loses {
		return dlq.Receipt{}, dlq.SentUnknown, dlq.Errorf(dlq.CodeUnavailable, "the answer was lost")
	}
	return c.Broker.Send(ctx, req)
}

func join(t testing.TB, nameServer string) cluster {
	t.Helper()
	b, err := rocketmq.New(rocketmq.Options{NameServers: []string{nameServer}, Logger: testLog(t), DiscoveryInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return cluster{Broker: b}
}

// onBoth runs a test on the shared node of each version.
func onBoth(t *testing.T, f func(t *testing.T, n *node.Node)) {
	for _, v := range node.Versions() {
		t.Run(v, func(t *testing.T) { f(t, node.Shared(t, v)) })
	}
}

const patience = 60 * time.Second

// The main job: dead, replayed in vain, reopened as the same letter, healed, replayed with a delay, confirmed.
func TestRealReplayFailsAgainThenIsConfirmed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("pay 5", map[string]string{dlq.PropKeys: "k1 k2", dlq.PropTags: "new", "MINE": "x"})
		l := o.letter(m.group, patience, dead(1))

		options, err := o.service.Options(t.Context(), l.ID)
		if err != nil || options.Default != dlq.DoorRetry || options.Group.Kind != dlq.GroupConcurrent || !options.Group.Online || len(options.Levels) != 18 {
			t.Fatalf("options %+v, %v", options, err)
		}
		for _, d := range options.Doors {
			if d.Door == dlq.DoorTopic && (!d.Allowed || !slices.Contains(d.Receivers, m.group)) {
				t.Errorf("door A: %+v", d)
			}
		}
		first := o.replay(l, nil)
		again := o.letter(m.group, patience, dead(2))
		if again.ID != l.ID || !again.HasFlag(dlq.FlagFailedAgain) || again.Replays != 1 {
			t.Errorf("reopened: %s", o.describe([]dlq.Letter{again}))
		}
		if got := m.delivered(first.ID); len(got) != 2 || got[0].Topic != m.topic || got[0].Attempts != 0 || got[0].Properties["MINE"] != "x" || got[0].Properties[dlq.PropTags] != "new" || got[0].Properties[dlq.PropKeys] != "k1 k2" || got[0].Body != "pay 5" {
			t.Errorf("deliveries of the first replay: %v", got)
		}

		m.heal()
		sent := time.Now()
		second := o.replay(again, func(r *dlq.ReplayRequest) { r.Delay = dlq.Duration(2 * time.Second) })
		if second.DelayLevel == 0 || second.DeliverAt == nil || second.Detail != "parked" {
			t.Errorf("second replay: %+v", second)
		}
		done := o.letter(m.group, patience, confirmed)
		r := o.stored(second.ID)
		if done.Replays != 2 || r.SeenAt == nil || r.Detail != "consumed" || r.UniqueKey != l.UniqueKey {
			t.Errorf("resolved: %s", o.describe([]dlq.Letter{done}))
		}
		got := m.delivered(second.ID)
		if len(got) != 1 || got[0].Properties[dlq.PropReplayCount] != "2" || got[0].Properties[dlq.PropUniqueKey] != l.UniqueKey {
			t.Fatalf("deliveries of the second replay: %v", got)
		}
		t.Logf("confirmed %.1f s after the send", r.SettledAt.Sub(sent).Seconds())
		detail, err := o.store.Detail(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range slices.Backward(detail.Events) {
			kinds = append(kinds, string(e.Kind))
		}
		if want := "arrived intended sent delivered died_again intended sent delivered confirmed"; strings.Join(kinds, " ") != want && strings.Join(kinds, " ") != strings.Replace(want, "sent delivered died", "sent died", 1) {
			t.Errorf("events: %v", kinds)
		}
	})
}

// As a new message, through the original topic.
func TestRealReplayAsNewThroughTheTopic(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.heal()
		r := o.replay(l, func(r *dlq.ReplayRequest) { r.Door, r.AsNew = dlq.DoorTopic, true })
		if r.Why != "chosen" || r.UniqueKey == l.UniqueKey {
			t.Errorf("replay %+v", r)
		}
		o.letter(m.group, patience, confirmed)
		got := m.delivered(r.ID)
		if len(got) != 1 || got[0].Properties[dlq.PropUniqueKey] != r.UniqueKey || got[0].Properties[dlq.PropOriginUniqKey] != l.UniqueKey {
			t.Errorf("delivered %v", got)
		}
	})
}

// An orderly Go consumer that is online: door C on 5.x, where B would be diverted; B on 4.9.
func TestRealOrderlyGroup(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, true)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		var options dlq.ReplayOptions
		m.poll("the client tells its listener", func() bool { // the Go client cannot for a while
			var err error
			options, err = o.service.Options(t.Context(), l.ID)
			return err == nil && options.Group.Kind != dlq.GroupUnknown
		})
		want, why := dlq.DoorBack, "orderly_online"
		if n.Version() == node.V4 {
			want, why = dlq.DoorRetry, "orderly_not_diverted"
		}
		if options.Group.Kind != dlq.GroupOrderly || options.Default != want {
			t.Fatalf("kind %s (%s), default %s", options.Group.Kind, options.Group.KindWhy, options.Default)
		}
		first := o.replay(l, nil)
		if first.Door != want || first.Why != why {
			t.Errorf("went through %s because %s", first.Door, first.Why)
		}
		again := o.letter(m.group, patience, dead(2))
		if again.ID != l.ID {
			t.Errorf("another letter: %+v", again)
		}
		m.heal()
		r := o.replay(again, nil)
		o.letter(m.group, patience, confirmed)
		if r := o.stored(r.ID); r.Detail != "consumed" {
			t.Errorf("replay: %+v", r)
		}
	})
}

// Nobody is connected: the replay waits at the broker, and is confirmed when somebody comes back.
func TestRealOfflineGroupWaits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.disconnect()
		o.letter(m.group, patience, func(l dlq.Letter) bool {
			options, err := o.service.Options(t.Context(), l.ID)
			return err == nil && !options.Group.Online
		})
		r := o.replay(l, nil)
		o.letter(m.group, patience, func(dlq.Letter) bool { return o.stored(r.ID).Detail == "group_offline" })
		m.connect()
		m.heal()
		o.letter(m.group, patience, confirmed)
		if len(m.delivered(r.ID)) == 0 {
			t.Error("confirmed, and never delivered")
		}
	})
}

// The broker stands still while the message is sent: nobody knows whether it has it. When it goes on, it is asked.
// It runs alone: other tests use the same broker.
func TestRealUnknownSendIsFound(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		c := newCutter(t, n)
		c.reached = func() {
			if err := n.PauseBroker(context.Background()); err != nil {
				t.Error(err)
			}
		}
		resume := func() {
			if err := n.ResumeBroker(context.Background()); err != nil {
				t.Error(err)
			}
		}
		t.Cleanup(resume) // a test that fails leaves the others a broker
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, c.nameServer), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.heal()
		c.armed.Store(true)
		r := o.replay(l, nil)
		state := o.letter(m.group, time.Second, func(dlq.Letter) bool { return true }).State
		resume()
		if r.Outcome != dlq.OutcomeSending || r.Detail != "send_unknown" || state != dlq.StateSending {
			t.Errorf("letter %s, replay %+v", state, r)
		}
		done := o.letter(m.group, patience, confirmed)
		if got := m.delivered(r.ID); len(got) != 1 || done.Replays != 1 || done.HasFlag(dlq.FlagPossibleDuplicate) {
			t.Errorf("delivered %d times, %s", len(got), o.describe([]dlq.Letter{done}))
		}
	})
}

// The request never got there, and nobody knows: two complete searches prove it.
func TestRealUnknownSendIsAbsent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		c := join(t, n.NameServer())
		c.loses = true
		o := openOffice(t, c, "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		r := o.replay(l, nil)
		back := o.letter(m.group, patience, in(dlq.StateOpen))
		if r := o.stored(r.ID); r.Outcome != dlq.OutcomeSendFailed || r.Detail != "absent" || !back.HasFlag(dlq.FlagSendFailed) || back.Replays != 0 {
			t.Errorf("%s", o.describe([]dlq.Letter{back}))
		}
	})
}

// A broker that puts the message straight into the DLQ: it is the same letter, dead once more, and nobody says "sent".
func TestRealDivertedSend(t *testing.T) {
	t.Parallel()
	n := node.Shared(t, node.V5)
	m := newMarket(t, n, true)
	m.connect()
	c := join(t, n.NameServer())
	o := openOffice(t, forced{c}, "")
	m.produce("pay 5", map[string]string{})
	l := o.letter(m.group, patience, dead(1))
	m.heal()
	r := o.replay(l, nil)
	if r.Door != dlq.DoorRetry {
		t.Fatalf("the test did not get through door B: %+v", r)
	}
	again := o.letter(m.group, patience, dead(2))
	if again.ID != l.ID || !again.HasFlag(dlq.FlagFailedAgain) || o.stored(r.ID).Outcome != dlq.OutcomeFailedAgain || len(m.delivered(r.ID)) != 0 {
		t.Errorf("%s", o.describe([]dlq.Letter{again}))
	}
}

// forced is a broker that takes an orderly group for a concurrent one, as a console would that has never seen it online.
type forced struct{ cluster }

func (f forced) Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error) {
	g, err := f.cluster.Group(ctx, group, m)
	g.Kind = dlq.GroupConcurrent
	return g, err
}
