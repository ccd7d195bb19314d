package remoting

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// SendRequest is a message to store, with the header fields that the published clients do not let one set.
type SendRequest struct {
	ProducerGroup string
	Topic         string
	Queue         int // -1 lets the broker choose
	SysFlag       int32
	BornAt        time.Time // default: now
	Flag          int32
	Properties    map[string]string
	Body          []byte // 5.x brokers refuse an empty one with AnswerSystemError
	// Reconsumed becomes the stored message's counter.
	Reconsumed int
	// MaxReconsumed, if not nil, is sent. To a %RETRY% topic it must be given and be above Reconsumed: brokers
	// up to 4.9.2 fail without it (apache/rocketmq#1843), and 4.9 diverts a message with Reconsumed >=
	// MaxReconsumed to the dead-letter topic while answering success (SendMessageProcessor.handleRetryAndDLQ).
	MaxReconsumed *int
}

// SendResult is where the broker stored the message. With a delay, MessageID and QueueOffset are those of the
// parked copy. That it was stored does not tell in which topic: see SendRequest.MaxReconsumed.
type SendResult struct {
	Code          int // AnswerSuccess, or one of the three that say: stored, but not yet flushed or replicated
	MessageID     string
	Queue         int
	QueueOffset   int64
	TransactionID string
}

// SendMessage stores a message. See Do for which errors leave open whether it was stored; of the broker's
// answers, AnswerBusy and AnswerServiceUnavailable say it was not.
func (c *Client) SendMessage(ctx context.Context, broker string, s SendRequest) (SendResult, error) {
	props, err := EncodeProperties(s.Properties)
	if err != nil {
		return SendResult{}, &Malformed{Err: err}
	}
	if s.BornAt.IsZero() {
		s.BornAt = c.now()
	}
	ext := queueExt(s.Topic, s.Queue)
	ext["producerGroup"] = s.ProducerGroup
	ext["defaultTopic"] = "TBW102"
	ext["defaultTopicQueueNums"] = "4"
	ext["sysFlag"] = itoa(int64(s.SysFlag))
	ext["bornTimestamp"] = itoa(s.BornAt.UnixMilli())
	ext["flag"] = itoa(int64(s.Flag))
	ext["properties"] = props
	ext["reconsumeTimes"] = strconv.Itoa(s.Reconsumed)
	if s.MaxReconsumed != nil {
		ext["maxReconsumeTimes"] = strconv.Itoa(*s.MaxReconsumed)
	}
	ext["unitMode"] = "false"
	ext["batch"] = "false"
	ans, err := c.call(ctx, broker, &Command{Code: RequestSendMessage, Ext: ext, Body: s.Body}, AnswerFlushDiskTimeout, AnswerFlushSlaveTimeout, AnswerSlaveNotAvailable)
	if err != nil {
		return SendResult{}, err
	}
	res := SendResult{Code: ans.Code, MessageID: ans.Ext["msgId"], TransactionID: ans.Ext["transactionId"]}
	queue, err := extInt(ans, "queueId")
	if err != nil {
		return res, err
	}
	res.Queue = int(queue)
	if res.QueueOffset, err = extInt(ans, "queueOffset"); err != nil {
		return res, err
	}
	return res, nil
}

// BackRequest asks the broker to hand a stored message back to a consumer group, by copying it.
type BackRequest struct {
	Group          string
	PhysicalOffset int64  // of the stored copy, on the broker asked
	OriginTopic    string // for the broker's hooks only
	OriginID       string // likewise
	// DelayLevel is 1 and up; 0 means 3 + the copy's counter, which is two hours for a dead letter; -1 sends the
	// copy to the dead-letter topic.
	DelayLevel int
	// MaxReconsumed must be above the copy's counter, else one more dead copy is made, with an answer of success.
	MaxReconsumed int
}

