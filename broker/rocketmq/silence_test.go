package rocketmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// enroll registers a broker at a name server that is only an address, and keeps it registered until the test ends.
func enroll(t *testing.T, n *node.Node, name, addr string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"topicConfigSerializeWrapper": map[string]any{
			"topicConfigTable": map[string]any{}, "dataVersion": map[string]any{"timestamp": time.Now().UnixMilli(), "counter": 1, "stateVersion": 0},
		},
		"filterServerList": []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	wire := remoting.New(remoting.Options{}) // the name server forgets who hangs up
	register := func(ctx context.Context) error {
		ans, err := wire.Do(ctx, n.NameServer(), &remoting.Command{Code: 103, Body: body, Ext: map[string]string{
			"brokerName": name, "brokerAddr": addr, "clusterName": n.Cluster(), "haServerAddr": addr, "brokerId": "0", "compressed": "false", "bodyCrc32": "0",
		}})
		if err == nil {
			err = ans.Err()
		}
		return err
	}
	if err := register(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sleep(ctx, 10*time.Second) == nil {
			_ = register(ctx) // a name server that is gone is the test's own doing
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		wire.Close()
	})
}

// blackHole accepts connections and never answers. It counts them.
func blackHole(t *testing.T) (addr string, taken *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken = &atomic.Int64{}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				for buf := make([]byte, 4096); ; taken.Add(1) {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), taken
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// member returns how a broker stands.
func member(b *Broker, name string) dlq.BrokerState {
	for _, m := range b.Status().Members {
		if m.Name == name {
			return m
		}
	}
	return dlq.BrokerState{}
}

// Registered brokers that hold nothing of a consumer group and do not answer, each in its own way, hinder nothing: kind,
// receivers, sends and outcomes are told by those that answer, and the status names those that do not.
func TestSilentBrokersThatHoldNothing(t *testing.T) {
	onOwn(t, node.Options{}, func(t *testing.T, n *node.Node) {
		hole, taken := blackHole(t)
		enroll(t, n, "broker-c", closedPort(t))
		enroll(t, n, "broker-d", hole)
		s := newScene(t, n, false)
		s.shop.Say("well")
		eventually(t, 60*time.Second, func() string {
			c, d := member(s.b, "broker-c"), member(s.b, "broker-d")
			if c.AwaySince == nil || d.AwaySince == nil || !s.b.Status().Reachable {
				return fmt.Sprintf("%+v", s.b.Status())
			}
			return has(c.Error, "broker-c does not answer", "nobody listens at 127.0.0.9:") + has(d.Error, "broker-d does not answer", "no answer comes")
		})
		if m := member(s.b, n.BrokerName()); m.AwaySince != nil || m.Role != dlq.RoleMaster || m.Address != n.BrokerAddr() || m.Error != "" {
			t.Errorf("the broker that answers: %+v", m)
		}
		away := []string{"broker-c", "broker-d"}
		before := taken.Load()
		for range 30 { // nobody waits for them
			info, err := s.b.Group(t.Context(), s.group, &s.dead)
			if err != nil || !info.Exists || !info.Online || info.Lag < 0 || !slices.Equal(info.BrokersAway, away) || !slices.Equal(info.Serving, []string{n.BrokerName()}) {
				t.Fatalf("group %+v, %v", info, err)
			}
			groups, complete, err := s.b.Subscribers(t.Context(), s.topic)
			if err != nil || !complete || !slices.Equal(groups, []string{s.group}) {
				t.Fatalf("subscribers %v, %t, %v", groups, complete, err)
			}
			s.b.mu.Lock()
			clear(s.b.presences) // as if it had not been asked a moment ago
			s.b.mu.Unlock()
		}
		if asked := taken.Load() - before; asked > 20 {
			t.Errorf("the silent broker was asked %d times for 30 answers", asked)
		}
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic, dlq.DoorBack} {
			s.confirmed(s.send(s.request(door)))
		}
		many := make([]dlq.Replay, 60)
		for i := range many {
			many[i] = s.send(s.request(dlq.DoorRetry))
		}
		eventually(t, 60*time.Second, func() string {
			evs, errs := s.b.LookMany(t.Context(), many)
			for i := range evs {
				if errs[i] != nil || len(evs[i].Away) > 0 || !evs[i].Passed || len(evs[i].Copies) != 1 {
					return fmt.Sprintf("%d: %+v, %v", i, evs[i], errs[i])
				}
			}
			return ""
		})

		// A consumer group that none of those knows which answer may be known to one that does not.
		info, err := s.b.Group(t.Context(), unique("nobody"), nil)
		if err != nil || info.Exists || !slices.Equal(info.BrokersAway, away) {
			t.Errorf("a group that nobody knows: %+v, %v", info, err)
		}
		if all, err := s.b.Topics(t.Context()); err != nil || len(all) != 1 || all[0].LastError != "" {
			t.Errorf("topics %+v, %v", all, err)
		}
		for _, name := range away {
			if _, err := s.b.Capabilities(t.Context(), name); dlq.CodeOf(err) != dlq.CodeUnavailable {
				t.Errorf("capabilities of %s: %v", name, err)
			}
		}
	})
}

