package handlers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// LetterReader reads letters.
type LetterReader interface {
	Letter(ctx context.Context, id int64) (dlq.Letter, error)
	Detail(ctx context.Context, id int64) (dlq.Detail, error)
	Message(ctx context.Context, id int64) (dlq.DeadMessage, error)
}

// LetterWriter moves letters: Apply all or none of the changes, ApplyEach every one on its own.
type LetterWriter interface {
	Apply(ctx context.Context, changes ...dlq.Change) ([]dlq.Letter, error)
	ApplyEach(ctx context.Context, changes []dlq.Change) ([]dlq.Letter, []error)
}

// ReportStore keeps what applications report.
type ReportStore interface {
	AddReports(ctx context.Context, reports []dlq.Report) (matched [][]int64, err error)
	ReportFor(ctx context.Context, letterID int64) (*dlq.Report, error)
}

// DeskStore is the store as the desk sees it.
type DeskStore interface {
	LetterReader
	LetterWriter
	ReportStore
}

// DeskDeps is what a Desk needs. Now and Registerer may be nil.
type DeskDeps struct {
	Store         DeskStore
	Rules         ProbeJudge
	Switch        *Switch
	Policy        func() dlq.AutomationPolicy
	Compensations *LiveCompensations
	Now           func() time.Time
	Registerer    prometheus.Registerer
}

// Desk is where people act on letters and applications report failures. Every act is one change in the store: it names
// the version that was seen, and when somebody was quicker the error says who and what.
//
// Errors of all acts: CodeNotFound, CodeConflict (changed in between), CodeRefused (the letter's state does not allow it),
// CodeInvalid (a note or a time is missing), CodeTooLarge.
type Desk struct {
	store   DeskStore
	rules   ProbeJudge
	sw      *Switch
	comps   *LiveCompensations
	planner planner
	now     func() time.Time
	metrics *metrics
}

// NewDesk makes a Desk.
func NewDesk(d DeskDeps) *Desk {
	now := orNow(d.Now)
	return &Desk{
		store: d.Store, rules: d.Rules, sw: d.Switch, comps: d.Compensations, now: now, metrics: newMetrics(d.Registerer),
		planner: planner{automation: d.Switch.Get, policy: d.Policy, endpoints: d.Compensations, now: now},
	}
}

const (
	maxNote   = 4000 // bytes
	maxMany   = 500
	maxSnooze = 366 * 24 * time.Hour
)

// Discard gives a letter up. It needs a note. The letter stays restorable until retention deletes it.
func (d *Desk) Discard(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "discard", a)
}

// Restore takes a resolved or discarded letter back into work.
func (d *Desk) Restore(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "restore", a)
}

// Resolve closes a letter because a person says that it is settled. It needs a note. With the resolution confirmed it needs
// none, but the evidence: the newest probe since the letter died must have been a success that can be trusted.
func (d *Desk) Resolve(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "resolve", a)
}

// Take makes the actor the letter's owner. A letter of somebody else is refused: it must be released first.
func (d *Desk) Take(ctx context.Context, a dlq.Act) (dlq.Letter, error) { return d.do(ctx, "take", a) }

// Release takes the owner off a letter. Anybody may, for owners go home.
func (d *Desk) Release(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "release", a)
}

// Snooze puts an open letter off until a time in the next 366 days.
func (d *Desk) Snooze(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "snooze", a)
}

// Unquarantine lets automation give a letter back again that failed too often. It needs a note. By itself it moves nothing;
// when the letter dies once more it is quarantined again.
func (d *Desk) Unquarantine(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "unquarantine", a)
}

// Note writes a note on a letter.
func (d *Desk) Note(ctx context.Context, a dlq.Act) (dlq.Letter, error) { return d.do(ctx, "note", a) }

// Cancel calls off a scheduled replay or a compensation. A request that is under way cannot be called back; what it
// answers is noted on the letter.
func (d *Desk) Cancel(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "cancel", a)
}

// Reroute sends an open letter down another path. Without a route the rules in force judge it anew; with retry or
// compensate the person's choice stands over the rules, though the automation switch still holds it.
func (d *Desk) Reroute(ctx context.Context, a dlq.Act) (dlq.Letter, error) {
	return d.do(ctx, "reroute", a)
}

