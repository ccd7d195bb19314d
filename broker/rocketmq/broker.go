// Package rocketmq is how the office stands in a RocketMQ cluster, 4.9 and 5.x alike: it reads every %DLQ% topic into
// an Intake, tells what a consumer group is and what its brokers can do, gives messages back, and looks where they went.
//
// # Two ways to read
//
// Bulk reading, the catching up with what lies in a queue, goes through PullFrom of rocketmq-client-go. Waiting for the
// next message, and everything that the client cannot be trusted with, goes through own frames (package remoting):
//
//   - PullFrom always long-polls for 20 s, ignores its context, and hangs for 30 s when a broker restarts. A consumer
//     costs about 41 goroutines, and concurrent PullFrom on one consumer is a data race (client-go v2.1.2
//     pull_consumer.go assigns consumerGroup on every pull). So there is one consumer, used by one queue at a time, and
//     only for offsets that the broker has said it holds; a queue that finds it busy reads by frames. Two hundred
//     queues cost one consumer and one waiting frame each.
//   - The client inflates zlib bodies without a limit (internal/utils/compression.go), so a 4 MiB message could take
//     4 GiB, again after each restart. The office first asks the broker for the sizes of what comes (request code 321)
//     and lets the client fetch only runs of at most 64 KiB; larger messages come by frames and are inflated with a cap.
//   - v2.1.2 has no TLS, and decodes topics above 127 characters wrongly. Such clusters and topics are read by frames.
//
// Whichever way they came, the same decoder takes the answers apart.
package rocketmq

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Options says which cluster, and how it is read. Only NameServers must be set.
type Options struct {
	NameServers []string              // "host:port", by name or address; an entry may hold several, separated by ";"
	Credentials remoting.Credentials  // ACL account; an empty AccessKey means none
	TLS         *tls.Config           // nil: plain. With TLS everything goes by own frames, see the package comment
	Logger      *slog.Logger          // default: silence. The first Broker of a process also gets the client library's log
	Now         func() time.Time      // default: time.Now
	BodyLimit   int                   // bytes that a compressed body may inflate to; default 16 MiB
	Registerer  prometheus.Registerer // nil: no metrics

	DiscoveryInterval time.Duration // between looks for new %DLQ% topics; default 5 s
	Group             string        // consumer group that pulls name; default "dlq-console". It must exist where brokers do not create groups by themselves
	QueueMemory       int64         // bytes of messages that one queue is read ahead of the store; default 16 MiB
	TotalMemory       int64         // the same over all queues; default 64 MiB
}

// Intake takes dead messages in. Position says from where a queue is read; false when it was never read.
//
// Accept takes batches of one queue, in order, and returns at once; the channel gets exactly one value, when they are
// stored or refused. At most one Accept of a queue is outstanding. After an error the queue is read again from its
// Position: at once after dlq.CodeConflict, else after a pause.
type Intake interface {
	Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error)
	Accept(ctx context.Context, batches []dlq.Batch) <-chan error
}

// Broker is one RocketMQ cluster. Its methods may be called at the same time, before, during and after Run.
type Broker struct {
	opt   Options
	log   *slog.Logger
	now   func() time.Time
	names string // name server addresses, joined by ";"
	wire  *remoting.Client

	kick chan struct{} // asks for a discovery round at once

	mu     sync.Mutex
	status dlq.ClusterStatus
}

// New makes a Broker. It connects when it is first asked something, or by Run.
func New(o Options) (*Broker, error) {
	var addrs []string
	for _, entry := range o.NameServers {
		addrs = append(addrs, remoting.SplitAddresses(entry)...)
	}
	if len(addrs) == 0 {
		return nil, dlq.Errorf(dlq.CodeInvalid, "no name server is given").WithHint("name at least one as host:port, for example 127.0.0.1:9876")
	}
	b := &Broker{opt: o, log: o.Logger, now: o.Now, names: strings.Join(addrs, ";"), kick: make(chan struct{}, 1)}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.status = dlq.ClusterStatus{NameServers: addrs}
	b.wire = remoting.New(remoting.Options{Credentials: o.Credentials, TLS: o.TLS, Logger: b.log})
	return b, nil
}

// Run reads every %DLQ% topic of the cluster into the intake until ctx ends, and returns nil then. A cluster that is
// away, at the start or later, is no error: Run goes on trying, and Status says since when.
func (b *Broker) Run(ctx context.Context, in Intake) error {
	return errors.New("not built yet")
}

// Close ends all connections. Run must have returned.
func (b *Broker) Close() error { return b.wire.Close() }

// Status says whether the cluster answers, and since when it does or does not.
func (b *Broker) Status() dlq.ClusterStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// Topics lists the queues of all %DLQ% topics: what the brokers hold and how far it is read. The list is at most one
// discovery interval old while Run runs.
func (b *Broker) Topics(ctx context.Context) ([]dlq.TopicInfo, error) {
	return nil, errors.New("not built yet")
}

// Repair makes a %DLQ% topic readable (permission 6) on every master that holds it, and keeps all else of its
// configuration. Brokers up to 4.9.1 create these topics write-only, and an upgrade does not change them.
func (b *Broker) Repair(ctx context.Context, topic string) error {
	return errors.New("not built yet")
}

// Group tells what the cluster knows of a consumer group. m is one of its dead messages, which tells the kind of a
// group that is offline; nil when there is none at hand.
func (b *Broker) Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error) {
	return dlq.GroupInfo{}, errors.New("not built yet")
}

// Capabilities tells what a broker can do; "" means any broker of the cluster. The answer may be a minute old.
func (b *Broker) Capabilities(ctx context.Context, brokerName string) (dlq.Capabilities, error) {
	return dlq.Capabilities{}, errors.New("not built yet")
}

// Subscribers lists the consumer groups that get what is sent to a topic: those online and those that committed an
// offset once. complete is false when a broker could not be asked. A topic that does not exist is dlq.CodeNotFound.
func (b *Broker) Subscribers(ctx context.Context, topic string) (groups []string, complete bool, err error) {
	return nil, false, errors.New("not built yet")
}

// Send gives one message back through the door that the replay names, once: it never tries again by itself. The error
// explains every result but dlq.Sent, in words for people.
func (b *Broker) Send(ctx context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	return dlq.Receipt{}, dlq.NotSent, errors.New("not built yet")
}

// Look finds out where a replayed message is now. It fails unless every broker that may hold a copy answered, so that
// no copies and no error mean that there are none.
func (b *Broker) Look(ctx context.Context, r dlq.Replay) (dlq.Evidence, error) {
	return dlq.Evidence{}, errors.New("not built yet")
}
