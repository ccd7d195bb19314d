package ui

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

// Book is rules.yaml as it is followed.
type Book interface {
	Current() rulebook.Snapshot
}

// Live is the classifier that is in force, nil before any rules.
type Live interface {
	Get() (*classifier.Ruleset, int64)
}

// RuleArchive keeps every version that was in force, and what each rule did.
type RuleArchive interface {
	RuleVersion(ctx context.Context, version int64) (dlq.RuleVersion, error)
	RuleHits(ctx context.Context) ([]dlq.RuleHits, error)
}

// Rules is the rules view.
type Rules struct {
	Version     dlq.RuleVersion  `json:"version"`
	Diagnostics []dlq.Diagnostic `json:"diagnostics"`
	Refused     *RulesRefusal    `json:"refused"` // null while the file is the version in force
	Path        string           `json:"path"`
	Rules       []RuleLine       `json:"rules"`
	Hits        []dlq.RuleHits   `json:"hits"`
}

// RulesRefusal is the file as it is now, when it does not load.
type RulesRefusal struct {
	At          time.Time        `json:"at"`
	Text        string           `json:"text"`
	Diagnostics []dlq.Diagnostic `json:"diagnostics"`
}

// RuleLine is one rule of the version in force.
type RuleLine struct {
	Name  string    `json:"name"`
	Line  int       `json:"line"`
	Route dlq.Route `json:"route"`
}

func (s *Server) getRules(ctx context.Context, _ *none) (Rules, error) {
	hits, err := s.Store.RuleHits(ctx)
	if err != nil {
		return Rules{}, err
	}
	now := s.Book.Current()
	view := Rules{Version: now.Version, Diagnostics: now.Diagnostics, Path: now.Path, Hits: hits}
	if now.Refused != nil {
		view.Refused = &RulesRefusal{now.Refused.At.UTC(), now.Refused.Text, now.Refused.Diagnostics}
	}
	if rules, _ := s.Live.Get(); rules != nil {
		for _, r := range rules.Rules() {
			view.Rules = append(view.Rules, RuleLine{r.Name, r.Line, r.Route})
		}
	}
	return view, nil
}

// lastCompiled is the old version that was asked for last: people look at letters of one version in a row.
type lastCompiled struct {
	mu      sync.Mutex
	version int64
	rules   *classifier.Ruleset
}

// explainLetter judges the letter's newest dead copy again, with the facts that were found then and the rules of then.
func (s *Server) explainLetter(ctx context.Context, req *letterID) (dlq.Explanation, error) {
	d, err := s.Store.Detail(ctx, req.ID)
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
	message, err := s.Store.Message(ctx, req.ID)
	if err != nil {
		return dlq.Explanation{}, err
	}
	facts := dlq.Facts{Reason: d.Reason, ReasonText: d.ReasonText, Origin: d.ReasonOrigin, Field: d.ReasonField, Business: d.Business,
		Envelope: d.Envelope, Topic: d.Topic, RetryCount: d.RetryCount, Fingerprint: d.Fingerprint}
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
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(kept.Text), &document); err != nil || len(document.Content) == 0 {
		return nil, fmt.Errorf("parse version %d of the rules, which was in force: %w", version, err)
	}
	rules, found := classifier.Compile(document.Content[0])
	for _, d := range found {
		if d.Severity == dlq.DiagnosticError {
			return nil, dlq.Errorf(dlq.CodeNotSupported, "version %d of the rules is not understood by this version of the program", version)
		}
	}
	s.compiled.version, s.compiled.rules = version, rules
	return rules, nil
}
