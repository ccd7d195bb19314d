package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"deadletteroffice/dlq"
)

// worthAhead is from how many changes on their letters and replays are read together.
const worthAhead = 4

// maxHeld is how many letters are held from one transaction to the next.
const maxHeld = 10000

// held is what transactions hand on: letters that are sending, with the standings of their replays. They are written again
// a moment after their intents, and need not be read for it. Only the write goroutine uses it.
type held struct {
	rows      map[int64]*row
	standings map[int64]namedStanding // by letter
}

func newHeld() *held {
	return &held{rows: map[int64]*row{}, standings: map[int64]namedStanding{}}
}

// namedStanding is how one replay of a letter stands. What is written of a letter's replays takes the place of what was
// known of any of them; the name "" says that they must be read again.
type namedStanding struct {
	id string
	replayStanding
}

// ahead reads the letters and the replays of many changes with two queries in place of two for each. What it read is
// kept up to date by whatever writes in the same transaction.
func (t *tx) ahead(changes []dlq.Change) error {
	if len(changes) < worthAhead {
		return nil
	}
	var letters []int64
	replays := map[string]int64{}
	for i := range changes {
		c := &changes[i]
		if _, known := t.knownRow(c.LetterID); !known {
			letters = append(letters, c.LetterID)
		}
		if c.Replay != nil {
			replays[c.Replay.ID] = c.LetterID
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

// standingsAhead reads replays of letters. It notes of those that do not exist that they do not.
func (t *tx) standingsAhead(letters map[string]int64) error {
	ids := make([]string, 0, len(letters))
	for id, letter := range letters {
		if _, known := t.knownStanding(letter, id); !known {
			ids = append(ids, id)
			t.standings[letter] = namedStanding{id: id}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return t.eachOf(selectStanding+"WHERE id IN (SELECT value FROM json_each(?))", ids, func(rows *sql.Rows) error {
		h, err := scanStanding(rows)
		if letter := letters[h.id]; letter != h.letter {
			t.forgetStanding(letter) // the caller is mistaken
		}
		t.standings[h.letter] = h
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

// knownRow returns a letter that needs not be read; nil and true for one that was deleted.
func (t *tx) knownRow(id int64) (*row, bool) {
	if r, ok := t.rows[id]; ok {
		return r, true
	}
	r, ok := t.s.held.rows[id]
	return r, ok
}

// knownStanding returns how a replay of a letter stands if it needs not be read.
func (t *tx) knownStanding(letter int64, id string) (replayStanding, bool) {
	h, ok := t.standings[letter]
	if !ok {
		h, ok = t.s.held.standings[letter]
	}
	return h.replayStanding, ok && h.id == id
}

// written keeps what is known of a letter up to date.
func (t *tx) written(r *row) {
	if _, known := t.knownRow(r.id); known || r.is(dlq.StateSending) {
		t.rows[r.id] = r
	}
}

// forgetStanding says that what was known of a letter's replays is so no longer.
func (t *tx) forgetStanding(letter int64) { t.standings[letter] = namedStanding{} }

// take takes over what a transaction leaves, after its commit.
func (h *held) take(t *tx) {
	for id, r := range t.rows {
		if r != nil && r.is(dlq.StateSending) {
			h.rows[id] = r
		} else {
			delete(h.rows, id)
		}
	}
	for letter, s := range t.standings {
		if s.outcome == dlq.OutcomeSending {
			h.standings[letter] = s
		} else {
			delete(h.standings, letter)
		}
	}
	if len(h.rows) > maxHeld || len(h.standings) > maxHeld {
		clear(h.rows)
		clear(h.standings)
	}
}
