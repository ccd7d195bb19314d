package dlq

import "time"

// lastMilli is 9999-12-31T23:59:59.999Z, the last instant that RFC 3339, and so JSON, can write.
const lastMilli = 253_402_300_799_999

var zeroMilli = time.Time{}.UnixMilli()

// Instant returns the instant of a number of milliseconds since 1970, as a message carries it. Producers write microseconds,
// nanoseconds or anything else there, and brokers keep it as it is: what lies before 1970 or after the year 9999 becomes the
// nearest instant in between, and raw is the number itself. For every other number raw is 0, and for that of the zero Time,
// which stays one.
func Instant(ms int64) (at time.Time, raw int64) {
	if ms == zeroMilli {
		return time.Time{}, 0
	}
	if ms < 0 || ms > lastMilli {
		raw = ms
	}
	return time.UnixMilli(min(max(ms, 0), lastMilli)).UTC(), raw
}

// Millis is the reverse of Instant: the raw number where there is one.
func Millis(at time.Time, raw int64) int64 {
	if raw != 0 {
		return raw
	}
	return at.UnixMilli()
}
