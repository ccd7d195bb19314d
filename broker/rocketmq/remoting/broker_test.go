package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMain(m *testing.M) { os.Exit(node.Main(m)) }

// onBoth runs a test against the shared real node of each version.
func onBoth(t *testing.T, test func(ctx context.Context, t *testing.T, c *Client, n *node.Node)) {
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			n := node.Shared(t, version)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			test(ctx, t, client(t, Options{}), n)
		})
	}
}

// eventually repeats what depends on another process's clock until it succeeds.
func eventually(t *testing.T, ctx context.Context, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func unique(prefix string) string { return fmt.Sprintf("%s-%08x", prefix, rand.Uint32()) }

// newTopic creates a topic of two queues and waits until its route is known.
func newTopic(ctx context.Context, t *testing.T, c *Client, n *node.Node) string {
	t.Helper()
	topic := unique("topic")
	if err := c.UpdateTopic(ctx, n.BrokerAddr(), TopicConfig{Name: topic, ReadQueues: 2, WriteQueues: 2, Perm: PermRead | PermWrite}); err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "route of a new topic", func() error { _, err := c.Route(ctx, n.NameServer(), topic); return err })
	return topic
}

func TestNameServerCalls(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		topic := newTopic(ctx, t, c, n)
		byName := "localhost" + n.NameServer()[strings.LastIndexByte(n.NameServer(), ':'):]
		for _, ns := range []string{n.NameServer(), byName, "127.0.0.1:1;" + n.NameServer()} {
			route, err := c.Route(ctx, ns, topic)
			if err != nil {
				t.Fatal(err)
			}
			want := TopicRoute{
				Brokers: []BrokerData{{Cluster: n.Cluster(), Name: n.BrokerName(), Addrs: map[int64]string{0: n.BrokerAddr()}}},
				Queues:  []QueueData{{Broker: n.BrokerName(), ReadQueues: 2, WriteQueues: 2, Perm: 6}},
			}
			if diff := cmp.Diff(want, route); diff != "" || route.Brokers[0].Master() != n.BrokerAddr() {
				t.Error(diff)
			}
		}
		if _, err := c.Route(ctx, n.NameServer(), unique("missing")); !IsCode(err, AnswerTopicMissing) {
			t.Errorf("route of a missing topic: %v", err)
		}
		info, err := c.ClusterInfo(ctx, n.NameServer())
		if err != nil {
			t.Fatal(err)
		}
		if info.Brokers[n.BrokerName()].Master() != n.BrokerAddr() || !slices.Contains(info.Clusters[n.Cluster()], n.BrokerName()) {
			t.Errorf("cluster info: %+v", info)
		}
		topics, err := c.TopicList(ctx, n.NameServer())
		if err != nil || !slices.Contains(topics, topic) || !slices.IsSorted(topics) {
			t.Errorf("%q not in %q, %v", topic, topics, err)
		}
		// An old request version gets bare keys here, which is what an old name server answers always.
		ans, err := c.Do(ctx, n.NameServer(), &Command{Code: RequestRoute, Ext: map[string]string{"topic": topic}})
		if err != nil || !strings.Contains(string(ans.Body), "{0:") {
			t.Fatalf("no bare key in %s, %v", ans.Body, err)
		}
		if _, err := standardJSON(ans.Body); err != nil {
			t.Error(err)
		}
	})
}

func TestBrokerCalls(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		cfg, err := c.BrokerConfig(ctx, n.BrokerAddr())
		if err != nil {
			t.Fatal(err)
		}
		if cfg["messageDelayLevel"] != "1s 2s 3s 4s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s" || cfg["brokerName"] != n.BrokerName() {
			t.Errorf("broker config: %v", cfg)
		}
		if _, ok := cfg["timerWheelEnable"]; ok != (n.Version() == node.V5) {
			t.Errorf("timerWheelEnable is there: %t", ok)
		}
		var info map[string]string
		eventually(t, ctx, "runtime info", func() (err error) { // 4.9 fails until it has sampled its figures once
			info, err = c.BrokerRuntimeInfo(ctx, n.BrokerAddr())
			return err
		})
		if want := "V" + strings.ReplaceAll(n.Version(), ".", "_"); info["brokerVersionDesc"] != want {
			t.Errorf("version %q, want %q", info["brokerVersionDesc"], want)
		}
	})
}

