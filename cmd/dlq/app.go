package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"deadletteroffice/alerts"
	"deadletteroffice/classifier"
	"deadletteroffice/demo"
	"deadletteroffice/dlq"
	"deadletteroffice/docs"
	"deadletteroffice/handlers"
	"deadletteroffice/replay"
	"deadletteroffice/replay/operation"
	"deadletteroffice/rulebook"
	"deadletteroffice/store"
	"deadletteroffice/ui"
	"deadletteroffice/webhook"
)

// stopWithin bounds each stage of an orderly stop: inputs, then workers.
const stopWithin = 15 * time.Second

// app is the whole console, wired. newApp opens everything, run runs it, close closes it in the reverse order.
type app struct {
	log      *slog.Logger
	listener net.Listener
	server   *ui.Server
	store    *store.Store
	book     *rulebook.Book
	registry *prometheus.Registry
	reload   *reloadMetrics
	automate *handlers.Switch
	market   demo.Market // of a stand-in; nil for a RocketMQ cluster
	inputs   []loop
	workers  []loop
	closers  []closer
}

// loop is one long-lived task.
type loop struct {
	name string
	run  func(context.Context) error
}

// closer closes something that was opened. It is registered right after the opening, so that a start that fails half
// way gives everything back.
type closer struct {
	name  string
	close func() error
}

func (a *app) onStop(name string, f func() error) { a.closers = append(a.closers, closer{name, f}) }

// close closes what is open, last opened first.
func (a *app) close() error {
	var errs []error
	for _, c := range slices.Backward(a.closers) {
		if err := c.close(); err != nil {
			errs = append(errs, fmt.Errorf("close the %s: %w", c.name, err))
		}
	}
	a.closers = nil
	return errors.Join(errs...)
}

// newApp opens the store, the rules, the cluster and the listener, and wires them.
func newApp(ctx context.Context, c config, env environment, log *slog.Logger) (_ *app, err error) {
	a := &app{log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := ui.CheckListen(c.listen, c.tokens != ""); err != nil {
		return nil, err
	}
	var certificate *ui.Certificate
	if c.listenCert != "" {
		if certificate, err = ui.LoadCertificate(c.listenCert, c.listenKey); err != nil {
			return nil, err
		}
	}
	if public, err := url.Parse(c.publicURL); err == nil && c.publicURL != "" { // the flag's form is checked with all flags
		if err := ui.CheckPublic(public, c.tokens != ""); err != nil {
			return nil, err
		}
	}
	registry := prometheus.NewRegistry()
	a.registry = registry
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	a.reload = newReloadMetrics(registry)

	var page atomic.Pointer[ui.Server] // the store publishes before there is a page
	var alarm alarm
	a.store, err = store.Open(ctx, store.Options{Path: c.data, Logger: log, Registerer: registry, Retention: c.retention,
		Publish: func(events []dlq.Event) {
			if s := page.Load(); s != nil {
				s.Publish(events)
			}
			alarm.wake()
		}})
	if err != nil {
		return nil, err
	}
	a.onStop("store", a.store.Close)
	if a.automate, err = handlers.NewSwitch(ctx, a.store, nil); err != nil {
		return nil, err
	}

	live, compensations := classifier.NewLive(), &handlers.LiveCompensations{}
	told := alerts.NewLive(alerts.LiveOptions{PublicURL: linkBase(c), Zone: time.Local})
	a.book = rulebook.New(rulebook.Options{Path: c.rules, Versions: a.store, Logger: log, Owners: owners(live, compensations, told, env), Changed: alarm.wake})
	if err := a.book.Load(ctx); err != nil {
		return nil, err
	}
	a.reload.follow(a.book)

	// The listener opens before the cluster is asked: the page must come up while brokers are away.
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.listen); err != nil {
		return nil, dlq.Errorf(dlq.CodeUnavailable, "the address %s cannot be listened on: %w", c.listen, err).
			WithHint("is another console running? choose another address with --listen")
	}
	a.onStop("listener", func() error {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})

	if env.open == nil {
		env.open = openCluster
	}
	joined, err := env.open(c, log, registry)
	if err != nil {
		return nil, err
	}
	a.onStop("cluster", joined.Close)
	a.market = joined.market

	intake := handlers.NewIntake(handlers.IntakeDeps{Store: a.store, Rules: live, Automation: a.automate.Get, Policy: live.Automation,
		Compensations: compensations, Logger: log, Registerer: registry})
	rivals := handlers.NewRivals(joined, a.automate, log, nil)
	watched := &watchedCluster{cluster: joined, foreign: intake.Foreign, consoles: rivals.Consoles}
	desk := handlers.NewDesk(handlers.DeskDeps{Store: a.store, Rules: live, Switch: a.automate, Policy: live.Automation, Compensations: compensations, Registerer: registry})
	replays := replay.New(replay.Deps{Store: a.store, Broker: watched, Rules: live, Automation: rivals.Automation, Policy: live.Automation, Probed: desk.Probed,
		Logger: log, Registerer: registry})
	operations := operation.New(operation.Deps{Store: a.store, Replays: replays, Desk: desk, Cluster: watched, Automation: a.automate.Get, Policy: live.Automation,
		Logger: log, Registerer: registry})
	calls := webhook.New(webhook.Options{UserAgent: "dead-letter-office/" + version, AllowLoopback: c.allowLoopback, AllowEgress: c.allowEgress, Own: ownAddress(a.listener), Registerer: registry})
	a.onStop("webhook client", func() error { calls.Close(); return nil })
	compensator := handlers.NewCompensator(handlers.CompensatorDeps{Store: a.store, Caller: calls, Rules: live, Compensations: compensations,
		Automation: rivals.Calls, Logger: log, Registerer: registry})
	waker := handlers.NewWaker(a.store, nil, log)
	alerting := openAlerts(alertDeps{store: a.store, data: c.data, live: told, book: a.book, cluster: watched, intake: intake, sender: calls, log: log, registry: registry})
	alarm.engine.Store(alerting.engine)

	a.server, err = ui.New(ui.Deps{Store: a.store, Alerts: silencing{a.store, alarm.wake}, Engine: alerting.engine, Outbox: alerting.outbox, Desk: desk, Replays: replays, Operations: operations, Ledger: a.store, Cluster: watched, Book: a.book, Live: live,
		Listen: c.listen, TokenFile: c.tokens, Certificate: certificate, TrustedProxies: c.proxies, PublicURL: c.publicURL, Version: version, ShopURL: c.shopURL,
		Registerer: registry, Gatherer: registry, Logger: log, OpenAPI: openAPI, RulesSchema: docs.RulesSchema})
	if err != nil {
		return nil, err
	}
	page.Store(a.server)

	a.inputs = []loop{
		{"page", func(ctx context.Context) error { return a.server.Serve(ctx, a.listener) }},
		{"intake", func(ctx context.Context) error { return joined.read(ctx, intake) }},
	}
	a.workers = []loop{
		{"rules", a.book.Run}, {"other consoles", rivals.Run}, {"reload on SIGHUP", a.reloadOnHangup}, {"scheduled replays", replays.RunDue}, {"outcomes", replays.RunTracker},
		{"operations", operations.Run},
		{"compensations", compensator.Run}, {"snoozed letters", waker.Run}, {"store", a.store.Run},
	}
	a.workers = append(a.workers, alerting.loops()...)
	return a, nil
}

