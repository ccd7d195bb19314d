package ui

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// Cluster is what the cluster says about itself. Topics answers at once with what was seen last.
type Cluster interface {
	Status() dlq.ClusterStatus
	Topics(ctx context.Context) ([]dlq.TopicInfo, error)
	Repair(ctx context.Context, topic string) error
	Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error)
}

func (s *Server) getAutomation(ctx context.Context, _ *none) (dlq.Automation, error) {
	return s.Store.Automation(ctx)
}

type setAutomation struct {
	On      *bool  `json:"on"`
	Stopped *bool  `json:"stopped"`
	Note    string `json:"note"`
	Version *int64 `json:"version"`
}

func (r *setAutomation) check(time.Time) error {
	if r.On == nil || r.Stopped == nil || r.Version == nil || *r.Version < 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the fields \"on\", \"stopped\" and \"version\" are needed").
			WithHint("read the switch first and name its version")
	}
	return checkNote(&r.Note, false)
}

func (s *Server) setAutomation(ctx context.Context, req *setAutomation) (dlq.Automation, error) {
	after, err := s.Desk.SetAutomation(ctx, *req.Version, dlq.Automation{On: *req.On, Stopped: *req.Stopped, Note: req.Note, Actor: actor(ctx)})
	if err == nil {
		s.Logger.Info("automation switched", "actor", actor(ctx), "on", after.On, "stopped", after.Stopped, "note", after.Note)
	}
	return after, err
}

func (s *Server) listTopics(ctx context.Context, _ *none) (items[dlq.TopicInfo], error) {
	topics, err := s.Cluster.Topics(ctx)
	return items[dlq.TopicInfo]{topics}, err
}

type topicName struct {
	Topic string `path:"topic"`
}

func (r *topicName) check(time.Time) error {
	if !strings.HasPrefix(r.Topic, dlq.DLQPrefix) || len(r.Topic) == len(dlq.DLQPrefix) {
		return dlq.Errorf(dlq.CodeInvalid, "%q is not the name of a dead-letter topic", cut(r.Topic, 255)).
			WithHint("it begins with %s, in a path written %%25DLQ%%25", dlq.DLQPrefix)
	}
	return nil
}

// repairTopic makes a topic readable that the cluster is known to have, and answers with it.
func (s *Server) repairTopic(ctx context.Context, req *topicName) (items[dlq.TopicInfo], error) {
	topics, err := s.topicsOf(ctx, req.Topic)
	if err != nil {
		return items[dlq.TopicInfo]{}, err
	}
	if len(topics) == 0 {
		return items[dlq.TopicInfo]{}, dlq.Errorf(dlq.CodeNotFound, "no broker has the topic %q", cut(req.Topic, 255))
	}
	if err := s.Cluster.Repair(ctx, req.Topic); err != nil {
		return items[dlq.TopicInfo]{}, err
	}
	s.Logger.Info("dead-letter topic repaired", "topic", req.Topic, "actor", actor(ctx))
	topics, err = s.topicsOf(ctx, req.Topic)
	return items[dlq.TopicInfo]{topics}, err
}

func (s *Server) topicsOf(ctx context.Context, name string) ([]dlq.TopicInfo, error) {
	topics, err := s.Cluster.Topics(ctx)
	return slices.DeleteFunc(slices.Clone(topics), func(t dlq.TopicInfo) bool { return t.Topic != name }), err
}

type gapsQuery struct {
	Limit int `query:"limit"`
}

func (q *gapsQuery) check(time.Time) error { return within("limit", &q.Limit, 100, 1000) }

func (s *Server) listGaps(ctx context.Context, q *gapsQuery) (items[dlq.Gap], error) {
	gaps, err := s.Store.Gaps(ctx, q.Limit)
	return items[dlq.Gap]{gaps}, err
}

