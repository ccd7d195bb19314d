package transform

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"deadletteroffice/dlq"

	"github.com/tidwall/gjson"
)

// sjson, gjson's sister that writes, would do most of this, but it takes the first of two members of one name, fills
// arrays with nulls up to an index that is past their end, and rewrites the white space of an array that it appends to.

// place is where a path leads in a document: a member or an element that is there, or the place where it would be.
type place struct {
	array      bool
	key        [2]int // bytes of the member's name with its quotes
	value      [2]int // bytes of the value
	found      bool
	left       int // end of the sibling before it, -1 for none
	right      int // begin of the sibling after it, -1 for none
	end        int // where a further member goes: behind the last one, else behind the opening bracket
	empty      bool
	missing    int // how many of the last tokens have nothing where they belong; 0 when found
	unreadable error
}

// find follows a path through a document, which must be valid JSON.
func find(doc []byte, path []string) place {
	at := gjson.ParseBytes(doc)
	at.Index = slices.IndexFunc(doc, func(b byte) bool { return b > ' ' })
	for depth, token := range path {
		p, value := child(at, path[:depth+1], token)
		if p.unreadable != nil {
			return p
		}
		if !p.found {
			p.missing = len(path) - depth
			return p
		}
		if depth == len(path)-1 {
			return p
		}
		at = value
	}
	return place{}
}

// child finds one member or element of a value.
func child(of gjson.Result, path []string, token string) (p place, value gjson.Result) {
	p = place{left: -1, right: -1, empty: true, array: of.IsArray()}
	if !of.IsObject() && !of.IsArray() {
		p.unreadable = dlq.Errorf(dlq.CodeRefused, "%s is neither an object nor an array", text(path[:len(path)-1]))
		return p, value
	}
	index := -1
	if p.array && token != "-" {
		if index = number(token); index < 0 {
			p.unreadable = dlq.Errorf(dlq.CodeRefused, "%s is an array, and %q is no index", text(path[:len(path)-1]), token)
			return p, value
		}
	}
	p.end = of.Index + 1
	n, twice := 0, false
	of.ForEach(func(k, v gjson.Result) bool {
		begin, end := v.Index, v.Index+len(v.Raw)
		if !p.array {
			begin = k.Index
		}
		hit := p.array && n == index || !p.array && k.Str == token
		switch {
		case hit && p.found:
			twice = true
		case hit:
			p.found, p.value, value = true, [2]int{v.Index, end}, v
			if !p.array {
				p.key = [2]int{k.Index, k.Index + len(k.Raw)}
			}
			if n > 0 {
				p.left = p.end
			}
		case p.found && p.right < 0:
			p.right = begin
		}
		p.empty, p.end = false, end
		n++
		return true
	})
	if twice {
		p.unreadable = dlq.Errorf(dlq.CodeRefused, "%s stands in the body twice", text(path))
	}
	if p.array && index > n {
		p.unreadable = dlq.Errorf(dlq.CodeRefused, "%s is past the end of the array, which has %d elements", text(path), n)
	}
	return p, value
}

// number reads an array's index as RFC 6901 writes it: without leading zeros. It is negative for anything else.
func number(token string) int {
	if token == "" || token[0] == '0' && token != "0" || strings.Trim(token, "0123456789") != "" {
		return -1
	}
	n, err := strconv.Atoi(token)
	if err != nil {
		return -1
	}
	return n
}

func text(path []string) string {
	if len(path) == 0 {
		return "the body"
	}
	var b strings.Builder
	for _, t := range path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(t, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// set puts a value where a path leads. Parents that are missing are made as objects.
func set(doc []byte, path []string, value string) ([]byte, error) {
	p := find(doc, path)
	if p.unreadable != nil {
		return nil, p.unreadable
	}
	if p.found {
		return splice(doc, p.value[0], p.value[1], value), nil
	}
	missing := path[len(path)-p.missing:]
	for _, t := range slices.Backward(missing[1:]) {
		if t == "-" || number(t) >= 0 {
			return nil, dlq.Errorf(dlq.CodeRefused, "there is no %s in the body", text(path[:len(path)-p.missing+1]))
		}
		value = "{" + quote(t) + ":" + value + "}"
	}
	if !p.array {
		value = quote(missing[0]) + ":" + value
	}
	if !p.empty {
		value = "," + value
	}
	return splice(doc, p.end, p.end, value), nil
}

// remove takes out what a path leads to, with one comma.
func remove(doc []byte, path []string) ([]byte, error) {
	p := find(doc, path)
	switch {
	case p.unreadable != nil:
		return doc, absent(p)
	case !p.found:
		return doc, nil
	}
	begin, end := p.value[0], p.value[1]
	if !p.array {
		begin = p.key[0]
	}
	switch {
	case p.right >= 0:
		end = p.right
	case p.left >= 0:
		begin = p.left
	}
	return splice(doc, begin, end, ""), nil
}

// absent tells a path that leads nowhere, which is no error where something is to be taken away, from one that is
// ambiguous.
func absent(p place) error {
	if p.found {
		return p.unreadable
	}
	return nil
}

// rename moves what one path leads to, to where another leads. Within one object the member keeps its place.
func rename(doc []byte, path, to []string) ([]byte, error) {
	p := find(doc, path)
	switch {
	case p.unreadable != nil:
		return doc, absent(p)
	case !p.found:
		return doc, nil
	}
	value := string(doc[p.value[0]:p.value[1]])
	last := len(path) - 1
	sibling := !p.array && len(to) == len(path) && slices.Equal(path[:last], to[:last])
	if !sibling {
		var err error
		if doc, err = remove(doc, path); err != nil {
			return nil, err
		}
	}
	if there := find(doc, to); there.found {
		return nil, dlq.Errorf(dlq.CodeRefused, "there is a %s already", text(to))
	}
	if sibling {
		return splice(doc, p.key[0], p.key[1], quote(to[last])), nil
	}
	return set(doc, to, value)
}

func splice(doc []byte, begin, end int, with string) []byte {
	out := make([]byte, 0, len(doc)-(end-begin)+len(with))
	out = append(out, doc[:begin]...)
	out = append(out, with...)
	return append(out, doc[end:]...)
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string that is UTF-8 always encodes, and a Builder always writes
	return strings.TrimSuffix(b.String(), "\n")
}
