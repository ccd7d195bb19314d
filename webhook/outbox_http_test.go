package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// real is a format for servers on this machine.
type real struct {
	plain
	urls    map[string]string
	headers map[string]string
}

func (f *real) Prepare(d *dlq.Delivery, _ time.Time) (Prepared, error) {
	return Prepared{URL: f.urls[d.Receiver], Headers: f.headers, Body: []byte(`{"sign":"s1gn4ture"}`), Shown: []byte(`{"sign":"***"}`), Timeout: 300 * time.Millisecond}, nil
}

// Judge refuses what the guard does.
func (f *real) Judge(d *dlq.Delivery, res Response, err error) Outcome {
	if dlq.CodeOf(err) == dlq.CodeRefused {
		return Outcome{Ruling: RulingRefused, Error: dlq.SentenceOf(err, "")}
	}
	return f.plain.Judge(d, res, err)
}

// Receivers that hang, answer without end, redirect to where nobody should go, or are such a place, over real
// connections: each ends as it should, the log keeps little, and the one that works is not delayed.
func TestRealReceivers(t *testing.T) {
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL + "/hook/t0ps3cret?access_token=qu3rysecret"
	}
	reached := atomic.Bool{}
	inside := serve(func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	f := &real{urls: map[string]string{
		"hangs": serve(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }),
		"huge": serve(func(w http.ResponseWriter, _ *http.Request) {
			chunk := bytes.Repeat([]byte("好"), 1<<20/3)
			for range 1024 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}),
		"moved":    serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside, http.StatusFound) }),
		"metadata": "http://169.254.169.254/latest/t0ps3cret",
		"works":    serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }),
	}}
	client := New(Options{AllowLoopback: true})
	t.Cleanup(client.Close)
	s := newShelf()
	var log bytes.Buffer
	o := NewOutbox(OutboxDeps{Store: s, Sender: client, Format: f, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ids := map[string]string{}
	for receiver := range f.urls {
		d := news(receiver, "x firing")
		ids[receiver] = d.ID
		s.add(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		waiting := 0
		for _, id := range ids {
			if s.where(id).Attempts == 0 {
				waiting++
			}
		}
		if waiting == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d receivers were not tried", waiting)
		}
	}
	cancel()
	<-done
	for receiver, want := range map[string]struct {
		state  dlq.DeliveryState
		status int
		error  string
	}{
		"hangs":    {dlq.DeliveryPending, 0, "no answer"},
		"huge":     {dlq.DeliverySent, 200, ""},
		"moved":    {dlq.DeliveryPending, 302, "status 302"},
		"metadata": {dlq.DeliveryFailed, 0, "is not called"},
		"works":    {dlq.DeliverySent, 200, ""},
	} {
		d := s.where(ids[receiver])
		if d.State != want.state || d.Status != want.status || !strings.Contains(d.Error, want.error) {
			t.Errorf("%s: %s, %d, %q", receiver, d.State, d.Status, d.Error)
		}
		if len(d.Log) != 1 {
			t.Fatalf("%s: %+v", receiver, d.Log)
		}
		a := d.Log[0]
		if len(a.Answer) > maxShown || strings.Contains(a.Answer, "\uFFFD") || receiver == "huge" && len(a.Answer) < maxShown-3 {
			t.Errorf("%s: %d bytes of the answer are kept", receiver, len(a.Answer))
		}
		if receiver == "works" && (a.Answer != "ok" || a.Address != "127.0.0.1" || a.Request != `{"sign":"***"}`) {
			t.Errorf("%s: %+v", receiver, a)
		}
		if receiver == "hangs" && a.Duration < dlq.Duration(300*time.Millisecond) {
			t.Errorf("gave up after %s", a.Duration)
		}
	}
	if n := s.where(ids["works"]).Log[0].Duration; n > dlq.Duration(250*time.Millisecond) {
		t.Errorf("the one that works took %s", n)
	}
	if reached.Load() {
		t.Error("a redirect was followed")
	}
	all, err := json.Marshal(s.held)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"t0ps3cret", "qu3rysecret", "s1gn4ture"} {
		if strings.Contains(string(all), secret) || strings.Contains(log.String(), secret) {
			t.Errorf("%q is kept or logged", secret)
		}
	}
}

// The log keeps no password, not even one that the receiver repeats.
func TestLogHidesSecrets(t *testing.T) {
	d := news("ops", "x firing")
	p := Prepared{
		URL:     "https://hooks.example/services/T0000000/B%2F0000000?key=abcdefgh-1234&timestamp=1&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q%3D",
		Headers: map[string]string{"authorization": "Bearer passw0rd-1", "webhook-id": d.ID, "WEBHOOK-SIGNATURE": "v1,c2lnbmF0dXJl", "X-Short": "no", "Content-Type": "text/plain"},
		Body:    []byte("{}"),
	}
	echo := fmt.Sprint(p.URL, p.Headers, " T0000000 B/0000000 hmPWwU+7lVdm3ZZz0r9tSfx0L4Q= no such group")
	a := logged(&d, result{at: time.Now()}, p, Response{Status: 400, Body: []byte(echo)})
	for _, secret := range []string{"T0000000", "0000000", "abcdefgh", "hmPWw", "passw0rd", "c2ln"} {
		if strings.Contains(fmt.Sprint(a), secret) {
			t.Errorf("%q is in the log: %+v", secret, a)
		}
	}
	want := map[string]string{"Authorization": "***", "Webhook-Id": d.ID, "Webhook-Signature": "***", "X-Short": "***", "Content-Type": "text/plain"}
	if fmt.Sprint(a.Headers) != fmt.Sprint(want) || a.URL != "https://hooks.example" || a.Request != "{}" || !strings.Contains(a.Answer, "no such group") {
		t.Errorf("%+v", a)
	}
}

func TestSendSetsHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer server.Close()
	client := New(Options{AllowLoopback: true, UserAgent: "dead-letter-office/9"})
	defer client.Close()
	res, err := client.Send(t.Context(), Raw{URL: server.URL, Headers: map[string]string{"content-type": "application/json; charset=utf-8", "X-A": "b"}, Body: []byte("{}")})
	if err != nil || res.Status != 200 {
		t.Fatal(res.Status, err)
	}
	h := <-got
	if h.Get("Content-Type") != "application/json; charset=utf-8" || h.Get("X-A") != "b" || h.Get("User-Agent") != "dead-letter-office/9" || h.Get("Accept") != "application/json" || h.Get("Webhook-Signature") != "" {
		t.Errorf("%v", h)
	}
}
