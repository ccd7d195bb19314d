package store

import (
	"context"
	"database/sql"
	"math"
	"time"

	"deadletteroffice/dlq"
)

// A window of arrival asks for letters of which a death was read in it, be it the newest or an earlier one.

const hourMillis = int64(time.Hour / time.Millisecond)

// windowed reports whether a window of arrival is asked for.
func (w *wish) windowed() bool { return w.arrivedAfter != nil || w.arrivedBefore != nil }

// arrivedIn is the condition that a row d of death arrived in the window.
func (w *wish) arrivedIn() (c cond) {
	if w.arrivedAfter != nil {
		c.and("d.arrived>=?", *w.arrivedAfter)
	}
	if w.arrivedBefore != nil {
		c.and("d.arrived<?", *w.arrivedBefore)
	}
	return c
}

// deathRange returns the ids between which the deaths of the window lie; last is below first when there are none. It is a wider
// range: each death is still tested for its time. Counts by hour are kept for a time only, and before them lies the rest.
func (w *wish) deathRange(ctx context.Context, q querier) (first, last int64, err error) {
	after, before := int64(math.MinInt64), int64(math.MaxInt64)
	if w.arrivedAfter != nil {
		after = floorHour(*w.arrivedAfter)
	}
	if w.arrivedBefore != nil {
		before = floorHour(*w.arrivedBefore - 1)
	}
	var kept, from, to sql.NullInt64
	query := "SELECT (SELECT min(hour) FROM hour), min(first), max(last) FROM hour WHERE hour BETWEEN ? AND ? AND last>0"
	err = each(ctx, q, query, []any{after, before}, func(rows *sql.Rows) error { return rows.Scan(&kept, &from, &to) })
	if err != nil {
		return 0, 0, err
	}
	first, last = from.Int64, to.Int64
	if !to.Valid {
		first, last = 1, 0
	}
	if kept.Valid && after < kept.Int64 {
		first = 1
		if !to.Valid {
			err = each(ctx, q, "SELECT min(first)-1 FROM hour WHERE last>0", nil, func(rows *sql.Rows) error { return rows.Scan(&to) })
			last = to.Int64
		}
	}
	return first, last, err
}

// narrowArrivals leads the walk to the letters through the deaths of the window where these are few enough to be looked at
// all, else leaves it to test each letter.
func (w *wish) narrowArrivals(ctx context.Context, q querier, k *walk) error {
	first, last, err := w.deathRange(ctx, q)
	if err != nil {
		return err
	}
	k.deaths = [2]int64{first, last}
	k.from = max(k.from, first) // a letter's seq is its newest death
	if last-first >= examineCap {
		k.candidates = -1
		return nil
	}
	in := w.arrivedIn()
	k.index, k.settled, k.candidates = "", cond{}, 0
	k.settled.in("+l.tab", w.tabs)
	k.settled.and("l.id IN (SELECT d.letter FROM death d WHERE d.id BETWEEN ? AND ? AND "+in.text+")", append([]any{first, last}, in.args...)...)
	k.rest = w.conditions("arrived")
	return nil
}

// countDeaths counts the deaths in the window of the letters that the wish takes. Whole hours of all letters are counted by the
// store as they arrive; else the newest 20 000 deaths of the window are looked at.
func (w *wish) countDeaths(ctx context.Context, q querier, k *walk) (n dlq.Count, err error) {
	n.Exact = true
	if w.wholeHours() {
		var counted sql.NullBool
		query := "SELECT coalesce(sum(n-gone), 0), (SELECT min(hour)<=? FROM hour) FROM hour WHERE hour>=? AND hour<?"
		after, before := *w.arrivedAfter/hourMillis, *w.arrivedBefore/hourMillis
		err := each(ctx, q, query, []any{after, after, before}, func(rows *sql.Rows) error { return rows.Scan(&n.Count, &counted) })
		if err != nil || counted.Bool {
			return n, err
		}
	}
	first, last := k.deaths[0], k.deaths[1]
	if last-first >= examineCap {
		first, n.Exact = last-examineCap+1, false
	}
	c := cond{"d.id BETWEEN ? AND ?", []any{first, last}}
	in := w.arrivedIn()
	c.and(in.text, in.args...)
	c.in("+l.tab", w.tabs)
	if rest := w.conditions("arrived"); rest.text != "" {
		c.and(rest.text, rest.args...)
	}
	return n, each(ctx, q, "SELECT count(*) FROM death d CROSS JOIN letter l ON l.id=d.letter WHERE "+c.text, c.args,
		func(rows *sql.Rows) error { return rows.Scan(&n.Count) })
}

// wholeHours reports whether the wish is a window of whole hours and nothing else.
func (w *wish) wholeHours() bool {
	return w.arrivedAfter != nil && w.arrivedBefore != nil && *w.arrivedAfter%hourMillis == 0 && *w.arrivedBefore%hourMillis == 0 &&
		len(w.tabs) == len(dlq.Tabs) && w.conditions("arrived").text == ""
}

// goneByHour notes that the deaths of a letter that is to be deleted are not here any more.
func (t *tx) goneByHour(letter int64) error {
	return each(context.Background(), t, "SELECT arrived FROM death WHERE letter=?", []any{letter}, func(rows *sql.Rows) error {
		var arrived int64
		err := rows.Scan(&arrived)
		t.gone[floorHour(arrived)]++
		return err
	})
}

// hourCount is what one hour brought of one consumer group and rule.
type hourCount struct{ n, first, last int64 }

// arrivedNow counts the newest death.
func (t *tx) arrivedNow(r *row) {
	key := hourKey{floorHour(t.now), r.group, r.rule}
	have, ok := t.hours[key]
	if !ok {
		have.first = t.death
	}
	t.hours[key] = hourCount{have.n + 1, have.first, t.death}
}

// flushHours writes the counts by hour.
func (t *tx) flushHours() error {
	for k, c := range t.hours {
		_, err := t.exec(`INSERT INTO hour(hour, consumer_group, rule, n, first, last, gone) VALUES(?,?,?,?,?,?,0)
			ON CONFLICT DO UPDATE SET n=n+excluded.n, first=CASE last WHEN 0 THEN excluded.first ELSE first END, last=excluded.last`,
			k.hour, k.group, k.rule, c.n, c.first, c.last)
		if err != nil {
			return err
		}
	}
	for hour, n := range t.gone {
		if _, err := t.exec(`INSERT INTO hour(hour, consumer_group, rule, n, first, last, gone)
			VALUES(?,0,0,0,0,0,?)
			ON CONFLICT DO UPDATE SET gone=gone+excluded.gone`, hour, n); err != nil {
			return err
		}
	}
	return nil
}
