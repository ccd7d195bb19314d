package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ledger is what the shop knows of its payments and refunds. It is the memory that makes its answers idempotent: the
// same question, known by its id, gets the same answer.
type ledger struct {
	mu       sync.Mutex
	faults   *Faults
	answers  map[string]decision
	asked    map[string]int // how often a payment's status was asked
	received int
}

func newLedger(f *Faults) *ledger {
	return &ledger{faults: f, answers: map[string]decision{}, asked: map[string]int{}}
}

// question is the part of the console's compensation call that the shop looks at.
type question struct {
	UID  string `json:"uid"`
	Data struct {
		OriginTopic string   `json:"origin_topic"`
		Keys        []string `json:"keys"`
	} `json:"data"`
}

// decision is the shop's answer.
type decision struct {
	UID        string `json:"uid"`
	Verdict    string `json:"verdict"`
	Reason     string `json:"reason"`
	RetryAfter int    `json:"retry_after_s,omitempty"`
	Refs       []ref  `json:"refs,omitempty"`
}

type ref struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// settle answers one compensation call.
func (s *Shop) settle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil {
		http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := verify(s.opt.Secret, r.Header, body, s.opt.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var q question
	if err := json.Unmarshal(body, &q); err != nil || q.UID == "" {
		http.Error(w, "the request is not a compensation call", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(s.orders.decide(q)); err != nil {
		s.opt.Logger.Debug("the answer to a compensation call was not taken", "error", err)
	}
}

// decide settles a payment by its status, a reservation by the stock, and leaves the rest to people.
func (l *ledger) decide(q question) decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received++
	if d, ok := l.answers[q.UID]; ok {
		return d
	}
	key := "?"
	if len(q.Data.Keys) > 0 {
		key = q.Data.Keys[0]
	}
	d := decision{UID: q.UID}
	switch q.Data.OriginTopic {
	case TopicPayments:
		l.asked[key]++
		switch status := paymentStatus(key, l.asked[key]); status {
		case "paid":
			d.Verdict, d.Reason = "done", "the payment went through / 支付已成功"
		case "failed":
			d.Verdict, d.Reason, d.Refs = "compensated", "the payment failed; the order is cancelled / 支付失败，订单已取消", []ref{{"cancelled_order", strings.Replace(key, "PAY-", "ORD-", 1)}}
		case "expired":
			d.Verdict, d.Reason, d.Refs = "compensated", "the payment expired; the hold is refunded / 支付已过期，预授权已退回", []ref{{"refund", strings.Replace(key, "PAY-", "RF-", 1)}}
		default:
			d.Verdict, d.Reason, d.RetryAfter = "retry", "the payment is pending / 支付处理中", 10
			return d // not kept: the next question may have another answer
		}
	case TopicInventory:
		if !l.faults.broken("warehouse-stock") {
			d.Verdict, d.Reason = "replay", "the goods are in stock again / 已补货"
		} else {
			d.Verdict, d.Reason, d.Refs = "compensated", "out of stock; the order is cancelled and refunded / 缺货，订单已取消并退款",
				[]ref{{"cancelled_order", strings.Replace(key, "RSV-", "ORD-", 1)}, {"refund", strings.Replace(key, "RSV-", "RF-", 1)}}
		}
	default:
		d.Verdict, d.Reason = "manual", "the shop knows no way to settle this / 商城无法自动处理"
	}
	l.answers[q.UID] = d
	return d
}

// paymentStatus is one of paid, failed, expired and pending; a pending payment is paid at the third question.
func paymentStatus(key string, asked int) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	status := []string{"paid", "pending", "failed", "expired"}[h.Sum32()%4]
	if status == "pending" && asked >= 3 {
		return "paid"
	}
	return status
}

// verify checks a Standard Webhooks signature (standardwebhooks.com): HMAC-SHA256 over id, time and body, at most five
// minutes old.
func verify(secret string, h http.Header, body []byte, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return errors.New("the shop has no secret to check signatures with")
	}
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return errors.New("webhook-timestamp is missing or too far from now")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, got := range strings.Fields(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return nil
		}
	}
	return errors.New("webhook-signature does not fit")
}
