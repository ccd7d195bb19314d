package rocketmq

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Real dead letters of a real consumer are discovered, read from the start, and told apart from what the broker added.
func TestReadsDeadLettersOfARealConsumer(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 2, 6)
		bn.group(group, 1)
		desk := newDesk()
		b := open(t, n)
		start(t, b, desk)

		n.Consume(t, group, topic)
		for i := range 5 {
			bn.put(topic, fmt.Sprintf("order %d", i), map[string]string{"KEYS": fmt.Sprintf("k%d", i), "TAGS": "new", "UNIQ_KEY": fmt.Sprintf("%032X", time.Now().UnixNano())})
		}
		eventually(t, 3*time.Minute, func() string {
			if got := len(desk.of(dlq.DLQPrefix + group)); got != 5 {
				return fmt.Sprintf("%d dead letters instead of 5", got)
			}
			return ""
		})
		for _, m := range desk.of(dlq.DLQPrefix + group) {
			if m.OriginalTopic != topic || m.ConsumerGroup != group || m.ReconsumeTimes != 2 || m.BodyState != dlq.BodyPlain || m.Properties["TAGS"] != "new" {
				t.Errorf("dead letter %+v", m)
			}
			if m.StoredAt.Location() != time.UTC || time.Since(m.StoredAt) > time.Minute || m.MessageID == "" || m.Cluster != n.Cluster() || m.Broker != n.BrokerName() {
				t.Errorf("position %+v, id %q", m.Position, m.MessageID)
			}
		}
		desk.check(t)
		st := b.Status()
		if !st.Reachable || st.Cluster != n.Cluster() || st.Since == nil || st.Error != "" {
			t.Errorf("status %+v", st)
		}
	})
}

// A backlog of many queues is read whole, in order, once.
func TestReadsABacklogOfManyQueues(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		const queues, each = 12, 300
		var topics []string
		for range queues {
			topic := dlq.DLQPrefix + unique("many")
			bn.topic(topic, 1, 6)
			topics = append(topics, topic)
		}
		for i := range each {
			for _, topic := range topics {
				bn.put(topic, fmt.Sprintf("%s %d", topic, i), nil)
			}
		}
		desk := newDesk()
		b := open(t, n)
		start(t, b, desk)
		eventually(t, 30*time.Second, func() string {
			for _, topic := range topics {
				if got := len(desk.of(topic)); got != each {
					return fmt.Sprintf("%d of %d in %s", got, each, topic)
				}
			}
			return ""
		})
		for _, topic := range topics {
			for i, m := range desk.of(topic) {
				if want := fmt.Sprintf("%s %d", topic, i); string(m.Body) != want || m.Offset != int64(i) {
					t.Fatalf("message %d is %q at %d", i, m.Body, m.Offset)
				}
			}
		}
		desk.check(t)
	})
}

// Topics that appear while the office runs are found; bodies arrive as their producers wrote them.
func TestFindsLateTopicsAndInflatesBodies(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		desk := newDesk()
		// By name, and with an address that leads nowhere before it.
		_, port, _ := strings.Cut(n.NameServer(), ":")
		b := open(t, n, func(o *Options) { o.NameServers = []string{"127.0.0.1:1;localhost:" + port} })
		start(t, b, desk)
		eventually(t, 20*time.Second, func() string {
			if st := b.Status(); !st.Reachable {
				return st.Error
			}
			return ""
		})
		topic := dlq.DLQPrefix + unique("late")
		bn.topic(topic, 1, 6)
		text := strings.Repeat("订单 42 ", 2000)
		bomb := make([]byte, 32<<20)
		for _, kind := range []int32{0, remoting.SysFlagZlib, remoting.SysFlagLZ4, remoting.SysFlagZSTD} {
			bn.putRaw(topic, compress(t, kind, []byte(text)), remoting.SysFlagCompressed|kind, nil)
		}
		bn.putRaw(topic, compress(t, 0, bomb), remoting.SysFlagCompressed, nil)
		bn.putRaw(topic, []byte("not compressed"), remoting.SysFlagCompressed, nil)
		born := time.Now()
		eventually(t, 10*time.Second, func() string {
			if got := len(desk.of(topic)); got != 6 {
				return fmt.Sprintf("%d of 6", got)
			}
			return ""
		})
		t.Logf("found and read %s after the last was stored", time.Since(born).Round(time.Millisecond))
		got := desk.of(topic)
		for i := range 4 {
			if string(got[i].Body) != text || got[i].BodyState != dlq.BodyInflated || got[i].SysFlag&remoting.SysFlagCompressed == 0 {
				t.Errorf("body %d: %s, %d bytes", i, got[i].BodyState, len(got[i].Body))
			}
		}
		if got[4].BodyState != dlq.BodyOverLimit || got[5].BodyState != dlq.BodyUndecoded || string(got[5].Body) != "not compressed" {
			t.Errorf("bodies %s, %s", got[4].BodyState, got[5].BodyState)
		}
	})
}