func TestWriteOnlyTopicIsSeenAndRepaired(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		broker := n.BrokerAddr()
		want := TopicConfig{Name: unique("%DLQ%group"), ReadQueues: 1, WriteQueues: 1, Perm: PermWrite, FilterType: "SINGLE_TAG"}
		if _, err := c.TopicConfig(ctx, broker, want.Name); !IsCode(err, AnswerTopicMissing) {
			t.Errorf("before creation: %v", err)
		}
		if _, err := c.TopicStats(ctx, broker, want.Name); !IsCode(err, AnswerTopicMissing) {
			t.Errorf("stats before creation: %v", err)
		}
		if err := c.UpdateTopic(ctx, broker, want); err != nil {
			t.Fatal(err)
		}
		got, err := c.TopicConfig(ctx, broker, want.Name)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if _, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: want.Name, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		pull := PullRequest{Group: "office", Topic: want.Name}
		if _, err := c.Pull(ctx, broker, pull); !IsCode(err, AnswerNoPermission) {
			t.Errorf("pull without permission: %v", err)
		}
		eventually(t, ctx, "stats", func() error {
			stats, err := c.TopicStats(ctx, broker, want.Name)
			if err == nil && (len(stats) != 1 || stats[0].MaxOffset != 1 || stats[0].Queue != MessageQueue{Topic: want.Name, Broker: n.BrokerName()}) {
				return fmt.Errorf("%+v", stats)
			}
			return err
		})
		want.Perm = PermRead | PermWrite
		if err := c.UpdateTopic(ctx, broker, want); err != nil {
			t.Fatal(err)
		}
		if res, err := c.Pull(ctx, broker, pull); err != nil || len(res.Messages) != 1 {
			t.Errorf("pull after the repair: %+v, %v", res, err)
		}
	})
}

func TestMessageWay(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		broker, topic := n.BrokerAddr(), newTopic(ctx, t, c, n)
		key, order := unique("UNIQ"), unique("order")
		maxTimes := 16
		send := SendRequest{
			ProducerGroup: "p", Topic: topic, Queue: 1, Flag: 5, Reconsumed: 3, MaxReconsumed: &maxTimes, Body: []byte("订单 \x00 body"), BornAt: time.UnixMilli(1700000000123),
			Properties: map[string]string{"UNIQ_KEY": key, "KEYS": order + " other", "TAGS": "t", "原因": "库存不足"},
		}
		res, err := c.SendMessage(ctx, broker, send)
		if err != nil || res.Code != AnswerSuccess || res.Queue != 1 || res.QueueOffset != 0 {
			t.Fatalf("send: %+v, %v", res, err)
		}
		host, physical, err := ParseMessageID(res.MessageID)
		if err != nil || host.String() != broker {
			t.Fatalf("message id %s: %s, %v", res.MessageID, host, err)
		}
		want, err := c.ViewMessage(ctx, broker, topic, physical)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range send.Properties {
			if want.Properties[name] != value {
				t.Errorf("property %s is %q", name, want.Properties[name])
			}
		}
		if string(want.Body) != string(send.Body) || want.Topic != topic || want.QueueID != 1 || want.Reconsumed != 3 || want.Flag != 5 ||
			!want.BornAt.Equal(send.BornAt) || want.OffsetID() != res.MessageID || time.Since(want.StoredAt).Abs() > time.Hour || want.BornHost.Addr() != host.Addr() {
			t.Errorf("stored: %+v", want)
		}
		same := cmp.Comparer(func(a, b Message) bool { return a.OffsetID() == b.OffsetID() && string(a.Body) == string(b.Body) })
		for name, q := range map[string]MessageQuery{"unique key": {Topic: topic, Key: key, Unique: true}, "key": {Topic: topic, Key: order}} {
			eventually(t, ctx, "query by "+name, func() error {
				got, err := c.QueryMessage(ctx, broker, q)
				if diff := cmp.Diff([]Message{want}, got, same); err == nil && diff != "" {
					return errors.New(diff)
				}
				return err
			})
		}
		for name, q := range map[string]MessageQuery{
			"unknown": {Topic: topic, Key: "nobody"}, "other topic": {Topic: "TBW102", Key: key, Unique: true}, "old window": {Topic: topic, Key: order, End: time.Now().Add(-time.Hour)},
		} {
			if got, err := c.QueryMessage(ctx, broker, q); err != nil || len(got) != 0 {
				t.Errorf("query %s: %d messages, %v", name, len(got), err)
			}
		}
		if _, err := c.ViewMessage(ctx, broker, "", physical+1<<40); !IsCode(err, AnswerSystemError) {
			t.Errorf("view of nothing: %v", err)
		}
		out, err := n.Admin(ctx, "queryMsgByOffset", "-t", topic, "-b", n.BrokerName(), "-i", "1", "-o", "0")
		if err != nil || !strings.Contains(out, key) || !strings.Contains(out, order) {
			t.Errorf("mqadmin does not see it: %v\n%s", err, out)
		}
	})
}

