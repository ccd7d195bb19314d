package handlers

import "deadletteroffice/dlq"

// planRetry puts the letter on the replay's agenda. A replay without a known reason would only be a guess, and so would
// one to a topic that cannot be told; after the rule's max the rule has had its chance.
func planRetry(c Case) dlq.Plan {
	retry := c.Verdict.Retry
	switch {
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
	return dlq.Plan{State: dlq.StateScheduled, DueAt: &due}
}
