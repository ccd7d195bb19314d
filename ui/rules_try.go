package ui

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

// tryingAtOnce is how many texts may be tried at the same time: the page tries one at every pause in typing, and judging
// takes all processors.
const tryingAtOnce = 2

// takeSeat waits for a turn to try a text.
func (s *Server) takeSeat(ctx context.Context) (leave func(), err error) {
	select {
	case s.seats <- struct{}{}:
		return func() { <-s.seats }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
}

// mayFollow reports whether the caller may find out where references of a text lead: whoever may put it in force.
func mayFollow(ctx context.Context) bool { return roleOf(ctx).May(RoleAdmin) }

// rulesText is a text that is to be looked at.
type rulesText struct {
	Given *string `json:"text"`
	Text  string
}

func (r *rulesText) bodyLimit() int64 { return rulesLimit }

func (r *rulesText) check(time.Time) error {
	if r.Given == nil {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"text\" is missing")
	}
	r.Text = *r.Given
	return nil
}

// RulesCheck is what was found in a text.
type RulesCheck struct {
	ETag          string           `json:"etag"` // of the file on disk
	Diagnostics   []dlq.Diagnostic `json:"diagnostics"`
	Rules         []RuleLine       `json:"rules"`
	Alerts        []AlertLine      `json:"alerts"`
	Compensations []string         `json:"compensations"`
	Receivers     []string         `json:"receivers"`
}

func (s *Server) checkRules(ctx context.Context, req *rulesText) (RulesCheck, error) {
	leave, err := s.takeSeat(ctx)
	if err != nil {
		return RulesCheck{}, err
	}
	defer leave()
	found, err := s.Book.Check(ctx, req.Text, !mayFollow(ctx))
	if err != nil {
		return RulesCheck{}, err
	}
	outline := rulebook.OutlineOf(req.Text)
	out := RulesCheck{ETag: s.Book.File().ETag, Diagnostics: found, Compensations: outline.Compensations, Receivers: outline.Receivers}
	out.Rules, out.Alerts = ruleLines(outline)
	return out, nil
}

// editRules asks for one change in a text.
type editRules struct {
	rulesText
	Switch   *switchRule `json:"switch"`
	LetterID string      `json:"letter_id"`
	Route    dlq.Route   `json:"route"`
}

type switchRule struct {
	Section string `json:"section"`
	Name    string `json:"name"`
	Off     *bool  `json:"off"`
}

func (r *editRules) check(now time.Time) error {
	if err := r.rulesText.check(now); err != nil {
		return err
	}
	if (r.Switch == nil) == (r.LetterID == "") {
		return dlq.Errorf(dlq.CodeInvalid, "either the field \"switch\" or the field \"letter_id\" is needed")
	}
	if r.Switch != nil {
		if r.Switch.Section != rulebook.SectionRules && r.Switch.Section != rulebook.SectionAlerts || r.Switch.Name == "" || r.Switch.Off == nil {
			return dlq.Errorf(dlq.CodeInvalid, "the field \"switch\" needs a section, rules or alerts, a name, and off")
		}
	}
	if r.Route == "" {
		r.Route = dlq.RouteManual
	}
	return oneOf("route", dlq.Routes, []dlq.Route{r.Route})
}

// EditedRules is a text after one change.
type EditedRules struct {
	Text        string           `json:"text"`
	Line        int              `json:"line"`
	EndLine     int              `json:"end_line"`
	Diagnostics []dlq.Diagnostic `json:"diagnostics"`
}

func (s *Server) editRules(ctx context.Context, req *editRules) (EditedRules, error) {
	leave, err := s.takeSeat(ctx)
	if err != nil {
		return EditedRules{}, err
	}
	defer leave()
	var done rulebook.Edited
	if req.Switch != nil {
		done, err = rulebook.Switch(req.Text, req.Switch.Section, req.Switch.Name, *req.Switch.Off)
	} else {
		done, err = s.ruleFor(ctx, req)
	}
	if err != nil {
		return EditedRules{}, err
	}
	found, err := s.Book.Check(ctx, done.Text, !mayFollow(ctx))
	return EditedRules{done.Text, done.Line, done.EndLine, found}, err
}

// ruleFor puts a rule for letters like one before the first that takes it.
func (s *Server) ruleFor(ctx context.Context, req *editRules) (rulebook.Edited, error) {
	id, err := dlq.ParseID(req.LetterID)
	if err != nil {
		return rulebook.Edited{}, err
	}
	d, message, facts, err := s.judged(ctx, id)
	if err != nil {
		return rulebook.Edited{}, err
	}
	rules, found := classifier.CompileText([]byte(req.Text))
	if rules == nil {
		return rulebook.Edited{}, &rulebook.InvalidError{Diagnostics: found}
	}
	rule, err := rules.Suggest(&message, facts, d.Judged, req.Route, rulebook.OutlineOf(req.Text).Compensations)
	if err != nil {
		return rulebook.Edited{}, err
	}
	return rulebook.Insert(req.Text, rule.Before, rulebook.NewRule{Name: rule.Name, Match: rule.Match, Route: rule.Route, Clause: rule.Clause})
}