func TestPullReadsAWholeQueue(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		broker, topic, group := n.BrokerAddr(), newTopic(ctx, t, c, n), unique("office")
		const count = 100
		for i := range count {
			if _, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: fmt.Appendf(nil, "%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, ctx, "consume queue", func() error {
			if got, err := c.MaxOffset(ctx, broker, topic, 0); err != nil || got != count {
				return fmt.Errorf("max offset %d, %w", got, err)
			}
			return nil
		})
		if got, err := c.MinOffset(ctx, broker, topic, 0); err != nil || got != 0 {
			t.Errorf("min offset %d, %v", got, err)
		}
		if got, err := c.SearchOffset(ctx, broker, topic, 0, time.Now().Add(-time.Hour)); err != nil || got != 0 {
			t.Errorf("offset of an hour ago %d, %v", got, err)
		}
		at := int64(0)
		for at < count {
			res, err := c.Pull(ctx, broker, PullRequest{Group: group, Topic: topic, Offset: at, Max: 32})
			if err != nil || res.Code != AnswerSuccess || len(res.Messages) == 0 || res.MaxOffset != count {
				t.Fatalf("pull at %d: %+v, %v", at, res, err)
			}
			for _, m := range res.Messages {
				if m.QueueOffset != at || string(m.Body) != fmt.Sprint(at) {
					t.Fatalf("offset %d, body %s; want %d", m.QueueOffset, m.Body, at)
				}
				at++
			}
			if res.NextOffset != at {
				t.Fatalf("next offset %d, want %d", res.NextOffset, at)
			}
		}
		if res, err := c.Pull(ctx, broker, PullRequest{Group: group, Topic: topic, Offset: count}); err != nil || res.Code != AnswerPullNotFound {
			t.Errorf("at the end: %+v, %v", res, err)
		}
		if res, err := c.Pull(ctx, broker, PullRequest{Group: group, Topic: topic, Offset: count + 50}); err != nil || res.Code != AnswerPullOffsetMoved || res.NextOffset != count {
			t.Errorf("beyond the end: %+v, %v", res, err)
		}
		// A held request is answered by the message that arrives meanwhile.
		held := make(chan error, 1)
		go func() {
			res, err := c.Pull(ctx, broker, PullRequest{Group: group, Topic: topic, Offset: count, Suspend: 30 * time.Second})
			if err == nil && len(res.Messages) != 1 {
				err = fmt.Errorf("%+v", res)
			}
			held <- err
		}()
		if _, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte("late")}); err != nil {
			t.Fatal(err)
		}
		if err := <-held; err != nil {
			t.Errorf("held pull: %v", err)
		}
	})
}

func TestDelayedAndDivertedSends(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		broker, topic := n.BrokerAddr(), newTopic(ctx, t, c, n)
		view := func(r SendResult) Message {
			t.Helper()
			_, physical, err := ParseMessageID(r.MessageID)
			if err != nil {
				t.Fatal(err)
			}
			m, err := c.ViewMessage(ctx, broker, "", physical)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		res, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte("x"), Properties: map[string]string{"DELAY": "2"}})
		if err != nil {
			t.Fatal(err)
		}
		if m := view(res); m.Topic != "SCHEDULE_TOPIC_XXXX" || m.Properties["REAL_TOPIC"] != topic || m.QueueID != 1 {
			t.Errorf("parked: %+v", m)
		}
		group := unique("group")
		if err := c.UpdateSubscriptionGroup(ctx, broker, SubscriptionGroup{Name: group, ConsumeEnable: true, RetryMaxTimes: 2}); err != nil {
			t.Fatal(err)
		}
		// The answer says success in either case; only the stored message tells where it went.
		for _, tt := range []struct {
			reconsumed, max int
			want            string
		}{{0, 16, "%RETRY%"}, {0, 0, map[string]string{node.V4: "%DLQ%", node.V5: "%RETRY%"}[n.Version()]}, {2, 1, "%DLQ%"}} {
			res, err := c.SendMessage(ctx, broker, SendRequest{
				ProducerGroup: "p", Topic: "%RETRY%" + group, Queue: -1, Reconsumed: tt.reconsumed, MaxReconsumed: &tt.max, Body: []byte("x"), Properties: map[string]string{"RETRY_TOPIC": topic},
			})
			if err != nil {
				t.Fatal(err)
			}
			if m := view(res); m.Topic != tt.want+group || m.Reconsumed != tt.reconsumed {
				t.Errorf("reconsumed %d of %d is in %s, want %s", tt.reconsumed, tt.max, m.Topic, tt.want)
			}
		}
	})
}

