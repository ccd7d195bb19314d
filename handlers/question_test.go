package handlers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"

	"github.com/google/go-cmp/cmp"
)

// The whole question, byte for byte: endpoints are written against it.
func TestAsk(t *testing.T) {
	d := dlq.Detail{
		Letter: dlq.Letter{
			ID: 42, Cluster: "c1", ConsumerGroup: "pay", DLQTopic: "%DLQ%pay", Topic: "orders", MessageID: "0A01", OriginMessageID: "0A00", UniqueKey: "7F",
			Keys: []string{"o-17"}, Tags: "paid", Attempts: 17, Deaths: 2, BornAt: noon.Add(-time.Hour), DiedAt: noon.Add(-time.Minute),
			Reason: "payment_timeout", ReasonText: "网关 <504>", ReasonOrigin: dlq.OriginBody, Business: "payment", Rule: "money", RuleVersion: 7, Fingerprint: "00ff",
		},
		ReplayList: []dlq.Replay{{IntendedAt: noon.Add(-30 * time.Minute), Outcome: dlq.OutcomeFailedAgain}},
	}
	m := dlq.DeadMessage{Properties: map[string]string{"KEYS": "o-17", "UNIQ_KEY": "7F"}}
	body := []byte(`{"order_id": 12345678901234567890, "amount": 1.10, "note": "<b>"}`)
	got, err := ask(dlq.Call{ID: "call_7", Attempts: 3}, d, m, body, noon, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"dlq.message.decide","timestamp":"2026-11-21T12:00:00Z","uid":"call_7","attempt":3,"deadline":"2026-11-21T12:00:10Z",` +
		`"allowed_verdicts":["done","compensated","replay","retry","manual"],` +
		`"data":{"letter_id":"42","cluster":"c1","consumer_group":"pay","dlq_topic":"%DLQ%pay","origin_topic":"orders","origin_msg_id":"0A00","msg_id":"0A01","unique_key":"7F",` +
		`"keys":["o-17"],"tags":"paid","properties":{"KEYS":"o-17","UNIQ_KEY":"7F"},"reconsume_times":17,"deaths":2,"born_at":"2026-11-21T11:00:00Z","stored_at":"2026-11-21T11:59:00Z",` +
		`"body":{"encoding":"json","content":{"order_id":12345678901234567890,"amount":1.10,"note":"<b>"},"size":65,"truncated":false,"sha256":"` +
		`1c966ea3d6f60afb23aa139582c3089b86431181d9d0d7cf057510ccf5106a82"},` +
		`"classification":{"reason":"payment_timeout","reason_text":"网关 <504>","reason_origin":"body","business":"payment","rule":"money","rule_version":7,"fingerprint":"00ff"},` +
		`"replays":[{"at":"2026-11-21T11:30:00Z","result":"failed_again"}]}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestAskKeepsEveryBody(t *testing.T) {
	long := strings.Repeat("库", maxQuestionBody)
	for name, tt := range map[string]struct {
		body      string
		encoding  string
		content   string
		truncated bool
	}{
		"JSON":            {`[1, 2]`, "json", `[1, 2]`, false},
		"a number":        {`1e400`, "json", `1e400`, false},
		"text":            {"付款 <超时>", "utf8", `"付款 \u003c超时\u003e"`, false},
		"empty":           {"", "utf8", `""`, false},
		"bytes":           {"\xff\x00", "base64", `"/wA="`, false},
		"bytes in JSON":   {"\"\xff\"", "base64", `"Iv8i"`, false},
		"half JSON":       {`{"a":`, "utf8", `"{\"a\":"`, false},
		"long JSON":       {`"` + strings.Repeat("x", maxQuestionBody) + `"`, "utf8", "", true},
		"cut in a letter": {long, "base64", "", true},
	} {
		q := describeBody([]byte(tt.body))
		if q.Encoding != tt.encoding || q.Size != len(tt.body) || q.Truncated != tt.truncated || tt.content != "" && string(q.Content) != tt.content {
			t.Errorf("%s: %+v", name, q)
		}
		var back string
		switch q.Encoding {
		case "json":
			back = string(q.Content)
		case "utf8":
			if err := json.Unmarshal(q.Content, &back); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		default:
			var s string
			if err := json.Unmarshal(q.Content, &s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			raw, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			back = string(raw)
		}
		if !strings.HasPrefix(tt.body, back) || !tt.truncated && back != tt.body {
			t.Errorf("%s comes back as %.40q", name, back)
		}
	}
}

// A whole way over a real connection: signed question, verified as a receiver would, and the verdict put into effect.
func TestCompensatorOverHTTP(t *testing.T) {
	secrets, err := webhook.ParseSecrets(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seconds, err := strconv.ParseInt(r.Header.Get(webhook.HeaderTimestamp), 10, 64)
		if err != nil {
			t.Error(err)
		}
		if got, want := r.Header.Get(webhook.HeaderSignature), webhook.Sign(r.Header.Get(webhook.HeaderID), time.Unix(seconds, 0), body, secrets); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		var q question
		if err := json.NewDecoder(bytes.NewReader(body)).Decode(&q); err != nil {
			t.Error(err)
		}
		json.NewEncoder(w).Encode(map[string]any{"uid": q.UID, "verdict": "compensated", "refs": []any{map[string]string{"kind": "refund", "id": q.Data.ConsumerGroup + "-1"}}})
	}))
	defer server.Close()
	s := newMemory(time.Now)
	s.add(waiting(1, time.Now()))
	client := webhook.New(webhook.Options{AllowLoopback: true})
	defer client.Close()
	c := NewCompensator(CompensatorDeps{Store: s, Caller: client, Rules: rules{}, Compensations: settleAt(t, server.URL), Automation: on})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for s.letter(1).State != dlq.StateResolved && ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	l := s.letter(1)
	if l.State != dlq.StateResolved || calls != 1 {
		t.Fatalf("letter %s after %d calls: %+v", l.State, calls, l.Calls)
	}
	if diff := cmp.Diff([]dlq.CallRef{{Kind: "refund", ID: "pay-1"}}, l.Calls[0].Refs); diff != "" {
		t.Error(diff)
	}
	if a := s.attempts[0]; a.Status != 200 || a.Address != "127.0.0.1" || a.Duration <= 0 {
		t.Errorf("attempt %+v", a)
	}
}
