package rocketmq

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

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
