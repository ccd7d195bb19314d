package rocketmq

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// requestQueryConsumeQueue asks for the index entries of a queue: places and sizes of messages, without the messages
// (RequestCode.QUERY_CONSUME_QUEUE, the same in 4.9 and 5.x).
const requestQueryConsumeQueue = 321

// puller is what is used of the client library's PullConsumer.
type puller interface {
	PullFrom(ctx context.Context, queue *primitive.MessageQueue, offset int64, numbers int) (*primitive.PullResult, error)
}

// lane is the one PullConsumer of a Broker, used by one queue at a time. It is made when the first %DLQ% topic is known,
// because a consumer cannot start without an existing topic.
//
// PullFrom assigns the consumer's group name, which the client's own rebalancing reads: a data race even when nobody else
// pulls (client-go v2.1.2 pull_consumer.go:437, consumer.go:416). Rebalancing holds a lock and asks the strategy which
// queues are ours, so the strategy here does not return before the lane is closed, and pulling begins only when it was
// entered: from then on nobody reads.
type lane struct {
	opt    Options
	names  []string
	log    *slog.Logger
	off    bool          // never to be used
	free   chan struct{} // holds one token while no pull is under way
	parked chan struct{} // closed when rebalancing stands still
	resume chan struct{} // closed to let it go on

	mu       sync.Mutex
	starting bool
	tried    time.Time     // when starting failed last
	wait     time.Duration // how long to leave it alone then
	puller   puller
	shutdown func() error
}

func newLane(o Options, names []string, log *slog.Logger) *lane {
	l := &lane{opt: o, names: names, log: log, off: o.TLS != nil, wait: 30 * time.Second,
		free: make(chan struct{}, 1), parked: make(chan struct{}), resume: make(chan struct{})}
	l.free <- struct{}{}
	return l
}

// start makes the consumer in the background, unless it is there or its last failure is recent. A consumer that failed to
// start is dead and leaves some fifteen goroutines behind (client-go consumer/statistics.go), hence the growing pauses.
func (l *lane) start(topic string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off || l.starting || l.puller != nil || now.Sub(l.tried) < l.wait && !l.tried.IsZero() || len(topic) > maxClientTopic {
		return
	}
	l.starting = true
	go func() {
		pc, err := l.make(topic)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.starting = false
		if err != nil {
			l.tried = now
			l.wait = min(2*l.wait, time.Hour)
			l.log.Warn("the pull consumer of the client library did not start, reading goes on by frames", "error", err)
			return
		}
		if l.off {
			go pc.Shutdown()
			return
		}
		l.puller, l.shutdown = pc, pc.Shutdown
	}()
}

// maxClientTopic is the longest topic that the client library decodes: longer ones make brokers store messages in a form
// it does not know (MessageDecoder.MESSAGE_MAGIC_CODE_V2).
const maxClientTopic = 127

func (l *lane) make(topic string) (rocketmq.PullConsumer, error) {
	park := sync.OnceFunc(func() { close(l.parked) })
	opts := []consumer.Option{
		consumer.WithNsResolver(newResolver(l.names)),
		consumer.WithGroupName(l.opt.Group),
		consumer.WithInstance("dlq-console-intake-" + rand.Text()),
		// No queue is ever allocated, so the client neither prefetches nor commits.
		consumer.WithStrategy(func(string, string, []*primitive.MessageQueue, []string) []*primitive.MessageQueue {
			park()
			<-l.resume
			return nil
		}),
	}
	if c := l.opt.Credentials; c.AccessKey != "" {
		opts = append(opts, consumer.WithCredentials(primitive.Credentials{AccessKey: c.AccessKey, SecretKey: c.SecretKey, SecurityToken: c.SecurityToken}))
	}
	pc, err := rocketmq.NewPullConsumer(opts...)
	if err != nil {
		return nil, fmt.Errorf("make pull consumer: %w", err)
	}
	if err := pc.Subscribe(topic, consumer.MessageSelector{}); err != nil {
		return nil, fmt.Errorf("subscribe pull consumer: %w", err)
	}
	if err := pc.Start(); err != nil {
		return nil, fmt.Errorf("start pull consumer: %w", err)
	}
	return pc, nil
}

