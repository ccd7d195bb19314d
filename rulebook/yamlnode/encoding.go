package yamlnode

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// Decode returns a text in UTF-8, for people to look at and save. What is neither UTF-8 nor UTF-16 nor GB18030 keeps a
// replacement character for each byte that cannot be read.
func Decode(text []byte) string {
	if _, decoded := foreign(text); decoded != "" {
		return decoded
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}

// foreign recognises an encoding other than UTF-8, and returns its name and the text; two empty texts for none.
func foreign(text []byte) (name, decoded string) {
	var from encoding.Encoding
	switch nul := bytes.IndexByte(text, 0); {
	case nul < 0 && utf8.Valid(text):
		return "", ""
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		name, from = "UTF-16", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case nul >= 0: // the file begins with an ASCII character: its zero comes first or second
		order := unicode.LittleEndian
		if nul%2 == 0 {
			order = unicode.BigEndian
		}
		name, from = "UTF-16", unicode.UTF16(order, unicode.IgnoreBOM)
	default:
		name, from = "GB18030", simplifiedchinese.GB18030
	}
	out, err := from.NewDecoder().Bytes(text)
	if err != nil || bytes.ContainsRune(out, utf8.RuneError) || bytes.IndexByte(out, 0) >= 0 {
		return "", ""
	}
	return name, string(out)
}
