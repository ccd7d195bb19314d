package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// replayColumns are what is written with the intent, replayProgress what may change after it.
const (
	replayColumns = "id, letter, number, door, why, cluster, consumer_group, target, topic, unique_key, as_new, delay, delay_level, automatic, actor, note, intended_at, " +
		"dead_phys_offset, dead_attempts, operation, target_kind, edit, transformed, " + replayProgress
	replayProgress = "deliver_at, sent_at, seen_at, settled_at, outcome, detail, error, broker, address, queue, offset, message_id, weak, next_look, looks, online_for"
)

var (
	insertReplay = "INSERT INTO replay(" + replayColumns + ") VALUES(" + marks(strings.Count(replayColumns, ",")+1) + ")"
	// A replay that died again stays so, whatever somebody still believes who read it earlier.
	updateReplay = "UPDATE replay SET " + strings.ReplaceAll(replayProgress, ",", "=?,") + "=? WHERE id=? AND outcome<>'failed_again'"
	saveLook     = updateReplay + " AND outcome IN ('sending', 'waiting')"
)

func replayValues(r *dlq.Replay) []any {
	const columns = 39
	return append(append(make([]any, 0, columns), r.ID, r.LetterID, r.Number, string(r.Door), r.Why, r.Cluster, r.ConsumerGroup, r.Target, r.Topic, r.UniqueKey, r.AsNew, int64(r.Delay), r.DelayLevel, r.Automatic, r.Actor, r.Note, r.IntendedAt.UnixMilli(),
		r.DeadPhysOffset, r.DeadAttempts, r.Operation, string(r.TargetKind), r.Edit, r.Transformed), progressValues(r)...)
}

func progressValues(r *dlq.Replay) []any {
	return []any{optMillis(r.DeliverAt), optMillis(r.SentAt), optMillis(r.SeenAt), optMillis(r.SettledAt), string(r.Outcome), r.Detail, r.Error,
		r.Receipt.Broker, r.Receipt.Address, r.Receipt.Queue, r.Receipt.Offset, r.Receipt.MessageID, r.Receipt.Weak, optMillis(r.NextLook), r.Looks, int64(r.OnlineFor)}
}

func scanReplay(rows *sql.Rows) (r dlq.Replay, err error) {
	var intended int64
	var deliver, sent, seen, settled, next sql.NullInt64
	err = rows.Scan(&r.ID, &r.LetterID, &r.Number, &r.Door, &r.Why, &r.Cluster, &r.ConsumerGroup, &r.Target, &r.Topic, &r.UniqueKey, &r.AsNew, &r.Delay, &r.DelayLevel, &r.Automatic, &r.Actor, &r.Note, &intended,
		&r.DeadPhysOffset, &r.DeadAttempts, &r.Operation, &r.TargetKind, &r.Edit, &r.Transformed,
		&deliver, &sent, &seen, &settled, &r.Outcome, &r.Detail, &r.Error,
		&r.Receipt.Broker, &r.Receipt.Address, &r.Receipt.Queue, &r.Receipt.Offset, &r.Receipt.MessageID, &r.Receipt.Weak, &next, &r.Looks, &r.OnlineFor)
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

// SaveLooks writes what the tracker notes on replays without changing their letters: when it looks again, what it saw. It
// is one transaction, each replay on its own; the errors are in their order, nil for none: CodeConflict when the replay is
// no longer open, for example because its message died in the meantime. When the transaction itself fails every replay
// gets that error.
func (s *Store) SaveLooks(ctx context.Context, list []dlq.Replay) []error {
	errs := make([]error, len(list))
	err := s.do(ctx, lanePeople, func(t *tx) error {
		clear(errs) // it may be the second try
		letters := make(map[string]int64, len(list))
		for i := range list {
			letters[list[i].ID] = list[i].LetterID
		}
		if err := t.standingsAhead(letters); err != nil {
			return err
		}
		for i := range list {
			err := t.saveLook(&list[i])
			if dlq.CodeOf(err) == dlq.CodeConflict {
				errs[i], err = err, nil // it has written nothing
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func (t *tx) saveLook(r *dlq.Replay) error {
	have, err := t.replayStanding(r.LetterID, r.ID)
	if err != nil {
		return err
	}
	t.forgetStanding(have.letter)
	n, err := t.exec(saveLook, append(progressValues(r), r.ID)...)
	if err == nil && n == 0 {
		err = dlq.Errorf(dlq.CodeConflict, "the replay %s is no longer open", r.ID)
	}
	if err != nil || have.outcome == r.Outcome {
		return err
	}
	if err := t.follow(have, r.Outcome, r.Detail); err != nil {
		return err
	}
	letter, err := t.row(have.letter)
	if err != nil || letter == nil || have.number != have.newest {
		return err
	}
	copied := *letter
	if copied.outcome, err = t.word(wordOutcome, string(r.Outcome)); err != nil {
		return err
	}
	return t.step(&copied, false)
}

// replayStanding is how a replay stands in the tables.
type replayStanding struct {
	settled
	letter    int64 // 0: there is no such replay
	number    int64
	newest    int64 // number of the letter's newest replay
	operation int64
}

// selectStanding reads how replays stand; a WHERE clause on r follows.
const selectStanding = "SELECT id, outcome, settled_at, letter, number, operation, (SELECT max(number) FROM replay o WHERE o.letter=r.letter) FROM replay r "

func scanStanding(rows *sql.Rows) (h namedStanding, err error) {
	err = rows.Scan(&h.id, &h.outcome, &h.at, &h.letter, &h.number, &h.operation, &h.newest)
	return h, err
}

// replayStanding reads how a replay stands, which should be one of the letter.
func (t *tx) replayStanding(letter int64, id string) (replayStanding, error) {
	if h, known := t.knownStanding(letter, id); known {
		return h, nil
	}
	var h namedStanding
	err := each(context.Background(), t, selectStanding+"WHERE id=?", []any{id}, func(rows *sql.Rows) (err error) {
		h, err = scanStanding(rows)
		return err
	})
	return h.replayStanding, err
}

// putReplay writes a replay of a change: a new one with a claim, else one that exists.
func (t *tx) putReplay(r *dlq.Replay, isNew bool) error {
	t.forgetStanding(r.LetterID)
	if isNew {
		number := int64(r.Number)
		t.standings[r.LetterID] = namedStanding{r.ID, replayStanding{settled: settled{outcome: r.Outcome, at: optMillis(r.SettledAt)}, letter: r.LetterID, number: number, newest: number, operation: r.Operation}}
		_, err := t.exec(insertReplay, replayValues(r)...)
		t.back = t.back || r.Door == dlq.DoorBack
		return err
	}
	_, err := t.exec(updateReplay, append(progressValues(r), r.ID)...)
	return err
}
