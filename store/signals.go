package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"deadletteroffice/dlq"
)

// sameFailure is what letters share that a signal counts together, as words.
type sameFailure struct{ cluster, group, topic, reason int64 }

func (k *tallyKey) failure() sameFailure {
	return sameFailure{k.cluster, k.dims[dimGroup], k.dims[dimTopic], k.dims[dimReason]}
}

func (r *row) failure() sameFailure { return sameFailure{r.cluster, r.group, r.topic, r.reason} }

// LetterSignals returns, for letters that share cluster, consumer group, topic and reason, how many are open and how many
// arrived in the last minute and the last hour, to the second and to ten seconds. What has none of these is left out.
//
// It reads memory alone. After a start the arrivals of the last hour are those that the newest 100 000 deaths tell of.
func (s *Store) LetterSignals(context.Context) ([]dlq.LetterSignal, error) {
	minute, hour := s.recent.arrivals(s.now())
	open := stateCode(dlq.StateOpen)
	found := map[sameFailure]*dlq.LetterSignal{}
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	at := func(k sameFailure) *dlq.LetterSignal {
		if found[k] == nil {
			found[k] = &dlq.LetterSignal{Cluster: s.mem.text(k.cluster), ConsumerGroup: s.mem.text(k.group), Topic: s.mem.text(k.topic), Reason: s.mem.text(k.reason)}
		}
		return found[k]
	}
	for i := range s.mem.tally.rows {
		if r := &s.mem.tally.rows[i]; r.state == open {
			at(r.failure()).Open += r.n
		}
	}
	for k, n := range minute {
		at(k).LastMinute = n
	}
	for k, n := range hour {
		at(k).LastHour = n
	}
	list := make([]dlq.LetterSignal, 0, len(found))
	for _, l := range found {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b dlq.LetterSignal) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.ConsumerGroup, b.ConsumerGroup), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Reason, b.Reason))
	})
	return list, nil
}

// ReplaySignals returns what became of the replays that were settled in the last hour, to ten seconds, by consumer group.
// One that counted as consumed and then died again counts once, as failed again. It reads memory alone; after a start it
// tells of the newest 100 000 settled replays.
func (s *Store) ReplaySignals(context.Context) ([]dlq.ReplaySignal, error) {
	counts := s.recent.replays(s.now())
	list := make([]dlq.ReplaySignal, 0, len(counts))
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	for k, n := range counts {
		list = append(list, dlq.ReplaySignal{Cluster: s.mem.text(k.cluster), ConsumerGroup: s.mem.text(k.group), Settled: n.settled, FailedAgain: n.failedAgain})
	}
	slices.SortFunc(list, func(a, b dlq.ReplaySignal) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.ConsumerGroup, b.ConsumerGroup))
	})
	return list, nil
}

// How far OldestOpenBy looks. A letter that died first is nearly always among the first of its consumer group, or among
// the first that came in for its reason or topic.
const (
	oldestOfGroup  = 500     // letters of a consumer group in the order in which they died
	oldestOfReason = 2000    // letters of a reason or a topic in the order in which they came in
	oldestExamined = 200_000 // of those, in one call
)

// OldestOpenBy returns when the oldest open letter died for each combination of some of the labels cluster, consumer_group,
// topic and reason; for no labels, of all. Any other label is CodeInvalid.
//
// It is exact by consumer group. By topic and reason it is exact for what is among the 500 oldest open letters
// of a consumer group; for what is not, it is the oldest of the first that came in, and a combination that is rare behind
// very many others may be left out. No read is longer than a moment, however many letters are open.
func (s *Store) OldestOpenBy(ctx context.Context, labels []string) ([]dlq.OldestOpen, error) {
	for _, l := range labels {
		if !slices.Contains([]string{"cluster", "consumer_group", "topic", "reason"}, l) {
			return nil, dlq.Errorf(dlq.CodeInvalid, "open letters have no label %q", l)
		}
	}
	look := &oldestLook{s: s, labels: labels, wanted: s.openFailures(labels), oldest: map[sameFailure]int64{}, left: oldestExamined}
	for _, group := range slices.Sorted(maps.Keys(look.wanted)) {
		if err := look.group(ctx, group); err != nil {
			return nil, err
		}
	}
	list := make([]dlq.OldestOpen, 0, len(look.oldest))
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	for k, died := range look.oldest {
		o := dlq.OldestOpen{Labels: map[string]string{}, DiedAt: instant(died)}
		for name, word := range map[string]int64{"cluster": k.cluster, "consumer_group": k.group, "topic": k.topic, "reason": k.reason} {
			if slices.Contains(labels, name) {
				o.Labels[name] = s.mem.text(word)
			}
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b dlq.OldestOpen) int { return a.DiedAt.Compare(b.DiedAt) })
	return list, nil
}

