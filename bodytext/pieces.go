package bodytext

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minPiece is from how many characters on a run of printable ones counts as text.
const minPiece = 4

// Piece is a text that stands in bytes that are none.
type Piece struct {
	Offset int    `json:"offset"` // of its first byte
	Text   string `json:"text"`
}

// Pieces returns the runs of at least four printable characters of UTF-8, the first ones, of so many bytes together. more
// says that there are others.
func Pieces(body []byte, limit int) (list []Piece, more bool) {
	eachPiece(body, func(at int, text string) bool {
		if limit -= len(text); limit < 0 {
			more = true
			return false
		}
		list = append(list, Piece{at, text})
		return true
	})
	return list, more
}

func eachPiece(body []byte, f func(at int, text string) bool) {
	start, count := 0, 0
	end := func(at int) bool {
		ok := count < minPiece || f(start, string(body[start:at]))
		count = 0
		return ok
	}
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			if !end(i) {
				return
			}
		} else {
			if count == 0 {
				start = i
			}
			count++
		}
		i += size
	}
	end(len(body))
}

// Readable returns a text that may be written in any charset: as it is where it is UTF-8, or where nobody knows.
func Readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	if c := Detect([]byte(s)); c != Binary {
		s, _ = Decode([]byte(s), c)
	}
	return s
}

// Words returns what a search shall find a body by: its text, what an application has compressed into it, or the texts that
// stand in its bytes; the first so many bytes of them. cut says that the body has more bytes than these.
func Words(body []byte, cut bool, limit int) string {
	c := Detect(Whole(body, cut))
	if c == Binary {
		if o := Open(body, limit); o.Format != "" {
			body = o.Body
			c = Detect(Whole(body, o.More || o.Broken))
		}
	}
	if c != Binary {
		text, _ := Decode(body, c)
		return text
	}
	var b strings.Builder
	eachPiece(body, func(at int, text string) bool {
		b.WriteString(text)
		b.WriteByte('\n')
		// Many formats write a text behind one byte for its length, which may look like a letter before it.
		if n := int(text[0]); n >= minPiece && n < len(text) {
			b.WriteString(text[1 : 1+n])
			b.WriteByte('\n')
		}
		// Kryo marks the last byte of an ASCII text by its highest bit (EsotericSoftware/kryo Output.writeAscii).
		if end := at + len(text); end < len(body) && body[end] > 0xA0 && body[end] < 0xFF {
			last := strings.LastIndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			b.WriteString(text[last+1:])
			b.WriteByte(body[end] & 0x7F)
			b.WriteByte('\n')
		}
		return b.Len() < limit
	})
	return b.String()
}

// Whole returns a body that was cut without the first bytes of a character whose others are missing.
func Whole(body []byte, cut bool) []byte {
	if !cut {
		return body
	}
	for n := 1; n < utf8.UTFMax && n <= len(body); n++ {
		if b := body[len(body)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(body[len(body)-n:]) {
				return body[:len(body)-n]
			}
			break
		}
	}
	return body
}

// maxJudged is up to how many bytes a compressed body is opened to be judged.
const maxJudged = 1 << 20

// AsUTF8 returns a body for those who read UTF-8 alone: the body itself where it is, without a byte order mark, else its text. opened says
// that an application had compressed it. c is Binary, and the body nil, when it is no text.
func AsUTF8(body []byte) (text []byte, c Charset, opened bool) {
	c = Detect(body)
	if c == Binary {
		o := Open(body, maxJudged)
		if o.Format == "" || o.More || o.Broken {
			return nil, Binary, false
		}
		body, opened = o.Body, true
		c = Detect(body)
	}
	switch c {
	case Binary:
		return nil, Binary, opened
	case UTF8:
		return bytes.TrimPrefix(body, []byte(boms[UTF8])), c, opened
	}
	s, _ := Decode(body, c)
	return []byte(s), c, opened
}
