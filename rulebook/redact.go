package rulebook

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/rulebook/yamlnode"
)

// Redacted stands in a text where a literal secret was.
const Redacted = yamlnode.Hidden

// isSecretKey reports whether secrets stand under a key: by the names by which vendors and people call them.
func isSecretKey(key string) bool {
	key = strings.ToLower(key)
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_-") != "" { // a field of a match, say
		return false
	}
	for _, part := range []string{"secret", "token", "password", "passwd", "credential", "authorization", "apikey"} {
		if strings.HasSuffix(key, part) {
			return true
		}
	}
	return strings.HasSuffix(strings.ReplaceAll(key, "-", "_"), "_key") || key == "sig" || key == "sign" || key == "signature"
}

// isAddressKey reports whether the address of an endpoint stands under a key.
func isAddressKey(key string) bool {
	key = strings.ToLower(key)
	return strings.HasSuffix(key, "url") || strings.HasSuffix(key, "uri") || key == "webhook" || key == "endpoint"
}

// findSecret finds the next key under which a secret stands, and returns where its value begins; -1 for none.
func findSecret(line string, from int) int {
	for i := from; i < len(line); i++ {
		if line[i] != ':' {
			continue
		}
		end := from + len(strings.TrimRight(line[from:i], " \t"))
		if end > from && (line[end-1] == '"' || line[end-1] == '\'') {
			end--
		}
		begin := end
		for begin > from && (line[begin-1] == '_' || 'a' <= line[begin-1]|0x20 && line[begin-1]|0x20 <= 'z') {
			begin--
		}
		if (begin == from || strings.IndexByte(" \t,{\"'", line[begin-1]) >= 0) && isSecretKey(line[begin:end]) {
			return len(line) - len(strings.TrimLeft(line[i+1:], " \t"))
		}
	}
	return -1
}

// change is one replacement in a text.
type change struct {
	start, end int
	text       string
}

