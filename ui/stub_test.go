package ui

import (
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// stub is a house in memory: letters 41 and 42, and functions that a test may put in the place of any answer.
type stub struct {
	reports  []dlq.Report // of the last call
	mu       sync.Mutex
	letters  map[int64]dlq.Letter
	memory   map[string]dlq.Remembered
	switched dlq.Automation
	alerts   *alertStub

	operations *operationStub
	anywhere   []bool   // whether those who asked for ways may send anywhere
	acted      []string // what reached the desk and the replays, in words
	filters    []dlq.Filter

	body     func(id int64) ([]byte, dlq.BodyState, error)
	detail   func(d *dlq.Detail)
	lettersF func() error
	act      func(name string, a dlq.Act) error
	replay   func(r dlq.ReplayRequest) error
	ready    func() error
	copied   bool // the data file is a copy
	topics   func() ([]dlq.TopicInfo, error)
	group    func(name string) (dlq.GroupInfo, error)
	status   func() dlq.ClusterStatus
	current  func() rulebook.Snapshot
	live     func() (*classifier.Ruleset, int64)
	version  func(v int64) (dlq.RuleVersion, error)
	remember func(dlq.Remembered) error
	backlog  func(ctx context.Context, before int64, limit int) ([]dlq.Candidate, int64, error)
	file     func() rulebook.File
	save     func(rulebook.Edit) (rulebook.Snapshot, error)
}

func letter(id int64) dlq.Letter {
	return dlq.Letter{ID: id, Version: 3, State: dlq.StateOpen, Route: dlq.RouteManual, Severity: dlq.SeverityNormal,
		Reason: "network_timeout", ReasonOrigin: dlq.OriginProperty, Fingerprint: "00112233aabbccdd", Cluster: "c1", ConsumerGroup: "pay-service",
		Topic: "orders", DLQTopic: "%DLQ%pay-service", MessageID: "7F0000010000", Keys: []string{"PAY-42"}, Deaths: 1,
		BornAt: noon.Add(-time.Hour), DiedAt: noon.Add(-time.Minute), ArrivedAt: noon, ChangedAt: noon, Rule: "everything else", RuleVersion: 1}
}

func newStub() *stub {
	s := &stub{letters: map[int64]dlq.Letter{41: letter(41), 42: letter(42)}, memory: map[string]dlq.Remembered{}, alerts: newAlertStub()}
	s.operations = &operationStub{world: s}
	return s
}

func (s *stub) note(words ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acted = append(s.acted, strings.Join(words, " "))
}

func (s *stub) done() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.acted, "; ")
}

func (s *stub) Letter(_ context.Context, id int64) (dlq.Letter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.letters[id]
	if !ok {
		return l, dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", id)
	}
	return l, nil
}

func (s *stub) Letters(_ context.Context, f dlq.Filter, _ string, _ int) (dlq.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filters = append(s.filters, f)
	if s.lettersF != nil {
		if err := s.lettersF(); err != nil {
			return dlq.Page{}, err
		}
	}
	return dlq.Page{Items: []dlq.Letter{s.letters[42], s.letters[41]}, Next: "abc", Total: dlq.Count{Count: 2, Exact: true}}, nil
}

func (s *stub) Facets(_ context.Context, f dlq.Filter) (dlq.Facets, error) {
	n := int64(7)
	if f.Tab == dlq.TabInFlight {
		n = 1
	}
	return dlq.Facets{ConsumerGroups: []dlq.Facet{{Value: "pay-service", Count: n}}, Exact: true}, nil
}

func (s *stub) Summary(context.Context) (dlq.Summary, error) {
	return dlq.Summary{Letters: 2, LastEvent: 17, SearchLag: 5}, nil
}

func (s *stub) Detail(ctx context.Context, id int64) (dlq.Detail, error) {
	l, err := s.Letter(ctx, id)
	d := dlq.Detail{Letter: l, BodyState: dlq.BodyPlain, Verdict: dlq.Verdict{Route: dlq.RouteManual, Severity: dlq.SeverityNormal},
		Judged: dlq.Judgement{Now: noon, Deaths: 1}}
	if s.detail != nil {
		s.detail(&d)
	}
	return d, err
}

func (s *stub) Body(ctx context.Context, id int64) ([]byte, dlq.BodyState, error) {
	if _, err := s.Letter(ctx, id); err != nil {
		return nil, "", err
	}
	if s.body != nil {
		return s.body(id)
	}
	return []byte(`{"order":12345678901234567890}`), dlq.BodyPlain, nil
}

func (s *stub) Message(context.Context, int64) (dlq.DeadMessage, error) {
	return dlq.DeadMessage{ConsumerGroup: "pay-service", OriginalTopic: "orders", Body: []byte("{}")}, nil
}

