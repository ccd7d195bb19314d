package ui

import (
	"context"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// Deliveries is where notifications on their way to receivers are kept.
type Deliveries interface {
	AddDelivery(ctx context.Context, d dlq.Delivery) error
	Deliveries(ctx context.Context, f dlq.DeliveryFilter, cursor string, limit int) (dlq.DeliveryPage, error)
	Delivery(ctx context.Context, id string) (dlq.Delivery, error)
}

// Outbox sends a delivery now, once, and returns it with its log, whatever the receiver answered.
type Outbox interface {
	SendNow(ctx context.Context, d dlq.Delivery) (dlq.Delivery, error)
}

func (s *Server) listReceivers(context.Context, *none) (items[dlq.Receiver], error) {
	return items[dlq.Receiver]{s.Engine.Receivers()}, nil
}

type receiverName struct {
	Name string `path:"name"`
}

// testReceiver tells a receiver that it works.
func (s *Server) testReceiver(ctx context.Context, req *receiverName) (dlq.Delivery, error) {
	all := s.Engine.Receivers()
	i := slices.IndexFunc(all, func(r dlq.Receiver) bool { return r.Name == req.Name })
	if i < 0 {
		return dlq.Delivery{}, dlq.Errorf(dlq.CodeNotFound, "rules.yaml has no receiver %q", cut(req.Name, 80))
	}
	now := s.Now().UTC()
	d := dlq.Delivery{ID: dlq.NewDeliveryID(), Kind: dlq.DeliveryTest, Receiver: all[i].Name, Type: all[i].Type, State: dlq.DeliveryPending,
		Notification: dlq.Notification{Reason: dlq.NotifyTest, At: now}, Actor: actor(ctx), CreatedAt: now, ChangedAt: now}
	if err := s.Alerts.AddDelivery(ctx, d); err != nil {
		return dlq.Delivery{}, err
	}
	return s.sendNow(ctx, d.ID)
}

// sendNow sends a delivery as the store has it.
func (s *Server) sendNow(ctx context.Context, id string) (dlq.Delivery, error) {
	d, err := s.Alerts.Delivery(ctx, id)
	if err != nil {
		return dlq.Delivery{}, err
	}
	d.Actor = actor(ctx)
	if d, err = s.Outbox.SendNow(ctx, d); err == nil {
		s.Logger.Info("delivery sent by hand", "delivery", d.ID, "receiver", d.Receiver, "state", d.State, "actor", d.Actor)
	}
	return d, err
}

var deliveryStates = []dlq.DeliveryState{dlq.DeliveryPending, dlq.DeliverySent, dlq.DeliveryFailed, dlq.DeliveryMerged, dlq.DeliveryDropped, dlq.DeliveryCancelled}

type deliveriesQuery struct {
	Receiver string              `query:"receiver"`
	States   []dlq.DeliveryState `query:"state"`
	Alert    string              `query:"alert"`
	Cursor   string              `query:"cursor"`
	Limit    int                 `query:"limit"`
}

func (q *deliveriesQuery) check(time.Time) error {
	if err := oneOf("state", deliveryStates, q.States); err != nil {
		return err
	}
	if err := notLong("receiver", q.Receiver, 200); err != nil {
		return err
	}
	if err := notLong("alert", q.Alert, 64); err != nil {
		return err
	}
	return within("limit", &q.Limit, 50, 200)
}

func (s *Server) listDeliveries(ctx context.Context, q *deliveriesQuery) (dlq.DeliveryPage, error) {
	return s.Alerts.Deliveries(ctx, dlq.DeliveryFilter{Receiver: q.Receiver, States: q.States, AlertID: q.Alert}, q.Cursor, q.Limit)
}

type deliveryID struct {
	ID string `path:"id"`
}

func (s *Server) getDelivery(ctx context.Context, req *deliveryID) (dlq.Delivery, error) {
	return s.Alerts.Delivery(ctx, req.ID)
}

// resendDelivery tells a receiver once more what it was told, or was to be told, under the same id.
func (s *Server) resendDelivery(ctx context.Context, req *deliveryID) (dlq.Delivery, error) {
	d, err := s.Alerts.Delivery(ctx, req.ID)
	switch {
	case err != nil:
		return dlq.Delivery{}, err
	case d.State == dlq.DeliveryMerged:
		return dlq.Delivery{}, dlq.Errorf(dlq.CodeRefused, "what this delivery says is in a later one").WithHint("send %s again", d.MergedInto)
	case !slices.ContainsFunc(s.Engine.Receivers(), func(r dlq.Receiver) bool { return r.Name == d.Receiver }):
		return dlq.Delivery{}, dlq.Errorf(dlq.CodeRefused, "rules.yaml has no receiver %q any more", d.Receiver)
	}
	return s.sendNow(ctx, d.ID)
}