// A dead-letter topic that is write only is shown as such, with its backlog, and read once it is repaired.
func TestRepairsAWriteOnlyTopic(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic := dlq.DLQPrefix + unique("blind")
		bn.topic(topic, 3, remoting.PermWrite)
		bn.put(topic, "one", nil)
		desk := newDesk()
		b := open(t, n)
		start(t, b, desk)
		info := func() (dlq.TopicInfo, error) {
			all, err := b.Topics(t.Context())
			for _, i := range all {
				if i.Topic == topic && i.Number == 0 {
					return i, err
				}
			}
			return dlq.TopicInfo{}, err
		}
		eventually(t, 15*time.Second, func() string {
			i, err := info()
			if err != nil || i.Readable || i.Perm != remoting.PermWrite || i.Max != 1 || i.Unread != 1 || has(i.LastError, "write only") != "" || i.OldestUnread == nil || i.ExpiresAt == nil {
				return fmt.Sprintf("%+v, %v", i, err)
			}
			if left := time.Until(*i.ExpiresAt); left < 71*time.Hour || left > 72*time.Hour {
				return "expires in " + left.String()
			}
			return ""
		})
		if len(desk.of(topic)) != 0 {
			t.Error("it was read")
		}
		if err := b.Repair(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		eventually(t, 15*time.Second, func() string {
			i, err := info()
			if err != nil || !i.Readable || i.Perm != 6 || i.Next != 1 || i.Unread != 0 || i.LastError != "" || len(desk.of(topic)) != 1 {
				return fmt.Sprintf("%+v, %v", i, err)
			}
			return ""
		})
		cfg, err := bn.wire.TopicConfig(t.Context(), n.BrokerAddr(), topic)
		if err != nil || cfg.ReadQueues != 3 || cfg.WriteQueues != 3 {
			t.Errorf("configuration %+v, %v", cfg, err)
		}
		// And when the permission is taken away again while the topic is being read.
		bn.topic(topic, 3, remoting.PermWrite)
		eventually(t, 30*time.Second, func() string {
			i, err := info()
			if err != nil || i.Readable || has(i.LastError, "write only") != "" {
				return fmt.Sprintf("%+v, %v", i, err)
			}
			return ""
		})
		if err := b.Repair(t.Context(), "orders"); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("repair of another topic: %v", err)
		}
		if err := b.Repair(t.Context(), dlq.DLQPrefix+unique("none")); dlq.CodeOf(err) != dlq.CodeNotFound {
			t.Errorf("repair of no topic: %v", err)
		}
	})
}

