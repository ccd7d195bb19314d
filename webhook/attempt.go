package webhook

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// maxShown is how much of a request and of an answer the log keeps, in bytes.
const maxShown = 16 << 10

// result is what came of an attempt, or of the try to make one.
type result struct {
	at      time.Time
	byHand  bool
	outcome Outcome
	attempt *dlq.DeliveryAttempt // nil when no request was made
	unsent  error                // why none was made
}

// attempt makes one request.
func (o *Outbox) attempt(ctx context.Context, d dlq.Delivery, byHand bool) result {
	r := result{at: o.now(), byHand: byHand}
	p, err := o.format.Prepare(&d, r.at)
	if err != nil {
		r.unsent, r.outcome = err, Outcome{Ruling: RulingRefused, Error: dlq.SentenceOf(err, "the notification could not be put into its receiver's format")}
		return r
	}
	res, err := o.sender.Send(ctx, Raw{Receiver: d.Receiver, URL: p.URL, Headers: p.Headers, Body: p.Body, Timeout: p.Timeout})
	r.outcome = o.format.Judge(&d, res, err)
	if r.outcome.Ruling != RulingSent && r.outcome.Error == "" {
		r.outcome.Error = dlq.SentenceOf(err, "the receiver did not take it")
	}
	r.attempt = logged(&d, r, p, res)
	return r
}

// maxTries is how often a delivery may change while its attempt is being stored.
const maxTries = 5

// save stores how a delivery stands after an attempt. When the delivery was changed while the request was under way, what
// came of the request is true all the same, and it is noted on the delivery as it is then.
func (o *Outbox) save(ctx context.Context, d dlq.Delivery, r result) error {
	for tries := 1; ; tries++ {
		after := d
		r.settle(&after)
		attempt := r.attempt
		if attempt != nil {
			attempt.Number = after.Attempts
		}
		err := o.store.SaveDelivery(ctx, after, attempt)
		switch code := dlq.CodeOf(err); {
		case err == nil:
			o.noted(&after, r)
			return nil
		case code == dlq.CodeNotFound: // retention has deleted it
			return nil
		case code != dlq.CodeConflict || tries == maxTries:
			return err
		}
		now, err := o.store.Delivery(ctx, d.ID)
		if err != nil {
			return err
		}
		now.Actor, now.Log = d.Actor, nil
		d = now
	}
}

// settle makes a delivery what the result says.
func (r *result) settle(d *dlq.Delivery) {
	if r.attempt != nil {
		d.Attempts++
		d.Status = r.attempt.Status
	}
	d.Error = r.outcome.Error
	if r.outcome.Ruling == RulingSent {
		d.State, d.NextAt, d.Failures, d.Error = dlq.DeliverySent, nil, 0, ""
		return
	}
	if d.State != dlq.DeliveryPending {
		d.Failures = 1
		return
	}
	d.Failures++
	d.NextAt = nil
	switch {
	case dlq.CodeOf(r.unsent) == dlq.CodeNotFound:
		d.State = dlq.DeliveryCancelled
	case r.outcome.Ruling == RulingRefused, d.Kind == dlq.DeliveryTest:
		d.State = dlq.DeliveryFailed
	case r.at.Sub(d.CreatedAt) >= giveUpAfter:
		d.State = dlq.DeliveryFailed
	default:
		next := r.at.Add(max(backOff(d.Failures, rand.Float64()), r.outcome.Wait))
		d.NextAt = &next
	}
}

// backOff returns how long to wait after so many failures in a row. The chance, from 0 up to 1, moves it by a fifth at
// most: receivers that failed together shall not come back together.
func backOff(failures int, chance float64) time.Duration {
	delays := []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}
	delay := delays[min(max(failures, 1), len(delays))-1]
	return time.Duration(float64(delay) * (0.8 + 0.4*chance))
}

// noted counts and logs what became of an attempt.
func (o *Outbox) noted(d *dlq.Delivery, r result) {
	switch {
	case r.outcome.Ruling == RulingSent:
		o.metrics.add(d.Receiver, outcomeSent, 1)
		return
	case d.State == dlq.DeliveryCancelled:
		o.metrics.add(d.Receiver, outcomeCancelled, 1)
	case d.State == dlq.DeliveryPending:
		o.metrics.add(d.Receiver, outcomeRetried, 1)
	default:
		o.metrics.add(d.Receiver, outcomeFailed, 1)
	}
	o.log.Warn("a notification was not delivered", "delivery", d.ID, "receiver", d.Receiver, "state", d.State, "attempts", d.Attempts, "status", d.Status, "error", r.outcome.Error)
}

// logged makes the entry of the log. Its number is given when it is stored.
func logged(d *dlq.Delivery, r result, p Prepared, res Response) *dlq.DeliveryAttempt {
	shown := p.Shown
	if shown == nil {
		shown = p.Body
	}
	headers, hidden := shownHeaders(p.Headers)
	answer := string(res.Body)
	for _, secret := range append(hidden, inURL(p.URL)...) {
		answer = strings.ReplaceAll(answer, secret, "***")
	}
	return &dlq.DeliveryAttempt{
		DeliveryID: d.ID, ByHand: r.byHand, At: r.at, Duration: dlq.Duration(res.Duration.Round(time.Millisecond)),
		URL: redact(p.URL), Headers: headers, Request: dlq.Cut(string(shown), maxShown),
		Status: res.Status, Answer: dlq.Cut(answer, maxShown), Error: r.outcome.Error, Address: res.Address,
	}
}

// shownHeaders returns headers for the log, and those values that are not shown. A header that is not known to be
// harmless may be a password, and an old signature helps nobody.
func shownHeaders(sent map[string]string) (shown map[string]string, hidden []string) {
	harmless := []string{"Accept", "Content-Type", "Idempotency-Key", "Traceparent", "User-Agent", "Webhook-Id", "Webhook-Timestamp"}
	shown = map[string]string{"Content-Type": "application/json"}
	for name, value := range sent {
		name = http.CanonicalHeaderKey(name)
		if slices.Contains(harmless, name) {
			shown[name] = value
			continue
		}
		shown[name] = "***"
		hidden = append(hidden, value)
	}
	return shown, slices.DeleteFunc(hidden, func(s string) bool { return len(s) < minSecret })
}

// minSecret is how long a part of a URL or a header must be to count as a secret; shorter ones are words.
const minSecret = 8

// inURL returns the parts of a URL that may be secret, for a receiver may repeat them in its answer.
func inURL(text string) (secrets []string) {
	u, err := url.Parse(text)
	if err != nil {
		return nil
	}
	parts := strings.Split(u.EscapedPath(), "/")
	for _, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil { // the parser has checked it
			parts = append(parts, plain)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			parts = append(parts, v, url.QueryEscape(v))
		}
	}
	for _, p := range parts {
		if len(p) >= minSecret {
			secrets = append(secrets, p)
		}
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return secrets
}
