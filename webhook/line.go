package webhook

import (
	"context"
	"time"

	"deadletteroffice/dlq"

	"golang.org/x/time/rate"
)

// line is what the outbox knows of one receiver. Only who has begun it may touch what it holds.
type line struct {
	begun chan struct{} // holds a token while somebody is at it

	turns     uint64    // attempts and merges since the start
	rest      time.Time // until when nothing is tried, because the store failed
	perMinute int
	bucket    *rate.Limiter // nil: no limit
}

func newLine() *line { return &line{begun: make(chan struct{}, 1)} }

func (l *line) tryBegin() bool {
	select {
	case l.begun <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *line) begin(ctx context.Context) error {
	select {
	case l.begun <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *line) end() { <-l.begun }

// limit sets how many messages the receiver takes in a minute. A third of them may go at once, and the bucket fills so
// slowly that no minute ever has more: robots of DingTalk are shut out for ten minutes when they exceed theirs.
func (l *line) limit(perMinute int) {
	switch {
	case perMinute == l.perMinute:
	case perMinute <= 0:
		l.perMinute, l.bucket = 0, nil
	default:
		burst := max(1, perMinute/3)
		l.perMinute, l.bucket = perMinute, rate.NewLimiter(rate.Limit(float64(perMinute-burst+1)/60), burst)
	}
}

// room returns how long to wait until the receiver takes another message.
func (l *line) room(now time.Time) time.Duration {
	if l.bucket == nil {
		return 0
	}
	missing := 1 - l.bucket.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	wait := time.Duration(missing / float64(l.bucket.Limit()) * float64(time.Second))
	return wait.Truncate(time.Millisecond) + time.Millisecond
}

// take notes that a message goes out.
func (l *line) take(now time.Time) {
	if l.bucket != nil {
		l.bucket.AllowN(now, 1)
	}
}

// step is what can be done for a receiver: one of the three.
type step struct {
	wait  time.Duration
	send  dlq.Delivery
	merge []dlq.Delivery
}

// next chooses the next step for the pending deliveries of the receiver, which are ordered oldest first. Sending takes
// from the bucket.
func (l *line) next(list []dlq.Delivery, now time.Time) step {
	if rest := l.rest.Sub(now); rest > 0 {
		return step{wait: rest}
	}
	room := l.room(now)
	wait := lookEvery
	var alerts []dlq.Delivery
	for _, d := range list {
		if d.Kind == dlq.DeliveryAlert {
			alerts = append(alerts, d)
			continue
		}
		// A test of a process that died before it had sent it.
		until := max(dueIn(&d, now), room)
		if until <= 0 {
			l.take(now)
			return step{send: d}
		}
		wait = min(wait, until)
	}
	if len(alerts) == 0 {
		return step{wait: wait}
	}
	// The first one is sent before the others, so that no receiver hears of an end before it hears of the beginning.
	first := &alerts[0]
	until := max(dueIn(first, now), room)
	switch {
	case len(alerts) > 1 && (until > 0 || first.Failures > 0):
		return step{merge: alerts}
	case until > 0:
		return step{wait: min(wait, until)}
	default:
		l.take(now)
		return step{send: *first}
	}
}

// dueIn returns how long it is until a delivery is due; 0 or less when it is.
func dueIn(d *dlq.Delivery, now time.Time) time.Duration {
	if d.NextAt == nil {
		return 0
	}
	return d.NextAt.Sub(now)
}
