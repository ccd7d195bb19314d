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

	"golang.org/x/sync/errgroup"
)

// Options says how the shop runs. NameServers or Market, and Logger, are required.
type Options struct {
	NameServers []string      // host:port; host names are looked up
	Market      Market        // default: the RocketMQ cluster of NameServers
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
	away     bool // the last message could not be sent; only trade sends
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
	if opt.Market == nil {
		opt.Market = &rocketMarket{nameServers: opt.NameServers, log: opt.Logger}
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

// trade opens the market and sends: first every fault twice, an English and a Chinese text, then one after the other.
func (s *Shop) trade(ctx context.Context) error {
	shut, err := s.opt.Market.Open(ctx, groups(), func(d Delivery) bool { return s.work(ctx, d) })
	if err != nil {
		return err
	}
	defer shut()
	for range 2 {
		for _, f := range s.faults.List() {
			s.send(ctx, f)
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
			s.send(ctx, Fault{Topic: TopicOrders, Name: "fine"})
		case <-failing.C:
			list := s.faults.List()
			s.send(ctx, list[i%len(list)])
			i++
		}
	}
}

// send sends one message of a kind. A broker that is away is no reason to close the shop, and is told of once.
func (s *Shop) send(ctx context.Context, f Fault) {
	if ctx.Err() != nil {
		return
	}
	if err := s.opt.Market.Send(ctx, makeGoods(f, int(s.number.Add(1)), s.opt.Now())); err != nil {
		if !s.away {
			s.opt.Logger.Warn("the shop cannot send its messages, and goes on trying", "topic", f.Topic, "error", err)
		}
		s.away = true
		return
	}
	if s.away {
		s.opt.Logger.Info("the shop can send its messages again")
	}
	s.away = false
	s.sent.Add(1)
}

// work is the business of the shop: it goes well unless what the message needs is broken and its body needs it.
func (s *Shop) work(ctx context.Context, d Delivery) bool {
	fault, failed := s.faults.fails(d.Kind, mended(d.Kind, d.Body))
	if !failed {
		return true
	}
	if fault.Name == "payment-gateway" && s.reporter != nil {
		report := Report{ConsumerGroup: d.Group, UniqueKey: d.UniqueKey, Reason: fault.Reason, ReasonText: failureText(fault.Reason, int(fault.Failed))}
		if err := s.reporter.Send(ctx, report); err != nil {
			s.opt.Logger.Debug("the failure could not be reported", "error", err)
		}
	}
	return false
}
