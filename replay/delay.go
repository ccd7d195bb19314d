package replay

import (
	"time"

	"deadletteroffice/dlq"
)

// wait is a delay as a broker is asked for it.
type wait struct {
	level  int           // delay level; 0 for none or a timer
	actual time.Duration // what it comes to
	timer  *time.Time    // exact time for the timer wheel
}

// planWait turns a wish into what this broker can do through this door. A duration that no level has goes to the timer
// wheel where there is one, else it is rounded up to the next level. Above the longest it is refused, because the broker
// would shorten it in silence. Door C always has a level: without one the broker would take level 3 + reconsumeTimes,
// which is hours for a dead letter.
func planWait(req dlq.ReplayRequest, door dlq.Door, broker dlq.Capabilities, now time.Time) (wait, error) {
	d := time.Duration(req.Delay)
	switch {
	case d < 0:
		return wait{}, dlq.Errorf(dlq.CodeInvalid, "a delay cannot be negative")
	case d > 0 && req.DeliverAt != nil:
		return wait{}, dlq.Errorf(dlq.CodeInvalid, "give a delay or a time, not both")
	case req.DeliverAt != nil:
		if door == dlq.DoorBack || !broker.Timer {
			return wait{}, dlq.Errorf(dlq.CodeNotSupported, "this broker cannot hand a message over at an exact time through door %s", door).
				WithHint("choose one of the delays it offers")
		}
		if d = req.DeliverAt.Sub(now); d <= 0 {
			return wait{}, nil
		}
		if limit := time.Duration(broker.TimerMax); limit > 0 && d > limit {
			return wait{}, tooLong(broker.TimerMax)
		}
		at := req.DeliverAt.UTC()
		return wait{actual: d, timer: &at}, nil
	case d == 0 && door == dlq.DoorBack:
		level, actual, ok := broker.Level(1)
		if !ok {
			level = 1
		}
		return wait{level: level, actual: actual}, nil
	}
	level, actual, ok := broker.Level(d)
	if broker.Timer && door != dlq.DoorBack && (!ok || actual != d) {
		if limit := time.Duration(broker.TimerMax); limit > 0 && d > limit {
			return wait{}, tooLong(broker.TimerMax)
		}
		at := now.Add(d)
		return wait{actual: d, timer: &at}, nil
	}
	if !ok {
		var longest dlq.Duration
		for _, l := range broker.Levels {
			longest = max(longest, l)
		}
		if longest == 0 {
			return wait{}, dlq.Errorf(dlq.CodeNotSupported, "this broker does not tell its delay levels, so no delay can be asked of it")
		}
		return wait{}, tooLong(longest)
	}
	return wait{level: level, actual: actual}, nil
}

func tooLong(longest dlq.Duration) *dlq.Error {
	err := dlq.Errorf(dlq.CodeInvalid, "the longest delay of this broker is %s", longest)
	err.Params = map[string]string{"longest": longest.String()}
	return err
}