func (l *lane) usable(topic string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.parked:
	default:
		return false
	}
	return l.puller != nil && !l.off && len(topic) <= maxClientTopic
}

// lanePatience is how long a queue waits for its turn's answer before it reads by frames. The pull is only made for what
// the broker holds, so the answer takes milliseconds; after a broker's restart the client would wait for 30 s.
const lanePatience = 3 * time.Second

// pull fetches n messages that the broker is known to hold. It reports false whenever that does not work at once, for
// whatever reason: the caller then reads by frames, which tell what is the matter.
func (l *lane) pull(ctx context.Context, q dlq.Queue, offset int64, n int) (page, bool) {
	if !l.usable(q.Topic) {
		return page{}, false
	}
	select {
	case <-l.free:
	default:
		return page{}, false
	}
	done := make(chan page, 1)
	go func() {
		// The token comes back when the pull has ended, even if nobody waits for it any more.
		defer func() { l.free <- struct{}{} }()
		p, err := l.fetch(q, offset, n)
		if err != nil {
			l.log.Debug("pull by the client library failed, reading by frames", "topic", q.Topic, "offset", offset, "error", err)
			close(done)
			return
		}
		done <- p
	}()
	t := time.NewTimer(lanePatience)
	defer t.Stop()
	select {
	case p, ok := <-done:
		return p, ok
	case <-t.C:
		return page{}, false
	case <-ctx.Done():
		return page{}, false
	}
}

func (l *lane) fetch(q dlq.Queue, offset int64, n int) (p page, err error) {
	defer func() {
		// The client decodes foreign bytes without checking lengths (primitive/message.go).
		if x := recover(); x != nil {
			err = fmt.Errorf("the client library panicked: %v", x)
		}
	}()
	mq := &primitive.MessageQueue{Topic: q.Topic, BrokerName: q.Broker, QueueId: q.Number}
	res, err := l.puller.PullFrom(context.Background(), mq, offset, n)
	if err != nil {
		return page{}, err
	}
	if res.Status != primitive.PullFound {
		return page{}, fmt.Errorf("pull status %d", res.Status)
	}
	msgs, err := remoting.DecodeMessages(res.GetBody())
	if err != nil {
		return page{}, fmt.Errorf("decode pulled messages: %w", err)
	}
	if len(msgs) == 0 {
		return page{}, errors.New("no message in the answer")
	}
	return page{code: remoting.AnswerSuccess, messages: msgs, next: res.NextBeginOffset, min: res.MinOffset, max: res.MaxOffset}, nil
}

// close stops the consumer. A pull under way is left to its own end, and rebalancing parked then.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = true
	if l.shutdown != nil {
		l.shutdown()
		l.shutdown = nil
	}
	select {
	case <-l.free:
		close(l.resume)
	default:
	}
}

// look asks a broker how large the messages from an offset on are. A broker that does not say is read by frames.
func (b *Broker) look(ctx context.Context, q dlq.Queue, offset int64) sizes {
	addr, err := b.master(q.Broker)
	if err != nil {
		return sizes{}
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	ans, err := b.wire.Do(ctx, addr, &remoting.Command{Code: requestQueryConsumeQueue, Ext: map[string]string{
		"topic": q.Topic, "queueId": strconv.Itoa(q.Number), "index": strconv.FormatInt(offset, 10), "count": strconv.Itoa(lookCount),
	}})
	if err == nil {
		err = ans.Err()
	}
	var body struct {
		Entries []struct {
			Size int `json:"physicSize"`
		} `json:"queueData"`
	}
	if err == nil {
		err = json.Unmarshal(ans.Body, &body)
	}
	if err != nil {
		b.log.Debug("the broker does not tell message sizes, reading by frames", "broker", q.Broker, "error", err)
		return sizes{}
	}
	s := sizes{from: offset}
	for _, e := range body.Entries {
		if e.Size <= 0 {
			break
		}
		s.bytes = append(s.bytes, e.Size)
	}
	return s
}
