package dlq

import (
	"strings"
	"unicode/utf8"
)

// Cut returns the beginning of a text: at most so many bytes, of whole characters. What is no UTF-8 in it becomes U+FFFD.
func Cut(s string, most int) string {
	return head(strings.ToValidUTF8(head(s, most), "\uFFFD"), most)
}

func head(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
