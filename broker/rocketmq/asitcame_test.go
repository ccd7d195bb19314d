package rocketmq

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"maps"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// A tracing agent appends its headers to a properties text whose last separator newer clients leave out. The Java client
// hands the value to its listener with the separator in it; so does a replay, by every way.
func TestPropertiesOfAgentsReachTheConsumer(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := javaShop(t, n, "concurrent")
		key := newKey()
		raw := "UNIQ_KEY\x01" + key + "\x02WAIT\x01true\x02KEYS\x01SW-1\x02TAGS\x01examsw8-x\x010\x02sw8\x011-MDA=\x02last\x01without separator"
		s.produceRaw(raw)
		s.dead = s.deaths(1)[0]
		if s.dead.Properties["TAGS"] != "examsw8-x\x010" || s.dead.Properties["last"] != "without separator" {
			t.Fatalf("read as %q", s.dead.Properties)
		}
		s.shop.Say("well")
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
			req := s.request(door)
			for name, value := range s.dead.Properties {
				if _, had := req.Properties[name]; !had || name == "TAGS" {
					req.Properties[name] = value
				}
			}
			r := s.send(req)
			eventually(t, 20*time.Second, func() string {
				heard := s.shop.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] == r.ID })
				if len(heard) == 0 {
					return "not delivered by door " + string(door)
				}
				if p := heard[0].Properties; p["TAGS"] != "examsw8-x\x010" || p["sw8"] != "1-MDA=" {
					t.Fatalf("door %s delivers %q", door, p)
				}
				return ""
			})
		}
	})
}

// produceRaw stores a message with a properties text that no client of ours would write.
func (s *scene) produceRaw(properties string) {
	s.t.Helper()
	eventually(s.t, 20*time.Second, func() string {
		c := &remoting.Command{Code: remoting.RequestSendMessage, Body: []byte(`{"orderNo":"1"}`), Ext: map[string]string{
			"producerGroup": "bench", "topic": s.topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4", "queueId": "0", "sysFlag": "0",
			"bornTimestamp": "1700000000000", "flag": "0", "properties": properties, "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
		}}
		ans, err := s.bn.wire.Do(s.bn.ctx(), s.n.BrokerAddr(), c)
		if err != nil {
			return err.Error()
		}
		if err := ans.Err(); err != nil {
			return err.Error()
		}
		return ""
	})
}

// What no frame can carry is refused by the property's name, and never told as a broker that is away.
func TestSendRefusesWhatNoFrameCarries(t *testing.T) {
	t.Parallel()
	n := node.Shared(t, node.V5)
	b := newBench(t, n)
	group, topic := unique("stock"), unique("orders")
	b.topic(topic, 1, 6)
	b.group(group, 1)
	office := open(t, n)
	for name, add := range map[string]map[string]string{
		"a separator":  {"PARTED": "x\x02y"},
		"not UTF-8":    {"LATIN": "caf\xe9"},
		"far too long": {"LONG": strings.Repeat("x", remoting.MaxProperties)},
	} {
		for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
			r := dlq.Replay{ID: "a1", Door: door, ConsumerGroup: group, Topic: topic, Target: dlq.RetryPrefix + group, UniqueKey: newKey()}
			if door == dlq.DoorTopic {
				r.Target = topic
			}
			props := maps.Clone(add)
			props["KEYS"] = "k"
			_, result, err := office.Send(t.Context(), dlq.SendRequest{Replay: r, Broker: n.BrokerName(), Body: []byte("x"), Properties: props})
			guilty := ""
			for guilty = range add {
			}
			if problem := has(err.Error(), guilty); result != dlq.NotSent || dlq.CodeOf(err) != dlq.CodeRefused || problem != "" {
				t.Errorf("%s by door %s: %s, %v (%s)", name, door, result, err, problem)
			}
		}
	}
}

// What came compressed goes back compressed, by the ways to one consumer group too: far over the broker's limit of 4 MiB
// otherwise. All three methods, and the Java client's listener gets the very bytes.
func TestCompressedBodiesGoAsTheyCame(t *testing.T) {
	onBoth(t, func(t *testing.T, n *node.Node) {
		s := javaShop(t, n, "concurrent")
		caps, err := s.b.Capabilities(t.Context(), "")
		if err != nil || caps.MaxMessage != 4<<20 {
			t.Fatalf("the broker's limit: %d, %v", caps.MaxMessage, err)
		}
		var rows bytes.Buffer
		for i := 0; rows.Len() < 7_900_000; i++ {
			fmt.Fprintf(&rows, `{"row":%d,"sku":"SKU-%07d","qty":%d,"note":"reserved for the customer %x"},`, i, i*7919%9999991, i%13, i*2654435761)
		}
		body := rows.Bytes()
		const method = remoting.SysFlagCompressed | remoting.SysFlagCompressType
		methods := map[string]int32{"zlib, old": 0, "zlib": remoting.SysFlagZlib, "lz4": remoting.SysFlagLZ4, "zstd": remoting.SysFlagZSTD}
		for name, kind := range methods {
			key := newKey()
			s.bn.putRaw(s.topic, compress(t, kind, body), remoting.SysFlagCompressed|kind, map[string]string{"UNIQ_KEY": key})
			var m dlq.DeadMessage
			eventually(t, 120*time.Second, func() string {
				for _, m = range s.desk.of(dlq.DLQPrefix + s.group) {
					if m.UniqueKey() == key {
						return ""
					}
				}
				return "the letter with " + name + " is not there"
			})
			if m.BodyState != dlq.BodyInflated || !bytes.Equal(m.Body, body) || m.SysFlag&method != remoting.SysFlagCompressed|kind {
				t.Fatalf("%s: %s, %d bytes, sysFlag %x", name, m.BodyState, len(m.Body), m.SysFlag)
			}
			s.dead = m
			s.shop.Say("well")
			for _, door := range []dlq.Door{dlq.DoorRetry, dlq.DoorTopic} {
				req := s.request(door)
				req.Compress = true
				size, err := s.b.Size(req)
				r := s.send(req)
				want := fmt.Sprintf("%d bytes, CRC %d, flag ", len(body), crc32.ChecksumIEEE(body))
				eventually(t, 60*time.Second, func() string {
					heard := s.shop.Heard(func(d node.Delivery) bool { return d.Properties[dlq.PropReplayID] == r.ID })
					if len(heard) == 0 {
						return "not delivered by door " + string(door)
					}
					return has(heard[0].Properties["BODY"], want)
				})
				stored, e := s.bn.wire.ViewMessage(s.bn.ctx(), n.BrokerAddr(), "", offsetOf(t, r))
				if err != nil || e != nil || len(stored.Body) != size || size > 4<<20 || stored.SysFlag&method != remoting.SysFlagCompressed|kind {
					t.Errorf("%s by door %s: stored with %d bytes of %d, sysFlag %x, %v, %v", name, door, len(stored.Body), size, stored.SysFlag, err, e)
				}
			}
			s.shop.Say("sick")
		}
	})
}

func offsetOf(t *testing.T, r dlq.Replay) int64 {
	t.Helper()
	_, offset, err := remoting.ParseMessageID(r.Receipt.MessageID)
	if err != nil {
		t.Fatal(err)
	}
	return offset
}
