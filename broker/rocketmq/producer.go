package rocketmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	rmqerrors "github.com/apache/rocketmq-client-go/v2/errors"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"deadletteroffice/dlq"
)

// sender is the client library's producer, made with the first send that needs it.
type sender struct {
	opt   Options
	names []string

	mu     sync.Mutex
	p      rocketmq.Producer
	closed bool
}

func newSender(o Options, names []string) *sender { return &sender{opt: o, names: names} }

func (s *sender) producer() (rocketmq.Producer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, rmqerrors.ErrNotRunning
	}
	if s.p != nil {
		return s.p, nil
	}
	opts := []producer.Option{
		producer.WithNsResolver(NewResolver(s.names)),
		producer.WithGroupName(producerName),
		producer.WithInstanceName(producerName + "-" + rand.Text()),
		producer.WithRetry(0),           // its retries make duplicates
		producer.WithCreateTopicKey(""), // else a mistyped topic would be created
	}
	if c := s.opt.Credentials; c.AccessKey != "" {
		opts = append(opts, producer.WithCredentials(primitive.Credentials{AccessKey: c.AccessKey, SecretKey: c.SecretKey, SecurityToken: c.SecurityToken}))
	}
	p, err := rocketmq.NewProducer(opts...)
	if err != nil {
		return nil, fmt.Errorf("make producer: %w", err)
	}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start producer: %w", err)
	}
	s.p = p
	return p, nil
}

// send sends one message by the client library, once. Its time-out is 3 s, fixed; a context that ends would only hide
// the answer, since the request is written all the same.
func (s *sender) send(ctx context.Context, req dlq.SendRequest, props map[string]string) verdict {
	p, err := s.producer()
	if err != nil {
		return notSent(dlq.CodeUnavailable, "the producer could not be started, nothing was sent: %w", err)
	}
	m := primitive.NewMessage(req.Replay.Target, req.Body)
	m.Flag = req.Flag
	m.WithProperties(props)
	res, err := p.SendSync(context.WithoutCancel(ctx), m)
	if err != nil {
		return clientVerdict(req.Replay.Target, err)
	}
	broker := res.MessageQueue.BrokerName
	return verdict{result: dlq.Sent, receipt: dlq.Receipt{
		Broker: broker, Queue: res.MessageQueue.QueueId, Offset: res.QueueOffset, MessageID: res.OffsetMsgID, Weak: res.Status != primitive.SendOK,
	}}
}

// close ends sending. The producer itself ends with the process: its Shutdown writes a flag that its own goroutines read
// without a lock (client-go v2.1.2 internal/client.go:555), and nothing is lost without it.
func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.p = true, nil
}

var clientCode = regexp.MustCompile(`^CODE: (\d+), DESC: ((?s:.*))$`)

// clientVerdict tells what an error of the client library's SendSync means. Broker answers come as text
// (internal/client.go ProcessSendResponse).
func clientVerdict(topic string, err error) verdict {
	var op *net.OpError
	text := err.Error()
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return notSent(dlq.CodeUnavailable, "a broker of the topic %s could not be reached, nothing was sent: %w", topic, err)
	case errors.Is(err, rmqerrors.ErrNotRunning), errors.Is(err, rmqerrors.ErrService):
		return notSent(dlq.CodeUnavailable, "the producer is not running, nothing was sent: %w", err)
	case errors.Is(err, rmqerrors.ErrTopicEmpty), errors.Is(err, rmqerrors.ErrMessageEmpty):
		return notSent(dlq.CodeInvalid, "the message cannot be sent: %w", err)
	case strings.HasSuffix(text, "route info not found"):
		return notSent(dlq.CodeUnavailable, "no broker of the topic %s takes messages now: %w", topic, err)
	}
	if m := clientCode.FindStringSubmatch(text); m != nil {
		code, _ := strconv.Atoi(m[1])
		return answerVerdict("of the topic "+topic, code, m[2], err)
	}
	return unknown("of the topic "+topic, err)
}
