package handlers

import "deadletteroffice/dlq"

// planRetry puts the letter on the replay's agenda. A replay without a known reason would only be a guess, and so would
// one to a topic that cannot be told; after the rule's max the rule has had its chance. Whatever the rules say, a letter that
// failed too often is not given back, nor is one that would be too old when its turn comes.
func (c *Case) planRetry() dlq.Plan {
	retry := c.Verdict.Retry
	switch {
	case c.quarantined():
		return planManual(dlq.HoldQuarantined)
	case c.Facts.Guessed() && !c.Person:
		return planManual(dlq.HoldNoReason)
	case c.Facts.Topic == "":
		return planManual(dlq.HoldUnknownTopic)
	case retry == nil:
		return planManual(dlq.HoldNone)
	case c.Replays >= retry.Max:
		return planManual(dlq.HoldRetriesUsedUp)
	}
	due := c.Now.Add(retry.Wait(c.Replays))
	if c.stale(due) {
		return planManual(dlq.HoldStale)
	}
	return dlq.Plan{State: dlq.StateScheduled, DueAt: &due}
}
