package rocketmq

import (
	"context"

	"golang.org/x/sync/errgroup"

	"deadletteroffice/dlq"
)

// LookMany is Look for many replays; the i-th evidence or error is that of the i-th replay.
func (b *Broker) LookMany(ctx context.Context, list []dlq.Replay) ([]dlq.Evidence, []error) {
	evs, errs := make([]dlq.Evidence, len(list)), make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(askAtOnce / 2)
	for i, r := range list {
		g.Go(func() error {
			evs[i], errs[i] = b.Look(ctx, r)
			return nil
		})
	}
	g.Wait()
	return evs, errs
}
