package rocketmq

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// scene is a real consumer group with one dead letter that the office has read.
type scene struct {
	t            *testing.T
	n            *node.Node
	bn           *bench
	b            *Broker
	desk         *desk
	topic, group string
	shop         *node.Consumer
	dead         dlq.DeadMessage
}

func newScene(t *testing.T, n *node.Node, orderly bool) *scene {
	t.Helper()
	s := &scene{t: t, n: n, bn: newBench(t, n), desk: newDesk(), topic: unique("orders"), group: unique("stock")}
	s.bn.topic(s.topic, 1, 6)
	s.bn.group(s.group, 1)
	s.b = open(t, n)
	start(t, s.b, s.desk)
	s.shop = n.Consume(t, s.group, s.topic, fmt.Sprintf("-orderly=%t", orderly))
	s.bn.put(s.topic, "order 1", map[string]string{"UNIQ_KEY": newKey(), "KEYS": "o1", "TAGS": "new"})
	s.dead = s.deaths(1)[0]
	return s
}

func newKey() string { return fmt.Sprintf("%X", []byte(rand.Text()[:16])) }

// deaths waits for so many dead letters.
func (s *scene) deaths(n int) []dlq.DeadMessage {
	s.t.Helper()
	eventually(s.t, 120*time.Second, func() string {
		if got := len(s.desk.of(dlq.DLQPrefix + s.group)); got != n {
			return fmt.Sprintf("%d dead letters of %s instead of %d", got, s.group, n)
		}
		return ""
	})
	return s.desk.of(dlq.DLQPrefix + s.group)
}

// request makes what the replay room would.
func (s *scene) request(door dlq.Door) dlq.SendRequest {
	id := strings.ToLower(newKey())
	r := dlq.Replay{
		ID: id, Door: door, Cluster: s.dead.Cluster, ConsumerGroup: s.group, Topic: s.topic, Target: dlq.RetryPrefix + s.group,
		UniqueKey: s.dead.UniqueKey(), IntendedAt: time.Now().UTC(), Outcome: dlq.OutcomeWaiting,
		DeadPhysOffset: s.dead.PhysOffset, DeadAttempts: s.dead.ReconsumeTimes,
	}
	props := map[string]string{"UNIQ_KEY": r.UniqueKey, "KEYS": "o1", "TAGS": "new", dlq.PropReplayID: id}
	if door == dlq.DoorTopic {
		r.Target = s.topic
	}
	if door == dlq.DoorPop {
		r.Target = dlq.RetryPrefix + s.group + "_" + s.topic
	}
	if door == dlq.DoorRetry {
		props[dlq.PropRetryTopic] = s.topic
	}
	return dlq.SendRequest{Replay: r, Broker: s.dead.Broker, Body: s.dead.Body, Properties: props, BornAt: s.dead.BornAt, SysFlag: s.dead.SysFlag}
}

// send sends and returns the replay as it stands then.
func (s *scene) send(req dlq.SendRequest) dlq.Replay {
	s.t.Helper()
	var receipt dlq.Receipt
	eventually(s.t, 20*time.Second, func() string {
		var result dlq.SendResult
		var err error
		receipt, result, err = s.b.Send(s.t.Context(), req)
		if result == dlq.NotSent && dlq.CodeOf(err) == dlq.CodeUnavailable { // a busy machine: the broker asks for patience
			return err.Error()
		}
		if result != dlq.Sent || err != nil {
			s.t.Fatalf("door %s: %s, %v", req.Replay.Door, result, err)
		}
		return ""
	})
	r := req.Replay
	now := time.Now().UTC()
	r.Receipt, r.SentAt = receipt, &now
	return r
}

// heard counts deliveries of a replay; one by door C carries no id.
func (s *scene) heard(r dlq.Replay) int {
	return len(s.shop.Heard(func(d node.Delivery) bool {
		if r.Door == dlq.DoorBack {
			return d.Properties["UNIQ_KEY"] == r.UniqueKey && d.At.After(r.IntendedAt)
		}
		return d.Properties[dlq.PropReplayID] == r.ID
	}))
}

