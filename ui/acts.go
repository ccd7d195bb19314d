package ui

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// Closing is how people end work on a letter, and begin it again.
type Closing interface {
	Discard(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Restore(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Resolve(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Cancel(ctx context.Context, a dlq.Act) (dlq.Letter, error)
}

// Owning is how people keep letters apart among themselves.
type Owning interface {
	Take(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Release(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Snooze(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Note(ctx context.Context, a dlq.Act) (dlq.Letter, error)
}

// Steering is what concerns more than one letter, or the way of one.
type Steering interface {
	Reroute(ctx context.Context, a dlq.Act) (dlq.Letter, error)
	Many(ctx context.Context, action string, ids []int64, a dlq.Act) ([]dlq.ActResult, error)
	Report(ctx context.Context, actor string, reports []dlq.Report) ([]dlq.ReportResult, error)
	SetAutomation(ctx context.Context, seen int64, a dlq.Automation) (dlq.Automation, error)
}

// Quarantine is how people let a letter out that failed again too often.
type Quarantine interface {
	Unquarantine(ctx context.Context, a dlq.Act) (dlq.Letter, error)
}

// Desk is where people act on letters.
type Desk interface {
	Closing
	Owning
	Steering
	Quarantine
}

// Replays gives letters back.
type Replays interface {
	Workbench
	Replay(ctx context.Context, req dlq.ReplayRequest) (dlq.Replay, dlq.Letter, error)
}

const noteMax = 4000 // bytes

// checkNote trims a note and refuses one that is too long, or missing where it is needed.
func checkNote(note *string, needed bool) error {
	*note = strings.TrimSpace(*note)
	switch {
	case needed && *note == "":
		return dlq.Errorf(dlq.CodeInvalid, "the field \"note\" is missing").WithHint("write why: those who come later will ask")
	case len(*note) > noteMax:
		return dlq.Errorf(dlq.CodeTooLarge, "the field \"note\" is longer than %d bytes", noteMax)
	}
	return nil
}

func checkVersion(version int64) error {
	if version < 1 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"version\" is missing").
			WithHint("name the version that you saw; then a change in between is not overwritten")
	}
	return nil
}

// actRequest is the body of an act on one letter.
type actRequest interface {
	act() dlq.Act
}

// plainAct is an act that may have a note.
type plainAct struct {
	letterID
	Version int64  `json:"version"`
	Note    string `json:"note"`
}

func (a *plainAct) check(time.Time) error {
	if err := checkVersion(a.Version); err != nil {
		return err
	}
	return checkNote(&a.Note, false)
}

func (a *plainAct) act() dlq.Act { return dlq.Act{LetterID: a.ID, Version: a.Version, Note: a.Note} }

// notedAct is an act that needs a note.
type notedAct struct{ plainAct }

func (a *notedAct) check(now time.Time) error {
	if err := a.plainAct.check(now); err != nil {
		return err
	}
	return checkNote(&a.Note, true)
}

// resolve closes a letter, with a note. After a probe that was a success it may say that the message is consumed, and
// the probe says why.
type resolve struct {
	plainAct
	Resolution dlq.Resolution `json:"resolution"`
}

func (a *resolve) check(now time.Time) error {
	if err := oneOf("resolution", []dlq.Resolution{dlq.ResolvedByHand, dlq.ResolvedConfirmed}, []dlq.Resolution{a.Resolution}); err != nil {
		return err
	}
	if err := a.plainAct.check(now); err != nil {
		return err
	}
	return checkNote(&a.Note, a.Resolution != dlq.ResolvedConfirmed)
}

func (a *resolve) act() dlq.Act {
	act := a.plainAct.act()
	act.Resolution = a.Resolution
	return act
}

type snooze struct {
	plainAct
	Until *time.Time `json:"until"`
}

func (a *snooze) check(now time.Time) error {
	switch {
	case a.Until == nil:
		return dlq.Errorf(dlq.CodeInvalid, "the field \"until\" is missing").WithHint("name the instant at which it shall come back")
	case !a.Until.After(now):
		return dlq.Errorf(dlq.CodeInvalid, "the field \"until\" is not in the future")
	case a.Until.After(now.AddDate(1, 0, 0)):
		return dlq.Errorf(dlq.CodeInvalid, "the field \"until\" is more than a year away")
	}
	return a.plainAct.check(now)
}

func (a *snooze) act() dlq.Act {
	act := a.plainAct.act()
	act.Until = a.Until
	return act
}

// reroute sends a letter down another route; without one the rules in force judge it anew.
type reroute struct {
	plainAct
	Route dlq.Route `json:"route"`
}

func (a *reroute) check(now time.Time) error {
	if err := oneOf("route", dlq.Routes, []dlq.Route{a.Route}); err != nil {
		return err
	}
	return a.plainAct.check(now)
}

func (a *reroute) act() dlq.Act {
	act := a.plainAct.act()
	act.Route = a.Route
	return act
}

// act makes a handler of one of the desk's acts.
func act[Request any, P interface {
	*Request
	actRequest
}](s *Server, do func(Desk, context.Context, dlq.Act) (dlq.Letter, error)) echo.HandlerFunc {
	return write(s, writeTimeout, func(ctx context.Context, req *Request) (dlq.Letter, error) {
		a := P(req).act()
		a.Actor = actor(ctx)
		letter, err := do(s.Desk, ctx, a)
		return letter, s.shown(ctx, a.LetterID, err)
	})
}

// shown adds the present letter to a conflict, so that the caller sees what changed in between.
func (s *Server) shown(ctx context.Context, id int64, err error) error {
	if dlq.CodeOf(err) != dlq.CodeConflict {
		return err
	}
	letter, e := s.Store.Letter(ctx, id)
	if e != nil {
		s.Logger.Warn("letter of a conflict not read", "error", e)
		return err
	}
	return letterError{err, letter}
}

type replayRequest struct {
	letterID
	dlq.ReplayRequest
}

func (r *replayRequest) check(now time.Time) error {
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	if err := checkReplay(r.Door, r.Delay); err != nil {
		return err
	}
	switch {
	case r.DeliverAt != nil && r.Delay != 0:
		return dlq.Errorf(dlq.CodeInvalid, "the fields \"delay\" and \"deliver_at\" exclude each other")
	case r.DeliverAt != nil && !r.DeliverAt.After(now):
		return dlq.Errorf(dlq.CodeInvalid, "the field \"deliver_at\" is not in the future").WithHint("leave it out to send at once")
	}
	if r.Edit < 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"edit\" is negative").WithHint("leave it out to send the original")
	}
	if err := checkTarget(r.Target); err != nil {
		return err
	}
	return checkNote(&r.Note, false)
}

var doors = []dlq.Door{dlq.DoorTopic, dlq.DoorRetry, dlq.DoorBack, dlq.DoorPop, dlq.DoorProbe}

func checkReplay(door dlq.Door, delay dlq.Duration) error {
	if err := oneOf("door", doors, []dlq.Door{door}); err != nil {
		return err
	}
	if delay < 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"delay\" is negative")
	}
	return nil
}

