package operation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"

	"deadletteroffice/dlq"
)

// Create makes a draft: it chooses the letters, freezes their list and finds out what the operation would do. Of o it
// takes ID, Kind, Note, Query, Spec and Actor. Nothing happens to a letter before Start.
//
// The same id by the same actor makes no second operation: the one that there is, is returned, whatever became of it. The
// id of somebody else's is CodeConflict. Other errors are CodeInvalid for a wish that makes no sense, CodeRefused for a
// transform that would change a locked property, CodeTooLarge for more than a million letters, and those of the store.
func (m *Manager) Create(ctx context.Context, o dlq.Operation, pick dlq.OperationPick) (dlq.Operation, error) {
	if o.ID == "" {
		var b [8]byte
		rand.Read(b[:]) // never fails
		o.ID = "op-" + hex.EncodeToString(b[:])
	}
	o.Note = strings.TrimSpace(o.Note)
	if err := checkID(o.ID); err != nil {
		return dlq.Operation{}, err
	}
	if err := checkNote(o.Note); err != nil {
		return dlq.Operation{}, err
	}
	if err := m.check(o.Kind, &o.Spec); err != nil {
		return dlq.Operation{}, err
	}
	if (pick.Filter == nil) == (len(pick.IDs) == 0) {
		return dlq.Operation{}, invalid("letters are chosen by a filter or by their ids")
	}
	release, err := m.making.take(ctx, o.ID)
	if err != nil {
		return dlq.Operation{}, err
	}
	defer release()
	made, fresh, err := m.Store.NewOperation(ctx, dlq.Operation{
		ID: o.ID, Kind: o.Kind, State: dlq.OperationDraft, Note: o.Note, Query: o.Query, Spec: o.Spec, Actor: o.Actor,
	})
	switch {
	case err != nil:
		return dlq.Operation{}, err
	case !fresh && made.Actor != o.Actor:
		return dlq.Operation{}, dlq.Errorf(dlq.CodeConflict, "the id %s is that of an operation of %s", o.ID, made.Actor).WithHint("choose another id")
	case !fresh && (made.State != dlq.OperationDraft || made.Preview != nil):
		return m.Get(ctx, o.ID)
	}
	// What is not fresh and has no preview was left half made by a process that was killed: the list is frozen to its end.
	// Replays always go in the order in which the messages were produced, for whether order is kept may still be changed.
	pick.ByBirth = o.Kind == dlq.OperationReplay
	number := made.Number
	if made, err = m.Store.Freeze(ctx, made.Number, pick); err == nil {
		made, err = m.savePreview(ctx, made, dlq.OperationEvent{}) // the store has logged "created"
	}
	switch dlq.CodeOf(err) {
	case "":
	case dlq.CodeTooLarge, dlq.CodeInvalid, dlq.CodeRefused, dlq.CodeNotSupported: // asking again does not help
		if e := m.Store.DropDraft(ctx, number); e != nil {
			m.Logger.Warn("drop a draft that could not be made", "operation", number, "error", e)
		}
		return dlq.Operation{}, err
	default:
		return dlq.Operation{}, err
	}
	return m.Get(ctx, o.ID)
}

// Change gives a draft another spec and note, and finds out anew what it would do. The list stays as it is. The error is
// CodeConflict when somebody else changed the draft in between, and CodeRefused when it has been started.
func (m *Manager) Change(ctx context.Context, id string, version int64, spec dlq.OperationSpec, note, actor string) (dlq.Operation, error) {
	note = strings.TrimSpace(note)
	if err := checkNote(note); err != nil {
		return dlq.Operation{}, err
	}
	o, err := m.draft(ctx, id, version)
	if err != nil {
		return dlq.Operation{}, err
	}
	if err := m.check(o.Kind, &spec); err != nil {
		return dlq.Operation{}, err
	}
	o.Spec, o.Note = spec, note
	return m.savePreview(ctx, o, dlq.OperationEvent{Kind: "changed", Actor: actor, Note: note})
}

// Refresh finds out anew what a draft would do. With add it takes in the letters that match by now and are not in the
// list; they come after the others.
func (m *Manager) Refresh(ctx context.Context, id string, version int64, add bool, actor string) (dlq.Operation, error) {
	o, err := m.draft(ctx, id, version)
	if err != nil {
		return dlq.Operation{}, err
	}
	before := o.Letters
	if add {
		pick, err := m.Store.OperationPick(ctx, o.Number)
		if err != nil {
			return dlq.Operation{}, err
		}
		if o, err = m.Store.Freeze(ctx, o.Number, pick); err != nil {
			return dlq.Operation{}, err
		}
	}
	e := dlq.OperationEvent{Kind: "refreshed", Actor: actor}
	if n := o.Letters - before; n > 0 {
		e.Detail = map[string]string{"added": whole(n)}
	}
	return m.savePreview(ctx, o, e)
}

// draft reads a draft of which a version was seen.
func (m *Manager) draft(ctx context.Context, id string, version int64) (dlq.Operation, error) {
	if version == 0 {
		return dlq.Operation{}, invalid("name the version of the operation that was seen")
	}
	o, err := m.Store.Operation(ctx, id)
	if err != nil {
		return o, err
	}
	if version != o.Version {
		return o, m.conflict(ctx, o, version)
	}
	if o.State != dlq.OperationDraft {
		return o, dlq.Errorf(dlq.CodeRefused, "operation %d has been started: only a draft can be changed", o.Number).WithHint("its pace can be changed at any time")
	}
	return o, nil
}

// conflict lets the store say who changed an operation since a version was seen.
func (m *Manager) conflict(ctx context.Context, o dlq.Operation, seen int64) error {
	if _, err := m.Store.SaveOperation(ctx, o, seen, dlq.OperationEvent{}); err != nil {
		return err
	}
	return dlq.Errorf(dlq.CodeConflict, "operation %d changed since you looked", o.Number)
}

// savePreview finds out what a draft would do and keeps it. Its drift counts from now.
func (m *Manager) savePreview(ctx context.Context, o dlq.Operation, e dlq.OperationEvent) (dlq.Operation, error) {
	p, err := m.preview(ctx, o)
	if err != nil {
		return dlq.Operation{}, err
	}
	o.Preview, o.Drift = &p, nil
	if o, err = m.Store.SaveOperation(ctx, o, o.Version, e); err != nil {
		return dlq.Operation{}, err
	}
	m.forgetDrift(o.Number)
	return m.Get(ctx, o.ID)
}
