package webhook

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestNewsGoesOutAtOnceAndInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		a, b, other := news("ops", "x firing"), news("ops", "x resolved"), news("dev", "x firing")
		p.put(a, b, other)
		if got := p.to.of("ops"); len(got) != 2 || got[0].id != a.ID || got[1].id != b.ID || !got[1].at.Equal(a.CreatedAt) {
			t.Errorf("ops got %+v", got)
		}
		if got := p.to.of("dev"); len(got) != 1 || got[0].id != other.ID {
			t.Errorf("dev got %+v", got)
		}
		d := p.shelf.where(a.ID)
		if d.State != dlq.DeliverySent || d.Attempts != 1 || d.NextAt != nil || d.Status != 200 || len(d.Log) != 1 || d.Log[0].Number != 1 {
			t.Errorf("%+v", d)
		}
	})
}

// A receiver that is down for an hour is asked ever more seldom, and then gets one digest with everything as it is by then.
func TestDownForAnHour(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		start := time.Now()
		p.to.say(func(_ context.Context, r Raw) (Response, error) {
			if r.Receiver == "down" && time.Since(start) < time.Hour {
				return Response{}, dlq.Errorf(dlq.CodeUnavailable, "nothing listens")
			}
			return Response{Status: 200}, nil
		})
		var all []dlq.Delivery
		for i := range 12 { // one begins every five minutes, and every second one ends ten seconds later
			d := news("down", fmt.Sprintf("a%02d firing", i))
			all = append(all, d)
			up := news("up", fmt.Sprintf("a%02d firing", i))
			p.put(d, up)
			if got := p.to.of("up"); len(got) != i+1 || !got[i].at.Equal(up.CreatedAt) {
				t.Fatalf("the receiver that is up got %d, want %d at once", len(got), i+1)
			}
			time.Sleep(10 * time.Second)
			if i%2 == 0 {
				d := news("down", fmt.Sprintf("a%02d resolved", i))
				all = append(all, d)
				p.put(d)
			}
			time.Sleep(290 * time.Second)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		got := p.to.of("down")
		delays := []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}
		for i := 1; i < len(got); i++ {
			gap, want := got[i].at.Sub(got[i-1].at), delays[min(i-1, len(delays)-1)]
			if gap < want*8/10 || gap > want*12/10 {
				t.Errorf("attempt %d came %s after the one before, want about %s", i+1, gap, want)
			}
		}
		if len(got) < 10 || len(got) > 13 || got[len(got)-1].status != 200 {
			t.Fatalf("%d attempts, the last %+v", len(got), got[len(got)-1])
		}
		d := p.shelf.where(all[0].ID)
		if d.State != dlq.DeliverySent || d.Notification.Reason != dlq.NotifyDigest || d.ID != got[len(got)-1].id {
			t.Errorf("%+v", d)
		}
		want := "a01 firing, a03 firing, a05 firing, a07 firing, a09 firing, a11 firing, a00 resolved, a02 resolved, a04 resolved, a06 resolved, a08 resolved, a10 resolved"
		if says(d) != want {
			t.Errorf("the digest says %q, want %q", says(d), want)
		}
		for _, x := range all {
			if at := p.shelf.where(x.ID); at.ID != d.ID {
				t.Errorf("%s ended in %s, want %s", says(x), at.ID, d.ID)
			}
		}
	})
}

func TestGivenUpAfterADay(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(context.Context, Raw) (Response, error) { return Response{Status: 503}, nil })
		d := news("ops", "x firing")
		p.put(d)
		time.Sleep(24*time.Hour - time.Minute)
		if got := p.shelf.where(d.ID); got.State != dlq.DeliveryPending {
			t.Errorf("before a day is over: %s", got.State)
		}
		time.Sleep(15 * time.Minute)
		got := p.shelf.where(d.ID)
		if n := len(p.to.of("ops")); got.State != dlq.DeliveryFailed || got.NextAt != nil || got.Error != "status 503" || got.Attempts != n || n < 120 || n > 180 {
			t.Errorf("%s after %d requests: %+v", got.State, n, got)
		}
	})
}

