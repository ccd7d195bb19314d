package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// escaped writes what is not UTF-8 in properties so that no byte is lost in JSON, and names those that it changed.
func escaped(properties map[string]string) (out map[string]string, names []string) {
	bad := func(name, value string) bool { return !utf8.ValidString(name) || !utf8.ValidString(value) }
	out = maps.Clone(properties)
	for name, value := range properties {
		if bad(name, value) {
			delete(out, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if value := properties[name]; bad(name, value) {
			shown := escape(name)
			for _, taken := out[shown]; taken; _, taken = out[shown] {
				shown += "\\" // no escaped name ends with a single backslash
			}
			out[shown] = escape(value)
			names = append(names, shown)
		}
	}
	return out, names
}

// escape writes bytes that are not UTF-8 as \xNN, and a backslash as two.
func escape(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
