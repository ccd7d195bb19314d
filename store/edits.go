package store

import (
	"context"
	"database/sql"
	"strconv"

	"deadletteroffice/dlq"
)

// AddEdit keeps a changed version of a letter's message, with the event "edited", and returns it with its number, and the
// letter as it is then. The stored original does not change. The version is the letter's that was seen: of two editors
// one wins, and the other gets CodeConflict, which names the first. The edit that it goes on from must exist, else the
// error is CodeInvalid. CodeNotFound when there is no such letter.
func (s *Store) AddEdit(ctx context.Context, e dlq.Edit, version int64) (made dlq.Edit, l dlq.Letter, err error) {
	made = e
	properties, removed := packProperties(e.Set), map[string]string{}
	for _, name := range e.Remove {
		removed[name] = ""
	}
	var after *row
	err = s.do(ctx, lanePeople, func(t *tx) error {
		var count int
		err := each(context.Background(), t, "SELECT coalesce(max(number), 0) FROM edit WHERE letter=?", []any{e.LetterID}, func(rows *sql.Rows) error { return rows.Scan(&count) })
		if err != nil {
			return err
		}
		p, err := t.check(&dlq.Change{LetterID: e.LetterID, Version: version, Trigger: dlq.TriggerEdit, Event: dlq.Event{
			Kind: dlq.EventEdited, Actor: e.Author, Note: e.Note,
			Detail: map[string]string{"edit": strconv.Itoa(count + 1), "base": strconv.Itoa(e.Base)},
		}})
		if dlq.CodeOf(err) == dlq.CodeConflict {
			return t.edited(e.LetterID, err)
		}
		if err != nil {
			return err
		}
		if e.Base < 0 || e.Base > count {
			return dlq.Errorf(dlq.CodeInvalid, "letter %d has no edit %d to go on from", e.LetterID, e.Base)
		}
		made.Number, made.Deaths, made.At = count+1, int(p.before.deaths), t.at
		_, err = t.exec("INSERT INTO edit(letter, number, base, deaths, author, note, at, properties, removed, body) VALUES(?,?,?,?,?,?,?,?,?,?)",
			e.LetterID, made.Number, e.Base, made.Deaths, e.Author, e.Note, t.now, properties, packProperties(removed), e.Body)
		if err == nil {
			err = t.apply(p)
		}
		after = p.after
		return err
	})
	if err == nil {
		l = s.mem.nouns([]*row{after})[0]
	}
	return made, l, err
}

// edited says who changed a letter in between.
func (t *tx) edited(letter int64, conflict error) error {
	var actor, kind int64
	err := each(context.Background(), t, "SELECT actor, kind FROM event WHERE letter=? ORDER BY id DESC LIMIT 1", []any{letter}, func(rows *sql.Rows) error {
		return rows.Scan(&actor, &kind)
	})
	if err != nil || actor == 0 {
		return conflict
	}
	e := dlq.Errorf(dlq.CodeConflict, "letter %d was changed by %s in the meantime (%s)", letter, t.text(actor), t.text(kind)).
		WithHint("look at the letter as it is now; your edit was not kept")
	e.Params = map[string]string{"id": strconv.FormatInt(letter, 10), "actor": t.text(actor), "kind": t.text(kind)}
	return e
}

// Edits returns the changed versions of a letter's message, newest first.
func (s *Store) Edits(ctx context.Context, letterID int64) (list []dlq.Edit, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		query := "SELECT number, base, deaths, author, note, at, properties, removed, body FROM edit WHERE letter=? ORDER BY number DESC"
		return each(ctx, q, query, []any{letterID}, func(rows *sql.Rows) error {
			e := dlq.Edit{LetterID: letterID, Remove: []string{}}
			var at int64
			var properties, removed []byte
			err := rows.Scan(&e.Number, &e.Base, &e.Deaths, &e.Author, &e.Note, &at, &properties, &removed, &e.Body)
			if err != nil {
				return err
			}
			e.At = instant(at)
			if e.Set, err = unpackProperties(properties); err != nil {
				return err
			}
			names, err := unpackProperties(removed)
			e.Remove = append(e.Remove, sortedKeys(names)...)
			list = append(list, e)
			return err
		})
	})
	return orEmpty(list), err
}