func (s *stub) RuleVersion(_ context.Context, v int64) (dlq.RuleVersion, error) {
	if s.version != nil {
		return s.version(v)
	}
	return dlq.RuleVersion{Version: v, At: noon, SHA256: "00", Author: "file", Text: oneRule}, nil
}

const oneRule = "version: 1\nrules:\n  - name: timeouts wait\n    match: {reason: network_timeout}\n    route: manual\n  - name: everything else\n    route: manual\n"

func (s *stub) RuleVersions(_ context.Context, before int64, limit int) ([]dlq.RuleVersion, error) {
	if before == 0 {
		before = 8
	}
	var out []dlq.RuleVersion
	for v := before - 1; v > 0 && len(out) < limit; v-- {
		out = append(out, dlq.RuleVersion{Version: v, SHA256: "00", Author: "file", At: noon})
	}
	return out, nil
}

func (s *stub) Backlog(ctx context.Context, before int64, limit int) ([]dlq.Candidate, int64, error) {
	if s.backlog != nil {
		return s.backlog(ctx, before, limit)
	}
	return nil, 0, nil
}

func (s *stub) RuleHits(context.Context) ([]dlq.RuleHits, error) {
	return []dlq.RuleHits{{Rule: "everything else", Total: 2, Day: 1, Hours: make([]int64, 24)}}, nil
}

func (s *stub) Automation(context.Context) (dlq.Automation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switched, nil
}

func (s *stub) Gaps(_ context.Context, limit int) ([]dlq.Gap, error) {
	return []dlq.Gap{{ID: 1, Queue: dlq.Queue{Cluster: "c1", Broker: "b1", Topic: "%DLQ%pay-service"}, Kind: dlq.GapExpired, From: 1, To: 5, Count: 4, At: noon}}, nil
}

func (s *stub) Ready(context.Context) error {
	if s.ready != nil {
		return s.ready()
	}
	return nil
}

func (s *stub) Full() bool { return false }

func (s *stub) FileStatus() dlq.FileStatus {
	if s.copied {
		return dlq.FileStatus{State: dlq.FileCopy, Path: "/data/dlq.db", From: &dlq.FileOrigin{Host: "a", Path: "/old/dlq.db", At: noon}}
	}
	return dlq.FileStatus{State: dlq.FileOK}
}

func (s *stub) Adopt(context.Context) error {
	s.copied = false
	return nil
}

func (s *stub) Snapshot(context.Context) (dlq.Snapshot, error) {
	return dlq.Snapshot{ReadCloser: io.NopCloser(strings.NewReader("SQLite format 3")), Size: 15, Letters: 2}, nil
}

func (s *stub) Remembered(_ context.Context, key string) (dlq.Remembered, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.memory[key]
	return r, ok, nil
}

