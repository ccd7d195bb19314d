package replay_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// java makes the market's consumer one of the Java client.
func (m *market) java(kind string, more ...string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 3*time.Minute)
	defer cancel()
	jars, err := m.n.Jars(ctx, m.n.Version())
	if err != nil {
		m.t.Fatal(err)
	}
	home := m.t.TempDir()
	m.program = func() *exec.Cmd {
		args := append([]string{"-Xmx96m", "-XX:TieredStopAtLevel=1", "-Duser.home=" + home, "-cp", jars,
			filepath.Join("..", "broker", "rocketmq", "testdata", "Consumer.java"), m.n.NameServer(), m.group, m.topic, kind}, more...)
		return exec.Command("java", args...)
	}
}

// set puts the group's offset behind a replay, as mqadmin updateConsumeOffset and consoles do.
func (m *market) set(r dlq.Replay) {
	m.t.Helper()
	if err := m.wire.UpdateConsumerOffset(m.t.Context(), m.n.BrokerAddr(), m.group, r.Target, r.Receipt.Queue, r.Receipt.Offset+1); err != nil {
		m.t.Fatal(err)
	}
}

// reset sets the group's offset to now, as people do.
func (m *market) reset(topic string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	out, err := m.n.Admin(ctx, "resetOffsetByTime", "-g", m.group, "-t", topic, "-s", "now")
	if err != nil || !strings.Contains(out, m.group) {
		m.t.Fatal(err, out)
	}
	m.t.Log(out)
}

func (m *market) offline(o *office, l dlq.Letter) {
	m.t.Helper()
	m.poll("the group is offline", func() bool {
		options, err := o.service.Options(m.t.Context(), l.ID)
		return err == nil && options.BrokerError == "" && !options.Group.Online
	})
}

// isMoved waits until the replay is over, and checks that nobody takes it for consumed.
func (m *market) isMoved(o *office, r dlq.Replay) {
	m.t.Helper()
	l := o.letter(m.group, 3*patience, in(dlq.StateOpen, dlq.StateResolved))
	if got := o.stored(r.ID); got.Outcome != dlq.OutcomeUnknown || got.Detail != replay.DetailOffsetMoved || !l.HasFlag(dlq.FlagOutcomeUnknown) {
		m.t.Errorf("%s", o.describe([]dlq.Letter{l}))
	}
	if got := m.delivered(r.ID); len(got) > 0 {
		m.t.Errorf("the test did not skip it: %v", got)
	}
}

// Somebody sets the offset of a group that is offline behind a replay: it is not taken for consumed, neither at once nor when
// the group is back.
func TestRealOffsetSetWhileOffline(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
			for _, back := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, back %t", door, back), func(t *testing.T) {
					t.Parallel()
					m := newMarket(t, n, false)
					m.connect()
					o := openOffice(t, join(t, n.NameServer()), "")
					m.produce("pay 5", map[string]string{})
					l := o.letter(m.group, patience, dead(1))
					m.disconnect()
					m.offline(o, l)
					r := o.replay(l, func(r *dlq.ReplayRequest) { r.Door = door })
					if back { // it is skipped, and the group is back before anybody looks
						o.letter(m.group, patience, func(dlq.Letter) bool { return o.stored(r.ID).Detail == replay.DetailOffline })
						m.set(r)
						m.connect()
						m.heal()
					} else {
						m.reset(r.Target)
					}
					m.isMoved(o, r)
				})
			}
		}
	})
}

// The offset is set, and the group is back, while no console runs.
func TestRealOffsetSetWhileNobodyWatches(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.connect()
		path := filepath.Join(t.TempDir(), "dlq.db")
		o := openOffice(t, join(t, n.NameServer()), path)
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.disconnect()
		m.offline(o, l)
		r := o.replay(l, nil)
		o.close()
		m.set(r)
		m.connect()
		m.heal()
		time.Sleep(2 * time.Second)
		m.isMoved(openOffice(t, join(t, n.NameServer()), path), r)
	})
}

// While a consumer works on the replay its offset is set behind it: nobody calls it consumed before the consumer is done.
func TestRealOffsetSetWhileWorking(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.java("concurrent")
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("slow 8", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.heal()
		r := o.replay(l, nil)
		m.poll("the consumer works on it", func() bool { return len(m.delivered(r.ID)) > 0 })
		at := m.delivered(r.ID)[0].At
		for range 12 {
			m.set(r)
			time.Sleep(500 * time.Millisecond)
		}
		o.letter(m.group, 3*patience, confirmed)
		if took := o.stored(r.ID).SettledAt.Sub(at); took < 8*time.Second {
			t.Errorf("confirmed %s after the delivery, while the consumer worked on it", took)
		}
	})
}

// The only thread of a consumer is busy, the replay waits behind it, and the offset is set to now.
func TestRealOffsetSetBehindABusyConsumer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		m := newMarket(t, n, false)
		m.java("concurrent", "1")
		m.connect()
		o := openOffice(t, join(t, n.NameServer()), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.produce("slow 240", map[string]string{})
		time.Sleep(3 * time.Second)
		r := o.replay(l, nil)
		o.letter(m.group, patience, func(dlq.Letter) bool { return o.stored(r.ID).Detail == replay.DetailNotConsumed })
		m.reset(r.Target)
		m.isMoved(o, r)
	})
}
