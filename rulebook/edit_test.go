package rulebook

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

const blockRules = `version: 1
rules:
  # about a
  - name: a   # why
    match: {reason: x}
    route: manual
  # about b
  - route: retry
    name: "b: two"

  - {name: c, route: manual} # c
alerts:
  - name: a
    signal: open_letters
    # inside
    off: true # until Monday
# behind
receivers: {}
`

func TestOutline(t *testing.T) {
	want := Outline{
		Rules:     []Entry{{"a", "manual", 4, 6, false}, {"b: two", "retry", 8, 9, false}, {"c", "manual", 11, 11, false}},
		Alerts:    []Entry{{"a", "open_letters", 13, 16, true}},
		Receivers: nil,
	}
	if diff := cmp.Diff(want, OutlineOf(blockRules)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, OutlineOf(strings.ReplaceAll(blockRules, "\n", "\r\n"))); diff != "" {
		t.Error("with Windows lines:", diff)
	}
	for _, text := range []string{"", "rules: [", "rules: x", "- a", "rules: [1, [2], {name: {}}]"} {
		OutlineOf(text)
	}
	got := OutlineOf("rules:\n-\n  name: a\n-\n  name: b\n  route: x\n")
	if diff := cmp.Diff([]Entry{{"a", "", 2, 3, false}, {"b", "x", 4, 6, false}}, got.Rules); diff != "" {
		t.Error(diff)
	}
}

func TestSwitch(t *testing.T) {
	for _, tt := range []struct {
		name, section, rule, old, new string
		line                          int
	}{
		{"block", "rules", "a", "  - name: a   # why\n", "  - name: a   # why\n    off: true\n", 4},
		{"the name comes second", "rules", "b: two", "    name: \"b: two\"\n", "    name: \"b: two\"\n    off: true\n", 8},
		{"brackets", "rules", "c", "{name: c, route", "{name: c, off: true, route", 11},
		{"a comment stays", "alerts", "a", "off: true # until Monday", "off: false # until Monday", 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			on := strings.HasPrefix(tt.old, "off: true")
			got, err := Switch(blockRules, tt.section, tt.rule, !on)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(blockRules, tt.old, tt.new, 1), got.Text); diff != "" || got.Line != tt.line {
				t.Errorf("line %d\n%s", got.Line, diff)
			}
			back, err := Switch(got.Text, tt.section, tt.rule, on)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(blockRules, back.Text); diff != "" {
				t.Errorf("switched back: %s", diff)
			}
			windows, err := Switch(strings.ReplaceAll(blockRules, "\n", "\r\n"), tt.section, tt.rule, !on)
			if diff := cmp.Diff(strings.ReplaceAll(got.Text, "\n", "\r\n"), windows.Text); diff != "" || err != nil {
				t.Errorf("Windows lines: %v %s", err, diff)
			}
		})
	}
	if _, err := Switch(blockRules, "rules", "d", true); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Error(err)
	}
	if _, err := Switch("rules: [", "rules", "d", true); dlq.CodeOf(err) != dlq.CodeRefused {
		t.Error(err)
	}
	if _, err := Switch("rules: [{name: d, off: 'x'}]", "rules", "d", true); dlq.CodeOf(err) != dlq.CodeRefused {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"rules: [{route: manual, name: d}]\n":                "rules: [{route: manual, off: true, name: d}]\n",
		"rules:\n- name: d":                                  "rules:\n- name: d\n  off: true",
		"rules:\n- name: >-\n    d\n  route: x\n":            "rules:\n- name: >-\n    d\n  off: true\n  route: x\n",
		"rules: [{name: d, off: false, route: x}]\n":         "rules: [{name: d, off: true, route: x}]\n",
		"rules:\n- off: false\n  name: d\n":                  "rules:\n- off: true\n  name: d\n",
		"rules:\n- {name: d,\n   match: {a: b},\n   x: y}\n": "rules:\n- {name: d,\n   off: true, match: {a: b},\n   x: y}\n",
	} {
		if got, err := Switch(text, "rules", "d", true); err != nil || got.Text != want {
			t.Errorf("%q: %v\n got %q\nwant %q", text, err, got.Text, want)
		}
	}
}