// A topic that was deleted and made anew is read again from its start, in a new epoch.
func TestReadsATopicThatWasMadeAnew(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic := dlq.DLQPrefix + unique("anew")
		bn.topic(topic, 1, 6)
		for i := range 5 {
			bn.put(topic, fmt.Sprintf("old %d", i), nil)
		}
		desk := newDesk()
		b := open(t, n)
		stop := start(t, b, desk)
		count := func(want int) {
			t.Helper()
			eventually(t, 60*time.Second, func() string {
				if got := len(desk.of(topic)); got != want {
					return fmt.Sprintf("%d of %d", got, want)
				}
				return ""
			})
		}
		count(5)
		again := func(messages int) {
			t.Helper()
			if _, err := n.Admin(t.Context(), "deleteTopic", "-c", n.Cluster(), "-t", topic); err != nil {
				t.Fatal(err)
			}
			bn.topic(topic, 1, 6)
			for i := range messages {
				bn.put(topic, fmt.Sprintf("new %d", i), nil)
			}
		}
		again(2)
		count(7)
		desk.mu.Lock()
		q := dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName(), Topic: topic}
		if pos := desk.pos[q]; pos.Epoch != 1 || pos.Next != 2 {
			t.Errorf("position %+v", pos)
		}
		gaps := slices.DeleteFunc(slices.Clone(desk.gaps), func(g dlq.Gap) bool { return g.Topic != topic })
		if len(gaps) != 1 || gaps[0].Kind != dlq.GapTruncated || gaps[0].From != 5 {
			t.Errorf("gaps %+v", gaps)
		}
		desk.mu.Unlock()
		// While the office is off the new queue may even grow past what was read of the old one.
		stop()
		again(4)
		start(t, open(t, n), desk)
		count(11)
	})
}

// Messages flow while broker and name server are killed and started again: each is read exactly once. What retention
// deletes before it is read is a recorded gap.
func TestOutagesAndExpiry(t *testing.T) {
	onOwn(t, node.Options{Conf: map[string]string{
		"fileReservedTime": "0", "mappedFileSizeCommitLog": "1048576", "mapedFileSizeCommitLog": "1048576",
		"mappedFileSizeConsumeQueue": "2000", "mapedFileSizeConsumeQueue": "2000",
	}}, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic := dlq.DLQPrefix + unique("flow")
		if err := n.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		desk := newDesk()
		b := open(t, n)
		stop := start(t, b, desk)
		eventually(t, 60*time.Second, func() string {
			if st := b.Status(); st.Reachable || st.Error == "" || st.Since == nil {
				return fmt.Sprintf("%+v", st)
			}
			return ""
		})
		if err := n.StartBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		bn.topic(topic, 1, 6)
		stored := 0
		feed := func(count int) {
			t.Helper()
			for range count {
				bn.put(topic, fmt.Sprintf("message %d", stored), nil)
				stored++
			}
		}
		read := func(limit time.Duration) {
			t.Helper()
			eventually(t, limit, func() string {
				if got := len(desk.of(topic)); got != stored {
					return fmt.Sprintf("%d of %d, status %+v", got, stored, b.Status())
				}
				return ""
			})
		}
		feed(100)
		read(30 * time.Second)
		if st := b.Status(); !st.Reachable || st.Error != "" {
			t.Errorf("status %+v", st)
		}
		for range 2 {
			feed(50)
			if err := n.KillBroker(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, 20*time.Second, func() string {
				if st := b.Status(); st.Reachable {
					return fmt.Sprintf("%+v", st)
				}
				return ""
			})
			if err := n.StartBroker(t.Context()); err != nil {
				t.Fatal(err)
			}
			feed(50)
			read(30 * time.Second)
		}
		if err := n.KillNameServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		feed(20)
		read(10 * time.Second) // readers need no name server
		eventually(t, 20*time.Second, func() string {
			return has(b.Status().Error, "no name server answers")
		})
		if err := n.StartNameServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, 60*time.Second, func() string { return b.Status().Error })
		for i, m := range desk.of(topic) {
			if string(m.Body) != fmt.Sprintf("message %d", i) || m.Offset != int64(i) {
				t.Fatalf("message %d is %q at %d", i, m.Body, m.Offset)
			}
		}
		if len(desk.gaps) != 0 {
			t.Errorf("gaps %+v", desk.gaps)
		}

		stop()
		before := len(desk.of(topic))
		filler := strings.Repeat("x", 20_000)
		for range 200 { // several commit-log files
			bn.put(topic, filler, nil)
		}
		var low int64
		eventually(t, 120*time.Second, func() string {
			for _, code := range []int{remoting.RequestDeleteExpiredCommitLog, remoting.RequestCleanExpiredQueues} {
				if ans, err := bn.wire.Do(bn.ctx(), n.BrokerAddr(), &remoting.Command{Code: code}); err != nil || ans.Err() != nil {
					t.Fatal(err, ans.Err())
				}
			}
			var err error
			if low, err = bn.wire.MinOffset(bn.ctx(), n.BrokerAddr(), topic, 0); err != nil {
				t.Fatal(err)
			}
			if low <= int64(before) {
				return fmt.Sprintf("the queue still begins at %d", low)
			}
			time.Sleep(time.Second)
			return ""
		})
		start(t, b, desk)
		eventually(t, 30*time.Second, func() string {
			q := dlq.Queue{Cluster: n.Cluster(), Broker: n.BrokerName(), Topic: topic}
			p, _, _ := desk.Position(t.Context(), q)
			if p.Next != int64(before)+200 {
				return fmt.Sprintf("position %+v", p)
			}
			return ""
		})
		desk.mu.Lock()
		defer desk.mu.Unlock()
		if len(desk.gaps) != 1 {
			t.Fatalf("gaps %+v", desk.gaps)
		}
		if g := desk.gaps[0]; g.Kind != dlq.GapExpired || g.From != int64(before) || g.To < low || g.Count != g.To-g.From {
			t.Errorf("gap %+v, the queue began at %d", g, low)
		}
	})
}

