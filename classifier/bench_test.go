package classifier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// hundred is a file of 100 rules, each with a reason, a bound and a prefix, and a last one for the rest.
func hundred(t testing.TB) *Ruleset {
	t.Helper()
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 99 {
		fmt.Fprintf(&b, "- {name: r%d, match: {reason: reason_%d, attempts: {lt: 16}, topic: {prefix: order-}}, route: manual}\n", i, i)
	}
	b.WriteString("- {name: rest, route: manual}\n")
	return mustCompile(t, b.String())
}

// byHand is the same by hand, as a switch would be written.
func byHand(reasons, names []string, f *dlq.Facts, m *dlq.DeadMessage) string {
	for i, reason := range reasons {
		if f.Reason == reason && m.ReconsumeTimes < 16 && strings.HasPrefix(f.Topic, "order-") {
			return names[i]
		}
	}
	return "rest"
}

func benchMessage() *dlq.DeadMessage {
	m := letter{Group: "order-service", Topic: "order-pay", Attempts: 3}.message()
	m.Body = []byte(`{"order_id":"ORD-1","failure_reason":"reason_98","failure_detail":"dial tcp 10.8.0.42:443: i/o timeout","pad":"` + strings.Repeat("x", 880) + `"}`)
	return m
}

// BenchmarkClassify judges a letter that meets the last but one of 100 rules and prints how much longer that takes than a
// loop written by hand.
func BenchmarkClassify(b *testing.B) {
	r, m := hundred(b), benchMessage()
	f := r.Facts(m, nil)
	var reasons, names []string
	for i := range 99 {
		reasons, names = append(reasons, fmt.Sprintf("reason_%d", i)), append(names, fmt.Sprintf("r%d", i))
	}
	const rounds = 200_000
	start := time.Now()
	for range rounds {
		if byHand(reasons, names, &f, m) != "r98" {
			b.Fatal("wrong rule")
		}
	}
	hand := float64(time.Since(start).Nanoseconds()) / rounds
	b.ReportAllocs()
	for b.Loop() {
		if v := r.Classify(m, f, dlq.Judgement{Now: now}); v.Rule != "r98" {
			b.Fatal(v.Rule)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/hand, "x-by-hand")
	b.ReportMetric(hand, "ns-by-hand")
}

// BenchmarkJudge is facts and verdict of a letter with a JSON body of 1 KB.
func BenchmarkJudge(b *testing.B) {
	r, m := hundred(b), benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		if _, v := r.Judge(m, nil, dlq.Judgement{Now: now}); v.Rule != "r98" {
			b.Fatal(v.Rule)
		}
	}
}

// BenchmarkFacts is the facts alone.
func BenchmarkFacts(b *testing.B) {
	r, m := hundred(b), benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		if f := r.Facts(m, nil); f.Reason != "reason_98" {
			b.Fatal(f.Reason)
		}
	}
}
