package store

import (
	"context"
	"database/sql"
	"time"
)

const (
	keepDrafts     = 24 * time.Hour      // since they were touched last
	keepOperations = 90 * 24 * time.Hour // since they settled
)

// sweepOperationsOnce deletes some of what belongs to operations that are over: one that was deleted, else one whose time
// has come. Operations that act or wait for outcomes stay for however long that takes.
func (s *Store) sweepOperationsOnce(ctx context.Context) (time.Duration, error) {
	more := false
	err := s.do(ctx, laneBackground, func(t *tx) (err error) {
		more, err = t.forgetOperations()
		return err
	})
	if err == nil && more {
		return 0, nil
	}
	return sweepEvery, err
}

func (t *tx) forgetOperations() (more bool, err error) {
	one := func(query string, args ...any) (number int64, err error) {
		err = each(context.Background(), t, query, args, func(rows *sql.Rows) error { return rows.Scan(&number) })
		return number, err
	}
	gone, err := one("SELECT operation FROM operation_gone LIMIT 1")
	if err != nil {
		return false, err
	}
	if gone != 0 {
		return true, t.clearOperation(gone)
	}
	old, err := one("SELECT number FROM operation INDEXED BY operation_draft WHERE state='draft' AND changed<? LIMIT 1", t.at.Add(-keepDrafts).UnixMilli())
	if err == nil && old == 0 {
		old, err = one("SELECT number FROM operation INDEXED BY operation_settled WHERE state='settled' AND settled<? LIMIT 1", t.at.Add(-keepOperations).UnixMilli())
	}
	if err != nil || old == 0 {
		return false, err
	}
	return true, t.dropOperation(old)
}

// clearOperation deletes some of the items of a deleted operation, and the rest of it with the last.
func (t *tx) clearOperation(number int64) error {
	n, err := t.exec("DELETE FROM operation_item WHERE operation=? AND letter IN (SELECT letter FROM operation_item WHERE operation=? LIMIT ?)", number, number, itemChunk)
	if err != nil || n == itemChunk {
		return err
	}
	for _, query := range []string{
		"DELETE FROM operation_count WHERE operation=?", "DELETE FROM operation_slot WHERE operation=?",
		"DELETE FROM operation_event WHERE operation=?", "DELETE FROM operation_gone WHERE operation=?",
	} {
		if _, err := t.exec(query, number); err != nil {
			return err
		}
	}
	return nil
}
