package remoting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Brokers answer with what fastjson prints, which is not always JSON: the keys of maps may be bare numbers
// ({0:"127.0.0.1:10911"}) or whole objects ({{"queueId":0,"topic":"T"}:{...}}).

const maxDepth = 128

var errJSON = errors.New("malformed JSON")

// decodeJSON decodes a body of fastjson into v. An object that was a key arrives as a string holding that
// object's JSON.
func decodeJSON(body []byte, v any) error {
	std, err := standardJSON(body)
	if err != nil {
		return err
	}
	return json.Unmarshal(std, v)
}

// standardJSON rewrites fastjson's text as JSON: every key becomes a string, control characters in strings are
// escaped, blanks are dropped. Numbers stay as written.
func standardJSON(in []byte) ([]byte, error) {
	p := jsonParser{in: in, out: make([]byte, 0, len(in)+len(in)/8)}
	err := p.value(0)
	if err == nil {
		p.blanks()
		if p.pos != len(in) {
			err = errJSON
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w at byte %d of %d", err, p.pos, len(in))
	}
	return p.out, nil
}

type jsonParser struct {
	in  []byte
	pos int
	out []byte
}

func (p *jsonParser) blanks() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() byte {
	p.blanks()
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

// accept copies c to the output if it comes next.
func (p *jsonParser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	p.out = append(p.out, c)
	return true
}

func (p *jsonParser) value(depth int) error {
	if depth > maxDepth {
		return errors.New("JSON nested too deeply")
	}
	switch p.peek() {
	case '{':
		return p.list('{', '}', func() error {
			if err := p.key(depth + 1); err != nil {
				return err
			}
			if !p.accept(':') {
				return errJSON
			}
			return p.value(depth + 1)
		})
	case '[':
		return p.list('[', ']', func() error { return p.value(depth + 1) })
	case '"':
		return p.str()
	}
	word := p.word()
	if !json.Valid(word) { // a number, true, false or null
		return errJSON
	}
	p.out = append(p.out, word...)
	return nil
}

func (p *jsonParser) list(open, end byte, element func() error) error {
	p.accept(open)
	if p.accept(end) {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if p.accept(end) {
			return nil
		}
		if !p.accept(',') {
			return errJSON
		}
	}
}

func (p *jsonParser) key(depth int) error {
	switch p.peek() {
	case '"':
		return p.str()
	case '{', '[':
		start := len(p.out)
		if err := p.value(depth); err != nil {
			return err
		}
		// Escaping doubles at every level of keys in keys; real answers have one level.
		if len(p.out) > 8*len(p.in)+64 {
			return errors.New("JSON keys nested too deeply")
		}
		key := string(p.out[start:])
		p.out = appendQuoted(p.out[:start], key)
		return nil
	}
	word := p.word()
	if len(word) == 0 {
		return errJSON
	}
	p.out = appendQuoted(p.out, string(word))
	return nil
}

// word takes the characters up to the next structural one.
func (p *jsonParser) word() []byte {
	p.blanks()
	start := p.pos
	for p.pos < len(p.in) && bytes.IndexByte([]byte(" \t\r\n{}[]:,\""), p.in[p.pos]) < 0 {
		p.pos++
	}
	return p.in[start:p.pos]
}

func (p *jsonParser) str() error {
	start := len(p.out)
	p.pos++
	p.out = append(p.out, '"')
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		switch {
		case c == '"':
			p.pos++
			p.out = append(p.out, '"')
			if !json.Valid(p.out[start:]) { // a bad escape
				return errJSON
			}
			return nil
		case c == '\\' && p.pos+1 < len(p.in):
			p.out = append(p.out, c, p.in[p.pos+1])
			p.pos += 2
		case c < 0x20:
			p.out = fmt.Appendf(p.out, `\u%04x`, c)
			p.pos++
		default:
			p.out = append(p.out, c)
			p.pos++
		}
	}
	return errJSON
}

func appendQuoted(out []byte, s string) []byte {
	out = append(out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < 0x20:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

// text is a string that may stand as a bare number, boolean or null.
type text string

// UnmarshalJSON takes any scalar; an object or array is kept as its JSON.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		*t = ""
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	default:
		*t = text(b)
	}
	return nil
}

// extInt reads an integer header field of an answer.
func extInt(ans *Command, name string) (int64, error) {
	v, err := strconv.ParseInt(ans.Ext[name], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("answer field %s: %w", name, err)
	}
	return v, nil
}
