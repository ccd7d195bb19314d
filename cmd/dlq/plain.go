package main

import (
	"fmt"
	"io"
	"sync"
	"unicode"
	"unicode/utf8"
)

// plainWriter makes visible what would steer a terminal: message bodies, names and other people's sentences are printed, and
// an escape sequence among them could rewrite the screen or the title of the window, or turn the text around. Line breaks and
// tabs stay.
type plainWriter struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character whose end has not been written yet
}

// Write implements io.Writer.
func (w *plainWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, p...)
	w.rest = nil
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 && !utf8.FullRune(text) {
			w.rest = append([]byte(nil), text...)
			break
		}
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case r == '\n' || r == '\t':
			out = append(out, byte(r))
		case unicode.IsControl(r) && r < 0x80:
			out = fmt.Appendf(out, `\x%02x`, r)
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\ufeff', r == '\u2028', r == '\u2029':
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	if _, err := w.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