// How many letters a backtest looks at, how many are judged between two lines of its answer, and how many are shown of a
// cell at once.
const (
	backtestLetters = 10000
	backtestChunk   = 1000
	backtestPage    = 50
)

// backtestRules asks what a text would change.
type backtestRules struct {
	rulesText
	Limit  *int64        `json:"limit"`
	Cell   *backtestCell `json:"cell"`
	Before string        `json:"before"`

	before   int64
	examined int
}

// backtestCell chooses letters by what the two rule sets say; what is left out is any.
type backtestCell struct {
	Now      dlq.Route `json:"now"`
	Then     dlq.Route `json:"then"`
	RuleNow  *string   `json:"rule_now"`
	RuleThen *string   `json:"rule_then"`
	Changed  bool      `json:"changed"`
}

func (c *backtestCell) takes(s classifier.Shift) bool {
	return (c.Now == "" || c.Now == s.Now) && (c.Then == "" || c.Then == s.Then) && (!c.Changed || s.Now != s.Then) &&
		(c.RuleNow == nil || *c.RuleNow == s.RuleNow) && (c.RuleThen == nil || *c.RuleThen == s.RuleThen)
}

func (r *backtestRules) check(now time.Time) error {
	if err := r.rulesText.check(now); err != nil {
		return err
	}
	if r.Limit == nil {
		r.Limit = new(int64)
		*r.Limit = backtestLetters
	}
	if *r.Limit < 1 || *r.Limit > backtestLetters {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"limit\" is not between 1 and %d", backtestLetters)
	}
	if r.Cell == nil {
		if r.Before != "" {
			return dlq.Errorf(dlq.CodeInvalid, "the field \"before\" goes with \"cell\" only")
		}
		return nil
	}
	if err := oneOf("now", dlq.Routes, []dlq.Route{r.Cell.Now}); err != nil {
		return err
	}
	if err := oneOf("then", dlq.Routes, []dlq.Route{r.Cell.Then}); err != nil {
		return err
	}
	if r.Before == "" {
		return nil
	}
	seq, examined, _ := strings.Cut(r.Before, ".")
	var err, err2 error
	r.before, err = strconv.ParseInt(seq, 10, 64)
	r.examined, err2 = strconv.Atoi(examined)
	if err != nil || err2 != nil || r.before < 1 || r.examined < 1 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"before\" is not the \"next\" of a page")
	}
	return nil
}

// Backtest is one line of the answer: the figures so far.
type Backtest struct {
	Version  int64           `json:"version"` // of the rules in force
	Done     int             `json:"done"`
	Total    int             `json:"total"`
	Changed  int             `json:"changed"`
	Matrix   []BacktestCount `json:"matrix"`
	Rules    []BacktestRule  `json:"rules"`
	Finished bool            `json:"finished"`
	Problem  *Problem        `json:"problem,omitempty"` // why it ended early
}

// BacktestCount is how many letters go from one route to another.
type BacktestCount struct {
	Now   dlq.Route `json:"now"`
	Then  dlq.Route `json:"then"`
	Count int       `json:"count"`
}

// BacktestRule is how many letters a rule takes now, and would take.
type BacktestRule struct {
	Name string `json:"name"`
	Now  int    `json:"now"`
	Then int    `json:"then"`
}

// BacktestLetters is a page of the letters behind a number.
type BacktestLetters struct {
	Items []BacktestLetter `json:"items"`
	Next  string           `json:"next,omitempty"`
}

// BacktestLetter is one of them.
type BacktestLetter struct {
	Letter   dlq.Letter `json:"letter"`
	Now      dlq.Route  `json:"now"`
	Then     dlq.Route  `json:"then"`
	RuleNow  string     `json:"rule_now"`
	RuleThen string     `json:"rule_then"`
}

func (s *Server) backtestRules(c echo.Context) error {
	var req backtestRules
	if _, err := bind(c, &req, s.Now()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), writeTimeout)
	defer cancel()
	leave, err := s.takeSeat(ctx)
	if err != nil {
		return err
	}
	defer leave()
	then, found := classifier.CompileText([]byte(req.Text))
	if then == nil {
		return &rulebook.InvalidError{Diagnostics: found}
	}
	t := trial{s: s, then: then, req: &req}
	t.now, t.version = s.Live.Get()
	if t.now == nil { // no rules yet
		t.now, _ = classifier.NewLive().Get()
	}
	if req.Cell != nil {
		page, err := t.letters(ctx)
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, page)
	}
	return t.stream(ctx, c)
}

