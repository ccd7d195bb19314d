package store

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// window gives some filters a window of arrival, of whole hours or not.
func (o *office) window(f *dlq.Filter) {
	some := func() *time.Time {
		at := newClock().t.Add(time.Duration(o.rnd.Int64N(int64(o.clock.now().Sub(newClock().t) + time.Hour))))
		if o.rnd.IntN(2) == 0 {
			at = at.Truncate(time.Hour)
		}
		return &at
	}
	if o.rnd.IntN(3) == 0 {
		f.ArrivedAfter = some()
	}
	if o.rnd.IntN(3) == 0 {
		f.ArrivedBefore = some()
	}
}

func windowed(f *dlq.Filter) bool { return f.ArrivedAfter != nil || f.ArrivedBefore != nil }

// deathsIn counts the arrivals in the window of a filter.
func deathsIn(f *dlq.Filter, arrivals []time.Time) (n int64) {
	for _, at := range arrivals {
		if (f.ArrivedAfter == nil || !at.Before(*f.ArrivedAfter)) && (f.ArrivedBefore == nil || at.Before(*f.ArrivedBefore)) {
			n++
		}
	}
	return n
}

// arrivalsOf returns when the deaths of each letter were read.
func (s *Store) arrivalsOf(t testing.TB) map[int64][]time.Time {
	t.Helper()
	byLetter := map[int64][]time.Time{}
	err := s.read(context.Background(), func(ctx context.Context, q querier) error {
		return each(ctx, q, "SELECT letter, arrived FROM death", nil, func(rows *sql.Rows) error {
			var letter, arrived int64
			err := rows.Scan(&letter, &arrived)
			byLetter[letter] = append(byLetter[letter], instant(arrived))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return byLetter
}

// checkBars compares the number of deaths of each of the last 24 hours with what the list of that hour says and with what
// the deaths say.
func (s *Store) checkBars(t testing.TB) {
	t.Helper()
	sum, err := s.Summary(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	arrivals := s.arrivalsOf(t)
	end := s.now().UTC().Truncate(time.Hour).Add(time.Hour)
	for i, bar := range sum.ArrivedHours {
		before := end.Add(time.Duration(i-hoursShown+1) * time.Hour)
		after := before.Add(-time.Hour)
		f := dlq.Filter{ArrivedAfter: &after, ArrivedBefore: &before}
		p := list(t, s, f)
		var deaths, letters int64
		for _, at := range arrivals {
			n := deathsIn(&f, at)
			deaths += n
			letters += min(n, 1)
		}
		if bar != deaths || *p.Deaths != (dlq.Count{Count: bar, Exact: true}) || p.Total != (dlq.Count{Count: letters, Exact: true}) {
			t.Fatalf("the bar of %v says %d, its list %d deaths of %d letters; there are %d of %d", after, bar, p.Deaths.Count, p.Total.Count, deaths, letters)
		}
	}
}

// A letter that dies in one hour and again in the next stands in the lists of both, a letter that is deleted takes its deaths
// from the bars, and the lists are the same in a file of before the counts knew which deaths they count.
func TestABarOpensItsDeaths(t *testing.T) {
	clock := newClock()
	s := open(t, Options{Now: clock.now, Retention: time.Hour})
	b := batchOf("pay", 0, 6)
	admit(t, s, b)
	s.checkBars(t)
	first := clock.now().Truncate(time.Hour)
	clock.add(time.Hour)
	again := batchOf("pay", 6, 9)
	for i := range again.Arrivals {
		claim(t, s, int64(i+1), dlq.Replay{ID: string(rune('a' + i)), ConsumerGroup: "pay"})
		again.Arrivals[i].Join = &dlq.Join{LetterID: int64(i + 1), ReplayID: string(rune('a' + i))}
	}
	admit(t, s, again)
	s.checkBars(t)
	in := func(hours int) dlq.Filter {
		after, before := first.Add(time.Duration(hours)*time.Hour), first.Add(time.Duration(hours+1)*time.Hour)
		return dlq.Filter{ArrivedAfter: &after, ArrivedBefore: &before}
	}
	for hours, want := range []int{6, 3, 0} {
		if p := list(t, s, in(hours)); len(p.Items) != want || p.Deaths.Count != int64(want) {
			t.Errorf("hour %d: %d letters, %d deaths, want %d of both", hours, len(p.Items), p.Deaths.Count, want)
		}
	}
	narrow := in(0)
	narrow.Query = "UK"
	if p := list(t, s, narrow); p.Deaths != nil {
		t.Errorf("deaths under a text: %+v", p.Deaths)
	}
	apply(t, s, dlq.Change{LetterID: 6, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	clock.add(2 * time.Hour)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.checkBars(t)
	for hours, want := range []int{4, 2, 0} {
		if p := list(t, s, in(hours)); len(p.Items) != want || p.Deaths.Count != int64(want) {
			t.Errorf("hour %d after the sweep: %d letters, %d deaths, want %d of both", hours, len(p.Items), p.Deaths.Count, want)
		}
	}
}

// A window with more deaths than a page looks at is walked, and its list is whole nevertheless.
func TestAWindowOfManyDeaths(t *testing.T) {
	clock := newClock()
	s := open(t, Options{Now: clock.now})
	many(t, s, examineCap+4000)
	clock.add(time.Hour)
	admit(t, s, batchOf("later", 0, 5))
	after := clock.now().Add(-90 * time.Minute)
	before := after.Add(time.Hour)
	f := dlq.Filter{ArrivedAfter: &after, ArrivedBefore: &before}
	n := 0
	var examined bool
	for cursor := ""; ; {
		p, err := s.Letters(t.Context(), f, cursor, 500)
		if err != nil {
			t.Fatal(err)
		}
		n += len(p.Items)
		examined = examined || p.Examined > 0
		if p.Deaths == nil || p.Deaths.Exact || p.Deaths.Count != examineCap {
			t.Fatalf("deaths %+v", p.Deaths)
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if n != examineCap+4000 || examined {
		t.Errorf("%d letters, cut short: %v", n, examined)
	}
	hour := clock.now().Truncate(time.Hour)
	start := hour.Add(-time.Hour)
	if p := list(t, s, dlq.Filter{ArrivedAfter: &start, ArrivedBefore: &hour}); *p.Deaths != (dlq.Count{Count: examineCap + 4000, Exact: true}) {
		t.Errorf("deaths of the whole hour: %+v", p.Deaths)
	}
	if p := list(t, s, dlq.Filter{ArrivedAfter: &hour}); len(p.Items) != 5 || *p.Deaths != (dlq.Count{Count: 5, Exact: true}) {
		t.Errorf("the hour after: %d letters, %+v", len(p.Items), p.Deaths)
	}
}
