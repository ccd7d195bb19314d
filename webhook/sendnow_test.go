package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

// What a person sends is sent once and told at once, whatever state it is in.
func TestSendNow(t *testing.T) {
	const taken, not, never = 200, 503, 410
	for _, tt := range []struct {
		kind   dlq.DeliveryKind
		before dlq.DeliveryState
		status int
		after  dlq.DeliveryState
	}{
		{dlq.DeliveryTest, dlq.DeliveryPending, taken, dlq.DeliverySent},
		{dlq.DeliveryTest, dlq.DeliveryPending, not, dlq.DeliveryFailed},
		{dlq.DeliveryTest, dlq.DeliveryPending, never, dlq.DeliveryFailed},
		{dlq.DeliveryAlert, dlq.DeliveryFailed, taken, dlq.DeliverySent},
		{dlq.DeliveryAlert, dlq.DeliveryFailed, not, dlq.DeliveryFailed},
		{dlq.DeliveryAlert, dlq.DeliverySent, taken, dlq.DeliverySent},
		{dlq.DeliveryAlert, dlq.DeliverySent, not, dlq.DeliverySent},
		{dlq.DeliveryAlert, dlq.DeliveryDropped, taken, dlq.DeliverySent},
		{dlq.DeliveryAlert, dlq.DeliveryMerged, not, dlq.DeliveryMerged},
		{dlq.DeliveryAlert, dlq.DeliveryPending, taken, dlq.DeliverySent},
		{dlq.DeliveryAlert, dlq.DeliveryPending, not, dlq.DeliveryPending},
		{dlq.DeliveryAlert, dlq.DeliveryPending, never, dlq.DeliveryFailed},
	} {
		t.Run(fmt.Sprint(tt.kind, " ", tt.before, " ", tt.status), func(t *testing.T) {
			inBubble(t, func(t *testing.T, p *post) {
				p.to.say(func(context.Context, Raw) (Response, error) { return Response{Status: tt.status}, nil })
				d := news("ops", "x firing")
				later := time.Now().Add(time.Minute)
				d.Kind, d.State, d.Attempts, d.NextAt = tt.kind, tt.before, 3, &later
				p.put(d)
				d.Actor = "ann"
				got, err := p.SendNow(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				if got.State != tt.after || got.Attempts != 4 || got.Status != tt.status || got.Actor != "ann" || (got.Error == "") != (tt.status == taken) {
					t.Errorf("%+v", got)
				}
				if len(got.Log) != 1 || !got.Log[0].ByHand || got.Log[0].Number != 4 || got.Log[0].Status != tt.status {
					t.Errorf("log %+v", got.Log)
				}
				if (got.NextAt != nil) != (tt.after == dlq.DeliveryPending) && tt.before == dlq.DeliveryPending {
					t.Errorf("the next attempt is at %v", got.NextAt)
				}
				if m := p.to.of("ops"); len(m) != 1 || m[0].id != d.ID {
					t.Errorf("the receiver got %+v", m)
				}
				time.Sleep(10 * time.Second)
				want := 1
				if tt.after == dlq.DeliveryPending {
					want = 2
				}
				if m := p.to.of("ops"); len(m) != want {
					t.Errorf("the receiver got %d requests, want %d", len(m), want)
				}
			})
		})
	}
}

// A person's request waits for the one that is under way, and for room; it leaves when the person does.
func TestSendNowWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.format.perMinute["ops"] = 3
		p.to.say(func(ctx context.Context, _ Raw) (Response, error) {
			sleep(ctx, 30*time.Second)
			return Response{Status: 200}, nil
		})
		p.put(news("ops", "x firing"))
		test := news("ops")
		test.Kind, test.State = dlq.DeliveryTest, dlq.DeliveryFailed
		p.shelf.add(test)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.SendNow(ctx, test); err == nil {
			t.Error("no error although the person has left")
		}
		if got, err := p.SendNow(t.Context(), test); err != nil || got.State != dlq.DeliverySent {
			t.Errorf("%+v, %v", got, err)
		}
		if got := p.to.of("ops"); len(got) != 2 || got[1].at.Sub(got[0].at) < 30*time.Second {
			t.Errorf("%+v", got)
		}
	})
}

