package remoting

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// MessageQuery asks for stored messages by key. Copies of a message are indexed under the topic that each is
// stored in: the original, %RETRY%, %DLQ%, or a parking topic.
type MessageQuery struct {
	Topic  string
	Key    string
	Unique bool // Key is a UNIQ_KEY, not one of KEYS; brokers then ignore Max and look for up to 32
	Max    int  // default 32; brokers cap it at 64
	Begin  time.Time
	End    time.Time // default: now
}

// QueryMessage asks one broker's index, and returns the newest matches in the order of the commit log, none if
// there are none. Hashes may collide: compare the key in each message. Ask every broker of the topic.
func (c *Client) QueryMessage(ctx context.Context, broker string, q MessageQuery) ([]Message, error) {
	if q.Max <= 0 {
		q.Max = 32
	}
	begin, end := int64(0), c.now().Add(time.Hour).UnixMilli() // tolerates clocks that differ
	if !q.Begin.IsZero() {
		begin = q.Begin.UnixMilli()
	}
	if !q.End.IsZero() {
		end = q.End.UnixMilli()
	}
	ext := map[string]string{
		"topic": q.Topic, "key": q.Key, "maxNum": strconv.Itoa(q.Max), "beginTimestamp": itoa(begin), "endTimestamp": itoa(end),
	}
	if q.Unique {
		ext[uniqueKeyQuery] = "true"
	}
	ans, err := c.call(ctx, broker, &Command{Code: RequestQueryMessage, Ext: ext}, AnswerQueryNotFound)
	if err != nil || ans.Code == AnswerQueryNotFound {
		return nil, err
	}
	msgs, err := DecodeMessages(ans.Body)
	if err != nil {
		return nil, fmt.Errorf("decode query answer: %w", err)
	}
	return msgs, nil
}

// ViewMessage reads the message at a physical offset. Nothing there (any more) is AnswerSystemError with the
// remark "can not find message by the offset". The topic may be empty.
func (c *Client) ViewMessage(ctx context.Context, broker, topic string, physicalOffset int64) (Message, error) {
	ext := map[string]string{"offset": itoa(physicalOffset)}
	if topic != "" {
		ext["topic"] = topic
	}
	ans, err := c.call(ctx, broker, &Command{Code: RequestViewMessage, Ext: ext})
	if err != nil {
		return Message{}, err
	}
	msgs, err := DecodeMessages(ans.Body)
	if err != nil {
		return Message{}, fmt.Errorf("decode view answer: %w", err)
	}
	if len(msgs) != 1 {
		return Message{}, fmt.Errorf("decode view answer: %d messages instead of one", len(msgs))
	}
	return msgs[0], nil
}

// PullRequest asks one queue for messages from an offset on.
type PullRequest struct {
	Group   string
	Topic   string
	Queue   int
	Offset  int64
	Max     int           // default 32; brokers send fewer from disk
	Suspend time.Duration // how long the broker may hold the request while there is nothing; 0: answer at once
}

// PullResult is a broker's answer. Code is AnswerSuccess with messages, or without: AnswerPullNotFound at the
// end, AnswerPullRetry when none of them matched, AnswerPullOffsetMoved when Offset lies outside MinOffset to
// MaxOffset. NextOffset is where to go on.
type PullResult struct {
	Code       int
	Remark     string
	Messages   []Message
	NextOffset int64
	MinOffset  int64
	MaxOffset  int64
}

// Pull reads messages of one queue, of all tags. It commits nothing, but the broker creates a subscription for
// an unknown Group if it is configured to. A queue without read permission is AnswerNoPermission.
func (c *Client) Pull(ctx context.Context, broker string, p PullRequest) (PullResult, error) {
	if p.Max <= 0 {
		p.Max = 32
	}
	const suspend, subscription = 2, 4
	flag := subscription
	if p.Suspend > 0 {
		flag |= suspend
	}
	ext := queueExt(p.Topic, p.Queue)
	ext["consumerGroup"] = p.Group
	ext["queueOffset"] = itoa(p.Offset)
	ext["maxMsgNums"] = strconv.Itoa(p.Max)
	ext["sysFlag"] = strconv.Itoa(flag)
	ext["commitOffset"] = "0"
	ext["suspendTimeoutMillis"] = itoa(p.Suspend.Milliseconds())
	ext["subscription"] = "*"
	ext["subVersion"] = "0"
	ext["expressionType"] = "TAG"
	ans, err := c.call(ctx, broker, &Command{Code: RequestPullMessage, Ext: ext}, AnswerPullNotFound, AnswerPullRetry, AnswerPullOffsetMoved)
	if err != nil {
		return PullResult{}, err
	}
	res := PullResult{Code: ans.Code, Remark: ans.Remark}
	for name, to := range map[string]*int64{"nextBeginOffset": &res.NextOffset, "minOffset": &res.MinOffset, "maxOffset": &res.MaxOffset} {
		if *to, err = extInt(ans, name); err != nil {
			return PullResult{}, err
		}
	}
	if ans.Code != AnswerSuccess {
		return res, nil
	}
	if res.Messages, err = DecodeMessages(ans.Body); err != nil {
		return res, fmt.Errorf("decode pull answer: %w", err)
	}
	return res, nil
}