func (s *scene) look(r dlq.Replay) dlq.Evidence {
	s.t.Helper()
	ev, err := s.b.Look(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return ev
}

func places(ev dlq.Evidence) []dlq.CopyPlace {
	var out []dlq.CopyPlace
	for _, c := range ev.Copies {
		out = append(out, c.Place)
	}
	return out
}

func (s *scene) confirmed(r dlq.Replay) {
	s.t.Helper()
	eventually(s.t, 30*time.Second, func() string {
		ev := s.look(r)
		if !ev.Online || !ev.PassedKnown || !ev.Passed || ev.Filtered || ev.Expired || ev.Retry <= 0 && r.Door != dlq.DoorBack {
			return fmt.Sprintf("evidence %+v", ev)
		}
		if !slices.Equal(places(ev), []dlq.CopyPlace{dlq.PlaceTarget}) {
			return fmt.Sprintf("copies %+v", ev.Copies)
		}
		return ""
	})
	if n := s.heard(r); n != 1 {
		s.t.Errorf("door %s: heard %d times", r.Door, n)
	}
}

// Through each door a healed consumer gets the letter, under its original topic, and the evidence says that it came good.
func TestDoorsDeliver(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := newScene(t, n, false)
		s.shop.Say("well")
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic, dlq.DoorBack} {
			req := s.request(door)
			if door == dlq.DoorBack {
				req.Replay.DelayLevel = 1
			}
			r := s.send(req)
			if r.Receipt.Broker != n.BrokerName() || door != dlq.DoorBack && r.Receipt.MessageID == "" {
				t.Errorf("door %s: receipt %+v", door, r.Receipt)
			}
			eventually(t, 20*time.Second, func() string {
				if s.heard(r) == 0 {
					return "not delivered by door " + string(door)
				}
				return ""
			})
			s.confirmed(r)
		}
		if n := len(s.shop.Heard(func(d node.Delivery) bool { return d.Topic != s.topic })); n != 0 {
			t.Errorf("%d deliveries under another topic", n)
		}
		if got := len(s.desk.of(dlq.DLQPrefix + s.group)); got != 1 {
			t.Errorf("%d deaths", got)
		}
	})
}

// A consumer that is still sick gives the letter back: the evidence shows it being retried, then dead again.
func TestReplayFailsAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic, dlq.DoorBack} {
			s := newScene(t, n, false)
			req := s.request(door)
			req.Replay.DelayLevel = map[bool]int{true: 1}[door == dlq.DoorBack]
			r := s.send(req)
			var failing bool
			eventually(t, 40*time.Second, func() string {
				ev := s.look(r)
				if len(ev.Copies) == 0 {
					return "no copy"
				}
				last := ev.Copies[len(ev.Copies)-1]
				failing = failing || last.Place == dlq.PlaceRetry && !ev.Passed
				if last.Place != dlq.PlaceDead {
					return fmt.Sprintf("evidence %+v", ev)
				}
				return ""
			})
			if !failing && door != dlq.DoorBack {
				t.Errorf("door %s: never seen being retried", door)
			}
			again := s.deaths(2)[1]
			if again.UniqueKey() != s.dead.UniqueKey() || door != dlq.DoorBack && again.Properties[dlq.PropReplayID] != r.ID || again.OriginalTopic != s.topic {
				t.Errorf("door %s: second death %+v", door, again)
			}
			if door == dlq.DoorBack && again.ReconsumeTimes <= s.dead.ReconsumeTimes {
				t.Errorf("attempts %d after %d", again.ReconsumeTimes, s.dead.ReconsumeTimes)
			}
			s.shop.Stop()
		}
	})
}

