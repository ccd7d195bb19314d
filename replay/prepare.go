package replay

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// stale are the properties that belong to one journey of a message and would bend the next: a left-over TIMER_OUT_MS
// makes a new timer fire at once, a left-over DELAY delays, TRAN_MSG makes the message invisible
// (apache/rocketmq common/message/MessageConst, broker/util/HookUtils).
var stale = map[string]bool{
	"REAL_TOPIC": true, "REAL_QID": true, "DELAY": true, "WAIT": true, "MIN_OFFSET": true, "MAX_OFFSET": true,
	"CONSUME_START_TIME": true, "RECONSUME_TIME": true, "MAX_RECONSUME_TIMES": true, "POP_CK": true, "1ST_POP_TIME": true,
	"TRAN_MSG": true, "PGROUP": true, "INNER_NUM": true, "INNER_BASE": true, "CLUSTER": true, "MSG_REGION": true,
	"TRACE_ON": true, "__CRC32#": true, "TRANSFER_FLAG": true, "CORRECTION_FLAG": true, propOriginGroup: true, "E_T": true,
	"TRANS_OFFSET": true, "BORN_TIMESTAMP": true, "__BORNHOST": true,
}

// clean returns the properties that may travel again.
func clean(have map[string]string) map[string]string {
	out := maps.Clone(have)
	maps.DeleteFunc(out, func(k, _ string) bool {
		return stale[k] || strings.HasPrefix(k, "TIMER_") || strings.HasPrefix(k, "INNER_MULTI_")
	})
	if out == nil {
		out = map[string]string{}
	}
	return out
}

// Bits of a message's sysFlag (apache/rocketmq common/sysflag/MessageSysFlag).
const (
	sysCompressed = 0x1
	sysMultiTags  = 0x2
	sysCompressor = 0x700 // which compression
)

// sysFlag keeps what says how to read body and tags, and drops what belongs to the stored copy: transaction state, inner
// batches, the address families of hosts.
func sysFlag(have int32, compressed bool) int32 {
	keep := int32(sysMultiTags)
	if compressed {
		keep |= sysCompressed | sysCompressor
	}
	return have & keep
}

// letterhead is what a replay sends: the message as its consumer shall see it.
type letterhead struct {
	topic      string
	body       []byte
	properties map[string]string // those of the dead copy; belongs to the message
	compressed bool              // the body is still compressed, as the broker had it
	inflated   bool              // it came compressed, and body is not: it goes back compressed
	wrapped    bool
	err        error // the message inside the envelope cannot be decoded
	edit       int   // number of the edit that is in it
	changed    bool  // an edit or a transform made it differ from the dead copy

	transformed bool // a transform did
}

func (s *Service) unwrap(m *dlq.DeadMessage) letterhead {
	h := letterhead{
		topic: m.OriginalTopic, body: m.Body, properties: m.Properties,
		compressed: m.BodyState == dlq.BodyUndecoded || m.BodyState == dlq.BodyOverLimit, inflated: m.BodyState == dlq.BodyInflated,
	}
	body, topic, wrapped, err := s.Rules.Unwrap(m)
	h.wrapped, h.err = wrapped || err != nil, err
	if wrapped && err == nil {
		h.body, h.compressed = body, false
		if topic != "" {
			h.topic = topic
		}
	}
	return h
}

// request makes what the broker is asked to take.
func request(r dlq.Replay, m *dlq.DeadMessage, h letterhead, w wait, count int) dlq.SendRequest {
	props := clean(h.properties)
	delete(props, dlq.PropRetryTopic)
	switch r.Door {
	case dlq.DoorRetry:
		// Consumers give the message its own topic's name back only when this is set
		// (apache/rocketmq DefaultMQPushConsumerImpl.resetRetryAndNamespace).
		props[dlq.PropRetryTopic] = r.Topic
	case dlq.DoorPop:
		// It wakes the clients that wait for messages of this group, which would find it at their next pop only
		// (apache/rocketmq 5.4.0 PopReviveService writes it on its own retries).
		props[propOriginGroup] = r.ConsumerGroup
	case dlq.DoorTopic:
		if props["MSG_TYPE"] == "reply" {
			delete(props, "MSG_TYPE") // the producer would send it as an answer to a request that is long over
		}
	}
	if old := m.UniqueKey(); r.AsNew && old != "" && props[dlq.PropOriginUniqKey] == "" {
		props[dlq.PropOriginUniqKey] = old
	}
	props[dlq.PropUniqueKey] = r.UniqueKey
	props[dlq.PropReplayID] = r.ID
	props[dlq.PropReplayCount] = strconv.Itoa(count)
	return dlq.SendRequest{
		Replay: r, Broker: m.Broker, StoreHost: m.StoreHost, Body: h.body, Compress: h.inflated, Properties: props,
		Flag: m.Flag, SysFlag: sysFlag(m.SysFlag, h.compressed || h.inflated),
		BornAt: time.UnixMilli(dlq.Millis(m.BornAt, m.BornRaw)), TimerAt: w.timer,
	}
}

const propOriginGroup = "ORIGIN_GROUP"

// newReplayID returns 128 random bits as 32 hex digits.
func newReplayID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// newUniqueKey returns a fresh UNIQ_KEY: 32 upper-case hex digits that cannot be read as an offset id, whose digits 9 to
// 12 are zeros.
func newUniqueKey() string {
	var b [16]byte
	rand.Read(b[:])
	b[4] |= 1
	return strings.ToUpper(hex.EncodeToString(b[:]))
}
