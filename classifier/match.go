package classifier

import (
	"regexp"
	"strings"

	"deadletteroffice/dlq"
)

// condition is one node of a rule's match: a clause, or a group of conditions.
type condition struct {
	clause *clause     // a leaf
	group  string      // else "all", "any" or "not"
	kids   []condition // of a group; one for "not"
	line   int
}

func (c *condition) match(s *subject) bool {
	switch c.group {
	case "":
		return c.clause.match(s)
	case "any":
		for i := range c.kids {
			if c.kids[i].match(s) {
				return true
			}
		}
		return false
	case "not":
		return !c.kids[0].match(s)
	default:
		for i := range c.kids {
			if !c.kids[i].match(s) {
				return false
			}
		}
		return true
	}
}

// trace evaluates everything, also what match would skip, and writes it down.
func (c *condition) trace(s *subject, out []dlq.Clause, depth int, inNot bool) ([]dlq.Clause, bool) {
	if c.clause != nil {
		line := c.clause.explain(s)
		line.Depth, line.Not = depth, inNot
		return append(out, line), line.OK
	}
	at := len(out)
	out = append(out, dlq.Clause{Group: c.group, Depth: depth, Not: inNot, Line: c.line})
	ok := c.group != "any"
	for i := range c.kids {
		var hit bool
		out, hit = c.kids[i].trace(s, out, depth+1, inNot || c.group == "not")
		switch c.group {
		case "any":
			ok = ok || hit
		case "not":
			ok = !hit
		default:
			ok = ok && hit
		}
	}
	out[at].OK = ok
	return out, ok
}

// clause is one comparison of a field.
type clause struct {
	field *field
	op    string
	want  []string // as the file writes it
	line  int

	exists  bool              // exists
	numbers []int64           // fields that are numbers: the operands
	texts   []string          // other fields: the operands of eq, in, prefix, suffix, contains
	many    map[string]bool   // texts as a set, when they are many
	decs    []decimal         // the operands of eq and in that are numbers, of gt, gte, lt, lte
	pattern *regexp.Regexp    // regex, and glob that needs one
	literal func(string) bool // glob that does without
	cost    int               // of the pattern: steps for each character
	needs   []string          // of the pattern
}

// longestForPattern is how much of a value a regex or a glob looks at, so that one letter with a huge field cannot stall
// the intake.
const longestForPattern = 16 << 10

func (c *clause) match(s *subject) bool {
	switch f := c.field; f.kind {
	case kindText:
		text := f.text(s)
		return c.matchText(s, text, text != "")
	case kindSet:
		set := f.set(s)
		if c.op == "exists" {
			return (len(set) > 0) == c.exists
		}
		for _, member := range set {
			if c.matchText(s, member, true) {
				return true
			}
		}
		return false
	case kindOpen:
		text, have := f.open(s)
		return c.matchText(s, text, have)
	default:
		return c.matchNumber(f.number(s))
	}
}

// open reads a field that the message itself names.
func (f *field) open(s *subject) (text string, have bool) {
	if f.slot < 0 {
		text, have = s.m.Properties[f.property]
		return text, have
	}
	v := s.body(f.slot)
	return v.text, v.kind != absent
}

func (c *clause) matchNumber(n int64, have bool) bool {
	if c.op == "exists" {
		return have == c.exists
	}
	if !have {
		return false
	}
	switch c.op {
	case "gt":
		return n > c.numbers[0]
	case "gte":
		return n >= c.numbers[0]
	case "lt":
		return n < c.numbers[0]
	case "lte":
		return n <= c.numbers[0]
	}
	for _, want := range c.numbers { // eq, in
		if n == want {
			return true
		}
	}
	return false
}

func (c *clause) matchText(s *subject, text string, have bool) bool {
	if c.op == "exists" {
		return have == c.exists
	}
	if !have {
		return false
	}
	switch c.op {
	case "eq", "in":
		return c.oneOf(text)
	case "prefix":
		return strings.HasPrefix(text, c.texts[0])
	case "suffix":
		return strings.HasSuffix(text, c.texts[0])
	case "contains":
		return strings.Contains(text, c.texts[0])
	case "glob", "regex":
		return c.matchPattern(s, text)
	}
	d, ok := parseDecimal(text)
	if !ok {
		return false
	}
	order := d.compare(c.decs[0])
	switch c.op {
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	default:
		return order <= 0
	}
}

func (c *clause) oneOf(text string) bool {
	if c.many != nil {
		if c.many[text] {
			return true
		}
	} else {
		for _, want := range c.texts {
			if text == want {
				return true
			}
		}
	}
	if len(c.decs) == 0 {
		return false
	}
	d, ok := parseDecimal(text)
	if !ok {
		return false
	}
	for _, want := range c.decs {
		if d.compare(want) == 0 {
			return true
		}
	}
	return false
}

// explain writes down how the letter met the clause.
func (c *clause) explain(s *subject) dlq.Clause {
	out := dlq.Clause{Field: c.field.name, Op: c.op, Want: c.want, OK: c.match(s), Line: c.line}
	switch f := c.field; f.kind {
	case kindText:
		if text := f.text(s); text != "" {
			out.Got = []string{dlq.Cut(text, 256)}
		}
	case kindSet:
		for _, member := range f.set(s) {
			if len(out.Got) == 32 {
				break
			}
			out.Got = append(out.Got, dlq.Cut(member, 256))
		}
	case kindOpen:
		if text, have := f.open(s); have {
			out.Got = []string{dlq.Cut(text, 256)}
		}
	default:
		if n, have := f.number(s); have {
			out.Got = []string{f.showNumber(n)}
		}
	}
	out.Have = out.Got != nil
	return out
}
