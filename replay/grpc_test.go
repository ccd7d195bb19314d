package replay_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// Consumer groups of gRPC clients, which reach the broker through its proxy and never read %RETRY%<group>: real clients
// whose messages die by the proxy's own path.
func TestRealGRPCGroups(t *testing.T) {
	t.Parallel()
	n := node.Own(t, node.Options{Proxy: true, DelayLevels: node.ShortDelays})
	for name, f := range map[string]func(*testing.T, *node.Node){"push": grpcPush, "fifo": grpcFIFO, "simple": grpcSimple, "dead": grpcDead} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, n)
		})
	}
}

// A push consumer: its letter dies again after a replay through its own retry topic, although the committed offset passed it;
// once it is offline a replay waits for it.
func grpcPush(t *testing.T, n *node.Node) {
	m := newGRPCMarket(t, n, "push", false)
	o := openOffice(t, join(t, n.NameServer()), "")
	m.connect()
	m.produce("pay 5", map[string]string{dlq.PropKeys: "k1"})
	l := o.letter(m.group, patience, dead(1))
	first := m.isDeadCopy(o, l, 3, dlq.RetryPrefix+m.group+"_"+m.topic) // retryMaxTimes + 2
	m.leads(o, l, dlq.GroupGRPC, rocketmq.KindByNoRetry)
	again := m.failsAgain(o, l)

	m.disconnect()
	m.poll("the group is offline", func() bool {
		options, err := o.service.Options(t.Context(), l.ID)
		return err == nil && options.BrokerError == "" && !options.Group.Online
	})
	m.leads(o, again, dlq.GroupGRPC, rocketmq.KindRemembered)
	m.kindAfterRestart(&first, dlq.GroupGRPC, rocketmq.KindByPopTrace)
	r := m.throughTopic(o, again)
	o.letter(m.group, patience, func(dlq.Letter) bool { return o.stored(r.ID).Detail == replay.DetailOffline })
	m.connect()
	m.heal()
	m.poll("the replay is delivered", func() bool { return len(m.delivered(r.ID)) > 0 })
	o.letter(m.group, 2*patience, confirmed)
	if r := o.stored(r.ID); r.Detail != replay.DetailAcknowledged {
		t.Errorf("%+v", r)
	}
}

// A consumer whose process died is listed for up to two minutes: nobody took the message, so nobody assumes anything, longer
// than all retries take. Once somebody is there, who works on it longer than that, it is confirmed when he acknowledges it.
func grpcDead(t *testing.T, n *node.Node) {
	m := newGRPCMarket(t, n, "push", false)
	o := openOffice(t, join(t, n.NameServer()), "")
	m.connect()
	m.produce("slow 100", map[string]string{dlq.PropKeys: "k1"})
	l := o.letter(m.group, patience, dead(1))
	m.consumer.Kill()
	m.before, m.consumer = append(m.before, m.consumer), nil
	r := o.replay(l, nil)
	for end := time.Now().Add(100 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		if r := o.stored(r.ID); r.Outcome != dlq.OutcomeWaiting || len(m.delivered(r.ID)) > 0 {
			t.Fatalf("nobody had it: %+v", r)
		}
	}
	m.connect()
	m.heal()
	m.poll("the replay is delivered", func() bool { return len(m.delivered(r.ID)) > 0 })
	at := m.delivered(r.ID)[0].At
	o.letter(m.group, 4*patience, in(dlq.StateResolved, dlq.StateOpen))
	if r := o.stored(r.ID); r.Outcome != dlq.OutcomeConfirmed || r.SettledAt.Sub(at) < 100*time.Second {
		t.Errorf("%s %s, %s after the delivery", r.Outcome, r.Detail, r.SettledAt.Sub(at))
	}
}

