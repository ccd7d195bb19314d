package classifier

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// candidates are letters of some reasons, topics and bodies.
func candidates(n int) []dlq.Candidate {
	list := make([]dlq.Candidate, n)
	for i := range list {
		m := letter{Group: fmt.Sprintf("group-%d", i%3), Topic: fmt.Sprintf("topic-%d", i%5), Attempts: i % 20, Properties: map[string]string{"FAILURE_REASON": fmt.Sprintf("r%d", i%11)}}.message()
		m.Body = fmt.Appendf(nil, `{"n":%d,"failure_detail":"attempt %d"}`, i%7, i)
		list[i] = dlq.Candidate{LetterID: int64(i + 1), Message: *m, Judged: dlq.Judgement{Now: now, Deaths: 1 + i%3, Replays: i % 4}}
		if i%13 == 0 {
			list[i].Message.Properties = nil
			list[i].Report = &dlq.Report{Reason: fmt.Sprintf("r%d", i%4)}
		}
	}
	return list
}

// randomRules writes rules of all kinds that a letter of candidates may meet or not.
func randomRules(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 1 + r.IntN(12) {
		matches := []string{
			fmt.Sprintf("{reason: r%d}", r.IntN(12)), fmt.Sprintf("{reason: [r%d, r%d, r1]}", r.IntN(12), r.IntN(12)), fmt.Sprintf("{topic: topic-%d}", r.IntN(6)),
			fmt.Sprintf("{reason: {prefix: r1}, attempts: {gt: %d}}", r.IntN(20)), fmt.Sprintf("{not: {reason: r%d}, body.n: %d}", r.IntN(12), r.IntN(8)),
			fmt.Sprintf("{reason: {in: [r2, r3], suffix: \"%d\"}}", r.IntN(4)), fmt.Sprintf("{any: [{reason: r%d}, {replays: %d}]}", r.IntN(12), r.IntN(5)), "{reason: 3}", "{fingerprint: 0011223344556677}",
		}
		fmt.Fprintf(&b, "- {name: n%d, off: %v, match: %s, route: %s}\n", i, r.IntN(4) == 0, matches[r.IntN(len(matches))], []string{"manual", "retry"}[r.IntN(2)])
	}
	if r.IntN(2) == 0 {
		b.WriteString("facts: {reason: [body.n, property.FAILURE_REASON]}\n")
	}
	return b.String()
}

