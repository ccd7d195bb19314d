package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"

	"deadletteroffice/dlq"
)

// operationColumns are all but the pick, which may be long and is needed only by whoever freezes the list again.
const (
	operationColumns = "number, id, version, kind, state, ending, cause, because, resume, actor, note, query, letters, canary_letters, " +
		"created, hold_until, started, resumed, ended, settled, changed, spec"
	operationWhole = operationColumns + ", drift, preview"
	operationShort = operationColumns + ", NULL, NULL"
)

// NewOperation stores a new operation, a draft without letters, with the event "created". It gives the number, the
// version and the times. When an operation with the same id exists, that one is returned as it is, and false.
func (s *Store) NewOperation(ctx context.Context, o dlq.Operation) (made dlq.Operation, isNew bool, err error) {
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return made, false, fmt.Errorf("writing what an operation does: %w", err)
	}
	err = s.do(ctx, lanePeople, func(t *tx) error {
		have, err := operationsWhere(context.Background(), t, operationWhole, "WHERE id=?", o.ID)
		if err != nil {
			return err
		}
		if isNew = len(have) == 0; !isNew {
			made = have[0]
			return nil
		}
		stmt, err := t.stmt(`INSERT INTO operation(id, version, kind, state, ending, cause, because, resume, actor, note, query, letters, frozen, canary_letters, created, changed, spec)
			VALUES(?, 1, ?, 'draft', '', '', 'null', '', ?, ?, ?, 0, 0, 0, ?, ?, ?)`)
		if err != nil {
			return err
		}
		result, err := stmt.ExecContext(context.Background(), o.ID, string(o.Kind), o.Actor, o.Note, o.Query, t.now, t.now, string(spec))
		if err != nil {
			return err
		}
		t.writes++
		number, err := result.LastInsertId()
		if err != nil {
			return err
		}
		if err := t.logOperation(number, dlq.OperationEvent{Kind: "created", Actor: o.Actor, Note: o.Note}); err != nil {
			return err
		}
		made, err = t.operation(number)
		return err
	})
	return made, isNew, err
}

// Operation returns an operation by its id or its number, with its counts; the error is CodeNotFound when there is none.
func (s *Store) Operation(ctx context.Context, idOrNumber string) (o dlq.Operation, err error) {
	clause, arg := "WHERE id=?", any(idOrNumber)
	if number, err := strconv.ParseInt(idOrNumber, 10, 64); err == nil {
		clause, arg = "WHERE number=?", number
	}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		list, err := operationsWhere(ctx, q, operationWhole, clause, arg)
		if err == nil && len(list) == 0 {
			err = noOperation(idOrNumber)
		}
		if err == nil {
			o = list[0]
		}
		return err
	})
	return o, err
}

// Operations returns a page of the operations that a filter chooses, newest first, without their previews and drifts. The
// cursor is "" for the first page, then OperationPage.Next of the page before; any other is CodeInvalid. The limit is
// between 1 and 500; 0 or less stands for 50. The total is exact.
func (s *Store) Operations(ctx context.Context, f dlq.OperationFilter, cursor string, limit int) (p dlq.OperationPage, err error) {
	p.Items = []dlq.Operation{}
	before := int64(1 << 62)
	if cursor != "" {
		if before, err = strconv.ParseInt(cursor, 36, 64); err != nil || before <= 0 {
			return p, errCursor()
		}
	}
	limit = pageSize(limit)
	c := cond{text: "true"}
	for _, in := range []struct {
		column string
		values []string
	}{{"state", texts(f.States)}, {"kind", texts(f.Kinds)}, {"actor", f.Actors}} {
		if len(in.values) > 0 {
			c.and(in.column+" IN ("+marks(len(in.values))+")", anys(in.values)...)
		}
	}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		const from = " FROM operation INDEXED BY operation_list WHERE "
		err := each(ctx, q, "SELECT count(*)"+from+c.text, c.args, func(rows *sql.Rows) error { return rows.Scan(&p.Total.Count) })
		if err != nil {
			return err
		}
		p.Items, err = operationsWhere(ctx, q, operationShort, "WHERE number IN (SELECT number"+from+c.text+" AND number<? ORDER BY number DESC LIMIT ?) ORDER BY number DESC",
			append(c.args, before, limit+1)...)
		return err
	})
	p.Items, p.Total.Exact = orEmpty(p.Items), true
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		p.Next = strconv.FormatInt(p.Items[limit-1].Number, 36)
	}
	return p, err
}

// ActiveOperations returns every operation that was started and has not settled, oldest first.
func (s *Store) ActiveOperations(ctx context.Context) (list []dlq.Operation, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = operationsWhere(ctx, q, operationWhole, "INDEXED BY operation_active WHERE state NOT IN ('draft', 'settled') ORDER BY number")
		return err
	})
	return orEmpty(list), err
}

