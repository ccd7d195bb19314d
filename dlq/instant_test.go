package dlq

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	first, last := time.UnixMilli(0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	now := int64(1_790_000_000_123)
	for ms, want := range map[int64]struct {
		at  time.Time
		raw int64
	}{
		now: {time.UnixMilli(now).UTC(), 0}, 0: {first, 0}, lastMilli: {last, 0}, now * 1000: {last, now * 1000}, now * 1_000_000: {last, now * 1_000_000},
		-1: {first, -1}, math.MinInt64: {first, math.MinInt64}, math.MaxInt64: {last, math.MaxInt64}, lastMilli + 1: {last, lastMilli + 1},
	} {
		at, raw := Instant(ms)
		if !at.Equal(want.at) || raw != want.raw || Millis(at, raw) != ms {
			t.Errorf("%d: %v, raw %d, back %d", ms, at, raw, Millis(at, raw))
		}
		if _, err := json.Marshal(at); err != nil {
			t.Errorf("%d: %v", ms, err)
		}
	}
}
