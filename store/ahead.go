package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"deadletteroffice/dlq"
)

// worthAhead is from how many changes on their letters and replays are read together.
const worthAhead = 4

// ahead reads the letters and the replays of many changes with two queries in place of two for each. What it read is
// kept up to date by whatever writes in the same transaction.
func (t *tx) ahead(changes []dlq.Change) error {
	if len(changes) < worthAhead {
		return nil
	}
	var letters []int64
	var replays []string
	for i := range changes {
		c := &changes[i]
		if _, have := t.rows[c.LetterID]; !have {
			letters = append(letters, c.LetterID)
		}
		if c.Replay != nil {
			replays = append(replays, c.Replay.ID)
		}
	}
	if err := t.rowsAhead(letters); err != nil {
		return err
	}
	return t.standingsAhead(replays)
}

func (t *tx) rowsAhead(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	return t.eachOf(selectLetter+"WHERE id IN (SELECT value FROM json_each(?))", ids, func(rows *sql.Rows) error {
		r := &row{}
		err := r.scan(rows)
		t.rows[r.id] = r
		return err
	})
}

// standingsAhead notes of ids that do not exist that they do not.
func (t *tx) standingsAhead(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		t.standings[id] = replayStanding{}
	}
	return t.eachOf(selectStanding+"WHERE id IN (SELECT value FROM json_each(?))", ids, func(rows *sql.Rows) error {
		id, h, err := scanStanding(rows)
		t.standings[id] = h
		return err
	})
}

// eachOf runs a query whose one parameter is a list, as JSON: one statement for lists of any length.
func (t *tx) eachOf(query string, list any, f func(*sql.Rows) error) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return each(context.Background(), t, query, []any{string(text)}, f)
}

// written keeps what was read ahead of a letter up to date.
func (t *tx) written(r *row) {
	if _, ahead := t.rows[r.id]; ahead {
		t.rows[r.id] = r
	}
}
