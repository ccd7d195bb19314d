package rocketmq

import (
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

// openScene makes a topic with a consumer group that nobody has joined, and a console that reads what dies there.
func openScene(t *testing.T, n *node.Node) *scene {
	t.Helper()
	s := &scene{t: t, n: n, bn: newBench(t, n), desk: newDesk(), topic: unique("orders"), group: unique("stock")}
	s.bn.topic(s.topic, 1, 6)
	s.bn.group(s.group, 1)
	s.b = open(t, n)
	start(t, s.b, s.desk)
	return s
}

func newScene(t *testing.T, n *node.Node, orderly bool) *scene {
	t.Helper()
	s := openScene(t, n)
	s.shop = n.Consume(t, s.group, s.topic, fmt.Sprintf("-orderly=%t", orderly))
	s.oneDies()
	return s
}

// oneDies sends a message and waits for its dead copy.
func (s *scene) oneDies() {
	s.t.Helper()
	s.bn.put(s.topic, "order 1", map[string]string{"UNIQ_KEY": newKey(), "KEYS": "o1", "TAGS": "new"})
	s.dead = s.deaths(1)[0]
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
