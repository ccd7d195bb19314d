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
	BornAt     time.Time // when the message was produced
	DiedAt     time.Time // when the newest dead copy was stored by the broker
	Facts      dlq.Facts
	Verdict    dlq.Verdict
	Replays    int // how often it was given back already
	Failures   int // how often it died although it had been given back
	Automation dlq.Automation
	Policy     dlq.AutomationPolicy

	Compensation bool          // the endpoint that the verdict names can be asked
	Person       bool          // a person chose this letter: neither its age nor its failures matter
	NewCallID    func() string // makes the id of a compensation call
}

// Plan says what shall happen to a letter: how its route is followed, or why it is held for a person. A letter that failed
// too often is marked as quarantined, whatever its route is.
func Plan(c Case) dlq.Plan {
	p := c.follow()
	if c.quarantined() {
		p.Flags = append(p.Flags, dlq.FlagQuarantined)
	}
	return p
}

func (c *Case) follow() dlq.Plan {
	if c.Verdict.Route == dlq.RouteManual || c.Verdict.Route == "" {
		return planManual(dlq.HoldNone)
	}
	if hold := c.mayAct(); hold != dlq.HoldNone {
		return planManual(hold)
	}
	switch c.Verdict.Route {
	case dlq.RouteRetry:
		return c.planRetry()
	case dlq.RouteCompensate:
		return c.planCompensate()
	case dlq.RouteDiscard:
		return planDiscard()
	default:
		return planManual(dlq.HoldNone)
	}
}

// mayAct says why the console may not act on the letter without a person, and HoldNone when it may.
func (c *Case) mayAct() dlq.Hold {
	switch a := c.Automation; {
	case !a.On:
		return dlq.HoldAutomationOff
	case a.Stopped:
		return dlq.HoldAutomationStopped
	case c.Person:
		return dlq.HoldNone
	case c.Facts.Unbound:
		return dlq.HoldUnboundReport
	case c.Facts.Inherited() && !(c.Verdict.Retry != nil && c.Verdict.Retry.EarlierReason):
		return dlq.HoldEarlierReason
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
