package webhook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// maxDigest is how many alerts a digest names; it says how many more there are.
const maxDigest = 100

// merge makes one delivery of several that wait.
func (o *Outbox) merge(ctx context.Context, list []dlq.Delivery) error {
	into := digest(list, o.now())
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	err := o.store.MergeDeliveries(ctx, into, ids)
	if dlq.CodeOf(err) == dlq.CodeConflict {
		return nil // one of them was dropped meanwhile: the next look sees what is left
	}
	if err != nil {
		return fmt.Errorf("merge deliveries: %w", err)
	}
	o.metrics.add(into.Receiver, outcomeMerged, len(list))
	return nil
}

// digest says what several deliveries of one receiver say, oldest first: every alert once, as it was last. One that fired
// and is over is in it, although the receiver never heard of it. The digest goes on where the retries of the others were.
func digest(list []dlq.Delivery, now time.Time) dlq.Delivery {
	last := list[len(list)-1]
	into := dlq.Delivery{
		ID: dlq.NewDeliveryID(), Kind: dlq.DeliveryAlert, Receiver: last.Receiver, Type: last.Type, State: dlq.DeliveryPending,
		CreatedAt: now, ChangedAt: now,
		Notification: dlq.Notification{Reason: dlq.NotifyRepeat, At: now},
	}
	newest := map[string]dlq.Alert{}
	n := &into.Notification
	for i := range list {
		d := &list[i]
		for _, a := range d.Notification.Alerts {
			newest[a.ID] = a
		}
		n.More = max(n.More, d.Notification.More)
		if d.Notification.Reason != dlq.NotifyRepeat {
			n.Reason = dlq.NotifyDigest
		}
		into.Failures = max(into.Failures, d.Failures)
		if d.NextAt != nil && d.Failures > 0 && (into.NextAt == nil || d.NextAt.After(*into.NextAt)) {
			into.NextAt = d.NextAt
		}
		into.Status, into.Error = cmp.Or(d.Status, into.Status), cmp.Or(d.Error, into.Error)
	}
	for _, a := range newest {
		n.Alerts = append(n.Alerts, a)
	}
	slices.SortFunc(n.Alerts, func(a, b dlq.Alert) int { return dlq.ByUrgency(&a, &b) })
	if over := len(n.Alerts) - maxDigest; over > 0 {
		n.Alerts, n.More = n.Alerts[:maxDigest], n.More+over
	}
	return into
}
