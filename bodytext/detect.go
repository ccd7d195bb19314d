package bodytext

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// sampleSize is how many bytes are looked at to tell charsets apart. That a body is UTF-8 is told by all of it.
const sampleSize = 64 << 10

// Detect returns the charset in which a body is written, Binary for none. It is conservative: UTF-8 is UTF-8; UTF-16
// without a byte order mark is told by the zero bytes of its ASCII characters; of the charsets of East Asia a body must be
// valid throughout, and most of its characters must be common ones.
func Detect(body []byte) Charset {
	switch {
	case bytes.HasPrefix(body, []byte("\xff\xfe\x00\x00")): // UTF-32, or nothing at all
		return Binary
	case bytes.HasPrefix(body, []byte(boms[UTF16LE])) && wide(body[2:], false) >= 0:
		return UTF16LE
	case bytes.HasPrefix(body, []byte(boms[UTF16BE])) && wide(body[2:], true) >= 0:
		return UTF16BE
	}
	if bytes.IndexByte(bytes.TrimRight(body, "\x00"), 0) >= 0 || len(body) > 0 && body[0] == 0 {
		return detectWide(body)
	}
	if utf8.Valid(body) {
		return UTF8
	}
	sample := body[:min(len(body), sampleSize)]
	if slices.ContainsFunc(sample, func(b byte) bool { return control(rune(b)) }) {
		return detectWide(body)
	}
	if c := detectWide(body); c != Binary {
		return c
	}
	return detectEastAsian(sample, len(sample) < len(body))
}

// control reports whether a character does not stand in texts.
func control(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f }

// detectWide tells UTF-16 without a byte order mark: at least three and a fifth of its characters are ASCII.
func detectWide(body []byte) Charset {
	const least = 3
	little, big := wide(body, false), wide(body, true)
	switch n := min(len(body), sampleSize) / 2; {
	case little >= least && little*5 >= n && little > big:
		return UTF16LE
	case big >= least && big*5 >= n:
		return UTF16BE
	}
	return Binary
}

// wide returns how many of the characters of a body in UTF-16 are printable ASCII; -1 when it cannot be UTF-16.
func wide(body []byte, big bool) (ascii int) {
	if len(body)%2 != 0 {
		return -1
	}
	sample := body[:min(len(body), sampleSize)]
	unit := func(i int) rune {
		if big {
			return rune(sample[i])<<8 | rune(sample[i+1])
		}
		return rune(sample[i+1])<<8 | rune(sample[i])
	}
	for i := 0; i+1 < len(sample); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i+3 >= len(sample) && len(sample) < len(body) {
				break // the sample cut a pair
			}
			if i+3 >= len(sample) {
				return -1
			}
			if r = utf16.DecodeRune(r, unit(i+2)); r == utf8.RuneError {
				return -1
			}
			i += 2
		}
		switch {
		case control(r) || r != 0xFEFF && !unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r):
			return -1
		case r < utf8.RuneSelf:
			ascii++
		}
	}
	return ascii
}

// rank is how well a character of two bytes or more speaks for a charset.
type rank int

const (
	often  rank = 3  // one of the characters that people write all the time
	usual  rank = 1  // in the charset's table of common characters, or punctuation
	none   rank = 0  // says nothing
	seldom rank = -1 // in its table of rare characters
	odd    rank = -2 // in an extension that hardly anybody uses
	never  rank = -100
)

// table tells the character at the start of a body apart: how many bytes it has, and its rank by its place in the
// charset's tables. size 0 says that the bytes are not of the charset.
type table func(b []byte) (size int, r rank)

type candidate struct {
	charset  Charset
	table    table
	handicap float64 // what a less likely charset must be better by
}

// GB18030 comes first: of two that fit alike it is taken.
var candidates = []candidate{
	{GB18030, tableGB, 0}, {Big5, tableBig5, 0.25}, {ShiftJIS, tableSJIS, 0.25}, {EUCJP, tableEUCJP, 0.5}, {EUCKR, tableEUCKR, 0.5},
}

// detectEastAsian takes the charset whose characters are the most common ones, if they are common at all.
func detectEastAsian(sample []byte, cut bool) Charset {
	best, top := Binary, 0.0
	for _, c := range candidates {
		score, ok := c.score(sample, cut)
		if ok && (best == Binary || score > top) {
			best, top = c.charset, score
		}
	}
	return best
}