// A FIFO push consumer: told by the consumer group's configuration alone, and dead without a trace of retries.
func grpcFIFO(t *testing.T, n *node.Node) {
	m := newGRPCMarket(t, n, "push", true)
	o := openOffice(t, join(t, n.NameServer()), "")
	m.connect()
	m.produce("pay 5", map[string]string{dlq.PropKeys: "k1"})
	l := o.letter(m.group, patience, dead(1))
	first := m.isDeadCopy(o, l, 1, m.topic)
	m.leads(o, l, dlq.GroupGRPCFIFO, rocketmq.KindByConfig)
	m.kindAfterRestart(&first, dlq.GroupGRPCFIFO, rocketmq.KindByConfig)
	again := m.failsAgain(o, l)

	m.heal()
	r := m.throughTopic(o, again)
	done := o.letter(m.group, 2*patience, in(dlq.StateResolved, dlq.StateOpen))
	if r := o.stored(r.ID); r.Outcome != dlq.OutcomeAssumed || r.Detail != replay.DetailSchedulePassed || done.Resolution != dlq.ResolvedAssumed || len(m.delivered(r.ID)) != 1 {
		t.Errorf("delivered %d times, %s", len(m.delivered(r.ID)), o.describe([]dlq.Letter{done}))
	}
}

// A simple consumer, which asks for messages by itself: the broker lists it as one that pulls, as remoting clients may.
func grpcSimple(t *testing.T, n *node.Node) {
	m := newGRPCMarket(t, n, "simple", false)
	o := openOffice(t, join(t, n.NameServer()), "")
	m.connect()
	m.produce("pay 5", map[string]string{dlq.PropKeys: "k1"})
	l := o.letter(m.group, patience, dead(1))
	m.isDeadCopy(o, l, 3, dlq.RetryPrefix+m.group+"_"+m.topic)
	m.leads(o, l, dlq.GroupGRPC, rocketmq.KindByNoRetry)
	again := m.failsAgain(o, l)
	m.heal()
	r := o.replay(again, nil)
	o.letter(m.group, 2*patience, confirmed)
	if r := o.stored(r.ID); r.Detail != replay.DetailAcknowledged {
		t.Errorf("%+v", r)
	}
}

