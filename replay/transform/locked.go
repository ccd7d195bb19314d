package transform

import "strings"

// reserved are RocketMQ's own names of properties, of 4.9 and 5.x and of its Go client, without KEYS and TAGS, which are
// the application's to choose (apache/rocketmq 5.5.0 common/message/MessageConst, rocketmq-client-go primitive/message.go).
var reserved = map[string]bool{
	"TRACE_ON": true, "MSG_REGION": true, "WAIT": true, "DELAY": true, "RETRY_TOPIC": true, "ORIGIN_GROUP": true,
	"REAL_TOPIC": true, "REAL_QID": true, "TRAN_MSG": true, "PGROUP": true, "MIN_OFFSET": true, "MAX_OFFSET": true,
	"BUYER_ID": true, "ORIGIN_MESSAGE_ID": true, "TRANSFER_FLAG": true, "CORRECTION_FLAG": true, "MQ2_FLAG": true,
	"RECONSUME_TIME": true, "UNIQ_KEY": true, "MAX_RECONSUME_TIMES": true, "CONSUME_START_TIME": true, "POP_CK": true,
	"POP_CK_OFFSET": true, "1ST_POP_TIME": true, "TRAN_PREPARED_QUEUE_OFFSET": true, "TRANSACTION_CHECK_TIMES": true,
	"CHECK_IMMUNITY_TIME_IN_SECONDS": true, "TRANS_OFFSET": true, "__transactionId__": true, "DUP_INFO": true,
	"EXTEND_UNIQ_INFO": true, "INSTANCE_ID": true, "CORRELATION_ID": true, "REPLY_TO_CLIENT": true, "TTL": true,
	"ARRIVE_TIME": true, "PUSH_REPLY_TIME": true, "CLUSTER": true, "MSG_TYPE": true, "INNER_NUM": true, "INNER_BASE": true,
	"PROPERTY_FORWARD_QUEUE_ID": true, "REDIRECT": true, "E_T": true, "BORN_TIMESTAMP": true, "__BORNHOST": true,
	"__CRC32#": true, "__SHARDINGKEY": true, "SHARDING_KEY": true, "__LITE_TOPIC": true, "_SYS_MSG_PRIORITY_": true,
	"TRACE_CONTEXT": true,
}

var reservedPrefixes = []string{"DLQ_", "TIMER_", "INNER_MULTI_", "__RMQ."}

// Locked reports whether a property belongs to RocketMQ or to this console, so that no person may change it. Names that
// begin with DLQ_ are this console's, and those that newer brokers write on dead letters themselves.
func Locked(name string) bool {
	if reserved[name] {
		return true
	}
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
