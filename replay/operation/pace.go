package operation

import (
	"math"
	"time"

	"deadletteroffice/dlq"
)

const (
	maxBatch   = 100
	batchSpan  = 250 * time.Millisecond // work of one batch at a limited pace
	maxInHand  = time.Second            // of sends that a bucket saves up
	rampBottom = 0.1                    // of the rate, where a ramp begins
)

// limit is how many letters per second the pace allows each consumer group so long after it began; 0 for no limit.
func limit(p dlq.Pace, since time.Duration) float64 {
	if p.Rate <= 0 {
		return 0
	}
	if ramp := time.Duration(p.RampUp); since < ramp {
		return p.Rate * (rampBottom + (1-rampBottom)*max(0, since.Seconds())/ramp.Seconds())
	}
	return p.Rate
}

// lasts is how long so many letters of one consumer group take at a pace.
func lasts(p dlq.Pace, letters int64) time.Duration {
	if p.Rate <= 0 || letters <= 0 {
		return 0
	}
	n, ramp := float64(letters), time.Duration(p.RampUp).Seconds()
	// While it ramps up, t seconds let rate·(0.1·t + 0.9·t²/2/ramp) letters pass.
	inRamp := p.Rate * ramp * (1 + rampBottom) / 2
	if n >= inRamp {
		return seconds(ramp + (n-inRamp)/p.Rate)
	}
	a, b := (1-rampBottom)/2/ramp, rampBottom
	return seconds((math.Sqrt(b*b+4*a*n/p.Rate) - b) / 2 / a)
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 1e9) * float64(time.Second))
}

// batchSize is how many letters go into one batch at a rate; 0 is no limit.
func batchSize(rate float64) int {
	if rate <= 0 {
		return maxBatch
	}
	return min(max(1, int(rate*batchSpan.Seconds())), maxBatch)
}

// bucket lets letters pass at a rate that may change at any time. After a pause it lets at most one second's worth pass
// at once, and at least one letter.
type bucket struct {
	tokens float64
	filled time.Time
}

// fill adds what has come together at a rate since the last time. A new bucket has one token.
func (b *bucket) fill(now time.Time, rate float64) {
	if b.filled.IsZero() {
		b.tokens = 1
	} else if d := now.Sub(b.filled); d > 0 {
		b.tokens += rate * d.Seconds()
	}
	b.tokens = min(b.tokens, max(1, rate*maxInHand.Seconds()))
	b.filled = now
}

// wait is how long it takes until n letters may pass.
func (b *bucket) wait(n int, rate float64) time.Duration {
	if lack := float64(n) - b.tokens; lack > 1e-9 {
		return seconds(lack/rate) + time.Microsecond
	}
	return 0
}

// meter counts letters by the second, to tell the rate of the last ten.
type meter struct {
	since time.Time
	slots [meterSpan + 1]struct{ second, n int64 }
}

const meterSpan = 10

func (m *meter) add(now time.Time, n int) {
	if m.since.IsZero() {
		m.since = now
	}
	s := now.Unix()
	slot := &m.slots[s%int64(len(m.slots))]
	if slot.second != s {
		slot.second, slot.n = s, 0
	}
	slot.n += int64(n)
}

// rate is letters per second over the last ten seconds, or since the first if that is shorter.
func (m *meter) rate(now time.Time) float64 {
	if m.since.IsZero() {
		return 0
	}
	var n int64
	for _, s := range m.slots {
		if s.second > now.Unix()-meterSpan {
			n += s.n
		}
	}
	return float64(n) / min(max(now.Sub(m.since).Seconds(), 1), meterSpan)
}
