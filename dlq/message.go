package dlq

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// DLQPrefix and RetryPrefix are how RocketMQ names a consumer group's dead-letter and retry topics.
const (
	DLQPrefix   = "%DLQ%"
	RetryPrefix = "%RETRY%"
)

// Property names that this console writes, and those of RocketMQ that the house speaks about
// (apache/rocketmq common/message/MessageConst).
const (
	PropReplayID      = "DLQ_REPLAY_ID"       // 128 random bits, 32 hex digits
	PropReplayCount   = "DLQ_REPLAY_COUNT"    // how many times consoles gave the letter back, this one included
	PropOriginUniqKey = "DLQ_ORIGIN_UNIQ_KEY" // the UNIQ_KEY that the letter had before it was sent as a new message
	PropUniqueKey     = "UNIQ_KEY"
	PropKeys          = "KEYS"
	PropTags          = "TAGS"
	PropRetryTopic    = "RETRY_TOPIC"
	PropOriginID      = "ORIGIN_MESSAGE_ID"
	PropRealTopic     = "REAL_TOPIC"
	PropDelay         = "DELAY"

	// What a message is ordered by: clients of Java, C++ and gRPC write the first, those of Go the second
	// (apache/rocketmq-client-go primitive/message.go).
	PropShardingKey   = "__SHARDINGKEY"
	PropShardingKeyGo = "SHARDING_KEY"
)

// Queue is one queue of a %DLQ% topic on one broker. A dead-letter topic has one queue on each master broker
// (apache/rocketmq AbstractSendMessageProcessor.DLQ_NUMS_PER_GROUP).
type Queue struct {
	Cluster string `json:"cluster"`
	Broker  string `json:"broker"` // broker name
	Topic   string `json:"topic"`
	Number  int    `json:"number"`
}

// ConsumerGroup returns the consumer group whose dead letters the queue holds.
func (q Queue) ConsumerGroup() string { return strings.TrimPrefix(q.Topic, DLQPrefix) }

// Position is where a message lies in a queue. Deaths are unique by it. StoredAt belongs to it because offsets start at
// 0 again when a broker's store is made anew.
type Position struct {
	Queue
	Offset   int64     `json:"offset,string"`
	StoredAt time.Time `json:"stored_at"` // when the broker stored it: the time of death
}

// QueuePosition is how far a queue has been read into the store.
type QueuePosition struct {
	Queue
	Epoch int64 `json:"epoch"` // rises when the queue was truncated or made anew
	Next  int64 `json:"next,string"`

	// LastStored is when the broker stored the message before Next, by which a queue that was made anew and has grown
	// past Next is told from the old one. Zero when it is not known.
	LastStored time.Time `json:"-"`
}

// DeadMessage is one message of a %DLQ% topic as the broker has it.
type DeadMessage struct {
	Position
	ConsumerGroup  string
	OriginalTopic  string // "" when it cannot be told
	MessageID      string // offset id of this copy
	PhysOffset     int64
	Properties     map[string]string
	Body           []byte
	BodyState      BodyState
	SysFlag        int32 // as the broker has it, also where Body is inflated
	Flag           int32
	ReconsumeTimes int
	BornAt         time.Time // the nearest instant that JSON can write; BornRaw is what the message has
	BornRaw        int64     // milliseconds since 1970 where BornAt is not that instant, else 0; see Instant
	StoredRaw      int64     // the same for StoredAt
	BornHost       string
	StoreHost      string
	Orderly        bool // died in an orderly consumer, as far as its properties tell
}

// UniqueKey returns the property UNIQ_KEY.
func (m *DeadMessage) UniqueKey() string { return m.Properties[PropUniqueKey] }

// Keys returns the members of the property KEYS, which RocketMQ separates by blanks.
func (m *DeadMessage) Keys() []string { return strings.Fields(m.Properties[PropKeys]) }

// ShardingKey is what a producer ordered a message by; "" for none, and of no message.
func (m *DeadMessage) ShardingKey() string {
	if m == nil {
		return ""
	}
	return cmp.Or(m.Properties[PropShardingKey], m.Properties[PropShardingKeyGo])
}

// ReplayCount returns how often consoles gave the message back, as it says of itself: the property DLQ_REPLAY_COUNT,
// at most 1 000 000, or 0 without a good one. Another console, or this one with an earlier data file, may have counted.
func (m *DeadMessage) ReplayCount() int {
	n, _ := strconv.Atoi(m.Properties[PropReplayCount]) // 0 for what is no number, the greatest number for one beyond it
	return min(max(n, 0), 1_000_000)
}

// Batch is a run of messages of one queue, in order, and where to read on.
type Batch struct {
	Queue    Queue
	Epoch    int64
	From     int64 // offset that was asked for; the store refuses the batch unless it is the stored next offset
	Next     int64 // offset to read on from
	Messages []DeadMessage
	Gap      *Gap // what was lost before the first message; nil for nothing
}

// GapKind says why messages could not be read.
type GapKind string

// Why a range of offsets was lost.
const (
	GapExpired    GapKind = "expired"    // the broker's retention deleted them before they were read
	GapTruncated  GapKind = "truncated"  // the queue is shorter than what was read: the topic or the store was made anew
	GapUnreadable GapKind = "unreadable" // the broker holds them but they cannot be decoded
)

// Gap is a range of offsets that could not be read into the store.
type Gap struct {
	Queue
	ID    int64     `json:"id,string"`
	Kind  GapKind   `json:"kind"`
	From  int64     `json:"from,string"`  // first offset that is missing
	To    int64     `json:"to,string"`    // first offset after the gap
	Count int64     `json:"count,string"` // messages lost; 0 where it cannot be told (truncated)
	At    time.Time `json:"at"`
}

// bookkeeping are properties with which brokers and clients count and mark, of 4.9 and 5.x (apache/rocketmq
// common/message/MessageConst).
var bookkeeping = map[string]bool{
	"WAIT": true, PropDelay: true, PropRealTopic: true, "REAL_QID": true, "TRAN_MSG": true, "MIN_OFFSET": true, "MAX_OFFSET": true,
	"TRANSFER_FLAG": true, "CORRECTION_FLAG": true, "MQ2_FLAG": true, "RECONSUME_TIME": true, "MAX_RECONSUME_TIMES": true, "CONSUME_START_TIME": true,
	"POP_CK": true, "POP_CK_OFFSET": true, "1ST_POP_TIME": true, "TRAN_PREPARED_QUEUE_OFFSET": true, "TRANSACTION_CHECK_TIMES": true,
	"CHECK_IMMUNITY_TIME_IN_SECONDS": true, "TRANS_OFFSET": true, "TRACE_ON": true, "MSG_REGION": true, "CLUSTER": true, "MSG_TYPE": true,
	"INNER_NUM": true, "INNER_BASE": true, "PROPERTY_FORWARD_QUEUE_ID": true, "REDIRECT": true, "E_T": true, "BORN_TIMESTAMP": true,
	"__CRC32#": true, "TTL": true, "ARRIVE_TIME": true, "PUSH_REPLY_TIME": true, "_SYS_MSG_PRIORITY_": true, PropReplayCount: true,
}

// Bookkeeping reports whether nobody would look for a message by the value of this property.
func Bookkeeping(name string) bool {
	return bookkeeping[name] || strings.HasPrefix(name, "TIMER_") || strings.HasPrefix(name, "INNER_MULTI_")
}