// A backtest says of every letter what each rule set says by itself, and that is what trying rule after rule gives.
func TestBacktestAgreesWithTheRules(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := candidates(300)
	for range 60 {
		texts := [2]string{randomRules(r), randomRules(r)}
		now, then := mustCompile(t, texts[0]), mustCompile(t, texts[1])
		shifts, err := NewBacktest(now, then).Judge(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		want := NewTally()
		for i, c := range list {
			_, a := now.Judge(&c.Message, c.Report, c.Judged)
			_, b := then.Judge(&c.Message, c.Report, c.Judged)
			if got := (Shift{a.Route, b.Route, a.Rule, b.Rule}); shifts[i] != got {
				t.Fatalf("letter %d: %+v, the rules say %+v\n%s\n%s", i, shifts[i], got, texts[0], texts[1])
			}
			f := now.Facts(&c.Message, c.Report)
			if e := now.Explain(&c.Message, f, c.Judged); e.Verdict.Rule != a.Rule {
				t.Fatalf("letter %d: rule %q, one after the other %q\n%s", i, a.Rule, e.Verdict.Rule, texts[0])
			}
			want.Done++
			if a.Route != b.Route {
				want.Changed++
			}
			want.Matrix[[2]dlq.Route{a.Route, b.Route}]++
			want.Now[a.Rule]++
			want.Then[b.Rule]++
		}
		got := NewTally()
		got.Add(shifts[:100])
		got.Add(shifts[100:])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestSameFactsAreFoundOnce(t *testing.T) {
	rules := "rules: [{name: a, match: {body.x: 1}, route: manual}]\n"
	for text, same := range map[string]bool{
		"rules: [{name: b, route: retry}]\n":                                                                     true,
		"facts: {reason: [body.a]}\n" + rules:                                                                    false,
		"envelopes: [{name: e, topic: t, body: b, encoding: text}]\n" + rules:                                    false,
		"# a comment\nautomation: {rate: 1/s}\nrules:\n  - name: c\n    match: {body.z: 1}\n    route: manual\n": true,
	} {
		if b := NewBacktest(mustCompile(t, rules), mustCompile(t, text)); b.sameFacts != same {
			t.Errorf("%q: same facts %v", text, b.sameFacts)
		}
	}
	facts := "facts:\n  reason: ['body.a', report]\n"
	if b := NewBacktest(mustCompile(t, facts+rules), mustCompile(t, "facts: {reason: [body.a, report]} # in brackets\n"+rules)); !b.sameFacts {
		t.Error("how facts are written counts")
	}
}

func TestSuggest(t *testing.T) {
	rules := mustCompile(t, "rules: [{name: a, match: {reason: x}, route: manual}, {name: r1 of group-1, route: manual}]\n")
	c := candidates(2)[1]
	c.Message.Properties["FAILURE_REASON"] = "r1"
	ask := func(route dlq.Route, reason string, names ...string) (Suggestion, error) {
		if reason != "" {
			c.Message.Properties["FAILURE_REASON"] = reason
		} else {
			delete(c.Message.Properties, "FAILURE_REASON")
		}
		return rules.Suggest(&c.Message, rules.Facts(&c.Message, nil), c.Judged, route, names)
	}
	for _, tt := range []struct {
		route  dlq.Route
		reason string
		want   Suggestion
	}{
		{dlq.RouteManual, "r1", Suggestion{Name: "r1 of group-1 2", Match: [][2]string{{"reason", "r1"}, {"consumer_group", "group-1"}}, Route: "manual", Before: 1}},
		{dlq.RouteRetry, "x", Suggestion{Name: "x of group-1", Match: [][2]string{{"reason", "x"}, {"consumer_group", "group-1"}}, Route: "retry", Clause: "retry: {delay: 5m, backoff: 2, max: 3, max_delay: 2h}", Before: 0}},
		{dlq.RouteCompensate, "y", Suggestion{Name: "y of group-1", Match: [][2]string{{"reason", "y"}, {"consumer_group", "group-1"}}, Route: "compensate", Clause: "compensate: settle", Before: 1}},
		{dlq.RouteDiscard, "", Suggestion{Name: "unknown of group-1 from topic-1", Match: [][2]string{{"reason", "unknown"}, {"consumer_group", "group-1"}, {"topic", "topic-1"}}, Route: "discard", Clause: `discard: {allow: true, note: ""}`, Before: 1}},
	} {
		got, err := ask(tt.route, tt.reason, "settle", "other")
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", tt.route, err, diff)
		}
	}
	if _, err := ask(dlq.RouteCompensate, "y"); dlq.CodeOf(err) != dlq.CodeRefused {
		t.Errorf("without compensations: %v", err)
	}
	long, err := ask(dlq.RouteManual, strings.Repeat("长", 150))
	if err != nil || len([]rune(long.Name)) != 100 {
		t.Errorf("%d characters, %v", len([]rune(long.Name)), err)
	}
}

func TestCompileText(t *testing.T) {
	if rules, found := CompileText([]byte("version: 1\nrules: [{name: a, route: manual}]\n")); rules == nil || len(found) != 0 {
		t.Errorf("%v", found)
	}
	for _, text := range []string{"rules: [", "rules: [{}]", "a: &b c"} {
		if rules, found := CompileText([]byte(text)); rules != nil || len(found) == 0 || found[0].EndColumn == 0 {
			t.Errorf("%q: %v", text, found)
		}
	}
}

// BenchmarkBacktest judges letters by two sets of a hundred rules; ns/op is for one letter.
func BenchmarkBacktest(b *testing.B) {
	rules, list := hundred(b), candidates(1000)
	body := benchMessage().Body
	for i := range list {
		list[i].Message.Body = body
	}
	test := NewBacktest(rules, hundred(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := test.Judge(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/letter")
}
