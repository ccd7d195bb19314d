package yamlnode

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
)

// Codes of findings that every section shares. They are stable: people search for them and scripts test them.
const (
	CodeUnknownKey    = "unknown-key"
	CodeMissingKey    = "missing-key"
	CodeMissingValue  = "missing-value"
	CodeWrongType     = "wrong-type"
	CodeUnknownValue  = "unknown-value"
	CodeBadNumber     = "bad-number"
	CodeBadDuration   = "bad-duration"
	CodeBadSize       = "bad-size"
	CodeBadRate       = "bad-rate"
	CodeBadText       = "bad-text"
	CodeBadURL        = "bad-url"
	CodeOutOfRange    = "out-of-range"
	CodeLiteralSecret = "literal-secret"
)

// Reader turns nodes into values and collects findings. The zero Reader is ready. Its getters take a nil node for a key
// that is absent and then return the zero value and false without a finding; they return false after every error.
type Reader struct {
	diagnostics []dlq.Diagnostic
	more        *dlq.Diagnostic // stands for those beyond mostRead, with the gravest severity of them
	errors      int
	rule        string
}

// mostRead is how many findings a Reader keeps: more than are ever shown, few enough for any text.
const mostRead = 2 * most

// Diagnostics returns what was found so far, in the order of finding. Of a text with thousands of mistakes the last
// finding is of CodeMore and stands for the rest.
func (r *Reader) Diagnostics() []dlq.Diagnostic {
	if r.more != nil {
		return append(slices.Clone(r.diagnostics), *r.more)
	}
	return r.diagnostics
}

// Errors returns how many errors were found so far; warnings and hints do not count.
func (r *Reader) Errors() int { return r.errors }

// SetRule names the rule (or alert) that the following findings concern; "" ends it.
func (r *Reader) SetRule(name string) { r.rule = name }

// Say makes a sentence in both languages. The arguments are formatted into both.
func Say(english, chinese string, args ...any) dlq.Text {
	if len(args) == 0 {
		return dlq.Text{English: english, Chinese: chinese}
	}
	return dlq.Text{English: fmt.Sprintf(english, args...), Chinese: fmt.Sprintf(chinese, args...)}
}

// Show returns what a person wrote, short enough to stand in a sentence.
func Show(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == utf8.RuneError || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}

// Error records an error at the node. suggestion says what to write instead, or is "".
func (r *Reader) Error(n *yaml.Node, code string, text dlq.Text, suggestion string) {
	r.add(dlq.DiagnosticError, n, code, text, suggestion)
}

// Warn records a warning at the node.
func (r *Reader) Warn(n *yaml.Node, code string, text dlq.Text, suggestion string) {
	r.add(dlq.DiagnosticWarning, n, code, text, suggestion)
}

// Hint records a hint at the node.
func (r *Reader) Hint(n *yaml.Node, code string, text dlq.Text, suggestion string) {
	r.add(dlq.DiagnosticHint, n, code, text, suggestion)
}

func (r *Reader) add(severity dlq.DiagnosticSeverity, n *yaml.Node, code string, text dlq.Text, suggestion string) {
	if severity == dlq.DiagnosticError {
		r.errors++
	}
	line, column := place(n)
	d := dlq.Diagnostic{
		Severity: severity, Code: code, Line: line, Column: column, EndLine: line, EndColumn: column + 1,
		Message: text, Suggestion: suggestion, Rule: r.rule,
	}
	switch {
	case len(r.diagnostics) < mostRead:
		r.diagnostics = append(r.diagnostics, d)
	case r.more == nil || rank(severity) < rank(r.more.Severity):
		d.Code, d.Message, d.Suggestion = CodeMore, Say("and more findings of this kind", "还有更多此类问题"), ""
		r.more = &d
	}
}

// place is where a node begins. A block mapping or list begins at its first member.
func place(n *yaml.Node) (line, column int) {
	if n == nil || n.Line < 1 {
		return 1, 1
	}
	return n.Line, max(n.Column, 1)
}

