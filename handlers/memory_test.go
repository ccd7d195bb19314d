package handlers

import (
	"context"
	"slices"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// memory is the store of these tests: letters in a map, moved by the same rules as the real one moves them. fail, if
// set, lets an operation fail.
type memory struct {
	mu       sync.Mutex
	letters  map[int64]*dlq.Detail
	calls    map[string]dlq.Call
	attempts []dlq.Attempt
	reports  []dlq.Report
	match    func(dlq.Report) []int64
	fail     func(op string) error
	applied  func(dlq.Change) // nil: nobody asks
	now      func() time.Time
}

func newMemory(now func() time.Time) *memory {
	return &memory{letters: map[int64]*dlq.Detail{}, calls: map[string]dlq.Call{}, now: now}
}

// add puts a letter in, with the call that it waits for, if it does.
func (s *memory) add(l dlq.Letter, calls ...dlq.Call) {
	if l.Version == 0 {
		l.Version = 1
	}
	s.letters[l.ID] = &dlq.Detail{Letter: l, Events: []dlq.Event{{Kind: dlq.EventArrived, Actor: dlq.ActorIntake}}}
	for _, c := range calls {
		c.LetterID = l.ID
		s.calls[c.ID] = c
		s.letters[l.ID].Calls = append([]dlq.Call{c}, s.letters[l.ID].Calls...)
	}
}

func (s *memory) failing(op string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(op)
}

func (s *memory) Letter(ctx context.Context, id int64) (dlq.Letter, error) {
	d, err := s.Detail(ctx, id)
	return d.Letter, err
}

func (s *memory) Detail(_ context.Context, id int64) (dlq.Detail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing("detail"); err != nil {
		return dlq.Detail{}, err
	}
	d, ok := s.letters[id]
	if !ok {
		return dlq.Detail{}, dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", id)
	}
	out := *d
	out.Events, out.Calls = slices.Clone(d.Events), nil
	for _, c := range d.Calls {
		call := s.calls[c.ID]
		for _, a := range s.attempts {
			if a.CallID == c.ID {
				call.Log = append([]dlq.Attempt{a}, call.Log...)
			}
		}
		call.Failures, call.Broken = 0, 0 // no store has to keep them
		out.Calls = append(out.Calls, call)
	}
	return out, nil
}

func (s *memory) Message(ctx context.Context, id int64) (dlq.DeadMessage, error) {
	d, err := s.Detail(ctx, id)
	return dlq.DeadMessage{ConsumerGroup: d.ConsumerGroup, OriginalTopic: d.Topic, Body: []byte(`{"order":17}`), Properties: map[string]string{"KEYS": "o-17"}}, err
}

func (s *memory) Apply(_ context.Context, changes ...dlq.Change) ([]dlq.Letter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []dlq.Letter
	for _, c := range changes {
		l, err := s.apply(c)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func (s *memory) ApplyEach(_ context.Context, changes []dlq.Change) ([]dlq.Letter, []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	letters, errs := make([]dlq.Letter, len(changes)), make([]error, len(changes))
	for n, c := range changes {
		letters[n], errs[n] = s.apply(c)
	}
	return letters, errs
}

func (s *memory) apply(c dlq.Change) (dlq.Letter, error) {
	if err := s.failing("apply"); err != nil {
		return dlq.Letter{}, err
	}
	d, ok := s.letters[c.LetterID]
	switch {
	case !ok:
		return dlq.Letter{}, dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", c.LetterID)
	case c.Version != 0 && c.Version != d.Version:
		return dlq.Letter{}, dlq.Errorf(dlq.CodeConflict, "letter %d has version %d", c.LetterID, d.Version)
	case !dlq.Can(c.Trigger, d.State, c.To):
		return dlq.Letter{}, dlq.Errorf(dlq.CodeRefused, "letter %d is %s", c.LetterID, d.State)
	}
	if s.applied != nil {
		s.applied(c)
	}
	d.State, d.Resolution, d.DueAt = c.To, c.Resolution, c.DueAt
	d.Version++
	if c.Hold != nil {
		d.Hold = *c.Hold
	}
	if c.Route != "" {
		d.Route = c.Route
	}
	if c.Owner != nil {
		d.Owner = *c.Owner
	}
	d.Flags = slices.Clone(d.Flags)
	for _, f := range c.AddFlags {
		if !d.HasFlag(f) {
			d.Flags = append(d.Flags, f)
		}
	}
	d.Flags = slices.DeleteFunc(d.Flags, func(f dlq.Flag) bool { return slices.Contains(c.DropFlags, f) })
	if c.Facts != nil {
		d.Reason, d.ReasonText, d.ReasonOrigin = c.Facts.Reason, c.Facts.ReasonText, c.Facts.Origin
	}
	if c.Verdict != nil {
		d.Verdict, d.Rule = *c.Verdict, c.Verdict.Rule
	}
	if c.Call != nil {
		if _, known := s.calls[c.Call.ID]; !known {
			d.Calls = append([]dlq.Call{*c.Call}, d.Calls...)
		}
		s.calls[c.Call.ID] = *c.Call
	}
	if c.Event.Kind != "" {
		c.Event.At, c.Event.LetterID = s.now(), c.LetterID
		d.Events = append([]dlq.Event{c.Event}, d.Events...)
	}
	return d.Letter, nil
}

func (s *memory) Due(_ context.Context, state dlq.State, now time.Time, limit int) ([]dlq.Letter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []dlq.Letter
	for _, d := range s.letters {
		if d.State == state && d.DueAt != nil && !d.DueAt.After(now) && len(due) < limit {
			due = append(due, d.Letter)
		}
	}
	return due, s.failing("due")
}

func (s *memory) DueCalls(_ context.Context, now time.Time, limit int) ([]dlq.Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []dlq.Call
	for _, c := range s.calls {
		if c.State == dlq.CallPending && c.NextAt != nil && !c.NextAt.After(now) && len(due) < limit {
			due = append(due, c)
		}
	}
	return due, s.failing("due calls")
}

func (s *memory) SaveCall(_ context.Context, c dlq.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing("save call"); err != nil {
		return err
	}
	s.calls[c.ID] = c
	return nil
}

func (s *memory) AddAttempt(_ context.Context, a dlq.Attempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing("add attempt"); err != nil {
		return err
	}
	s.attempts = append(s.attempts, a)
	return nil
}

func (s *memory) AddReports(_ context.Context, reports []dlq.Report) ([][]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, reports...)
	matched := make([][]int64, len(reports))
	for n, r := range reports {
		if s.match != nil {
			matched[n] = s.match(r)
		}
	}
	return matched, s.failing("add reports")
}

func (s *memory) ReportFor(context.Context, int64) (*dlq.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) == 0 {
		return nil, nil
	}
	return &s.reports[len(s.reports)-1], nil
}

// letter returns a letter as it stands now.
func (s *memory) letter(id int64) dlq.Detail {
	d, _ := s.Detail(context.Background(), id)
	return d
}

// rules is a Judge and an Unwrapper made of a function. What a probe found counts as a report, for a function that asks for
// one and got none.
type rules struct {
	judge func(*dlq.DeadMessage, *dlq.Report, dlq.Judgement) (dlq.Facts, dlq.Verdict)
}

func (r rules) Judge(m *dlq.DeadMessage, report *dlq.Report, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
	return r.judge(m, report, j)
}
func (r rules) JudgeProbed(m *dlq.DeadMessage, report *dlq.Report, probe *dlq.Probe, j dlq.Judgement) (dlq.Facts, dlq.Verdict) {
	probed := report == nil && probe != nil
	if probed {
		report = &dlq.Report{Reason: probe.Reason, ReasonText: probe.Text, Bound: true}
	}
	facts, verdict := r.judge(m, report, j)
	if probed && facts.Origin == dlq.OriginReport {
		facts.Origin = dlq.OriginProbe
	}
	return facts, verdict
}
func (r rules) Unwrap(m *dlq.DeadMessage) ([]byte, string, bool, error) {
	return m.Body, m.OriginalTopic, false, nil
}

// on is automation switched on an hour before noon.
func on() dlq.Automation { return dlq.Automation{On: true, Since: ptr(noon.Add(-time.Hour))} }

// policy is a policy without limits to speak of.
func policy() dlq.AutomationPolicy {
	return dlq.AutomationPolicy{MaxAge: dlq.Duration(24 * time.Hour), Rate: 100}
}
