package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/alerts"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/rulebook"
	"deadletteroffice/store"
	"deadletteroffice/webhook"
)

// alerting is the alert engine with the outbox of what it tells.
type alerting struct {
	engine *alerts.Engine
	outbox *webhook.Outbox
}

// alertDeps is what openAlerts wires.
type alertDeps struct {
	store    *store.Store
	data     string // path of the store's file
	live     *alerts.Live
	book     *rulebook.Book
	cluster  alerts.Cluster
	intake   *handlers.Intake
	sender   webhook.Sender
	log      *slog.Logger
	registry prometheus.Registerer
}

func openAlerts(d alertDeps) alerting {
	outbox := webhook.NewOutbox(webhook.OutboxDeps{Store: d.store, Sender: d.sender, Format: d.live, Logger: d.log, Registerer: d.registry})
	engine := alerts.New(alerts.Deps{
		Book: d.store, Signals: d.store, Cluster: d.cluster, Live: d.live, Told: outbox.Wake, Logger: d.log, Registerer: d.registry,
		Stalled: func() bool {
			_, stalled := d.intake.Stalled()
			return stalled
		},
		RulesRefused: func() bool { return d.book.Current().Refused != nil },
		Disk: func() (float64, error) {
			if d.store.Full() { // a quota can be used up on a disk that is not full
				return 1, nil
			}
			return alerts.DiskUsed(d.data)
		},
	})
	return alerting{engine, outbox}
}

func (a alerting) loops() []loop {
	return []loop{{"alerts", a.engine.Run}, {"deliveries", a.outbox.Run}}
}

// alarm wakes the alert engine once there is one. The store publishes, and rules change, before that.
type alarm struct{ engine atomic.Pointer[alerts.Engine] }

func (a *alarm) wake() {
	if e := a.engine.Load(); e != nil {
		e.Wake()
	}
}

// silencing is the store as the page sees it: a silence that it sets or ends counts at once.
type silencing struct {
	*store.Store
	changed func()
}

// AddSilence implements ui.Silences.
func (s silencing) AddSilence(ctx context.Context, x dlq.Silence) error {
	defer s.changed()
	return s.Store.AddSilence(ctx, x)
}

// EndSilence implements ui.Silences.
func (s silencing) EndSilence(ctx context.Context, id, actor string) (dlq.Silence, error) {
	defer s.changed()
	return s.Store.EndSilence(ctx, id, actor)
}
