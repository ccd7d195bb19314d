package dlq

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as people write it, in texts, JSON and YAML alike: 10s, 5m, 1h30m, 2d.
type Duration time.Duration

// String writes the duration with the units d, h, m, s and ms, largest first, leaving out zeros.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(d)
	if rest < 0 {
		b.WriteByte('-')
		rest = -rest
	}
	for _, u := range units {
		if n := rest / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.size
		}
	}
	if b.Len() == 0 || b.String() == "-" {
		return time.Duration(d).String()
	}
	return b.String()
}

var units = []struct {
	name string
	size time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// ParseDuration reads what Duration.String writes, and everything that time.ParseDuration reads. Days have 24 hours.
func ParseDuration(s string) (Duration, error) {
	rest := strings.TrimSpace(s)
	neg := strings.HasPrefix(rest, "-")
	rest = strings.TrimPrefix(rest, "-")
	var days time.Duration
	if head, tail, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseInt(head, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 10s, 5m or 2d", s)
		}
		days, rest = time.Duration(n)*24*time.Hour, tail
	}
	var part time.Duration
	if rest != "" || days == 0 {
		var err error
		if part, err = time.ParseDuration(rest); err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 10s, 5m or 2d", s)
		}
	}
	total := days + part
	if neg {
		total = -total
	}
	return Duration(total), nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := ParseDuration(string(b))
	*d = v
	return err
}