// trial is one backtest.
type trial struct {
	s         *Server
	req       *backtestRules
	now, then *classifier.Ruleset
	version   int64
}

// judge reads chunks of letters, while the ones before are judged, and hands them over until there are no more or f
// returns false.
func (t *trial) judge(ctx context.Context, before int64, limit int, f func([]dlq.Candidate, []classifier.Shift) (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	chunks, failed := make(chan []dlq.Candidate, 1), make(chan error, 1)
	go func() {
		defer close(chunks)
		for before, left := before, limit; left > 0; {
			list, next, err := t.s.Store.Backlog(ctx, before, min(left, backtestChunk))
			if err != nil {
				failed <- err
				return
			}
			select {
			case chunks <- list:
			case <-ctx.Done():
				return
			}
			if before, left = next, left-len(list); next == 0 {
				return
			}
		}
	}()
	defer func() { // the reader must not outlive the call
		cancel()
		for range chunks {
		}
	}()
	test := classifier.NewBacktest(t.now, t.then)
	for list := range chunks {
		shifts, err := test.Judge(ctx, list)
		if err != nil {
			return err
		}
		if more, err := f(list, shifts); err != nil || !more {
			return err
		}
	}
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

// stream writes the figures so far after every chunk.
func (t *trial) stream(ctx context.Context, c echo.Context) error {
	summary, err := t.s.Store.Summary(ctx)
	if err != nil {
		return err
	}
	tally, total := classifier.NewTally(), int(min(*t.req.Limit, summary.Letters))
	h := c.Response().Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the lines back
	c.Response().WriteHeader(http.StatusOK)
	write := func(finished bool, problem *Problem) bool { // false: the caller is gone
		if finished {
			total = tally.Done // some may have come or gone in between
		}
		line, err := encode(Backtest{t.version, tally.Done, max(total, tally.Done), tally.Changed, t.matrix(tally), t.rules(tally), finished, problem})
		if err == nil {
			_, err = c.Response().Write(append(line, '\n'))
		}
		return err == nil && http.NewResponseController(c.Response()).Flush() == nil
	}
	if !write(false, nil) {
		return nil
	}
	err = t.judge(ctx, 0, int(*t.req.Limit), func(_ []dlq.Candidate, shifts []classifier.Shift) (bool, error) {
		tally.Add(shifts)
		return write(false, nil), nil
	})
	if err != nil {
		problem := problemOf(err, requestID(c))
		write(false, &problem)
		return err // for the log
	}
	write(true, nil)
	return nil
}

// matrix lists the pairs of routes that occur, in the order of routes.
func (t *trial) matrix(tally *classifier.Tally) (out []BacktestCount) {
	for _, now := range dlq.Routes {
		for _, then := range dlq.Routes {
			if n := tally.Matrix[[2]dlq.Route{now, then}]; n > 0 {
				out = append(out, BacktestCount{now, then, n})
			}
		}
	}
	return out
}

// rules lists the rules of the text, then those that only the version in force has, then none.
func (t *trial) rules(tally *classifier.Tally) (out []BacktestRule) {
	listed := map[string]bool{}
	for _, set := range []*classifier.Ruleset{t.then, t.now} {
		for _, r := range set.Rules() {
			if !listed[r.Name] {
				listed[r.Name] = true
				out = append(out, BacktestRule{r.Name, tally.Now[r.Name], tally.Then[r.Name]})
			}
		}
	}
	if tally.Now[""]+tally.Then[""] > 0 {
		out = append(out, BacktestRule{"", tally.Now[""], tally.Then[""]})
	}
	return out
}

// letters finds a page of the letters of a cell.
func (t *trial) letters(ctx context.Context) (BacktestLetters, error) {
	var page BacktestLetters
	examined, limit := t.req.examined, int(*t.req.Limit)
	err := t.judge(ctx, t.req.before, limit-examined, func(list []dlq.Candidate, shifts []classifier.Shift) (bool, error) {
		for i, shift := range shifts {
			if len(page.Items) == backtestPage {
				page.Next = fmt.Sprintf("%d.%d", list[i].Seq+1, examined)
				return false, nil
			}
			examined++
			if !t.req.Cell.takes(shift) {
				continue
			}
			letter, err := t.s.Store.Letter(ctx, list[i].LetterID)
			if dlq.CodeOf(err) == dlq.CodeNotFound { // retention was faster
				continue
			}
			if err != nil {
				return false, err
			}
			page.Items = append(page.Items, BacktestLetter{letter, shift.Now, shift.Then, shift.RuleNow, shift.RuleThen})
		}
		return true, nil
	})
	return page, err
}
