package ui

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// Lists is where lists of letters and their counts come from.
type Lists interface {
	Letters(ctx context.Context, f dlq.Filter, cursor string, limit int) (dlq.Page, error)
	Facets(ctx context.Context, f dlq.Filter) (dlq.Facets, error)
	Summary(ctx context.Context) (dlq.Summary, error)
}

// Letters is where single letters come from.
type Letters interface {
	Letter(ctx context.Context, id int64) (dlq.Letter, error)
	Detail(ctx context.Context, id int64) (dlq.Detail, error)
	Body(ctx context.Context, id int64) ([]byte, dlq.BodyState, error)
	Message(ctx context.Context, id int64) (dlq.DeadMessage, error)
}

// filter is the query of lists and facets.
type filter struct {
	Tab            dlq.Tab            `query:"tab"`
	States         []dlq.State        `query:"state"`
	ConsumerGroups []string           `query:"consumer_group"`
	Topics         []string           `query:"topic"`
	Reasons        []string           `query:"reason"`
	Origins        []dlq.ReasonOrigin `query:"origin"`
	Rules          []string           `query:"rule"`
	Routes         []dlq.Route        `query:"route"`
	Severities     []dlq.Severity     `query:"severity"`
	Flags          []dlq.Flag         `query:"flag"`
	Owners         []string           `query:"owner"`
	Fingerprints   []string           `query:"fingerprint"`
	Outcomes       []dlq.Outcome      `query:"outcome"`
	DiedAfter      *time.Time         `query:"died_after"`
	DiedBefore     *time.Time         `query:"died_before"`
	ArrivedAfter   *time.Time         `query:"arrived_after"`
	ArrivedBefore  *time.Time         `query:"arrived_before"`
	Query          string             `query:"q"`
}

func (f *filter) filter() dlq.Filter {
	return dlq.Filter{Tab: f.tab(), States: f.States, ConsumerGroups: f.ConsumerGroups, Topics: f.Topics, Reasons: f.Reasons,
		Origins: f.Origins, Rules: f.Rules, Routes: f.Routes, Severities: f.Severities, Flags: f.Flags, Owners: f.Owners,
		Fingerprints: f.Fingerprints, Outcomes: f.Outcomes, DiedAfter: f.DiedAfter, DiedBefore: f.DiedBefore,
		ArrivedAfter: f.ArrivedAfter, ArrivedBefore: f.ArrivedBefore, Query: f.Query}
}

// allTabs is the tab that stands for every tab, as leaving it out does.
const allTabs dlq.Tab = "all"

func (f *filter) tab() dlq.Tab {
	if f.Tab == allTabs {
		return ""
	}
	return f.Tab
}

func (f *filter) check(time.Time) error {
	for _, err := range []error{
		oneOf("tab", slices.Concat(dlq.Tabs, []dlq.Tab{allTabs}), []dlq.Tab{f.Tab}),
		oneOf("state", dlq.States, f.States),
		oneOf("origin", dlq.ReasonOrigins, f.Origins),
		oneOf("route", dlq.Routes, f.Routes),
		oneOf("severity", dlq.Severities, f.Severities),
		oneOf("flag", dlq.Flags, f.Flags),
		oneOf("outcome", []dlq.Outcome{dlq.OutcomeSending, dlq.OutcomeWaiting, dlq.OutcomeConfirmed, dlq.OutcomeAssumed,
			dlq.OutcomeFailedAgain, dlq.OutcomeSendFailed, dlq.OutcomeUnknown}, f.Outcomes),
		notMany("consumer_group", f.ConsumerGroups), notMany("topic", f.Topics), notMany("reason", f.Reasons),
		notMany("rule", f.Rules), notMany("owner", f.Owners), notMany("fingerprint", f.Fingerprints),
	} {
		if err != nil {
			return err
		}
	}
	if len(f.Query) > 500 {
		return dlq.Errorf(dlq.CodeInvalid, "the query parameter \"q\" is longer than 500 bytes")
	}
	if err := checkText(f.Query); err != nil {
		return err
	}
	for _, text := range f.Fingerprints {
		if !fingerprintForm.MatchString(text) {
			return dlq.Errorf(dlq.CodeInvalid, "the fingerprint %q is not 16 hexadecimal digits", cut(text, 80)).
				WithHint("every letter names its own in the field \"fingerprint\"")
		}
	}
	if f.DiedAfter != nil && f.DiedBefore != nil && !f.DiedAfter.Before(*f.DiedBefore) {
		return dlq.Errorf(dlq.CodeInvalid, "died_after is not before died_before")
	}
	if f.ArrivedAfter != nil && f.ArrivedBefore != nil && !f.ArrivedAfter.Before(*f.ArrivedBefore) {
		return dlq.Errorf(dlq.CodeInvalid, "arrived_after is not before arrived_before")
	}
	return nil
}

var fingerprintForm = regexp.MustCompile(`^([0-9a-f]{16})?$`)

// oneOf refuses values that are not in the list of those that exist. "" is none.
func oneOf[T ~string](name string, known, given []T) error {
	for _, v := range given {
		if v != "" && !slices.Contains(known, v) {
			return unknownName(name, string(v), known)
		}
	}
	return notMany(name, given)
}

func notMany[T any](name string, given []T) error {
	if len(given) > 50 {
		return dlq.Errorf(dlq.CodeInvalid, "the query parameter %q is given %d times, and may be given 50 times", name, len(given))
	}
	return nil
}

type listQuery struct {
	filter
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit"`
}

func (q *listQuery) check(now time.Time) error {
	if err := within("limit", &q.Limit, 50, 200); err != nil {
		return err
	}
	return q.filter.check(now)
}

// within sets a limit that is left out and refuses one that is out of range.
func within(name string, n *int, otherwise, most int) error {
	if *n == 0 {
		*n = otherwise
	}
	if *n < 1 || *n > most {
		return dlq.Errorf(dlq.CodeInvalid, "the query parameter %q is not between 1 and %d", name, most)
	}
	return nil
}

func (s *Server) listLetters(ctx context.Context, q *listQuery) (dlq.Page, error) {
	return s.Store.Letters(ctx, q.filter.filter(), q.Cursor, q.Limit)
}

func (s *Server) getFacets(ctx context.Context, q *filter) (dlq.Facets, error) {
	return s.Store.Facets(ctx, q.filter())
}

func (s *Server) getSummary(ctx context.Context, _ *none) (dlq.Summary, error) {
	return s.Store.Summary(ctx)
}

// letterID is the request of a call about one letter.
type letterID struct {
	ID int64 `path:"id"`
}

func (s *Server) getLetter(ctx context.Context, req *letterID) (dlq.Detail, error) {
	d, err := s.Store.Detail(ctx, req.ID)
	if err == nil {
		d.Properties, d.EscapedProperties = escaped(d.Properties)
	}
	return d, err
}

// getBody hands out the exact bytes, as a download and never as something that a browser would show.
func (s *Server) getBody(c echo.Context) error {
	var req letterID
	if _, err := bind(c, &req, s.Now()); err != nil {
		return err
	}
	body, state, err := s.Store.Body(c.Request().Context(), req.ID)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"letter-%d.bin\"", req.ID))
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("DLQ-Body-State", string(state))
	return writeText(c, http.StatusOK, "application/octet-stream", body)
}
