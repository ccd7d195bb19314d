package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const secret = "whsec_c2hvcCBzZWNyZXQgZm9yIHRlc3Rz"

func newShop(t *testing.T) *Shop {
	t.Helper()
	return New(Options{NameServers: []string{"127.0.0.1:1"}, Secret: secret, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

// ask sends one signed compensation call and returns the status and the decision.
func ask(t *testing.T, s *Shop, key, body string, at time.Time) (int, decision) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/settle", strings.NewReader(body))
	stamp := fmt.Sprint(at.Unix())
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("msg_1." + stamp + "." + body))
	r.Header.Set("webhook-id", "msg_1")
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", "v1,bm90IHRoaXMgb25l v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	var d decision
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			t.Fatalf("answer %s: %v", w.Body, err)
		}
	}
	return w.Code, d
}

func call(uid, topic, key string) string {
	return fmt.Sprintf(`{"uid":%q,"data":{"origin_topic":%q,"keys":[%q]}}`, uid, topic, key)
}

func TestSettleChecksTheSignature(t *testing.T) {
	s, body := newShop(t), call("dec_1", TopicPayments, "PAY-1")
	for name, c := range map[string]struct {
		key  string
		at   time.Time
		want int
	}{
		"right":        {secret, time.Now(), http.StatusOK},
		"wrong secret": {"whsec_b3RoZXI=", time.Now(), http.StatusUnauthorized},
		"too old":      {secret, time.Now().Add(-10 * time.Minute), http.StatusUnauthorized},
	} {
		if got, _ := ask(t, s, c.key, body, c.at); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
	s.opt.Secret = ""
	if got, _ := ask(t, s, secret, body, time.Now()); got != http.StatusUnauthorized {
		t.Errorf("a shop without a secret answers with %d", got)
	}
}

func TestSettleIsIdempotentAndKnowsEveryStatus(t *testing.T) {
	s := newShop(t)
	verdicts := map[string]int{}
	for i := range 40 {
		uid, key := fmt.Sprintf("dec_%d", i), fmt.Sprintf("PAY-%d", i)
		_, first := ask(t, s, secret, call(uid, TopicPayments, key), time.Now())
		if first.UID != uid {
			t.Fatalf("the answer to %s is for %q", uid, first.UID)
		}
		verdicts[first.Verdict]++
		for range 3 {
			if _, again := ask(t, s, secret, call(uid, TopicPayments, key), time.Now()); first.Verdict != "retry" && again.Reason != first.Reason {
				t.Errorf("%s: %q, then %q", uid, first.Reason, again.Reason)
			} else if first.Verdict == "retry" {
				first = again // pending until it is paid
			}
		}
		if first.Verdict == "retry" {
			t.Errorf("%s is pending for ever", key)
		}
		if first.Verdict == "compensated" && len(first.Refs) == 0 {
			t.Errorf("%s is compensated, and nothing says by what", key)
		}
	}
	for _, v := range []string{"done", "retry", "compensated"} {
		if verdicts[v] == 0 {
			t.Errorf("no payment is ever answered with %s: %v", v, verdicts)
		}
	}
}

func TestSettleLooksAtTheStock(t *testing.T) {
	s := newShop(t)
	if _, d := ask(t, s, secret, call("dec_1", TopicInventory, "RSV-1"), time.Now()); d.Verdict != "compensated" {
		t.Errorf("without stock: %+v", d)
	}
	if err := s.faults.Set("warehouse-stock", false); err != nil {
		t.Fatal(err)
	}
	if _, d := ask(t, s, secret, call("dec_2", TopicInventory, "RSV-2"), time.Now()); d.Verdict != "replay" {
		t.Errorf("with stock: %+v", d)
	}
	if _, d := ask(t, s, secret, call("dec_3", TopicOrders, "ORD-1"), time.Now()); d.Verdict != "manual" {
		t.Errorf("an order: %+v", d)
	}
}

func TestPageTurnsFaults(t *testing.T) {
	s := newShop(t)
	post := func(path string, header http.Header) int {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		for k, v := range header {
			r.Header[k] = v
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code
	}
	if got := post("/faults/sms-carrier/heal", nil); got != http.StatusNoContent || s.faults.broken("sms-carrier") {
		t.Errorf("heal: %d, still broken %v", got, s.faults.broken("sms-carrier"))
	}
	if got := post("/faults/nothing/heal", nil); got != http.StatusNotFound {
		t.Errorf("an unknown fault: %d", got)
	}
	if got := post("/faults/sms-carrier/paint", nil); got != http.StatusNotFound {
		t.Errorf("an unknown act: %d", got)
	}
	if got := post("/faults/all/heal", http.Header{"Sec-Fetch-Site": {"cross-site"}}); got != http.StatusForbidden || !s.faults.broken("order-format") {
		t.Errorf("a post from another site: %d", got)
	}
	for _, c := range []struct{ url, want string }{{"/", "The demo shop"}, {"/?lang=zh", "演示商城"}} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.url, nil))
		if !strings.Contains(w.Body.String(), c.want) || !strings.Contains(w.Body.String(), GroupPayments) {
			t.Errorf("%s does not show %q", c.url, c.want)
		}
	}
}

