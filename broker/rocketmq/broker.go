// Package rocketmq is how the office stands in a RocketMQ cluster, 4.9 and 5.x alike: it reads every %DLQ% topic into
// an Intake, tells what a consumer group is and what its brokers can do, gives messages back, and looks where they went.
//
// # Reading
//
// Each queue has a reader that pulls from the stored offset on, by own frames of request code 11 (package remoting), and
// commits nothing to the broker. PullFrom of rocketmq-client-go does the same, but not in a way that can be built on;
// v2.1.2, measured on 4.9.7 and 5.5.0:
//
//   - It has data races of its own: PullFrom assigns the group name that the client's rebalancing reads
//     (pull_consumer.go:437, consumer.go:416), and Shutdown a flag that every request reads (internal/client.go:555).
//     So one consumer cannot serve several queues, and each costs about 41 goroutines.
//   - It inflates zlib bodies without a limit (internal/utils/compression.go): one message of 4 MiB can take 4 GiB, and
//     again after every restart. Topics above 127 characters it decodes wrongly.
//   - It always long-polls for 20 s, ignores its context, hangs for 30 s when a broker restarts, and has no TLS.
//   - One queue gives half as many messages a second as by own frames (26 000 and 49 000, on two busy cores).
//
// An idle queue costs one frame that the broker holds; two hundred of them share one connection.
//
// # Sending
//
// Door A goes by the client library's producer where that can do it: not over TLS, and not for a body that came compressed,
// which goes back compressed by the same method: the library knows zlib alone. Doors B, C and P need header fields that no published client lets one set, so they are own frames.
//
// # Looking
//
// Look searches the brokers' key index under every topic in which a copy of one replay can lie. LookMany follows those
// topics instead where many replays of a consumer group are open, one cursor a queue.
//
// The package is larger than most because all of it shares one picture of the cluster: which brokers there are, what
// they can do, and which consumer groups are online.
package rocketmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// Options says which cluster, and how it is read. Only NameServers must be set.
type Options struct {
	NameServers []string              // "host:port", by name or address; an entry may hold several, separated by ";"
	Credentials remoting.Credentials  // ACL account; an empty AccessKey means none
	TLS         *tls.Config           // nil: plain; with InsecureSkipVerify, a VerifyConnection says that the authority is checked all the same
	Logger      *slog.Logger          // default: silence. The first Broker of a process also gets the client library's log
	Now         func() time.Time      // default: time.Now
	BodyLimit   int                   // bytes that a compressed body may inflate to; default 16 MiB
	Registerer  prometheus.Registerer // nil: no metrics

	DiscoveryInterval time.Duration // between looks for new %DLQ% topics; default 5 s
	Group             string        // consumer group that pulls name; default "dlq-console". It must exist where brokers do not create groups by themselves
	QueueMemory       int64         // bytes of messages that one queue is read ahead of the store; default 3 MiB. With what becomes of them on the way they take twice that
	TotalMemory       int64         // the same over all queues; default 4 MiB, for one writer stores them all
}

// Intake takes dead messages in. Position says from where a queue is read; false when it was never read.
//
// Accept takes batches of one queue, in order, and returns at once; the channel gets exactly one value, when they are
// stored or refused. At most two Accepts of a queue are outstanding, and one only while the queue has no position in the
// epoch of its batches; they are stored in their order. After an error the queue is read again from its Position: at once
// after dlq.CodeConflict, else after a pause.
type Intake interface {
	Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error)
	Accept(ctx context.Context, batches []dlq.Batch) <-chan error
}

