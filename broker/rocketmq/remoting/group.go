package remoting

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ConsumeStats is how far a consumer group has come on one broker.
type ConsumeStats struct {
	Queues []ConsumeQueue // sorted by queue
	TPS    float64
}

// ConsumeQueue is a group's position in one queue. An offset that was never committed shows as 0. PullOffset is
// 0 on 4.9.
type ConsumeQueue struct {
	Queue          MessageQueue
	BrokerOffset   int64
	ConsumerOffset int64
	PullOffset     int64
	LastConsumed   time.Time // store time of the message before ConsumerOffset
}

// ConsumeStats asks a broker for a group's positions, %RETRY% included; an empty topic means all. While the
// group is online, topics that it does not subscribe to are left out.
func (c *Client) ConsumeStats(ctx context.Context, broker, group, topic string) (ConsumeStats, error) {
	ext := map[string]string{"consumerGroup": group}
	if topic != "" {
		ext["topic"] = topic
	}
	ans, err := c.call(ctx, broker, &Command{Code: RequestConsumeStats, Ext: ext})
	if err != nil {
		return ConsumeStats{}, err
	}
	var body struct {
		TPS   float64 `json:"consumeTps"`
		Table map[MessageQueue]struct {
			Broker   int64 `json:"brokerOffset"`
			Consumer int64 `json:"consumerOffset"`
			Pull     int64 `json:"pullOffset"`
			Last     int64 `json:"lastTimestamp"`
		} `json:"offsetTable"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return ConsumeStats{}, fmt.Errorf("decode consume stats: %w", err)
	}
	stats := ConsumeStats{TPS: body.TPS}
	for q, v := range body.Table {
		stats.Queues = append(stats.Queues, ConsumeQueue{Queue: q, BrokerOffset: v.Broker, ConsumerOffset: v.Consumer, PullOffset: v.Pull, LastConsumed: instant(v.Last)})
	}
	slices.SortFunc(stats.Queues, func(a, b ConsumeQueue) int { return compareQueues(a.Queue, b.Queue) })
	return stats, nil
}

// Subscription is what a group wants of one topic.
type Subscription struct {
	Topic          string   `json:"topic"`
	Expression     string   `json:"subString"`
	ExpressionType string   `json:"expressionType"`
	Tags           []string `json:"tagsSet"`
}

// ConsumerClient is one online member of a group.
type ConsumerClient struct {
	ID       string `json:"clientId"`
	Addr     string `json:"clientAddr"`
	Language string `json:"language"` // JAVA, GO, CPP, …; gRPC clients say JAVA
	Version  int    `json:"version"`  // ordinal of MQVersion.java
}

// ConsumerConnection is a group's online members and what they subscribe to. A group without a subscription to
// its own %RETRY% topic consumes over gRPC: every clustering client of the remoting protocol has one.
type ConsumerConnection struct {
	Clients       []ConsumerClient // sorted by id
	ConsumeType   string           // CONSUME_PASSIVELY (push), CONSUME_ACTIVELY (pull), CONSUME_POP
	MessageModel  string           // CLUSTERING, BROADCASTING
	ConsumeFrom   string
	Subscriptions map[string]Subscription // by topic
}

// ConsumerConnection asks a broker for a group's online members. None online is AnswerConsumerOffline.
func (c *Client) ConsumerConnection(ctx context.Context, broker, group string) (ConsumerConnection, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestConsumerConnection, Ext: map[string]string{"consumerGroup": group}})
	if err != nil {
		return ConsumerConnection{}, err
	}
	var body struct {
		Clients       []ConsumerClient        `json:"connectionSet"`
		ConsumeType   text                    `json:"consumeType"`
		MessageModel  text                    `json:"messageModel"`
		ConsumeFrom   text                    `json:"consumeFromWhere"`
		Subscriptions map[string]Subscription `json:"subscriptionTable"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return ConsumerConnection{}, fmt.Errorf("decode consumer connection: %w", err)
	}
	slices.SortFunc(body.Clients, func(a, b ConsumerClient) int { return strings.Compare(a.ID, b.ID) })
	return ConsumerConnection{
		Clients: body.Clients, ConsumeType: string(body.ConsumeType), MessageModel: string(body.MessageModel),
		ConsumeFrom: string(body.ConsumeFrom), Subscriptions: body.Subscriptions,
	}, nil
}

