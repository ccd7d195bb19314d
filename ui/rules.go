package ui

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

// Book is rules.yaml: as it is followed, as it lies on disk, and as people change it.
type Book interface {
	Current() rulebook.Snapshot
	File() rulebook.File
	Check(ctx context.Context, text string, sealed bool) ([]dlq.Diagnostic, error)
	Save(ctx context.Context, e rulebook.Edit) (rulebook.Snapshot, error)
}

// Live is the classifier that is in force, nil before any rules.
type Live interface {
	Get() (*classifier.Ruleset, int64)
}

// RuleArchive keeps every version that was in force, what each rule did, and the letters that others can be tried on.
type RuleArchive interface {
	RuleVersion(ctx context.Context, version int64) (dlq.RuleVersion, error)
	RuleVersions(ctx context.Context, before int64, limit int) ([]dlq.RuleVersion, error)
	RuleHits(ctx context.Context) ([]dlq.RuleHits, error)
	Backlog(ctx context.Context, before int64, limit int) ([]dlq.Candidate, int64, error)
}

// Rules is the rules view.
type Rules struct {
	Version     dlq.RuleVersion   `json:"version"`
	Diagnostics []dlq.Diagnostic  `json:"diagnostics"`
	Refused     *RulesRefusal     `json:"refused"` // null while the file is the version in force
	Path        string            `json:"path"`
	Text        string            `json:"text"` // the file as it is on disk
	ETag        string            `json:"etag"`
	Writable    rulebook.Writable `json:"writable"`
	Rules       []RuleLine        `json:"rules"`
	Alerts      []AlertLine       `json:"alerts"`
	Hits        []dlq.RuleHits    `json:"hits"`
}

// RulesRefusal is the file as it is now, when it does not load.
type RulesRefusal struct {
	At          time.Time        `json:"at"`
	Text        string           `json:"text"`
	Diagnostics []dlq.Diagnostic `json:"diagnostics"`
}

// RulesNow is the file as it is now, when somebody else changed it.
type RulesNow struct {
	Text    string          `json:"text"`
	ETag    string          `json:"etag"`
	Version dlq.RuleVersion `json:"version"` // in force, without its text
}

// RuleLine is one rule and where it stands in the text.
type RuleLine struct {
	Name    string `json:"name"`
	Line    int    `json:"line"`
	EndLine int    `json:"end_line"`
	Route   string `json:"route"` // as the text says it
	Off     bool   `json:"off"`
}

// AlertLine is one alert rule and where it stands in the text.
type AlertLine struct {
	Name    string `json:"name"`
	Line    int    `json:"line"`
	EndLine int    `json:"end_line"`
	Signal  string `json:"signal"`
	Off     bool   `json:"off"`
}

func ruleLines(o rulebook.Outline) (rules []RuleLine, alerts []AlertLine) {
	for _, e := range o.Rules {
		rules = append(rules, RuleLine{e.Name, e.Line, e.EndLine, e.Kind, e.Off})
	}
	for _, e := range o.Alerts {
		alerts = append(alerts, AlertLine{e.Name, e.Line, e.EndLine, e.Kind, e.Off})
	}
	return rules, alerts
}

func (s *Server) getRules(c echo.Context) error {
	if _, err := bind(c, &none{}, s.Now()); err != nil {
		return err
	}
	view, err := s.rulesView(c.Request().Context(), s.Book.Current())
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", `"`+view.ETag+`"`)
	return writeJSON(c, http.StatusOK, view)
}

func (s *Server) rulesView(ctx context.Context, now rulebook.Snapshot) (Rules, error) {
	hits, err := s.Store.RuleHits(ctx)
	if err != nil {
		return Rules{}, err
	}
	file := s.Book.File()
	view := Rules{Version: now.Version, Diagnostics: now.Diagnostics, Path: now.Path, Hits: hits, Text: file.Text, ETag: file.ETag, Writable: file.Writable}
	view.Rules, view.Alerts = ruleLines(rulebook.OutlineOf(now.Version.Text))
	if now.Refused != nil {
		view.Refused = &RulesRefusal{now.Refused.At.UTC(), now.Refused.Text, now.Refused.Diagnostics}
	}
	return view, nil
}

// saveRules asks for a text, or for that of a version, to be in force.
type saveRules struct {
	IfMatch string  `header:"If-Match"`
	Text    *string `json:"text"`
	Version *int64  `json:"version"`
	Note    string  `json:"note"`
}

