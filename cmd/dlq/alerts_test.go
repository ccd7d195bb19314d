package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/dlq"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// told is one message as a receiver reads it.
type told struct {
	ID   string
	Type string
	Data struct {
		Reason string
		Alerts []struct {
			Rule, State, Severity, Link string
			Labels                      map[string]string
			Value                       float64
			Reasons                     []dlq.Facet
		}
	}
}

// has reports whether the message tells of an alert of that consumer group in that state.
func (m told) has(group, state string) bool {
	for _, a := range m.Data.Alerts {
		if a.Labels["consumer_group"] == group && a.State == state {
			return true
		}
	}
	return false
}

// listener is a receiver that checks each signature by its own means and keeps what it was told.
type listener struct {
	t      *testing.T
	server *httptest.Server
	hang   chan struct{} // requests are not answered before it is closed; nil: at once

	mu  sync.Mutex
	got []told
	raw []string
}

// newListener listens on a loopback address, "" for any.
func newListener(t *testing.T, address string, hang chan struct{}) *listener {
	t.Helper()
	l := &listener{t: t, hang: hang}
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	if address != "" {
		_ = l.server.Listener.Close()
		var err error
		if l.server.Listener, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
	}
	l.server.Start()
	t.Cleanup(l.server.Close)
	return l
}

func (l *listener) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the console was killed while it wrote
	}
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		l.t.Errorf("timestamp %q", stamp)
	}
	signatures := strings.Fields(r.Header.Get("webhook-signature"))
	for _, secret := range []string{oldSecret, newSecret} {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			l.t.Error(err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); !slices.Contains(signatures, want) {
			l.t.Errorf("message %s has the signatures %v and not %s", id, signatures, want)
		}
	}
	m := told{ID: id}
	if err := json.Unmarshal(body, &m); err != nil {
		l.t.Errorf("message %s: %v", id, err)
	}
	l.mu.Lock()
	l.got, l.raw = append(l.got, m), append(l.raw, string(body))
	l.mu.Unlock()
	if l.hang != nil {
		select {
		case <-l.hang:
		case <-r.Context().Done():
		}
	}
}

