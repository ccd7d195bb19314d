package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// Who really receives what the console gives back: every kind of client, connected and not, with and without a delay, on
// both versions. All consumer groups subscribe to one topic, so that each would hear what is meant for another; the console
// chooses the doors. With DLQ_SOAK=1 it also waits the minutes that pass before the success of a gRPC group is assumed.
func TestDoorMatrix(t *testing.T) {
	t.Parallel()
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			if version == node.V4 {
				newMatrix(t, node.Shared(t, version)).run()
			} else {
				newMatrix(t, node.Own(t, node.Options{Version: version, Proxy: true, DelayLevels: node.ShortDelays})).run()
			}
		})
	}
}

// delayed is the delay of every second letter: level 2 of the short ones.
const delayed = 2 * time.Second

// row is one consumer group: a kind of client, connected or not when its letters are given back.
type row struct {
	client, kind string
	away         bool
	group        string
	door         dlq.Door

	connect, disconnect, heal func()
	deliveries                func() []node.Delivery // so far
	before                    int                    // how many there were when it was healed
}

func (r *row) String() string {
	if r.away {
		return r.client + " " + r.kind + ", away"
	}
	return r.client + " " + r.kind
}

type matrix struct {
	t     *testing.T
	n     *node.Node
	wire  *remoting.Client
	topic string
	rows  []*row
	c     *console
}

func newMatrix(t *testing.T, n *node.Node) *matrix {
	m := &matrix{t: t, n: n, wire: remoting.New(remoting.Options{}), topic: "doors-" + randomHex(4)}
	t.Cleanup(func() { _ = m.wire.Close() })
	newer := n.Version() != node.V4
	orderly := dlq.DoorRetry
	if newer {
		orderly = dlq.DoorBack // the broker would divert B as long as it holds their locks, or may hold them
	}
	for _, away := range []bool{false, true} {
		m.rows = append(m.rows,
			&row{client: "java", kind: "concurrent", away: away, door: dlq.DoorRetry},
			&row{client: "java", kind: "orderly", away: away, door: orderly},
			&row{client: "go", kind: "concurrent", away: away, door: dlq.DoorRetry},
			&row{client: "go", kind: "orderly", away: away, door: orderly},
		)
		if newer {
			m.rows = append(m.rows,
				&row{client: "java", kind: "pop", away: away, door: dlq.DoorRetry},
				&row{client: "grpc", kind: "push", away: away, door: dlq.DoorPop},
			)
		}
	}
	m.createTopic(m.topic)
	for _, r := range m.rows {
		r.group = strings.Join([]string{r.client, r.kind, fmt.Sprint(r.away), randomHex(4)}, "-")
		m.prepare(r)
	}
	return m
}