// apply makes changes that do not overlap.
func apply(text string, changes []change) string {
	slices.SortFunc(changes, func(a, b change) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, c := range changes {
		b.WriteString(text[at:c.start])
		b.WriteString(c.text)
		at = c.end
	}
	b.WriteString(text[at:])
	return b.String()
}

// Redact returns the text of a rules file with literal secrets blacked out, line for line. A byte-order mark is left out.
func Redact(text []byte) string {
	shown, _, _ := redact(string(text))
	return shown
}

// redact is Redact that also returns the values that it hides, and whether the text is YAML.
func redact(text string) (shown string, values []hidden, ok bool) {
	d, ok := parseDocument(text)
	if !ok || d.root.Kind != yaml.MappingNode { // of one long text nobody can say what is in it
		return cutText(text), nil, false
	}
	shown, values = d.redacted()
	lines := len(d.starts)
	d = nil // the next takes as much memory once more
	if again, ok := parseDocument(shown); !ok || len(again.starts) != lines {
		shown = cutText(text)
	}
	return shown, values, true
}

// redacted blacks out secrets by the keys under which they stand, and in comments by what they look like. values are the
// first at each path.
func (d *document) redacted() (shown string, values []hidden) {
	var changes []change
	seen := map[string]bool{}
	at := 0
	for s := range d.scalars() {
		changes = append(changes, d.redactBetween(at, s.start)...)
		at = s.end
		raw := d.text[s.start:s.end]
		shown := s.shown(raw)
		if raw == shown {
			continue
		}
		changes = append(changes, change{s.start, s.end, shown})
		if !seen[s.path] {
			seen[s.path] = true
			values = append(values, hidden{s.Node, s.path, raw, shown})
		}
	}
	return apply(d.text, append(changes, d.redactBetween(at, len(d.text))...)), values
}

// shown is a scalar as it is shown, raw being how it is written.
func (s *scalar) shown(raw string) string {
	switch {
	case s.Value == "" || s.Tag == "!!null" || isReference(s.Value):
		return raw
	case s.secret:
	case s.rule: // a match and a runbook mean what they say; they hold credentials by mistake only
		if shown := cutPairs(userInfo.ReplaceAllString(raw, "${1}"+Redacted+"@")); shown != raw || cutPairs(s.Value) == s.Value && !userInfo.MatchString(s.Value) {
			return shown
		}
	case s.address && (!strings.Contains(s.Value, "://") || strings.ContainsAny(s.Value, " \t\n")): // none, so nobody can say what of it is a host
	default:
		whole := cutPairs(cutAddresses(s.Value))
		if whole == s.Value && redactLines(s.Value) == s.Value {
			return raw
		}
		if whole != s.Value && strings.Contains(raw, s.Value) && !strings.Contains(s.Value, "\n") { // it is written as it is meant
			return strings.Replace(raw, s.Value, whole, 1)
		}
	}
	lines := strings.SplitAfter(raw, "\n")
	for i, line := range lines {
		content := strings.TrimSpace(line)
		switch {
		case content == "" || i == 0 && (content[0] == '|' || content[0] == '>'):
		case i == 0:
			lines[i] = Redacted + line[len(strings.TrimRight(line, "\r\n")):]
		default:
			lines[i] = line[:strings.Index(line, content)] + Redacted + line[len(strings.TrimRight(line, "\r\n")):]
		}
	}
	return strings.Join(lines, "")
}

func isReference(value string) bool {
	return strings.HasPrefix(value, "env:") || strings.HasPrefix(value, "file:")
}

// redactBetween blacks out secrets in the comments between two texts.
func (d *document) redactBetween(from, to int) []change {
	var changes []change
	for at := from; at < to; {
		end := at + strings.IndexByte(d.text[at:to], '\n') + 1
		if end == at {
			end = to
		}
		if i := strings.IndexByte(d.text[at:end], '#'); i >= 0 {
			comment := d.text[at+i : end]
			if shown := cutComment(comment); shown != comment {
				changes = append(changes, change{at + i, end, shown})
			}
		}
		at = end
	}
	return changes
}

// redactLines is Redact for a text that is not YAML. It works line by line; a text that goes on over indented lines is
// blacked out with them.
func redactLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	hidden := -1 // indentation of the key whose text goes on, -1 for none
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if hidden >= 0 && strings.TrimSpace(line) != "" && indent > hidden {
			lines[i] = line[:indent] + Redacted + line[len(strings.TrimRight(line, "\r\n")):]
			continue
		}
		hidden = -1
		lines[i], hidden = redactLine(line, indent)
	}
	return strings.Join(lines, "")
}

// redactLine blacks out the secrets of one line. hidden is the line's indentation if a secret may go on below it, else -1.
func redactLine(line string, indent int) (out string, hidden int) {
	var b strings.Builder
	hidden = -1
	brackets, from := false, 0
	for {
		start := findSecret(line, from)
		if start < 0 {
			b.WriteString(line[from:])
			return b.String(), hidden
		}
		b.WriteString(line[from:start])
		brackets = brackets || strings.ContainsAny(line[from:start], "{[")
		value := line[start:]
		from = start
		switch first := strings.TrimRight(value, "\r\n"); {
		case first == "" || first[0] == '|' || first[0] == '>':
			hidden = indent
			continue
		case first[0] == '{' || first[0] == '[':
			hidden = -1
			continue
		case isReference(strings.TrimLeft(first, `"'`)):
			continue
		}
		end := secretEnd(value, brackets)
		b.WriteString(Redacted)
		if end >= len(strings.TrimRight(value, "\r\n")) { // a plain or quoted text may go on below
			hidden = indent
		}
		from = start + end
	}
}

// secretEnd is where a value ends on its line: at its closing quote, else before what ends a plain text. Within brackets
// that is also a comma.
func secretEnd(value string, inBrackets bool) int {
	end := len(strings.TrimRight(value, "\r\n"))
	if q := value[0]; q == '"' || q == '\'' {
		for i := 1; i < end; i++ {
			if value[i] == '\\' && q == '"' {
				i++
			} else if value[i] == q {
				return i + 1
			}
		}
		return end
	}
	if i := strings.IndexAny(value[:end], ",}]"); i >= 0 && inBrackets {
		end = i
	}
	if i := strings.Index(value[:end], " #"); i >= 0 {
		end = i
	}
	return end
}