// score is the mean rank of the characters that are not ASCII. ok is false when the charset is not it.
func (c candidate) score(sample []byte, cut bool) (mean float64, ok bool) {
	whole := sample
	var sum, n, ascii int
	for len(sample) > 0 {
		if sample[0] < utf8.RuneSelf {
			ascii++
			sample = sample[1:]
			continue
		}
		size, r := c.table(sample)
		if size == 0 || size > len(sample) {
			if cut && len(sample) < 4 {
				whole = whole[:len(whole)-len(sample)]
				break
			}
			return 0, false
		}
		if r != none {
			text, wrong := Decode(sample[:size], c.charset)
			if wrong > 0 {
				return 0, false
			}
			if first, _ := utf8.DecodeRuneInString(text); frequent[first] || c.charset == EUCKR && frequentHangul[first] {
				r = often
			} else if unicode.Is(unicode.Co, first) {
				return 0, false
			}
			sum, n = sum+int(r), n+1
		}
		sample = sample[size:]
	}
	if n == 0 {
		return 0, false
	}
	mean = float64(sum) / float64(n)
	least := 1.0
	if ascii >= 8 && ascii*2 >= len(whole) {
		least = 0.5 // a name between the braces of JSON
	}
	return mean - c.handicap, sum >= int(often) && mean >= least+c.handicap
}

func between(b, low, high byte) bool { return b >= low && b <= high }

func tableGB(b []byte) (int, rank) {
	if len(b) < 2 || !between(b[0], 0x81, 0xFE) {
		return 0, never
	}
	lead, trail := b[0], b[1]
	switch {
	case between(trail, 0x30, 0x39):
		if len(b) < 4 || !between(b[2], 0x81, 0xFE) || !between(b[3], 0x30, 0x39) {
			return 0, never
		}
		return 4, seldom
	case trail < 0x40 || trail == 0x7F || trail == 0xFF:
		return 0, never
	case trail < 0xA1 || lead < 0xA1:
		return 2, odd
	case lead == 0xA1 || lead == 0xA3:
		return 2, usual // punctuation, full-width letters
	case lead <= 0xA9:
		return 2, none // kana, Greek, Cyrillic, frames
	case between(lead, 0xB0, 0xD7):
		return 2, usual
	case between(lead, 0xD8, 0xF7):
		return 2, seldom
	}
	return 2, odd
}

func tableBig5(b []byte) (int, rank) {
	if len(b) < 2 || !between(b[0], 0x81, 0xFE) || !between(b[1], 0x40, 0x7E) && !between(b[1], 0xA1, 0xFE) {
		return 0, never
	}
	switch lead := b[0]; {
	case lead == 0xA1 || lead == 0xA2:
		return 2, usual
	case lead == 0xA3:
		return 2, none
	case between(lead, 0xA4, 0xC6):
		return 2, usual
	case between(lead, 0xC9, 0xF9):
		return 2, seldom
	}
	return 2, odd
}

func tableSJIS(b []byte) (int, rank) {
	if between(b[0], 0xA1, 0xDF) {
		return 1, seldom // katakana of half width
	}
	if len(b) < 2 || !between(b[0], 0x81, 0x9F) && !between(b[0], 0xE0, 0xFC) || !between(b[1], 0x40, 0x7E) && !between(b[1], 0x80, 0xFC) {
		return 0, never
	}
	switch at := int(b[0])<<8 | int(b[1]); {
	case at < 0x829F:
		return 2, usual
	case at <= 0x8396:
		return 2, often // kana
	case at < 0x889F:
		return 2, none
	case at <= 0x9872:
		return 2, usual
	case at <= 0xEAA4:
		return 2, seldom
	}
	return 2, odd
}

func tableEUCJP(b []byte) (int, rank) {
	switch {
	case len(b) < 2:
		return 0, never
	case b[0] == 0x8E && between(b[1], 0xA1, 0xDF):
		return 2, seldom
	case b[0] == 0x8F && len(b) > 2:
		return 3, odd
	case b[0] < 0xA1 || b[1] < 0xA1 || b[1] == 0xFF:
		return 0, never
	case b[0] == 0xA4 || b[0] == 0xA5:
		return 2, often // kana
	case b[0] <= 0xA3:
		return 2, usual
	case b[0] < 0xB0:
		return 2, none
	case b[0] <= 0xCF:
		return 2, usual
	case b[0] <= 0xF4:
		return 2, seldom
	}
	return 2, odd
}

func tableEUCKR(b []byte) (int, rank) {
	if len(b) < 2 || !between(b[0], 0x81, 0xFE) || !between(b[1], 0x41, 0xFE) {
		return 0, never
	}
	switch {
	case b[0] < 0xA1 || b[1] < 0xA1:
		return 2, odd
	case b[0] == 0xA1 || b[0] == 0xA3:
		return 2, usual
	case b[0] < 0xB0:
		return 2, none
	case b[0] <= 0xC8:
		return 2, usual // hangul
	}
	return 2, seldom // hanja
}
