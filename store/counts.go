package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// maxFacets is how many values of one field Facets returns; the most frequent count.
const maxFacets = 200

// Facets counts the letters that a filter chooses by the fields that people filter by, each field under all filters but
// its own, and the tabs under all but tab and states. With a text, a time, flags, owners, fingerprints or outcomes letters
// are looked at, and where there are very many the newest alone: then the result is not exact, and Examined says how many
// of each tab, or of what the text finds. At most 200 values of a field are given.
func (s *Store) Facets(ctx context.Context, f dlq.Filter) (dlq.Facets, error) {
	w := s.mem.compile(&f)
	if !w.counted {
		return s.walkFacets(ctx, f)
	}
	tabs := map[dlq.Tab]int64{}
	for _, t := range dlq.Tabs {
		tabs[t] = 0
	}
	var counts [dimCount]map[int64]int64
	for i := range counts {
		counts[i] = map[int64]int64{}
	}
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	inState := w.inStates()
	for r := range s.mem.tally.rows {
		k := &s.mem.tally.rows[r]
		// A row that fails in two fields counts for none, one that fails in one field counts for that field alone.
		failed, misses := -1, 0
		for i := range k.dims {
			if !w.inDim(i, &k.tallyKey) {
				failed = i
				misses++
			}
		}
		if misses == 0 {
			tabs[dlq.States[k.state].Tab()] += k.n
		}
		if !inState[k.state] || misses > 1 {
			continue
		}
		for _, i := range []int{dimGroup, dimTopic, dimReason, dimRule, dimRoute} {
			if misses == 0 || failed == i {
				counts[i][k.dims[i]] += k.n
			}
		}
	}
	out := dlq.Facets{Tabs: tabs, Exact: true}
	s.mem.fillFacets(&out, counts)
	return out, nil
}

// facetDims are the dimensions that facets are given of.
var facetDims = [dimCount]bool{dimGroup: true, dimTopic: true, dimReason: true, dimRule: true, dimRoute: true}

// fillFacets sets the lists of facets from counts by dimension. The caller holds the lock.
func (m *memory) fillFacets(f *dlq.Facets, counts [dimCount]map[int64]int64) {
	f.ConsumerGroups, f.Topics, f.Reasons = m.facets(counts[dimGroup]), m.facets(counts[dimTopic]), m.facets(counts[dimReason])
	f.Rules, f.Routes = m.facets(counts[dimRule]), m.facets(counts[dimRoute])
}

