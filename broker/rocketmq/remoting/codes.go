package remoting

import "strconv"

// Request codes (RequestCode.java of 4.9 and 5.x).
const (
	RequestSendMessage            = 10
	RequestPullMessage            = 11
	RequestQueryMessage           = 12
	RequestQueryConsumerOffset    = 14
	RequestUpdateConsumerOffset   = 15
	RequestUpdateTopic            = 17
	RequestAllTopicConfigs        = 21
	RequestBrokerConfig           = 26
	RequestBrokerRuntimeInfo      = 28
	RequestSearchOffset           = 29
	RequestMaxOffset              = 30
	RequestMinOffset              = 31
	RequestViewMessage            = 33
	RequestHeartbeat              = 34
	RequestUnregisterClient       = 35
	RequestSendBack               = 36
	RequestConsumerList           = 38
	RequestRoute                  = 105
	RequestClusterInfo            = 106
	RequestUpdateSubscription     = 200
	RequestSubscriptionGroups     = 201
	RequestTopicStats             = 202
	RequestConsumerConnection     = 203
	RequestProducerConnection     = 204
	RequestTopicList              = 206
	RequestConsumeStats           = 208
	RequestDeleteTopicInBroker    = 215
	RequestTopicConsumers         = 300
	RequestCleanExpiredQueues     = 306
	RequestConsumerRunningInfo    = 307
	RequestConsumeDirectly        = 309
	RequestBrokerStats            = 315
	RequestSendMessageV2          = 310
	RequestSendBatch              = 320
	RequestDeleteExpiredCommitLog = 329
	RequestTopicConfig            = 351 // 5.x only
	RequestSetConsumeMode         = 401 // 5.x only
)

// Answer codes (ResponseCode.java of 4.9 and 5.x).
const (
	AnswerSuccess            = 0
	AnswerSystemError        = 1
	AnswerBusy               = 2
	AnswerUnsupported        = 3
	AnswerFlushDiskTimeout   = 10 // the message is stored
	AnswerSlaveNotAvailable  = 11 // the message is stored
	AnswerFlushSlaveTimeout  = 12 // the message is stored
	AnswerMessageIllegal     = 13
	AnswerServiceUnavailable = 14
	AnswerNoPermission       = 16
	AnswerTopicMissing       = 17
	AnswerPullNotFound       = 19
	AnswerPullRetry          = 20
	AnswerPullOffsetMoved    = 21
	AnswerQueryNotFound      = 22
	AnswerGroupMissing       = 26
	AnswerInvalidParameter   = 29
	AnswerConsumerOffline    = 206
	AnswerConsumeTimeout     = 207
	AnswerBroadcasting       = 213
)

func requestName(code int) string {
	if name := RequestName(code); name != "" {
		return name + " (" + strconv.Itoa(code) + ")"
	}
	return strconv.Itoa(code)
}

// RequestName names a request code, "" for one that is not among those above.
func RequestName(code int) string {
	return map[int]string{
		RequestSendMessage: "send message", RequestPullMessage: "pull message", RequestQueryMessage: "query message",
		RequestQueryConsumerOffset: "query consumer offset", RequestUpdateConsumerOffset: "update consumer offset",
		RequestUpdateTopic: "update topic", RequestAllTopicConfigs: "all topic configs", RequestBrokerConfig: "broker config",
		RequestBrokerRuntimeInfo: "broker runtime info", RequestSearchOffset: "search offset", RequestMaxOffset: "max offset",
		RequestMinOffset: "min offset", RequestViewMessage: "view message", RequestSendBack: "send message back",
		RequestConsumerList: "consumer list", RequestRoute: "topic route", RequestClusterInfo: "cluster info",
		RequestUpdateSubscription: "update subscription group", RequestSubscriptionGroups: "subscription groups",
		RequestTopicStats: "topic stats", RequestConsumerConnection: "consumer connection", RequestTopicList: "topic list",
		RequestConsumeStats: "consume stats", RequestDeleteTopicInBroker: "delete topic", RequestTopicConsumers: "topic consumers",
		RequestConsumerRunningInfo: "consumer running info", RequestConsumeDirectly: "consume directly", RequestTopicConfig: "topic config",
		RequestBrokerStats: "broker statistics",
		RequestHeartbeat:   "heartbeat", RequestUnregisterClient: "unregister client", RequestProducerConnection: "producer connection",
	}[code]
}
