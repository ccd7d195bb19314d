package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"deadletteroffice/dlq"
)

// Limits of lists.
const (
	defaultPage = 50
	maxPage     = 500
	examineCap  = 20000 // letters that one page may look at
	countCap    = 10000 // counts that are not known exactly stop here
	maxValues   = 50    // values of one IN list before seq
)

// walk is a way through the letters from the newest down: an index that ends in seq, what it settles, and what is left
// to be tested on each letter. The store chooses the index, because SQLite without statistics, and at times with them,
// takes one that makes it examine everything.
type walk struct {
	index      string // "": through the deaths of a window of arrival
	settled    cond
	rest       cond
	candidates int64    // how many letters the index leads to at most; -1 when that is not known
	from, to   int64    // seq, to without it
	deaths     [2]int64 // ids of the first and the last death of a window of arrival, and more between them
}

// Letters returns a page of the letters that a filter chooses, newest death first. The cursor is "" for the first page,
// then Page.Next of the page before, with the same filter; any other is CodeInvalid. The limit is between 1 and 500; 0
// or less stands for 50.
//
// Where no index leads to the letters straight away, a page looks at 20 000 of the newest at most; then Page.Examined says so
// and Page.Next goes on below them, even when the page is empty. The total is exact where the store keeps a count, else it
// stops at 10 000, and of a text's at what the newest 4 000 that hold it have.
func (s *Store) Letters(ctx context.Context, f dlq.Filter, after string, limit int) (dlq.Page, error) {
	page := dlq.Page{Items: []dlq.Letter{}}
	at, err := readCursor(after, &f)
	if err != nil {
		return page, err
	}
	limit = pageSize(limit)
	w := s.mem.compile(&f)
	if w.text != "" {
		s.mem.mu.RLock()
		page.SearchLag = s.mem.lag()
		s.mem.mu.RUnlock()
	}
	if w.windowed() && w.text == "" {
		page.Deaths = &dlq.Count{Exact: true}
	}
	if w.none {
		page.Total.Exact = true
		return page, nil
	}
	k, matches := s.mem.plan(w, int64(limit))
	if matches == 0 {
		page.Total.Exact = true
		return page, nil
	}
	first := at.seq == 0
	if w.counted {
		at.total = dlq.Count{Count: matches, Exact: true}
	}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		if err := s.narrow(ctx, q, w, k); err != nil {
			return err
		}
		if !first {
			k.to = min(k.to, at.seq)
		}
		found := &found{limit: limit, counting: first && !w.counted}
		var err error
		if w.text != "" {
			err = s.search(ctx, q, w, k, found)
		} else {
			err = k.page(ctx, q, found)
		}
		if err != nil {
			return err
		}
		if found.counting {
			at.total = found.total
			if page.Deaths != nil {
				n, err := w.countDeaths(ctx, q, k)
				if err != nil {
					return err
				}
				at.deaths = &n
			}
		}
		rows, err := rowsByID(ctx, q, found.ids)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(b.seq, a.seq) })
		page.Items = s.mem.nouns(rows)
		page.Examined = found.examined
		if found.next > 0 {
			page.Next = cursor{found.next, at.total, at.deaths}.text(&f)
		}
		return nil
	})
	page.Total, page.Deaths = at.total, at.deaths
	return page, err
}

// found is what a page collects.
type found struct {
	limit    int
	counting bool // the total is wanted too
	ids      []int64
	next     int64 // seq below which the next page begins; 0 at the end
	examined int
	total    dlq.Count
}