// A delay parks the message, and the evidence says so until it is delivered.
func TestDelays(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := newScene(t, n, false)
		s.shop.Say("well")
		caps, err := s.b.Capabilities(t.Context(), s.dead.Broker)
		if err != nil {
			t.Fatal(err)
		}
		type trial struct {
			door  dlq.Door
			level int
			timer time.Duration
		}
		trials := []trial{{dlq.DoorRetry, 4, 0}, {dlq.DoorTopic, 4, 0}, {dlq.DoorBack, 4, 0}}
		if caps.Timer {
			trials = append(trials, trial{dlq.DoorRetry, 0, 4 * time.Second}, trial{dlq.DoorTopic, 0, 4 * time.Second})
		}
		for _, tr := range trials {
			req := s.request(tr.door)
			want := tr.timer
			if tr.level > 0 {
				req.Replay.DelayLevel, want = tr.level, time.Duration(caps.Levels[tr.level-1])
			} else {
				at := time.Now().Add(tr.timer)
				req.TimerAt, req.Replay.DeliverAt = &at, &at
			}
			before := time.Now()
			r := s.send(req)
			eventually(t, 2*time.Second, func() string {
				if got := places(s.look(r)); !slices.Equal(got, []dlq.CopyPlace{dlq.PlaceParked}) {
					return fmt.Sprintf("%+v: copies %v", tr, got)
				}
				return ""
			})
			if s.heard(r) != 0 {
				t.Errorf("%+v: delivered at once", tr)
			}
			eventually(t, 30*time.Second, func() string {
				if s.heard(r) == 0 {
					return fmt.Sprintf("%+v: not delivered", tr)
				}
				return ""
			})
			if took := time.Since(before); took < want-1200*time.Millisecond {
				t.Errorf("%+v: after %s", tr, took)
			}
			s.confirmed(r)
		}
	})
}

// To an orderly group that is online door B is diverted on 5.x, and said so; door C reaches it on both.
func TestOrderlyGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := newScene(t, n, true)
		eventually(t, 30*time.Second, func() string {
			info, err := s.b.Group(t.Context(), s.group, &s.dead)
			if err != nil || info.Kind != dlq.GroupOrderly || info.KindWhy != KindByListener || !info.Online {
				return fmt.Sprintf("group %+v, %v", info, err)
			}
			return ""
		})
		s.shop.Say("well")
		req := s.request(dlq.DoorBack)
		req.Replay.DelayLevel = 1
		r := s.send(req)
		s.confirmed(r)

		caps, err := s.b.Capabilities(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		req = s.request(dlq.DoorRetry)
		_, result, err := s.b.Send(t.Context(), req)
		if !caps.OrderlyDiverts {
			if result != dlq.Sent || err != nil {
				t.Errorf("door B: %s, %v", result, err)
			}
			return
		}
		if result != dlq.Diverted || dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("door B: %s, %v", result, err)
		}
		// With a timer the diverted copy is parked on its way to the DLQ, and found out all the same.
		at := time.Now().Add(3 * time.Second)
		req = s.request(dlq.DoorRetry)
		req.TimerAt = &at
		if _, result, err = s.b.Send(t.Context(), req); result != dlq.Diverted || err == nil {
			t.Errorf("door B with a timer: %s, %v", result, err)
		}
		if got := places(s.look(req.Replay)); !slices.Equal(got, []dlq.CopyPlace{dlq.PlaceDead}) {
			t.Errorf("copies %v", got)
		}
		s.deaths(3)
	})
}

// While nobody of the group is online the replay waits, for as long as it takes, and is then delivered.
func TestOfflineGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := newScene(t, n, false)
		s.shop.Stop()
		eventually(t, 30*time.Second, func() string {
			info, err := s.b.Group(t.Context(), s.group, &s.dead)
			if err != nil || info.Online || info.Kind != dlq.GroupConcurrent || !info.Exists {
				return fmt.Sprintf("group %+v, %v", info, err)
			}
			return ""
		})
		r := s.send(s.request(dlq.DoorRetry))
		eventually(t, 5*time.Second, func() string {
			ev := s.look(r)
			if ev.Online || ev.Passed || !slices.Equal(places(ev), []dlq.CopyPlace{dlq.PlaceTarget}) {
				return fmt.Sprintf("evidence %+v", ev)
			}
			return ""
		})
		s.shop = n.Consume(t, s.group, s.topic)
		s.shop.Say("well")
		s.confirmed(r)
	})
}

