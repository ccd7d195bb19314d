package handlers

import "deadletteroffice/dlq"

// planCompensate has the rule's endpoint asked at once. It needs no known reason: the endpoint knows its own business and
// may find out.
func (c *Case) planCompensate() dlq.Plan {
	asked := c.Verdict.Compensation
	if asked == nil || asked.Disabled || !c.Compensation {
		return planManual(dlq.HoldNoCompensation)
	}
	now := c.Now
	return dlq.Plan{
		State: dlq.StateCompensating,
		DueAt: &now,
		Call:  &dlq.Call{ID: c.NewCallID(), Name: asked.Name, State: dlq.CallPending, NextAt: &now, CreatedAt: now, ChangedAt: now},
	}
}
