package classifier

import (
	"cmp"
	"strconv"
	"strings"
)

// decimal is a number of any size, exact: 0.digits × 10^exp. Order numbers and amounts have more digits than a float
// keeps, so nothing is ever turned into one.
type decimal struct {
	neg    bool
	digits string // without zeros at either end; "" for zero
	exp    int64
}

// parseDecimal reads what JSON calls a number. Other notations (007, 1_000, +1, 0x1F, blanks) are texts.
func parseDecimal(s string) (decimal, bool) {
	var d decimal
	rest := s
	rest, d.neg = strings.CutPrefix(rest, "-")
	whole := digitRun(rest)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return decimal{}, false
	}
	rest = rest[len(whole):]
	d.digits, d.exp = whole, int64(len(whole))
	if tail, ok := strings.CutPrefix(rest, "."); ok {
		fraction := digitRun(tail)
		if fraction == "" {
			return decimal{}, false
		}
		rest = tail[len(fraction):]
		if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
			d.digits += fraction
		}
	}
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return decimal{}, false
		}
		power, ok := parsePower(rest[1:])
		if !ok {
			return decimal{}, false
		}
		d.exp += power
	}
	d.digits = strings.TrimRight(d.digits, "0")
	trimmed := strings.TrimLeft(d.digits, "0")
	d.exp -= int64(len(d.digits) - len(trimmed))
	if d.digits = trimmed; trimmed == "" {
		return decimal{}, true
	}
	return d, true
}

// parsePower reads an exponent. One beyond 18 digits counts as 10^18: nobody can tell the difference.
func parsePower(s string) (int64, bool) {
	s, neg := strings.CutPrefix(s, "-")
	if !neg {
		s = strings.TrimPrefix(s, "+")
	}
	if s == "" || digitRun(s) != s {
		return 0, false
	}
	power, err := strconv.ParseInt(s, 10, 64)
	if err != nil || power > 1e18 {
		power = 1e18
	}
	if neg {
		power = -power
	}
	return power, true
}

func digitRun(s string) string {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return s[:i]
		}
	}
	return s
}

// compare returns -1, 0 or +1 as d is below, equal to or above e.
func (d decimal) compare(e decimal) int {
	if sign := cmp.Compare(d.sign(), e.sign()); sign != 0 || d.digits == "" {
		return sign
	}
	size := cmp.Compare(d.exp, e.exp)
	if size == 0 {
		size = strings.Compare(d.digits, e.digits)
	}
	if d.neg {
		return -size
	}
	return size
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.neg:
		return -1
	default:
		return 1
	}
}