// Replayed is a replay and the letter afterwards.
type Replayed struct {
	Replay dlq.Replay `json:"replay"`
	Letter dlq.Letter `json:"letter"`
}

func (s *Server) replayLetter(ctx context.Context, req *replayRequest) (Replayed, error) {
	wish := req.ReplayRequest
	wish.LetterID, wish.Actor, wish.Anywhere = req.ID, actor(ctx), maySendAnywhere(ctx)
	replay, letter, err := s.Replays.Replay(ctx, wish)
	return Replayed{replay, letter}, s.shown(ctx, req.ID, err)
}

const (
	selectionMax  = 500
	replaysAtOnce = 8
	probesMax     = 20 // each takes up to ten seconds
)

// actions is an act on a selection.
type actions struct {
	Action string       `json:"action"`
	IDs    []string     `json:"ids"`
	Note   string       `json:"note"`
	Delay  dlq.Duration `json:"delay"`
	Door   dlq.Door     `json:"door"`
	Route  dlq.Route    `json:"route"`

	ids []int64
}

func (a *actions) check(time.Time) error {
	const replay, route, probe = "replay", "route", "probe"
	known := []string{replay, "discard", "restore", "resolve", "take", "release", "cancel", route, "unquarantine", probe}
	if a.Action == "" {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"action\" is missing").WithHint("the actions are: %s", joined(known))
	}
	if err := oneOf("action", known, []string{a.Action}); err != nil {
		return err
	}
	if len(a.IDs) == 0 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"ids\" is empty").WithHint("name the letters")
	}
	most := selectionMax
	if a.Action == probe {
		most = probesMax
	}
	var err error
	if a.ids, err = letterIDs("ids", a.IDs, most); err != nil {
		return err
	}
	if a.Action != replay && (a.Delay != 0 || a.Door != "") {
		return dlq.Errorf(dlq.CodeInvalid, "the fields \"delay\" and \"door\" belong to the action replay")
	}
	if a.Action != route && a.Route != "" {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"route\" belongs to the action route")
	}
	if err := oneOf("route", dlq.Routes, []dlq.Route{a.Route}); err != nil {
		return err
	}
	if err := checkReplay(a.Door, a.Delay); err != nil {
		return err
	}
	return checkNote(&a.Note, slices.Contains([]string{"discard", "resolve", "unquarantine"}, a.Action))
}

