package operation

import (
	"context"
	"time"

	"deadletteroffice/dlq"
)

const (
	orderPage    = 500
	orderRebuild = 30 * time.Second // before a key that waits is looked at anew, at the least
)

// order keeps the letters of one sharding key in the order in which they were produced: the next is sent when the outcome
// of the one before is known, and none after one that was not delivered. It is kept in memory, and found again from the
// items of the operation.
type order struct {
	busy    map[orderKey]int64 // the letter of a key that is under way, or whose outcome is open
	held    map[int64]held     // those letters
	broken  map[orderKey]int64 // position of the first letter of a key that was not delivered
	since   time.Time          // outcomes before are known
	polled  time.Time
	rebuilt time.Time
	pause   time.Duration
}

type orderKey struct{ group, key string }

type held struct {
	key      orderKey
	position int64
}

// keepOrder makes sure that the order is known, and takes in the outcomes that came in since.
func (r *run) keepOrder(ctx context.Context, now time.Time) error {
	if r.op.Kind != dlq.OperationReplay || !r.op.Spec.Replay.KeepOrder {
		r.order = nil
		return nil
	}
	if r.order == nil {
		o := &order{pause: orderRebuild}
		if err := r.findOrder(ctx, o, now); err != nil {
			return err
		}
		r.order = o
		return nil
	}
	o := r.order
	if len(o.busy) == 0 || now.Sub(o.polled) < lookEvery {
		return nil
	}
	if now.Sub(o.rebuilt) > o.pause && r.feed.inFlight == 0 {
		o.pause = min(2*o.pause, 10*time.Minute)
		return r.findOrder(ctx, o, now)
	}
	// Outcomes are written a moment after the time that they bear.
	list, err := r.m.Store.RecentOutcomes(ctx, r.number, o.since.Add(-2*time.Second), maxOf)
	if err != nil {
		return err
	}
	o.polled = now
	for _, s := range list {
		h, ok := o.held[s.LetterID]
		if !ok {
			continue
		}
		o.free(s.LetterID)
		if s.Outcome == dlq.OutcomeFailedAgain || s.Outcome == dlq.OutcomeSendFailed {
			o.breaks(h.key, h.position)
		}
	}
	if len(list) == maxOf {
		return r.findOrder(ctx, o, now) // there were more
	}
	if len(list) > 0 {
		o.since = list[0].At
	}
	return nil
}

// findOrder finds out from the operation's items which keys are under way, and which are broken.
func (r *run) findOrder(ctx context.Context, o *order, now time.Time) error {
	o.busy, o.held, o.broken = map[orderKey]int64{}, map[int64]held{}, map[orderKey]int64{}
	o.since, o.polled, o.rebuilt = now, now, now
	states := []dlq.ItemState{dlq.ItemSending, dlq.ItemWaiting, dlq.ItemFailedAgain, dlq.ItemSendFailed, dlq.ItemSkipped}
	for cursor := ""; ; {
		page, err := r.m.Store.Items(ctx, r.number, states, cursor, orderPage)
		if err != nil {
			return err
		}
		var ids []int64
		for _, i := range page.Items {
			if i.Letter != nil {
				ids = append(ids, i.LetterID)
			}
		}
		messages, err := r.m.Store.Messages(ctx, ids)
		if err != nil {
			return err
		}
		for _, i := range page.Items {
			m, ok := messages[i.LetterID]
			key := m.ShardingKey()
			if !ok || key == "" {
				continue
			}
			k := orderKey{m.ConsumerGroup, key}
			switch {
			case i.State == dlq.ItemSending || i.State == dlq.ItemWaiting:
				o.busy[k], o.held[i.LetterID] = i.LetterID, held{k, i.Position}
			case !delivered(i.Detail):
				o.breaks(k, i.Position)
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// delivered reports whether a letter that was skipped needs no delivery, so that those after it may go.
func delivered(why string) bool {
	return why == dlq.SkipState(dlq.StateResolved) || why == dlq.SkipState(dlq.StateDiscarded) || why == dlq.SkipGone
}

// may reports whether a letter may be sent now, and takes its key if so. hopeless says that it never may.
func (o *order) may(group string, t *dlq.OperationTask) (may, hopeless bool) {
	key := t.Message.ShardingKey()
	if key == "" {
		return true, false
	}
	k := orderKey{group, key}
	if at, broken := o.broken[k]; broken && at < t.Position {
		return false, true
	}
	if have, busy := o.busy[k]; busy && have != t.LetterID {
		return false, false
	}
	o.busy[k], o.held[t.LetterID] = t.LetterID, held{k, t.Position}
	return true, false
}

// failed notes that a letter was not delivered, and why.
func (o *order) failed(group string, t *dlq.OperationTask, why string) {
	if o == nil {
		return
	}
	o.free(t.LetterID)
	if key := t.Message.ShardingKey(); key != "" && !delivered(why) {
		o.breaks(orderKey{group, key}, t.Position)
	}
}

// breaks notes that a letter was not delivered: those of its key that come after it are not sent.
func (o *order) breaks(k orderKey, position int64) {
	if at, known := o.broken[k]; !known || position < at {
		o.broken[k] = position
	}
}

// free lets the next letter of a key be sent.
func (o *order) free(letter int64) {
	if o == nil {
		return
	}
	if h, ok := o.held[letter]; ok {
		delete(o.held, letter)
		if o.busy[h.key] == letter {
			delete(o.busy, h.key)
		}
	}
}