// Null reports whether the node is absent or holds nothing (`key:`, `key: null`, `key: ~`).
func Null(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// Map is a mapping whose keys were checked. The zero Map has no keys.
type Map struct {
	Node    *yaml.Node
	Entries []Entry
}

// Entry is one key of a mapping with its value.
type Entry struct {
	Name  string
	Key   *yaml.Node
	Value *yaml.Node
}

// Get returns the value of the key, nil when it is absent.
func (m Map) Get(name string) *yaml.Node {
	for _, e := range m.Entries {
		if e.Name == name {
			return e.Value
		}
	}
	return nil
}

// Key returns the node of the key itself, or else the mapping: where to mark what concerns the key.
func (m Map) Key(name string) *yaml.Node {
	for _, e := range m.Entries {
		if e.Name == name {
			return e.Key
		}
	}
	return m.Node
}

// Map reads a mapping with the given keys. what names it in a sentence, as the file does ("retry"). An unknown key is an
// error that suggests the nearest one and is left out of the result; the rest is still read.
func (r *Reader) Map(n *yaml.Node, what string, known []string) (Map, bool) {
	m, ok := r.FreeMap(n, what)
	if !ok {
		return m, false
	}
	kept := m.Entries[:0:0]
	for _, e := range m.Entries {
		if contains(known, e.Name) {
			kept = append(kept, e)
			continue
		}
		r.unknown(e.Key, CodeUnknownKey, what, e.Name, known)
	}
	m.Entries = kept
	return m, true
}

// FreeMap reads a mapping whose keys are names that the file chooses. Of a key that stands twice only the first counts;
// Parse has reported it.
func (r *Reader) FreeMap(n *yaml.Node, what string) (Map, bool) {
	if n == nil {
		return Map{}, false
	}
	if n.Kind != yaml.MappingNode {
		r.wrongType(n, what, "a mapping (key: value)", "映射（键: 值）")
		return Map{}, false
	}
	m := Map{Node: n}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || seen[key.Value] {
			continue
		}
		seen[key.Value] = true
		m.Entries = append(m.Entries, Entry{Name: key.Value, Key: key, Value: n.Content[i+1]})
	}
	return m, true
}

// Require returns the value of a key that must be there, or nil after an error.
func (r *Reader) Require(m Map, what, name string) *yaml.Node {
	v := m.Get(name)
	if v == nil {
		r.Error(m.Node, CodeMissingKey, Say("%s needs the key %q", "%s 缺少键 “%s”", what, name), name+": …")
	}
	return v
}

// List reads a list's members.
func (r *Reader) List(n *yaml.Node, what string) ([]*yaml.Node, bool) {
	if n == nil {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		r.wrongType(n, what, "a list ([a, b] or lines that begin with -)", "列表（[a, b] 或以 - 开头的行）")
		return nil, false
	}
	return n.Content, true
}

func (r *Reader) wrongType(n *yaml.Node, what, english, chinese string) {
	if Null(n) {
		r.Error(n, CodeMissingValue, Say("%s has no value", "%s 没有值", what), "")
		return
	}
	r.Error(n, CodeWrongType, dlq.Text{
		English: fmt.Sprintf("%s must be %s", what, english),
		Chinese: fmt.Sprintf("%s 必须是%s", what, chinese),
	}, "")
}

func (r *Reader) unknown(n *yaml.Node, code, what, got string, known []string) {
	text := Say("%[1]s has no key %[2]q", "%[1]s 中没有键 “%[2]s”", what, Show(got))
	if code != CodeUnknownKey {
		text = Say("%[1]s cannot be %[2]q", "%[1]s 不能是 “%[2]s”", what, Show(got))
	}
	near := Closest(got, known)
	switch {
	case near != "":
		text.English += fmt.Sprintf("; did you mean %q?", near)
		text.Chinese += fmt.Sprintf("；是否想写 “%s”？", near)
	case len(known) > 0 && len(known) <= 16:
		text.English += "; known: " + strings.Join(known, ", ")
		text.Chinese += "；可用：" + strings.Join(known, "、")
	}
	r.Error(n, code, text, near)
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}