func (s *stub) Remember(_ context.Context, r dlq.Remembered) error {
	if s.remember != nil {
		return s.remember(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory[r.Key] = r
	return nil
}

// one does an act as the desk would: it checks the version and raises it.
func (s *stub) one(name string, a dlq.Act) (dlq.Letter, error) {
	if s.act != nil {
		if err := s.act(name, a); err != nil {
			return dlq.Letter{}, err
		}
	}
	l, err := s.Letter(context.Background(), a.LetterID)
	if err != nil {
		return l, err
	}
	if a.Version != 0 && a.Version != l.Version {
		return l, dlq.Errorf(dlq.CodeConflict, "letter %d changed since you looked", a.LetterID).WithHint("look at it again, then decide")
	}
	s.note(name, a.Actor, a.Note, string(a.Route))
	l.Version++
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters[l.ID] = l
	return l, nil
}

func (s *stub) Discard(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("discard", a) }

func (s *stub) Restore(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("restore", a) }

func (s *stub) Resolve(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("resolve", a) }

func (s *stub) Cancel(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("cancel", a) }

func (s *stub) Take(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("take", a) }

func (s *stub) Release(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("release", a) }

func (s *stub) Snooze(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("snooze", a) }

func (s *stub) Note(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("note", a) }

func (s *stub) Reroute(_ context.Context, a dlq.Act) (dlq.Letter, error) { return s.one("reroute", a) }

func (s *stub) Many(_ context.Context, action string, ids []int64, a dlq.Act) ([]dlq.ActResult, error) {
	out := make([]dlq.ActResult, len(ids))
	for i, id := range ids {
		a.LetterID = id
		out[i].LetterID = id
		out[i].Letter, out[i].Err = s.one(action, a)
	}
	return out, nil
}

func (s *stub) Report(_ context.Context, actor string, reports []dlq.Report) ([]dlq.ReportResult, error) {
	s.reports = reports
	out := make([]dlq.ReportResult, len(reports))
	for i, r := range reports {
		if r.ConsumerGroup == "" || r.Reason == "" {
			return nil, dlq.Errorf(dlq.CodeInvalid, "report %d: the consumer group or the reason is missing", i+1)
		}
		s.note("report", actor, r.ConsumerGroup, r.MessageID, r.UniqueKey, r.Key, r.Reason, r.ReasonText)
		if r.MessageID == "M1" {
			out[i].Matched = []int64{41}
		}
	}
	return out, nil
}

func (s *stub) SetAutomation(_ context.Context, seen int64, a dlq.Automation) (dlq.Automation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen != s.switched.Version {
		return s.switched, dlq.Errorf(dlq.CodeConflict, "somebody else turned the switch")
	}
	a.Version = seen + 1
	s.switched = a
	return a, nil
}

func (s *stub) OptionsFor(_ context.Context, id int64, t dlq.Target, anywhere bool) (dlq.ReplayOptions, error) {
	s.anywhere = append(s.anywhere, anywhere)
	if t != (dlq.Target{}) {
		s.note("options", string(t.Kind), t.Name)
	}
	return dlq.ReplayOptions{LetterID: id, Version: 3, Allowed: true, Default: dlq.DoorRetry,
		Doors:  []dlq.DoorOption{{Door: dlq.DoorRetry, Allowed: true, Why: "only_this_group", Target: "%RETRY%pay-service"}},
		Levels: []dlq.DelayOption{{Level: 3, Delay: dlq.Duration(10 * time.Second)}},
		Group:  dlq.GroupInfo{Name: "pay-service", Kind: dlq.GroupConcurrent}}, nil
}

func (s *stub) Replay(ctx context.Context, r dlq.ReplayRequest) (dlq.Replay, dlq.Letter, error) {
	if s.replay != nil {
		if err := s.replay(r); err != nil {
			return dlq.Replay{}, dlq.Letter{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return dlq.Replay{}, dlq.Letter{}, err
	}
	l, err := s.one("replay", dlq.Act{LetterID: r.LetterID, Version: r.Version, Actor: r.Actor, Note: r.Note})
	return dlq.Replay{ID: "0123456789abcdef0123456789abcdef", LetterID: r.LetterID, Number: 1, Door: dlq.DoorRetry, Why: "only_this_group",
		Delay: r.Delay, Actor: r.Actor, IntendedAt: noon, Outcome: dlq.OutcomeWaiting}, l, err
}

func (s *stub) Status() dlq.ClusterStatus {
	if s.status != nil {
		return s.status()
	}
	return dlq.ClusterStatus{Cluster: "c1", NameServers: []string{"127.0.0.1:9876"}, Reachable: true}
}

func (s *stub) Topics(context.Context) ([]dlq.TopicInfo, error) {
	if s.topics != nil {
		return s.topics()
	}
	return []dlq.TopicInfo{{Queue: dlq.Queue{Cluster: "c1", Broker: "b1", Topic: "%DLQ%pay-service"}, ConsumerGroup: "pay-service", Perm: 2, CheckedAt: noon, Unread: 4}}, nil
}

func (s *stub) Repair(_ context.Context, topic string) error {
	s.note("repair", topic)
	return nil
}

func (s *stub) Group(_ context.Context, name string, _ *dlq.DeadMessage) (dlq.GroupInfo, error) {
	if s.group != nil {
		return s.group(name)
	}
	return dlq.GroupInfo{Name: name, Exists: true, Kind: dlq.GroupConcurrent}, nil
}

func (s *stub) Current() rulebook.Snapshot {
	if s.current != nil {
		return s.current()
	}
	return rulebook.Snapshot{Version: dlq.RuleVersion{Version: 1, Text: oneRule, At: noon}, Path: "rules.yaml"}
}

func (s *stub) File() rulebook.File {
	if s.file != nil {
		return s.file()
	}
	return rulebook.File{Text: oneRule, ETag: "00ff", Writable: rulebook.Writable{OK: true}}
}

func (s *stub) Check(_ context.Context, text string, sealed bool) ([]dlq.Diagnostic, error) {
	if sealed {
		s.note("sealed")
	}
	_, found := classifier.CompileText([]byte(text))
	return found, nil
}

func (s *stub) Save(_ context.Context, e rulebook.Edit) (rulebook.Snapshot, error) {
	if s.save != nil {
		return s.save(e)
	}
	s.note("save", e.Author, e.ETag, e.Note, strconv.Itoa(len(e.Text)))
	return s.Current(), nil
}

func (s *stub) Get() (*classifier.Ruleset, int64) {
	if s.live != nil {
		return s.live()
	}
	return nil, 0
}
