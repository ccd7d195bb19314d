package yamlnode

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
)

func codes(found []dlq.Diagnostic) string {
	var out []string
	for _, d := range found {
		out = append(out, fmt.Sprintf("%s@%d:%d", d.Code, d.Line, d.Column))
	}
	return strings.Join(out, " ")
}

// nested is a text of mappings in each other on lines.
func nested(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestTextsThatAreNoRules(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a byte-order mark is skipped", "\xef\xbb\xbfversion: 1\n", ""},
		{"Windows lines", "version: 1\r\nrules: []\r\n", ""},
		{"Chinese", "version: 1\n规则: 一\n", ""},
		{"UTF-16, little end first", "\xff\xfev\x00e\x00", "not-utf8@1:1"},
		{"UTF-16, big end first", "\xfe\xff\x00v\x00e", "not-utf8@1:1"},
		{"UTF-16 without a mark", "v\x00e\x00r\x00", "not-utf8@1:2"},
		{"GBK", "version: 1\nname: a\xb9\xe6\xd4\xf2\n", "not-utf8@2:8"},
		{"empty", "", "empty-file@1:1"},
		{"only a mark", "\xef\xbb\xbf", "empty-file@1:1"},
		{"only comments", "# a\n# b\n", "empty-file@1:1"},
		{"null", "~\n", "empty-file@1:1"},
		{"a text", "rules\n", "wrong-type@1:1"},
		{"a list", "- a\n- b\n", "wrong-type@1:1"},
		{"too large", strings.Repeat("#", MaxSize+1), "too-large@1:1"},
		{"as large as may be", "version: 1\n" + strings.Repeat("#", MaxSize-11), ""},
		{"two documents", "a: 1\n---\nb: 2\n", "several-documents@2:1"},
		{"two documents, both begun", "---\na: 1\n---\nb: 2\n", "several-documents@3:1"},
		{"an end mark", "a: 1\n...\n", ""},
		{"a second document that is broken", "a: 1\n---\nb: [\n", "yaml-syntax@3:1"},
		{"a bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchor@1:4 anchor@2:4 alias@2:8 alias@2:12 alias@3:5 alias@3:9"},
		{"an alias to itself", "a: &a [*a]\n", "anchor@1:4 alias@1:8"},
		{"a merge key", "a: {<<: {b: c}}\n", "merge-key@1:5"},
		{"a tag", "a: !!python/object x\n", "tag@1:4"},
		{"a key twice", "a: 1\nb: {c: 1, c: 2}\na: 2\n", "duplicate-key@2:11 duplicate-key@3:1"},
		{"a key that is a list", "? [a]\n: b\n", "bad-key@1:3"},
		{"nested beyond reason", strings.Repeat("[", 200_000), "yaml-syntax@1:1"},
		{"as deep as may be", "a: " + strings.Repeat("[", 31) + strings.Repeat("]", 31), ""},
		{"too deep in brackets", "b: 1\na: " + strings.Repeat("[", 32) + strings.Repeat("]", 32), "too-deep@2:35"},
		{"too deep on lines", nested(33), "too-deep@33:33"},
		{"as deep as may be on lines", nested(32), ""},
		{"too many values", "a: 1\nb: [" + strings.Repeat("x,", 45_000) + "x]\n", "too-much@2:1"},
		{"too many lines", "a:\n" + strings.Repeat("  -\n", 90_000), "too-much@90001:1"},
		{"many values", "b: [" + strings.Repeat("x,", 44_000) + "x]\n", ""},
		{"a control character", "a: \x01\n", "yaml-syntax@1:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			root, found := Parse([]byte(tt.text))
			found = Finish([]byte(tt.text), found)
			if got := codes(found); got != tt.want {
				t.Errorf("found %s", got)
			}
			broken := strings.Contains(tt.want, "@") && !strings.Contains(tt.want, CodeDuplicateKey) && !strings.Contains(tt.want, CodeBadKey)
			if (root == nil) != broken {
				t.Errorf("root %v", root)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// The sentence about a syntax error points at the line with the mistake, however far the reader got.
func TestSyntaxErrorsPointAtTheMistake(t *testing.T) {
	good := "version: 1\n" + strings.Repeat("# filler\nkey%d: [a, b]\n", 1)
	var long strings.Builder
	long.WriteString(good[:11])
	for i := range 400 {
		fmt.Fprintf(&long, "key%d:\n  - {a: b}\n", i)
	}
	for _, tt := range []struct {
		name, tail string
		line       int // after the long beginning
	}{
		{"a tab", "x:\n\ty: 1\n", 2},
		{"an unclosed quote", "x: 1\ny: \"abc\nz: 2\n", 2},
		{"two colons", "x: 1\ny: a: b\nz: 2\n", 2},
		{"a brace too many", "x: {a: 1}}\ny: 2\n", 1},
		{"a dedent to nowhere", "x:\n    a: 1\n  b: 2\n", 3},
		{"a percent sign", "x: 1\ny: %z\n", 2},
	} {
		text := long.String() + tt.tail
		_, found := Parse([]byte(text))
		if len(found) != 1 || found[0].Code != CodeSyntax || found[0].Line != 801+tt.line {
			t.Errorf("%s: %s, want line %d", tt.name, codes(found), 801+tt.line)
		}
	}
}

func TestEndsOfFindings(t *testing.T) {
	for _, tt := range []struct {
		text string
		at   [2]int
		end  [2]int
	}{
		{"name: abc", [2]int{1, 1}, [2]int{1, 5}},
		{"name: abc def # why", [2]int{1, 7}, [2]int{1, 14}},
		{"{a: bcd, e: f}", [2]int{1, 5}, [2]int{1, 8}},
		{`a: "b \" c" # x`, [2]int{1, 4}, [2]int{1, 12}},
		{"a: 'it''s'", [2]int{1, 4}, [2]int{1, 11}},
		{"a: \"b\n  c\" d", [2]int{1, 4}, [2]int{2, 5}},
		{"规则: 名称 x", [2]int{1, 5}, [2]int{1, 9}},
		{"a: [x]", [2]int{1, 4}, [2]int{1, 5}},
		{"a: -5", [2]int{1, 4}, [2]int{1, 6}},
		{"a:", [2]int{1, 3}, [2]int{1, 3}},
		{"a: b", [2]int{99, 99}, [2]int{1, 5}},
		{"\"unclosed\nx", [2]int{1, 1}, [2]int{1, 10}},
	} {
		d := Finish([]byte(tt.text), []dlq.Diagnostic{{Line: tt.at[0], Column: tt.at[1]}})[0]
		if got := [2]int{d.EndLine, d.EndColumn}; got != tt.end {
			t.Errorf("%q from %v ends at %v, want %v", tt.text, tt.at, got, tt.end)
		}
	}
}

func TestManyFindings(t *testing.T) {
	var r Reader
	for i := range 1500 {
		r.Hint(&yaml.Node{Line: i + 1, Column: 1}, "x", Say("a", "甲"), "")
	}
	r.Error(&yaml.Node{Line: 1400, Column: 1}, "y", Say("b", "乙"), "")
	found := Finish([]byte(strings.Repeat("x\n", 1600)), r.Diagnostics())
	if last := found[len(found)-1]; len(found) != 1001 || last.Code != CodeMore || last.Severity != dlq.DiagnosticError || !strings.Contains(last.Message.English, "501") {
		t.Errorf("%d findings, the last %+v", len(found), last)
	}
	if !HasErrors(found) {
		t.Error("the error is lost")
	}
}

// What a Reader leaves out of thousands of findings is never less grave than what it says of it.
func TestFindingsBeyondAllBounds(t *testing.T) {
	var r Reader
	for range 2 * mostRead {
		r.Hint(&yaml.Node{Line: 1, Column: 1}, "x", Say("a", "甲"), "")
	}
	r.Error(&yaml.Node{Line: 1, Column: 1}, "y", Say("b", "乙"), "")
	if all := r.Diagnostics(); len(all) != mostRead+1 || !HasErrors(all) || r.Errors() != 1 {
		t.Errorf("%d findings, %d errors", len(all), r.Errors())
	}
	found := Finish([]byte("x"), r.Diagnostics())
	if last := found[len(found)-1]; !HasErrors(found) || last.Code != CodeMore || !strings.Contains(last.Message.English, "more than") {
		t.Errorf("%+v", last)
	}
}

func TestClosest(t *testing.T) {
	words := []string{"reason", "reason_text", "topic", "tags", "max_delay"}
	for word, want := range map[string]string{"reson": "reason", "raeson": "reason", "Topic": "topic", "tag": "tags", "maxdelay": "max_delay", "x": "", "": "", "entirely": "", strings.Repeat("a", 1000): ""} {
		if got := Closest(word, words); got != want {
			t.Errorf("Closest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: 1", "a: \"x\ny\"", "a: &b c\nd: *b", "- 'it''s'", "a: |\n  x", "\xef\xbb\xbfa: 1", "a\u2028b: c", "a:\r\n\t- b", "---\n---\n", "? a\n: b", "{a: [b, \"c\"]}", "a: !x b", "%YAML 1.1\n---\na"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		root, found := Parse(text)
		if root == nil && !HasErrors(found) {
			t.Error("nothing was read and no error says why")
		}
		lines := splitLines(string(WithoutBOM(text)))
		for _, d := range Finish(text, found) {
			if d.Line < 1 || d.Column < 1 || d.EndLine < d.Line || d.EndLine > lines.count() || d.EndLine == d.Line && d.EndColumn < d.Column ||
				d.Column > len(lines.line(d.Line))+1 || d.EndColumn > len(lines.line(d.EndLine))+1 {
				t.Errorf("%+v is outside of the text", d)
			}
			if !utf8.ValidString(d.Message.English+d.Message.Chinese) || d.Message.English == "" || d.Message.Chinese == "" {
				t.Errorf("%+v says nothing", d)
			}
		}
	})
}