func (m *matrix) createTopic(name string) {
	m.t.Helper()
	if err := m.wire.UpdateTopic(m.t.Context(), m.n.BrokerAddr(), remoting.TopicConfig{Name: name, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		m.t.Fatal(err)
	}
}

// prepare makes a consumer group at the broker. Clients find a retry topic that is there at once, and else after half a minute.
func (m *matrix) prepare(r *row) {
	m.t.Helper()
	group := remoting.SubscriptionGroup{Name: r.group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 1}
	if err := m.wire.UpdateSubscriptionGroup(m.t.Context(), m.n.BrokerAddr(), group); err != nil {
		m.t.Fatal(err)
	}
	if r.client != "grpc" {
		m.createTopic(dlq.RetryPrefix + r.group)
	}
	if r.kind != "pop" {
		return
	}
	mode, err := json.Marshal(map[string]any{"topic": m.topic, "consumerGroup": r.group, "mode": "POP", "popShareQueueNum": 0})
	if err != nil {
		m.t.Fatal(err)
	}
	answer, err := m.wire.Do(m.t.Context(), m.n.BrokerAddr(), &remoting.Command{Code: remoting.RequestSetConsumeMode, Body: mode})
	if err != nil || answer.Err() != nil {
		m.t.Fatal(err, answer)
	}
}

func (m *matrix) run() {
	m.c = startConsole(m.t, filepath.Join(m.t.TempDir(), "dlq.db"), freeAddress(m.t), "--namesrv", m.n.NameServer())
	m.connectAll()
	m.bury()
	letters := m.dead()
	m.scatter(letters)

	sent := map[int64]dlq.Replay{}
	for id := range letters {
		sent[id] = m.giveBack(letters[id])
	}
	m.wait("those that are away", func() error {
		for id, r := range sent {
			if row := m.row(letters[id].ConsumerGroup); row.away && row.client != "grpc" && m.replay(r).Detail != "group_offline" {
				return fmt.Errorf("%s: %+v", row, m.replay(r))
			}
		}
		return nil
	})
	for _, r := range m.rows {
		if r.away {
			if got := r.deliveries()[r.before:]; len(got) > 0 {
				m.t.Errorf("%s, which is away, got %v", r, got)
			}
			r.connect()
			r.heal()
		}
	}
	m.wait("every outcome", func() error {
		for id, r := range sent {
			row, now := m.row(letters[id].ConsumerGroup), m.replay(r)
			if row.client == "grpc" && now.Detail == "wait_schedule" && os.Getenv("DLQ_SOAK") == "" {
				continue // delivered, and nothing has come back: such a group gives no other sign of success
			}
			if !now.Outcome.Final() {
				return fmt.Errorf("%s: %+v", row, now)
			}
		}
		return nil
	})
	m.check(letters, sent)
}

// connectAll starts every consumer: the Java ones in one process, each other in its own.
func (m *matrix) connectAll() {
	m.t.Helper()
	var crowd []*row
	var starting sync.WaitGroup
	for _, r := range m.rows {
		if r.client == "java" {
			crowd = append(crowd, r)
			continue
		}
		m.alone(r)
		starting.Go(r.connect)
	}
	m.crowd(crowd)
	starting.Wait()
}

// alone lets a group's consumer run in a process of its own.
func (m *matrix) alone(r *row) {
	var all []*node.Consumer
	last := func() *node.Consumer { return all[len(all)-1] }
	start := func() *node.Consumer {
		return m.n.Consume(m.t, r.group, m.topic, fmt.Sprintf("-orderly=%v", r.kind == "orderly"))
	}
	if r.client == "grpc" {
		start = func() *node.Consumer {
			return m.java(node.GRPCClient, "GrpcConsumer.java", m.n.ProxyAddr(), r.group, m.topic, r.kind)
		}
	}
	r.connect = func() { all = append(all, start()) }
	r.disconnect = func() { last().Stop() }
	r.heal = func() { last().Say("well") }
	r.deliveries = func() (out []node.Delivery) {
		for _, c := range all {
			out = append(out, c.Heard(func(node.Delivery) bool { return true })...)
		}
		return out
	}
}

func (m *matrix) crowd(rows []*row) {
	m.t.Helper()
	args := []string{m.n.NameServer(), m.topic}
	for _, r := range rows {
		args = append(args, r.group+":"+r.kind)
	}
	c := m.java(m.n.Version(), "Crowd.java", args...)
	for _, r := range rows {
		r.connect = func() { c.Say("start " + r.group) }
		r.disconnect = func() { c.Say("stop " + r.group) }
		r.heal = func() { c.Say("well") }
		r.deliveries = func() []node.Delivery {
			return c.Heard(func(d node.Delivery) bool { return d.Properties["GROUP"] == r.group })
		}
	}
}

func (m *matrix) java(jars, program string, args ...string) *node.Consumer {
	m.t.Helper()
	return javaConsumer(m.t, m.n, jars, program, args...)
}

// javaConsumer starts one of the Java programs for tests with a set of jars.
func javaConsumer(t *testing.T, n *node.Node, jars, program string, args ...string) *node.Consumer {
	t.Helper()
	path, err := n.Jars(t.Context(), jars)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir() // for the client's log
	args = append([]string{"-Xmx128m", "-XX:TieredStopAtLevel=1", "-Duser.home=" + home, "-Drocketmq.client.logRoot=" + home, "-cp", path,
		filepath.Join("..", "..", "broker", "rocketmq", "testdata", program)}, args...)
	return node.Follow(t, exec.Command("java", args...))
}

// bury lets two messages die in every consumer group. What dies in POP mode is lost (apache/rocketmq 5.5.0
// DefaultMQPushConsumerImpl.sendMessageBackAsPop), so those groups get dead copies that came by their retry topic.
func (m *matrix) bury() {
	m.t.Helper()
	for _, key := range []string{"at-once", "delayed"} {
		m.send(m.topic, map[string]string{dlq.PropKeys: key})
		for _, r := range m.rows {
			if r.kind == "pop" {
				m.createTopic(dlq.DLQPrefix + r.group)
				m.send(dlq.DLQPrefix+r.group, map[string]string{dlq.PropKeys: key, dlq.PropRetryTopic: m.topic})
			}
		}
	}
}

func (m *matrix) send(topic string, properties map[string]string) {
	m.t.Helper()
	properties[dlq.PropUniqueKey] = strings.ToUpper(randomHex(16))
	_, err := m.wire.SendMessage(m.t.Context(), m.n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "matrix", Topic: topic, Body: []byte("pay 5"), Properties: properties})
	if err != nil {
		m.t.Fatal(err)
	}
}