func TestRetryAfterDecides(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(context.Context, Raw) (Response, error) {
			return Response{Status: 429, RetryAfter: 40 * time.Minute}, nil
		})
		d := news("ops", "x firing")
		p.put(d)
		if next := p.shelf.where(d.ID).NextAt; next == nil || next.Sub(d.CreatedAt) != 40*time.Minute {
			t.Fatalf("the next attempt is at %v", next)
		}
		p.to.say(nil)
		time.Sleep(40*time.Minute + time.Second)
		got := p.to.of("ops")
		if len(got) != 2 || got[0].id != got[1].id || p.shelf.where(d.ID).State != dlq.DeliverySent {
			t.Errorf("%+v", got)
		}
	})
}

func TestRefusedIsNotRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(context.Context, Raw) (Response, error) { return Response{Status: 410}, nil })
		d := news("ops", "x firing")
		p.put(d)
		time.Sleep(time.Hour)
		if got := p.shelf.where(d.ID); got.State != dlq.DeliveryFailed || got.Error != "gone" || len(p.to.of("ops")) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// However much there is to say, no minute has more messages than the receiver takes, and everything is said.
func TestNoMinuteHasTooMany(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		const limit = 15
		p.format.perMinute["robot"] = limit
		for i := range 500 {
			p.put(news("robot", fmt.Sprintf("a%03d firing", i)))
			time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
		}
		time.Sleep(5 * time.Minute)
		got := p.to.of("robot")
		said := map[string]bool{}
		for i, m := range got {
			if i >= limit && m.at.Sub(got[i-limit].at) < time.Minute {
				t.Errorf("messages %d to %d came within %s", i-limit+1, i+1, m.at.Sub(got[i-limit].at))
			}
			d, err := p.shelf.Delivery(t.Context(), m.id)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range d.Notification.Alerts {
				said[a.ID] = true
			}
			if len(d.Notification.Alerts) > maxDigest {
				t.Errorf("%d alerts in one message", len(d.Notification.Alerts))
			}
		}
		if len(said) != 500 || len(got) < 10 || len(got) > 60 {
			t.Errorf("%d alerts were told in %d messages", len(said), len(got))
		}
	})
}

func TestBucket(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 15, 20, 100} {
		l, now := newLine(), time.Now()
		l.limit(n)
		var sent []time.Time
		for range 10 * n {
			now = now.Add(l.room(now))
			if l.room(now) > 0 {
				t.Fatalf("%d a minute: no room after the wait", n)
			}
			l.take(now)
			sent = append(sent, now)
			if k := len(sent) - 1; k >= n && sent[k].Sub(sent[k-n]) < time.Minute {
				t.Fatalf("%d a minute: %d within %s", n, n+1, sent[k].Sub(sent[k-n]))
			}
		}
		if took := sent[len(sent)-1].Sub(sent[0]); took > 15*time.Minute {
			t.Errorf("%d a minute: %d took %s", n, len(sent), took)
		}
		l.limit(0)
		if l.room(now) != 0 {
			t.Error("a limit that was taken away still holds")
		}
	}
}

// One that hangs keeps its own line waiting and nobody else's.
func TestOneThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(ctx context.Context, r Raw) (Response, error) {
			if r.Receiver == "hangs" {
				sleep(ctx, time.Minute)
				return Response{}, dlq.Errorf(dlq.CodeUnavailable, "no answer in time")
			}
			return Response{Status: 200}, nil
		})
		for i := range 30 {
			d := news("ok", fmt.Sprintf("a%d firing", i))
			p.put(news("hangs", fmt.Sprintf("a%d firing", i)), d)
			if got := p.shelf.where(d.ID); got.State != dlq.DeliverySent {
				t.Fatalf("after %d: %+v", i, got)
			}
			time.Sleep(7 * time.Second)
		}
		if n := len(p.to.of("hangs")); n > 5 {
			t.Errorf("%d requests to the one that hangs", n)
		}
	})
}

