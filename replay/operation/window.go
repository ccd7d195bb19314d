package operation

import (
	"time"

	"deadletteroffice/dlq"
)

// window is a time of day in which an operation acts: from a minute of the day, up to but not including another.
type window struct {
	from, to int // minutes since midnight, as clocks on the wall show them
	zone     *time.Location
}

// newWindow reads a replay window; nil for none. The error is CodeInvalid.
func newWindow(w *dlq.ReplayWindow, zone *time.Location) (*window, error) {
	if w == nil {
		return nil, nil
	}
	out := &window{zone: zone}
	for _, end := range []struct {
		text string
		at   *int
	}{{w.From, &out.from}, {w.To, &out.to}} {
		t, err := time.Parse("15:04", end.text)
		if err != nil || len(end.text) != len("15:04") {
			return nil, dlq.Errorf(dlq.CodeInvalid, "%q is not a time of day", end.text).WithHint("write it as 02:00")
		}
		*end.at = t.Hour()*60 + t.Minute()
	}
	if out.from == out.to {
		return nil, dlq.Errorf(dlq.CodeInvalid, "a window from %s to %s has no length", w.From, w.To)
	}
	if w.Zone != "" {
		z, err := time.LoadLocation(w.Zone)
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "there is no time zone called %q", w.Zone).WithHint("IANA names such as Asia/Shanghai are known")
		}
		out.zone = z
	}
	return out, nil
}

// open reports whether the clock on the wall is within the window. So a window that lies in the hour which a change to
// summer time leaves out does not open that day, and one in the hour that comes twice opens for both.
func (w *window) open(at time.Time) bool {
	at = at.In(w.zone)
	now := at.Hour()*60 + at.Minute()
	if w.from < w.to {
		return w.from <= now && now < w.to
	}
	return now >= w.from || now < w.to
}

// change returns when the window opens next or, while it is open, closes: the next full minute at which that is so. A
// window opens at least once in any two days, save where a change of clocks keeps it shut; three are looked through.
func (w *window) change(at time.Time) time.Time {
	was := w.open(at)
	next := at.In(w.zone)
	next = next.Add(-time.Duration(next.Second())*time.Second - time.Duration(next.Nanosecond()))
	for range 3 * 24 * 60 {
		next = next.Add(time.Minute)
		if w.open(next) != was {
			break
		}
	}
	return next.UTC()
}
