package classifier

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what patterns may cost. Go's patterns take at most as many steps for each character of a value as the compiled
// pattern has instructions, each a few ten nanoseconds: written in a few characters it can have very many.
const (
	maxPattern     = 1000      // bytes as written
	maxCost        = 600       // steps for each character, of one pattern
	maxFileCost    = 60_000    // of all patterns of a file together
	letterSteps    = 8_000_000 // that the patterns may take for one letter: a fifth of a second when all are taken
	explainedSteps = 2 * letterSteps
)

// needs returns texts of which one must stand in every value that the pattern matches; nil when there are none. To look for
// them is many times faster than to match.
func needs(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 || slices.Contains(re.Rune, utf8.RuneError) { // that also matches what is not UTF-8
			return nil
		}
		return []string{string(re.Rune)}
	case syntax.OpCapture, syntax.OpPlus:
		return needs(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needs(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if other := needs(sub); best == nil || other != nil && shortest(other) > shortest(best) {
				best = other
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			other := needs(sub)
			if all = append(all, other...); other == nil || len(all) > 16 {
				return nil
			}
		}
		return all
	}
	return nil
}

func shortest(texts []string) int {
	n := len(texts[0])
	for _, text := range texts {
		n = min(n, len(text))
	}
	return n
}

// matchPattern matches a regex or a glob. When the letter has used up its steps nothing is matched any more.
func (c *clause) matchPattern(s *subject, text string) bool {
	if len(text) > longestForPattern {
		text = text[:longestForPattern]
	}
	if c.literal != nil {
		return c.literal(text)
	}
	if c.needs != nil && !slices.ContainsFunc(c.needs, func(part string) bool { return strings.Contains(text, part) }) {
		return false
	}
	if s.steps -= c.cost * (len(text) + 1); s.steps < 0 {
		return false
	}
	return c.pattern.MatchString(text)
}

// spent reports whether the patterns took more steps than one letter may cost. What they said since counts for nothing.
func (s *subject) spent() bool { return s.steps < 0 }