// ConsumerIDs asks a broker for the ids of a group's online members, sorted; none online is AnswerSystemError.
func (c *Client) ConsumerIDs(ctx context.Context, broker, group string) ([]string, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestConsumerList, Ext: map[string]string{"consumerGroup": group}})
	if err != nil {
		return nil, err
	}
	var body struct {
		IDs []string `json:"consumerIdList"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode consumer list: %w", err)
	}
	slices.Sort(body.IDs)
	return body.IDs, nil
}

// ConsumerRunningInfo is what one client says of itself. Property "PROP_CONSUMEORDERLY" tells whether its
// listener is an orderly one.
type ConsumerRunningInfo struct {
	Properties    map[string]string
	Subscriptions []Subscription
	Queues        map[MessageQueue]ProcessQueue
	Status        map[string]ConsumeStatus // by topic
	Stack         string                   // only if asked for
}

// ConsumeStatus is how many messages of one topic a client worked on and pulled, per second over its last minute. Clients count anew
// every ten seconds; the Go client (v2.1.2) leaves out what came before it first counted.
type ConsumeStatus struct {
	OK     float64 `json:"consumeOKTPS"`
	Failed float64 `json:"consumeFailedTPS"`
	Pulled float64 `json:"pullTPS"`
}

// ProcessQueue is a client's local state of one queue.
type ProcessQueue struct {
	CommitOffset int64 `json:"commitOffset"`
	Cached       int   `json:"cachedMsgCount"`
	Locked       bool  `json:"locked"`
	Dropped      bool  `json:"droped"`
}

// ConsumerRunningInfo has the broker ask one online client.
func (c *Client) ConsumerRunningInfo(ctx context.Context, broker, group, clientID string, stack bool) (ConsumerRunningInfo, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestConsumerRunningInfo, Ext: map[string]string{
		"consumerGroup": group, "clientId": clientID, "jstackEnable": strconv.FormatBool(stack),
	}})
	if err != nil {
		return ConsumerRunningInfo{}, err
	}
	return ParseRunningInfo(ans.Body)
}

// ParseRunningInfo reads the body with which a client answers RequestConsumerRunningInfo.
func ParseRunningInfo(data []byte) (ConsumerRunningInfo, error) {
	var body struct {
		Properties    map[string]text               `json:"properties"`
		Subscriptions []Subscription                `json:"subscriptionSet"`
		Queues        map[MessageQueue]ProcessQueue `json:"mqTable"`
		Status        map[string]ConsumeStatus      `json:"statusTable"`
		Stack         string                        `json:"jstack"`
	}
	if err := decodeJSON(data, &body); err != nil {
		return ConsumerRunningInfo{}, fmt.Errorf("decode consumer running info: %w", err)
	}
	info := ConsumerRunningInfo{
		Properties: make(map[string]string, len(body.Properties)), Subscriptions: body.Subscriptions, Queues: body.Queues, Status: body.Status, Stack: body.Stack,
	}
	for k, v := range body.Properties {
		info.Properties[k] = string(v)
	}
	return info, nil
}

// SubscriptionGroup is a consumer group's configuration on one broker.
type SubscriptionGroup struct {
	Name          string `json:"groupName"`
	ConsumeEnable bool   `json:"consumeEnable"`
	Orderly       bool   `json:"consumeMessageOrderly"` // 5.x, for gRPC FIFO groups
	RetryQueues   int    `json:"retryQueueNums"`        // 0: a failed message is dropped
	RetryMaxTimes int    `json:"retryMaxTimes"`         // 16 by default; clients may name their own limit
}

// SubscriptionGroups asks a broker for the configurations of all consumer groups, by name. Groups that clients
// named once are among them.
func (c *Client) SubscriptionGroups(ctx context.Context, broker string) (map[string]SubscriptionGroup, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestSubscriptionGroups})
	if err != nil {
		return nil, err
	}
	var body struct {
		Table map[string]SubscriptionGroup `json:"subscriptionGroupTable"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode subscription groups: %w", err)
	}
	return body.Table, nil
}

// QueryConsumerOffset asks for a group's committed offset in a queue, and whether there is one. A 4.9 broker
// answers 0 and true for a group that was never seen on a queue that still begins at 0.
func (c *Client) QueryConsumerOffset(ctx context.Context, broker, group, topic string, queue int) (int64, bool, error) {
	ext := queueExt(topic, queue)
	ext["consumerGroup"] = group
	ext["setZeroIfNotFound"] = "false"
	ans, err := c.call(ctx, broker, &Command{Code: RequestQueryConsumerOffset, Ext: ext}, AnswerQueryNotFound)
	if err != nil || ans.Code == AnswerQueryNotFound {
		return 0, false, err
	}
	offset, err := extInt(ans, "offset")
	return offset, err == nil, err
}

// UpdateConsumerOffset sets a group's committed offset in a queue.
func (c *Client) UpdateConsumerOffset(ctx context.Context, broker, group, topic string, queue int, offset int64) error {
	ext := queueExt(topic, queue)
	ext["consumerGroup"] = group
	ext["commitOffset"] = itoa(offset)
	_, err := c.call(ctx, broker, &Command{Code: RequestUpdateConsumerOffset, Ext: ext})
	return err
}

// Names of broker statistics that are kept per topic and consumer group, by the key "topic@group".
const (
	StatGroupGet = "GROUP_GET_NUMS" // messages that the broker gave out
	StatGroupAck = "GROUP_ACK_NUMS" // messages that POP consumers acknowledged, 5.x
)

// BrokerStat is what a broker counted of something in its last minute, up to ten seconds ago: brokers look at their
// counters every ten seconds (apache/rocketmq StatsItem). What was never counted is 0.
func (c *Client) BrokerStat(ctx context.Context, broker, name, key string) (int64, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestBrokerStats, Ext: map[string]string{"statsName": name, "statsKey": key}}, AnswerSystemError)
	if err != nil {
		return 0, err
	}
	if ans.Code == AnswerSystemError {
		if strings.Contains(ans.Remark, "not exist") {
			return 0, nil
		}
		return 0, ans.Err()
	}
	var body struct {
		Minute struct {
			Sum int64 `json:"sum"`
		} `json:"statsMinute"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return 0, fmt.Errorf("decode broker statistics: %w", err)
	}
	return body.Minute.Sum, nil
}
