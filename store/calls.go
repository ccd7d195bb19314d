package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"deadletteroffice/dlq"
)

const callColumns = "id, letter, name, state, attempts, next_at, verdict, reason, refs, error, created, changed"

// callsWhere reads compensation calls without their attempts; the clause follows FROM call.
func callsWhere(ctx context.Context, q querier, clause string, args ...any) (list []dlq.Call, err error) {
	err = each(ctx, q, "SELECT "+callColumns+" FROM call "+clause, args, func(rows *sql.Rows) error {
		var c dlq.Call
		var next sql.NullInt64
		var created, changed int64
		var refs []byte
		err := rows.Scan(&c.ID, &c.LetterID, &c.Name, &c.State, &c.Attempts, &next, &c.Verdict, &c.Reason, &refs, &c.Error, &created, &changed)
		if err != nil {
			return err
		}
		c.NextAt, c.CreatedAt, c.ChangedAt = optInstant(next), instant(created), instant(changed)
		list = append(list, c)
		return json.Unmarshal(refs, &list[len(list)-1].Refs)
	})
	return list, err
}

func addAttempts(ctx context.Context, q querier, c *dlq.Call) error {
	query := "SELECT number, at, duration, status, answer, error, address FROM attempt WHERE call=? ORDER BY number DESC LIMIT ?"
	return each(ctx, q, query, []any{c.ID, maxHistory}, func(rows *sql.Rows) error {
		a := dlq.Attempt{CallID: c.ID}
		var at int64
		err := rows.Scan(&a.Number, &at, &a.Duration, &a.Status, &a.Answer, &a.Error, &a.Address)
		a.At = instant(at)
		c.Log = append(c.Log, a)
		return err
	})
}

// saveCall inserts or updates a call by its ID. CreatedAt is kept from the first time; when it is zero it is now.
func (t *tx) saveCall(c *dlq.Call) error {
	refs, err := json.Marshal(orEmpty(c.Refs))
	if err != nil {
		return err
	}
	created := c.CreatedAt
	if created.IsZero() {
		created = t.at
	}
	_, err = t.exec(`INSERT INTO call(id, letter, name, state, attempts, next_at, verdict, reason, refs, error, created, changed)
		VALUES(?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT(id) DO UPDATE SET name=excluded.name, state=excluded.state,
		attempts=excluded.attempts, next_at=excluded.next_at, verdict=excluded.verdict, reason=excluded.reason, refs=excluded.refs, error=excluded.error, changed=excluded.changed`,
		c.ID, c.LetterID, c.Name, string(c.State), c.Attempts, optMillis(c.NextAt), string(c.Verdict), c.Reason, string(refs), c.Error, created.UnixMilli(), t.now)
	return err
}

// SaveCall inserts or updates a compensation call by its ID, without its attempts. The error is CodeNotFound when its
// letter does not exist.
func (s *Store) SaveCall(ctx context.Context, c dlq.Call) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		letter, err := t.row(c.LetterID)
		if err == nil && letter == nil {
			err = notFound(c.LetterID)
		}
		if err != nil {
			return err
		}
		return t.saveCall(&c)
	})
}

// AddAttempt notes one outgoing request of a call. The same number again replaces it. The error is CodeNotFound when the
// call does not exist.
func (s *Store) AddAttempt(ctx context.Context, a dlq.Attempt) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		n, err := t.exec(`REPLACE INTO attempt(call, number, at, duration, status, answer, error, address)
			SELECT id, ?, ?, ?, ?, ?, ?, ? FROM call WHERE id=?`,
			a.Number, a.At.UnixMilli(), int64(a.Duration), a.Status, a.Answer, a.Error, a.Address, a.CallID)
		if err == nil && n == 0 {
			err = dlq.Errorf(dlq.CodeNotFound, "there is no call %q", a.CallID)
		}
		return err
	})
}

// DueCalls returns calls that are pending and due, the one that waits longest first; one without a next time is due.
func (s *Store) DueCalls(ctx context.Context, now time.Time, limit int) (list []dlq.Call, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = callsWhere(ctx, q, "INDEXED BY call_due WHERE state='pending' AND coalesce(next_at, 0)<=? ORDER BY coalesce(next_at, 0) LIMIT ?", now.UnixMilli(), limit)
		return err
	})
	return list, err
}

// Call returns one compensation call with its attempts; the error is CodeNotFound when there is none.
func (s *Store) Call(ctx context.Context, id string) (c dlq.Call, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		list, err := callsWhere(ctx, q, "WHERE id=?", id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return dlq.Errorf(dlq.CodeNotFound, "there is no call %q", id)
		}
		c = list[0]
		return addAttempts(ctx, q, &c)
	})
	return c, err
}
