package rulebook

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// CodeHiddenSecret is the code of the finding that what was blacked out cannot be put back.
const CodeHiddenSecret = "hidden-secret"

// restored is a text that was shown with its secrets blacked out, with the secrets put back. Lines are the same in both.
type restored struct {
	text    string
	found   []dlq.Diagnostic // what could not be put back, at its place in the text that was shown
	shown   *document        // nil when nothing was changed
	changes []change
}

// mostLost is how many findings there are at most of what cannot be put back: a text with more is wrong as a whole.
const mostLost = 100

// restore puts back what Redact blacked out in one of the bases and a person may have edited around since. A secret is the
// one at the same key: the same keys and names on the way to it, in the first base that has it. What is hidden in a
// comment, and in a base that is not YAML, is told by its whole line. Nothing is guessed.
func restore(text string, bases []string) restored {
	if !strings.Contains(text, Redacted) {
		return restored{text: text}
	}
	from := hiddenTexts{map[string]hidden{}, map[string]string{}, map[string]string{}, nil}
	for _, base := range slices.Compact(slices.Clone(bases)) {
		if !strings.Contains(text, "\r") { // an editor leaves Windows line ends out
			base = strings.ReplaceAll(base, "\r\n", "\n")
		}
		shown, values, ok := redact(base)
		if shown == text {
			return restored{text: string(yamlnode.WithoutBOM([]byte(base)))}
		}
		from.add(base, shown, values, ok)
	}
	d, ok := parseDocument(text)
	if !ok { // what is wrong with it is found by those who read it
		return restored{text: text}
	}
	out := restored{shown: d}
	lost := map[int]map[string]string{} // lines with something that no path led to, and where to look them up
	at := 0
	between := func(to int) {
		for {
			i := strings.Index(d.text[at:to], Redacted)
			if i < 0 {
				return
			}
			lost[d.lineAt(at+i)] = from.comments
			at += i + len(Redacted)
		}
	}
	for s := range d.scalars() {
		between(s.start)
		at = s.end
		raw := d.text[s.start:s.end]
		hidden := strings.Index(raw, Redacted)
		if hidden < 0 {
			continue
		}
		if old, ok := from.raw(s.path, raw, s.Value); ok {
			out.changes = append(out.changes, change{s.start, s.end, old})
			continue
		}
		lost[d.lineAt(s.start+hidden)] = from.broken
		if strings.Contains(raw, "\n") {
			lost[d.lineAt(s.start+hidden)] = nil
		}
	}
	between(len(d.text))
	for _, line := range slices.Sorted(maps.Keys(lost)) {
		if len(out.found) == mostLost {
			break
		}
		out.restoreLine(line, lost[line])
	}
	out.text = apply(d.text, out.changes)
	d.root = nil // the text is compiled next, which takes as much memory once more
	return out
}

// restoreLine puts back a whole line, if all lines that were shown like it are one and the same.
func (r *restored) restoreLine(number int, lines map[string]string) {
	line, start := r.shown.line(number), r.shown.starts[number-1]
	old := lines[line]
	if old == "" {
		at := strings.Index(line, Redacted)
		r.found = append(r.found, dlq.Diagnostic{
			Severity: dlq.DiagnosticError, Code: CodeHiddenSecret, Line: number, Column: utf8.RuneCountInString(line[:at]) + 1,
			Message: yamlnode.Say("it cannot be told which secret was hidden here: write it anew, or as env:NAME", "无法确定此处遮住的是哪个密钥：请重新填写，或写成 env:名称"), Suggestion: "env:NAME",
		})
		return
	}
	r.changes = slices.DeleteFunc(r.changes, func(c change) bool { return c.start >= start && c.start < start+len(line) }) // the line holds them too
	r.changes = append(r.changes, change{start, start + len(line), old})
}

// hidden is a secret as a base has it.
type hidden struct {
	node        *yaml.Node
	path        string
	text, shown string // as it is written, and as that is shown
}

// hiddenTexts is all that bases hide. A line that stands for several different ones is empty.
type hiddenTexts struct {
	byPath   map[string]hidden
	comments map[string]string // lines of bases that are YAML, as they are shown
	broken   map[string]string // lines of the others
	unread   []string          // the others
}

// add takes in what a base hides; ok says whether it is YAML.
func (t *hiddenTexts) add(base, shown string, values []hidden, ok bool) {
	lines := t.comments
	if !ok {
		lines, t.unread = t.broken, append(t.unread, base)
	}
	seen := strings.Split(shown, "\n")
	for i, line := range strings.Split(string(yamlnode.WithoutBOM([]byte(base))), "\n") {
		line = strings.TrimRight(line, "\r")
		seen := strings.TrimRight(seen[i], "\r")
		if old, known := lines[seen]; known && old != line {
			line = ""
		}
		if strings.Contains(seen, Redacted) {
			lines[seen] = line
		}
	}
	for _, h := range values {
		if _, taken := t.byPath[h.path]; !taken {
			t.byPath[h.path] = h
		}
	}
}

// raw returns how the secret at a path is to be written where a person left raw, which means value. A base that is not
// YAML comes before: what it no longer holds was changed in it.
func (t *hiddenTexts) raw(path, raw, value string) (string, bool) {
	h, ok := t.byPath[path]
	if !ok || slices.ContainsFunc(t.unread, func(base string) bool { return !strings.Contains(base, h.text) }) {
		return "", false
	}
	switch {
	case raw == h.shown:
		return h.text, true
	case value != Redacted || h.shown != Redacted: // more than blacked out text, or of several lines
		return "", false
	case h.node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return h.text, true
	default: // it stands in other brackets or quotes now
		return "'" + strings.ReplaceAll(h.node.Value, "'", "''") + "'", true
	}
}

// lineAt is the line on which a byte stands.
func (d *document) lineAt(offset int) int {
	line, exact := slices.BinarySearch(d.starts, offset)
	if exact {
		line++
	}
	return line
}

// moved is a part of a line that is longer or shorter when it is shown.
type moved struct{ from, whole, shown int } // column in the whole text, characters in it and as shown

// back moves findings about the whole text to their places in the one that was shown, and adds what could not be put back.
func (r *restored) back(shown string, found []dlq.Diagnostic) []dlq.Diagnostic {
	if r.shown == nil {
		return found
	}
	parts := r.moved()
	for i := range found {
		found[i].Column = columnShown(parts[found[i].Line], found[i].Column)
	}
	return yamlnode.Finish([]byte(shown), append(found, r.found...))
}

// moved lists what moved on each line.
func (r *restored) moved() map[int][]moved {
	out := map[int][]moved{}
	line, column, at := 0, 0, 0
	for _, c := range r.changes { // in their order, which apply gave them
		if strings.Contains(c.text, "\n") {
			continue
		}
		if here := r.shown.lineAt(c.start); here != line {
			line, column, at = here, 1, r.shown.starts[here-1]
		}
		column += utf8.RuneCountInString(r.shown.text[at:c.start])
		part := moved{column, utf8.RuneCountInString(c.text), utf8.RuneCountInString(r.shown.text[c.start:c.end])}
		out[line] = append(out[line], part)
		column, at = column+part.whole, c.end
	}
	return out
}

// columnShown moves a column of a line to where it is shown.
func columnShown(parts []moved, column int) int {
	ahead := 0
	for _, p := range parts {
		if column <= p.from {
			break
		}
		if column < p.from+p.whole {
			return p.from - ahead + min(column-p.from, p.shown)
		}
		ahead += p.whole - p.shown
	}
	return column - ahead
}
