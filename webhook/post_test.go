package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

// shelf is a store of deliveries in memory, with the same refusals.
type shelf struct {
	mu     sync.Mutex
	order  []string
	held   map[string]*dlq.Delivery
	refuse error // of every write
}

func newShelf() *shelf { return &shelf{held: map[string]*dlq.Delivery{}} }

func (s *shelf) add(list ...dlq.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range list {
		s.order = append(s.order, d.ID)
		s.held[d.ID] = &d
	}
}

func (s *shelf) change(id string, f func(*dlq.Delivery)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.held[id])
	s.held[id].ChangedAt = s.held[id].ChangedAt.Add(time.Millisecond)
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

func (s *shelf) WaitingDeliveries(context.Context) (list []dlq.Delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.order {
		if d := *s.held[id]; d.State == dlq.DeliveryPending {
			d.Log = nil
			list = append(list, d)
		}
	}
	return list, nil
}

func (s *shelf) Delivery(_ context.Context, id string) (dlq.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.held[id]; ok {
		return *d, nil
	}
	return dlq.Delivery{}, dlq.Errorf(dlq.CodeNotFound, "there is no delivery %q", id)
}

func (s *shelf) SaveDelivery(_ context.Context, d dlq.Delivery, a *dlq.DeliveryAttempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.held[d.ID]
	switch {
	case s.refuse != nil:
		return s.refuse
	case !have.ChangedAt.Equal(d.ChangedAt):
		return dlq.Errorf(dlq.CodeConflict, "changed")
	}
	d.Log, d.ChangedAt = have.Log, d.ChangedAt.Add(time.Millisecond)
	if a != nil {
		d.Log = append([]dlq.DeliveryAttempt{*a}, d.Log...)
	}
	s.held[d.ID] = &d
	return nil
}

func (s *shelf) MergeDeliveries(_ context.Context, into dlq.Delivery, merged []string) error {
	s.mu.Lock()
	if s.refuse != nil {
		s.mu.Unlock()
		return s.refuse
	}
	for _, id := range merged {
		if s.held[id].State != dlq.DeliveryPending {
			s.mu.Unlock()
			return dlq.Errorf(dlq.CodeConflict, "no longer pending")
		}
	}
	for _, id := range merged {
		s.held[id].State, s.held[id].MergedInto = dlq.DeliveryMerged, into.ID
	}
	s.mu.Unlock()
	s.add(into)
	return nil
}

// where follows a delivery to the one that it was merged into at last.
func (s *shelf) where(id string) dlq.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.held[id].State == dlq.DeliveryMerged {
		id = s.held[id].MergedInto
	}
	return *s.held[id]
}

// plain is a format that puts the delivery's id and its alerts into the body, and takes every answer below 300.
type plain struct {
	perMinute map[string]int
	prepare   func(*dlq.Delivery) error
}

func (f *plain) Prepare(d *dlq.Delivery, _ time.Time) (Prepared, error) {
	if f.prepare != nil {
		if err := f.prepare(d); err != nil {
			return Prepared{}, err
		}
	}
	return Prepared{URL: "https://" + d.Receiver + ".example/hook/t0ps3cret", Headers: map[string]string{"webhook-id": d.ID}, Body: []byte(d.ID)}, nil
}

func (f *plain) Judge(_ *dlq.Delivery, res Response, err error) Outcome {
	switch {
	case err != nil:
		return Outcome{Ruling: RulingRetry, Error: "no answer"}
	case res.Status < 300:
		return Outcome{Ruling: RulingSent}
	case res.Status == 410:
		return Outcome{Ruling: RulingRefused, Error: "gone"}
	default:
		return Outcome{Ruling: RulingRetry, Wait: res.RetryAfter, Error: fmt.Sprint("status ", res.Status)}
	}
}

func (f *plain) PerMinute(receiver string) int { return f.perMinute[receiver] }

// told is one request that a receiver got.
type told struct {
	at       time.Time
	receiver string
	id       string
	status   int
}

// receivers are stubs behind a sender. They note what they got and answer what answer says.
type receivers struct {
	mu     sync.Mutex
	got    []told
	under  map[string]int
	answer func(ctx context.Context, r Raw) (Response, error)
}

// say sets what is answered from now on; nil for 200.
func (s *receivers) say(answer func(context.Context, Raw) (Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *receivers) Send(ctx context.Context, r Raw) (Response, error) {
	s.mu.Lock()
	if s.under == nil {
		s.under = map[string]int{}
	}
	if s.under[r.Receiver]++; s.under[r.Receiver] > 1 {
		panic("two requests to one receiver at once")
	}
	at, answer := time.Now(), s.answer
	s.mu.Unlock()
	res, err := Response{Status: 200}, error(nil)
	if answer != nil {
		res, err = answer(ctx, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under[r.Receiver]--
	s.got = append(s.got, told{at, r.Receiver, string(r.Body), res.Status})
	return res, err
}

func (s *receivers) of(receiver string) []told {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.got), func(m told) bool { return m.receiver != receiver })
}

// news makes a pending delivery of alerts, each written as "name state".
func news(receiver string, alerts ...string) dlq.Delivery {
	now := time.Now()
	d := dlq.Delivery{ID: dlq.NewDeliveryID(), Kind: dlq.DeliveryAlert, Receiver: receiver, Type: "webhook", State: dlq.DeliveryPending, CreatedAt: now, ChangedAt: now}
	d.Notification = dlq.Notification{Reason: dlq.NotifyNew, At: now}
	for _, a := range alerts {
		id, state, _ := strings.Cut(a, " ")
		d.Notification.Alerts = append(d.Notification.Alerts, dlq.Alert{ID: id, Rule: "r", State: dlq.AlertState(state), Severity: dlq.AlertWarning, Value: 1})
	}
	return d
}

// says writes the alerts of a notification as news reads them.
func says(d dlq.Delivery) string {
	var list []string
	for _, a := range d.Notification.Alerts {
		list = append(list, a.ID+" "+string(a.State))
	}
	return strings.Join(list, ", ")
}

// post is an outbox that runs.
type post struct {
	*Outbox
	shelf  *shelf
	to     *receivers
	format *plain
}

// inBubble runs a test in a bubble with an outbox that runs, and ends it.
func inBubble(t *testing.T, f func(t *testing.T, p *post)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &post{shelf: newShelf(), to: &receivers{}, format: &plain{perMinute: map[string]int{}}}
		p.Outbox = NewOutbox(OutboxDeps{Store: p.shelf, Sender: p.to, Format: p.format, Logger: quiet()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		f(t, p)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func (p *post) put(list ...dlq.Delivery) {
	p.shelf.add(list...)
	p.Wake()
	synctest.Wait()
}
