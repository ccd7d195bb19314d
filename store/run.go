package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// How the work in the background goes.
const (
	sweepBatch  = 500                 // letters that retention deletes in one transaction
	sweepEvery  = time.Minute         // pause between two looks for what has expired
	retryEvery  = 5 * time.Second     // pause after a failure, and between two tries whether a full disk takes writes again
	keepAnswers = 24 * time.Hour      // answers remembered for idempotency keys
	keepHours   = 90 * 24 * time.Hour // counts by hour
)

// Run does the work in the background until the context ends: it teaches full text the letters that came in, deletes
// resolved and discarded letters and what is told of alerts whose time is over, and finds out when a full disk takes writes again. Failures are
// logged and tried again.
func (s *Store) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for what, loop := range map[string]func(context.Context) (time.Duration, error){
		"full text": s.indexOnce, "full text of older letters": s.reindexOnce,
		"retention": s.sweepOnce, "retention of alerts": s.sweepAlertsOnce, "retention of operations": s.sweepOperationsOnce, "disk": s.probeOnce, "data file": s.watchOnce,
	} {
		all.Go(func() { s.loop(ctx, what, loop) })
	}
	all.Wait()
	return nil
}

// loop runs once again and again; once returns how long to wait, where 0 is not at all and less than 0 is until letters come in.
func (s *Store) loop(ctx context.Context, what string, once func(context.Context) (time.Duration, error)) {
	for ctx.Err() == nil {
		pause, err := once(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("work in the background failed and is tried again", "work", what, "error", err)
			pause = retryEvery
		}
		switch {
		case pause < 0:
			select {
			case <-s.follow:
			case <-ctx.Done():
			}
		case pause > 0:
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
}

// probeOnce writes a little while the disk is full, so that the state clears although nobody else writes.
func (s *Store) probeOnce(ctx context.Context) (time.Duration, error) {
	if s.full.Load() && s.alive(ctx) == nil {
		return 0, nil
	}
	return retryEvery, nil // that it is still full was said when it became so
}

// sweepOnce deletes some of the letters whose time is over, and what else is kept for a time only.
func (s *Store) sweepOnce(ctx context.Context) (time.Duration, error) {
	deleted := 0
	err := s.do(ctx, laneBackground, func(t *tx) error {
		old, err := t.expired()
		if err != nil {
			return err
		}
		if deleted = len(old); deleted > 0 {
			if err := t.deleteLetters(old); err != nil {
				return err
			}
		}
		return t.forget(t.at.Add(-s.retention), t.at.Add(-keepAnswers), t.at.Add(-keepHours))
	})
	if err == nil && deleted == sweepBatch {
		return 0, nil
	}
	return sweepEvery, err
}

func (t *tx) expired() (old []*row, err error) {
	query := selectLetter + "INDEXED BY letter_expires WHERE expires<=? AND expires IS NOT NULL ORDER BY expires LIMIT ?"
	err = each(context.Background(), t, query, []any{t.now, sweepBatch}, func(rows *sql.Rows) error {
		r := &row{}
		old = append(old, r)
		return r.scan(rows)
	})
	return old, err
}

func (t *tx) deleteLetters(old []*row) error {
	for name, value := range map[string]int64{"letter": t.letter, "death": t.death, "event": t.event} {
		if _, err := t.exec("UPDATE number SET value=? WHERE name=?", value, name); err != nil {
			return err
		}
	}
	buckets := map[int64][]any{}
	for _, r := range old {
		if !r.is(dlq.StateResolved) && !r.is(dlq.StateDiscarded) {
			return dlq.Errorf(dlq.CodeInternal, "letter %d is %s and would have been deleted", r.id, dlq.States[r.state])
		}
		if err := t.goneByHour(r.id); err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM attempt WHERE call IN (SELECT id FROM call WHERE letter=?)", "DELETE FROM call WHERE letter=?", "DELETE FROM replay WHERE letter=?", "DELETE FROM edit WHERE letter=?",
			"DELETE FROM event WHERE letter=?", "DELETE FROM death_reason WHERE letter=?", "DELETE FROM death WHERE letter=?", "DELETE FROM body WHERE letter=?", "DELETE FROM letter WHERE id=?",
		} {
			if _, err := t.exec(query, r.id); err != nil {
				return err
			}
		}
		t.rows[r.id] = nil
		t.forgetStanding(r.id)
		if r.seq <= t.search {
			if _, err := t.exec("DELETE FROM search WHERE rowid=?", r.seq); err != nil {
				return err
			}
		}
		buckets[r.id>>16] = append(buckets[r.id>>16], r.id)
		t.count(r, nil)
	}
	// The hashes of a letter's earlier copies are not known any more, so each bucket is gone through once.
	for bucket, ids := range buckets {
		err := inChunks(ids, func(part []any) error {
			_, err := t.exec("DELETE FROM key WHERE bucket=? AND letter IN ("+marks(len(part))+")", append([]any{bucket}, part...)...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
