package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what Open needs. Only Path must be set.
type Options struct {
	Path       string                // the database file; its folder is made if it is missing
	Now        func() time.Time      // nil for time.Now
	Logger     *slog.Logger          // nil for slog.Default
	Publish    func([]dlq.Event)     // called after each commit with the events of the transaction, on the write goroutine: it must not block; nil for none
	Registerer prometheus.Registerer // nil for no metrics
	Retention  time.Duration         // how long resolved and discarded letters are kept; 0 for 30 days
}

// Store is one open database file.
type Store struct{}

var errUnbuilt = errors.New("not built yet")

func Open(ctx context.Context, o Options) (*Store, error) { return nil, errUnbuilt }
func (s *Store) Run(ctx context.Context) error            { return errUnbuilt }
func (s *Store) Close() error                             { return errUnbuilt }
func (s *Store) Ready(ctx context.Context) error          { return errUnbuilt }
func (s *Store) Full() bool                               { return false }
func (s *Store) QueuePosition(ctx context.Context, q dlq.Queue) (pos dlq.QueuePosition, known bool, err error) {
	return pos, false, errUnbuilt
}
func (s *Store) Known(ctx context.Context, messages []dlq.DeadMessage) ([]dlq.Known, error) {
	return nil, errUnbuilt
}
func (s *Store) Admit(ctx context.Context, batches []dlq.AdmitBatch) <-chan error { return nil }
func (s *Store) Apply(ctx context.Context, changes ...dlq.Change) ([]dlq.Letter, error) {
	return nil, errUnbuilt
}
func (s *Store) ApplyEach(ctx context.Context, changes []dlq.Change) ([]dlq.Letter, []error) {
	return nil, nil
}
func (s *Store) Letter(ctx context.Context, id int64) (dlq.Letter, error) {
	return dlq.Letter{}, errUnbuilt
}
func (s *Store) Detail(ctx context.Context, id int64) (dlq.Detail, error) {
	return dlq.Detail{}, errUnbuilt
}
func (s *Store) Body(ctx context.Context, id int64) ([]byte, dlq.BodyState, error) {
	return nil, "", errUnbuilt
}
func (s *Store) Message(ctx context.Context, id int64) (dlq.DeadMessage, error) {
	return dlq.DeadMessage{}, errUnbuilt
}
func (s *Store) Letters(ctx context.Context, f dlq.Filter, cursor string, limit int) (dlq.Page, error) {
	return dlq.Page{}, errUnbuilt
}
func (s *Store) Facets(ctx context.Context, f dlq.Filter) (dlq.Facets, error) {
	return dlq.Facets{}, errUnbuilt
}
func (s *Store) Summary(ctx context.Context) (dlq.Summary, error) { return dlq.Summary{}, errUnbuilt }
func (s *Store) Due(ctx context.Context, state dlq.State, now time.Time, limit int) ([]dlq.Letter, error) {
	return nil, errUnbuilt
}
func (s *Store) OpenReplays(ctx context.Context, now time.Time, limit int) ([]dlq.Replay, error) {
	return nil, errUnbuilt
}
func (s *Store) Unsettled(ctx context.Context) ([]dlq.Replay, error) { return nil, errUnbuilt }
func (s *Store) Replay(ctx context.Context, id string) (dlq.Replay, error) {
	return dlq.Replay{}, errUnbuilt
}
func (s *Store) SaveLook(ctx context.Context, r dlq.Replay) error { return errUnbuilt }
func (s *Store) SameFailures(ctx context.Context, fingerprint string, since time.Time) (int64, error) {
	return 0, errUnbuilt
}
func (s *Store) DueCalls(ctx context.Context, now time.Time, limit int) ([]dlq.Call, error) {
	return nil, errUnbuilt
}
func (s *Store) SaveCall(ctx context.Context, c dlq.Call) error        { return errUnbuilt }
func (s *Store) AddAttempt(ctx context.Context, a dlq.Attempt) error   { return errUnbuilt }
func (s *Store) Call(ctx context.Context, id string) (dlq.Call, error) { return dlq.Call{}, errUnbuilt }
func (s *Store) AddReports(ctx context.Context, reports []dlq.Report) (matched [][]int64, err error) {
	return nil, errUnbuilt
}
func (s *Store) ReportFor(ctx context.Context, letterID int64) (*dlq.Report, error) {
	return nil, errUnbuilt
}
func (s *Store) AddRuleVersion(ctx context.Context, v dlq.RuleVersion) (int64, error) {
	return 0, errUnbuilt
}
func (s *Store) RuleVersion(ctx context.Context, version int64) (dlq.RuleVersion, error) {
	return dlq.RuleVersion{}, errUnbuilt
}
func (s *Store) LatestRuleVersion(ctx context.Context) (dlq.RuleVersion, error) {
	return dlq.RuleVersion{}, errUnbuilt
}
func (s *Store) RuleVersions(ctx context.Context, limit int) ([]dlq.RuleVersion, error) {
	return nil, errUnbuilt
}
func (s *Store) RuleHits(ctx context.Context) ([]dlq.RuleHits, error) { return nil, errUnbuilt }
func (s *Store) Automation(ctx context.Context) (dlq.Automation, error) {
	return dlq.Automation{}, errUnbuilt
}
func (s *Store) SetAutomation(ctx context.Context, seen int64, a dlq.Automation) (dlq.Automation, error) {
	return a, errUnbuilt
}
func (s *Store) Gaps(ctx context.Context, limit int) ([]dlq.Gap, error) { return nil, errUnbuilt }
func (s *Store) Remembered(ctx context.Context, key string) (dlq.Remembered, bool, error) {
	return dlq.Remembered{}, false, errUnbuilt
}
func (s *Store) Remember(ctx context.Context, r dlq.Remembered) error { return errUnbuilt }
func (s *Store) Backup(ctx context.Context, path string) error        { return errUnbuilt }
