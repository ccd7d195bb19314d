package rocketmq

import (
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// A name server that was just started and knows no broker stands first in the list: the cluster is found by the other one,
// also by sends.
func TestEmptyNameServerFirst(t *testing.T) {
	t.Parallel()
	n, other := node.Shared(t, node.V5), node.Own(t, node.Options{})
	for _, step := range []func() error{
		func() error { return other.KillBroker(t.Context()) }, func() error { return other.KillNameServer(t.Context()) }, func() error { return other.StartNameServer(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	alone := open(t, other)
	if _, err := alone.Capabilities(t.Context(), ""); err == nil || has(alone.Status().Error, "no name server knows a broker") != "" {
		t.Errorf("the empty one alone: %+v, %v", alone.Status(), err)
	}
	s := &scene{t: t, n: n, bn: newBench(t, n), desk: newDesk(), topic: unique("orders"), group: unique("stock")}
	s.bn.topic(s.topic, 1, 6)
	s.bn.group(s.group, 1)
	s.b = open(t, n, func(o *Options) { o.NameServers = []string{other.NameServer() + ";" + n.NameServer()} })
	start(t, s.b, s.desk)
	s.shop = n.Consume(t, s.group, s.topic)
	s.bn.put(s.topic, "order 1", map[string]string{"UNIQ_KEY": newKey(), "KEYS": "o1", "TAGS": "new"})
	s.dead = s.deaths(1)[0]
	s.shop.Say("well")
	for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
		r := s.send(s.request(door))
		eventually(t, 20*time.Second, func() string {
			if s.heard(r) == 0 {
				return "not delivered by door " + string(door)
			}
			return ""
		})
	}
	if st := s.b.Status(); !st.Reachable || st.Error != "" {
		t.Errorf("%+v", st)
	}
}