func (l *listener) messages() []told {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// rulesFile writes a rules file with one receiver and the alerts.
func rulesFile(t *testing.T, alerts string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	text := "version: 1\nreceivers:\n  ops: {type: webhook, url: env:TEST_OPS_URL, secret: env:TEST_OPS_SECRET, wait: 0s, interval: 0s}\nalerts:\n" + alerts
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startSimulated runs a console on the in-memory stand-in within the test's process.
func startSimulated(t *testing.T, rules string, variables map[string]string) (*console, *simulated.Broker) {
	t.Helper()
	env := environment{get: func(name string) string { return variables[name] }, stdin: strings.NewReader(""), stdout: t.Output(), stderr: t.Output()}
	c := serveDefaults()
	c.listen, c.data, c.rules, c.publicURL = "127.0.0.1:0", filepath.Join(t.TempDir(), "dlq.db"), rules, "https://dlq.localhost"
	c.allowLoopback, c.simulated = true, true
	ctx, cancel := context.WithCancel(context.Background())
	a, err := newApp(ctx, c, env, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return &console{t: t, url: "http://" + a.listener.Addr().String()}, a.market.(simulatedMarket).broker
}

// A pile of dead letters makes an alert fire. A receiver gets it, signed, with a link and without anything out of the
// messages. A silence holds another one back until it ends. When people have dealt with the letters, the end is told.
func TestAlertFromLetterToReceiver(t *testing.T) {
	ops := newListener(t, "", nil)
	rules := rulesFile(t, "  - {name: pile, signal: open_letters, by: [consumer_group], above: 3, severity: critical, labels: {team: money}, receivers: [ops]}\n")
	c, broker := startSimulated(t, rules, map[string]string{"TEST_OPS_URL": ops.server.URL + "/hook?token=hidden-token", "TEST_OPS_SECRET": newSecret + " " + oldSecret})
	kill := func(group string, letters int) {
		broker.Consume(simulated.Consumer{Group: group, Topics: []string{group + "-topic"}, MaxRetry: 1, Work: func(simulated.Seen) bool { return false }})
		for i := range letters {
			broker.Produce(simulated.Message{Topic: group + "-topic", Key: "private-key-" + strconv.Itoa(i), Body: []byte(`{"private":"body"}`),
				Properties: map[string]string{"FAILURE_REASON": "card_declined", "PRIVATE": "private-property"}})
		}
	}
	kill("pay", 5)
	var first told
	eventually(t, time.Minute, "the pile is told", func() error {
		for _, m := range ops.messages() {
			if m.Type == "alert.firing" && m.has("pay", "firing") {
				first = m
				return nil
			}
		}
		return fmt.Errorf("told: %+v", ops.messages())
	})
	if len(ops.messages()) != 1 || len(first.Data.Alerts) != 1 {
		t.Fatalf("told: %+v", ops.messages())
	}
	pay := first.Data.Alerts[0]
	if pay.Rule != "pile" || pay.Severity != "critical" || pay.Labels["team"] != "money" || pay.Value < 4 || pay.Link != "https://dlq.localhost/letters?consumer_group=pay" ||
		len(pay.Reasons) != 1 || pay.Reasons[0].Value != "card_declined" || first.Data.Reason != "first" {
		t.Errorf("told: %+v", first)
	}

	// A silence for another consumer group, whose letters then pile up.
	var silence dlq.Silence
	if err := c.call(t.Context(), http.MethodPost, "/silences", map[string]any{"matchers": map[string][]string{"consumer_group": {"stock"}}, "duration": "1h", "note": "stock is counted today"}, &silence); err != nil {
		t.Fatal(err)
	}
	kill("stock", 6)
	stock := ""
	eventually(t, time.Minute, "the silenced alert is shown", func() error {
		var view struct{ Items []dlq.Alert }
		if err := c.get("/alerts", &view); err != nil {
			return err
		}
		for _, a := range view.Items {
			if a.Labels["consumer_group"] == "stock" && a.State == dlq.AlertFiring && a.SilenceID == silence.ID {
				stock = a.ID
				return nil
			}
		}
		return fmt.Errorf("alerts: %+v", view.Items)
	})
	var happened struct{ Items []dlq.AlertEvent }
	if err := c.get("/alerts/events?alert="+stock, &happened); err != nil {
		t.Fatal(err)
	}
	if len(happened.Items) != 2 || happened.Items[0].Kind != dlq.AlertEventSilenced || happened.Items[0].Receiver != "ops" || happened.Items[0].SilenceID != silence.ID || happened.Items[1].Kind != dlq.AlertEventFiring {
		t.Errorf("events: %+v", happened.Items)
	}
	if got := ops.messages(); len(got) != 1 {
		t.Errorf("a silenced alert is told: %+v", got)
	}
	if err := c.call(t.Context(), http.MethodPost, "/silences/"+silence.ID+"/end", map[string]any{}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "it is told once the silence is over", func() error {
		if got := ops.messages(); len(got) < 2 || !got[1].has("stock", "firing") {
			return fmt.Errorf("told: %+v", got)
		}
		return nil
	})

	// People deal with the letters of one of them.
	var page dlq.Page
	if err := c.get("/letters?tab=attention&consumer_group=pay&limit=50", &page); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range page.Items {
		ids = append(ids, strconv.FormatInt(l.ID, 10))
	}
	if err := c.call(t.Context(), http.MethodPost, "/letters/actions", map[string]any{"action": "resolve", "ids": ids, "note": "paid by hand"}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the end is told", func() error {
		got := ops.messages()
		if last := got[len(got)-1]; !last.has("pay", "resolved") || !last.has("stock", "firing") || last.Data.Reason != "resolved" {
			return fmt.Errorf("told: %+v", got)
		}
		return nil
	})
	if got := ops.messages(); len(got) != 3 {
		t.Errorf("told %d times: %+v", len(got), got)
	}
	for _, body := range ops.raw {
		if strings.Contains(body, "private") {
			t.Errorf("something of a message is told: %s", body)
		}
	}

	// The page has the log of each delivery, without what is secret.
	var page2 struct{ Items []dlq.Delivery }
	eventually(t, 10*time.Second, "the answers are written down", func() error {
		page2.Items = nil
		if err := c.get("/deliveries?receiver=ops", &page2); err != nil {
			return err
		}
		for _, d := range page2.Items {
			if d.State == dlq.DeliveryPending {
				return fmt.Errorf("%s is pending", d.ID)
			}
		}
		return nil
	})
	for _, d := range page2.Items {
		var whole json.RawMessage
		if err := c.get("/deliveries/"+d.ID, &whole); err != nil {
			t.Fatal(err)
		}
		var one dlq.Delivery
		if err := json.Unmarshal(whole, &one); err != nil {
			t.Fatal(err)
		}
		if one.State != dlq.DeliverySent || len(one.Log) != 1 || one.Log[0].Status != 200 || !strings.Contains(one.Log[0].Request, `"alert.firing"`) {
			t.Errorf("%s", whole)
		}
		if strings.Contains(string(whole), "hidden-token") || strings.Contains(string(whole), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") {
			t.Errorf("the log tells secrets: %s", whole)
		}
	}
	if len(page2.Items) != 3 {
		t.Errorf("%d deliveries", len(page2.Items))
	}
}

// The console is killed with a message on its way, and with one that nobody took yet. After the next start each arrives,
// under the id that it had before.
func TestKill9BetweenOutboxAndReceiver(t *testing.T) {
	address, hang := freeAddress(t), make(chan struct{})
	t.Setenv("TEST_OPS_URL", "http://"+address)
	t.Setenv("TEST_OPS_SECRET", oldSecret+" "+newSecret)
	rules := rulesFile(t, "  - {name: always, signal: disk, above: 0, receivers: [ops]}\n")
	data, at := filepath.Join(t.TempDir(), "dlq.db"), freeAddress(t)
	waiting := func(c *console) (id string) {
		t.Helper()
		eventually(t, 30*time.Second, "a delivery waits", func() error {
			var page struct{ Items []dlq.Delivery }
			if err := c.get("/deliveries?state=pending", &page); err != nil {
				return err
			}
			if len(page.Items) != 1 {
				return fmt.Errorf("%+v", page.Items)
			}
			id = page.Items[0].ID
			return nil
		})
		return id
	}
	arrives := func(l *listener, id string, times int) {
		t.Helper()
		eventually(t, 45*time.Second, "the message arrives", func() error {
			if got := l.messages(); len(got) < times {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		for _, m := range l.messages() {
			if m.ID != id || m.Type != "alert.firing" {
				t.Errorf("got %+v, want %s", m, id)
			}
		}
	}
	serve := func() *console { return startConsole(t, data, at, "--rules", rules, "--allow-loopback") }

	c := serve() // nobody listens
	id := waiting(c)
	c.kill()
	ops := newListener(t, address, hang)
	c = serve()
	arrives(ops, id, 1) // and is not answered
	c.kill()
	if got := len(ops.messages()); got != 1 {
		t.Fatalf("%d messages before the second kill", got)
	}
	close(hang)
	c = serve()
	arrives(ops, id, 2)
	eventually(t, 15*time.Second, "the delivery is sent", func() error {
		var d dlq.Delivery
		if err := c.get("/deliveries/"+id, &d); err != nil {
			return err
		}
		if d.State != dlq.DeliverySent {
			return fmt.Errorf("%+v", d)
		}
		return nil
	})
	if status := c.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	c = serve() // it was told: not once more
	var view struct{ Items []dlq.Alert }
	eventually(t, 30*time.Second, "the alert is looked at", func() error {
		if err := c.get("/alerts", &view); err != nil {
			return err
		}
		if len(view.Items) != 1 || view.Items[0].State != dlq.AlertFiring || time.Since(view.Items[0].HeldAt) > 10*time.Second {
			return fmt.Errorf("%+v", view.Items)
		}
		return nil
	})
	if got := len(ops.messages()); got != 2 {
		t.Errorf("told %d times", got)
	}
}