// run runs all loops until the context ends or one of them fails, and stops them in order: inputs, then workers.
func (a *app) run(ctx context.Context) error {
	all, failed := errgroup.WithContext(ctx)
	inputs, stopInputs := context.WithCancel(context.WithoutCancel(ctx))
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInputs()
	defer stopWorkers()
	start := func(ctx context.Context, loops []loop) <-chan struct{} {
		var group errgroup.Group
		for _, l := range loops {
			task := func() error {
				err := l.run(ctx)
				if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
					return nil
				}
				if err == nil {
					err = errors.New("ended by itself")
				}
				return fmt.Errorf("%s: %w", l.name, err)
			}
			group.Go(func() error {
				err := task()
				if err != nil {
					all.Go(func() error { return err })
				}
				return err
			})
		}
		done := make(chan struct{})
		go func() {
			_ = group.Wait() // its error is in all
			close(done)
		}()
		return done
	}
	working := start(workers, a.workers)
	reading := start(inputs, a.inputs)
	<-failed.Done()
	stopInputs()
	a.wait(reading, "inputs")
	stopWorkers()
	a.wait(working, "workers")
	if err := all.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// wait waits for a stage to end, but not for ever: the client library's pulls cannot be cancelled.
func (a *app) wait(done <-chan struct{}, stage string) {
	select {
	case <-done:
	case <-time.After(stopWithin):
		a.log.Warn("a stage of the stop took too long and is left behind", "stage", stage, "after", stopWithin.String())
	}
}

// reloadOnHangup reads the rules again when the process gets SIGHUP.
func (a *app) reloadOnHangup(ctx context.Context) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			if err := a.book.Reload(ctx); err != nil {
				a.log.Error("rules could not be read again", "error", err)
			}
		}
	}
}

// ownAddress is where this console listens, which no webhook may call.
func ownAddress(l net.Listener) []netip.AddrPort {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		return []netip.AddrPort{tcp.AddrPort()}
	}
	return nil
}
