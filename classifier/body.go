package classifier

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/tidwall/gjson"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// paths is the tree of all body fields that a file names. One pass over a body fills them all.
type paths struct {
	root  pathNode
	count int
}

type pathNode struct {
	slot     int // index of the field's value; -1 for a step on the way only
	children map[string]*pathNode
}

// add returns the slot of the field at the path.
func (p *paths) add(path []string) int {
	n := &p.root
	for _, step := range path {
		next := n.children[step]
		if next == nil {
			if n.children == nil {
				n.children = map[string]*pathNode{}
			}
			next = &pathNode{slot: -1}
			n.children[step] = next
		}
		n = next
	}
	if n.slot < 0 {
		n.slot = p.count
		p.count++
	}
	return n.slot
}

// fieldValue is one field of a body. raw is exactly what the body holds, text what a string means or else raw.
type fieldValue struct {
	kind valueKind
	raw  string
	text string
}

type valueKind uint8

const (
	absent    valueKind = iota // not there, or null
	jsonText                   // a string
	jsonPlain                  // a number, true or false
	jsonTree                   // an object or a list
)

// read returns all fields, by slot; nil when the body is not JSON. A key that stands twice counts as its last, as it
// does for the usual readers of JSON in Java and Go. JSON in another charset is read as the text that it is, and one that
// the application has compressed is opened, which opened says.
func (p *paths) read(m *dlq.DeadMessage) (values []fieldValue, c bodytext.Charset, opened bool) {
	if p.count == 0 || m.BodyState == dlq.BodyUndecoded || m.BodyState == dlq.BodyOverLimit {
		return nil, c, false
	}
	body, c, opened := bodytext.AsUTF8(m.Body)
	if c == bodytext.Binary && !opened {
		body = m.Body // JSON all the same, perhaps, with some bytes in it that nobody can read
	}
	if !validJSON(body) {
		return nil, c, opened
	}
	values = make([]fieldValue, p.count)
	p.root.collect(gjson.ParseBytes(body), values)
	return values, c, opened
}

// validJSON reports whether the body is JSON; gjson's reader itself takes anything. gjson's check is the faster one but
// recurses without a limit, so a body that could nest deeply takes the other.
func validJSON(body []byte) bool {
	if len(body) == 0 {
		return false
	}
	if bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 10_000 {
		return json.Valid(body)
	}
	return gjson.ValidBytes(body)
}

func (n *pathNode) collect(v gjson.Result, values []fieldValue) {
	if n.slot >= 0 {
		values[n.slot] = valueOf(v)
	}
	if len(n.children) == 0 {
		return
	}
	switch {
	case v.IsObject():
		v.ForEach(func(key, value gjson.Result) bool {
			if child := n.children[key.Str]; child != nil {
				child.clear(values)
				child.collect(value, values)
			}
			return true
		})
	case v.IsArray():
		index := 0
		v.ForEach(func(_, value gjson.Result) bool {
			if child := n.children[strconv.Itoa(index)]; child != nil {
				child.collect(value, values)
			}
			index++
			return true
		})
	}
}

// clear forgets what an earlier key of the same name held.
func (n *pathNode) clear(values []fieldValue) {
	if n.slot >= 0 {
		values[n.slot] = fieldValue{}
	}
	for _, child := range n.children {
		child.clear(values)
	}
}

func valueOf(v gjson.Result) fieldValue {
	switch v.Type {
	case gjson.Null:
		return fieldValue{}
	case gjson.String:
		return fieldValue{kind: jsonText, raw: v.Raw, text: v.Str}
	case gjson.JSON:
		return fieldValue{kind: jsonTree, raw: v.Raw, text: v.Raw}
	default:
		return fieldValue{kind: jsonPlain, raw: v.Raw, text: v.Raw}
	}
}

// subject is one letter under judgement. The body is read when a field of it is first asked for, and once at most.
type subject struct {
	rules  *Ruleset
	m      *dlq.DeadMessage
	facts  *dlq.Facts
	j      dlq.Judgement
	lean   bool // nobody asks for the fingerprint, which takes longer than all else
	steps  int  // that patterns may still take; see spent
	read   bool
	values []fieldValue

	charset bodytext.Charset // of the body, once it is read
	opened  bool             // its application had compressed it
}

func (s *subject) body(slot int) fieldValue {
	if !s.read {
		s.read = true
		s.values, s.charset, s.opened = s.rules.paths.read(s.m)
	}
	if slot < 0 || s.values == nil {
		return fieldValue{}
	}
	return s.values[slot]
}
