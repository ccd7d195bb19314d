package rulebook

import (
	"regexp"
	"strings"
)

// Redacted stands in a text where a literal secret was.
const Redacted = "••••••"

// secretKey finds the keys under which secrets stand, and what follows on their line.
var secretKey = regexp.MustCompile(`(?i)(?:^|[\s,{"'])(?:[a-z_]*secret|secret_key|access_key|token|password)["']?\s*:[ \t]*`)

// userinfo finds a password in an address.
var userinfo = regexp.MustCompile(`(://[^\s/@:"']*:)[^\s/@"']+@`)

// Redact returns the text of a rules file with literal secrets blacked out. It works line by line, so that it also
// serves a file that is not YAML; a text that goes on over indented lines is blacked out with them.
func Redact(text []byte) string {
	lines := strings.SplitAfter(string(text), "\n")
	hidden := -1 // indentation of the key whose text goes on, -1 for none
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if hidden >= 0 && strings.TrimSpace(line) != "" && indent > hidden {
			lines[i] = line[:indent] + Redacted + "\n"
			continue
		}
		hidden = -1
		lines[i], hidden = redactLine(line, indent)
	}
	return userinfo.ReplaceAllString(strings.Join(lines, ""), "${1}"+Redacted+"@")
}

// redactLine blacks out the secrets of one line. hidden is the line's indentation if a secret may go on below it, else -1.
func redactLine(line string, indent int) (out string, hidden int) {
	hidden = -1
	for from := 0; ; {
		at := secretKey.FindStringIndex(line[from:])
		if at == nil {
			return line, hidden
		}
		start := from + at[1]
		value := line[start:]
		switch first := strings.TrimRight(value, "\r\n"); {
		case first == "" || first[0] == '|' || first[0] == '>' || first[0] == '{' || first[0] == '[':
			from, hidden = start, indent
			if first != "" && (first[0] == '{' || first[0] == '[') {
				hidden = -1
			}
			continue
		case strings.HasPrefix(strings.TrimLeft(first, `"'`), "env:"), strings.HasPrefix(strings.TrimLeft(first, `"'`), "file:"):
			from = start
			continue
		}
		end := secretEnd(value, strings.ContainsAny(line[:start], "{["))
		line = line[:start] + Redacted + value[end:]
		if end >= len(strings.TrimRight(value, "\r\n")) { // a plain or quoted text may go on below
			hidden = indent
		}
		from = start + len(Redacted)
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
