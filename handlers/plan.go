package handlers

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"deadletteroffice/dlq"
)

// Case is all that a plan depends on. Plan adds nothing to it, so that every plan can be told beforehand and tested.
type Case struct {
	Now        time.Time
	DiedAt     time.Time // when the newest dead copy was stored by the broker
	Facts      dlq.Facts
	Verdict    dlq.Verdict
	Replays    int // how often the console gave it back already
	Automation dlq.Automation
	Policy     dlq.AutomationPolicy

	Compensation bool          // the endpoint that the verdict names can be asked
	Person       bool          // a person chose this letter: its age does not matter
	NewCallID    func() string // makes the id of a compensation call
}

// Plan says what shall happen to a letter: how its route is followed, or why it is held for a person.
func Plan(c Case) dlq.Plan {
	if c.Verdict.Route == dlq.RouteManual || c.Verdict.Route == "" {
		return planManual(dlq.HoldNone)
	}
	if hold := mayAct(c); hold != dlq.HoldNone {
		return planManual(hold)
	}
	switch c.Verdict.Route {
	case dlq.RouteRetry:
		return planRetry(c)
	case dlq.RouteCompensate:
		return planCompensate(c)
	case dlq.RouteDiscard:
		return planDiscard()
	default:
		return planManual(dlq.HoldNone)
	}
}

// mayAct says why the console may not act on the letter without a person, and HoldNone when it may.
func mayAct(c Case) dlq.Hold {
	switch a := c.Automation; {
	case !a.On:
		return dlq.HoldAutomationOff
	case a.Stopped:
		return dlq.HoldAutomationStopped
	case c.Person:
		return dlq.HoldNone
	case a.Since != nil && c.DiedAt.Before(*a.Since):
		return dlq.HoldBeforeAutomation
	case c.Now.Sub(c.DiedAt) > time.Duration(c.Policy.MaxAge):
		return dlq.HoldTooOld
	default:
		return dlq.HoldNone
	}
}

// newCallID makes the id of a compensation call: 128 random bits.
func newCallID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process rather than return bad bits
	return "call_" + hex.EncodeToString(b[:])
}