// SaveOperation writes an operation that was read at a version, with an event unless that has no kind, and returns it as
// it is then. Id, kind, actor, query, letters, counts and creation cannot be changed. The error is CodeConflict, naming
// who, when it was changed in between; seen 0 overwrites whatever it is. CodeNotFound when it is gone.
func (s *Store) SaveOperation(ctx context.Context, o dlq.Operation, seen int64, e dlq.OperationEvent) (saved dlq.Operation, err error) {
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return saved, fmt.Errorf("writing what an operation does: %w", err)
	}
	because, err := json.Marshal(o.Because)
	if err != nil {
		return saved, fmt.Errorf("writing why an operation is paused: %w", err)
	}
	preview, err := optJSON(o.Preview)
	if err != nil {
		return saved, fmt.Errorf("writing the preview of an operation: %w", err)
	}
	drift, err := optJSON(o.Drift)
	if err != nil {
		return saved, fmt.Errorf("writing the drift of an operation: %w", err)
	}
	err = s.do(ctx, lanePeople, func(t *tx) error {
		if err := t.seen(o.Number, seen); err != nil {
			return err
		}
		_, err := t.exec(`UPDATE operation SET version=version+1, state=?, ending=?, cause=?, because=?, resume=?, note=?, canary_letters=?,
			hold_until=?, started=?, resumed=?, ended=?, settled=?, changed=?, spec=?, drift=?, preview=? WHERE number=?`,
			string(o.State), string(o.End), string(o.Cause), string(because), string(o.Resume), o.Note, o.CanaryLetters,
			optMillis(o.HoldUntil), optMillis(o.StartedAt), optMillis(o.ResumedAt), optMillis(o.EndedAt), optMillis(o.SettledAt), t.now, string(spec), drift, preview, o.Number)
		if err == nil && e.Kind != "" {
			err = t.logOperation(o.Number, e)
		}
		if err == nil {
			saved, err = t.operation(o.Number)
		}
		return err
	})
	return saved, err
}

// seen refuses a change of an operation that is gone or has another version than the one that was seen.
func (t *tx) seen(number, version int64) error {
	var have int64
	var state, who string
	err := each(context.Background(), t, `SELECT version, state, coalesce((SELECT actor FROM operation_event e WHERE e.operation=o.number ORDER BY id DESC LIMIT 1), '')
		FROM operation o WHERE number=?`, []any{number}, func(rows *sql.Rows) error { return rows.Scan(&have, &state, &who) })
	switch {
	case err != nil:
		return err
	case have == 0:
		return noOperation(strconv.FormatInt(number, 10))
	case version != 0 && version != have:
		e := dlq.Errorf(dlq.CodeConflict, "operation %d was changed by %s in the meantime; it is %s now", number, who, state).
			WithHint("look at the operation as it is now, then decide again")
		e.Params = map[string]string{"number": strconv.FormatInt(number, 10), "actor": who, "state": state}
		return e
	}
	return nil
}

// DropDraft deletes an operation that was never started; its list goes in the background. The error is CodeRefused when
// it was started, CodeNotFound when there is none.
func (s *Store) DropDraft(ctx context.Context, number int64) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		o, err := t.operation(number)
		if err != nil {
			return err
		}
		if o.State != dlq.OperationDraft {
			return dlq.Errorf(dlq.CodeRefused, "operation %d was started; it is %s", number, o.State).WithHint("cancel it")
		}
		return t.dropOperation(number)
	})
}

// dropOperation deletes an operation, and leaves what belongs to it to the background.
func (t *tx) dropOperation(number int64) error {
	if _, err := t.exec("DELETE FROM operation WHERE number=?", number); err != nil {
		return err
	}
	_, err := t.exec("INSERT INTO operation_gone(operation) VALUES(?)", number)
	return err
}

// OperationPick returns how the letters of an operation were chosen, as Freeze was given it last; the error is
// CodeNotFound when there is no such operation.
func (s *Store) OperationPick(ctx context.Context, number int64) (p dlq.OperationPick, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		p, _, err = pickOf(ctx, q, number)
		return err
	})
	return p, err
}

// pickOf reads how an operation's letters were chosen, and which was the newest death then.
func pickOf(ctx context.Context, q querier, number int64) (p dlq.OperationPick, frozen int64, err error) {
	found := false
	err = each(ctx, q, "SELECT frozen, pick FROM operation WHERE number=?", []any{number}, func(rows *sql.Rows) error {
		found = true
		var text sql.NullString
		if err := rows.Scan(&frozen, &text); err != nil || !text.Valid {
			return err
		}
		return json.Unmarshal([]byte(text.String), &p)
	})
	if err == nil && !found {
		err = noOperation(strconv.FormatInt(number, 10))
	}
	return p, frozen, err
}

