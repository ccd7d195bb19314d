package classifier

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

func TestWithoutRulesEverythingIsManual(t *testing.T) {
	l := NewLive()
	m := letter{Group: "g", Properties: map[string]string{"FAILURE_REASON": "network_timeout"}}.message()
	f, v := l.Judge(m, nil, dlq.Judgement{Now: now})
	if f.Reason != "network_timeout" || v.Route != dlq.RouteManual || v.Rule != "" || v.RuleVersion != 0 {
		t.Errorf("facts %+v, verdict %+v", f, v)
	}
	if p := l.Automation(); time.Duration(p.MaxAge) != time.Hour || p.Rate != 10 {
		t.Errorf("automation %+v", p)
	}
	if l.Rules() == nil || len(l.Rules()) != 0 {
		t.Errorf("rules %v", l.Rules())
	}
}

// What happens to one letter's verdict does not change the next one's.
func TestVerdictsShareNothing(t *testing.T) {
	r := mustCompile(t, `
rules:
  - {name: a, match: {reason: a}, route: retry, manual: {labels: [x]}}
  - {name: b, route: compensate, compensate: settle}
compensations: {settle: {url: "https://example"}}
`)
	m := letter{Properties: map[string]string{"FAILURE_REASON": "a"}}.message()
	_, v := r.Judge(m, nil, dlq.Judgement{})
	v.Labels[0], v.Retry.Max = "spoiled", -1
	if _, again := r.Judge(m, nil, dlq.Judgement{}); again.Labels[0] != "x" || again.Retry.Max != 3 {
		t.Errorf("the next verdict is spoiled: %+v", again)
	}
	_, v = r.Judge(letter{}.message(), nil, dlq.Judgement{})
	v.Compensation.Disabled = true
	if _, again := r.Judge(letter{}.message(), nil, dlq.Judgement{}); again.Compensation.Disabled {
		t.Error("the next compensation is disabled")
	}
}

func TestBodiesThatAreNotJSON(t *testing.T) {
	r := mustCompile(t, "rules: [{name: a, match: {body.failure_reason: x}, route: retry}, {name: b, route: manual}]")
	good := `{"failure_reason":"x"}`
	for _, tt := range []struct {
		body  string
		state dlq.BodyState
		want  string
	}{
		{good, dlq.BodyPlain, "a"},
		{good, dlq.BodyInflated, "a"},
		{"\xef\xbb\xbf" + good, dlq.BodyPlain, "a"},
		{good, dlq.BodyUndecoded, "b"},
		{good, dlq.BodyOverLimit, "b"},
		{good + "}", dlq.BodyPlain, "b"},
		{good[:len(good)-1], dlq.BodyPlain, "b"},
		{"", dlq.BodyPlain, "b"},
		{"null", dlq.BodyPlain, "b"},
		{"[]", dlq.BodyPlain, "b"},
		{strings.Repeat("[", 3<<20), dlq.BodyPlain, "b"},
		{strings.Repeat(`{"failure_reason":`, 1<<20) + "1" + strings.Repeat("}", 1<<20), dlq.BodyPlain, "b"},
		{"{\"failure_reason\":\"\xff\"}", dlq.BodyPlain, "b"},
	} {
		m := &dlq.DeadMessage{Body: []byte(tt.body), BodyState: tt.state}
		if f, v := r.Judge(m, nil, dlq.Judgement{}); v.Rule != tt.want || (f.Reason == "x") != (tt.want == "a") {
			t.Errorf("%.40q (%s): rule %s, reason %q", tt.body, tt.state, v.Rule, f.Reason)
		}
	}
}

// Whatever a message holds, its facts are short, valid UTF-8, and of one line where they are codes.
func TestFactsAreBounded(t *testing.T) {
	r := mustCompile(t, "rules: [{name: a, route: manual}]")
	long := strings.Repeat("长", 10_000) + "\xff"
	m := letter{Properties: map[string]string{"FAILURE_REASON": "first\nsecond " + long, "FAILURE_DETAIL": long, "BUSINESS_TYPE": long}}.message()
	f := r.Facts(m, nil)
	if f.Reason != "first" || len(f.ReasonText) > maxText || len(f.Business) > maxReason || strings.ToValidUTF8(f.ReasonText+f.Business, "") != f.ReasonText+f.Business {
		t.Errorf("reason %q, text of %d bytes, business of %d bytes", f.Reason, len(f.ReasonText), len(f.Business))
	}
}

// A clause that looks at 16 KiB of a huge value does not see what comes later, and is quick.
func TestPatternsLookAtABoundedText(t *testing.T) {
	r := mustCompile(t, `rules: [{name: a, match: {body.x: {regex: "(a+)+$"}}, route: manual}, {name: b, match: {body.x: {suffix: end}}, route: manual}]`)
	body := `{"x":"` + strings.Repeat("ab", 2<<20) + `end"}`
	start := time.Now()
	if _, v := r.Judge(&dlq.DeadMessage{Body: []byte(body)}, nil, dlq.Judgement{}); v.Rule != "b" {
		t.Errorf("rule %q", v.Rule)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("a letter of 4 MiB took %s", took)
	}
}

func TestLiveIsSafeForConcurrentUse(t *testing.T) {
	l := NewLive()
	versions := []*Ruleset{
		mustCompile(t, "rules: [{name: one, route: manual}]"),
		mustCompile(t, "rules: [{name: two, match: {body.a: 1}, route: manual}]"),
	}
	m := letter{Body: json.RawMessage(`{"a":1}`)}.message()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if v := l.Classify(m, l.Facts(m, nil), dlq.Judgement{}); v.RuleVersion != 0 && v.Rule != []string{"one", "two"}[v.RuleVersion-1] {
					t.Errorf("rule %q of version %d", v.Rule, v.RuleVersion)
				}
			}
		})
	}
	for i := range 2000 {
		l.Swap(int64(i%2+1), versions[i%2])
	}
	wg.Wait()
}

