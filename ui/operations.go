package ui

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// OperationDrafts is how bulk acts are prepared.
type OperationDrafts interface {
	Create(ctx context.Context, o dlq.Operation, pick dlq.OperationPick) (dlq.Operation, error)
	Change(ctx context.Context, id string, version int64, spec dlq.OperationSpec, note, actor string) (dlq.Operation, error)
	Refresh(ctx context.Context, id string, version int64, add bool, actor string) (dlq.Operation, error)
}

// OperationControls is how people steer bulk acts. Version 0 is "whatever it is now", save for Start.
type OperationControls interface {
	Start(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error)
	Pause(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error)
	Resume(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error)
	Cancel(ctx context.Context, id string, version int64, note, actor string) (dlq.Operation, error)
	Skip(ctx context.Context, id string, version int64, cause, note, actor string) (dlq.Operation, error)
}

// OperationViews is how bulk acts are looked at, with what only their runner knows: rate and time left.
type OperationViews interface {
	Get(ctx context.Context, id string) (dlq.Operation, error)
	List(ctx context.Context, f dlq.OperationFilter, cursor string, limit int) (dlq.OperationPage, error)
}

// Operations drives bulk acts. An id is an operation's id or its number as text.
type Operations interface {
	OperationDrafts
	OperationControls
	OperationViews
	SetPace(ctx context.Context, id string, version int64, p dlq.Pace, actor string) (dlq.Operation, error)
}

// OperationLedger is what the store keeps of each letter of an operation.
type OperationLedger interface {
	Operation(ctx context.Context, idOrNumber string) (dlq.Operation, error)
	Items(ctx context.Context, number int64, states []dlq.ItemState, cursor string, limit int) (dlq.ItemPage, error)
	History(ctx context.Context, number int64) (dlq.Duration, []dlq.OperationPoint, error)
	OperationEvents(ctx context.Context, number int64, limit int) ([]dlq.OperationEvent, error)
}

type operationsQuery struct {
	States []dlq.OperationState `query:"state"`
	Kinds  []dlq.OperationKind  `query:"kind"`
	Actors []string             `query:"actor"`
	Cursor string               `query:"cursor"`
	Limit  int                  `query:"limit"`
}

