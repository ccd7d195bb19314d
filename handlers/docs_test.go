package handlers

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"

	"github.com/google/go-cmp/cmp"
)

// The samples in docs/compensation.md are what the console sends and what it understands.
func TestDocumentedSamples(t *testing.T) {
	for _, name := range []string{"../docs/compensation.md", "../docs/compensation.zh.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllSubmatch(text, -1)
		if len(blocks) < 4 {
			t.Fatalf("%s has %d samples", name, len(blocks))
		}
		var documented, made map[string]any
		decoder := json.NewDecoder(bytes.NewReader(blocks[0][1]))
		decoder.UseNumber()
		if err := decoder.Decode(&documented); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		decoder = json.NewDecoder(bytes.NewReader(documentedQuestion(t)))
		decoder.UseNumber()
		if err := decoder.Decode(&made); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(made, documented); diff != "" {
			t.Errorf("%s: the question: %s", name, diff)
		}
		uid := documented["uid"].(string)
		var verdicts []dlq.CallVerdict
		for _, b := range blocks[1:] {
			a := understand(webhook.Response{Status: 200, Body: b[1]}, nil, uid, everyVerdict)
			if a.ruling != rulingVerdict {
				t.Errorf("%s: %s: %s", name, b[1], a.err)
			}
			verdicts = append(verdicts, a.verdict)
		}
		for _, v := range []dlq.CallVerdict{dlq.CallCompensated, dlq.CallRetry, dlq.CallReplay} {
			if !slices.Contains(verdicts, v) {
				t.Errorf("%s shows no %s", name, v)
			}
		}
	}
}

// documentedQuestion is the question that the documents show.
func documentedQuestion(t *testing.T) []byte {
	t.Helper()
	d := dlq.Detail{
		Letter: dlq.Letter{
			ID: 42, Cluster: "DefaultCluster", ConsumerGroup: "pay-service", DLQTopic: "%DLQ%pay-service", Topic: "payments",
			OriginMessageID: "7F00000100002A9F0000000000000C3A", MessageID: "7F00000100002A9F0000000000001F84", UniqueKey: "7F0000011A7018B4AAC2486E1F2A0003",
			Keys: []string{"PAY-17"}, Tags: "card", Attempts: 17, Deaths: 1, BornAt: time.Date(2026, 11, 21, 7, 10, 0, 0, time.UTC), DiedAt: noon.Add(-2 * time.Second),
			Reason: "payment_timeout", ReasonText: "no answer from the bank in 3 s", ReasonOrigin: dlq.OriginProperty, Business: "payment",
			Rule: "money and stock are settled", RuleVersion: 7, Fingerprint: "d0e6e777c541a9a9",
		},
		ReplayList: []dlq.Replay{{IntendedAt: noon.Add(-time.Hour), Outcome: dlq.OutcomeFailedAgain}},
	}
	m := dlq.DeadMessage{Properties: map[string]string{"KEYS": "PAY-17", "TAGS": "card", "UNIQ_KEY": d.UniqueKey}}
	body, err := ask(dlq.Call{ID: "call_5f9879837190c8c57e37cf2f77c6f92b", Attempts: 1}, d, m, []byte(`{"payment":"PAY-17","amount":12.50}`), noon, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