func TestTooManyRules(t *testing.T) {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 5_000 {
		fmt.Fprintf(&b, "- {name: n%d, match: {reason: r%d}, route: manual}\n", i, i)
	}
	start := time.Now()
	rules, found := compileText(b.String())
	if rules != nil || len(found) != 1 || found[0].Code != CodeTooManyRules || found[0].Line != MaxRules+2 {
		t.Errorf("%s", showFindings(found))
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

// A file that is made to keep the checker busy is checked up to a bound, and a hint says where it stopped.
func TestReachIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "- {name: n%d, match: {any: [", i)
		for k := range 12 {
			fmt.Fprintf(&b, "{topic: t%d, tags: x%d}, ", i*100+k, k)
		}
		b.WriteString("]}, route: manual}\n")
	}
	root, _ := yamlnode.Parse([]byte(b.String()))
	rules, found := compileBounded(root, 10_000)
	if rules == nil || len(found) != 1 || found[0].Code != CodeReachUnknown || found[0].Line < 20 {
		t.Errorf("%s", showFindings(found))
	}
}

// Whatever follows from covering is true: a letter of a covered rule never reaches it.
func FuzzReach(f *testing.F) {
	f.Add("reason: a", "reason: [a, b]", "a", "t", int8(1))
	f.Add("attempts: {gt: 3}", "attempts: {gte: 4}", "b", "t", int8(4))
	f.Add("not: {reason: {prefix: a}}", "not: {reason: ab}", "ab", "t", int8(0))
	f.Add("any: [{reason: a}, {topic: t}]", "body.n: 3", "3.0", "t", int8(0))
	f.Fuzz(func(t *testing.T, first, second, reason, topic string, attempts int8) {
		text := "rules:\n- {name: first, match: {" + first + "}, route: manual}\n- {name: second, match: {" + second + "}, route: manual}\n"
		rules, _ := compileText(text)
		if rules == nil || len(rules.rules) != 2 || rules.rules[1].info.CoveredBy == "" {
			return
		}
		body, err := json.Marshal(map[string]any{"n": reason})
		if err != nil {
			t.Fatal(err)
		}
		m := letter{Topic: topic, Attempts: int(attempts), Body: body, Properties: map[string]string{"FAILURE_REASON": reason, "TAGS": topic, "KEYS": reason}}.message()
		if _, v := rules.Judge(m, nil, dlq.Judgement{Now: now}); v.Rule == "second" {
			t.Errorf("%s\nreason %q topic %q attempts %d reaches the covered rule", text, reason, topic, attempts)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"rules: [{name: a, match: {all: [{not: {any: [{reason: x}]}}]}, route: discard, discard: {allow: true, note: n}}]",
		"facts: {reason: [body.a.b, 'property.\"x.y\"', report]}\nenvelopes: [{name: e, topic: t, body: b, encoding: json}]\nrules: []",
		"rules:\n- {name: a, match: {age: {gt: 1h}, size: {lt: 64KB}, body.n: {gte: 1e9}, tags: [x, y], topic: {glob: 'a*[!b]?'}}, route: retry}",
		"a: &a [*a]\n", "<<: {a: b}\n", "\xef\xbb\xbfversion: 1", "a: !!binary x", "- x", "? {a: b}\n: c\n", "a: |\n  x\n b", "{a: [}", "\"a\\", "%YAML 1.2\n---\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, found := yamlnode.Parse([]byte(text))
		var rules *Ruleset
		if root != nil {
			var more []dlq.Diagnostic
			rules, more = Compile(root)
			found = append(found, more...)
			if rules == nil && !yamlnode.HasErrors(more) {
				t.Error("nothing compiled and no error says why")
			}
		}
		checkPlaces(t, text, yamlnode.Finish([]byte(text), found))
		if rules != nil {
			m := letter{Group: "g", Topic: "t", Body: json.RawMessage(text)}.message()
			fact := rules.Facts(m, nil)
			if got, want := rules.Explain(m, fact, dlq.Judgement{Now: now}).Verdict.Rule, rules.Classify(m, fact, dlq.Judgement{Now: now}).Rule; got != want {
				t.Errorf("explained %q, classified %q", got, want)
			}
		}
	})
}

// checkPlaces checks that every finding stands inside the text and says something in both languages.
func checkPlaces(t *testing.T, text string, found []dlq.Diagnostic) {
	t.Helper()
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 1
	for _, d := range found {
		if d.Line < 1 || d.Column < 1 || d.EndLine < d.Line || d.EndLine > lines || d.EndLine == d.Line && d.EndColumn < d.Column {
			t.Errorf("%+v is not inside the text of %d lines", d, lines)
		}
		if d.Code == "" || d.Message.English == "" || d.Message.Chinese == "" || strings.Contains(d.Message.English+d.Message.Chinese, "%!") {
			t.Errorf("%+v says nothing", d)
		}
	}
}

// A node tree that did not come from Parse is compiled without a panic.
func TestCompileTakesAnyTree(t *testing.T) {
	for _, root := range []*yaml.Node{nil, {}, {Kind: yaml.SequenceNode}, {Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "rules"}}}} {
		if _, found := Compile(root); root != nil && root.Kind == yaml.SequenceNode && !yamlnode.HasErrors(found) {
			t.Errorf("%+v compiled", root)
		}
	}
}
