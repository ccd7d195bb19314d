package store

import (
	"context"
	"database/sql"
	"slices"

	"deadletteroffice/dlq"
)

// Facets of a filter that tally cannot count look at so many letters at most, the newest: of each tab, and of all that
// full text finds.
const (
	facetCap     = 10000
	facetTextCap = 4000
)

// asOne are the columns of tally, of a letter.
const asOne = "l.cluster, l.consumer_group, l.topic, l.reason, l.origin, l.rule, l.route, l.severity, l.state"

// sampled are letters counted as tally counts them. bent says that a cap was reached.
type sampled struct {
	rows []tallyRow
	bent bool
}

func (a *sampled) take(rows *sql.Rows) error {
	var r tallyRow
	err := rows.Scan(append(r.targets(), &r.n)...)
	a.rows = append(a.rows, r)
	return err
}

// walkFacets counts by looking at letters: once under the whole filter, which tells the tabs and every field that is not
// filtered by, and once more for each field that is, without its own filter.
func (s *Store) walkFacets(ctx context.Context, f dlq.Filter) (dlq.Facets, error) {
	var counts [dimCount]map[int64]int64
	for i := range counts {
		counts[i] = map[int64]int64{}
	}
	out := dlq.Facets{Tabs: map[dlq.Tab]int64{}, Exact: true}
	for _, t := range dlq.Tabs {
		out.Tabs[t] = 0
	}
	whole := s.mem.compile(&f)
	inState := whole.inStates()
	everywhere := f
	everywhere.Tab, everywhere.States = "", nil
	look := func(f dlq.Filter, each func(*tallyRow)) error {
		found, err := s.sample(ctx, f)
		out.Exact = out.Exact && !found.bent
		for i := range found.rows {
			each(&found.rows[i])
		}
		return err
	}
	err := look(everywhere, func(r *tallyRow) {
		out.Tabs[dlq.States[r.state].Tab()] += r.n
		for i, d := range dimensions {
			if inState[r.state] && len(d.wanted(&f)) == 0 {
				counts[i][r.dims[i]] += r.n
			}
		}
	})
	for i, d := range dimensions {
		if err != nil || !facetDims[i] || len(d.wanted(&f)) == 0 {
			continue
		}
		without := f
		d.clear(&without)
		err = look(without, func(r *tallyRow) { counts[i][r.dims[i]] += r.n })
	}
	if err != nil {
		return dlq.Facets{}, err
	}
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	s.mem.fillFacets(&out, counts)
	if !out.Exact {
		out.Examined = facetCap
		if whole.text != "" {
			out.Examined = facetTextCap
		}
	}
	return out, nil
}

// sample counts the letters of a filter, the newest ones where there are very many.
func (s *Store) sample(ctx context.Context, f dlq.Filter) (a sampled, err error) {
	w := s.mem.compile(&f)
	if w.none {
		return a, nil
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		if w.text != "" {
			return s.sampleText(ctx, q, w, &a)
		}
		for _, tab := range w.tabs { // one after the other: only within a tab an index has letters in their order
			one := *w
			one.tabs = []int64{tab}
			if err := s.sampleTab(ctx, q, &one, &a); err != nil {
				return err
			}
		}
		return nil
	})
	return a, err
}

func (s *Store) sampleTab(ctx context.Context, q querier, w *wish, a *sampled) error {
	k, _ := s.mem.plan(w, facetCap)
	if err := s.narrow(ctx, q, w, k); err != nil {
		return err
	}
	query, args := k.query("seq", false, " ORDER BY seq DESC LIMIT 1 OFFSET ?", facetCap)
	err := each(ctx, q, query, args, func(rows *sql.Rows) error {
		var low int64
		err := rows.Scan(&low)
		a.bent, k.from = true, low+1
		return err
	})
	if err != nil {
		return err
	}
	query, args = k.query(asOne+", count(*)", true, " GROUP BY "+asOne)
	return each(ctx, q, query, args, a.take)
}

func (s *Store) sampleText(ctx context.Context, q querier, w *wish, a *sampled) error {
	sg := &searching{q: q, w: w, k: &walk{}, phrase: parseQuery(w.text), rest: w.conditions("")}
	if err := s.narrow(ctx, q, w, sg.k); err != nil {
		return err
	}
	if len(w.tabs) < len(dlq.Tabs) {
		sg.rest.in("+l.tab", w.tabs)
	}
	var err error
	if sg.exact, err = s.exactly(ctx, sg); err != nil {
		return err
	}
	hits := slices.Clone(sg.exact)
	if sg.phrase.match != "" && sg.phrase.tokens <= maxTokens {
		n, low, err := sg.candidates(ctx, facetTextCap)
		if err != nil {
			return err
		}
		if n < facetTextCap {
			low = sg.k.from
		}
		a.bent = n == facetTextCap
		some, err := sg.inRange(ctx, low)
		if err != nil {
			return err
		}
		if len(sg.phrase.needles) > 0 {
			kept, ended, err := sg.verify(ctx, some, maxVerified, facetTextCap)
			if err != nil {
				return err
			}
			some, a.bent = kept, a.bent || ended > 0
		}
		hits = append(hits, some...)
	}
	ids := make([]int64, len(hits))
	for i, h := range hits {
		ids[i] = h.id
	}
	slices.Sort(ids)
	return inChunks(anys(slices.Compact(ids)), func(part []any) error {
		return each(ctx, q, "SELECT "+asOne+", count(*) FROM letter l WHERE l.id IN ("+marks(len(part))+") GROUP BY "+asOne, part, a.take)
	})
}