// A broker that hangs while it holds the topic, the retry topic and dead letters: sends go elsewhere, its queues say that
// they cannot be read, and no outcome is told that it could contradict. It goes on when it answers again, and its letters
// have another way when it is gone for good.
func TestBrokerThatHangsThenIsGone(t *testing.T) {
	onOwn(t, node.Options{}, func(t *testing.T, n *node.Node) {
		second := node.Own(t, node.Options{Version: n.Version(), DelayLevels: node.ShortDelays, Join: n.NameServer(), BrokerName: "broker-z"})
		s := &scene{t: t, n: n, bn: newBench(t, n), desk: newDesk(), b: open(t, n), topic: unique("orders"), group: unique("stock")}
		other := newBench(t, second)
		for _, bn := range []*bench{s.bn, other} {
			bn.topic(s.topic, 1, 6)
			bn.group(s.group, 1)
			bn.topic(dlq.DLQPrefix+s.group, 1, 6)
			bn.put(dlq.DLQPrefix+s.group, "on "+bn.n.BrokerName(), map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": s.topic})
		}
		start(t, s.b, s.desk)
		all := s.deaths(2)
		for _, m := range all {
			if m.Broker == n.BrokerName() {
				s.dead = m
			}
		}
		s.shop = n.Consume(t, s.group, s.topic)
		s.shop.Say("well")
		s.confirmed(s.send(s.request(dlq.DoorRetry)))

		if err := second.PauseBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 60*time.Second, func() string {
			m := member(s.b, "broker-z")
			if m.AwaySince == nil || m.Role != dlq.RoleMaster {
				return fmt.Sprintf("%+v", m)
			}
			return has(m.Error, "broker-z does not answer", "no answer comes")
		})
		info, err := s.b.Group(t.Context(), s.group, &s.dead)
		if err != nil || !info.Online || info.Lag != -1 || !slices.Equal(info.BrokersAway, []string{"broker-z"}) || !slices.Equal(info.Serving, []string{n.BrokerName()}) {
			t.Errorf("group %+v, %v", info, err)
		}
		if groups, complete, err := s.b.Subscribers(t.Context(), s.topic); err != nil || complete || !slices.Contains(groups, s.group) {
			t.Errorf("subscribers %v, %t, %v", groups, complete, err)
		}
		for range 8 { // one of two brokers each time, if it were chosen from both
			if r := s.send(s.request(dlq.DoorTopic)); r.Receipt.Broker != n.BrokerName() {
				t.Fatalf("sent to %s", r.Receipt.Broker)
			}
		}
		r := s.send(s.request(dlq.DoorRetry))
		eventually(t, 60*time.Second, func() string {
			if s.heard(r) != 1 {
				return "not delivered"
			}
			return ""
		})
		if ev := s.look(r); !slices.Equal(ev.Away, []string{"broker-z"}) || ev.PassedKnown {
			t.Errorf("evidence while a broker that may hold a copy hangs: %+v", ev)
		}
		if evs, errs := s.b.LookMany(t.Context(), []dlq.Replay{r}); errs[0] != nil || !slices.Equal(evs[0].Away, []string{"broker-z"}) {
			t.Errorf("many: %+v, %v", evs[0], errs[0])
		}
		told, err := s.b.Topics(t.Context())
		if err != nil || len(told) != 2 || told[0].LastError != "" || !strings.Contains(told[1].LastError, "broker-z does not answer") || told[1].Max != 1 {
			t.Errorf("topics %+v, %v", told, err)
		}
		if err := second.ResumeBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 60*time.Second, func() string {
			if m := member(s.b, "broker-z"); m.AwaySince != nil {
				return fmt.Sprintf("%+v", m)
			}
			return ""
		})
		s.confirmed(r)

		if err := second.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 60*time.Second, func() string {
			if m := member(s.b, "broker-z"); m.AwaySince == nil || m.Role != dlq.RoleGone || m.Address != second.BrokerAddr() {
				return fmt.Sprintf("%+v", m)
			}
			return ""
		})
		told, err = s.b.Topics(t.Context())
		if err != nil || len(told) != 2 || !strings.Contains(told[1].LastError, "does not know the broker broker-z any more") || told[1].Max != 1 {
			t.Errorf("topics %+v, %v", told, err)
		}
		fresh := open(t, n) // one that has never seen the broker knows as much
		for _, b := range []*Broker{s.b, fresh} {
			if _, err := b.Capabilities(t.Context(), "broker-z"); dlq.CodeOf(err) != dlq.CodeUnavailable {
				t.Errorf("capabilities: %v", err)
			}
			for _, m := range all {
				if info, err := b.Group(t.Context(), s.group, &m); err != nil || !info.Exists || !slices.Equal(info.Serving, []string{n.BrokerName()}) {
					t.Errorf("group of a letter of %s: %+v, %v", m.Broker, info, err)
				}
			}
		}
		s.confirmed(s.send(s.request(dlq.DoorRetry)))
	})
}