func (q *operationsQuery) check(time.Time) error {
	for _, err := range []error{
		oneOf("state", dlq.OperationStates, q.States), oneOf("kind", dlq.OperationKinds, q.Kinds), notMany("actor", q.Actors),
		within("limit", &q.Limit, 50, 200),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) listOperations(ctx context.Context, q *operationsQuery) (dlq.OperationPage, error) {
	return s.Operations.List(ctx, dlq.OperationFilter{States: q.States, Kinds: q.Kinds, Actors: q.Actors}, q.Cursor, q.Limit)
}

// operationID is the request of a call about one operation.
type operationID struct {
	ID string `path:"id"`
}

func (s *Server) getOperation(ctx context.Context, req *operationID) (dlq.Operation, error) {
	return s.Operations.Get(ctx, req.ID)
}

type itemsQuery struct {
	operationID
	States []dlq.ItemState `query:"state"`
	Cursor string          `query:"cursor"`
	Limit  int             `query:"limit"`
}

func (q *itemsQuery) check(time.Time) error {
	if err := oneOf("state", dlq.ItemStates, q.States); err != nil {
		return err
	}
	return within("limit", &q.Limit, 50, 200)
}

func (s *Server) listOperationItems(ctx context.Context, q *itemsQuery) (dlq.ItemPage, error) {
	o, err := s.Ledger.Operation(ctx, q.ID)
	if err != nil {
		return dlq.ItemPage{}, err
	}
	return s.Ledger.Items(ctx, o.Number, q.States, q.Cursor, q.Limit)
}

// OperationHistory is how many letters came into each state, over time.
type OperationHistory struct {
	Slot   dlq.Duration         `json:"slot"`
	Points []dlq.OperationPoint `json:"points"`
}

func (s *Server) getOperationHistory(ctx context.Context, req *operationID) (OperationHistory, error) {
	o, err := s.Ledger.Operation(ctx, req.ID)
	if err != nil {
		return OperationHistory{}, err
	}
	slot, points, err := s.Ledger.History(ctx, o.Number)
	return OperationHistory{slot, points}, err
}

type operationLog struct {
	operationID
	Limit int `query:"limit"`
}

func (q *operationLog) check(time.Time) error { return within("limit", &q.Limit, 100, 500) }

func (s *Server) listOperationEvents(ctx context.Context, q *operationLog) (items[dlq.OperationEvent], error) {
	o, err := s.Ledger.Operation(ctx, q.ID)
	if err != nil {
		return items[dlq.OperationEvent]{}, err
	}
	events, err := s.Ledger.OperationEvents(ctx, o.Number, q.Limit)
	return items[dlq.OperationEvent]{events}, err
}

const (
	operationQueryMax = 8000  // bytes of the query that chooses letters
	operationIDsMax   = 10000 // letters that are named, and of exceptions
)

// newOperation is a bulk act as people ask for it.
type newOperation struct {
	ID     string            `json:"id"`
	Kind   dlq.OperationKind `json:"kind"`
	Note   string            `json:"note"`
	Query  string            `json:"query"`
	IDs    []string          `json:"ids"`
	Except []string          `json:"except"`
	Spec   dlq.OperationSpec `json:"spec"`

	pick dlq.OperationPick
}

func (r *newOperation) check(now time.Time) (err error) {
	if r.Kind == "" {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"kind\" is missing").WithHint("the kinds are: %s", joined(dlq.OperationKinds))
	}
	if err := oneOf("kind", dlq.OperationKinds, []dlq.OperationKind{r.Kind}); err != nil {
		return err
	}
	switch {
	case (r.Query == "") == (len(r.IDs) == 0):
		return dlq.Errorf(dlq.CodeInvalid, "the letters are chosen by one of the fields \"query\" and \"ids\"").
			WithHint("a query is that of the list of letters: \"tab=attention\" chooses all that need attention")
	case len(r.IDs) > 0:
		r.pick.IDs, err = letterIDs("ids", r.IDs, operationIDsMax)
	default:
		r.pick.Filter, err = filterOf(r.Query, now)
	}
	if err != nil {
		return err
	}
	if r.pick.Except, err = letterIDs("except", r.Except, operationIDsMax); err != nil {
		return err
	}
	if err := checkSpec(r.Spec); err != nil {
		return err
	}
	return checkNote(&r.Note, false)
}

// letterIDs reads the ids of letters, at most so many of them, none of them twice.
func letterIDs(name string, texts []string, most int) ([]int64, error) {
	if len(texts) > most {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the field %q names %d letters, and takes %d", name, len(texts), most).WithHint("choose them by a query")
	}
	ids := make([]int64, 0, len(texts))
	seen := make(map[int64]bool, len(texts))
	for _, text := range texts {
		id, err := dlq.ParseID(text)
		if err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the id %d stands twice in %q", id, name)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	return ids, nil
}

// filterOf reads the query string of the list of letters.
func filterOf(query string, now time.Time) (*dlq.Filter, error) {
	if len(query) > operationQueryMax {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the field \"query\" is longer than %d bytes", operationQueryMax)
	}
	var f filter
	if err := bindQuery(&url.URL{RawQuery: strings.TrimPrefix(query, "?")}, reflect.ValueOf(&f).Elem()); err != nil {
		return nil, err
	}
	if err := f.check(now); err != nil {
		return nil, err
	}
	chosen := f.filter()
	return &chosen, nil
}

// checkSpec refuses words that nobody knows, with the one that was probably meant. Who runs the operation checks the rest.
func checkSpec(spec dlq.OperationSpec) error {
	if err := oneOf("spec.route", dlq.Routes, []dlq.Route{spec.Route}); err != nil {
		return err
	}
	if spec.Replay == nil {
		return nil
	}
	if err := oneOf("spec.replay.door", doors, []dlq.Door{spec.Replay.Door}); err != nil {
		return err
	}
	return checkTarget(spec.Replay.Target)
}