// newGRPCMarket prepares topic and consumer group for a gRPC client, push or simple.
func newGRPCMarket(t *testing.T, n *node.Node, kind string, fifo bool) *market {
	t.Helper()
	m := newMarket(t, n, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	jars, err := n.Jars(ctx, node.GRPCClient)
	if err != nil {
		t.Fatal(err)
	}
	if fifo {
		g := remoting.SubscriptionGroup{Name: m.group, ConsumeEnable: true, Orderly: true, RetryQueues: 1, RetryMaxTimes: 1}
		if err := m.wire.UpdateSubscriptionGroup(ctx, n.BrokerAddr(), g); err != nil {
			t.Fatal(err)
		}
		if out, err := n.Admin(ctx, "updateTopic", "-c", n.Cluster(), "-t", m.topic, "-r", "1", "-w", "1", "-a", "+message.type=FIFO"); err != nil {
			t.Fatal(err, out)
		}
	}
	home := t.TempDir() // for the client's log
	m.program = func() *exec.Cmd {
		return exec.Command("java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Duser.home="+home, "-cp", jars,
			filepath.Join("..", "broker", "rocketmq", "testdata", "GrpcConsumer.java"), n.ProxyAddr(), m.group, m.topic, kind)
	}
	return m
}

// isDeadCopy checks what the intake made of the dead copy, and returns that.
func (m *market) isDeadCopy(o *office, l dlq.Letter, attempts int, retryTopic string) dlq.DeadMessage {
	m.t.Helper()
	d, err := o.store.Message(m.t.Context(), l.ID)
	if err != nil {
		m.t.Fatal(err)
	}
	if d.ConsumerGroup != m.group || d.OriginalTopic != m.topic || l.ConsumerGroup != m.group || l.Topic != m.topic || d.Orderly || string(d.Body) != "pay 5" {
		m.t.Errorf("dead copy %+v", d)
	}
	if d.ReconsumeTimes != attempts || d.Properties[dlq.PropRetryTopic] != retryTopic {
		m.t.Errorf("the proxy dead-letters otherwise than thought: %d attempts, %v", d.ReconsumeTimes, d.Properties)
	}
	return d
}

// leads checks that the console knows the kind of group, chooses door P, or A where no other leads to it, and refuses B and C.
func (m *market) leads(o *office, l dlq.Letter, kind dlq.GroupKind, why string) {
	m.t.Helper()
	options, err := o.service.Options(m.t.Context(), l.ID)
	if err != nil {
		m.t.Fatal(err)
	}
	if g := options.Group; g.Kind != kind || g.KindWhy != why || g.Online != (m.consumer != nil) {
		m.t.Errorf("group %+v, want %s by %s", g, kind, why)
	}
	def, topicWhy, popWhy := dlq.DoorPop, replay.WhyEveryGroup, replay.WhyPopRetry
	if kind == dlq.GroupGRPCFIFO {
		def, topicWhy, popWhy = dlq.DoorTopic, replay.WhyOnlyTopic, replay.ShutFIFO
	}
	if options.Default != def {
		m.t.Errorf("default door %s", options.Default)
	}
	for _, d := range options.Doors {
		switch d.Door {
		case dlq.DoorPop:
			if d.Allowed != (kind == dlq.GroupGRPC) || d.Why != popWhy || d.Target != dlq.RetryPrefix+m.group+"_"+m.topic {
				m.t.Errorf("door P: %+v", d)
			}
		case dlq.DoorTopic:
			if !d.Allowed || d.Why != topicWhy || d.Target != m.topic || !slices.Equal(d.Receivers, []string{m.group}) {
				m.t.Errorf("door A: %+v", d)
			}
		case dlq.DoorRetry, dlq.DoorBack:
			if d.Allowed || d.Why != replay.ShutGRPC {
				m.t.Errorf("door %s: %+v", d.Door, d)
			}
			_, _, err := o.service.Replay(m.t.Context(), dlq.ReplayRequest{LetterID: l.ID, Version: l.Version, Actor: "lin", Door: d.Door})
			if dlq.CodeOf(err) != dlq.CodeRefused || !strings.Contains(err.Error(), "gRPC consumers never read the retry topic") {
				m.t.Errorf("a replay through door %s: %v", d.Door, err)
			}
		}
	}
}

func (m *market) throughTopic(o *office, l dlq.Letter) dlq.Replay {
	m.t.Helper()
	return o.replay(l, func(r *dlq.ReplayRequest) { r.Door = dlq.DoorTopic })
}

// failsAgain gives the letter to a consumer that goes on failing, and returns it dead once more. Until then nobody may take
// the replay for consumed, whatever the committed offset says.
func (m *market) failsAgain(o *office, l dlq.Letter) dlq.Letter {
	m.t.Helper()
	r := o.replay(l, nil) // nobody but the group subscribes to the topic, so that A needs no choice
	m.passes(r)
	again := o.letter(m.group, patience, func(l dlq.Letter) bool {
		if r := o.stored(r.ID); r.Outcome != dlq.OutcomeWaiting && r.Outcome != dlq.OutcomeFailedAgain {
			m.t.Fatalf("while it goes on failing: %+v", r)
		}
		return dead(2)(l)
	})
	if got := m.delivered(r.ID); again.ID != l.ID || !again.HasFlag(dlq.FlagFailedAgain) || len(got) != 2 || got[0].Topic != m.topic {
		m.t.Errorf("delivered %v, %s", got, o.describe([]dlq.Letter{again}))
	}
	m.t.Logf("dead again %.1f s after the send", again.DiedAt.Sub(*r.SentAt).Seconds())
	return again
}

// passes waits until the group's committed offset has passed the replay, which for gRPC groups means nothing.
func (m *market) passes(r dlq.Replay) {
	m.t.Helper()
	m.poll("the offset passes the replay", func() bool {
		at, known, err := m.wire.QueryConsumerOffset(m.t.Context(), m.n.BrokerAddr(), m.group, r.Target, r.Receipt.Queue)
		return err == nil && known && at > r.Receipt.Offset
	})
	m.t.Logf("the committed offset passed %.1f s after the send", time.Since(*r.SentAt).Seconds())
}

// kindAfterRestart asks a console that has never seen the group online.
func (m *market) kindAfterRestart(d *dlq.DeadMessage, kind dlq.GroupKind, why string) {
	m.t.Helper()
	fresh := join(m.t, m.n.NameServer())
	g, err := fresh.Group(m.t.Context(), m.group, d)
	if err != nil || g.Kind != kind || g.KindWhy != why {
		m.t.Errorf("group %+v, %v; want %s by %s", g, err, kind, why)
	}
}

func (m *market) poll(what string, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("waited %s in vain until %s", patience, what)
		}
	}
}