// OperationEvents returns what happened to an operation, newest first; a limit of 0 or less stands for 500.
func (s *Store) OperationEvents(ctx context.Context, number int64, limit int) (list []dlq.OperationEvent, err error) {
	if limit <= 0 {
		limit = maxPage
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		query := "SELECT id, at, kind, actor, note, detail FROM operation_event WHERE operation=? ORDER BY id DESC LIMIT ?"
		return each(ctx, q, query, []any{number, limit}, func(rows *sql.Rows) error {
			var e dlq.OperationEvent
			var at int64
			var detail []byte
			if err := rows.Scan(&e.ID, &at, &e.Kind, &e.Actor, &e.Note, &detail); err != nil {
				return err
			}
			e.At = instant(at)
			list = append(list, e)
			return json.Unmarshal(detail, &list[len(list)-1].Detail)
		})
	})
	return orEmpty(list), err
}

func (t *tx) logOperation(number int64, e dlq.OperationEvent) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return fmt.Errorf("writing an event of an operation: %w", err)
	}
	_, err = t.exec(`INSERT INTO operation_event(operation, at, kind, actor, note, detail)
		VALUES(?,?,?,?,?,?)`, number, t.now, e.Kind, e.Actor, e.Note, string(detail))
	return err
}

// operation reads one operation for writing. Counts that this transaction has moved are among its own.
func (t *tx) operation(number int64) (o dlq.Operation, err error) {
	list, err := operationsWhere(context.Background(), t, operationWhole, "WHERE number=?", number)
	if err == nil && len(list) == 0 {
		err = noOperation(strconv.FormatInt(number, 10))
	}
	if err != nil {
		return o, err
	}
	o = list[0]
	for i, state := range dlq.ItemStates {
		o.Counts[state] += t.items[itemState{number, int64(i)}]
	}
	return o, nil
}

// operationsWhere reads operations with their counts; the clause follows FROM operation.
func operationsWhere(ctx context.Context, q querier, columns, clause string, args ...any) (list []dlq.Operation, err error) {
	err = each(ctx, q, "SELECT "+columns+" FROM operation "+clause, args, func(rows *sql.Rows) error {
		o, err := scanOperation(rows)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		o := &list[i]
		err := each(ctx, q, "SELECT state, n FROM operation_count WHERE operation=?", []any{o.Number}, func(rows *sql.Rows) error {
			var state, n int64
			err := rows.Scan(&state, &n)
			o.Counts[dlq.ItemStates[state]] = n
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func scanOperation(rows *sql.Rows) (o dlq.Operation, err error) {
	var created, changed int64
	var hold, started, resumed, ended, settled sql.NullInt64
	var because, spec, drift, preview []byte
	err = rows.Scan(&o.Number, &o.ID, &o.Version, &o.Kind, &o.State, &o.End, &o.Cause, &because, &o.Resume, &o.Actor, &o.Note, &o.Query, &o.Letters, &o.CanaryLetters,
		&created, &hold, &started, &resumed, &ended, &settled, &changed, &spec, &drift, &preview)
	if err != nil {
		return o, err
	}
	o.CreatedAt, o.ChangedAt, o.HoldUntil, o.StartedAt = instant(created), instant(changed), optInstant(hold), optInstant(started)
	o.ResumedAt, o.EndedAt, o.SettledAt = optInstant(resumed), optInstant(ended), optInstant(settled)
	o.Counts = map[dlq.ItemState]int64{}
	for _, state := range dlq.ItemStates {
		o.Counts[state] = 0
	}
	for _, part := range []struct {
		text []byte
		into any
	}{{because, &o.Because}, {spec, &o.Spec}, {drift, &o.Drift}, {preview, &o.Preview}} {
		if part.text == nil {
			continue
		}
		if err := json.Unmarshal(part.text, part.into); err != nil {
			return o, fmt.Errorf("reading operation %d: %w", o.Number, err)
		}
	}
	return o, nil
}

// optJSON writes a value as JSON, a nil pointer as NULL.
func optJSON[T any](v *T) (any, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func noOperation(name string) *dlq.Error {
	e := dlq.Errorf(dlq.CodeNotFound, "there is no operation %s", name).WithHint("drafts are deleted after a day, settled operations after ninety")
	e.Params = map[string]string{"operation": name}
	return e
}

func errCursor() *dlq.Error {
	return dlq.Errorf(dlq.CodeInvalid, "the cursor does not belong to this list").WithHint("begin at the first page, without a cursor")
}

// pageSize is a limit within what a page may hold.
func pageSize(limit int) int {
	if limit <= 0 {
		limit = defaultPage
	}
	return min(limit, maxPage)
}
