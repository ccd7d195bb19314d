package ui

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

type versionsQuery struct {
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit"`

	before int64
}

func (q *versionsQuery) check(time.Time) error {
	if q.Cursor != "" {
		var err error
		if q.before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil || q.before < 1 {
			return dlq.Errorf(dlq.CodeInvalid, "the query parameter \"cursor\" is not the \"next\" of a page")
		}
	}
	return within("limit", &q.Limit, 50, 200)
}

// RuleVersions is a page of versions, newest first.
type RuleVersions struct {
	Items []dlq.RuleVersion `json:"items"`
	Next  string            `json:"next,omitempty"`
}

func (s *Server) listRuleVersions(ctx context.Context, q *versionsQuery) (RuleVersions, error) {
	list, err := s.Store.RuleVersions(ctx, q.before, q.Limit+1)
	page := RuleVersions{Items: list}
	if len(list) > q.Limit {
		page.Items = list[:q.Limit]
		page.Next = strconv.FormatInt(page.Items[q.Limit-1].Version, 10)
	}
	return page, err
}

type versionQuery struct {
	Version string `path:"version"`
	Against int    `query:"against"`

	version int64
}

func (q *versionQuery) check(time.Time) error {
	var err error
	if q.version, err = strconv.ParseInt(q.Version, 10, 64); err != nil || q.version < 1 {
		return dlq.Errorf(dlq.CodeInvalid, "the number of a version is a positive whole number")
	}
	if q.Against < 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the query parameter \"against\" is not the number of a version")
	}
	return nil
}

// RuleVersionDetail is one version and what it changed.
type RuleVersionDetail struct {
	Version dlq.RuleVersion `json:"version"`
	Against int64           `json:"against"` // 0 for none
	Diff    string          `json:"diff"`
}

func (s *Server) getRuleVersion(ctx context.Context, q *versionQuery) (RuleVersionDetail, error) {
	v, err := s.Store.RuleVersion(ctx, q.version)
	if err != nil {
		return RuleVersionDetail{}, err
	}
	v.Text = rulebook.Redact([]byte(v.Text))
	out := RuleVersionDetail{Version: v, Against: int64(q.Against)}
	if out.Against == 0 {
		out.Against = v.Version - 1 // numbers have no gaps
	}
	var old dlq.RuleVersion
	if out.Against > 0 {
		if old, err = s.Store.RuleVersion(ctx, out.Against); err != nil {
			return RuleVersionDetail{}, err
		}
	}
	out.Diff = rulebook.Diff(fmt.Sprintf("version %d", out.Against), rulebook.Redact([]byte(old.Text)), fmt.Sprintf("version %d", v.Version), v.Text)
	return out, nil
}

func (s *Server) getRulesSchema(c echo.Context) error {
	if _, err := bind(c, &none{}, s.Now()); err != nil {
		return err
	}
	if len(s.RulesSchema) == 0 {
		return dlq.Errorf(dlq.CodeNotFound, "this program was built without the schema of its rules")
	}
	return writeText(c, http.StatusOK, "application/schema+json", s.RulesSchema)
}

// How many letters are looked at for what was seen, and how much of it is handed out.
const (
	seenLetters = 500
	seenValues  = 200
	seenLength  = 200 // bytes of one value
)

// RuleCompletions are values really seen.
type RuleCompletions struct {
	Reasons        []string `json:"reasons"`
	ConsumerGroups []string `json:"consumer_groups"`
	Topics         []string `json:"topics"`
	Clusters       []string `json:"clusters"`
	Businesses     []string `json:"businesses"`
	Tags           []string `json:"tags"`
	Properties     []string `json:"properties"` // names
	BodyPaths      []string `json:"body_paths"`
}

// seen collects different values, up to a number.
type seen map[string]bool

func (s seen) add(values ...string) {
	for _, v := range values {
		if v != "" && len(v) <= seenLength && v != dlq.OtherValues && (s[v] || len(s) < seenValues) {
			s[v] = true
		}
	}
}

func (s seen) list() []string { return slices.Sorted(maps.Keys(s)) }

func (s *Server) getRuleCompletions(ctx context.Context, _ *none) (RuleCompletions, error) {
	reasons, groups, topics, clusters, businesses, tags, properties, paths := seen{}, seen{}, seen{}, seen{}, seen{}, seen{}, seen{}, seen{}
	facets, err := s.Store.Facets(ctx, dlq.Filter{})
	if err != nil {
		return RuleCompletions{}, err
	}
	for _, all := range []struct {
		into  seen
		found []dlq.Facet
	}{{reasons, facets.Reasons}, {groups, facets.ConsumerGroups}, {topics, facets.Topics}} {
		for _, f := range all.found {
			all.into.add(f.Value)
		}
	}
	list, _, err := s.Store.Backlog(ctx, 0, seenLetters)
	if err != nil {
		return RuleCompletions{}, err
	}
	rules, _ := s.Live.Get()
	if rules == nil {
		rules, _ = classifier.NewLive().Get()
	}
	for i := range list {
		m := &list[i].Message
		f := rules.Facts(m, list[i].Report)
		reasons.add(f.Reason)
		businesses.add(f.Business)
		topics.add(f.Topic)
		clusters.add(m.Cluster)
		tags.add(m.Properties[dlq.PropTags])
		for name := range m.Properties {
			properties.add(name)
		}
		paths.add(classifier.BodyPaths(m)...)
	}
	return RuleCompletions{reasons.list(), groups.list(), topics.list(), clusters.list(), businesses.list(), tags.list(), properties.list(), paths.list()}, nil
}