// ActionResult is what became of one letter of a selection.
type ActionResult struct {
	ID     int64       `json:"id,string"`
	OK     bool        `json:"ok"`
	Letter *dlq.Letter `json:"letter,omitempty"`
	Replay *dlq.Replay `json:"replay,omitempty"`
	Probe  *dlq.Probe  `json:"probe,omitempty"`
	Error  *Problem    `json:"error,omitempty"`
}

type results[T any] struct {
	Results []T `json:"results"`
}

func (s *Server) actOnLetters(ctx context.Context, req *actions) (results[ActionResult], error) {
	switch req.Action {
	case "replay":
		return s.replayMany(ctx, req)
	case "probe":
		return s.probeMany(ctx, req)
	}
	action := req.Action
	if action == "route" {
		action = "reroute" // what a person does, where the call's name is what is given
	}
	done, err := s.Desk.Many(ctx, action, req.ids, dlq.Act{Actor: actor(ctx), Note: req.Note, Route: req.Route})
	if err != nil {
		return results[ActionResult]{}, err
	}
	out := make([]ActionResult, len(done))
	for i, d := range done {
		out[i] = s.actionResult(d.LetterID, d.Err)
		if d.Err == nil {
			out[i].Letter = &d.Letter
		}
	}
	return results[ActionResult]{out}, nil
}

func (s *Server) actionResult(id int64, err error) ActionResult {
	if err == nil {
		return ActionResult{ID: id, OK: true}
	}
	p := problemOf(err, givenID(""))
	if p.Code == dlq.CodeInternal {
		s.Logger.Error("act on one letter of a selection failed", "request_id", p.RequestID, "letter", id, "error", err)
	}
	return ActionResult{ID: id, Error: &p}
}

// replayMany replays each letter as it is now. The global stop halts what is not yet sent.
func (s *Server) replayMany(ctx context.Context, req *actions) (results[ActionResult], error) {
	if err := s.refuseStopped(ctx); err != nil {
		return results[ActionResult]{}, err
	}
	out := make([]ActionResult, len(req.ids))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(replaysAtOnce, len(req.ids)) {
		workers.Go(func() {
			for i := range next {
				out[i] = s.replayOne(ctx, req.ids[i], req)
			}
		})
	}
	for i := range req.ids {
		next <- i
	}
	close(next)
	workers.Wait()
	return results[ActionResult]{out}, nil
}

func (s *Server) replayOne(ctx context.Context, id int64, req *actions) ActionResult {
	letter, err := s.Store.Letter(ctx, id)
	if err == nil {
		err = s.refuseStopped(ctx)
	}
	if err != nil {
		return s.actionResult(id, err)
	}
	replay, letter, err := s.Replays.Replay(ctx, dlq.ReplayRequest{LetterID: id, Version: letter.Version, Door: req.Door, Delay: req.Delay,
		Note: req.Note, Actor: actor(ctx), Anywhere: maySendAnywhere(ctx)})
	result := s.actionResult(id, s.shown(ctx, id, err))
	if err == nil {
		result.Replay, result.Letter = &replay, &letter
	}
	return result
}

func (s *Server) refuseStopped(ctx context.Context) error {
	automation, err := s.Store.Automation(ctx)
	if err == nil && automation.Stopped {
		return dlq.Errorf(dlq.CodeRefused, "the global stop is on: no selection is replayed or probed, and no operation starts").
			WithHint("an admin can lift it; a single letter can be replayed")
	}
	return err
}
