package webhook

import (
	"context"
	"log/slog"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// OutboxStore keeps deliveries and the log of their attempts.
type OutboxStore interface {
	WaitingDeliveries(ctx context.Context) ([]dlq.Delivery, error)
	Delivery(ctx context.Context, id string) (dlq.Delivery, error)
	SaveDelivery(ctx context.Context, d dlq.Delivery, attempt *dlq.DeliveryAttempt) error
	MergeDeliveries(ctx context.Context, into dlq.Delivery, merged []string) error
}

// Sender makes one call.
type Sender interface {
	Send(ctx context.Context, r Raw) (Response, error)
}

// OutboxDeps is what an Outbox needs. Now, Logger and Registerer may be nil.
type OutboxDeps struct {
	Store      OutboxStore
	Sender     Sender
	Format     Format
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}
