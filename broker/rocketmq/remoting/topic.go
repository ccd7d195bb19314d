package remoting

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MessageQueue names one queue.
type MessageQueue struct {
	Topic  string `json:"topic"`
	Broker string `json:"brokerName"`
	ID     int    `json:"queueId"`
}

// UnmarshalText reads a queue that fastjson printed as the key of a map.
func (q *MessageQueue) UnmarshalText(b []byte) error {
	type plain MessageQueue
	return json.Unmarshal(b, (*plain)(q))
}

func compareQueues(a, b MessageQueue) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.ID, b.ID))
}

// QueueStats is the range of offsets a queue holds: MinOffset up to but not including MaxOffset.
type QueueStats struct {
	Queue      MessageQueue
	MinOffset  int64
	MaxOffset  int64
	LastUpdate time.Time // of the newest message; zero when the queue is empty
}

// TopicStats asks a broker for the ranges of all its queues of a topic, sorted by queue. It answers for topics
// that cannot be read for lack of permission too; a missing topic is AnswerTopicMissing.
func (c *Client) TopicStats(ctx context.Context, broker, topic string) ([]QueueStats, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestTopicStats, Ext: map[string]string{"topic": topic}})
	if err != nil {
		return nil, err
	}
	var body struct {
		Table map[MessageQueue]struct {
			Min  int64 `json:"minOffset"`
			Max  int64 `json:"maxOffset"`
			Last int64 `json:"lastUpdateTimestamp"`
		} `json:"offsetTable"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode topic stats: %w", err)
	}
	stats := make([]QueueStats, 0, len(body.Table))
	for q, v := range body.Table {
		stats = append(stats, QueueStats{Queue: q, MinOffset: v.Min, MaxOffset: v.Max, LastUpdate: instant(v.Last)})
	}
	slices.SortFunc(stats, func(a, b QueueStats) int { return compareQueues(a.Queue, b.Queue) })
	return stats, nil
}

// instant converts milliseconds since 1970; brokers say 0 or -1 for never.
func instant(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// TopicConfig is what one broker has configured for a topic.
type TopicConfig struct {
	Name        string
	ReadQueues  int
	WriteQueues int
	Perm        int
	Order       bool
	FilterType  string            // SINGLE_TAG when empty
	SysFlag     int               // topicSysFlag
	Attributes  map[string]string // 5.x: "message.type" and others; absent on 4.9
}

type topicConfigBody struct {
	Name        string            `json:"topicName"`
	ReadQueues  int               `json:"readQueueNums"`
	WriteQueues int               `json:"writeQueueNums"`
	Perm        int               `json:"perm"`
	Order       bool              `json:"order"`
	FilterType  string            `json:"topicFilterType"`
	SysFlag     int               `json:"topicSysFlag"`
	Attributes  map[string]string `json:"attributes"`
}

// TopicConfig asks a broker for one topic's configuration. 4.9 brokers cannot be asked for a single topic, so
// there the whole table is read. A topic the broker does not know is AnswerTopicMissing.
func (c *Client) TopicConfig(ctx context.Context, broker, topic string) (TopicConfig, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestTopicConfig, Ext: map[string]string{"topic": topic}}, AnswerUnsupported)
	if err != nil {
		return TopicConfig{}, err
	}
	var body topicConfigBody
	if ans.Code == AnswerUnsupported {
		if body, err = c.topicConfig49(ctx, broker, topic); err != nil {
			return TopicConfig{}, err
		}
	} else if err := decodeJSON(ans.Body, &body); err != nil {
		return TopicConfig{}, fmt.Errorf("decode topic config: %w", err)
	}
	return TopicConfig(body), nil
}

func (c *Client) topicConfig49(ctx context.Context, broker, topic string) (topicConfigBody, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestAllTopicConfigs})
	if err != nil {
		return topicConfigBody{}, err
	}
	var body struct {
		Table map[string]topicConfigBody `json:"topicConfigTable"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return topicConfigBody{}, fmt.Errorf("decode topic configs: %w", err)
	}
	cfg, ok := body.Table[topic]
	if !ok {
		return topicConfigBody{}, &ResponseError{Code: AnswerTopicMissing, Remark: "no topic " + topic + " on this broker"}
	}
	return cfg, nil
}

// UpdateTopic creates a topic on one master or replaces its whole configuration: read it first. ReadQueues,
// WriteQueues and Perm must be set. Attributes need 5.x; their names carry a sign there ("+message.type").
func (c *Client) UpdateTopic(ctx context.Context, broker string, t TopicConfig) error {
	ext := map[string]string{
		"topic": t.Name, "defaultTopic": "TBW102", "readQueueNums": strconv.Itoa(t.ReadQueues), "writeQueueNums": strconv.Itoa(t.WriteQueues),
		"perm": strconv.Itoa(t.Perm), "topicFilterType": cmp.Or(t.FilterType, "SINGLE_TAG"), "topicSysFlag": strconv.Itoa(t.SysFlag),
		"order": strconv.FormatBool(t.Order),
	}
	if len(t.Attributes) > 0 {
		var pairs []string
		for k, v := range t.Attributes {
			if !strings.HasPrefix(k, "+") && !strings.HasPrefix(k, "-") {
				k = "+" + k
			}
			pairs = append(pairs, k+"="+v)
		}
		slices.Sort(pairs)
		ext["attributes"] = strings.Join(pairs, ",")
	}
	_, err := c.call(ctx, broker, &Command{Code: RequestUpdateTopic, Ext: ext})
	return err
}

// TopicConsumers asks a broker which consumer groups subscribe to a topic or ever committed an offset of it,
// sorted; groups long gone are among them.
func (c *Client) TopicConsumers(ctx context.Context, broker, topic string) ([]string, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestTopicConsumers, Ext: map[string]string{"topic": topic}})
	if err != nil {
		return nil, err
	}
	var body struct {
		Groups []string `json:"groupList"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode topic consumers: %w", err)
	}
	slices.Sort(body.Groups)
	return body.Groups, nil
}

// MaxOffset asks for the offset that the next message of a queue will get.
func (c *Client) MaxOffset(ctx context.Context, broker, topic string, queue int) (int64, error) {
	return c.offset(ctx, broker, RequestMaxOffset, queueExt(topic, queue))
}

// MinOffset asks for the offset of the oldest message that a queue still holds.
func (c *Client) MinOffset(ctx context.Context, broker, topic string, queue int) (int64, error) {
	return c.offset(ctx, broker, RequestMinOffset, queueExt(topic, queue))
}

// SearchOffset asks for the offset of the first message stored at or after an instant.
func (c *Client) SearchOffset(ctx context.Context, broker, topic string, queue int, at time.Time) (int64, error) {
	ext := queueExt(topic, queue)
	ext["timestamp"] = strconv.FormatInt(at.UnixMilli(), 10)
	return c.offset(ctx, broker, RequestSearchOffset, ext)
}

func queueExt(topic string, queue int) map[string]string {
	return map[string]string{"topic": topic, "queueId": strconv.Itoa(queue)}
}

func (c *Client) offset(ctx context.Context, broker string, code int, ext map[string]string) (int64, error) {
	ans, err := c.call(ctx, broker, &Command{Code: code, Ext: ext})
	if err != nil {
		return 0, err
	}
	return extInt(ans, "offset")
}
