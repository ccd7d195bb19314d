package classifier

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/rulebook/yamlnode"
)

// A rule can never be reached when an earlier one takes everything that it would take. To see it, each match is turned
// into its branches: an "or" of "and"s of literals. A rule covers a later one when each branch of the later implies a
// branch of the earlier, and a branch implies another when each literal of that is implied by one of its own. What this
// cannot see it does not claim.

// literal is a clause, or its opposite.
type literal struct {
	*clause
	not bool
}

// maxBranches bounds the branches of one match; beyond it nothing is claimed about the rule.
const maxBranches = 64

// maxReachSteps bounds the clauses that are compared, and the steps of patterns that are tried, stepsOfPatterns to one:
// enough for 2 000 rules of the usual kind, and about a second for a file made to be slow.
const (
	maxReachSteps   = 3_000_000
	stepsOfPatterns = 16
)

// branches returns the or of ands of a list of conditions joined by and (or, in a not, by its opposite).
func branches(list []condition, not bool) (out [][]literal, ok bool) {
	out = [][]literal{nil}
	for i := range list {
		var more [][]literal
		switch c := &list[i]; {
		case c.clause != nil:
			more = [][]literal{{{c.clause, not}}}
		case c.group == "not":
			more, _ = branches(c.kids, !not)
		case (c.group == "all") != not: // an and; a not makes an or of an all and an and of an any
			more, _ = branches(c.kids, not)
		default:
			for k := range c.kids {
				one, fits := branches(c.kids[k:k+1], not)
				if !fits {
					return nil, false
				}
				more = append(more, one...)
			}
		}
		if len(more) == 0 || len(out)*len(more) > maxBranches {
			return nil, false
		}
		product := make([][]literal, 0, len(out)*len(more))
		for _, a := range out {
			for _, b := range more {
				product = append(product, slices.Concat(a, b))
			}
		}
		out = product
	}
	return out, true
}

// reach warns of rules that can never be reached and hints at a missing last rule. nodes are the rules' names, nil for
// each rule with an error, about which nothing is claimed. A rule that is off takes nothing, so it covers none.
func (c *compiler) reach(nodes []*yaml.Node) {
	rules := c.out.rules
	if len(rules) == 0 {
		return
	}
	all := make([][][]literal, len(rules))
	left := c.reachSteps
	for i := range rules {
		r := &rules[i]
		if nodes[i] == nil || r.info.Off {
			continue
		}
		c.SetRule(r.info.Name)
		all[i], _ = branches(r.when, false)
		for earlier := 0; earlier < i && r.info.CoveredBy == ""; earlier++ {
			if left < 0 {
				c.SetRule("")
				c.Hint(nodes[i], CodeReachUnknown, yamlnode.Say("from here on it was not checked whether rules can be reached: there are too many", "规则过多：此处之后未检查规则是否可达"), "")
				return
			}
			if rules[earlier].info.CoveredBy == "" && covers(all[earlier], all[i], &left) {
				r.info.CoveredBy = rules[earlier].info.Name
			}
		}
		if r.info.CoveredBy != "" {
			c.Warn(nodes[i], CodeUnreachable, yamlnode.Say("this rule is never reached: %q on line %d takes all of its letters", "这条规则永远不会被用到：第 %[2]d 行的 “%[1]s” 已覆盖它的全部死信",
				r.info.CoveredBy, c.lineOf(r.info.CoveredBy)), "")
		}
	}
	c.SetRule("")
	if last := len(rules) - 1; c.Errors() == 0 && !slices.ContainsFunc(all, func(b [][]literal) bool { return len(b) == 1 && len(b[0]) == 0 }) {
		c.Hint(nodes[last], CodeNoCatchAll, yamlnode.Say("letters that no rule matches go to a person with normal severity; a last rule without match says so in the file",
			"没有规则匹配的死信会以普通级别交由人工处理；建议在最后加一条没有 match 的规则，把去向写明"), "- name: everything else\n  route: manual")
	}
}

func (c *compiler) lineOf(name string) int {
	for i := range c.out.rules {
		if c.out.rules[i].info.Name == name {
			return c.out.rules[i].info.Line
		}
	}
	return 0
}

// covers reports whether every letter of the later branches is one of the earlier ones. When no steps are left nothing is
// claimed.
func covers(earlier, later [][]literal, left *int) bool {
	if len(earlier) == 0 || len(later) == 0 {
		return false
	}
	for _, branch := range later {
		if !slices.ContainsFunc(earlier, func(e []literal) bool { return impliesAll(branch, e, left) }) {
			return false
		}
	}
	return true
}

