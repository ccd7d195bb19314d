package ui

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strconv"
	"time"

	"deadletteroffice/dlq"
)

// AlertRecords is what the store keeps of alerts.
type AlertRecords interface {
	AlertBook(ctx context.Context) (dlq.AlertBook, error)
	AlertHistory(ctx context.Context, limit int) ([]dlq.Alert, error)
	AlertEvents(ctx context.Context, alertID string, before int64, limit int) ([]dlq.AlertEvent, error)
}

// Silences is where silences are kept.
type Silences interface {
	Silences(ctx context.Context, limit int) ([]dlq.Silence, error)
	AddSilence(ctx context.Context, s dlq.Silence) error
	EndSilence(ctx context.Context, id, actor string) (dlq.Silence, error)
}

// AlertStore is all that this package asks of the store about alerts.
type AlertStore interface {
	AlertRecords
	Silences
	Deliveries
}

// AlertEngine knows the rules and receivers in force, and what it saw last. It answers at once.
type AlertEngine interface {
	Rules() []dlq.AlertRule
	Receivers() []dlq.Receiver
}

// AlertsStatus counts alerts for the top of every page.
type AlertsStatus struct {
	Firing   int `json:"firing"`   // silenced ones too
	Silenced int `json:"silenced"` // of these
	Critical int `json:"critical"` // that fire and are not silenced
	Pending  int `json:"pending"`
}

func alertsStatus(alerts []dlq.Alert) AlertsStatus {
	var out AlertsStatus
	for i := range alerts {
		switch a := &alerts[i]; {
		case a.State == dlq.AlertPending:
			out.Pending++
		case a.State != dlq.AlertFiring:
		case a.SilenceID != "":
			out.Firing++
			out.Silenced++
		default:
			out.Firing++
			if a.Severity == dlq.AlertCritical {
				out.Critical++
			}
		}
	}
	return out
}

// Alerts is the alerts view.
type Alerts struct {
	Items       []dlq.Alert      `json:"items"`  // firing ones, most urgent first, then pending ones
	Recent      []dlq.Alert      `json:"recent"` // over, newest first
	Rules       []dlq.AlertRule  `json:"rules"`
	Groups      []dlq.AlertGroup `json:"groups"`
	EvaluatedAt *time.Time       `json:"evaluated_at,omitempty"`
}

const recentAlerts = 50

func (s *Server) getAlerts(ctx context.Context, _ *none) (Alerts, error) {
	book, err := s.Alerts.AlertBook(ctx)
	if err != nil {
		return Alerts{}, err
	}
	recent, err := s.Alerts.AlertHistory(ctx, recentAlerts)
	if err != nil {
		return Alerts{}, err
	}
	out := Alerts{Recent: recent, Rules: s.Engine.Rules(), Groups: book.Groups, EvaluatedAt: book.EvaluatedAt}
	for _, a := range book.Alerts {
		if a.State != dlq.AlertResolved {
			out.Items = append(out.Items, a)
		}
	}
	slices.SortFunc(out.Items, func(a, b dlq.Alert) int { return dlq.ByUrgency(&a, &b) })
	return out, nil
}

// pageOf is the answer of a call that lists a part.
type pageOf[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

type alertEventsQuery struct {
	Alert  string `query:"alert"`
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit"`
}

func (q *alertEventsQuery) check(time.Time) error {
	if err := notLong("alert", q.Alert, 64); err != nil {
		return err
	}
	return within("limit", &q.Limit, 50, 200)
}

func (s *Server) listAlertEvents(ctx context.Context, q *alertEventsQuery) (pageOf[dlq.AlertEvent], error) {
	var before int64
	if q.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil || before < 1 {
			return pageOf[dlq.AlertEvent]{}, dlq.Errorf(dlq.CodeInvalid, "the cursor is not one of ours").WithHint("use the \"next\" of the page before")
		}
	}
	events, err := s.Alerts.AlertEvents(ctx, q.Alert, before, q.Limit)
	page := pageOf[dlq.AlertEvent]{Items: events}
	if len(events) == q.Limit {
		page.Next = strconv.FormatInt(events[len(events)-1].ID, 10)
	}
	return page, err
}

type silencesQuery struct {
	Limit int `query:"limit"`
}

func (q *silencesQuery) check(time.Time) error { return within("limit", &q.Limit, 100, 200) }

func (s *Server) listSilences(ctx context.Context, q *silencesQuery) (items[dlq.Silence], error) {
	list, err := s.Alerts.Silences(ctx, q.Limit)
	return items[dlq.Silence]{list}, err
}