// SendBack has the broker copy a stored message into %RETRY% of the group. Nothing of the message can be changed.
func (c *Client) SendBack(ctx context.Context, broker string, b BackRequest) error {
	_, err := c.call(ctx, broker, &Command{Code: RequestSendBack, Ext: map[string]string{
		"group": b.Group, "offset": itoa(b.PhysicalOffset), "delayLevel": strconv.Itoa(b.DelayLevel), "originMsgId": b.OriginID,
		"originTopic": b.OriginTopic, "unitMode": "false", "maxReconsumeTimes": strconv.Itoa(b.MaxReconsumed),
	}})
	return err
}

// DirectRequest names a stored message and the client whose listener shall run on it now.
type DirectRequest struct {
	Group     string
	ClientID  string
	MessageID string // offset id, on the broker asked
	Topic     string // ignored by brokers before 5.x authorization
	Broker    string // broker name; optional
}

// DirectResult is the client's verdict. Result is a name, also for Go clients, which send a number: CR_SUCCESS,
// CR_LATER, CR_ROLLBACK, CR_COMMIT, CR_THROW_EXCEPTION, CR_RETURN_NULL. A success of a Go client whose group is
// orderly proves nothing: it says so for suspensions too (rocketmq-client-go 2.1.2 push_consumer.go).
type DirectResult struct {
	Order      bool
	AutoCommit bool
	Result     string
	Remark     string // exception text, if any
	Spent      time.Duration
}

// ConsumeDirectly runs a client's listener on a stored message and waits for the verdict, 10 s at most by the
// broker's clock (then AnswerConsumeTimeout, and the listener may still finish). A client that is not online is
// AnswerSystemError.
func (c *Client) ConsumeDirectly(ctx context.Context, broker string, d DirectRequest) (DirectResult, error) {
	ext := map[string]string{"consumerGroup": d.Group, "clientId": d.ClientID, "msgId": d.MessageID, "topic": d.Topic}
	if d.Broker != "" {
		ext["brokerName"] = d.Broker
	}
	ans, err := c.call(ctx, broker, &Command{Code: RequestConsumeDirectly, Ext: ext})
	if err != nil {
		return DirectResult{}, err
	}
	var body struct {
		Order      bool   `json:"order"`
		AutoCommit bool   `json:"autoCommit"`
		Result     text   `json:"consumeResult"`
		Remark     string `json:"remark"`
		Spent      int64  `json:"spentTimeMills"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return DirectResult{}, fmt.Errorf("decode direct consumption: %w", err)
	}
	return DirectResult{
		Order: body.Order, AutoCommit: body.AutoCommit, Result: directResultName(string(body.Result)), Remark: body.Remark,
		Spent: time.Duration(body.Spent) * time.Millisecond,
	}, nil
}

// directResultName turns the Go client's ordinals into the names of CMResult.java.
func directResultName(s string) string {
	names := []string{"CR_SUCCESS", "CR_LATER", "CR_ROLLBACK", "CR_COMMIT", "CR_THROW_EXCEPTION", "CR_RETURN_NULL"}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < len(names) {
		return names[n]
	}
	return s
}

// UpdateSubscriptionGroup creates a consumer group's configuration on one broker or replaces it.
func (c *Client) UpdateSubscriptionGroup(ctx context.Context, broker string, g SubscriptionGroup) error {
	body, err := json.Marshal(map[string]any{
		"groupName": g.Name, "consumeEnable": g.ConsumeEnable, "consumeFromMinEnable": true, "consumeBroadcastEnable": true,
		"consumeMessageOrderly": g.Orderly, "retryQueueNums": cmp.Or(g.RetryQueues, 1), "retryMaxTimes": g.RetryMaxTimes,
		"brokerId": 0, "whichBrokerWhenConsumeSlowly": 1, "notifyConsumerIdsChangedEnable": true,
	})
	if err != nil {
		return fmt.Errorf("encode subscription group: %w", err)
	}
	_, err = c.call(ctx, broker, &Command{Code: RequestUpdateSubscription, Body: body})
	return err
}
