package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
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

const (
	giveUpAfter = 24 * time.Hour  // since a delivery was made
	lookEvery   = time.Minute     // at the latest: news comes by Wake
	restAfter   = 5 * time.Second // after the store did not do what it was asked
)

// Outbox brings deliveries to their receivers: at least once, in order, and each always under the same id.
//
// Every receiver has a line of its own, in which one request is under way at most, so that one that hangs delays nobody
// else. What a receiver does not take is tried again after 5 s, 15 s, 1 m, 2 m, 5 m and then every 10 m, give or take a
// fifth, or when it asked for; a day after a delivery was made it is given up. While alerts wait for a receiver, at a
// retry or because it takes only so many messages in a minute, they become one digest.
//
// An attempt is stored after it was made. So one whose process is killed in between is made again at the next start.
type Outbox struct {
	store   OutboxStore
	sender  Sender
	format  Format
	now     func() time.Time
	log     *slog.Logger
	metrics *outboxMetrics
	news    chan struct{}
	working sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*line // by receiver
}

// NewOutbox makes an Outbox. It sends nothing before Run or SendNow.
func NewOutbox(d OutboxDeps) *Outbox {
	o := &Outbox{
		store: d.Store, sender: d.Sender, format: d.Format, now: d.Now, log: d.Logger, metrics: newOutboxMetrics(d.Registerer),
		news: make(chan struct{}, 1), lines: map[string]*line{},
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.log == nil {
		o.log = slog.Default()
	}
	return o
}

// Wake tells the outbox that a delivery was stored. It never blocks.
func (o *Outbox) Wake() {
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// Run sends what is due until the context ends, waits for the requests under way to end, and returns the context's
// error. A request that the end of the context cuts off is made again at the next start.
func (o *Outbox) Run(ctx context.Context) error {
	defer o.working.Wait()
	for {
		wait, err := o.runOnce(ctx)
		if err != nil && ctx.Err() == nil {
			o.log.Error("the outbox cannot be read and is looked at again", "error", err)
			wait = restAfter
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-o.news:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// runOnce begins a turn for every receiver for which something can be done now, and returns how long nothing else can.
// The end of a turn is news.
func (o *Outbox) runOnce(ctx context.Context) (time.Duration, error) {
	before := o.turns()
	waiting, err := o.store.WaitingDeliveries(ctx)
	if err != nil {
		return 0, fmt.Errorf("list waiting deliveries: %w", err)
	}
	byReceiver := map[string][]dlq.Delivery{}
	for _, d := range waiting {
		byReceiver[d.Receiver] = append(byReceiver[d.Receiver], d)
	}
	wait := lookEvery
	for receiver, list := range byReceiver {
		l := o.line(receiver)
		if !l.tryBegin() {
			continue // its end is news
		}
		if l.turns != before[receiver] { // what was read is from before its last turn
			l.end()
			wait = 0
			continue
		}
		l.limit(o.format.PerMinute(receiver))
		now := o.now()
		step := l.next(list, now)
		if step.wait > 0 {
			wait = min(wait, step.wait)
			l.end()
			continue
		}
		o.working.Add(1)
		go func() {
			defer o.working.Done()
			if err := o.turn(ctx, step); err != nil && ctx.Err() == nil {
				o.log.Error("the outbox cannot store what it does and tries again", "receiver", receiver, "error", err)
				l.rest = o.now().Add(restAfter)
			}
			l.turns++
			l.end()
			o.Wake()
		}()
	}
	return wait, nil
}

// turn makes one step of a line.
func (o *Outbox) turn(ctx context.Context, s step) error {
	if len(s.merge) > 0 {
		return o.merge(ctx, s.merge)
	}
	r := o.attempt(ctx, s.send, false)
	if ctx.Err() != nil {
		return nil // cut off: nothing is known of it
	}
	// What was sent and cannot be stored must not be sent again and again. Meanwhile the line stands still.
	for {
		err := o.save(ctx, s.send, r)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		o.log.Error("an attempt cannot be stored and is stored later", "delivery", s.send.ID, "receiver", s.send.Receiver, "error", err)
		if !sleep(ctx, restAfter) {
			return nil
		}
	}
}

// SendNow makes one attempt at once, because a person asked for a test or for a delivery to be sent again, and returns the
// delivery with its log, whatever came of it. The delivery must be in the store; its Actor is taken from the argument. It
// waits for the request that is under way to the same receiver, and until that takes another message.
//
// What was taken is sent. What was not fails when it is a test, goes on being tried when it was pending, and else stays
// what it was: a delivery that was sent once is sent. The error is CodeNotFound or CodeRefused when no request could be
// made: the receiver is gone or has no URL.
func (o *Outbox) SendNow(ctx context.Context, d dlq.Delivery) (dlq.Delivery, error) {
	l := o.line(d.Receiver)
	if err := l.begin(ctx); err != nil {
		return d, fmt.Errorf("wait for the receiver %q: %w", d.Receiver, err)
	}
	defer func() {
		l.turns++
		l.end()
		o.Wake()
	}()
	l.limit(o.format.PerMinute(d.Receiver))
	for {
		now := o.now()
		wait := l.room(now)
		if wait == 0 {
			l.take(now)
			break
		}
		if !sleep(ctx, wait) {
			return d, fmt.Errorf("wait until the receiver %q takes another message: %w", d.Receiver, ctx.Err())
		}
	}
	// From here on the person may leave: what was sent is noted.
	ctx = context.WithoutCancel(ctx)
	have, err := o.store.Delivery(ctx, d.ID)
	if err != nil {
		return d, fmt.Errorf("read the delivery: %w", err)
	}
	have.Actor = d.Actor
	r := o.attempt(ctx, have, true)
	if err := o.save(ctx, have, r); err != nil {
		return have, fmt.Errorf("store the attempt: %w", err)
	}
	if r.unsent != nil {
		return have, r.unsent
	}
	if have, err = o.store.Delivery(ctx, d.ID); err != nil {
		return d, fmt.Errorf("read the delivery: %w", err)
	}
	return have, nil
}

// turns returns how many turns every line has had.
func (o *Outbox) turns() map[string]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	had := make(map[string]uint64, len(o.lines))
	for receiver, l := range o.lines {
		if l.tryBegin() {
			had[receiver] = l.turns
			l.end()
		}
	}
	return had
}

func (o *Outbox) line(receiver string) *line {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lines[receiver]
	if l == nil {
		l = newLine()
		o.lines[receiver] = l
	}
	return l
}

// sleep reports whether the time passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