// checkTarget refuses a target that names too little or too much.
func checkTarget(t dlq.Target) error {
	if err := oneOf("target.kind", dlq.TargetKinds, []dlq.TargetKind{t.Kind}); err != nil {
		return err
	}
	switch named := t.Kind == dlq.TargetOtherTopic || t.Kind == dlq.TargetOtherGroup; {
	case named && t.Name == "":
		return dlq.Errorf(dlq.CodeInvalid, "the name of the target is missing").WithHint("name the topic or the consumer group that shall get it")
	case !named && t.Name != "":
		return dlq.Errorf(dlq.CodeInvalid, "a target with a name needs a kind").WithHint("the kinds with a name are: %s, %s", dlq.TargetOtherTopic, dlq.TargetOtherGroup)
	case len(t.Name) > 255:
		return dlq.Errorf(dlq.CodeInvalid, "the name of the target is longer than 255 bytes")
	case t.Topic != "" && (t.Kind == dlq.TargetTopic || t.Kind == dlq.TargetOtherTopic):
		return dlq.Errorf(dlq.CodeInvalid, "a target with a topic is a consumer group").WithHint("leave the kind out for the failed one, or write %s", dlq.TargetOtherGroup)
	case len(t.Topic) > 127:
		return dlq.Errorf(dlq.CodeInvalid, "the topic of the target is longer than 127 bytes")
	}
	return nil
}

// drafted is a new operation, or the one that has its id already.
type drafted struct {
	dlq.Operation
	fresh bool
}

func (d drafted) status() int {
	if d.fresh {
		return http.StatusCreated
	}
	return http.StatusOK
}

// createOperation makes one operation for each id, however often it is called.
func (s *Server) createOperation(ctx context.Context, req *newOperation) (drafted, error) {
	fresh := true
	if req.ID != "" {
		release, err := s.once.claim(ctx, "operation "+req.ID)
		if err != nil {
			return drafted{}, err
		}
		defer release()
		switch _, err := s.Ledger.Operation(ctx, req.ID); {
		case err == nil:
			fresh = false
		case dlq.CodeOf(err) != dlq.CodeNotFound:
			return drafted{}, err
		}
	}
	admit(ctx, &req.Spec)
	o, err := s.Operations.Create(ctx, dlq.Operation{ID: req.ID, Kind: req.Kind, Note: req.Note, Query: strings.TrimPrefix(req.Query, "?"),
		Spec: req.Spec, Actor: actor(ctx)}, req.pick)
	return drafted{o, fresh}, s.shownOperation(ctx, req.ID, err)
}

// admit notes in a replay's spec whether who wrote it may send anywhere, whatever it says itself.
func admit(ctx context.Context, spec *dlq.OperationSpec) {
	if spec.Replay != nil {
		spec.Replay.Anywhere = maySendAnywhere(ctx)
	}
}

type changeOperation struct {
	operationID
	Version int64              `json:"version"`
	Spec    *dlq.OperationSpec `json:"spec"`
	Note    string             `json:"note"`
}

func (r *changeOperation) check(time.Time) error {
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	if r.Spec == nil {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"spec\" is missing").WithHint("send the whole of it: it replaces the one before")
	}
	if err := checkSpec(*r.Spec); err != nil {
		return err
	}
	return checkNote(&r.Note, false)
}

func (s *Server) changeOperation(ctx context.Context, req *changeOperation) (dlq.Operation, error) {
	admit(ctx, req.Spec)
	o, err := s.Operations.Change(ctx, req.ID, req.Version, *req.Spec, req.Note, actor(ctx))
	return o, s.shownOperation(ctx, req.ID, err)
}

type refreshOperation struct {
	operationID
	Version int64 `json:"version"`
	Add     bool  `json:"add"`
}

