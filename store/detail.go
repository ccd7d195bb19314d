package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// maxHistory is how many deaths, replays and compensation calls of a letter Detail returns, and maxEvents how many
// events; the newest count.
const (
	maxHistory = 200
	maxEvents  = 1000
)

// Letter returns one letter; the error is CodeNotFound when there is none.
func (s *Store) Letter(ctx context.Context, id int64) (l dlq.Letter, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		r, err := oneRow(ctx, q, id)
		if err == nil {
			l = s.mem.nouns([]*row{r})[0]
		}
		return err
	})
	return l, err
}

func oneRow(ctx context.Context, q querier, id int64) (*row, error) {
	var r *row
	err := each(ctx, q, selectLetter+"WHERE id=?", []any{id}, func(rows *sql.Rows) error {
		r = &row{}
		return r.scan(rows)
	})
	if err == nil && r == nil {
		err = notFound(id)
	}
	return r, err
}

// Detail returns a letter whole, without its body; the error is CodeNotFound when there is none. At most 200 deaths,
// replays and calls and 1 000 events are given, the newest.
func (s *Store) Detail(ctx context.Context, id int64) (d dlq.Detail, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		r, err := oneRow(ctx, q, id)
		if err != nil {
			return err
		}
		copyOf, err := s.deadCopy(ctx, q, id, false)
		if err != nil {
			return err
		}
		d = dlq.Detail{
			Letter: s.mem.nouns([]*row{r})[0], Properties: copyOf.Properties, SysFlag: copyOf.SysFlag,
			BornHost: copyOf.BornHost, StoreHost: copyOf.StoreHost, BodyState: copyOf.BodyState,
			Judged: dlq.Judgement{Now: instant(r.judgedAt), Deaths: int(r.judgedDeaths), Replays: int(r.judgedReplays)},
		}
		s.mem.mu.RLock()
		d.Verdict = s.mem.verdicts[r.verdict]
		s.mem.mu.RUnlock()
		if d.History, err = s.deaths(ctx, q, id); err != nil {
			return err
		}
		if err = s.addReasons(ctx, q, r, d.History); err != nil {
			return err
		}
		if d.ReplayList, err = replaysWhere(ctx, q, "WHERE letter=? ORDER BY number DESC LIMIT ?", id, maxHistory); err != nil {
			return err
		}
		if d.Calls, err = callsWhere(ctx, q, "WHERE letter=? ORDER BY created DESC, rowid DESC LIMIT ?", id, maxHistory); err != nil {
			return err
		}
		for i := range d.Calls {
			if err := addAttempts(ctx, q, &d.Calls[i]); err != nil {
				return err
			}
		}
		d.Events, err = s.events(ctx, q, id)
		return err
	})
	// Lists of the API are never null.
	d.ReplayList = orEmpty(d.ReplayList)
	d.History, d.Calls, d.Events = orEmpty(d.History), orEmpty(d.Calls), orEmpty(d.Events)
	return d, err
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *Store) deaths(ctx context.Context, q querier, letter int64) (list []dlq.Death, err error) {
	query := "SELECT id, queue, offset, stored, phys, attempts, arrived, is_foreign, message_id, coalesce(replay, '') FROM death WHERE letter=? ORDER BY id DESC LIMIT ?"
	err = each(ctx, q, query, []any{letter, maxHistory}, func(rows *sql.Rows) error {
		var d dlq.Death
		var queue, stored, arrived int64
		err := rows.Scan(&d.ID, &queue, &d.Offset, &stored, &d.PhysOffset, &d.Attempts, &arrived, &d.ForeignReplay, &d.MessageID, &d.ReplayID)
		d.Queue, d.StoredAt, d.ArrivedAt = s.mem.queueOf(queue), instant(stored), instant(arrived)
		list = append(list, d)
		return err
	})
	return list, err
}

