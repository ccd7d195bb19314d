package operation

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"deadletteroffice/dlq"
	"deadletteroffice/replay/transform"
)

const (
	maxNote    = 4000 // bytes, as for an act on one letter
	maxHold    = time.Minute
	maxRate    = 1e6
	maxRampUp  = 24 * time.Hour
	maxSends   = 16 // of one operation under way at once
	maxOf      = 1000
	maxSpread  = 7 * 24 * time.Hour
	maxDelay   = 366 * 24 * time.Hour
	maxID      = 64
	idAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
)

func invalid(format string, args ...any) *dlq.Error {
	return dlq.Errorf(dlq.CodeInvalid, format, args...)
}

func checkID(id string) error {
	if len(id) > maxID || strings.Trim(id, idAlphabet) != "" || strings.Trim(id, "0123456789") == "" {
		return invalid("an operation's id has 1 to %d letters, digits, - and _, and at least one that is no digit", maxID)
	}
	return nil
}

func checkNote(note string) error {
	switch {
	case len(note) > maxNote:
		return dlq.Errorf(dlq.CodeTooLarge, "a note has at most %d bytes", maxNote)
	case !utf8.ValidString(note):
		return invalid("the note is not UTF-8")
	}
	return nil
}

// check refuses a spec that makes no sense, and leaves out of it what does not concern its kind: the canary and the brake
// judge outcomes, which only replays have.
func (m *Manager) check(kind dlq.OperationKind, s *dlq.OperationSpec) error {
	if !slices.Contains(dlq.OperationKinds, kind) {
		return invalid("there is no operation called %q", kind)
	}
	switch {
	case kind != dlq.OperationReplay && s.Replay != nil:
		return invalid("only a replay can say how letters are given back")
	case kind != dlq.OperationRoute && s.Route != "":
		return invalid("only a re-route can name a route")
	case s.Route == dlq.RouteDiscard:
		return invalid("a person who gives letters up says why").WithHint("make an operation that discards, with a note")
	case s.Route != "" && !slices.Contains(dlq.Routes, s.Route):
		return invalid("there is no route called %q", s.Route)
	case s.Hold < 0 || time.Duration(s.Hold) > maxHold:
		return invalid("an operation is held back for at most %s", dlq.Duration(maxHold))
	}
	if kind == dlq.OperationReplay {
		if s.Replay == nil {
			s.Replay = &dlq.ReplaySpec{}
		}
		if err := m.checkReplay(s.Replay); err != nil {
			return err
		}
	} else {
		s.Canary, s.Brake = dlq.Canary{}, dlq.Brake{}
	}
	if err := checkPace(s.Pace); err != nil {
		return err
	}
	switch {
	case s.Canary.Letters < 0 || !within(s.Canary.Percent, 100):
		return invalid("a canary has a number of letters, and a percentage from 0 to 100")
	case s.Brake.Of < 0 || s.Brake.Of > maxOf || !within(s.Brake.Above, 100):
		return invalid("a brake looks at 1 to %d outcomes (0 for none), and bites above 0 to 100 percent", maxOf)
	}
	_, err := newWindow(s.Window, m.Zone)
	return err
}

func within(v, most float64) bool { return !math.IsNaN(v) && v >= 0 && v <= most }

func checkPace(p dlq.Pace) error {
	switch {
	case !within(p.Rate, maxRate):
		return invalid("a pace is a number of letters per second, from 0 (no limit) to %g", maxRate)
	case p.RampUp < 0 || time.Duration(p.RampUp) > maxRampUp:
		return invalid("a pace rises for at most %s", dlq.Duration(maxRampUp))
	case p.Concurrency < 0 || p.Concurrency > maxSends:
		return invalid("between 1 and %d sends can be under way at once", maxSends)
	}
	return nil
}

func (m *Manager) checkReplay(r *dlq.ReplaySpec) error {
	if !slices.Contains([]dlq.Door{"", dlq.DoorTopic, dlq.DoorRetry, dlq.DoorBack, dlq.DoorPop}, r.Door) {
		return invalid("there is no door called %q for many letters", r.Door)
	}
	switch named := r.Target.Name != ""; r.Target.Kind {
	case dlq.TargetGroup, dlq.TargetTopic:
		if named {
			return invalid("only another topic or another consumer group is named")
		}
	case dlq.TargetOtherTopic, dlq.TargetOtherGroup:
		if !named {
			return invalid("which topic or consumer group shall get the letters?")
		}
	default:
		return invalid("there is no target called %q", r.Target.Kind)
	}
	switch {
	case r.Delay < 0 || time.Duration(r.Delay) > maxDelay:
		return invalid("a delay is between 0 and %s", dlq.Duration(maxDelay))
	case r.Delay > 0 && r.DeliverAt != nil:
		return invalid("a delay and a time of delivery exclude each other")
	case r.DeliverAt != nil && !r.DeliverAt.After(m.now()):
		return invalid("the time of delivery has passed")
	case r.Spread < 0 || time.Duration(r.Spread) > maxSpread:
		return invalid("letters are spread over at most %s", dlq.Duration(maxSpread))
	}
	_, err := transform.Compile(r.Transform)
	return err
}
