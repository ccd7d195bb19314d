package handlers

import (
	"time"

	"deadletteroffice/dlq"
)

// Judge is the part of the classifier that finds out why a message died and what its rule says.
type Judge interface {
	Judge(m *dlq.DeadMessage, report *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict)
}

// ProbeJudge also hears what a probe found. report and probe may be nil.
type ProbeJudge interface {
	JudgeProbed(m *dlq.DeadMessage, report *dlq.Report, probe *dlq.Probe, j dlq.Judgement) (dlq.Facts, dlq.Verdict)
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

// plan completes a case by what is in force, and plans it.
func (p *planner) plan(c Case) dlq.Plan {
	c.Now, c.Automation, c.Policy, c.NewCallID = p.now(), p.automation(), p.policy(), newCallID
	c.Compensation = c.Verdict.Compensation != nil && p.endpoints.Enabled(c.Verdict.Compensation.Name)
	return Plan(c)
}