// newSilence is a silence as people ask for it.
type newSilence struct {
	Matchers map[string][]string `json:"matchers"`
	StartsAt *time.Time          `json:"starts_at"`
	EndsAt   *time.Time          `json:"ends_at"`
	Duration dlq.Duration        `json:"duration"`
	Note     string              `json:"note"`
}

const (
	matchersMax      = 20
	matcherValuesMax = 50
	matcherTextMax   = 255 // bytes of a label or a value
)

func (r *newSilence) check(now time.Time) error {
	if len(r.Matchers) == 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"matchers\" is empty").WithHint("name the alerts, for example {\"rule\": [\"dead letters pile up\"]}")
	}
	if len(r.Matchers) > matchersMax {
		return dlq.Errorf(dlq.CodeInvalid, "there are %d matchers, and a silence takes %d", len(r.Matchers), matchersMax)
	}
	for label, values := range r.Matchers {
		if label == "" || len(values) == 0 || len(values) > matcherValuesMax {
			return dlq.Errorf(dlq.CodeInvalid, "the matcher %q does not name 1 to %d values", cut(label, 80), matcherValuesMax)
		}
		for _, text := range append([]string{label}, values...) {
			if len(text) > matcherTextMax {
				return dlq.Errorf(dlq.CodeInvalid, "the matcher %q holds a text longer than %d bytes", cut(label, 80), matcherTextMax)
			}
		}
	}
	if r.StartsAt == nil {
		r.StartsAt = &now
	}
	switch {
	case r.Duration < 0, r.EndsAt == nil && r.Duration == 0:
		return dlq.Errorf(dlq.CodeInvalid, "it is not said how long the silence lasts").WithHint("name \"duration\", such as \"1h\", or \"ends_at\"")
	case r.EndsAt != nil && r.Duration != 0:
		return dlq.Errorf(dlq.CodeInvalid, "the fields \"ends_at\" and \"duration\" exclude each other")
	case r.EndsAt == nil:
		end := r.StartsAt.Add(time.Duration(r.Duration))
		r.EndsAt = &end
	}
	switch {
	case !r.EndsAt.After(now):
		return dlq.Errorf(dlq.CodeInvalid, "the silence would be over already")
	case !r.EndsAt.After(*r.StartsAt):
		return dlq.Errorf(dlq.CodeInvalid, "the silence would end before it starts")
	case r.EndsAt.After(now.AddDate(1, 0, 1)):
		return dlq.Errorf(dlq.CodeInvalid, "the silence would last longer than a year").WithHint("a rule that is not wanted is switched off in rules.yaml with \"off: true\"")
	}
	return checkNote(&r.Note, true)
}

// checkMatchers refuses a label that no alert of the rules in force has: such a silence would hold nothing back, and who
// made it would not know.
func (s *Server) checkMatchers(matchers map[string][]string) error {
	known := []string{"rule", "severity"}
	for _, r := range s.Engine.Rules() {
		known = append(append(known, r.By...), slices.Collect(maps.Keys(r.Labels))...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, label := range slices.Sorted(maps.Keys(matchers)) {
		if !slices.Contains(known, label) {
			return unknownName("label", label, known)
		}
	}
	return nil
}

func (s *Server) addSilence(ctx context.Context, req *newSilence) (dlq.Silence, error) {
	if err := s.checkMatchers(req.Matchers); err != nil {
		return dlq.Silence{}, err
	}
	silence := dlq.Silence{ID: "sil_" + rand.Text(), Matchers: req.Matchers, StartsAt: storable(*req.StartsAt), EndsAt: storable(*req.EndsAt),
		Author: actor(ctx), Note: req.Note, CreatedAt: storable(s.Now())}
	err := s.Alerts.AddSilence(ctx, silence)
	if err == nil {
		s.Logger.Info("alerts silenced", "silence", silence.ID, "until", silence.EndsAt, "actor", silence.Author)
	}
	return silence, err
}

// storable is an instant as the store keeps it, so that the answer is what is read later.
func storable(at time.Time) time.Time { return at.UTC().Truncate(time.Millisecond) }

type silenceID struct {
	ID string `path:"id"`
}

func (s *Server) endSilence(ctx context.Context, req *silenceID) (dlq.Silence, error) {
	silence, err := s.Alerts.EndSilence(ctx, req.ID, actor(ctx))
	if err == nil {
		s.Logger.Info("silence ended", "silence", silence.ID, "actor", actor(ctx))
	}
	return silence, err
}

// notLong refuses a query parameter that is longer than anything it could name.
func notLong(name, text string, most int) error {
	if len(text) > most {
		return dlq.Errorf(dlq.CodeInvalid, "the query parameter %q is longer than %d bytes", name, most)
	}
	return nil
}