// plan chooses the way with the least work, and returns how many letters match as far as tally can tell: exactly for a
// wish that it counts, else at most.
func (m *memory) plan(w *wish, limit int64) (*walk, int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	inState := w.inStates()
	var inTabs, matches int64
	for code, n := range m.tally.states {
		if slices.Contains(w.tabs, tabOf(int64(code))) {
			inTabs += n
		}
		if inState[code] {
			matches += n
		}
	}
	filtered := slices.ContainsFunc(w.dims[:], func(values []int64) bool { return values != nil })
	var values [dimCount]map[int64]bool
	if filtered {
		matches, values = m.matching(w, inState)
	}
	if k := w.sureWalk(); k != nil {
		return k, matches
	}
	best := &walk{index: "letter_tab", candidates: inTabs}
	best.settled.in("tab", w.tabs)
	best.rest = w.conditions("")
	cost := w.cost(inTabs, matches, limit, 1)
	if !filtered || matches == 0 || cost <= 4*limit {
		return best, matches
	}
	candidates := m.candidates(w, values)
	for i, d := range dimensions {
		if d.index == "" || len(values[i]) > maxValues {
			continue
		}
		if c := w.cost(candidates[i], matches, limit, int64(len(values[i]))); c < cost {
			cost = c
			best = &walk{index: d.index, candidates: candidates[i]}
			best.settled.in(d.column, keysOf(values[i]))
			best.settled.in("tab", w.tabs)
			best.rest = w.conditions(d.column)
		}
	}
	return best, matches
}

// matching counts what matches, and collects the values that it has in the dimensions with an index, some more than
// maxValues of each at most.
func (m *memory) matching(w *wish, inState [stateCount]bool) (matches int64, values [dimCount]map[int64]bool) {
	for i := range values {
		values[i] = map[int64]bool{}
	}
	for r := range m.tally.rows {
		k := &m.tally.rows[r]
		if !inState[k.state] || !w.inDims(&k.tallyKey) {
			continue
		}
		matches += k.n
		for i, d := range dimensions {
			if d.index != "" && len(values[i]) <= maxValues {
				values[i][k.dims[i]] = true
			}
		}
	}
	return matches, values
}

// candidates counts the letters of the wish's tabs to which the values of each dimension lead.
func (m *memory) candidates(w *wish, values [dimCount]map[int64]bool) (candidates [dimCount]int64) {
	var inTab [stateCount]bool
	for code := range inTab {
		inTab[code] = slices.Contains(w.tabs, tabOf(int64(code)))
	}
	for r := range m.tally.rows {
		k := &m.tally.rows[r]
		if !inTab[k.state] {
			continue
		}
		for i, d := range dimensions {
			if d.index != "" && len(values[i]) <= maxValues && values[i][k.dims[i]] {
				candidates[i] += k.n
			}
		}
	}
	return candidates
}

// cost estimates how many index entries a page looks at: for each combination of values before seq about a page, and as
// many more as do not match.
func (w *wish) cost(candidates, matches, limit, values int64) int64 {
	walked := candidates
	if matches > 0 {
		walked = min(candidates, limit*candidates/matches)
	}
	return walked + limit*values*int64(len(w.tabs))
}

// sureWalk returns the way by an index that leads to few letters whatever tally says; nil for none.
func (w *wish) sureWalk() *walk {
	k := &walk{candidates: -1}
	switch {
	case w.fingerprints != nil && len(w.fingerprints) <= maxValues:
		k.index = "letter_fingerprint"
		k.settled.in("fingerprint", w.fingerprints)
		k.rest = w.conditions("fingerprint")
	case w.owners != nil && w.owners[0] != 0 && len(w.owners) <= maxValues:
		k.index = "letter_owner"
		k.settled.and("owner<>0")
		k.settled.in("owner", w.owners)
		k.rest = w.conditions("owner")
	case w.flags != 0:
		k.index = "letter_flags"
		k.settled.and("flags<>0")
		k.rest = w.conditions("")
	default:
		return nil
	}
	k.settled.in("tab", w.tabs)
	return k
}