// While what was sent cannot be stored it is not sent again, and nothing else either.
func TestFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(context.Context, Raw) (Response, error) {
			p.shelf.fail(dlq.Errorf(dlq.CodeUnavailable, "the disk is full"))
			return Response{Status: 200}, nil
		})
		a, b, other := news("ops", "x firing"), news("ops", "y firing"), news("dev", "x firing")
		p.put(a, b)
		p.put(other)
		time.Sleep(time.Hour)
		if n, m := len(p.to.of("ops")), len(p.to.of("dev")); n != 1 || m != 1 {
			t.Errorf("%d and %d requests while nothing can be stored", n, m)
		}
		p.to.say(nil)
		p.shelf.fail(nil)
		time.Sleep(restAfter)
		synctest.Wait()
		for _, d := range []dlq.Delivery{a, b, other} {
			if got := p.shelf.where(d.ID); got.State != dlq.DeliverySent || got.Attempts != 1 {
				t.Errorf("%s: %+v", says(d), got)
			}
		}
		if n := len(p.to.of("ops")); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// Merging that fails is tried again, not without end at once.
func TestMergeFails(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.to.say(func(context.Context, Raw) (Response, error) { return Response{Status: 503}, nil })
		a := news("ops", "x firing")
		p.put(a)
		p.shelf.fail(errors.New("boom"))
		b := news("ops", "y firing")
		p.put(b)
		time.Sleep(time.Second)
		p.shelf.fail(nil)
		p.to.say(nil)
		time.Sleep(20 * time.Second)
		if x, y := p.shelf.where(a.ID), p.shelf.where(b.ID); x.ID != y.ID || x.State != dlq.DeliverySent {
			t.Errorf("%+v, %+v", x, y)
		}
	})
}

// A request that the end of the process cuts off is no attempt; the next start makes it again under the same id.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, to := newShelf(), &receivers{}
		to.say(func(ctx context.Context, _ Raw) (Response, error) {
			<-ctx.Done()
			return Response{}, dlq.Errorf(dlq.CodeUnavailable, "broken off: %w", ctx.Err())
		})
		d := news("ops", "x firing")
		s.add(d)
		for round := range 2 {
			o := NewOutbox(OutboxDeps{Store: s, Sender: to, Format: &plain{}, Logger: quiet()})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := o.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
			got := s.where(d.ID)
			if round == 0 && (got.State != dlq.DeliveryPending || got.Attempts != 0 || len(got.Log) != 0) {
				t.Errorf("after the cut: %+v", got)
			}
			if round == 1 && got.State != dlq.DeliverySent {
				t.Errorf("at last: %+v", got)
			}
			to.say(nil)
		}
		if got := to.of("ops"); len(got) != 2 || got[0].id != d.ID || got[1].id != d.ID {
			t.Errorf("%+v", got)
		}
	})
}

// What the outbox cannot even make a request of ends.
func TestNoRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		p.format.prepare = func(d *dlq.Delivery) error {
			switch d.Receiver {
			case "gone":
				return dlq.Errorf(dlq.CodeNotFound, "rules.yaml has no receiver %q", d.Receiver)
			case "off":
				return dlq.Errorf(dlq.CodeRefused, "the URL of %q is not set", d.Receiver)
			default:
				return errors.New("a secret detail")
			}
		}
		for receiver, want := range map[string]struct {
			state dlq.DeliveryState
			error string
		}{
			"gone":   {dlq.DeliveryCancelled, `rules.yaml has no receiver "gone"`},
			"off":    {dlq.DeliveryFailed, `the URL of "off" is not set`},
			"broken": {dlq.DeliveryFailed, "the notification could not be put into its receiver's format"},
		} {
			d := news(receiver, "x firing")
			p.put(d)
			if got := p.shelf.where(d.ID); got.State != want.state || got.Error != want.error || got.Attempts != 0 || got.Log != nil {
				t.Errorf("%s: %+v", receiver, got)
			}
		}
		if len(p.to.got) != 0 {
			t.Errorf("%d requests", len(p.to.got))
		}
	})
}

