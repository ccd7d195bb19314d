package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"deadletteroffice/alerts"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/rulebook"
	"deadletteroffice/rulebook/yamlnode"
	"deadletteroffice/store"
)

// manyRules is a file of 2000 rules, nearly as large as one may be, with literal secrets.
func manyRules() string {
	var b strings.Builder
	b.WriteString("version: 1\nreceivers:\n")
	for i := range 50 {
		fmt.Fprintf(&b, "  r%d: {type: webhook, url: 'https://x.example/hook/%032x', secret: \"whsec_%044x\"} # key=%032x\n", i, i, i, i)
	}
	b.WriteString("rules:\n")
	for i := range 2000 {
		fmt.Fprintf(&b, `  - name: rule number %d
    match:
      consumer_group: group-%d
      any: [{reason: [a, b, c]}, {business: [payment, order]}]
      body.order.lines.0.sku: {glob: "x-%d*"}
    route: retry
    retry: {delay: 5m, backoff: 2, max: 3, max_delay: 2h}
    # why this rule stands here is told in a comment of some length, as people write them
`, i, i, i)
	}
	return b.String()
}

// hostileTexts are texts that cost a reader of YAML much more than their size.
func hostileTexts() map[string]string {
	nest := func(open, close string, n int) string {
		return strings.Repeat(open, n) + "x" + strings.Repeat(close, n)
	}
	many := func(s string, weight int) string {
		return strings.Repeat(s, min(yamlnode.MaxSize/len(s), 89_000/weight))
	}
	var block strings.Builder
	for i := range 1000 {
		block.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	var own strings.Builder
	for i := range 44_000 {
		fmt.Fprintf(&own, "%d:\n", i)
	}
	texts := map[string]string{
		"in brackets":            nest("[", "]", 9_000),
		"beyond any reader":      strings.Repeat("[", 500_000),
		"mappings":               nest("{a: ", "}", 9_000),
		"wide and deep":          nest("{a: [b, c, d], e: ", "}", 9_000),
		"lists on one line":      strings.Repeat("- ", 9_000) + "x",
		"question marks":         strings.Repeat("? ", 9_000) + "x",
		"lines deeper and more":  block.String(),
		"commas":                 "[" + many("a,", 2) + "a]",
		"lists":                  "[" + many("[],", 2) + "a]",
		"keys":                   "{" + many("a,", 2) + "a}",
		"keys on lines":          many("a:\n", 2),
		"keys of their own":      own.String(),
		"dashes":                 many("-\n", 1),
		"comments":               many("#\n", 5) + "a: b\n",
		"comments behind values": many("a: #\n", 6),
		"comments in a list":     many("- #\n", 5),
		"anchors":                many("- &a\n", 1),
		"aliases":                "a: &a b\nc: [" + many("*a,", 2) + "]",
		"tags":                   many("- !a\n", 1),
		"a long text":            "a: \"" + strings.Repeat("x", yamlnode.MaxSize-100) + "\"\n",
		"escapes":                "a: \"" + strings.Repeat(`\n`, yamlnode.MaxSize/2-100) + "\"\n",
		"a mistake at the end":   "[" + many("a,", 2) + "\n}",
		"colons":                 strings.Repeat(":", yamlnode.MaxSize-100),
		"secrets":                many("secret: x\n", 2),
		"hidden":                 many("- "+rulebook.Redacted+"\n", 1),
		"hidden in comments":     many("# key="+rulebook.Redacted+"\n", 5) + "a: b\n",
		"rules":                  "version: 1\nrules: [" + many("{},", 2) + "{}]\n",
		"rules of nothing":       "version: 1\nrules: [" + many("{name: a},", 3) + "{}]\n",
		"unknown keys":           "version: 1\nrules:\n  - " + many("a: b\n    ", 2) + "\n",
		"2000 rules":             manyRules(),
	}
	for name, text := range texts { // something to put back has the whole text walked
		texts[name] = text + "\n# secret: " + rulebook.Redacted + "\n"
	}
	return texts
}

// above runs f and returns the most memory that the process had meanwhile above what it had before, in MB, as Linux
// counts it.
func above(t *testing.T, f func()) float64 {
	t.Helper()
	memory := func(name string) float64 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), name+":")
		text, _, _ := strings.Cut(rest, " kB")
		kb, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			t.Fatal(err)
		}
		return kb / 1024
	}
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // begins to look for the most anew
		t.Skip("this system does not tell the most memory that a process had: ", err)
	}
	idle := memory("VmRSS")
	f()
	return memory("VmHWM") - idle
}

// Whatever text is checked, edited or tried, it takes less than 64 MB above what the idle process has. It runs in a
// process of its own, whose highest memory is its alone.
func TestHostileRulesTakeLittleMemory(t *testing.T) {
	const alone = "DLQ_TEST_HOSTILE_RULES"
	if os.Getenv(alone) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileRulesTakeLittleMemory$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(path, []byte(manyRules()), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "dlq.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	env := environment{get: func(string) string { return "" }}
	book := rulebook.New(rulebook.Options{Path: path, Versions: kept, Logger: slog.New(slog.DiscardHandler),
		Owners: owners(classifier.NewLive(), &handlers.LiveCompensations{}, alerts.NewLive(alerts.LiveOptions{}), env)})
	if err := book.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := book.Current(); now.Refused != nil {
		t.Fatalf("2000 rules are refused: %+v", now.Refused.Diagnostics)
	}
	for name, text := range hostileTexts() {
		var found []dlq.Diagnostic
		took := above(t, func() {
			if found, err = book.Check(t.Context(), text, true); err != nil {
				t.Fatal(err)
			}
			rulebook.OutlineOf(text)
		})
		t.Logf("%s, %d bytes: %.1f MB, %d findings", name, len(text), took, len(found))
		if took >= 64 {
			t.Errorf("%s: it took %.1f MB above what the idle process has", name, took)
		}
		if !yamlnode.HasErrors(found) {
			t.Errorf("%s is good", name)
		}
	}
}
