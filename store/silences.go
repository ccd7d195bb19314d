package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"deadletteroffice/dlq"
)

const silenceColumns = "id, matchers, starts, ends, author, note, created, ended_by"

// silencesWhere reads silences; the clause follows FROM silence.
func silencesWhere(ctx context.Context, q querier, clause string, args ...any) (list []dlq.Silence, err error) {
	err = each(ctx, q, "SELECT "+silenceColumns+" FROM silence "+clause, args, func(rows *sql.Rows) error {
		var x dlq.Silence
		var matchers []byte
		var starts, ends, created int64
		if err := rows.Scan(&x.ID, &matchers, &starts, &ends, &x.Author, &x.Note, &created, &x.EndedBy); err != nil {
			return err
		}
		x.StartsAt, x.EndsAt, x.CreatedAt = instant(starts), instant(ends), instant(created)
		list = append(list, x)
		return json.Unmarshal(matchers, &list[len(list)-1].Matchers)
	})
	return list, err
}

// Silences returns those that hold something back now or will, then those that are over, each newest first. The limit is
// between 1 and 500; 0 or less stands for 50. Those that are over are kept for the store's retention.
func (s *Store) Silences(ctx context.Context, limit int) (list []dlq.Silence, err error) {
	now := s.now().UnixMilli()
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = silencesWhere(ctx, q, "ORDER BY ends>? DESC, created DESC, rowid DESC LIMIT ?", now, pageSize(limit))
		return err
	})
	return orEmpty(list), err
}

// maxSilences is how many silences may be in force or still to come: as many as one call of Silences returns, so that
// whoever asks for all of them gets all.
const maxSilences = maxPage

// AddSilence stores a new silence. A zero CreatedAt is now. The error is CodeInvalid when it matches nothing or ends
// before it starts, CodeConflict when its ID was used before, and CodeRefused when 500 others are not over yet.
func (s *Store) AddSilence(ctx context.Context, x dlq.Silence) error {
	switch {
	case x.ID == "":
		return dlq.Errorf(dlq.CodeInvalid, "the silence has no id")
	case len(x.Matchers) == 0:
		return dlq.Errorf(dlq.CodeInvalid, "a silence must name at least one label").
			WithHint("to hold back everything, name all severities")
	case !x.EndsAt.After(x.StartsAt):
		return dlq.Errorf(dlq.CodeInvalid, "the silence must end after it starts")
	}
	matchers, err := jsonText(x.Matchers)
	if err != nil {
		return err
	}
	return s.do(ctx, lanePeople, func(t *tx) error {
		var active int
		err := each(context.Background(), t, "SELECT count(*) FROM silence WHERE ends>?", []any{t.now}, func(rows *sql.Rows) error { return rows.Scan(&active) })
		if err != nil {
			return err
		}
		if active >= maxSilences {
			return dlq.Errorf(dlq.CodeRefused, "there are %d silences already", active).WithHint("end some, or make one that matches more")
		}
		created := x.CreatedAt
		if created.IsZero() {
			created = t.at
		}
		n, err := t.exec("INSERT INTO silence("+silenceColumns+") VALUES(?,?,?,?,?,?,?,'') ON CONFLICT DO NOTHING",
			x.ID, matchers, x.StartsAt.UnixMilli(), x.EndsAt.UnixMilli(), x.Author, x.Note, created.UnixMilli())
		if err == nil && n == 0 {
			err = dlq.Errorf(dlq.CodeConflict, "the silence %s was stored before", x.ID)
		}
		return err
	})
}

// EndSilence ends a silence now and returns it. One that was still to start never does. The error is CodeNotFound when
// there is none, and CodeConflict, with the silence, when it is over already.
func (s *Store) EndSilence(ctx context.Context, id, actor string) (x dlq.Silence, err error) {
	err = s.do(ctx, lanePeople, func(t *tx) error {
		list, err := silencesWhere(context.Background(), t, "WHERE id=?", id)
		switch {
		case err != nil:
			return err
		case len(list) == 0:
			return dlq.Errorf(dlq.CodeNotFound, "there is no silence %q", id)
		}
		if x = list[0]; !x.EndsAt.After(t.at) {
			return dlq.Errorf(dlq.CodeConflict, "the silence is over already")
		}
		if x.EndsAt, x.EndedBy = t.at, actor; x.StartsAt.After(t.at) {
			x.StartsAt = t.at
		}
		_, err = t.exec("UPDATE silence SET starts=?, ends=?, ended_by=? WHERE id=?", x.StartsAt.UnixMilli(), x.EndsAt.UnixMilli(), actor, id)
		return err
	})
	return x, err
}