func (s *Store) events(ctx context.Context, q querier, letter int64) (list []dlq.Event, err error) {
	query := "SELECT id, at, kind, actor, rule, coalesce(replay, ''), coalesce(note, ''), detail FROM event WHERE letter=? ORDER BY id DESC LIMIT ?"
	err = each(ctx, q, query, []any{letter, maxEvents}, func(rows *sql.Rows) error {
		e := dlq.Event{LetterID: letter}
		var at, kind, actor, rule int64
		var detail []byte
		if err := rows.Scan(&e.ID, &at, &kind, &actor, &rule, &e.ReplayID, &e.Note, &detail); err != nil {
			return err
		}
		e.At, e.Kind, e.Actor, e.Rule = instant(at), dlq.EventKind(s.mem.textOf(kind)), s.mem.textOf(actor), s.mem.textOf(rule)
		if detail != nil {
			if err := json.Unmarshal(detail, &e.Detail); err != nil {
				return err
			}
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

// Body returns the exact bytes of the newest dead copy and what became of them on their way in. The error is
// CodeNotFound when there is no such letter.
func (s *Store) Body(ctx context.Context, id int64) (body []byte, state dlq.BodyState, err error) {
	m, err := s.Message(ctx, id)
	return m.Body, m.BodyState, err
}

// Message returns the newest dead copy whole, as it came. The error is CodeNotFound when there is no such letter.
func (s *Store) Message(ctx context.Context, id int64) (m dlq.DeadMessage, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		m, err = s.deadCopy(ctx, q, id, true)
		return err
	})
	return m, err
}

// Messages returns the newest dead copies of many letters whole, by the letters' ids; ids without a letter are left out.
// They are read in chunks, but the caller holds all their bodies at once.
func (s *Store) Messages(ctx context.Context, ids []int64) (map[int64]dlq.DeadMessage, error) {
	all := make(map[int64]dlq.DeadMessage, len(ids))
	for part := range slices.Chunk(ids, chunk) {
		err := s.read(ctx, func(ctx context.Context, q querier) error {
			found, err := s.deadCopies(ctx, q, part, true)
			for id, m := range found {
				all[id] = *m
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// deadCopy reads the newest dead copy of a letter, its body only when it is asked for.
func (s *Store) deadCopy(ctx context.Context, q querier, id int64, withBody bool) (dlq.DeadMessage, error) {
	found, err := s.deadCopies(ctx, q, []int64{id}, withBody)
	if err != nil {
		return dlq.DeadMessage{}, err
	}
	m := found[id]
	if m == nil {
		return dlq.DeadMessage{}, notFound(id)
	}
	return *m, nil
}

// deadCopies reads the newest dead copies of letters, by their ids.
func (s *Store) deadCopies(ctx context.Context, q querier, ids []int64, withBody bool) (map[int64]*dlq.DeadMessage, error) {
	query := `SELECT l.id, b.state, b.topic, b.store_host, b.born_host, b.sys_flag, b.flag, b.orderly, b.properties, CASE WHEN ? THEN b.body END,
		l.envelope, l.own_topic, l.consumer_group, l.born, d.queue, d.offset, d.stored, d.phys, d.attempts, d.message_id
		FROM letter l CROSS JOIN body b ON b.letter=l.id CROSS JOIN death d ON d.id=l.seq WHERE l.id IN (`
	found := make(map[int64]*dlq.DeadMessage, len(ids))
	err := inChunks(anys(ids), func(part []any) error {
		return each(ctx, q, query+marks(len(part))+")", append([]any{withBody}, part...), func(rows *sql.Rows) error {
			var id int64
			m, err := s.scanDeadCopy(rows, &id)
			found[id] = m
			return err
		})
	})
	return found, err
}

func (s *Store) scanDeadCopy(rows *sql.Rows, id *int64) (*dlq.DeadMessage, error) {
	m := &dlq.DeadMessage{}
	var state, topic, host, envelope, group, born, queue, stored int64
	var ownTopic string
	var properties []byte
	err := rows.Scan(id, &state, &topic, &host, &m.BornHost, &m.SysFlag, &m.Flag, &m.Orderly, &properties, &m.Body,
		&envelope, &ownTopic, &group, &born, &queue, &m.Offset, &stored, &m.PhysOffset, &m.ReconsumeTimes, &m.MessageID)
	if err != nil {
		return nil, err
	}
	m.BodyState, m.OriginalTopic, m.StoreHost = dlq.BodyState(s.mem.textOf(state)), s.mem.textOf(topic), s.mem.textOf(host)
	if m.OriginalTopic == dlq.OtherValues { // no topic can have that name
		if m.OriginalTopic = ownTopic; envelope != 0 {
			m.OriginalTopic = "" // the letter's own topic is the one inside
		}
	}
	m.ConsumerGroup, m.Queue = s.mem.textOf(group), s.mem.queueOf(queue)
	m.BornAt, m.BornRaw = dlq.Instant(born)
	m.StoredAt, m.StoredRaw = dlq.Instant(stored)
	m.Properties, err = unpackProperties(properties)
	return m, err
}

// Due returns letters of a state whose next step is due, the one that waits longest first. Only scheduled, snoozed and
// compensating letters have a next step.
func (s *Store) Due(ctx context.Context, state dlq.State, now time.Time, limit int) (list []dlq.Letter, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		var found []*row
		query := selectLetter + "INDEXED BY letter_due WHERE state=? AND due_at<=? AND due_at IS NOT NULL ORDER BY due_at LIMIT ?"
		err := each(ctx, q, query, []any{stateCode(state), now.UnixMilli(), limit}, func(rows *sql.Rows) error {
			r := &row{}
			found = append(found, r)
			return r.scan(rows)
		})
		list = s.mem.nouns(found)
		return err
	})
	return list, err
}
