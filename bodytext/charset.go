package bodytext

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// Charset names how a text is written, as the WHATWG Encoding Standard names it in lower case. "" stands for bytes that are
// no text.
type Charset string

// The charsets that can be read and written.
const (
	UTF8     Charset = "utf-8"
	GB18030  Charset = "gb18030"
	GBK      Charset = "gbk"
	Big5     Charset = "big5"
	ShiftJIS Charset = "shift_jis"
	EUCJP    Charset = "euc-jp"
	EUCKR    Charset = "euc-kr"
	UTF16LE  Charset = "utf-16le"
	UTF16BE  Charset = "utf-16be"
	Latin1   Charset = "windows-1252"
	Binary   Charset = ""
)

// Charsets are all charsets of texts, in the order in which a person would look for them.
var Charsets = []Charset{UTF8, GB18030, GBK, Big5, ShiftJIS, UTF16LE, UTF16BE, EUCJP, EUCKR, Latin1}

// Known reports whether c is one of Charsets.
func (c Charset) Known() bool { return slices.Contains(Charsets, c) }

var encodings = map[Charset]encoding.Encoding{
	GB18030: simplifiedchinese.GB18030, GBK: simplifiedchinese.GBK, Big5: traditionalchinese.Big5, ShiftJIS: japanese.ShiftJIS, EUCJP: japanese.EUCJP,
	EUCKR: korean.EUCKR, Latin1: charmap.Windows1252,
	UTF16LE: unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), UTF16BE: unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

var boms = map[Charset]string{UTF8: "\xef\xbb\xbf", UTF16LE: "\xff\xfe", UTF16BE: "\xfe\xff"}

// Decode returns a body as text, without its byte order mark. wrong counts the places that are not of the charset, each of
// which has become U+FFFD.
func Decode(body []byte, c Charset) (text string, wrong int) {
	body = bytes.TrimPrefix(body, []byte(boms[c]))
	if e, ok := encodings[c]; ok {
		out, err := e.NewDecoder().Bytes(body)
		if err != nil { // decoders replace what is wrong
			out = []byte("\uFFFD")
		}
		text = string(out)
		return text, strings.Count(text, "\uFFFD")
	}
	if utf8.Valid(body) {
		return string(body), 0
	}
	var b strings.Builder
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		if r == utf8.RuneError && size == 1 {
			wrong++
		}
		b.WriteRune(r)
		body = body[size:]
	}
	return b.String(), wrong
}

// Unwritable is the error of a text that a charset has not all the characters of.
type Unwritable struct {
	Charset Charset
	Rune    rune // the first one
}

func (e *Unwritable) Error() string {
	return fmt.Sprintf("%s has no character %q (U+%04X)", e.Charset, e.Rune, e.Rune)
}

// Encode writes a text in a charset, in place of the body that like is: with a byte order mark if that has one, and with
// the very bytes of like before and after what differs, where one character can be written in several ways. The error is an
// *Unwritable.
func Encode(text string, c Charset, like []byte) ([]byte, error) {
	bom := ""
	if bytes.HasPrefix(like, []byte(boms[c])) {
		bom = boms[c]
	}
	head, tail := 0, 0
	old, _ := Decode(like, c)
	if old != "" {
		from, to := common(old, text)
		head, tail = len(bom)+width(like[len(bom):], c, old[:from]), width(like[len(bom):], c, old[:len(old)-to])
		tail = len(like) - len(bom) - tail
		text = text[from : len(text)-to]
	}
	middle, err := encode(text, c)
	if err != nil {
		return nil, err
	}
	if head == 0 {
		head = len(bom)
	}
	return slices.Concat(like[:head], middle, like[len(like)-tail:]), nil
}

// encode refuses U+FFFD, which stands for bytes that could not be read: nobody knows what to write for it.
func encode(text string, c Charset) ([]byte, error) {
	e, ok := encodings[c]
	if !ok {
		return []byte(text), nil
	}
	if strings.Contains(text, "\uFFFD") {
		return nil, &Unwritable{c, utf8.RuneError}
	}
	out, err := e.NewEncoder().Bytes([]byte(text))
	if err == nil {
		return out, nil
	}
	for _, r := range text {
		if _, err := e.NewEncoder().String(string(r)); err != nil {
			return nil, &Unwritable{c, r}
		}
	}
	return nil, &Unwritable{c, utf8.RuneError} // the text is not UTF-8
}

// common returns how many bytes two texts begin and end with alike, in whole characters and without overlap.
func common(a, b string) (from, to int) {
	n := min(len(a), len(b))
	for from < n && a[from] == b[from] {
		from++
	}
	for from > 0 && from < len(a) && !utf8.RuneStart(a[from]) || from > 0 && from < len(b) && !utf8.RuneStart(b[from]) {
		from--
	}
	for to < n-from && a[len(a)-1-to] == b[len(b)-1-to] {
		to++
	}
	for to > 0 && !utf8.RuneStart(a[len(a)-to]) {
		to--
	}
	return from, to
}

// width returns how many bytes of a body its first characters take, which are given.
func width(body []byte, c Charset, text string) int {
	e, ok := encodings[c]
	if !ok {
		return len(text)
	}
	if out, err := encode(text, c); err == nil && bytes.HasPrefix(body, out) {
		return len(out) // nearly always
	}
	// Some characters have several spellings: walk. The decoder stops when the room for the text is used up.
	d := e.NewDecoder()
	dst := make([]byte, len(text))
	_, n, _ := d.Transform(dst, body, true)
	return n
}