// facets orders counts, most first. The caller holds the lock.
func (m *memory) facets(counts map[int64]int64) []dlq.Facet {
	list := make([]dlq.Facet, 0, len(counts))
	for id, n := range counts {
		list = append(list, dlq.Facet{Value: m.text(id), Count: n})
	}
	slices.SortFunc(list, func(a, b dlq.Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return list[:min(len(list), maxFacets)]
}

const hoursShown = 24

// Summary returns the state of the whole in one look. Unread and UnreadExpiresAt are not the store's to know and stay zero.
func (s *Store) Summary(ctx context.Context) (dlq.Summary, error) {
	sum := dlq.Summary{Tabs: map[dlq.Tab]int64{}, States: map[dlq.State]int64{}}
	for _, t := range dlq.Tabs {
		sum.Tabs[t] = 0
	}
	for _, st := range dlq.States {
		sum.States[st] = 0
	}
	s.mem.mu.RLock()
	for code, n := range s.mem.tally.states {
		state := dlq.States[code]
		sum.States[state] += n
		sum.Tabs[state.Tab()] += n
		sum.Letters += n
	}
	sum.Gaps, sum.SearchLag, sum.LastEvent = s.mem.gaps, s.mem.lag(), s.mem.event
	s.mem.mu.RUnlock()
	err := s.snapshot(ctx, func(ctx context.Context, q querier) error {
		var err error
		if sum.ArrivedHours, err = s.stillHere(ctx, q); err != nil {
			return err
		}
		for _, n := range sum.ArrivedHours {
			sum.Arrived24h += n
		}
		oldest, err := s.oldestOpen(ctx, q)
		for _, at := range oldest {
			if sum.OldestOpen == nil || at.Before(*sum.OldestOpen) {
				sum.OldestOpen = &at
			}
		}
		return err
	})
	return sum, err
}

// stillHere returns how many deaths of the last 24 hours are those of letters that are kept, in hours, oldest first; the last
// hour is the present one.
func (s *Store) stillHere(ctx context.Context, q querier) ([]int64, error) {
	since := floorHour(s.now().UnixMilli()) - hoursShown + 1
	hours := make([]int64, hoursShown)
	query := "SELECT hour, sum(n-gone) FROM hour WHERE hour BETWEEN ? AND ? GROUP BY hour"
	err := each(ctx, q, query, []any{since, since + hoursShown - 1}, func(rows *sql.Rows) error {
		var hour, n int64
		err := rows.Scan(&hour, &n)
		hours[hour-since] = n
		return err
	})
	return hours, err
}

// arrivals returns the arrivals of the last 24 hours by rule, in hours, oldest first; the last hour is the present one.
func (s *Store) arrivals(ctx context.Context, q querier) (map[int64][]int64, error) {
	since := floorHour(s.now().UnixMilli()) - hoursShown + 1
	byRule := map[int64][]int64{}
	err := each(ctx, q, "SELECT hour, rule, sum(n) FROM hour WHERE hour>=? AND n>0 GROUP BY hour, rule", []any{since}, func(rows *sql.Rows) error {
		var hour, rule, n int64
		if err := rows.Scan(&hour, &rule, &n); err != nil {
			return err
		}
		if byRule[rule] == nil {
			byRule[rule] = make([]int64, hoursShown)
		}
		if i := hour - since; i < hoursShown { // a clock that was set back leaves hours that are still to come
			byRule[rule][i] += n
		}
		return nil
	})
	return byRule, err
}

// groupInCluster names a consumer group by the words of it and of its cluster.
type groupInCluster struct{ cluster, group int64 }

// oldestOpen returns when the oldest open letter of each consumer group that has one died.
func (s *Store) oldestOpen(ctx context.Context, q querier) (map[groupInCluster]time.Time, error) {
	open := stateCode(dlq.StateOpen)
	groups := map[int64]int64{} // to cluster
	s.mem.mu.RLock()
	for _, k := range s.mem.tally.rows {
		if k.state == open {
			groups[k.dims[dimGroup]] = k.cluster
		}
	}
	s.mem.mu.RUnlock()
	oldest := map[groupInCluster]time.Time{}
	for group, cluster := range groups {
		query := "SELECT min(died) FROM letter INDEXED BY letter_open WHERE state=0 AND consumer_group=?"
		err := each(ctx, q, query, []any{group}, func(rows *sql.Rows) error {
			var died sql.NullInt64
			err := rows.Scan(&died)
			if died.Valid {
				oldest[groupInCluster{cluster, group}] = instant(died.Int64)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return oldest, nil
}

// RuleHits counts letters by the rule of their newest verdict, and the arrivals of the last 24 hours. The rule "" stands
// for letters that no rule matched. Rules without letters and arrivals are left out.
func (s *Store) RuleHits(ctx context.Context) ([]dlq.RuleHits, error) {
	totals := map[int64]int64{}
	s.mem.mu.RLock()
	for _, k := range s.mem.tally.rows {
		totals[k.dims[dimRule]] += k.n
	}
	s.mem.mu.RUnlock()
	var byRule map[int64][]int64
	err := s.read(ctx, func(ctx context.Context, q querier) (err error) {
		byRule, err = s.arrivals(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	for rule := range byRule {
		totals[rule] += 0
	}
	list := make([]dlq.RuleHits, 0, len(totals))
	for rule, n := range totals {
		h := dlq.RuleHits{Rule: s.mem.textOf(rule), Total: n, Hours: byRule[rule]}
		if h.Hours == nil {
			h.Hours = make([]int64, hoursShown)
		}
		for _, n := range h.Hours {
			h.Day += n
		}
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b dlq.RuleHits) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Rule, b.Rule))
	})
	return list, nil
}

// SameFailures counts the letters whose newest death has the fingerprint and happened at that time or later, up to 10 000.
func (s *Store) SameFailures(ctx context.Context, fingerprint string, since time.Time) (n int64, err error) {
	w := s.mem.compile(&dlq.Filter{Fingerprints: []string{fingerprint}, DiedAfter: &since})
	if w.none {
		return 0, nil
	}
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		k := w.sureWalk()
		if err := s.narrow(ctx, q, w, k); err != nil {
			return err
		}
		query, args := k.query("1", true, " LIMIT ?", countCap)
		return each(ctx, q, "SELECT count(*) FROM ("+query+")", args, func(rows *sql.Rows) error { return rows.Scan(&n) })
	})
	return n, err
}