// dead waits until every group has its two letters, and tries no more.
func (m *matrix) dead() map[int64]dlq.Letter {
	m.t.Helper()
	letters := map[int64]dlq.Letter{}
	query := url.Values{"limit": {"200"}}
	for _, r := range m.rows {
		query.Add("consumer_group", r.group)
	}
	m.wait("two letters of each group", func() error {
		var page dlq.Page
		if err := m.c.get("/letters?"+query.Encode(), &page); err != nil {
			return err
		}
		each := map[string]int{}
		for _, l := range page.Items {
			letters[l.ID] = l
			each[l.ConsumerGroup]++
		}
		for _, r := range m.rows {
			if each[r.group] != 2 {
				return fmt.Errorf("%s has %d letters", r, each[r.group])
			}
			if got := len(r.deliveries()); r.kind == "pop" && got < 4 { // what it pops is tried twice, and must be over
				return fmt.Errorf("%s has got %d deliveries of two messages", r, got)
			}
		}
		return nil
	})
	if len(letters) != 2*len(m.rows) {
		m.t.Fatalf("%d letters", len(letters))
	}
	return letters
}

// scatter takes those off that shall be away, and heals the others.
func (m *matrix) scatter(letters map[int64]dlq.Letter) {
	m.t.Helper()
	for _, r := range m.rows {
		if r.away {
			r.disconnect()
		} else {
			r.heal()
		}
		r.before = len(r.deliveries())
	}
	m.wait("the console knows who is connected", func() error {
		for _, l := range letters {
			r := m.row(l.ConsumerGroup)
			if o := m.options(l.ID); o.BrokerError != "" || o.Group.Online == r.away {
				return fmt.Errorf("%s: %+v %s", r, o.Group, o.BrokerError)
			}
		}
		return nil
	})
}

func (m *matrix) row(group string) *row {
	return m.rows[slices.IndexFunc(m.rows, func(r *row) bool { return r.group == group })]
}

func (m *matrix) options(id int64) (o dlq.ReplayOptions) {
	m.t.Helper()
	if err := m.c.get(fmt.Sprintf("/letters/%d/replay-options", id), &o); err != nil {
		m.t.Fatal(err)
	}
	return o
}

// giveBack replays a letter as the console proposes.
func (m *matrix) giveBack(l dlq.Letter) dlq.Replay {
	m.t.Helper()
	r := m.row(l.ConsumerGroup)
	options := m.options(l.ID)
	// The lock of orderly consumers lasts a minute; on a busy machine it may be over by now.
	unlocked := r.away && r.door == dlq.DoorBack && options.Default == dlq.DoorRetry && options.Doors[0].Why == replay.WhyOrderlyOffline
	if options.Default != r.door && !unlocked {
		m.t.Errorf("%s: the console chooses door %s: %+v", r, options.Default, options.Doors)
	}
	for _, d := range options.Doors {
		if d.Door == options.Default && (!d.Complete || !slices.Equal(d.Receivers, []string{r.group})) {
			m.t.Errorf("%s: door %s says that it leads to %v", r, d.Door, d.Receivers)
		}
	}
	req := dlq.ReplayRequest{Version: options.Version}
	if l.Title() == "delayed" {
		req.Delay = dlq.Duration(delayed)
	}
	if err := m.c.call(m.t.Context(), http.MethodPost, fmt.Sprintf("/letters/%d/replay", l.ID), req, nil); err != nil {
		m.t.Fatalf("%s: %v", r, err)
	}
	return m.detail(l.ID).ReplayList[0]
}