func TestGroupCalls(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, c *Client, n *node.Node) {
		broker, topic, group := n.BrokerAddr(), newTopic(ctx, t, c, n), unique("group")
		if err := c.UpdateSubscriptionGroup(ctx, broker, SubscriptionGroup{Name: group, ConsumeEnable: true, RetryMaxTimes: 7}); err != nil {
			t.Fatal(err)
		}
		groups, err := c.SubscriptionGroups(ctx, broker)
		if diff := cmp.Diff(SubscriptionGroup{Name: group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 7}, groups[group]); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if _, found, err := c.QueryConsumerOffset(ctx, broker, group, topic, 0); err != nil || found != (n.Version() == node.V4) {
			t.Errorf("offset of a group never seen: found %t, %v", found, err)
		}
		for range 3 {
			if _, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.UpdateConsumerOffset(ctx, broker, group, topic, 0, 2); err != nil {
			t.Fatal(err)
		}
		if got, found, err := c.QueryConsumerOffset(ctx, broker, group, topic, 0); err != nil || !found || got != 2 {
			t.Errorf("offset %d, %t, %v", got, found, err)
		}
		eventually(t, ctx, "consume stats", func() error {
			stats, err := c.ConsumeStats(ctx, broker, group, topic)
			if err != nil {
				return err
			}
			want := []ConsumeQueue{
				{Queue: MessageQueue{Topic: topic, Broker: n.BrokerName()}, BrokerOffset: 3, ConsumerOffset: 2},
				{Queue: MessageQueue{Topic: topic, Broker: n.BrokerName(), ID: 1}},
			}
			if diff := cmp.Diff(want, stats.Queues, cmpopts.IgnoreFields(ConsumeQueue{}, "LastConsumed", "PullOffset")); diff != "" {
				return errors.New(diff)
			}
			if stats.Queues[0].LastConsumed.IsZero() || !stats.Queues[1].LastConsumed.IsZero() {
				return fmt.Errorf("last consumed: %+v", stats.Queues)
			}
			return nil
		})
		if got, err := c.TopicConsumers(ctx, broker, topic); err != nil || !slices.Equal(got, []string{group}) {
			t.Errorf("topic consumers %q, %v", got, err)
		}
		if _, err := c.ConsumerConnection(ctx, broker, group); !IsCode(err, AnswerConsumerOffline) {
			t.Errorf("connections of an offline group: %v", err)
		}
		if _, err := c.ConsumerIDs(ctx, broker, group); !IsCode(err, AnswerSystemError) {
			t.Errorf("ids of an offline group: %v", err)
		}
		if _, err := c.ConsumeDirectly(ctx, broker, DirectRequest{Group: group, ClientID: "nobody", MessageID: FormatMessageID(mustHost(t, broker), 0), Topic: topic}); !IsCode(err, AnswerSystemError) {
			t.Errorf("direct consumption by nobody: %v", err)
		}
	})
}

func TestTLSOnTheSamePort(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, _ *Client, n *node.Node) {
		trusting := client(t, Options{TLS: &tls.Config{InsecureSkipVerify: true}}) // the node's certificate is a self-signed example
		topic := newTopic(ctx, t, trusting, n)
		body := strings.Repeat("0123456789", 20000)
		if _, err := trusting.SendMessage(ctx, n.BrokerAddr(), SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "pull", func() error {
			res, err := trusting.Pull(ctx, n.BrokerAddr(), PullRequest{Group: "office", Topic: topic})
			if err == nil && (len(res.Messages) != 1 || string(res.Messages[0].Body) != body) {
				return fmt.Errorf("%d messages", len(res.Messages))
			}
			return err
		})
		_, err := client(t, Options{TLS: &tls.Config{}}).TopicList(ctx, n.NameServer())
		if !errors.As(err, new(*DialError)) || !errors.As(err, new(*tls.CertificateVerificationError)) {
			t.Errorf("an unknown certificate passed: %v", err)
		}
	})
}
