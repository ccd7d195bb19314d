package replay

import (
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

func TestCleanDropsWhatBelongsToOneJourney(t *testing.T) {
	have := map[string]string{
		"KEYS": "k1 k2", "TAGS": "t", "UNIQ_KEY": "u", "__SHARDINGKEY": "s", "_SYS_MSG_PRIORITY_": "3", "__LITE_TOPIC": "l",
		"ORIGIN_MESSAGE_ID": "o", "TRACE_CONTEXT": "c", "MINE": "x", "RETRY_TOPIC": "orders",
	}
	want := map[string]string{}
	for k, v := range have {
		want[k] = v
	}
	for _, k := range []string{
		"REAL_TOPIC", "REAL_QID", "DELAY", "WAIT", "MIN_OFFSET", "MAX_OFFSET", "CONSUME_START_TIME", "RECONSUME_TIME", "MAX_RECONSUME_TIMES",
		"TIMER_OUT_MS", "TIMER_DELAY_SEC", "TIMER_DELIVER_MS", "POP_CK", "1ST_POP_TIME", "TRAN_MSG", "PGROUP", "INNER_NUM", "INNER_BASE",
		"INNER_MULTI_DISPATCH", "CLUSTER", "MSG_REGION", "TRACE_ON", "__CRC32#", "TRANSFER_FLAG", "CORRECTION_FLAG", "ORIGIN_GROUP", "E_T",
		"TRANS_OFFSET", "BORN_TIMESTAMP", "__BORNHOST",
	} {
		have[k] = "stale"
	}
	if diff := cmp.Diff(want, clean(have)); diff != "" {
		t.Error(diff)
	}
	if have["DELAY"] != "stale" {
		t.Error("the letter's own properties were changed")
	}
	if got := clean(nil); got == nil {
		t.Error("no properties make a nil map")
	}
}

func TestRequest(t *testing.T) {
	m := &dlq.DeadMessage{
		Position:   dlq.Position{Queue: dlq.Queue{Broker: "b"}},
		Properties: map[string]string{"RETRY_TOPIC": "old", "UNIQ_KEY": "U1", "DELAY": "3", "MSG_TYPE": "reply", "TAGS": "t"},
		Flag:       7, SysFlag: 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x300, StoreHost: "h",
	}
	h := letterhead{topic: "orders", body: []byte("x"), properties: m.Properties}
	base := dlq.Replay{ID: "id", Topic: "orders", UniqueKey: "U1", ConsumerGroup: "g"}
	for _, tt := range []struct {
		name  string
		door  dlq.Door
		asNew bool
		want  map[string]string
	}{
		{"retry topic", dlq.DoorRetry, false, map[string]string{"UNIQ_KEY": "U1", "TAGS": "t", "MSG_TYPE": "reply", "RETRY_TOPIC": "orders", "DLQ_REPLAY_ID": "id", "DLQ_REPLAY_COUNT": "2"}},
		{"POP retry topic", dlq.DoorPop, false, map[string]string{"UNIQ_KEY": "U1", "TAGS": "t", "MSG_TYPE": "reply", "ORIGIN_GROUP": "g", "DLQ_REPLAY_ID": "id", "DLQ_REPLAY_COUNT": "2"}},
		{"topic", dlq.DoorTopic, false, map[string]string{"UNIQ_KEY": "U1", "TAGS": "t", "DLQ_REPLAY_ID": "id", "DLQ_REPLAY_COUNT": "2"}},
		{"as new", dlq.DoorTopic, true, map[string]string{"UNIQ_KEY": "U2", "DLQ_ORIGIN_UNIQ_KEY": "U1", "TAGS": "t", "DLQ_REPLAY_ID": "id", "DLQ_REPLAY_COUNT": "2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := base
			if r.Door, r.AsNew = tt.door, tt.asNew; tt.asNew {
				r.UniqueKey = "U2"
			}
			got := request(r, m, h, wait{}, 2)
			if diff := cmp.Diff(tt.want, got.Properties); diff != "" {
				t.Error(diff)
			}
			if got.SysFlag != 0x2 || got.Flag != 7 || got.Broker != "b" || got.StoreHost != "h" {
				t.Errorf("sysFlag %#x, flag %d, broker %q at %q", got.SysFlag, got.Flag, got.Broker, got.StoreHost)
			}
		})
	}
	m.Properties["DLQ_ORIGIN_UNIQ_KEY"] = "U0"
	if got := request(dlq.Replay{Door: dlq.DoorTopic, AsNew: true, UniqueKey: "U2"}, m, h, wait{}, 1).Properties["DLQ_ORIGIN_UNIQ_KEY"]; got != "U0" {
		t.Errorf("the first UNIQ_KEY is forgotten: %q", got)
	}
	h.compressed = true
	if got := request(base, m, h, wait{}, 1); got.SysFlag != 0x303 || got.Compress {
		t.Errorf("a body that is still compressed has sysFlag %#x, to be compressed: %v", got.SysFlag, got.Compress)
	}
	h.compressed, h.inflated = false, true
	if got := request(base, m, h, wait{}, 1); got.SysFlag != 0x303 || !got.Compress {
		t.Errorf("a body that was inflated has sysFlag %#x, to be compressed: %v", got.SysFlag, got.Compress)
	}
}

func TestUnwrap(t *testing.T) {
	m := &dlq.DeadMessage{OriginalTopic: "orders", Body: []byte("envelope"), BodyState: dlq.BodyUndecoded}
	service := func(body string, topic string, wrapped bool, err error) letterhead {
		s := New(Deps{Rules: stubRules(func(*dlq.DeadMessage) ([]byte, string, bool, error) { return []byte(body), topic, wrapped, err })})
		return s.unwrap(m)
	}
	for _, tt := range []struct {
		name string
		got  letterhead
		want letterhead
	}{
		{"plain", service("", "", false, nil), letterhead{topic: "orders", body: []byte("envelope"), compressed: true}},
		{"wrapped", service("in", "payments", true, nil), letterhead{topic: "payments", body: []byte("in"), wrapped: true}},
		{"wrapped, no topic", service("in", "", true, nil), letterhead{topic: "orders", body: []byte("in"), wrapped: true}},
		{"broken", service("", "", true, errBroken), letterhead{topic: "orders", body: []byte("envelope"), compressed: true, wrapped: true, err: errBroken}},
	} {
		if diff := cmp.Diff(tt.want, tt.got, cmp.AllowUnexported(letterhead{}), cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestFreshIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id, key := newReplayID(), newUniqueKey()
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) || !regexp.MustCompile(`^[0-9A-F]{32}$`).MatchString(key) {
			t.Fatalf("%q, %q", id, key)
		}
		if key[8:12] == "0000" {
			t.Fatalf("%q can be read as an offset id", key)
		}
		if seen[id] || seen[key] {
			t.Fatal("the same twice")
		}
		seen[id], seen[key] = true, true
	}
}
