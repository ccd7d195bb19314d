package handlers

import "deadletteroffice/dlq"

// planManual leaves the letter to a person. The hold says why the rule's own route is not followed; severity, owner,
// runbook and labels are the verdict's.
func planManual(hold dlq.Hold) dlq.Plan { return dlq.Plan{State: dlq.StateOpen, Hold: hold} }

// planDiscard gives the letter up. The rule allowed it in so many words, with a note that says why.
func planDiscard() dlq.Plan { return dlq.Plan{State: dlq.StateDiscarded} }
