package replay_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// cutter stands between the console and a broker. Armed, it lets the next replay through to the broker and cuts the
// connection before the answer comes back, or, with reached, calls that before it lets the replay through, and cuts
// nothing. The console is led to it by a name server whose answers name it in place of the broker.
type cutter struct {
	nameServer string
	armed      atomic.Bool
	reached    func()
	cuts       atomic.Int64
}

func newCutter(t *testing.T, n *node.Node) *cutter {
	t.Helper()
	c := &cutter{}
	addr := n.BrokerAddr()
	broker := c.listen(t, addr, func(frame []byte, toBroker bool, doomed *atomic.Bool) ([]byte, bool) {
		if toBroker && bytes.Contains(frame, []byte(dlq.PropReplayID)) && c.armed.CompareAndSwap(true, false) {
			if c.reached != nil {
				c.reached()
			} else {
				doomed.Store(true)
			}
		} else if !toBroker && doomed.Load() {
			c.cuts.Add(1)
			return nil, false
		}
		return frame, true
	})
	if len(broker) != len(addr) {
		t.Fatalf("%s cannot stand for %s: the lengths differ", broker, addr)
	}
	c.nameServer = c.listen(t, n.NameServer(), func(frame []byte, _ bool, _ *atomic.Bool) ([]byte, bool) {
		return bytes.ReplaceAll(frame, []byte(addr), []byte(broker)), true
	})
	return c
}

// listen opens a proxy that hands over whole frames, and returns its address.
func (c *cutter) listen(t *testing.T, behind string, pass func(frame []byte, toServer bool, doomed *atomic.Bool) ([]byte, bool)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", behind)
			if err != nil {
				client.Close()
				continue
			}
			var doomed atomic.Bool
			go carry(client, server, func(frame []byte) ([]byte, bool) { return pass(frame, true, &doomed) })
			go carry(server, client, func(frame []byte) ([]byte, bool) { return pass(frame, false, &doomed) })
		}
	}()
	return l.Addr().String()
}

// carry copies frames until one of the connections ends or pass says no, and closes both.
func carry(from, to net.Conn, pass func([]byte) ([]byte, bool)) {
	defer from.Close()
	defer to.Close()
	for {
		frame := make([]byte, 4)
		if _, err := io.ReadFull(from, frame); err != nil {
			return
		}
		frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return
		}
		frame, ok := pass(frame)
		if !ok {
			return
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// The connection dies after the request has gone through: the message is at the broker, and the console finds it there.
func TestRealConnectionCutAfterTheRequest(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, n *node.Node) {
		c := newCutter(t, n)
		m := newMarket(t, n, false)
		m.connect()
		o := openOffice(t, join(t, c.nameServer), "")
		m.produce("pay 5", map[string]string{})
		l := o.letter(m.group, patience, dead(1))
		m.heal()
		c.armed.Store(true)
		r := o.replay(l, nil)
		if r.Outcome != dlq.OutcomeSending || r.Detail != "send_unknown" || c.cuts.Load() != 1 {
			t.Errorf("%d cuts, replay %+v", c.cuts.Load(), r)
		}
		done := o.letter(m.group, patience, confirmed)
		if got := m.delivered(r.ID); len(got) != 1 || done.Replays != 1 || done.HasFlag(dlq.FlagPossibleDuplicate) {
			t.Errorf("delivered %d times, %s", len(got), o.describe([]dlq.Letter{done}))
		}
	})
}
