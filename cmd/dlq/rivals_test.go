package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
	"deadletteroffice/ui"
)

// Two consoles with a data file each on one cluster, automation on in both: the later one switches its own off, both say that
// another one is there, and every letter is given back once. So it is when both start with automation on at the same time.
func TestTwoConsolesOnOneCluster(t *testing.T) {
	t.Parallel()
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			n := node.Own(t, node.Options{Version: version}) // consoles of other tests would be seen, and their letters given back
			wire := remoting.New(remoting.Options{})
			t.Cleanup(func() { _ = wire.Close() })
			topic, group := "two-"+randomHex(4), "two-"+randomHex(4)
			for _, name := range []string{topic, dlq.RetryPrefix + group, dlq.DLQPrefix + group} {
				if err := wire.UpdateTopic(t.Context(), n.BrokerAddr(), remoting.TopicConfig{Name: name, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
					t.Fatal(err)
				}
			}
			consumer := n.Consume(t, group, topic)
			rules := filepath.Join(t.TempDir(), "rules.yaml")
			text := "version: 1\nrules: [{name: again, match: {reason: network_timeout}, route: retry, retry: {delay: 3s, max: 1}}]\nautomation: {rate: 100/s, max_age: 1d}\n"
			if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var consoles [2]*console
			data := [2]string{filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b.db")}
			begin := func(i int) {
				consoles[i] = startConsole(t, data[i], freeAddress(t), "--namesrv", n.NameServer(), "--rules", rules)
			}
			status := func(i int) (s ui.Status) {
				if err := consoles[i].get("/status", &s); err != nil {
					t.Error(err)
				}
				return s
			}
			on := func(i int) {
				wish := map[string]any{"on": true, "stopped": false, "note": "acts", "version": status(i).Automation.Version}
				if err := consoles[i].call(context.Background(), http.MethodPut, "/automation", wish, nil); err != nil {
					t.Fatal(err)
				}
			}
			settled := func() {
				t.Helper()
				eventually(t, time.Minute, "one of two consoles acts, and both know", func() error {
					a, b := status(0), status(1)
					if !a.Automation.On || b.Automation.On || b.Automation.Actor != dlq.ActorConsole ||
						len(a.Cluster.Consoles) != 1 || len(b.Cluster.Consoles) != 1 || !b.Cluster.Consoles[0].Automation || b.Cluster.Consoles[0].Address == "" {
						return fmt.Errorf("%+v %+v; %+v %+v", a.Automation, a.Cluster.Consoles, b.Automation, b.Cluster.Consoles)
					}
					return nil
				})
			}
			replays := map[string]bool{}
			deaths := func(want int) {
				t.Helper()
				for range 3 {
					props := map[string]string{dlq.PropUniqueKey: randomHex(16), "FAILURE_REASON": "network_timeout"}
					if _, err := wire.SendMessage(t.Context(), n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "two", Topic: topic, Body: []byte("pay"), Properties: props}); err != nil {
						t.Fatal(err)
					}
				}
				count := func() int {
					for _, d := range consumer.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] != "" }) {
						replays[d.Properties[dlq.PropReplayID]] = true
					}
					return len(replays)
				}
				eventually(t, 2*time.Minute, "the letters are given back", func() error {
					if count() < want {
						return errors.New("not all of them")
					}
					return nil
				})
				time.Sleep(8 * time.Second) // the other console would have given them back by now
				if got := count(); got != want {
					t.Errorf("%d replays of %d letters", got, want)
				}
			}

			begin(0)
			begin(1)
			on(0)
			eventually(t, time.Minute, "the second console sees the first act", func() error {
				if c := status(1).Cluster.Consoles; len(c) != 1 || !c[0].Automation {
					return fmt.Errorf("%+v", c)
				}
				return nil
			})
			on(1)
			deaths(3) // at once
			settled()

			consoles[0].stop()
			eventually(t, time.Minute, "the first console is gone", func() error {
				if c := status(1).Cluster.Consoles; len(c) != 0 {
					return fmt.Errorf("%+v", c)
				}
				return nil
			})
			on(1)
			consoles[1].stop()
			begin(1)
			begin(0) // both with automation on
			settled()
			deaths(6)
		})
	}
}
