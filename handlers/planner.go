package handlers

import (
	"time"

	"deadletteroffice/dlq"
)

// Judge is the part of the classifier that finds out why a message died and what its rule says.
type Judge interface {
	Judge(m *dlq.DeadMessage, report *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict)
}

// Endpoints says which compensations can be asked now.
type Endpoints interface {
	Enabled(name string) bool
}

// planner makes cases from what is in force now.
type planner struct {
	automation func() dlq.Automation
	policy     func() dlq.AutomationPolicy
	endpoints  Endpoints
	now        func() time.Time
}

func (p *planner) plan(diedAt time.Time, f dlq.Facts, v dlq.Verdict, replays int, person bool) dlq.Plan {
	return Plan(Case{
		Now: p.now(), DiedAt: diedAt, Facts: f, Verdict: v, Replays: replays,
		Automation: p.automation(), Policy: p.policy(),
		Compensation: v.Compensation != nil && p.endpoints.Enabled(v.Compensation.Name),
		Person:       person, NewCallID: newCallID,
	})
}