// Every reason of the shop is told in every way in which an application can tell it, and every text exists in both languages.
func TestMessagesTellTheirReasons(t *testing.T) {
	told := map[string]bool{}
	for _, f := range NewFaults().List() {
		if f.Title.English == "" || f.Title.Chinese == "" || f.Cure.English == "" || f.Cure.Chinese == "" {
			t.Errorf("%s lacks words", f.Name)
		}
		for n := range 2 {
			m := makeGoods(f, n, time.Now())
			switch {
			case f.Reason == "":
				if bytes.Contains(m.Body, []byte("failure")) || len(m.Properties) > 0 {
					t.Errorf("%s tells a reason", f.Name)
				}
				told["nothing"] = true
			case m.Properties["FAILURE_REASON"] == f.Reason:
				told["property"] = true
			case bytes.Contains(m.Body, []byte(`"message_body"`)) && bytes.Contains(m.Body, []byte(f.Reason)):
				told["envelope"] = true
			case bytes.Contains(m.Body, []byte(`"failure_type":"`+f.Reason)), bytes.Contains(m.Body, []byte(`"failure_reason":"`+f.Reason)):
				told["body"] = true
			default:
				told["report"] = true
			}
		}
	}
	if len(told) != 5 {
		t.Errorf("ways to tell a reason: %v", told)
	}
}

func TestReporterSaysWhatTheConsoleRefused(t *testing.T) {
	var got Report
	console := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer dlq_token" {
			http.Error(w, "log in", http.StatusUnauthorized)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	}))
	defer console.Close()
	r := &Reporter{URL: console.URL, Token: "dlq_token", Client: console.Client()}
	if err := r.Send(context.Background(), Report{ConsumerGroup: GroupPayments, UniqueKey: "U", Reason: "payment_timeout"}); err != nil || got.UniqueKey != "U" {
		t.Errorf("sent %+v: %v", got, err)
	}
	r.Token = ""
	if err := r.Send(context.Background(), Report{}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a refused report: %v", err)
	}
}

// market is a Market that sends as its field says.
type market struct{ send func() error }

func (market) Open(context.Context, []Group, func(Delivery) bool) (func(), error) {
	return func() {}, nil
}
func (m market) Send(context.Context, Goods) error { return m.send() }

// A broker that is away is told of when it goes and when it comes, not with every message.
func TestBrokerAwayIsToldOfOnce(t *testing.T) {
	var log bytes.Buffer
	var fault error
	s := New(Options{Market: market{func() error { return fault }}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, fault = range []error{nil, errors.New("refused"), errors.New("refused"), nil, nil} {
		s.send(t.Context(), Fault{Topic: TopicOrders, Name: "fine"})
	}
	if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "refused") != 1 || s.sent.Load() != 3 {
		t.Errorf("%d sent, log:\n%s", s.sent.Load(), got)
	}
}