// Broker is one RocketMQ cluster. Its methods may be called at the same time, before, during and after Run. It is a
// prometheus.Collector of its own figures.
type Broker struct {
	opt    Options
	log    *slog.Logger
	now    func() time.Time
	names  string // name server addresses, joined by ";"
	wire   *remoting.Client
	sender *sender
	memory *semaphore.Weighted
	gauges *gauges
	kick   chan struct{} // asks for a discovery round at once
	limits limits

	requests [512]atomic.Int64 // that were sent, by code

	mu         sync.Mutex
	status     dlq.ClusterStatus
	cluster    *cluster                        // of the last round that succeeded; nil before
	met        map[string]time.Time            // when a broker was registered last, by name
	lost       map[string]time.Time            // since when one of those has no master, by name
	addresses  map[string]string               // where its master was last, by name
	served     map[string]map[string]time.Time // when a name server last named a broker for a topic, by topic and broker
	failed     error                           // of the last round; nil when it succeeded
	failedAt   time.Time
	readers    map[dlq.Queue]*running
	ages       map[dlq.Queue]age
	known      map[string]traits     // by broker name
	groups     map[string]seen       // by consumer group
	presences  map[string]presence   // likewise, for seconds
	tables     map[string]groupTable // by broker address
	routes     map[string]holders    // by topic, for seconds
	follows    map[string]*following // by consumer group, while replays of it are open
	heard      map[groupClient]clientWord
	undiverted map[brokerTopic]time.Time // when a send was last seen to be stored where it was sent
	busy       map[string]chan struct{}  // clients that are being asked; closed when they are free again
	moves      map[question]*movement    // of committed offsets, while replays wait for them
	gauged     map[counter]*gauge
	counting   map[counter]time.Time // since when clients are known to count

	popLogs map[string]*popLog // by broker name

	marked marked
	silent map[string]*silence // brokers that do not answer, by address

	probes sync.WaitGroup
	ending context.Context
	end    context.CancelFunc
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
	for _, a := range addrs {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			return nil, dlq.Errorf(dlq.CodeInvalid, "%q is not the address of a name server", a).WithHint("write it as host:port, for example 127.0.0.1:9876; several are separated by ;")
		}
	}
	o.DiscoveryInterval = cmp.Or(o.DiscoveryInterval, 5*time.Second)
	o.Group = cmp.Or(o.Group, "dlq-console")
	o.BodyLimit = cmp.Or(o.BodyLimit, 16<<20)
	o.QueueMemory = cmp.Or(o.QueueMemory, 3<<20)
	o.TotalMemory = max(cmp.Or(o.TotalMemory, 4<<20), o.QueueMemory)
	b := &Broker{
		opt: o, log: o.Logger, now: o.Now, names: strings.Join(addrs, ";"),
		memory: semaphore.NewWeighted(o.TotalMemory), gauges: newGauges(), kick: make(chan struct{}, 1), limits: defaultLimits(),
		status:  dlq.ClusterStatus{NameServers: addrs, TLS: tlsCheck(o.TLS)},
		readers: map[dlq.Queue]*running{}, ages: map[dlq.Queue]age{}, known: map[string]traits{},
		groups: map[string]seen{}, presences: map[string]presence{}, tables: map[string]groupTable{}, routes: map[string]holders{},
		moves: map[question]*movement{}, gauged: map[counter]*gauge{}, counting: map[counter]time.Time{}, marked: marked{as: map[string]string{}}, popLogs: map[string]*popLog{},
		met: map[string]time.Time{}, follows: map[string]*following{}, heard: map[groupClient]clientWord{}, undiverted: map[brokerTopic]time.Time{}, busy: map[string]chan struct{}{},
		silent: map[string]*silence{}, lost: map[string]time.Time{}, addresses: map[string]string{}, served: map[string]map[string]time.Time{},
	}
	b.ending, b.end = context.WithCancel(context.Background())
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.now == nil {
		b.now = time.Now
	}
	BridgeClientLog(b.log)
	b.wire = remoting.New(remoting.Options{Credentials: o.Credentials, TLS: o.TLS, Logger: b.log, Count: b.count, Gate: b.gate})
	b.sender = newSender(o, addrs)
	if o.Registerer != nil {
		if err := o.Registerer.Register(b); err != nil {
			b.wire.Close()
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return b, nil
}

// Close ends all connections. Run must have returned.
func (b *Broker) Close() error {
	b.sender.close()
	b.end()
	err := b.wire.Close()
	b.probes.Wait()
	return err
}

func tlsCheck(c *tls.Config) dlq.TLSCheck {
	switch {
	case c == nil:
		return dlq.TLSOff
	case !c.InsecureSkipVerify:
		return dlq.TLSFull
	case c.VerifyConnection != nil:
		return dlq.TLSAnyName
	}
	return dlq.TLSUnproved
}

// Status says whether the cluster answers, and since when it does or does not.
func (b *Broker) Status() dlq.ClusterStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.status
	st.NameServers, st.Brokers, st.Members = slices.Clone(st.NameServers), slices.Clone(st.Brokers), slices.Clone(st.Members)
	return st
}

func (b *Broker) newReader(q dlq.Queue, in Intake) *reader {
	return &reader{
		queue: q, src: queueSource{b: b, queue: q}, in: in,
		own: semaphore.NewWeighted(b.opt.QueueMemory), ownSize: b.opt.QueueMemory, total: b.memory,
		bodyLimit: b.opt.BodyLimit, now: b.now, wake: make(chan struct{}, 1),
		log: b.log.With("cluster", q.Cluster, "broker", q.Broker, "topic", q.Topic, "queue", q.Number),
	}
}