// ConsumerGroup is a consumer group with dead letters: what the store has of it and what the brokers hold.
type ConsumerGroup struct {
	Name            string          `json:"name"`
	LettersOpen     int64           `json:"letters_open"`
	LettersInFlight int64           `json:"letters_in_flight"`
	Unread          int64           `json:"unread"`
	Readable        bool            `json:"readable"` // on every broker
	OldestUnread    *time.Time      `json:"oldest_unread,omitempty"`
	ExpiresAt       *time.Time      `json:"expires_at,omitempty"`
	LastError       string          `json:"last_error,omitempty"`
	Topics          []dlq.TopicInfo `json:"topics"`
	Info            *dlq.GroupInfo  `json:"info,omitempty"`       // when it was asked for by name
	InfoError       string          `json:"info_error,omitempty"` // public sentence
}

type groupsQuery struct {
	Names []string `query:"name"`
}

const groupsAsked = 20 // consumer groups that one call asks the cluster about

func (q *groupsQuery) check(time.Time) error {
	if len(q.Names) > groupsAsked {
		return dlq.Errorf(dlq.CodeInvalid, "%d consumer groups are named, and one call takes %d", len(q.Names), groupsAsked)
	}
	return nil
}

func (s *Server) listConsumerGroups(ctx context.Context, q *groupsQuery) (items[ConsumerGroup], error) {
	groups := map[string]*ConsumerGroup{}
	group := func(name string) *ConsumerGroup {
		if groups[name] == nil {
			groups[name] = &ConsumerGroup{Name: name, Readable: true}
		}
		return groups[name]
	}
	for _, tab := range []dlq.Tab{dlq.TabAttention, dlq.TabInFlight} {
		facets, err := s.Store.Facets(ctx, dlq.Filter{Tab: tab})
		if err != nil {
			return items[ConsumerGroup]{}, err
		}
		for _, f := range facets.ConsumerGroups {
			if g := group(f.Value); tab == dlq.TabAttention {
				g.LettersOpen = f.Count
			} else {
				g.LettersInFlight = f.Count
			}
		}
	}
	topics, away := s.Cluster.Topics(ctx)
	for _, t := range topics {
		group(t.ConsumerGroup).add(t)
	}
	out := make([]ConsumerGroup, 0, len(groups))
	for name, g := range groups {
		if away != nil { // the letters are here all the same
			g.LastError = problemOf(away, "").Detail
		}
		if len(q.Names) == 0 || slices.Contains(q.Names, name) {
			out = append(out, *g)
		}
	}
	if away != nil {
		s.Logger.Debug("topics not read", "error", away)
	}
	slices.SortFunc(out, func(a, b ConsumerGroup) int { return strings.Compare(a.Name, b.Name) })
	if len(q.Names) > 0 {
		s.askAbout(ctx, out)
	}
	return items[ConsumerGroup]{out}, nil
}

func (g *ConsumerGroup) add(t dlq.TopicInfo) {
	g.Topics = append(g.Topics, t)
	g.Unread += t.Unread
	g.Readable = g.Readable && t.Readable
	g.OldestUnread = earlier(g.OldestUnread, t.OldestUnread)
	g.ExpiresAt = earlier(g.ExpiresAt, t.ExpiresAt)
	if t.LastError != "" {
		g.LastError = t.LastError
	}
}

func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// askAbout asks the cluster about each group, all at once, and gives up after five seconds.
func (s *Server) askAbout(ctx context.Context, groups []ConsumerGroup) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var asking sync.WaitGroup
	for i := range groups {
		asking.Go(func() {
			info, err := s.Cluster.Group(ctx, groups[i].Name, nil)
			if err != nil {
				groups[i].InfoError = problemOf(err, "").Detail
				s.Logger.Debug("consumer group not asked about", "consumer_group", groups[i].Name, "error", err)
				return
			}
			groups[i].Info = &info
		})
	}
	asking.Wait()
}