// Sends that would lose the message are refused before anything is sent.
func TestRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := newScene(t, n, false)
		caps, err := s.b.Capabilities(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		ghost := unique("nobody")
		trials := map[string]struct {
			change func(*dlq.SendRequest)
			door   dlq.Door
			code   dlq.Code
		}{
			"unknown group by B": {func(r *dlq.SendRequest) { r.Replay.ConsumerGroup, r.Replay.Target = ghost, dlq.RetryPrefix+ghost }, dlq.DoorRetry, dlq.CodeRefused},
			"unknown group by C": {func(r *dlq.SendRequest) { r.Replay.ConsumerGroup = ghost }, dlq.DoorBack, dlq.CodeRefused},
			"unknown topic":      {func(r *dlq.SendRequest) { r.Replay.Target = ghost }, dlq.DoorTopic, dlq.CodeRefused},
			"no topic":           {func(r *dlq.SendRequest) { r.Replay.Target = "" }, dlq.DoorTopic, dlq.CodeRefused},
			"other dead copy":    {func(r *dlq.SendRequest) { r.Replay.UniqueKey = newKey() }, dlq.DoorBack, dlq.CodeRefused},
			"no dead copy":       {func(r *dlq.SendRequest) { r.Replay.DeadPhysOffset = 1 << 40 }, dlq.DoorBack, dlq.CodeRefused},
			"unknown broker":     {func(r *dlq.SendRequest) { r.Broker = "nowhere" }, dlq.DoorRetry, dlq.CodeUnavailable},
			"no door":            {func(r *dlq.SendRequest) {}, dlq.DoorProbe, dlq.CodeNotSupported},
			"separator":          {func(r *dlq.SendRequest) { r.Properties["x"] = "a\x02b" }, dlq.DoorTopic, dlq.CodeRefused},
		}
		if caps.RefusesEmpty {
			trials["empty body"] = struct {
				change func(*dlq.SendRequest)
				door   dlq.Door
				code   dlq.Code
			}{func(r *dlq.SendRequest) { r.Body = nil }, dlq.DoorRetry, dlq.CodeNotSupported}
		}
		for name, tr := range trials {
			req := s.request(tr.door)
			tr.change(&req)
			_, result, err := s.b.Send(t.Context(), req)
			if result != dlq.NotSent || dlq.CodeOf(err) != tr.code {
				t.Errorf("%s: %s, %v", name, result, err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, result, err := s.b.Send(ended, s.request(dlq.DoorRetry)); result != dlq.NotSent || err == nil {
			t.Errorf("after its request had ended: %s, %v", result, err)
		}
		if out, err := n.Admin(t.Context(), "topicList"); err != nil || strings.Contains(out, ghost) {
			t.Errorf("a refused send left a trace: %v\n%s", err, out)
		}
	})
}

// A send that is not answered is neither sent nor not sent; asking the broker later settles it.
func TestUnansweredSends(t *testing.T) {
	onOwn(t, node.Options{}, func(t *testing.T, n *node.Node) {
		bn := newBench(t, n)
		topic, group := unique("orders"), unique("stock")
		bn.topic(topic, 1, 6)
		bn.group(group, 1)
		dead := bn.put(dlq.DLQPrefix+group, "order", map[string]string{"UNIQ_KEY": newKey(), "RETRY_TOPIC": topic})
		desk := newDesk()
		s := &scene{t: t, n: n, bn: bn, desk: desk, b: open(t, n), topic: topic, group: group}
		start(t, s.b, desk)
		s.dead = s.deaths(1)[0]
		if s.dead.MessageID != dead.MessageID {
			t.Errorf("id %s, the broker said %s", s.dead.MessageID, dead.MessageID)
		}
		doors := []dlq.Door{dlq.DoorTopic, dlq.DoorRetry, dlq.DoorBack}
		for _, door := range doors { // connections and caches are there
			req := s.request(door)
			req.Replay.DelayLevel = 18
			s.send(req)
		}
		for _, door := range doors {
			for tries := 1; ; tries++ {
				r := s.unanswered(door)
				if door == dlq.DoorBack || s.isStored(r, 15*time.Second) {
					break
				}
				// Whoever gave up may have closed its connection before the broker had read the request: then it is truly absent.
				if tries == 3 {
					t.Fatalf("door %s: of three sends that were not answered none was stored", door)
				}
			}
		}
		m := &many{scene: s}
		for range 60 {
			m.list, m.want = append(m.list, s.quick(dlq.DoorRetry, "good")), append(m.want, "offline")
		}
		m.settle(20 * time.Second)
		m.isFollowed(true)
		if err := n.KillBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		evs, errs := s.b.LookMany(t.Context(), m.list)
		for i := range evs {
			if dlq.CodeOf(errs[i]) != dlq.CodeUnavailable && len(evs[i].Away) == 0 {
				t.Errorf("many looks at a broker that is gone: %+v, %v", evs[i], errs[i])
			}
		}
		for _, door := range doors {
			if _, result, err := s.b.Send(t.Context(), s.request(door)); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeUnavailable {
				t.Errorf("door %s to a broker that is gone: %s, %v", door, result, err)
			}
		}
		// It may have lost what it had not written, so its queues are read anew.
		before := s.b.following(group).trail
		if err := n.StartBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.settle(60 * time.Second)
		eventually(t, 30*time.Second, func() string { // a broker that has just begun may not let itself be followed at once
			s.b.LookMany(t.Context(), m.list)
			if s.b.following(group).trail == before {
				return "what was known of the queues before the broker's end is still trusted"
			}
			return ""
		})
		m.settle(60 * time.Second)
		m.isFollowed(true)
	})
}

// unanswered sends to a broker that stands still after it was asked what it is, and before it stores.
func (s *scene) unanswered(door dlq.Door) dlq.Replay {
	t := s.t
	t.Helper()
	if err := s.n.PauseBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() string { // a signal takes effect a little later
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := s.bn.wire.BrokerRuntimeInfo(ctx, s.n.BrokerAddr()); err == nil {
			return "it still answers"
		}
		return ""
	})
	// What was known of group and cluster is as of a moment ago, however long the machine took to stop the broker.
	s.b.mu.Lock()
	p, now := s.b.presences[s.group], s.b.now().Add(15*time.Second) // longer than what is asked before a send
	p.at = now
	s.b.presences[s.group], s.b.cluster.at = p, now
	table := s.b.tables[s.n.BrokerAddr()]
	table.at = now
	s.b.tables[s.n.BrokerAddr()] = table
	s.b.mu.Unlock()
	for _, target := range []string{s.topic, dlq.RetryPrefix + s.group} {
		g := s.b.gaugeOf(counter{s.group, s.n.BrokerName(), target})
		g.mu.Lock()
		g.samples = append(g.samples, sample{at: now})
		g.mu.Unlock()
	}
	req := s.request(door)
	req.Replay.DelayLevel = 18
	_, result, err := s.b.Send(t.Context(), req)
	if door == dlq.DoorBack {
		// Door C reads the dead copy first, so nothing was asked of the broker yet.
		if result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("door C: %s, %v", result, err)
		}
	} else if result != dlq.SentUnknown || dlq.CodeOf(err) != dlq.CodeUnavailable {
		t.Errorf("door %s: %s, %v", door, result, err)
	}
	req.Replay.Outcome = dlq.OutcomeSending
	if ev, err := s.b.Look(t.Context(), req.Replay); dlq.CodeOf(err) != dlq.CodeUnavailable && !slices.Equal(ev.Away, []string{s.n.BrokerName()}) {
		t.Errorf("a look at a broker that stands still: %+v, %v", ev, err)
	}
	if err := s.n.ResumeBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() string {
		ev, err := s.b.Look(t.Context(), req.Replay)
		if st := s.b.Status(); err != nil || !st.Reachable || len(ev.Away) > 0 {
			return fmt.Sprintf("%v, %+v", err, st)
		}
		return ""
	})
	return req.Replay
}

// isStored waits a while for one copy of a replay, parked or delivered since.
func (s *scene) isStored(r dlq.Replay, patience time.Duration) bool {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if stored(places(s.look(r))) {
			return true
		}
	}
	return false
}

// stored says whether there is one copy, parked or delivered since.
func stored(at []dlq.CopyPlace) bool {
	return len(at) == 1 && (at[0] == dlq.PlaceParked || at[0] == dlq.PlaceTarget)
}