func (r *refreshOperation) check(time.Time) error { return checkVersion(r.Version) }

func (s *Server) refreshOperation(ctx context.Context, req *refreshOperation) (dlq.Operation, error) {
	o, err := s.Operations.Refresh(ctx, req.ID, req.Version, req.Add, actor(ctx))
	return o, s.shownOperation(ctx, req.ID, err)
}

// steering is an act on an operation; version 0 is "whatever it is now".
type steering struct {
	operationID
	Version int64  `json:"version"`
	Note    string `json:"note"`
}

func (r *steering) check(time.Time) error {
	if r.Version < 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"version\" is negative").WithHint("leave it out to act on whatever the operation is now")
	}
	return checkNote(&r.Note, false)
}

// starting is the start of a draft: it names the version whose preview was agreed to, and says why.
type starting struct{ steering }

func (r *starting) check(now time.Time) error {
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	if err := r.steering.check(now); err != nil {
		return err
	}
	return checkNote(&r.Note, true)
}

func (s *Server) startOperation(ctx context.Context, req *starting) (dlq.Operation, error) {
	return s.steer(ctx, &req.steering, Operations.Start)
}

func (s *Server) pauseOperation(ctx context.Context, req *steering) (dlq.Operation, error) {
	return s.steer(ctx, req, Operations.Pause)
}

func (s *Server) resumeOperation(ctx context.Context, req *steering) (dlq.Operation, error) {
	return s.steer(ctx, req, Operations.Resume)
}

func (s *Server) cancelOperation(ctx context.Context, req *steering) (dlq.Operation, error) {
	return s.steer(ctx, req, Operations.Cancel)
}

// skipping gives up the letters of an operation that wait for a cause.
type skipping struct {
	steering
	Cause string `json:"cause"`
}

func (r *skipping) check(now time.Time) error {
	if r.Cause == "" {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"cause\" is missing").WithHint("write %q to give up the letters whose broker is away", dlq.WaitsBroker)
	}
	if err := oneOf("cause", []string{dlq.WaitsBroker}, []string{r.Cause}); err != nil {
		return err
	}
	return r.steering.check(now)
}

func (s *Server) skipOperation(ctx context.Context, req *skipping) (dlq.Operation, error) {
	o, err := s.Operations.Skip(ctx, req.ID, req.Version, req.Cause, req.Note, actor(ctx))
	return o, s.shownOperation(ctx, req.ID, err)
}

// steer does one act on an operation.
func (s *Server) steer(ctx context.Context, req *steering, do func(Operations, context.Context, string, int64, string, string) (dlq.Operation, error)) (dlq.Operation, error) {
	o, err := do(s.Operations, ctx, req.ID, req.Version, req.Note, actor(ctx))
	return o, s.shownOperation(ctx, req.ID, err)
}

type pacing struct {
	operationID
	Version int64     `json:"version"`
	Pace    *dlq.Pace `json:"pace"`
}

func (r *pacing) check(time.Time) error {
	if r.Version < 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"version\" is negative").WithHint("leave it out to act on whatever the operation is now")
	}
	if r.Pace == nil {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"pace\" is missing").WithHint("for example {\"rate\": 20}: letters per second and consumer group")
	}
	return nil
}

func (s *Server) paceOperation(ctx context.Context, req *pacing) (dlq.Operation, error) {
	o, err := s.Operations.SetPace(ctx, req.ID, req.Version, *req.Pace, actor(ctx))
	return o, s.shownOperation(ctx, req.ID, err)
}

// shownOperation adds the present operation to a conflict, so that the caller sees what changed in between.
func (s *Server) shownOperation(ctx context.Context, id string, err error) error {
	if dlq.CodeOf(err) != dlq.CodeConflict || id == "" {
		return err
	}
	o, e := s.Operations.Get(ctx, id)
	if e != nil {
		s.Logger.Warn("operation of a conflict not read", "error", e)
		return err
	}
	return operationError{err, o}
}