// newReport is a report as applications send it.
type newReport struct {
	ConsumerGroup string `json:"consumer_group"`
	MessageID     string `json:"message_id"`
	UniqueKey     string `json:"unique_key"`
	Key           string `json:"key"`
	Reason        string `json:"reason"`
	ReasonText    string `json:"reason_text"`
}

// reports is one report, or several under "reports".
type reports struct {
	newReport
	Reports []newReport `json:"reports"`
}

func (r *reports) check(time.Time) error {
	if r.Reports != nil && r.newReport != (newReport{}) {
		return dlq.Errorf(dlq.CodeInvalid, "the body is one report and holds \"reports\" too").WithHint("send one report, or only \"reports\"")
	}
	return nil
}

// ReportResult says which letters a report concerns; none to a reporter that is not bound to consumer groups.
type ReportResult struct {
	Matched []string `json:"matched"`
}

func (s *Server) report(ctx context.Context, req *reports) (results[ReportResult], error) {
	given := req.Reports
	if given == nil {
		given = []newReport{req.newReport}
	}
	if err := take(s.quotas.find(actor(ctx)).reports, s.Now(), len(given), "messages"); err != nil {
		return results[ReportResult]{}, err
	}
	list := make([]dlq.Report, len(given))
	who := callerIn(ctx)
	for i, r := range given {
		bound, err := who.speaksFor(r.ConsumerGroup)
		if err != nil {
			return results[ReportResult]{}, err
		}
		list[i] = dlq.Report{ConsumerGroup: r.ConsumerGroup, MessageID: r.MessageID, UniqueKey: r.UniqueKey, Key: r.Key,
			Reason: r.Reason, ReasonText: r.ReasonText, Bound: bound}
	}
	done, err := s.Desk.Report(ctx, actor(ctx), list)
	if err != nil {
		return results[ReportResult]{}, err
	}
	out := make([]ReportResult, len(done))
	for i, d := range done {
		if list[i].Bound { // one who may report for every consumer group is not told which letters these have
			out[i].Matched = idTexts(d.Matched)
		}
	}
	return results[ReportResult]{out}, nil
}

// healthz says that the process is alive.
func (s *Server) healthz(c echo.Context) error {
	return writeText(c, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

type readyQuery struct {
	Verbose string `query:"verbose"`
}

// readyz says whether the store can be written. The broker does not count: the console must stay reachable while it is away.
func (s *Server) readyz(c echo.Context) error {
	var q readyQuery
	if _, err := bind(c, &q, s.Now()); err != nil {
		return err
	}
	err := s.Store.Ready(c.Request().Context())
	status, word := http.StatusOK, "ok"
	if err != nil {
		status, word = http.StatusServiceUnavailable, "not ready"
		s.Logger.Warn("not ready", "error", err)
	}
	if q.Verbose == "" || q.Verbose == "0" {
		return writeText(c, status, "text/plain; charset=utf-8", []byte(word+"\n"))
	}
	var text bytes.Buffer
	if err != nil {
		text.WriteString("[-] store: " + problemOf(err, "").Detail + "\n")
	} else {
		text.WriteString("[+] store: can be written\n")
	}
	switch t := s.entrance.tokens; {
	case t == nil:
	case t.now.Load().refused != nil:
		text.WriteString("[-] tokens: the token file is refused, nobody gets in; see the log\n")
	default:
		text.WriteString("[+] tokens: can be used\n")
	}
	text.WriteString(word + "\n")
	return writeText(c, status, "text/plain; charset=utf-8", text.Bytes())
}

func (s *Server) getOpenAPI(c echo.Context) error {
	if _, err := bind(c, &none{}, s.Now()); err != nil {
		return err
	}
	if len(s.OpenAPI) == 0 {
		return dlq.Errorf(dlq.CodeNotFound, "this program was built without the description of its API")
	}
	return writeText(c, http.StatusOK, "application/yaml; charset=utf-8", s.OpenAPI)
}