// openFailures returns, by consumer group, the combinations of the labels for which letters are open.
func (s *Store) openFailures(labels []string) map[int64]map[sameFailure]bool {
	open := stateCode(dlq.StateOpen)
	wanted := map[int64]map[sameFailure]bool{}
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	for i := range s.mem.tally.rows {
		r := &s.mem.tally.rows[i]
		if r.state != open {
			continue
		}
		group := r.dims[dimGroup]
		if wanted[group] == nil {
			wanted[group] = map[sameFailure]bool{}
		}
		wanted[group][r.failure().only(labels)] = true
	}
	return wanted
}

// only keeps the words of some labels.
func (k sameFailure) only(labels []string) (kept sameFailure) {
	for _, l := range labels {
		switch l {
		case "cluster":
			kept.cluster = k.cluster
		case "consumer_group":
			kept.group = k.group
		case "topic":
			kept.topic = k.topic
		case "reason":
			kept.reason = k.reason
		}
	}
	return kept
}

// oldestLook is one look for the oldest open letters.
type oldestLook struct {
	s      *Store
	labels []string
	wanted map[int64]map[sameFailure]bool // by consumer group
	oldest map[sameFailure]int64          // when it died
	left   int                            // letters that may still be examined in the order in which they came in
}

func (o *oldestLook) note(k sameFailure, died int64) {
	if have, ok := o.oldest[k]; !ok || died < have {
		o.oldest[k] = died
	}
}

// group goes through the oldest open letters of a consumer group until every combination that it has was seen.
func (o *oldestLook) group(ctx context.Context, group int64) error {
	missing := o.wanted[group]
	// One row is enough for one combination, and the most usual question is for one.
	for limit := min(len(missing), oldestOfGroup); len(missing) > 0; limit = oldestOfGroup {
		var n int
		err := o.s.read(ctx, func(ctx context.Context, q querier) error {
			query := "SELECT died, cluster, consumer_group, topic, reason FROM letter INDEXED BY letter_open WHERE state=0 AND consumer_group=? ORDER BY died LIMIT ?"
			return each(ctx, q, query, []any{group, limit}, func(rows *sql.Rows) error {
				var died int64
				var k sameFailure
				if err := rows.Scan(&died, &k.cluster, &k.group, &k.topic, &k.reason); err != nil {
					return err
				}
				n++
				k = k.only(o.labels)
				if missing[k] {
					o.note(k, died)
					delete(missing, k)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		if n < limit || limit == oldestOfGroup {
			break
		}
	}
	for k := range missing {
		if err := o.first(ctx, group, k); err != nil {
			return err
		}
	}
	return nil
}

// first looks for a combination among the letters of its reason, its topic or its consumer group that came in first.
func (o *oldestLook) first(ctx context.Context, group int64, k sameFailure) error {
	limit := min(o.left, oldestOfReason)
	if limit == 0 {
		return nil
	}
	o.left -= limit
	index, way := "letter_consumer_group", cond{"consumer_group=?", []any{group}}
	where := cond{"consumer_group=?", []any{group}}
	for _, l := range o.labels {
		switch l {
		case "cluster":
			where.and("cluster=?", k.cluster)
		case "topic":
			where.and("topic=?", k.topic)
			if index != "letter_reason" {
				index, way = "letter_topic", cond{"topic=?", []any{k.topic}}
			}
		case "reason":
			where.and("reason=?", k.reason)
			index, way = "letter_reason", cond{"reason=?", []any{k.reason}}
		}
	}
	query := "SELECT min(died) FROM (SELECT died, cluster, consumer_group, topic, reason FROM letter INDEXED BY " + index +
		" WHERE " + way.text + " AND tab=0 ORDER BY seq LIMIT ?) WHERE " + where.text
	return o.s.read(ctx, func(ctx context.Context, q querier) error {
		return each(ctx, q, query, append(append(way.args, limit), where.args...), func(rows *sql.Rows) error {
			var died sql.NullInt64
			err := rows.Scan(&died)
			if died.Valid {
				o.note(k, died.Int64)
			}
			return err
		})
	})
}
