package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"

	"deadletteroffice/dlq"
)

// Limits of one page of a search.
const (
	maxExact    = 200  // letters that are found by an id or key as a whole
	maxVerified = 2000 // texts that are read to see whether words stand together
	verifyBatch = 50
)

// hit is a letter that a search found.
type hit struct{ id, seq int64 }

// searching is one page of a search under way.
type searching struct {
	q      querier
	w      *wish
	k      *walk
	phrase phrase
	exact  []hit // found by an id or key as a whole, newest first; full text may not know them yet
	rest   cond  // what else the filter asks
}

// search collects the newest letters that hold all words of the query, or of which one id or key is the query as a whole.
func (s *Store) search(ctx context.Context, q querier, w *wish, k *walk, f *found) error {
	sg := &searching{q: q, w: w, k: k, phrase: parseQuery(w.text), rest: w.conditions("")}
	if len(w.tabs) < len(dlq.Tabs) {
		sg.rest.in("+l.tab", w.tabs)
	}
	if sg.phrase.tokens > maxTokens {
		return dlq.Errorf(dlq.CodeInvalid, "the search has too many words").WithHint("search for fewer words, or for a part of the sentence")
	}
	var err error
	if sg.exact, err = s.exactly(ctx, sg); err != nil {
		return err
	}
	top := k.to
	hits, low, examined, err := sg.collect(ctx, f)
	if err != nil {
		return err
	}
	for i, h := range hits {
		if i == f.limit {
			f.next = hits[i-1].seq
			break
		}
		f.ids = append(f.ids, h.id)
	}
	if f.next == 0 && low > 0 {
		f.next, f.examined = low, examined
	}
	if !f.counting {
		return nil
	}
	k.to = top
	f.total, err = sg.count(ctx, hits, f)
	return err
}

// exactly returns the letters whose id, message ids, UNIQ_KEY or one of the KEYS is the query.
func (s *Store) exactly(ctx context.Context, sg *searching) ([]hit, error) {
	s.mem.mu.RLock()
	last := s.mem.letter
	s.mem.mu.RUnlock()
	text := strings.Trim(sg.w.text, `"`) // quotes say that it is text, whatever it looks like
	rows, err := lettersByKey(ctx, sg.q, last, text, maxExact)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r *row) bool {
		return text != r.messageID && text != r.originID && text != r.uniqueKey && !slices.Contains(firstKeys(r.keys), text)
	})
	ids := cond{}
	for _, r := range rows {
		ids.and("?", r.id)
	}
	args := ids.args
	if id := letterIDOf(text); id > 0 {
		args = append(args, id)
	}
	if len(args) == 0 {
		return nil, nil
	}
	c := cond{"l.id IN (" + marks(len(args)) + ")", args}
	c.and("l.seq<? AND l.seq>=?", sg.k.to, sg.k.from)
	if sg.rest.text != "" {
		c.and(sg.rest.text, sg.rest.args...)
	}
	return hitsOf(ctx, sg.q, "SELECT l.id, l.seq FROM letter l WHERE "+c.text+" ORDER BY l.seq DESC", c.args)
}

func hitsOf(ctx context.Context, q querier, query string, args []any) (hits []hit, err error) {
	err = each(ctx, q, query, args, func(rows *sql.Rows) error {
		var h hit
		err := rows.Scan(&h.id, &h.seq)
		hits = append(hits, h)
		return err
	})
	return hits, err
}

// collect returns more than a page of hits if there are so many. When a cap ended it, low is the seq below which the next
// page goes on, and examined how many letters were looked at.
func (sg *searching) collect(ctx context.Context, f *found) (hits []hit, low int64, examined int, err error) {
	budget := maxVerified
	for _, size := range []int{400, 3600, examineCap - 4000} {
		if sg.phrase.match == "" {
			break
		}
		n, down, err := sg.candidates(ctx, size)
		if err != nil {
			return nil, 0, 0, err
		}
		if n < size {
			down = sg.k.from
		}
		some, err := sg.inRange(ctx, down)
		if err != nil {
			return nil, 0, 0, err
		}
		if len(sg.phrase.needles) > 0 {
			kept, ended, err := sg.verify(ctx, some, budget, f.limit+1-len(hits))
			if err != nil {
				return nil, 0, 0, err
			}
			if ended > 0 {
				return sg.merge(append(hits, kept...), ended), ended, examined + maxVerified, nil
			}
			budget -= len(some)
			some = kept
		}
		hits = append(hits, some...)
		if n < size {
			break
		}
		examined += n
		sg.k.to = down
		if len(hits) > f.limit || examined >= examineCap {
			return sg.merge(hits, down), down, examined, nil
		}
	}
	return sg.merge(hits, 0), 0, 0, nil
}

