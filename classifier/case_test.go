package classifier

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

var update = flag.Bool("update", false, "write what is seen into testdata/*.case")

// separator stands between the parts of a case: a rules file, letters (JSON objects, one a line), what is expected.
const separator = "\n------------------------------\n"

// now is when every letter of a case is judged.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// letter is how a case writes a dead message down.
type letter struct {
	Group      string            `json:"group"`
	Topic      string            `json:"topic"`
	Cluster    string            `json:"cluster"`
	Properties map[string]string `json:"properties"`
	Body       json.RawMessage   `json:"body"` // as it is
	Text       string            `json:"text"` // a body that is not JSON
	Attempts   int               `json:"attempts"`
	Deaths     int               `json:"deaths"`
	Replays    int               `json:"replays"`
	Age        dlq.Duration      `json:"age"`
	Report     *dlq.Report       `json:"report"`
}

func (l letter) message() *dlq.DeadMessage {
	m := &dlq.DeadMessage{ConsumerGroup: l.Group, OriginalTopic: l.Topic, Properties: l.Properties, Body: l.Body, ReconsumeTimes: l.Attempts}
	m.Cluster, m.Topic, m.StoredAt = l.Cluster, dlq.DLQPrefix+l.Group, now.Add(-time.Duration(l.Age))
	if l.Text != "" {
		m.Body = []byte(l.Text)
	}
	return m
}

func (l letter) judgement() dlq.Judgement {
	return dlq.Judgement{Now: now, Deaths: max(l.Deaths, 1), Replays: l.Replays}
}

func compileText(text string) (*Ruleset, []dlq.Diagnostic) {
	root, found := yamlnode.Parse([]byte(text))
	if root == nil {
		return nil, yamlnode.Finish([]byte(text), found)
	}
	rules, more := Compile(root)
	found = yamlnode.Finish([]byte(text), append(found, more...))
	if yamlnode.HasErrors(found) {
		return nil, found
	}
	return rules, found
}

func mustCompile(t testing.TB, text string) *Ruleset {
	t.Helper()
	rules, found := compileText(text)
	if rules == nil {
		t.Fatalf("the rules do not compile: %s", showFindings(found))
	}
	return rules
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.case")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".case"), func(t *testing.T) { runCase(t, file) })
	}
}

func runCase(t *testing.T, file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(content), separator)
	if len(parts) < 2 {
		t.Fatalf("%s has no line of dashes", file)
	}
	text := parts[0] + "\n"
	if path, ok := strings.CutPrefix(text, "include "); ok {
		shipped, err := os.ReadFile(strings.TrimSpace(path))
		if err != nil {
			t.Fatal(err)
		}
		text = string(shipped)
	}
	rules, found := compileText(text)
	var got strings.Builder
	got.WriteString(showFindings(found))
	if rules != nil {
		got.WriteString("compiled\n")
		for line := range strings.SplitSeq(strings.TrimSpace(parts[1]), "\n") {
			if line != "" {
				got.WriteString(judge(t, rules, line))
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(parts[0]+separator+strings.TrimSpace(parts[1])+separator+got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if len(parts) != 3 {
		t.Fatalf("%s expects nothing; write it with -update and read it", file)
	}
	if diff := cmp.Diff(parts[2], got.String()); diff != "" {
		t.Errorf("%s: expected -, seen +\n%s", file, diff)
	}
}

// judge writes down what the rules say of a letter, and checks that all ways to ask agree.
func judge(t *testing.T, rules *Ruleset, line string) string {
	t.Helper()
	var l letter
	dec := json.NewDecoder(strings.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		t.Fatalf("letter %s: %v", line, err)
	}
	m, j := l.message(), l.judgement()
	if l.Report != nil {
		l.Report.Bound = true
	}
	f := rules.Facts(m, l.Report)
	e := rules.Explain(m, f, j)
	if diff := cmp.Diff(e.Verdict, rules.Classify(m, f, j)); diff != "" {
		t.Errorf("Explain and Classify differ: %s", diff)
	}
	bothFacts, bothVerdict := rules.Judge(m, l.Report, j)
	if diff := cmp.Diff(f, bothFacts) + cmp.Diff(e.Verdict, bothVerdict); diff != "" {
		t.Errorf("Judge differs from Facts and Classify: %s", diff)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n  facts   %s", line, encode(t, f))
	if body, topic, wrapped, err := rules.Unwrap(m); wrapped {
		fmt.Fprintf(&b, "  unwraps %q %q %v\n", topic, body, err)
	}
	fmt.Fprintf(&b, "  verdict %s", encode(t, e.Verdict))
	traces := e.Rules
	if len(traces) > 6 { // the last one is what the case is about
		fmt.Fprintf(&b, "  (%d rules before)\n", len(traces)-1)
		traces = traces[len(traces)-1:]
	}
	for _, r := range traces {
		fmt.Fprintf(&b, "  %s %d %s\n", mark(r.Matched), r.Line, r.Rule)
		for _, c := range r.Clauses {
			indent := strings.Repeat("  ", c.Depth+2)
			if c.Group != "" {
				fmt.Fprintf(&b, "%s%s %s\n", indent, mark(c.OK), c.Group)
				continue
			}
			got := "(missing)"
			if c.Have {
				got = strings.Join(c.Got, " ")
			}
			fmt.Fprintf(&b, "%s%s %s %s %q: %s\n", indent, mark(c.OK), c.Field, c.Op, c.Want, got)
		}
	}
	return b.String()
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

func encode(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func showFindings(found []dlq.Diagnostic) string {
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintf(&b, "%d:%d-%d:%d %s %s", d.Line, d.Column, d.EndLine, d.EndColumn, d.Severity, d.Code)
		if d.Rule != "" {
			fmt.Fprintf(&b, " [%s]", d.Rule)
		}
		fmt.Fprintf(&b, "\n    %s\n    %s\n", d.Message.English, d.Message.Chinese)
		if d.Suggestion != "" {
			fmt.Fprintf(&b, "    → %s\n", strings.ReplaceAll(d.Suggestion, "\n", "⏎"))
		}
	}
	return b.String()
}
