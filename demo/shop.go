package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
)

// Options says how the shop runs. NameServers and Logger are required.
type Options struct {
	NameServers []string      // host:port; host names are looked up
	Listen      string        // address of the shop's page and of its compensation endpoint; default 127.0.0.1:8643
	ConsoleURL  string        // where failures are reported; "" for nowhere
	ReportToken string        // token of the role reporter; "" while the console has no tokens
	Secret      string        // with which the console signs compensation calls, "whsec_…"; "" refuses them all
	Every       time.Duration // a message that fails is sent this often after the first round; default 20 s
	Logger      *slog.Logger
	Now         func() time.Time
}

// Shop is the running shop.
type Shop struct {
	opt      Options
	faults   *Faults
	reporter *Reporter
	orders   *ledger
	sent     atomic.Int64
	number   atomic.Int64
}

// New returns a shop in which everything is broken.
func New(opt Options) *Shop {
	if opt.Listen == "" {
		opt.Listen = "127.0.0.1:8643"
	}
	if opt.Every <= 0 {
		opt.Every = 20 * time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Shop{opt: opt, faults: NewFaults()}
	s.orders = newLedger(s.faults)
	if opt.ConsoleURL != "" {
		s.reporter = &Reporter{URL: strings.TrimSuffix(opt.ConsoleURL, "/") + "/api/v1/reports", Token: opt.ReportToken, Client: &http.Client{Timeout: 5 * time.Second}}
	}
	return s
}

// Run opens the shop's page, prepares its topics, starts the consumers and sends messages until the context ends.
func (s *Shop) Run(ctx context.Context) error {
	l, err := net.Listen("tcp", s.opt.Listen)
	if err != nil {
		return fmt.Errorf("open the shop's page: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second}
	group.Go(func() error {
		if err := server.Serve(l); err != http.ErrServerClosed {
			return fmt.Errorf("serve the shop's page: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		return server.Shutdown(stop)
	})
	group.Go(func() error { return s.trade(ctx) })
	s.opt.Logger.Info("the shop is open", "page", "http://"+l.Addr().String()+"/")
	return group.Wait()
}

// trade prepares the broker, starts consumers and producer, and sends.
func (s *Shop) trade(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	stop, err := s.consume()
	defer stop()
	if err != nil {
		return err
	}
	p, err := rocketmq.NewProducer(producer.WithNsResolver(resolver(s.opt.NameServers)), producer.WithGroupName("shop-producer"),
		producer.WithInstanceName("shop-producer"), producer.WithRetry(0))
	if err != nil {
		return fmt.Errorf("make the shop's producer: %w", err)
	}
	if err := p.Start(); err != nil {
		return fmt.Errorf("start the shop's producer: %w", err)
	}
	defer func() { _ = p.Shutdown() }()
	for range 2 { // the first round: every fault twice, an English and a Chinese text
		for _, f := range s.faults.List() {
			s.send(ctx, p, f)
		}
	}
	failing, fine := time.NewTicker(s.opt.Every), time.NewTicker(time.Second)
	defer failing.Stop()
	defer fine.Stop()
	for i := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-fine.C:
			s.send(ctx, p, Fault{Topic: TopicOrders, Name: "fine"})
		case <-failing.C:
			list := s.faults.List()
			s.send(ctx, p, list[i%len(list)])
			i++
		}
	}
}

// send sends one message of a kind. A broker that is away is no reason to close the shop.
func (s *Shop) send(ctx context.Context, p rocketmq.Producer, f Fault) {
	if ctx.Err() != nil {
		return
	}
	m := makeMessage(f, int(s.number.Add(1)), s.opt.Now())
	out := primitive.NewMessage(m.topic, m.body).WithTag(m.kind).WithKeys([]string{m.key})
	for name, value := range m.properties { // WithProperties would drop the tag and the key
		out.WithProperty(name, value)
	}
	if m.sharding != "" {
		out.WithShardingKey(m.sharding)
	}
	if _, err := p.SendSync(context.WithoutCancel(ctx), out); err != nil {
		s.opt.Logger.Warn("a shop message could not be sent", "topic", m.topic, "error", err)
		return
	}
	s.sent.Add(1)
}

// prepare creates topics and retry topics. Without it a consumer learns of its retry topic only at its next look at the
// routes, up to 30 s later.
func (s *Shop) prepare(ctx context.Context) error {
	client := remoting.New(remoting.Options{Logger: s.opt.Logger})
	defer client.Close()
	info, err := client.ClusterInfo(ctx, strings.Join(s.opt.NameServers, ";"))
	for err != nil { // the broker may still be starting
		s.opt.Logger.Warn("the shop waits for the cluster", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		info, err = client.ClusterInfo(ctx, strings.Join(s.opt.NameServers, ";"))
	}
	topics := []remoting.TopicConfig{{Name: TopicInventory, ReadQueues: 2, WriteQueues: 2, Perm: 6, Order: true}}
	for _, name := range []string{TopicOrders, TopicPayments, TopicNotifications, TopicParked} {
		topics = append(topics, remoting.TopicConfig{Name: name, ReadQueues: 4, WriteQueues: 4, Perm: 6})
	}
	for _, group := range []string{GroupOrders, GroupPayments, GroupInventory, GroupNotifications} {
		topics = append(topics, remoting.TopicConfig{Name: "%RETRY%" + group, ReadQueues: 1, WriteQueues: 1, Perm: 6})
	}
	for _, b := range info.Brokers {
		address, ok := b.Addrs[0]
		if !ok {
			continue
		}
		for _, topic := range topics {
			if err := client.UpdateTopic(ctx, address, topic); err != nil {
				return fmt.Errorf("create the shop's topic %s: %w", topic.Name, err)
			}
		}
	}
	return s.waitForRoutes(ctx, client, topics)
}

// waitForRoutes returns when the name server knows every topic: a broker registers new topics a moment after creating them.
func (s *Shop) waitForRoutes(ctx context.Context, client *remoting.Client, topics []remoting.TopicConfig) error {
	for _, topic := range topics {
		for {
			if _, err := client.Route(ctx, strings.Join(s.opt.NameServers, ";"), topic.Name); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}
