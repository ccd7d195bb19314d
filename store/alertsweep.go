package store

import (
	"context"
	"database/sql"
	"time"
)

const (
	keepRepeats    = time.Hour // what a receiver of type alertmanager is told every minute: nobody will ever look at it
	forgetBatch    = 500       // rows of one table that are deleted in one transaction
	forgetDelivery = 100       // deliveries, which have attempts of up to 32 KiB
)

// sweepAlertsOnce deletes some of what is older than retention keeps: events of alerts that are over, alerts that are
// over, silences that have ended, and deliveries that wait no longer.
func (s *Store) sweepAlertsOnce(ctx context.Context) (time.Duration, error) {
	more := false
	err := s.do(ctx, laneBackground, func(t *tx) (err error) {
		more, err = t.forgetAlerts()
		return err
	})
	if err == nil && more {
		return 0, nil
	}
	return sweepEvery, err
}

func (t *tx) forgetAlerts() (more bool, err error) {
	old := t.at.Add(-t.s.retention).UnixMilli()
	for _, query := range []string{
		"DELETE FROM alert_event WHERE id IN (SELECT id FROM alert_event WHERE at<? AND alert NOT IN (SELECT id FROM alert WHERE in_book=1) ORDER BY at LIMIT ?)",
		"DELETE FROM alert WHERE (id, since) IN (SELECT id, since FROM alert WHERE resolved<? AND resolved IS NOT NULL AND in_book=0 ORDER BY resolved LIMIT ?)",
		"DELETE FROM silence WHERE id IN (SELECT id FROM silence WHERE ends<? LIMIT ?)",
	} {
		n, err := t.exec(query, old, forgetBatch)
		if err != nil {
			return false, err
		}
		more = more || n == forgetBatch
	}
	for clause, before := range map[string]int64{
		"INDEXED BY delivery_created WHERE created<? AND state<>'pending' ORDER BY created":                                                       old,
		"INDEXED BY delivery_repeat WHERE created<? AND reason='repeat' AND state IN ('sent', 'merged') AND type='alertmanager' ORDER BY created": t.at.Add(-keepRepeats).UnixMilli(),
	} {
		n, err := t.deleteDeliveries(clause, before)
		if err != nil {
			return false, err
		}
		more = more || n == forgetDelivery
	}
	return more, nil
}

// deleteDeliveries deletes deliveries with their attempts; the clause follows FROM delivery.
func (t *tx) deleteDeliveries(clause string, before int64) (n int, err error) {
	var seqs []int64
	err = each(context.Background(), t, "SELECT seq FROM delivery "+clause+" LIMIT ?", []any{before, forgetDelivery}, func(rows *sql.Rows) error {
		var seq int64
		err := rows.Scan(&seq)
		seqs = append(seqs, seq)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, seq := range seqs {
		for _, query := range []string{"DELETE FROM delivery_attempt WHERE delivery=?", "DELETE FROM delivery_alert WHERE delivery=?", "DELETE FROM delivery WHERE seq=?"} {
			if _, err := t.exec(query, seq); err != nil {
				return 0, err
			}
		}
	}
	return len(seqs), nil
}