// A delivery that was dropped while it was being sent is sent: that is what happened.
func TestChangedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, p *post) {
		d, e := news("ops", "x firing"), news("dev", "x firing")
		p.to.say(func(_ context.Context, r Raw) (Response, error) {
			p.shelf.change(string(r.Body), func(d *dlq.Delivery) { d.State, d.Error = dlq.DeliveryDropped, "too many" })
			if r.Receiver == "dev" {
				return Response{Status: 500}, nil
			}
			return Response{Status: 200}, nil
		})
		p.put(d, e)
		if got := p.shelf.where(d.ID); got.State != dlq.DeliverySent || len(got.Log) != 1 {
			t.Errorf("taken: %+v", got)
		}
		if got := p.shelf.where(e.ID); got.State != dlq.DeliveryDropped || len(got.Log) != 1 || got.NextAt != nil {
			t.Errorf("not taken: %+v", got)
		}
		time.Sleep(time.Hour)
		if n := len(p.to.got); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// Digests name so many alerts and say how many more there are.
func TestDigestIsBounded(t *testing.T) {
	var list []dlq.Delivery
	for i := range 30 {
		d := news("ops")
		for k := range 10 {
			state := dlq.AlertFiring
			if k == 9 {
				state = dlq.AlertResolved
			}
			d.Notification.Alerts = append(d.Notification.Alerts, dlq.Alert{ID: fmt.Sprintf("%02d-%d", i, k), State: state, Severity: dlq.AlertInfo})
		}
		list = append(list, d)
	}
	list[4].Notification.More = 7
	list[20].Notification.Alerts[3].Severity = dlq.AlertCritical
	d := digest(list, time.Now())
	n := d.Notification
	if len(n.Alerts) != maxDigest || n.More != 207 || n.Alerts[0].Severity != dlq.AlertCritical || n.Firing() != maxDigest || len(d.ID) != 30 {
		t.Errorf("%d alerts, %d more, %d firing, first %+v, id %s", len(n.Alerts), n.More, n.Firing(), n.Alerts[0], d.ID)
	}
	list = []dlq.Delivery{news("am", "x firing"), news("am", "x firing")}
	list[0].Notification.Reason, list[1].Notification.Reason = dlq.NotifyRepeat, dlq.NotifyRepeat
	if d := digest(list, time.Now()); d.Notification.Reason != dlq.NotifyRepeat || says(d) != "x firing" {
		t.Errorf("repeats became %+v", d.Notification)
	}
}

func TestBackOff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 5, 1: 5, 2: 15, 3: 60, 4: 120, 5: 300, 6: 600, 100: 600} {
		want *= time.Second
		low, high := backOff(failures, 0), backOff(failures, 0.999999)
		if low != want*8/10 || high < want*119/100 || high > want*12/10 {
			t.Errorf("after %d failures: %s to %s, want %s ± 20 %%", failures, low, high, want)
		}
	}
}

func TestOutboxMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := newOutboxMetrics(reg)
	for i := range maxReceivers + 50 {
		m.add(fmt.Sprint("r", i), outcomeSent, 1)
	}
	if n := testutil.CollectAndCount(m.notifications); n != maxReceivers+1 {
		t.Errorf("%d series", n)
	}
	if n := testutil.ToFloat64(m.notifications.WithLabelValues(otherLabel, outcomeSent)); n != 50 {
		t.Errorf("%v in the rest", n)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
