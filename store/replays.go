package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

const replayColumns = "id, letter, number, " + replayContent

// replayContent is what may change after the intent.
const replayContent = "door, why, cluster, consumer_group, target, topic, unique_key, as_new, delay, delay_level, deliver_at, automatic, " +
	"actor, note, intended_at, sent_at, seen_at, settled_at, outcome, detail, error, broker, address, queue, offset, message_id, weak, " +
	"dead_phys_offset, dead_attempts, next_look, looks, online_for"

var (
	insertReplay = "INSERT INTO replay(" + replayColumns + ") VALUES(" + marks(strings.Count(replayColumns, ",")+1) + ")"
	// A replay that died again stays so, whatever somebody still believes who read it earlier.
	updateReplay = "UPDATE replay SET " + strings.ReplaceAll(replayContent, ",", "=?,") + "=? WHERE id=? AND outcome<>'failed_again'"
	saveLook     = updateReplay + " AND outcome IN ('sending', 'waiting')"
)

func replayValues(r *dlq.Replay) []any {
	return []any{r.ID, r.LetterID, r.Number, string(r.Door), r.Why, r.Cluster, r.ConsumerGroup, r.Target, r.Topic, r.UniqueKey, r.AsNew, int64(r.Delay), r.DelayLevel, optMillis(r.DeliverAt), r.Automatic,
		r.Actor, r.Note, r.IntendedAt.UnixMilli(), optMillis(r.SentAt), optMillis(r.SeenAt), optMillis(r.SettledAt), string(r.Outcome), r.Detail, r.Error,
		r.Receipt.Broker, r.Receipt.Address, r.Receipt.Queue, r.Receipt.Offset, r.Receipt.MessageID, r.Receipt.Weak,
		r.DeadPhysOffset, r.DeadAttempts, optMillis(r.NextLook), r.Looks, int64(r.OnlineFor)}
}

func scanReplay(rows *sql.Rows) (r dlq.Replay, err error) {
	var intended int64
	var deliver, sent, seen, settled, next sql.NullInt64
	err = rows.Scan(&r.ID, &r.LetterID, &r.Number, &r.Door, &r.Why, &r.Cluster, &r.ConsumerGroup, &r.Target, &r.Topic, &r.UniqueKey, &r.AsNew, &r.Delay, &r.DelayLevel, &deliver, &r.Automatic,
		&r.Actor, &r.Note, &intended, &sent, &seen, &settled, &r.Outcome, &r.Detail, &r.Error,
		&r.Receipt.Broker, &r.Receipt.Address, &r.Receipt.Queue, &r.Receipt.Offset, &r.Receipt.MessageID, &r.Receipt.Weak,
		&r.DeadPhysOffset, &r.DeadAttempts, &next, &r.Looks, &r.OnlineFor)
	r.IntendedAt, r.DeliverAt, r.SentAt = instant(intended), optInstant(deliver), optInstant(sent)
	r.SeenAt, r.SettledAt, r.NextLook = optInstant(seen), optInstant(settled), optInstant(next)
	return r, err
}

// replaysWhere reads replays; the clause follows FROM replay.
func replaysWhere(ctx context.Context, q querier, clause string, args ...any) (list []dlq.Replay, err error) {
	err = each(ctx, q, "SELECT "+replayColumns+" FROM replay "+clause, args, func(rows *sql.Rows) error {
		r, err := scanReplay(rows)
		list = append(list, r)
		return err
	})
	return list, err
}

// Replay returns one replay by its id of 32 hex digits; the error is CodeNotFound when there is none.
func (s *Store) Replay(ctx context.Context, id string) (r dlq.Replay, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		list, err := replaysWhere(ctx, q, "WHERE id=?", id)
		if err == nil && len(list) == 0 {
			err = dlq.Errorf(dlq.CodeNotFound, "there is no replay %q", id)
		}
		if err == nil {
			r = list[0]
		}
		return err
	})
	return r, err
}

// OpenReplays returns replays that are sending or waiting and whose next look is due, oldest first. One without a next
// look is not among them: its send is under way.
func (s *Store) OpenReplays(ctx context.Context, now time.Time, limit int) (list []dlq.Replay, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = replaysWhere(ctx, q, "INDEXED BY replay_open WHERE outcome IN ('sending', 'waiting') AND next_look<=? ORDER BY next_look LIMIT ?", now.UnixMilli(), limit)
		return err
	})
	return list, err
}

// Unsettled returns every replay of which it is not known whether it was sent. After a start none of them is under way.
func (s *Store) Unsettled(ctx context.Context) (list []dlq.Replay, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = replaysWhere(ctx, q, "INDEXED BY replay_open WHERE outcome='sending' AND outcome IN ('sending', 'waiting')")
		return err
	})
	return list, err
}

// SaveLook writes what the tracker notes on a replay without changing its letter: when it looks again, what it saw. The
// error is CodeConflict when the replay is no longer open, for example because its message died in the meantime.
func (s *Store) SaveLook(ctx context.Context, r dlq.Replay) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		n, err := t.exec(saveLook, append(replayValues(&r)[3:], r.ID)...)
		if err == nil && n == 0 {
			err = dlq.Errorf(dlq.CodeConflict, "the replay %s is no longer open", r.ID)
		}
		if err != nil {
			return err
		}
		letter, err := t.row(r.LetterID)
		if err != nil || letter == nil {
			return err
		}
		before := letter.outcome
		if err := t.setOutcome(letter); err != nil || letter.outcome == before {
			return err
		}
		return t.step(letter, false)
	})
}

// putReplay writes a replay of a change: a new one with a claim, else one that exists.
func (t *tx) putReplay(r *dlq.Replay, isNew bool) error {
	if isNew {
		if _, err := t.exec(insertReplay, replayValues(r)...); err != nil {
			return err
		}
		t.back = t.back || r.Door == dlq.DoorBack
		return nil
	}
	_, err := t.exec(updateReplay, append(replayValues(r)[3:], r.ID)...)
	return err
}

// setOutcome takes the outcome of the letter's newest replay into its row.
func (t *tx) setOutcome(r *row) error {
	var outcome string
	err := each(context.Background(), t, "SELECT outcome FROM replay WHERE letter=? ORDER BY number DESC LIMIT 1", []any{r.id}, func(rows *sql.Rows) error {
		return rows.Scan(&outcome)
	})
	if err != nil {
		return err
	}
	r.outcome, err = t.word(wordOutcome, outcome)
	return err
}
