package classifier

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

// longestMasked is how much of a text the mask looks at, in bytes.
const longestMasked = 1024

// Mask replaces what differs between two failures of the same kind by placeholders: <str> for quoted texts, <ts> for
// dates and times, <ip>, <uuid>, <hex>, <id> for mixed identifiers and <num> for numbers. Words of any script stay. Only
// the first line that is not blank counts, up to 1024 bytes: what follows is usually a stack trace.
func Mask(text string) string {
	line := strings.TrimSpace(text)
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	m := masker{rest: dlq.Cut(line, longestMasked)}
	m.out.Grow(len(m.rest))
	for m.rest != "" {
		m.step()
	}
	return strings.TrimSpace(m.out.String())
}

type masker struct {
	rest string
	out  strings.Builder
	last rune // before rest; 0 at the start
}

// closers are quotes with what ends them.
var closers = map[rune]string{'"': `"`, '\'': `'`, '`': "`", '“': "”", '‘': "’", '「': "」", '『': "』", '«': "»"}

func (m *masker) step() {
	c, size := utf8.DecodeRuneInString(m.rest)
	if closer := closers[c]; closer != "" && !(c == '\'' && wordRune(m.last)) { // not in can't
		if end := strings.Index(m.rest[size:], closer); end >= 0 {
			m.put("<str>", size+end+len(closer), 0)
			return
		}
	}
	switch {
	case wordByte(m.rest[0]):
		m.token()
	case unicode.IsSpace(c):
		if m.last != ' ' {
			m.out.WriteByte(' ')
		}
		m.rest, m.last = m.rest[size:], ' '
	case unicode.IsDigit(c): // full-width and other digits
		end := strings.IndexFunc(m.rest, func(c rune) bool { return !unicode.IsDigit(c) })
		if end < 0 {
			end = len(m.rest)
		}
		m.put("<num>", end, 0)
	default:
		m.put(m.rest[:size], size, c)
	}
}

// put writes a text in place of the next n bytes.
func (m *masker) put(text string, n int, last rune) {
	m.out.WriteString(text)
	m.rest, m.last = m.rest[n:], last
}

// token masks the longest run of letters, digits and what joins them in dates, addresses and ids.
func (m *masker) token() {
	end := 0
	for end < len(m.rest) && (wordByte(m.rest[end]) || end+1 < len(m.rest) && strings.IndexByte("-.:/", m.rest[end]) >= 0 && wordByte(m.rest[end+1])) {
		end++
	}
	run := m.rest[:end]
	switch {
	case isUUID(run):
		m.put("<uuid>", end, 'x')
		return
	case isTime(run):
		m.put("<ts>", end, 'x')
		return
	}
	if n := ipv4(run); n > 0 {
		m.put("<ip>", n, 'x')
		return
	}
	end = 0
	for end < len(m.rest) && wordByte(m.rest[end]) {
		end++
	}
	part := m.rest[:end]
	masked := maskPart(part, m.last == '@')
	if masked == "<num>" { // 3.14 and 1,234 are one number
		for end+1 < len(m.rest) && (m.rest[end] == '.' || m.rest[end] == ',') && digit(m.rest[end+1]) {
			for end++; end < len(m.rest) && digit(m.rest[end]); end++ {
			}
		}
	}
	m.put(masked, end, 'x')
}

// maskPart masks one run of letters, digits and underscores.
func maskPart(part string, afterAt bool) string {
	digits, letters, hexOnly, changes := 0, 0, true, 0
	for i := range len(part) {
		switch c := part[i]; {
		case digit(c):
			digits++
		default:
			letters++
			hexOnly = hexOnly && (c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F')
		}
		if i > 0 && digit(part[i]) != digit(part[i-1]) {
			changes++
		}
	}
	head := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
	tail := part[len(strings.TrimRight(part, "0123456789")):]
	switch {
	case digits == 0:
		return part
	case letters == 0:
		return "<num>"
	case strings.HasPrefix(part, "0x") || strings.HasPrefix(part, "0X"), hexOnly && len(part) >= 8, hexOnly && afterAt:
		return "<hex>"
	case changes == 1 && tail != "": // SKU00412, db1
		return part[:len(part)-len(tail)] + "<num>"
	case changes == 1 && len(part)-len(head) <= 3: // 3000ms, 5xx
		return "<num>" + part[len(head):]
	case strings.Contains(part, "_"):
		words := strings.Split(part, "_")
		for i, w := range words {
			if w != "" {
				words[i] = maskPart(w, false)
			}
		}
		return strings.Join(words, "_")
	default:
		return "<id>"
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c) || c == '_'
}

func wordRune(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' }

func hexByte(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// isUUID reports whether the run is 8-4-4-4-12 hex digits.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
		} else if !hexByte(s[i]) {
			return false
		}
	}
	return true
}

// isTime reports whether the run is a date, a time of day, or both joined: 2026-11-21, 2026/11/21, 10:20:30.123,
// 2026-11-21T10:20:30Z.
func isTime(s string) bool {
	date, clock, both := strings.Cut(s, "T")
	if both {
		return isDate(date) && isClock(clock)
	}
	return isDate(s) || isClock(s) && strings.Count(s, ":") == 2
}

func isDate(s string) bool {
	shape := pattern(s)
	return shape == "9999-99-99" || shape == "9999/99/99" || shape == "9999-9-99" || shape == "9999-99-9" || shape == "9999-9-9"
}

func isClock(s string) bool {
	s = strings.TrimSuffix(s, "Z")
	if i := strings.LastIndexByte(s, '-'); i > 0 && (pattern(s[i:]) == "-99:99" || pattern(s[i:]) == "-9999") {
		s = s[:i]
	}
	shape := pattern(s)
	if head, fraction, ok := strings.Cut(shape, "."); ok && strings.Trim(fraction, "9") == "" {
		shape = head
	}
	return shape == "99:99:99" || shape == "9:99:99" || shape == "99:99"
}

// pattern is the text with 9 for each digit.
func pattern(s string) string {
	if len(s) > 32 {
		return s
	}
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return '9'
		}
		return c
	}, s)
}

// ipv4 returns the length of the address at the start of the run, a port included, or 0.
func ipv4(s string) int {
	i := 0
	for group := range 4 {
		if group > 0 {
			if i >= len(s) || s[i] != '.' {
				return 0
			}
			i++
		}
		n := 0
		for n < 4 && i < len(s) && digit(s[i]) {
			n, i = n+1, i+1
		}
		if n == 0 || n > 3 {
			return 0
		}
	}
	if i < len(s) && s[i] == ':' {
		port := i + 1
		for port < len(s) && digit(s[port]) {
			port++
		}
		if port > i+1 {
			i = port
		}
	}
	if i < len(s) && (wordByte(s[i]) || s[i] == '.') {
		return 0
	}
	return i
}
