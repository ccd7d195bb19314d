package classifier

import (
	"context"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

func TestPatternsHaveACost(t *testing.T) {
	file := func(patterns ...string) string {
		var b strings.Builder
		b.WriteString("rules:\n")
		for i, p := range patterns {
			fmt.Fprintf(&b, "- {name: r%d, match: {reason_text: {regex: '%s'}}, route: manual}\n", i, p)
		}
		return b.String() + "- {name: rest, route: manual}\n"
	}
	many := make([]string, 180)
	for i := range many {
		many[i] = fmt.Sprintf(".{%d}x", 400+i%2)
	}
	honest := make([]string, 600)
	for i := range honest {
		honest[i] = fmt.Sprintf(`order %d of \w+ timed out after \d+ms`, i)
	}
	for _, tt := range []struct {
		name, text string
		codes      string // of errors, with their lines
	}{
		{"a repeat of what may be empty", file("(?:a?){990}"), "pattern-cost@2"},
		{"four of them", file("(?:a?){990}", "(?:a?){990}", "(?:a?){990}", "(?:a?){990}", "b"), "pattern-cost@2 pattern-cost@3 pattern-cost@4 pattern-cost@5"},
		{"classes", file(`[\p{Han}a-z]{1,900}`), "pattern-cost@2"},
		{"nested", file("((a{10}){10}){9}"), "pattern-cost@2"},
		{"many that are each allowed", file(many...), "pattern-cost@150"},
		{"a long one", file(strings.Repeat("x", maxPattern+1)), "bad-regex@2"},
		{"a glob of many stars", "rules: [{name: a, match: {topic: {glob: '" + strings.Repeat("a*", 300) + "'}}, route: manual}]", "pattern-cost@1"},
		{"honest ones", file(honest...), ""},
	} {
		var got []string
		rules, found := CompileText([]byte(tt.text))
		for _, d := range found {
			if d.Severity == dlq.DiagnosticError {
				got = append(got, fmt.Sprintf("%s@%d", d.Code, d.Line))
			}
		}
		if strings.Join(got, " ") != tt.codes || (rules == nil) != (tt.codes != "") {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// A letter on which patterns would take too long goes to a person, says so, and costs no more than its steps.
func TestALetterCostsABoundedNumberOfSteps(t *testing.T) {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range 40 {
		fmt.Fprintf(&b, "- {name: r%d, match: {body.x: {regex: '(?:[ab]?){%d}c$'}}, route: retry}\n", i, 200+i)
	}
	b.WriteString("- {name: rest, match: {not: {body.x: {regex: '(?:[ab]?){200}d$'}}}, route: discard, discard: {allow: true, note: n}}\n")
	r := mustCompile(t, b.String())
	bad := &dlq.DeadMessage{Body: []byte(`{"x":"cd` + strings.Repeat("ab", 8<<10) + `"}`)}
	f, v := r.Judge(bad, nil, dlq.Judgement{})
	if v.Rule != "" || v.Route != dlq.RouteManual || !v.OverBudget {
		t.Errorf("%+v", v)
	}
	s := subject{rules: r, m: bad, facts: &f, steps: letterSteps}
	if s.classify(); !s.spent() || s.steps < -maxCost*(longestForPattern+1) {
		t.Errorf("%d steps are left", s.steps)
	}
	if e := r.Explain(bad, f, dlq.Judgement{}); !e.Verdict.OverBudget || len(e.Rules) == 0 || len(e.Rules) > 40 {
		t.Errorf("%+v after %d rules", e.Verdict, len(e.Rules))
	}
	// One without what every pattern needs costs nothing.
	good := &dlq.DeadMessage{Body: []byte(`{"x":"` + strings.Repeat("ab", 8<<10) + `"}`)}
	if _, v := r.Judge(good, nil, dlq.Judgement{}); v.Rule != "rest" || v.OverBudget {
		t.Errorf("%+v", v)
	}
}

// A backtest stops at the letter at which its caller leaves.
func TestABacktestStopsWhenItsCallerLeaves(t *testing.T) {
	r := mustCompile(t, "rules: [{name: a, route: manual}]")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, n := range []int{3, 1000} {
		shifts, err := NewBacktest(r, r).Judge(ctx, make([]dlq.Candidate, n))
		if err == nil || shifts[0] != (Shift{}) {
			t.Errorf("%d letters: %v, %+v", n, err, shifts[0])
		}
	}
}

func TestNeeds(t *testing.T) {
	for pattern, want := range map[string]string{
		"abc": "abc", "a(bcd)+e": "bcd", "(?i)abc": "", "abc|de": "abc|de", "abc|.": "", "x*abc": "abc", "(abc)?d": "d", "(abc){2,}": "abc", "(abc){0,2}": "",
		"\uFFFD": "", ".": "", "": "", "timeout after \\d+ms": "timeout after ",
	} {
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(needs(tree), "|"); got != want {
			t.Errorf("%q needs %q, want %q", pattern, got, want)
		}
	}
}

// Whatever matches holds one of the texts that the pattern needs.
func FuzzNeeds(f *testing.F) {
	for _, s := range [][2]string{{"a(b|cd)+e", "acdbe"}, {"(?s)x.*y|z{2}", "zz"}, {`\x{FFFD}`, "\xff"}, {"(?i)k", "\u212a"}, {"a?b", "b"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil || len(pattern) > 200 || len(text) > 1000 {
			return
		}
		needed := needs(tree)
		re, err := regexp.Compile(pattern)
		if err != nil || needed == nil || !re.MatchString(text) {
			return
		}
		for _, part := range needed {
			if strings.Contains(text, part) {
				return
			}
		}
		t.Errorf("%q matches %q, which holds none of %q", pattern, text, needed)
	})
}

// Whatever is compiled, its rules cost a letter no more than its steps, and the compiler takes no more than its own.
func FuzzHostilePatterns(f *testing.F) {
	for _, s := range []string{"(?:a?){990}", "(a|b|ab)*c", `(\w+\s?)+$`, "a{500}", `[^\x00]{600}`, "(((a*)*)*)*"} {
		f.Add(s, "ab ba")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		root, _ := yamlnode.Parse(fmt.Appendf(nil, "rules: [{name: a, match: {body.x: {regex: %q}}, route: manual}, {name: b, match: {body.x: %q}, route: manual}]", pattern, text))
		if root == nil {
			return
		}
		rules, _ := Compile(root)
		if rules == nil {
			return
		}
		s := subject{rules: rules, m: &dlq.DeadMessage{Body: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat(text+"x", 100))}, facts: &dlq.Facts{}, steps: letterSteps}
		if s.classify(); s.steps < -maxCost*(longestForPattern+1) {
			t.Errorf("%q took %d steps", pattern, letterSteps-s.steps)
		}
	})
}
