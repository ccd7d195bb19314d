package classifier

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestDecimalNotations(t *testing.T) {
	for _, s := range []string{"", "-", "+1", "007", "1_000", "0x1F", " 1", "1 ", ".5", "5.", "1e", "1e+", "NaN", "Infinity", "--1", "1.2.3", "１"} {
		if d, ok := parseDecimal(s); ok {
			t.Errorf("parseDecimal(%q) = %+v; it is a text", s, d)
		}
	}
	same := [][]string{
		{"0", "-0", "0.0", "0e5", "-0.00e-3", "0e99999999999999999999"},
		{"1", "1.0", "10e-1", "0.1e1", "0.01E+2", "1.000000000000000000000000000"},
		{"-120", "-1.2e2", "-12E1", "-120.0"},
		{"9007199254740993", "9007199254740993.0", "9.007199254740993e15"},
	}
	for i, list := range same {
		for _, a := range list {
			for _, b := range list {
				if x, y := mustDecimal(t, a), mustDecimal(t, b); x.compare(y) != 0 {
					t.Errorf("%s and %s differ", a, b)
				}
			}
			for _, b := range same[(i+1)%len(same)] {
				if x, y := mustDecimal(t, a), mustDecimal(t, b); x.compare(y) == 0 {
					t.Errorf("%s and %s are the same", a, b)
				}
			}
		}
	}
	if mustDecimal(t, "1e999999999999999999999").compare(mustDecimal(t, "9e99")) <= 0 {
		t.Error("a huge number is not above a large one")
	}
}

// Against exact rationals, over numbers that are close to each other and written in different ways.
func TestDecimalAgainstRationals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b := randomNumber(r), randomNumber(r)
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if got, want := mustDecimal(t, a).compare(mustDecimal(t, b)), x.Cmp(y); got != want {
			t.Fatalf("%s and %s: %d, want %d", a, b, got, want)
		}
	}
}

func randomNumber(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteByte('-')
	}
	digits := []string{"0", "1", "9", "10", "19", "900", "123456789012345678901234567890"}
	b.WriteString(digits[r.IntN(len(digits))])
	if r.IntN(2) == 0 {
		b.WriteString("." + []string{"0", "00", "1", "10", "09", "999999999999999999999"}[r.IntN(6)])
	}
	if r.IntN(2) == 0 {
		b.WriteString("e" + strconv.Itoa(r.IntN(9)-4))
	}
	return b.String()
}

func mustDecimal(t *testing.T, s string) decimal {
	t.Helper()
	d, ok := parseDecimal(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return d
}