func (m *matrix) detail(id int64) (d dlq.Detail) {
	m.t.Helper()
	if err := m.c.get(fmt.Sprintf("/letters/%d", id), &d); err != nil {
		m.t.Fatal(err)
	}
	return d
}

// replay is a replay as it stands now.
func (m *matrix) replay(r dlq.Replay) dlq.Replay {
	m.t.Helper()
	list := m.detail(r.LetterID).ReplayList
	if len(list) != 1 || list[0].ID != r.ID {
		m.t.Fatalf("replays %+v", list)
	}
	return list[0]
}

// check compares what every group got with what it should have got.
func (m *matrix) check(letters map[int64]dlq.Letter, sent map[int64]dlq.Replay) {
	m.t.Helper()
	var table strings.Builder
	for _, r := range m.rows {
		got := r.deliveries()[r.before:]
		if len(got) != 2 {
			m.t.Errorf("%s got %d deliveries of its two letters: %+v", r, len(got), got)
		}
		for _, id := range slices.Sorted(maps.Keys(letters)) {
			l := letters[id]
			if l.ConsumerGroup != r.group {
				continue
			}
			replay, after := m.replay(sent[id]), m.detail(id)
			var mine []node.Delivery
			for _, d := range got {
				if d.Properties[dlq.PropReplayID] == replay.ID || replay.Door == dlq.DoorBack && d.Properties[dlq.PropUniqueKey] == l.UniqueKey {
					mine = append(mine, d)
				}
			}
			if len(mine) != 1 {
				m.t.Errorf("%s got the %s letter %d times: %+v", r, l.Title(), len(mine), got)
				continue
			}
			m.checkDelivery(r, l, replay, mine[0])
			if (after.State != dlq.StateResolved) == replay.Outcome.Final() || after.Deaths != 1 {
				m.t.Errorf("%s: the letter is %s, %d deaths; %+v", r, after.State, after.Deaths, replay)
			}
			fmt.Fprintf(&table, "%-5s  %-24s  %-8s  door %s (%s)  %-9s  %-16s  %5.1f s after the send\n", m.n.Version(), r, l.Title(), replay.Door, replay.Why,
				replay.Outcome, replay.Detail, mine[0].At.Sub(*replay.SentAt).Seconds())
		}
	}
	m.t.Logf("\n%s", table.String())
}

func (m *matrix) checkDelivery(r *row, l dlq.Letter, replay dlq.Replay, d node.Delivery) {
	m.t.Helper()
	attempts := 0
	if replay.Door == dlq.DoorBack {
		attempts = l.Attempts + 1
	}
	if d.Topic != m.topic || d.Attempts != attempts {
		m.t.Errorf("%s got it from topic %s with attempt %d, want %d: %+v", r, d.Topic, d.Attempts, attempts, d)
	}
	if early := time.Duration(replay.Delay) - d.At.Sub(*replay.SentAt); early > 200*time.Millisecond {
		m.t.Errorf("%s got it %s too early", r, early)
	}
	if outcome := replay.Outcome; outcome != dlq.OutcomeConfirmed && !(r.client == "grpc" && (outcome == dlq.OutcomeAssumed || !outcome.Final())) {
		m.t.Errorf("%s: outcome %s, %s", r, replay.Outcome, replay.Detail)
	}
}

// wait polls, as long as a loaded machine may take.
func (m *matrix) wait(what string, check func() error) {
	m.t.Helper()
	eventually(m.t, 3*time.Minute, what, check)
}