func (r *saveRules) bodyLimit() int64 { return rulesLimit }

func (r *saveRules) check(time.Time) error {
	if (r.Text == nil) == (r.Version == nil) {
		return dlq.Errorf(dlq.CodeInvalid, "either the field \"text\" or the field \"version\" is needed")
	}
	if r.Version != nil && *r.Version < 1 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"version\" is not the number of a version")
	}
	// Something on the way may have made it a weak one, as it does when it compresses.
	if r.IfMatch = strings.Trim(strings.TrimPrefix(r.IfMatch, "W/"), `"`); r.IfMatch == "" {
		return dlq.Errorf(dlq.CodeInvalid, "the header If-Match is missing").WithHint("read the rules first and name their etag; then a change in between is not overwritten")
	}
	return checkNote(&r.Note, true)
}

func (s *Server) saveRules(ctx context.Context, req *saveRules) (Rules, error) {
	edit := rulebook.Edit{ETag: req.IfMatch, Author: actor(ctx), Note: req.Note}
	if req.Version != nil {
		old, err := s.Store.RuleVersion(ctx, *req.Version)
		if err != nil {
			return Rules{}, err
		}
		edit.Text = old.Text
	} else {
		edit.Text = *req.Text
	}
	now, err := s.Book.Save(ctx, edit)
	if dlq.CodeOf(err) == dlq.CodeConflict {
		file, current := s.Book.File(), s.Book.Current().Version
		current.Text = ""
		return Rules{}, rulesError{err, RulesNow{file.Text, file.ETag, current}}
	}
	if err != nil {
		return Rules{}, err
	}
	return s.rulesView(ctx, now)
}

// judged is a letter's newest dead copy and the facts that were found when it was judged last.
func (s *Server) judged(ctx context.Context, id int64) (d dlq.Detail, m dlq.DeadMessage, f dlq.Facts, err error) {
	if d, err = s.Store.Detail(ctx, id); err != nil {
		return d, m, f, err
	}
	m, err = s.Store.Message(ctx, id)
	f = dlq.Facts{Reason: d.Reason, ReasonText: d.ReasonText, Origin: d.ReasonOrigin, Field: d.ReasonField, Business: d.Business,
		Envelope: d.Envelope, Topic: d.Topic, RetryCount: d.RetryCount, Fingerprint: d.Fingerprint,
		Own: d.OwnCause(), ReasonDeath: d.ReasonDeath}
	return d, m, f, err
}

// lastCompiled is the old version that was asked for last: people look at letters of one version in a row.
type lastCompiled struct {
	mu      sync.Mutex
	version int64
	rules   *classifier.Ruleset
}

// explainLetter judges the letter's newest dead copy again, with the facts that were found then and the rules of then.
func (s *Server) explainLetter(ctx context.Context, req *letterID) (dlq.Explanation, error) {
	d, message, facts, err := s.judged(ctx, req.ID)
	if err != nil {
		return dlq.Explanation{}, err
	}
	if d.RuleVersion == 0 { // no rules were in force
		return dlq.Explanation{Verdict: d.Verdict}, nil
	}
	rules, err := s.rulesOf(ctx, d.RuleVersion)
	if err != nil {
		return dlq.Explanation{}, err
	}
	explained := rules.Explain(&message, facts, d.Judged)
	explained.Verdict.RuleVersion = d.RuleVersion
	return explained, nil
}

// rulesOf returns the compiled rules of a version.
func (s *Server) rulesOf(ctx context.Context, version int64) (*classifier.Ruleset, error) {
	if rules, now := s.Live.Get(); rules != nil && now == version {
		return rules, nil
	}
	s.compiled.mu.Lock()
	defer s.compiled.mu.Unlock()
	if s.compiled.rules != nil && s.compiled.version == version {
		return s.compiled.rules, nil
	}
	kept, err := s.Store.RuleVersion(ctx, version)
	if err != nil {
		return nil, err
	}
	rules, _ := classifier.CompileText([]byte(kept.Text))
	if rules == nil {
		return nil, dlq.Errorf(dlq.CodeNotSupported, "version %d of the rules is not understood by this version of the program", version)
	}
	s.compiled.version, s.compiled.rules = version, rules
	return rules, nil
}
