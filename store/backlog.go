package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// Limits of one chunk of the backlog.
const (
	backlogLetters = 1000
	backlogBytes   = 16 << 20 // of bodies; the letter that goes beyond is the chunk's last
)

// Backlog returns letters of any state with what rules ask of them, newest death first, for other rules to judge again:
// those below before, which is 0 for the newest and then what the call before returned. That is 0 at the end. A chunk
// holds at most limit and 1 000 letters, and fewer when bodies are large. Of messages only what rules can see is filled.
func (s *Store) Backlog(ctx context.Context, before int64, limit int) (list []dlq.Candidate, next int64, err error) {
	if before <= 0 {
		before = 1 << 62
	}
	limit = min(max(limit, 1), backlogLetters)
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		rows, more, err := backlogRows(ctx, q, before, limit)
		if err != nil || len(rows) == 0 {
			return err
		}
		if more {
			next = rows[len(rows)-1].seq
		}
		if list, err = s.mem.backlogNouns(rows); err != nil {
			return err
		}
		again := map[int64]int{} // letters that died more than once, by their place
		for i := range rows {
			if rows[i].deaths > 1 {
				again[rows[i].letter] = i
			}
		}
		earlier, err := s.earlierCauses(ctx, q, slices.Collect(maps.Keys(again)))
		if err != nil {
			return err
		}
		for letter, c := range earlier {
			list[again[letter]].Judged.Earlier = c
		}
		s.mem.mu.RLock()
		reported := s.mem.report > 0
		s.mem.mu.RUnlock()
		if !reported {
			return nil
		}
		messages, since := make([]*dlq.DeadMessage, len(list)), make([]time.Time, len(list))
		for i := range list {
			messages[i] = &list[i].Message
		}
		var deaths []int64
		for _, i := range again {
			deaths = append(deaths, list[i].Seq)
		}
		replayed, err := replayedAt(ctx, q, deaths)
		if err != nil {
			return err
		}
		for _, i := range again {
			since[i] = replayed[list[i].Seq]
		}
		reports, err := reportsAbout(ctx, q, messages, 0, since)
		for i, r := range reports {
			list[i].Report = r
		}
		return err
	})
	return orEmpty(list), next, err
}

// backlogRow is a letter as the tables have it.
type backlogRow struct {
	seq, letter                            int64
	state, topic, envelope, group, queue   int64 // words, and the queue
	stored, judged, deaths, replays, tries int64
	ownTopic, messageID                    string
	properties, body                       []byte
}

var errChunkFull = errors.New("the chunk is full")

// backlogRows walks down the deaths, of which the newest of each letter is its seq.
func backlogRows(ctx context.Context, q querier, before int64, limit int) (found []backlogRow, more bool, err error) {
	query := `SELECT d.id, l.id, b.state, b.topic, l.envelope, l.consumer_group, d.queue, d.stored, l.judged_at, l.judged_deaths, l.judged_replays,
		d.attempts, l.own_topic, d.message_id, b.properties, b.body
		FROM death d CROSS JOIN letter l ON l.id=d.letter AND l.seq=d.id CROSS JOIN body b ON b.letter=l.id WHERE d.id<? ORDER BY d.id DESC LIMIT ?`
	found = make([]backlogRow, 0, limit)
	bytes := 0
	err = each(ctx, q, query, []any{before, limit + 1}, func(rows *sql.Rows) error {
		if more = len(found) == limit || bytes > backlogBytes; more {
			return errChunkFull
		}
		var r backlogRow
		err := rows.Scan(&r.seq, &r.letter, &r.state, &r.topic, &r.envelope, &r.group, &r.queue, &r.stored, &r.judged, &r.deaths, &r.replays,
			&r.tries, &r.ownTopic, &r.messageID, &r.properties, &r.body)
		bytes += len(r.body)
		found = append(found, r)
		return err
	})
	if errors.Is(err, errChunkFull) {
		err = nil
	}
	return found, more, err
}

// backlogNouns makes the nouns of rows.
func (m *memory) backlogNouns(rows []backlogRow) ([]dlq.Candidate, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]dlq.Candidate, len(rows))
	for i := range rows {
		r, c := &rows[i], &list[i]
		c.LetterID, c.Seq = r.letter, r.seq
		c.Judged = dlq.Judgement{Now: instant(r.judged), Deaths: int(r.deaths), Replays: int(r.replays)}
		msg := &c.Message
		msg.Queue = m.queues[r.queue]
		msg.StoredAt, msg.StoredRaw = dlq.Instant(r.stored)
		msg.ConsumerGroup, msg.OriginalTopic, msg.BodyState = m.text(r.group), m.text(r.topic), dlq.BodyState(m.text(r.state))
		if msg.OriginalTopic == dlq.OtherValues { // as in deadCopy
			if msg.OriginalTopic = r.ownTopic; r.envelope != 0 {
				msg.OriginalTopic = ""
			}
		}
		msg.MessageID, msg.ReconsumeTimes, msg.Body = r.messageID, int(r.tries), r.body
		var err error
		if msg.Properties, err = unpackProperties(r.properties); err != nil {
			return nil, err
		}
	}
	return list, nil
}