// A broker that left may have a copy of what was sent before, and none of what was sent after.
func TestBrokersThatLeft(t *testing.T) {
	now := time.Now()
	b, err := New(Options{NameServers: []string{"127.0.0.1:1"}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	take := func(topic string, at time.Time, names ...string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.takeServed(topic, holders{at: at, names: names})
	}
	take("%RETRY%g", now, "a", "b")
	take("%DLQ%g", now.Add(time.Minute), "a")
	take("%RETRY%other", now.Add(time.Minute), "a", "c")
	c := &cluster{brokers: map[string]remoting.BrokerData{"a": {Name: "a", Addrs: map[int64]string{0: "127.0.0.1:2"}}}}
	for _, tt := range []struct {
		since time.Time
		want  []string
	}{{now.Add(-time.Second), []string{"b"}}, {now.Add(time.Second), nil}} {
		if got := b.left(c, "g", tt.since); !slices.Equal(got, tt.want) {
			t.Errorf("since %s: %v, want %v", tt.since.Sub(now), got, tt.want)
		}
	}
	take("%DLQ%g", now.Add(metStays), "a")
	if got := b.left(c, "g", now.Add(-time.Second)); got != nil {
		t.Errorf("given up: %v", got)
	}
}

// What people read of a broker that does not answer.
func TestWordsOfSilence(t *testing.T) {
	dial := func(err error) error {
		return &remoting.Unsent{Addr: "x", Err: &remoting.DialError{Addr: "x", Err: err}}
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{dial(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), "nobody listens at 10.0.0.1:10911"},
		{dial(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), "there is no way to 10.0.0.1:10911"},
		{dial(context.DeadlineExceeded), "no connection to 10.0.0.1:10911 comes about"},
		{dial(&net.DNSError{Name: "broker"}), `the name in 10.0.0.1:10911 cannot be resolved`},
		{&remoting.NoAnswer{Addr: "x", Err: context.DeadlineExceeded}, "the connection to 10.0.0.1:10911 is there, but no answer comes"},
		{errSilent{&remoting.NoAnswer{Addr: "x", Err: context.DeadlineExceeded}}, "the connection to 10.0.0.1:10911 is there, but no answer comes"},
		{errors.New("?"), "nobody answers at 10.0.0.1:10911"},
	} {
		err := noAnswer("b", "10.0.0.1:10911", fmt.Errorf("asking: %w", tt.err))
		if got, want := dlq.SentenceOf(err, noWords), "the broker b does not answer: "+tt.want; got != want || dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("%v: %q, want %q", tt.err, got, want)
		}
	}
}

// A broker of which only a slave is left is shown with its dead-letter topics, what they hold, and what that means.
func TestBrokerWithOnlyASlave(t *testing.T) {
	onOwn(t, node.Options{}, func(t *testing.T, n *node.Node) {
		master := node.Own(t, node.Options{Version: n.Version(), Join: n.NameServer(), BrokerName: "broker-z"})
		slave := node.Own(t, node.Options{Version: n.Version(), Join: n.NameServer(), BrokerName: "broker-z", Conf: map[string]string{"brokerId": "1", "brokerRole": "SLAVE"}})
		group, topic := unique("stock"), unique("orders")
		bn := newBench(t, master)
		for _, one := range []*bench{bn, newBench(t, n)} {
			one.topic(topic, 1, 6)
			one.group(group, 1)
		}
		bn.topic(dlq.DLQPrefix+group, 1, 6)
		for range 3 {
			bn.put(dlq.DLQPrefix+group, "order", map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": topic})
		}
		wire := remoting.New(remoting.Options{})
		t.Cleanup(func() { wire.Close() })
		eventually(t, 120*time.Second, func() string { // a slave asks for its master's topics every ten seconds
			stats, err := wire.TopicStats(t.Context(), slave.BrokerAddr(), dlq.DLQPrefix+group)
			if err != nil || len(stats) != 1 || stats[0].MaxOffset != 3 {
				return fmt.Sprintf("the slave has %+v, %v", stats, err)
			}
			return ""
		})
		if err := master.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := open(t, n)
		start(t, b, newDesk())
		eventually(t, 120*time.Second, func() string {
			m := member(b, "broker-z")
			if m.AwaySince == nil || m.Role != dlq.RoleSlave || m.Address != slave.BrokerAddr() || m.Why != dlq.AwayNoMaster || !b.Status().Reachable {
				return fmt.Sprintf("%+v", m)
			}
			all, err := b.Topics(t.Context())
			if err != nil || len(all) != 1 || all[0].Broker != "broker-z" || all[0].Unread != 3 || !strings.Contains(all[0].LastError, "has no master, only a slave") {
				return fmt.Sprintf("topics %+v, %v", all, err)
			}
			return ""
		})
		info, err := b.Group(t.Context(), group, nil)
		if err != nil || !info.Exists || !slices.Equal(info.BrokersAway, []string{"broker-z"}) || !slices.Equal(info.Serving, []string{n.BrokerName()}) {
			t.Errorf("group %+v, %v", info, err)
		}
	})
}
