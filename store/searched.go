package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// What full text knows of a letter, and how it comes to know it.

const (
	indexBatch   = 400                   // letters that full text takes in one transaction
	reindexPause = 50 * time.Millisecond // between two batches of older letters: others come first
	reindexRest  = time.Hour             // when there are none: a file is made ready for them only when it is opened
	maxValue     = 1 << 10               // bytes of a property's value that full text knows
	maxTexts     = 8 << 10               // and of all values of a letter
)

// searchedColumns are what full text knows of a letter.
const searchedColumns = `(SELECT message_id FROM death WHERE death.id=l.seq), l.origin_id, l.uniq_key, l.keys, l.reason_text,
	CASE l.own_reason WHEN '' THEN (SELECT text FROM word WHERE word.id=l.reason) ELSE l.own_reason END,
	CASE l.own_business WHEN '' THEN (SELECT text FROM word WHERE word.id=l.business) ELSE l.own_business END,
	CASE l.own_topic WHEN '' THEN (SELECT text FROM word WHERE word.id=l.topic) ELSE l.own_topic END,
	(SELECT text FROM word WHERE word.id=l.consumer_group), l.tags, l.size, b.properties, substr(b.body, 1, 65536)`

// scanSearched reads searchedColumns, behind others, as one text with line breaks between the parts.
func scanSearched(rows *sql.Rows, before ...any) (string, error) {
	var id, origin, key, keys, reasonText, tags string
	var reason, business, topic, group sql.NullString
	var size int
	var properties, body []byte
	err := rows.Scan(append(before, &id, &origin, &key, &keys, &reasonText, &reason, &business, &topic, &group, &tags, &size, &properties, &body)...)
	if err != nil {
		return "", err
	}
	values, err := searchedValues(properties)
	return strings.Join([]string{id, origin, key, keys, reason.String, reasonText, business.String, topic.String, group.String, tags, values,
		bodytext.Words(body, size > len(body), maxSearched)}, "\n"), err
}

// searchedValues returns the values of properties by which a letter shall be found, with line breaks between them.
func searchedValues(packed []byte) (string, error) {
	properties, err := unpackProperties(packed)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range sortedKeys(properties) {
		value := properties[name]
		switch name {
		case dlq.PropUniqueKey, dlq.PropKeys, dlq.PropTags, dlq.PropOriginID:
			continue // stand apart already
		}
		if dlq.Bookkeeping(name) || b.Len() > maxTexts {
			continue
		}
		b.WriteString(bodytext.Readable(value[:min(len(value), maxValue)]))
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// searched is a letter made ready for full text.
type searched struct {
	letter, seq int64
	text        string
}

// readSearched makes the letters ready whose newest deaths a query names.
func readSearched(ctx context.Context, q querier, deaths string, args ...any) (docs []searched, err error) {
	query := "SELECT l.id, l.seq, " + searchedColumns + " FROM (" + deaths + ") d CROSS JOIN letter l ON l.id=d.letter AND l.seq=d.id CROSS JOIN body b ON b.letter=l.id"
	err = each(ctx, q, query, args, func(rows *sql.Rows) error {
		var d searched
		text, err := scanSearched(rows, &d.letter, &d.seq)
		d.text = indexText(text)
		docs = append(docs, d)
		return err
	})
	return docs, err
}

// teach tells full text of a letter, if it has not died again meanwhile.
func (t *tx) teach(d searched) error {
	_, err := t.exec("INSERT INTO search(rowid, text) SELECT seq, ? FROM letter WHERE id=? AND seq=?", d.text, d.letter, d.seq)
	return err
}

// indexOnce teaches full text the next letters. They are read and cut into words outside the transaction; one that died
// again in between has another seq then and is left for its turn.
func (s *Store) indexOnce(ctx context.Context) (time.Duration, error) {
	s.mem.mu.RLock()
	from, last := s.mem.search, s.mem.death
	s.mem.mu.RUnlock()
	if from == last {
		return -1, nil
	}
	var docs []searched
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		var err error
		if docs, err = readSearched(ctx, q, "SELECT id, letter FROM death WHERE id>? AND id<=? ORDER BY id LIMIT ?", from, last, indexBatch); err != nil {
			return err
		}
		return each(ctx, q, "SELECT coalesce(max(id), ?) FROM (SELECT id FROM death WHERE id>? AND id<=? ORDER BY id LIMIT ?)", []any{last, from, last, indexBatch}, func(rows *sql.Rows) error {
			return rows.Scan(&last)
		})
	})
	if err != nil {
		return 0, err
	}
	return 0, s.do(ctx, laneBackground, func(t *tx) error {
		if t.search != from {
			return nil // another follower was faster
		}
		for _, d := range docs {
			if err := t.teach(d); err != nil {
				return err
			}
		}
		t.search = last
		_, err := t.exec("UPDATE number SET value=? WHERE name='search'", last)
		return err
	})
}

// reindexOnce teaches full text again what an earlier program taught it, for it knows more of a letter now. The newest
// letters come first; until its turn a letter is found by what was known then. It ends when there are none left.
func (s *Store) reindexOnce(ctx context.Context) (time.Duration, error) {
	var stale int64 // the newest death that was taught by an earlier program
	var docs []searched
	next := int64(0)
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		err := each(ctx, q, "SELECT value FROM number WHERE name='stale'", nil, func(rows *sql.Rows) error { return rows.Scan(&stale) })
		if err != nil || stale == 0 {
			return err
		}
		newest := "SELECT id, letter FROM death WHERE id<=? ORDER BY id DESC LIMIT ?"
		err = each(ctx, q, "SELECT coalesce(min(id)-1, 0) FROM ("+newest+")", []any{stale, indexBatch}, func(rows *sql.Rows) error { return rows.Scan(&next) })
		if err != nil {
			return err
		}
		docs, err = readSearched(ctx, q, newest, stale, indexBatch)
		return err
	})
	if err != nil || stale == 0 {
		return reindexRest, err
	}
	return reindexPause, s.do(ctx, laneBackground, func(t *tx) error {
		for _, d := range docs {
			if _, err := t.exec("DELETE FROM search WHERE rowid=?", d.seq); err != nil {
				return err
			}
			if err := t.teach(d); err != nil {
				return err
			}
		}
		_, err := t.exec("UPDATE number SET value=? WHERE name='stale'", next)
		return err
	})
}