// Many does one act to up to 500 letters and says for each what became of it. The act's LetterID and Version do not
// count: a selection acts on what the letters are now. An id that is named twice is done once.
func (d *Desk) Many(ctx context.Context, action string, ids []int64, a dlq.Act) ([]dlq.ActResult, error) {
	act, err := find(action, a)
	if err != nil {
		return nil, err
	}
	if len(ids) > maxMany {
		return nil, dlq.Errorf(dlq.CodeTooLarge, "%d letters are more than the %d of one call", len(ids), maxMany)
	}
	var results []dlq.ActResult
	var changes []dlq.Change
	var places []int
	seen := map[int64]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		results = append(results, dlq.ActResult{LetterID: id})
		r := &results[len(results)-1]
		one := a
		one.LetterID, one.Version = id, 0
		var change *dlq.Change
		if r.Letter, change, r.Err = d.prepare(ctx, act, one); change != nil {
			changes, places = append(changes, *change), append(places, len(results)-1)
		}
	}
	if len(changes) == 0 {
		return results, nil
	}
	letters, errs := d.store.ApplyEach(ctx, changes)
	if len(letters) != len(changes) || len(errs) != len(changes) {
		return nil, fmt.Errorf("%s %d letters: got %d letters and %d errors", action, len(changes), len(letters), len(errs))
	}
	for n, place := range places {
		r := &results[place]
		if r.Letter, r.Err = letters[n], errs[n]; r.Err != nil {
			r.Err = d.explain(ctx, r.LetterID, r.Err)
		} else {
			d.metrics.decided("manual", action, "user")
		}
	}
	return results, nil
}

// SetAutomation turns the automation switch; see Switch.Set.
func (d *Desk) SetAutomation(ctx context.Context, seen int64, a dlq.Automation) (dlq.Automation, error) {
	return d.sw.Set(ctx, seen, a)
}

// do does one act to one letter.
func (d *Desk) do(ctx context.Context, name string, a dlq.Act) (dlq.Letter, error) {
	act, err := find(name, a)
	if err != nil {
		return dlq.Letter{}, err
	}
	for try := 1; ; try++ {
		letter, change, err := d.prepare(ctx, act, a)
		if err != nil || change == nil {
			return letter, err
		}
		letters, err := d.store.Apply(ctx, *change)
		if err == nil {
			d.metrics.decided("manual", name, "user")
			return letters[0], nil
		}
		if a.Version == 0 && dlq.CodeOf(err) == dlq.CodeConflict && try < 3 {
			continue // whoever asks for "whatever it is now" means it
		}
		return dlq.Letter{}, d.explain(ctx, a.LetterID, err)
	}
}

// prepare makes the change of an act. Without a change the letter is already as it should be.
func (d *Desk) prepare(ctx context.Context, act act, a dlq.Act) (dlq.Letter, *dlq.Change, error) {
	letter, err := d.store.Letter(ctx, a.LetterID)
	if err != nil {
		return dlq.Letter{}, nil, err
	}
	if a.Version != 0 && a.Version != letter.Version {
		return dlq.Letter{}, nil, d.explain(ctx, a.LetterID, dlq.Errorf(dlq.CodeConflict, "version %d was seen", a.Version))
	}
	change, err := act.change(ctx, d, letter, a)
	if err != nil {
		return dlq.Letter{}, nil, err
	}
	if change == nil {
		return letter, nil, nil
	}
	change.LetterID, change.Version, change.Operation = letter.ID, letter.Version, a.Operation
	change.Event.Actor, change.Event.Note = a.Actor, a.Note
	return letter, change, nil
}

// explain says, of a conflict, who did what to the letter since it was seen. Other errors pass unchanged.
func (d *Desk) explain(ctx context.Context, id int64, err error) error {
	if dlq.CodeOf(err) != dlq.CodeConflict {
		return err
	}
	detail, readErr := d.store.Detail(ctx, id)
	if readErr != nil {
		return err
	}
	by, what := "somebody", "changed"
	if len(detail.Events) > 0 {
		by, what = detail.Events[0].Actor, string(detail.Events[0].Kind)
	}
	conflict := dlq.Errorf(dlq.CodeConflict, "letter %d changed since you looked: %s, by %s; it is %s now: %w",
		id, strings.ReplaceAll(what, "_", " "), by, detail.State, err).WithHint("look at it again, then decide")
	conflict.Params = map[string]string{
		"id": strconv.FormatInt(id, 10), "by": by, "what": what,
		"state": string(detail.State), "version": strconv.FormatInt(detail.Version, 10),
	}
	return conflict
}

// find looks an act up and checks what can be checked without the letter.
func find(name string, a dlq.Act) (act, error) {
	act, ok := acts[name]
	if !ok {
		return act, dlq.Errorf(dlq.CodeInvalid, "there is no act called %q", name)
	}
	if act.needsNote && strings.TrimSpace(a.Note) == "" && a.Resolution != dlq.ResolvedConfirmed {
		return act, dlq.Errorf(dlq.CodeInvalid, "%s needs a note: say why", name)
	}
	if len(a.Note) > maxNote {
		return act, tooLongNote()
	}
	if !utf8.ValidString(a.Note) {
		return act, dlq.Errorf(dlq.CodeInvalid, "the note is not UTF-8")
	}
	return act, nil
}

func tooLongNote() error {
	return dlq.Errorf(dlq.CodeTooLarge, "a note has at most %d bytes", maxNote)
}

// isPerson reports whether an actor is somebody and not a part of this console.
func isPerson(actor string) bool {
	return !slices.Contains([]string{"", dlq.ActorAutomation, dlq.ActorTracker, dlq.ActorIntake, dlq.ActorConsole}, actor)
}