func keysOf(set map[int64]bool) []int64 {
	keys := make([]int64, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// narrow turns windows of time into a range of seq. It is a wider range: each letter is still tested for its time.
func (s *Store) narrow(ctx context.Context, q querier, w *wish, k *walk) error {
	k.from, k.to = 1, 1<<62
	if err := s.narrowDied(ctx, q, w, k); err != nil || !w.windowed() {
		return err
	}
	return w.narrowArrivals(ctx, q, k)
}

func (s *Store) narrowDied(ctx context.Context, q querier, w *wish, k *walk) error {
	if w.diedAfter == nil && w.diedBefore == nil {
		return nil
	}
	after, before := int64(-1<<40), int64(1<<40)
	if w.diedAfter != nil {
		after = floorHour(*w.diedAfter)
	}
	if w.diedBefore != nil {
		before = floorHour(*w.diedBefore)
	}
	var first, last sql.NullInt64
	err := each(ctx, q, "SELECT min(first), max(last) FROM span WHERE hour BETWEEN ? AND ?", []any{after, before}, func(rows *sql.Rows) error {
		return rows.Scan(&first, &last)
	})
	k.from, k.to = first.Int64, last.Int64+1 // no hour: nothing died then, and the range is empty
	k.candidates = -1
	return err
}

// query builds SELECT what FROM letter over the walk's range.
func (k *walk) query(what string, withRest bool, tail string, args ...any) (string, []any) {
	c := cond{k.settled.text, slices.Clone(k.settled.args)}
	c.and("seq<?", k.to)
	c.and("seq>=?", k.from)
	if withRest && k.rest.text != "" {
		c.and(k.rest.text, k.rest.args...)
	}
	from := " FROM letter l"
	if k.index != "" {
		from += " INDEXED BY " + k.index
	}
	return "SELECT " + what + from + " WHERE " + c.text + tail, append(c.args, args...)
}

// nearPages is how many pages' worth of letters are looked at before all that a page may look at: most filters that
// match anything match there, and finding the bound of a range costs as much as walking it.
const nearPages = 20

// page collects the newest letters of the walk.
func (k *walk) page(ctx context.Context, q querier, f *found) error {
	from := k.from
	var last int64
	var more, bounded bool
	var err error
	for _, reach := range []int{nearPages * f.limit, examineCap} {
		k.from, f.ids = from, f.ids[:0]
		if bounded, err = k.bound(ctx, q, reach); err != nil {
			return err
		}
		if last, more, err = k.newest(ctx, q, f); err != nil {
			return err
		}
		if more || !bounded {
			break
		}
	}
	switch {
	case more:
		f.next = last
	case bounded:
		f.next, f.examined = k.from, examineCap
	}
	if !f.counting {
		return nil
	}
	k.from = from
	if bounded, err = k.bound(ctx, q, examineCap); err != nil {
		return err
	}
	query, args := k.query("1", true, " LIMIT ?", countCap+1)
	var n int64
	err = each(ctx, q, "SELECT count(*) FROM ("+query+")", args, func(rows *sql.Rows) error { return rows.Scan(&n) })
	f.total = dlq.Count{Count: min(n, countCap), Exact: n <= countCap && !bounded}
	return err
}

// newest collects the letters of a page; last is the seq of its last one, and more says whether others follow it.
func (k *walk) newest(ctx context.Context, q querier, f *found) (last int64, more bool, err error) {
	query, args := k.query("id, seq", true, " ORDER BY seq DESC LIMIT ?", f.limit+1)
	err = each(ctx, q, query, args, func(rows *sql.Rows) error {
		var id, seq int64
		err := rows.Scan(&id, &seq)
		if more = len(f.ids) == f.limit; !more {
			f.ids, last = append(f.ids, id), seq
		}
		return err
	})
	return last, more, err
}

// bound raises the lower end of the range so that at most reach letters are looked at; false when there are fewer.
func (k *walk) bound(ctx context.Context, q querier, reach int) (bounded bool, err error) {
	if k.rest.text == "" || k.candidates >= 0 && k.candidates <= int64(reach) {
		return false, nil
	}
	query, args := k.query("seq", false, " ORDER BY seq DESC LIMIT 1 OFFSET ?", reach-1)
	var low int64
	err = each(ctx, q, query, args, func(rows *sql.Rows) error { return rows.Scan(&low) })
	if err != nil || low <= k.from {
		return false, err
	}
	k.from = low
	return true, nil
}
