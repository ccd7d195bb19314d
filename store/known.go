package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// chunk is how many values one IN list of a look-up holds.
const chunk = 200

// QueuePosition returns how far a queue has been read into the store; known is false for one that never was.
func (s *Store) QueuePosition(ctx context.Context, q dlq.Queue) (pos dlq.QueuePosition, known bool, err error) {
	s.mem.mu.RLock()
	p, known := s.mem.places[q]
	s.mem.mu.RUnlock()
	if pos = p.pos; pos.Next == 0 {
		return pos, known, nil
	}
	err = s.read(ctx, func(ctx context.Context, r querier) error {
		return each(ctx, r, "SELECT stored FROM death WHERE queue=? AND offset=? AND epoch=? ORDER BY stored DESC LIMIT 1", []any{p.id, pos.Next - 1, pos.Epoch},
			func(rows *sql.Rows) error {
				var stored int64
				err := rows.Scan(&stored)
				pos.LastStored = time.UnixMilli(stored).UTC() // exactly, for it is compared with what the broker has
				return err
			})
	})
	return pos, known, err
}

// Known returns what the store knows that bears on each message, in their order.
//
// A message joins the letter of a replay when it carries the id of that replay, died in its consumer group and has the
// UNIQ_KEY that the replay was sent with. Door C cannot write a replay id: there the message joins when it died in the
// same consumer group with the same UNIQ_KEY, was stored after the intent, and its reconsumeTimes are above those of the
// copy that was given back. When both apply the later replay counts, because a message that door C returned still carries
// the id of the replay before. Replay ids alone prove nothing: copies and applications carry them anywhere.
func (s *Store) Known(ctx context.Context, messages []dlq.DeadMessage) ([]dlq.Known, error) {
	known := make([]dlq.Known, len(messages))
	if len(messages) == 0 {
		return known, nil
	}
	s.mem.mu.RLock()
	seen, back := s.mem.report+1, s.mem.back
	s.mem.mu.RUnlock()
	list := make([]*dlq.DeadMessage, len(messages))
	for i := range messages {
		list[i], known[i].ReportsSeen = &messages[i], seen
	}
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		if err := s.findReplays(ctx, q, list, known, back); err != nil {
			return err
		}
		if seen == 1 { // there was never a report
			return nil
		}
		since := make([]time.Time, len(known))
		for i := range known {
			if r := known[i].Replay; r != nil {
				since[i] = r.IntendedAt // what was told before is about the death before
			}
		}
		reports, err := reportsAbout(ctx, q, list, 0, since)
		for i, r := range reports {
			known[i].Report = r
		}
		return err
	})
	return known, err
}

func (s *Store) findReplays(ctx context.Context, q querier, messages []*dlq.DeadMessage, known []dlq.Known, back bool) error {
	var ids, uniqueKeys []any
	for _, m := range messages {
		if id := m.Properties[dlq.PropReplayID]; id != "" {
			ids = append(ids, id)
		}
		if key := m.UniqueKey(); back && key != "" {
			uniqueKeys = append(uniqueKeys, key)
		}
	}
	byID, byKey := map[string]*dlq.Replay{}, map[string][]*dlq.Replay{}
	err := inChunks(ids, func(part []any) error {
		found, err := replaysWhere(ctx, q, "WHERE id IN ("+marks(len(part))+")", part...)
		for i := range found {
			byID[found[i].ID] = &found[i]
		}
		return err
	})
	if err != nil {
		return err
	}
	err = inChunks(uniqueKeys, func(part []any) error {
		found, err := replaysWhere(ctx, q, "INDEXED BY replay_back WHERE door='C' AND unique_key IN ("+marks(len(part))+")", part...)
		for i := range found {
			byKey[found[i].UniqueKey] = append(byKey[found[i].UniqueKey], &found[i])
		}
		return err
	})
	if err != nil {
		return err
	}
	var letters []int64
	for i, m := range messages {
		k := &known[i]
		if id := m.Properties[dlq.PropReplayID]; id != "" {
			r := byID[id]
			k.Foreign = r == nil
			if r != nil && r.ConsumerGroup == m.ConsumerGroup && r.UniqueKey == m.UniqueKey() {
				k.Replay = r
			}
		}
		for _, r := range byKey[m.UniqueKey()] {
			returned := r.ConsumerGroup == m.ConsumerGroup && m.ReconsumeTimes > r.DeadAttempts && !m.StoredAt.Before(r.IntendedAt)
			if returned && (k.Replay == nil || r.IntendedAt.After(k.Replay.IntendedAt)) {
				k.Replay, k.Foreign = r, false
			}
		}
		if k.Replay != nil {
			letters = append(letters, k.Replay.LetterID)
		}
	}
	if err := s.findLetters(ctx, q, known, letters); err != nil {
		return err
	}
	for i := range known {
		if k := &known[i]; k.Letter != nil && k.Letter.ConsumerGroup != messages[i].ConsumerGroup {
			k.Letter, k.Replay, k.Earlier = nil, nil, nil // it was given to another consumer group: its death there is a letter of that group
		}
	}
	return nil
}

// findLetters sets the letters of the replays that were found.
func (s *Store) findLetters(ctx context.Context, q querier, known []dlq.Known, ids []int64) error {
	slices.Sort(ids)
	rows, err := rowsByID(ctx, q, slices.Compact(ids))
	if err != nil {
		return err
	}
	byID, causes := map[int64]*dlq.Letter{}, map[int64]*dlq.Cause{}
	for i, l := range s.mem.nouns(rows) {
		byID[l.ID], causes[l.ID] = &l, s.mem.knownCause(rows[i])
	}
	for i := range known {
		if r := known[i].Replay; r != nil {
			known[i].Letter, known[i].Earlier = byID[r.LetterID], causes[r.LetterID]
		}
	}
	return nil
}

// rowsByID reads letters by their ids, in no order; ids without a letter are left out.
func rowsByID(ctx context.Context, q querier, ids []int64) (found []*row, err error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	err = inChunks(args, func(part []any) error {
		return each(ctx, q, selectLetter+"WHERE id IN ("+marks(len(part))+")", part, func(rows *sql.Rows) error {
			r := &row{}
			found = append(found, r)
			return r.scan(rows)
		})
	})
	return found, err
}

// inChunks calls f with at most chunk values at a time.
func inChunks(values []any, f func(part []any) error) error {
	for part := range slices.Chunk(values, chunk) {
		if err := f(part); err != nil {
			return err
		}
	}
	return nil
}