// merge joins what was found as a whole, down to a seq, with what full text found.
func (sg *searching) merge(hits []hit, down int64) []hit {
	for _, h := range sg.exact {
		if h.seq >= down {
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(b.seq, a.seq) })
	return slices.Compact(hits)
}

// matching is the newest so many rows of full text in the range; it is what every query below begins with.
func (sg *searching) matching(limit int) (string, []any) {
	return "SELECT rowid AS seq FROM search WHERE search MATCH ? AND rowid<? AND rowid>=? ORDER BY rowid DESC LIMIT ?",
		[]any{sg.phrase.match, sg.k.to, sg.k.from, limit}
}

// candidates returns how many of the next so many rows there are and the lowest seq among them.
func (sg *searching) candidates(ctx context.Context, size int) (n int, low int64, err error) {
	query, args := sg.matching(size)
	err = each(ctx, sg.q, "SELECT count(*), coalesce(min(seq), 0) FROM ("+query+")", args, func(rows *sql.Rows) error { return rows.Scan(&n, &low) })
	return n, low, err
}

// inRange returns the candidates down to a seq that meet the rest of the filter.
func (sg *searching) inRange(ctx context.Context, down int64) ([]hit, error) {
	from := sg.k.from
	sg.k.from = down
	query, args := sg.matching(examineCap)
	sg.k.from = from
	query, args = sg.joined("l.id, c.seq", query, args)
	return hitsOf(ctx, sg.q, query+" ORDER BY c.seq DESC", args)
}

// joined leads from rows of full text to their letters. CROSS JOIN keeps the order of the tables as it is written.
func (sg *searching) joined(what, query string, args []any) (string, []any) {
	query = "SELECT " + what + " FROM (" + query + ") c CROSS JOIN death d ON d.id=c.seq CROSS JOIN letter l ON l.id=d.letter AND l.seq=c.seq"
	if sg.rest.text != "" {
		query += " WHERE " + sg.rest.text
		args = append(args, sg.rest.args...)
	}
	return query, args
}

// verify keeps the hits whose texts contain the needles, until there are enough. ended is the seq at which it stopped
// because the budget of texts was used up; 0 when it did not.
func (sg *searching) verify(ctx context.Context, hits []hit, budget, enough int) (kept []hit, ended int64, err error) {
	for part := range slices.Chunk(hits, verifyBatch) {
		if len(kept) >= enough {
			return kept, 0, nil
		}
		if budget -= len(part); budget < 0 {
			return kept, part[0].seq + 1, nil
		}
		args := make([]any, len(part))
		for i, h := range part {
			args[i] = h.id
		}
		good := map[int64]bool{}
		query := "SELECT l.id, " + searchedColumns + " FROM letter l JOIN body b ON b.letter=l.id WHERE l.id IN (" + marks(len(part)) + ")"
		err := each(ctx, sg.q, query, args, func(rows *sql.Rows) error {
			var id int64
			text, err := scanSearched(rows, &id)
			text = normal(text)
			good[id] = !slices.ContainsFunc(sg.phrase.needles, func(n string) bool { return !strings.Contains(text, n) })
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		for _, h := range part {
			if good[h.id] {
				kept = append(kept, h)
			}
		}
	}
	return kept, 0, nil
}

// count returns the total of a search: exact only where no cap bends it.
func (sg *searching) count(ctx context.Context, hits []hit, f *found) (dlq.Count, error) {
	whole := f.next == 0
	if whole || len(sg.phrase.needles) > 0 {
		return dlq.Count{Count: int64(min(len(hits), countCap)), Exact: whole}, nil
	}
	// No more are looked at than for the facets beside it.
	query, args := sg.matching(facetTextCap)
	filter := ""
	if sg.rest.text != "" {
		filter = " AND " + sg.rest.text
		args = append(args, sg.rest.args...)
	}
	query = "SELECT count(*), count(l.id) FROM (" + query + ") c CROSS JOIN death d ON d.id=c.seq LEFT JOIN letter l ON l.id=d.letter AND l.seq=c.seq" + filter
	var examined, n int64
	if err := each(ctx, sg.q, query, args, func(rows *sql.Rows) error { return rows.Scan(&examined, &n) }); err != nil {
		return dlq.Count{}, err
	}
	// What was found as a whole may be unknown to full text: a letter's own id always is, the rest while search lags.
	for _, h := range sg.exact {
		known := false
		err := each(ctx, sg.q, "SELECT 1 FROM search WHERE search MATCH ? AND rowid=?", []any{sg.phrase.match, h.seq}, func(*sql.Rows) error {
			known = true
			return nil
		})
		if err != nil {
			return dlq.Count{}, err
		}
		if !known {
			n++
		}
	}
	return dlq.Count{Count: n, Exact: examined < facetTextCap}, nil
}
