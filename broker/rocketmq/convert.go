package rocketmq

import (
	"strings"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Property names that tell what kind of consumer a message died in (apache/rocketmq MessageConst.java).
const (
	propReconsumeTime    = "RECONSUME_TIME"
	propMaxReconsume     = "MAX_RECONSUME_TIMES"
	propFirstPop         = "1ST_POP_TIME"
	propOriginGroup      = "ORIGIN_GROUP"
	propTimerDeliver     = "TIMER_DELIVER_MS"
	propTransaction      = "TRAN_MSG"
	propDLQTopic         = "DLQ_ORIGIN_TOPIC"
	propConsumeOrderly   = "PROP_CONSUMEORDERLY"
	topicSchedule        = "SCHEDULE_TOPIC_XXXX"
	topicTimer           = "rmq_sys_wheel_timer"
	popSeparator         = "_"
	popSeparatorV2       = "+" // enableRetryTopicV2 of 5.2 and later
	systemTopicPrefix    = "rmq_sys_"
	systemTopicPrefixOld = "RMQ_SYS_"
)

// convert makes the nouns of the house out of a stored message. Nothing of it shares memory with the answer it came in.
func convert(q dlq.Queue, m *remoting.Message, bodyLimit int) dlq.DeadMessage {
	group := q.ConsumerGroup()
	body, state := decodeBody(m.Body, m.SysFlag, bodyLimit)
	_, orderly := m.Properties[propMaxReconsume]
	born, bornRaw := dlq.Instant(m.BornAt.UnixMilli())
	stored, storedRaw := dlq.Instant(m.StoredAt.UnixMilli())
	return dlq.DeadMessage{
		Position:       dlq.Position{Queue: q, Offset: m.QueueOffset, StoredAt: stored},
		ConsumerGroup:  group,
		OriginalTopic:  originalTopic(group, m.Properties),
		MessageID:      m.OffsetID(),
		PhysOffset:     m.PhysicalOffset,
		Properties:     m.Properties,
		Body:           body,
		BodyState:      state,
		SysFlag:        m.SysFlag,
		Flag:           m.Flag,
		ReconsumeTimes: m.Reconsumed,
		BornAt:         born,
		BornRaw:        bornRaw,
		StoredRaw:      storedRaw,
		BornHost:       m.BornHost.String(),
		StoreHost:      m.StoreHost.String(),
		Orderly:        orderly && !diedInPop(group, m.Properties),
	}
}

// originalTopic tells the topic that a dead message was produced to, "" when nobody can. RETRY_TOPIC names it only for
// consumers that pull: for gRPC groups it is the POP retry topic, with the original one behind the group's name
// (apache/rocketmq KeyBuilder.buildPopRetryTopic), and a message that a tool sent to %RETRY% without it has lost it.
// DLQ_ORIGIN_TOPIC comes second: no published broker writes it, but hosted services and tools do (apache/rocketmq 5.1.0
// MessageConst.PROPERTY_DLQ_ORIGIN_TOPIC). REAL_TOPIC is always an internal one.
func originalTopic(group string, props map[string]string) string {
	for _, topic := range []string{props[dlq.PropRetryTopic], props[propDLQTopic]} {
		if rest, ok := popRest(group, topic); ok {
			return rest
		}
		if topic != "" && !strings.HasPrefix(topic, dlq.RetryPrefix) && !isSystemTopic(topic) {
			return topic
		}
	}
	return ""
}

// popRest takes the original topic out of a POP retry topic of the group.
func popRest(group, topic string) (string, bool) {
	rest, ok := strings.CutPrefix(topic, dlq.RetryPrefix+group)
	if !ok {
		return "", false
	}
	if original, ok := strings.CutPrefix(rest, popSeparatorV2); ok && original != "" {
		return original, true
	}
	if original, ok := strings.CutPrefix(rest, popSeparator); ok && original != "" {
		return original, true
	}
	return "", false
}

// diedInPop says whether a dead message came through a POP retry topic: its consumers speak gRPC.
func diedInPop(group string, props map[string]string) bool {
	_, popped := props[propFirstPop]
	_, named := props[propOriginGroup]
	_, retried := popRest(group, props[dlq.PropRetryTopic])
	return popped || named || retried
}

func isSystemTopic(topic string) bool {
	return topic == topicSchedule || strings.HasPrefix(topic, systemTopicPrefix) || strings.HasPrefix(topic, systemTopicPrefixOld)
}