func TestSendNowWithoutARequest(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.format.prepare = func(*dlq.Delivery) error { return dlq.Errorf(dlq.CodeRefused, "the URL is not set") }
		d := news("ops")
		d.Kind = dlq.DeliveryTest
		later := time.Now().Add(time.Minute)
		d.NextAt = &later
		p.put(d)
		_, err := p.SendNow(t.Context(), d)
		if dlq.CodeOf(err) != dlq.CodeRefused {
			t.Error(err)
		}
		if got := p.shelf.where(d.ID); got.State != dlq.DeliveryFailed || got.Error != "the URL is not set" || got.Attempts != 0 {
			t.Errorf("%+v", got)
		}
		d.ID = "dlv_unknown"
		if _, err := p.SendNow(t.Context(), d); dlq.CodeOf(err) != dlq.CodeNotFound {
			t.Error(err)
		}
	})
}

// A test whose process died before it was sent goes out by itself, once.
func TestTestLeftBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(context.Context, Raw) (Response, error) { return Response{Status: 503}, nil })
		d := news("ops")
		d.Kind = dlq.DeliveryTest
		later := time.Now().Add(time.Minute)
		d.NextAt = &later
		p.put(d)
		time.Sleep(59 * time.Second)
		if n := len(p.to.of("ops")); n != 0 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(time.Hour)
		if got := p.shelf.where(d.ID); got.State != dlq.DeliveryFailed || len(p.to.of("ops")) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// Whatever receivers do, however often the outbox starts anew: none hears of something older after something newer of the
// same alert, and in the end every one knows how each alert stands.
func TestEveryReceiverKnowsInTheEnd(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			s, to, format := newShelf(), &receivers{}, &plain{perMinute: map[string]int{"robot": 6}}
			var chance [64]float64 // drawn beforehand: the answers come on other goroutines
			for i := range chance {
				chance[i] = rnd.Float64()
			}
			var mu sync.Mutex
			calls, healed := 0, false
			knows := map[string]map[string]float64{"ops": {}, "robot": {}}
			to.say(func(ctx context.Context, r Raw) (Response, error) {
				mu.Lock()
				defer mu.Unlock()
				c := chance[calls%len(chance)]
				calls++
				switch {
				case !healed && c < 0.3:
					return Response{Status: 503}, nil
				case !healed && c < 0.4:
					return Response{}, dlq.Errorf(dlq.CodeUnavailable, "cut off")
				}
				d, err := s.Delivery(ctx, string(r.Body))
				if err != nil {
					return Response{}, err
				}
				for _, a := range d.Notification.Alerts {
					if have := knows[r.Receiver][a.ID]; a.Value < have {
						t.Errorf("seed %d: %s hears of %s as it was at %v after %v", seed, r.Receiver, a.ID, a.Value, have)
					}
					knows[r.Receiver][a.ID] = a.Value
				}
				return Response{Status: 200}, nil
			})
			var cancel context.CancelFunc
			var o *Outbox
			done := make(chan error, 1)
			start := func() {
				var ctx context.Context
				ctx, cancel = context.WithCancel(t.Context())
				o = NewOutbox(OutboxDeps{Store: s, Sender: to, Format: format, Logger: quiet()})
				go func() { done <- o.Run(ctx) }()
			}
			start()
			last := map[string]float64{}
			for step := range 200 {
				for receiver := range knows {
					d := news(receiver)
					for range 1 + rnd.IntN(3) {
						id := fmt.Sprint("a", rnd.IntN(8))
						d.Notification.Alerts = append(d.Notification.Alerts, dlq.Alert{ID: id, Rule: receiver, State: dlq.AlertFiring, Value: float64(step)})
						last[receiver+id] = float64(step)
					}
					s.add(d)
				}
				o.Wake()
				time.Sleep(time.Duration(rnd.IntN(20000)) * time.Millisecond)
				if rnd.IntN(20) == 0 {
					cancel()
					<-done
					start()
				}
			}
			mu.Lock()
			healed = true
			mu.Unlock()
			time.Sleep(15 * time.Minute)
			cancel()
			<-done
			for key, want := range last {
				receiver, id := key[:len(key)-2], key[len(key)-2:]
				if got := knows[receiver][id]; got != want {
					t.Errorf("seed %d: %s knows %s as it was at %v, want %v", seed, receiver, id, got, want)
				}
			}
		})
	}
}
