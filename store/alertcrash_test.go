package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// childTells takes steps of alerts and sends their deliveries until it is killed. It writes a line for everything that the
// store has acknowledged.
func childTells(path string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var first int64
	b, err := s.AlertBook(ctx)
	if err == nil && b.EvaluatedAt != nil {
		first = b.EvaluatedAt.UnixMilli()
	}
	for n := first + 1; err == nil; n++ {
		at := time.UnixMilli(n).UTC()
		d := deliveryOf(fmt.Sprint("dlv_", n), "ops", "a")
		step := dlq.AlertStep{At: at, Alerts: []dlq.Alert{alertOf("a", dlq.AlertFiring, at)}, Groups: []dlq.AlertGroup{{Receiver: "ops", SentAt: &at}},
			Events: []dlq.AlertEvent{{AlertID: "a", Kind: dlq.AlertEventNotified, At: at, DeliveryID: d.ID}}, Deliveries: []dlq.Delivery{d}}
		if err = s.SaveAlerts(ctx, step); err != nil {
			break
		}
		fmt.Println("step", n) // unbuffered: what was said is with the parent when we die
		if d, err = s.Delivery(ctx, d.ID); err != nil {
			break
		}
		d.State, d.Attempts = dlq.DeliverySent, 1
		if err = s.SaveDelivery(ctx, d, &dlq.DeliveryAttempt{DeliveryID: d.ID, Number: 1, At: at, Status: 200}); err == nil {
			fmt.Println("sent", n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A process that is killed at any moment leaves every step and every attempt whole or not there, and none that was
// acknowledged is missing: what may have been sent without being noted is pending, under the same id.
func TestKilledWhileTelling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	var stepped int64
	sent := map[int64]bool{}
	for round := range 6 {
		cmd := child(t, "tell", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		read := func() bool {
			if !lines.Scan() {
				return false
			}
			var n int64
			switch _, err := fmt.Sscanf(lines.Text(), "step %d", &n); {
			case err == nil:
				stepped = n
			default:
				if _, err := fmt.Sscanf(lines.Text(), "sent %d", &n); err == nil { // half a line was not said
					sent[n] = true
				}
			}
			return true
		}
		for want := stepped + 10 + rand.Int64N(40); stepped < want; {
			if !read() {
				t.Fatalf("round %d: the child ended by itself", round)
			}
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) // to die anywhere inside a transaction
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for read() {
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}

		s, err := Open(t.Context(), Options{Path: path})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		last := book(t, s).EvaluatedAt.UnixMilli()
		if last < stepped {
			t.Errorf("round %d: evaluated up to %d, but %d was acknowledged", round, last, stepped)
		}
		stepped = last
		for what, query := range map[string]string{
			"deliveries": "SELECT count(*) FROM delivery", "events": "SELECT count(DISTINCT delivery) FROM alert_event",
			"as the beginning": "SELECT since FROM alert WHERE in_book=1", "alerts told": "SELECT count(*) FROM delivery_alert",
		} {
			if n := s.number(t, query); n != last {
				t.Errorf("round %d: %d %s after %d steps", round, n, what, last)
			}
		}
		for n := range sent {
			if s.number(t, "SELECT count(*) FROM delivery WHERE state='sent' AND id=?", fmt.Sprint("dlv_", n)) != 1 {
				t.Errorf("round %d: that delivery %d was sent is forgotten", round, n)
			}
		}
		if n := s.number(t, "SELECT count(*) FROM delivery d WHERE (state='sent') <> EXISTS(SELECT 1 FROM delivery_attempt WHERE delivery=d.seq)"); n != 0 {
			t.Errorf("round %d: %d deliveries and their attempts do not agree", round, n)
		}
		if n := s.number(t, "SELECT count(*) FROM delivery WHERE state='pending'"); n > int64(round)+1 || int(n) != s.mem.allPending() {
			t.Errorf("round %d: %d are pending, %d are counted", round, n, s.mem.allPending())
		}
		s.checkFile(t)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d steps, %d of which are known to be sent", stepped, len(sent))
}