// With an account, and over TLS, everything goes as without.
func TestAccountsAndTLS(t *testing.T) {
	const user, secret = "console1", "secret-of-console"
	onOwn(t, node.Options{AccessKey: user, SecretKey: secret}, func(t *testing.T, n *node.Node) {
		account := remoting.Credentials{AccessKey: user, SecretKey: secret}
		bn := newBench(t, n)
		bn.wire = remoting.New(remoting.Options{Credentials: account})
		t.Cleanup(func() { bn.wire.Close() })
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 1, 6)
		bn.group(group, 2)
		dead := dlq.DLQPrefix + group
		bn.topic(dead, 1, 6)
		for i := range 200 {
			bn.put(dead, fmt.Sprintf("message %d", i), map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": topic})
		}
		stranger := open(t, n)
		start(t, stranger, newDesk())
		eventually(t, 20*time.Second, func() string {
			all, err := stranger.Topics(t.Context())
			for _, i := range all {
				if i.Topic == dead && i.LastError != "" {
					return ""
				}
			}
			return fmt.Sprintf("without an account: %+v, %v, %+v", all, err, stranger.Status())
		})
		next := 0
		for name, change := range map[string]func(*Options){
			"account":         func(o *Options) {},
			"account and TLS": func(o *Options) { o.TLS = &tls.Config{InsecureSkipVerify: true} },
		} {
			t.Run(name, func(t *testing.T) {
				desk := newDesk()
				b := open(t, n, func(o *Options) { o.Credentials = account }, change)
				start(t, b, desk)
				eventually(t, 30*time.Second, func() string {
					if got := len(desk.of(dead)); got < 200 {
						return fmt.Sprintf("%d of 200, %+v", got, b.Status())
					}
					return ""
				})
				s := &scene{t: t, n: n, bn: bn, b: b, desk: desk, topic: topic, group: group, dead: desk.of(dead)[next]}
				next++
				for _, door := range []dlq.Door{dlq.DoorTopic, dlq.DoorRetry, dlq.DoorBack} {
					req := s.request(door)
					req.Replay.DelayLevel = 18
					r := s.send(req)
					eventually(t, 5*time.Second, func() string {
						if got := places(s.look(r)); !stored(got) {
							return fmt.Sprintf("door %s: %v", door, got)
						}
						return ""
					})
				}
				if info, err := b.Group(t.Context(), group, &s.dead); err != nil || !info.Exists || info.Online || info.MaxRetry != 2 {
					t.Errorf("group %+v, %v", info, err)
				}
				if caps, err := b.Capabilities(t.Context(), ""); err != nil || caps.Version != n.Version() {
					t.Errorf("capabilities %+v, %v", caps, err)
				}
			})
		}
	})
}