func TestInsert(t *testing.T) {
	rule := NewRule{Name: "new: one", Match: [][2]string{{"reason", "a, b"}, {"consumer_group", "pay-service"}}, Route: dlq.RouteRetry, Clause: "retry: {delay: 5m}"}
	block := "name: \"new: one\"\n    match: {reason: \"a, b\", consumer_group: pay-service}\n    route: retry\n    retry: {delay: 5m}\n"
	brackets := `{name: "new: one", match: {reason: "a, b", consumer_group: pay-service}, route: retry, retry: {delay: 5m}}`
	for _, tt := range []struct {
		name       string
		text, want string
		before     int
		line       int
	}{
		{"before the first, above its comment", blockRules, strings.Replace(blockRules, "  # about a\n", "  - "+block+"  # about a\n", 1), 0, 3},
		{"in the middle", blockRules, strings.Replace(blockRules, "  # about b\n", "  - "+block+"  # about b\n", 1), 1, 7},
		{"before one in brackets", blockRules, strings.Replace(blockRules, "  - {name: c", "  - "+brackets+"\n\n  - {name: c", 1), 2, 11},
		{"behind the last", blockRules, strings.Replace(blockRules, "# c\n", "# c\n\n  - "+brackets+"\n", 1), -1, 13},
		{"a list in brackets", "rules: [{name: c, route: manual}]\n", "rules: [" + brackets + ", {name: c, route: manual}]\n", 0, 1},
		{"behind a list in brackets", "rules: [{name: \"}\", match: {x: it's, y: 'o''}k'}}]\n", "rules: [{name: \"}\", match: {x: it's, y: 'o''}k'}}, " + brackets + "]\n", -1, 1},
		{"brackets on lines of their own", "rules: [\n  {name: c}\n]\n", "rules: [\n  " + brackets + ",\n  {name: c}\n]\n", 0, 2},
		{"wide dashes and a match on lines", "rules:\n-   name: a\n    match:\n      reason: x\n    route: manual\n",
			"rules:\n-   name: \"new: one\"\n    match:\n      reason: \"a, b\"\n      consumer_group: pay-service\n    route: retry\n    retry: {delay: 5m}\n-   name: a\n    match:\n      reason: x\n    route: manual\n", 0, 2},
		{"an empty list", "version: 1\nrules: []\n", "version: 1\nrules: [" + brackets + "]\n", -1, 2},
		{"nothing behind the key", "rules: # none yet\nversion: 1\n", "rules: # none yet\n  - " + block + "version: 1\n", -1, 2},
		{"no key", "version: 1", "version: 1\nrules:\n  - " + strings.TrimSuffix(block, "\n"), 0, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Insert(tt.text, tt.before, rule)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Text); diff != "" || got.Line != tt.line {
				t.Errorf("line %d\n%s", got.Line, diff)
			}
			d, ok := parseDocument(got.Text)
			if !ok {
				t.Fatal("no YAML any more")
			}
			found := false
			for _, n := range d.members(SectionRules) {
				if nameOf(n) == rule.Name {
					found = valueOf(valueOf(n, "match"), "reason").Value == "a, b" && valueOf(n, "route").Value == "retry"
				}
			}
			if !found {
				t.Error("the rule is not there, or other than meant")
			}
		})
	}
	for _, text := range []string{"- a\n", "rules: [\n", "{version: 1}", "rules: x\n", "rules: ~\n", "rules: [\n# ]\n]\n"} {
		if got, err := Insert(text, 0, rule); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("%q: %v %q", text, err, got.Text)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"pay-service": "pay-service", "网络超时": "网络超时", "java.net.ConnectException": "java.net.ConnectException", "a b": "a b",
		"true": `"true"`, "null": `"null"`, "on": `"on"`, "42": `"42"`, "1e3": `"1e3"`, ".inf": `".inf"`, "": `""`, " a": `" a"`, "a: b": `"a: b"`, "a #b": `"a #b"`,
		"a\nb": `"a\nb"`, `"`: `"\""`, "•": `"•"`, "-": `"-"`, "2026-01-01": `"2026-01-01"`, "<x>": `"<x>"`, "a,b": `"a,b"`,
	} {
		if got := quote(s); got != want {
			t.Errorf("quote(%q) = %s, want %s", s, got, want)
		}
	}
}

// Whatever a text holds, an edit never loses or bends what it is not about.
func FuzzSwitch(f *testing.F) {
	shipped, err := os.ReadFile("../rules.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped), "everything else")
	f.Add(blockRules, "b: two")
	f.Add("rules: [{name: a}, {\"name\": 'b', off: true, x: y}]", "b")
	f.Fuzz(func(t *testing.T, text, name string) {
		off, err := Switch(text, "rules", name, true)
		if err != nil {
			return
		}
		before, after := OutlineOf(text), OutlineOf(off.Text)
		if len(before.Rules) != len(after.Rules) {
			t.Fatalf("%d rules, then %d\n%s", len(before.Rules), len(after.Rules), off.Text)
		}
		seen := false
		for i := range before.Rules {
			a, b := before.Rules[i], after.Rules[i]
			if !seen && a.Name == name {
				seen, a.Off = true, true
			}
			if a.Name != b.Name || a.Kind != b.Kind || a.Off != b.Off {
				t.Fatalf("%+v became %+v\n%s", a, b, off.Text)
			}
		}
	})
}
