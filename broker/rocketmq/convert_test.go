package rocketmq

import (
	"bytes"
	"compress/zlib"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

func TestOriginalTopic(t *testing.T) {
	for retry, want := range map[string]string{
		"":                       "",
		"orders":                 "orders",
		"ns%orders":              "ns%orders",
		"%RETRY%pay":             "", // sent to the retry topic without its name: lost for good
		"%RETRY%pay_orders":      "orders",
		"%RETRY%pay_my_orders":   "my_orders",
		"%RETRY%pay+orders":      "orders",
		"%RETRY%pay_":            "",
		"%RETRY%pay+":            "",
		"%RETRY%other":           "",
		"%RETRY%other_orders":    "",
		"%RETRY%payments_orders": "",
		"%DLQ%other":             "%DLQ%other", // a group that consumes dead letters
		"SCHEDULE_TOPIC_XXXX":    "",
		"rmq_sys_wheel_timer":    "",
	} {
		got := originalTopic("pay", map[string]string{"RETRY_TOPIC": retry, "REAL_TOPIC": "%RETRY%pay"})
		if got != want {
			t.Errorf("RETRY_TOPIC %q: %q, want %q", retry, got, want)
		}
	}
	for want, props := range map[string]map[string]string{
		"orders": {"DLQ_ORIGIN_TOPIC": "orders"}, "refunds": {"DLQ_ORIGIN_TOPIC": "%RETRY%pay_refunds", "RETRY_TOPIC": "%RETRY%pay"},
		"first": {"DLQ_ORIGIN_TOPIC": "second", "RETRY_TOPIC": "first"}, "": {"DLQ_ORIGIN_TOPIC": "SCHEDULE_TOPIC_XXXX", "RETRY_TOPIC": "%RETRY%pay"},
	} {
		if got := originalTopic("pay", props); got != want {
			t.Errorf("%v: %q, want %q", props, got, want)
		}
	}
	if got := originalTopic("ns%pay", map[string]string{"RETRY_TOPIC": "%RETRY%ns%pay_ns%orders"}); got != "ns%orders" {
		t.Errorf("with a namespace: %q", got)
	}
}

func TestConvert(t *testing.T) {
	answer := []byte("whole answer: body")
	m := remoting.Message{
		Topic: "%DLQ%g", QueueOffset: 7, PhysicalOffset: 4711, Flag: 3, SysFlag: 0x2, Reconsumed: 17,
		BornAt: time.UnixMilli(1000).UTC(), BornHost: netip.MustParseAddrPort("10.0.0.1:5"),
		StoredAt: time.UnixMilli(2000).UTC(), StoreHost: netip.MustParseAddrPort("10.0.0.2:10911"),
		Body: answer[14:], Properties: map[string]string{"RETRY_TOPIC": "orders", "MAX_RECONSUME_TIMES": "2", "RECONSUME_TIME": "2"},
	}
	got := convert(queueA, &m, 100)
	want := dlq.DeadMessage{
		Position: dlq.Position{Queue: queueA, Offset: 7, StoredAt: time.UnixMilli(2000).UTC()}, ConsumerGroup: "g", OriginalTopic: "orders",
		MessageID: "0A00000200002A9F0000000000001267", PhysOffset: 4711, Properties: m.Properties, Body: []byte("body"), BodyState: dlq.BodyPlain,
		SysFlag: 2, Flag: 3, ReconsumeTimes: 17, BornAt: m.BornAt, BornHost: "10.0.0.1:5", StoreHost: "10.0.0.2:10911", Orderly: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	copy(answer, bytes.Repeat([]byte("x"), len(answer)))
	if string(got.Body) != "body" {
		t.Error("the body shares memory with the answer that it came in")
	}
}

func compress(t testing.TB, kind int32, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch kind {
	case remoting.SysFlagLZ4:
		w := lz4.NewWriter(&b)
		_, err = w.Write(body)
		err = firstError(err, w.Close())
	case remoting.SysFlagZSTD:
		w, e := zstd.NewWriter(&b)
		if e != nil {
			t.Fatal(e)
		}
		_, err = w.Write(body)
		err = firstError(err, w.Close())
	default:
		w := zlib.NewWriter(&b)
		_, err = w.Write(body)
		err = firstError(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDecodeBody(t *testing.T) {
	text := bytes.Repeat([]byte("订单 42 "), 1000)
	bomb := make([]byte, 8<<20)
	for name, kind := range map[string]int32{"zlib, old": 0, "zlib": remoting.SysFlagZlib, "lz4": remoting.SysFlagLZ4, "zstd": remoting.SysFlagZSTD} {
		t.Run(name, func(t *testing.T) {
			flag := remoting.SysFlagCompressed | kind | 0x2
			raw := compress(t, kind, text)
			if body, state := decodeBody(raw, flag, 1<<20); state != dlq.BodyInflated || !bytes.Equal(body, text) {
				t.Errorf("%s", state)
			}
			if body, state := decodeBody(raw, flag, len(text)-1); state != dlq.BodyOverLimit || !bytes.Equal(body, raw) {
				t.Errorf("over the limit: %s", state)
			}
			again, err := deflate(text, flag)
			if body, state := decodeBody(again, flag, 1<<20); err != nil || state != dlq.BodyInflated || !bytes.Equal(body, text) || len(again) > len(raw)+len(raw)/10+16 {
				t.Errorf("compressed again to %d bytes instead of %d: %s, %v", len(again), len(raw), state, err)
			}
			if _, state := decodeBody(raw, flag, len(text)); state != dlq.BodyInflated {
				t.Errorf("at the limit: %s", state)
			}
			packed := compress(t, kind, bomb)
			if body, state := decodeBody(packed, flag, 1<<30); state != dlq.BodyOverLimit || !bytes.Equal(body, packed) {
				t.Errorf("a bomb of %d bytes: %s", len(packed), state)
			}
			if body, state := decodeBody(raw[:len(raw)/2], flag, 1<<20); state != dlq.BodyUndecoded || !bytes.Equal(body, raw[:len(raw)/2]) {
				t.Errorf("half a body: %s", state)
			}
			if _, state := decodeBody([]byte("plain after all"), flag, 1<<20); state != dlq.BodyUndecoded {
				t.Errorf("not compressed: %s", state)
			}
			if _, state := decodeBody(nil, flag, 1<<20); state != dlq.BodyUndecoded {
				t.Errorf("empty: %s", state)
			}
		})
	}
	if _, state := decodeBody(text, remoting.SysFlagCompressed|7<<8, 1<<20); state != dlq.BodyUndecoded {
		t.Errorf("unknown compression: %s", state)
	}
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	if _, state := decodeBody(compress(t, 0, noise), remoting.SysFlagCompressed, 8<<20); state != dlq.BodyInflated {
		t.Errorf("a large body that hardly shrinks: %s", state)
	}
}

func FuzzDecodeBody(f *testing.F) {
	for _, kind := range []int32{0, remoting.SysFlagLZ4, remoting.SysFlagZSTD} {
		f.Add(compress(f, kind, []byte("order order order order")), kind)
	}
	f.Fuzz(func(t *testing.T, raw []byte, kind int32) {
		const limit = 1 << 16
		body, state := decodeBody(raw, remoting.SysFlagCompressed|kind&remoting.SysFlagCompressType, limit)
		if state == dlq.BodyInflated && len(body) > limit {
			t.Errorf("%d bytes", len(body))
		}
		if state != dlq.BodyInflated && !bytes.Equal(body, raw) {
			t.Error("a body that is not inflated is not the raw one")
		}
	})
}