func impliesAll(branch, wanted []literal, left *int) bool {
	for _, w := range wanted {
		met := false
		for i := 0; i < len(branch) && !met; i++ {
			if branch[i].field.name == w.field.name {
				if *left--; *left < 0 {
					return false
				}
				met = branch[i].implies(w, left)
			}
		}
		if !met {
			return false
		}
	}
	return true
}

// implies reports whether a letter that meets l surely meets w, a literal on the same field.
func (l literal) implies(w literal, left *int) bool {
	switch {
	case l.not && w.not:
		return w.clause.implies(l.clause, left)
	case l.not != w.not:
		return false
	default:
		return l.clause.implies(w.clause, left)
	}
}

// implies reports whether a value that meets c surely meets w, a clause on the same field. For a set it is one and the
// same member that meets both.
func (c *clause) implies(w *clause, left *int) bool {
	if c.op == w.op && slices.Equal(c.want, w.want) && len(c.decs) == len(w.decs) {
		return true
	}
	if w.op == "exists" {
		return w.exists && c.op != "exists"
	}
	if c.op == "exists" {
		return false
	}
	switch c.field.kind {
	case kindCount, kindAge, kindSize:
		return c.impliesNumber(w)
	}
	switch {
	case c.op == "eq" || c.op == "in":
		return c.valuesMeet(w, left)
	case w.op == "prefix":
		return c.op == "prefix" && strings.HasPrefix(c.texts[0], w.texts[0])
	case w.op == "suffix":
		return c.op == "suffix" && strings.HasSuffix(c.texts[0], w.texts[0])
	case w.op == "contains":
		return (c.op == "prefix" || c.op == "suffix" || c.op == "contains") && strings.Contains(c.texts[0], w.texts[0])
	case slices.Contains([]string{"gt", "gte", "lt", "lte"}, c.op):
		return bound(c.op, w.op, len(w.decs) > 0, func() int { return c.decs[0].compare(w.decs[0]) })
	}
	return false
}

// valuesMeet reports whether each value that an eq or in takes meets w. A number stands for all its notations, so only
// what compares numbers can be sure of it.
func (c *clause) valuesMeet(w *clause, left *int) bool {
	textual := w.op == "prefix" || w.op == "suffix" || w.op == "contains" || w.op == "glob" || w.op == "regex"
	if len(c.decs) > 0 && (textual || len(w.decs) == 0) {
		return false
	}
	for _, text := range c.texts {
		s := subject{steps: letterSteps}
		met := w.matchText(&s, text, true)
		if *left -= 1 + (letterSteps-s.steps)/stepsOfPatterns; !met || *left < 0 {
			return false
		}
		if d, ok := parseDecimal(text); ok && len(c.decs) > 0 && (w.op == "eq" || w.op == "in") && !slices.ContainsFunc(w.decs, func(e decimal) bool { return d.compare(e) == 0 }) {
			return false
		}
	}
	return true
}

func (c *clause) impliesNumber(w *clause) bool {
	if c.op == "eq" || c.op == "in" {
		for _, n := range c.numbers {
			if !w.matchNumber(n, true) {
				return false
			}
		}
		return true
	}
	op, n := closed(c.op, c.numbers[0])
	wanted, m := closed(w.op, w.numbers[0])
	return bound(op, wanted, len(w.numbers) == 1, func() int { return cmp.Compare(n, m) })
}

// closed writes a bound on whole numbers with gte or lte.
func closed(op string, n int64) (string, int64) {
	switch op {
	case "gt":
		return "gte", n + 1
	case "lt":
		return "lte", n - 1
	}
	return op, n
}

// bound reports whether everything beyond one bound is beyond another; compare orders the bounds.
func bound(op, wanted string, comparable bool, compare func() int) bool {
	if !comparable {
		return false
	}
	switch wanted {
	case "gte":
		return (op == "gt" || op == "gte") && compare() >= 0
	case "gt":
		return op == "gte" && compare() > 0 || op == "gt" && compare() >= 0
	case "lte":
		return (op == "lt" || op == "lte") && compare() <= 0
	case "lt":
		return op == "lte" && compare() < 0 || op == "lt" && compare() <= 0
	}
	return false
}
