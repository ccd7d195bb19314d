package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
	"time"

	"deadletteroffice/dlq"
)

const (
	maxCauses  = 10
	nearExpiry = 6 * time.Hour
	sameWithin = 5 * time.Minute
)

// listedLetter is what is counted of one letter of an operation.
type listedLetter struct {
	letter                                                                      int64
	state, group, topic, reason, route, fingerprint, flags, replays, born, died sql.NullInt64 // not valid: the letter is gone
	expires, queue                                                              sql.NullInt64
	ownTopic                                                                    sql.NullString
}

const listedColumns = "i.letter, l.state, l.consumer_group, l.topic, l.reason, l.route, l.fingerprint, l.flags, l.replays, l.born, l.died, l.expires, l.queue, l.own_topic"

// eachListed calls f for every letter of an operation.
func (s *Store) eachListed(ctx context.Context, number int64, f func(*listedLetter)) error {
	query := "SELECT " + listedColumns + " FROM operation_item i LEFT JOIN letter l ON l.id=i.letter WHERE i.operation=? AND i.letter>? ORDER BY i.letter LIMIT ?"
	return s.inList(ctx, number, query, func(rows *sql.Rows) (int64, error) {
		var l listedLetter
		err := rows.Scan(&l.letter, &l.state, &l.group, &l.topic, &l.reason, &l.route, &l.fingerprint, &l.flags, &l.replays, &l.born, &l.died, &l.expires, &l.queue, &l.ownTopic)
		f(&l)
		return l.letter, err
	})
}

// OperationFacts returns what can be counted of an operation's list as the letters are now. Skipped are those on whose
// state the operation cannot act and those that are gone; Eligible are all others. ReplayedBefore, FailedAgain and
// Quarantined count among the eligible ones; NearExpiry and the facets count all letters that exist. keeps says how long a
// broker keeps messages; 0 where that is not known. It is asked once for each broker that the store has letters of, before
// anything is read. OperationFacts looks at every letter of the list, which takes about three seconds per million.
func (s *Store) OperationFacts(ctx context.Context, number int64, keeps func(broker string) time.Duration) (p dlq.OperationPreview, err error) {
	o, err := s.Operation(ctx, strconv.FormatInt(number, 10))
	if err != nil {
		return p, err
	}
	trigger := o.Kind.Trigger()
	p = dlq.OperationPreview{At: s.now().UTC(), Skipped: map[string]int64{}}
	var groups, topics, reasons, routes, causes = map[int64]int64{}, map[int64]int64{}, map[int64]int64{}, map[int64]int64{}, map[int64]int64{}
	oldest, newest := int64(1<<62), int64(-1<<62)
	expiring := s.expiring(p.At, keeps)
	failedAgain, quarantined := flagBits([]dlq.Flag{dlq.FlagFailedAgain}), flagBits([]dlq.Flag{dlq.FlagQuarantined})
	err = s.eachListed(ctx, number, func(l *listedLetter) {
		p.Letters++
		if !l.state.Valid {
			p.Skipped[dlq.SkipGone]++
			return
		}
		groups[l.group.Int64]++
		topics[l.topic.Int64]++
		reasons[l.reason.Int64]++
		routes[l.route.Int64]++
		causes[l.fingerprint.Int64]++
		oldest, newest = min(oldest, l.died.Int64), max(newest, l.died.Int64)
		if expiring(l) {
			p.NearExpiry++
		}
		if state := dlq.States[l.state.Int64]; !dlq.MayStart(trigger, state) {
			p.Skipped[dlq.SkipState(state)]++
			return
		}
		p.Eligible++
		if l.replays.Int64 > 0 {
			p.ReplayedBefore++
		}
		if l.flags.Int64&failedAgain != 0 {
			p.FailedAgain++
		}
		if l.flags.Int64&quarantined != 0 {
			p.Quarantined++
		}
	})
	if err != nil {
		return p, err
	}
	if newest >= oldest {
		first, last := instant(oldest), instant(newest)
		p.OldestDied, p.NewestDied = &first, &last
	}
	s.mem.mu.RLock()
	p.Groups, p.Topics, p.Reasons, p.Routes = s.mem.facets(groups), s.mem.facets(topics), s.mem.facets(reasons), s.mem.facets(routes)
	s.mem.mu.RUnlock()
	p.Causes, err = s.causes(ctx, number, causes)
	return p, err
}

// expiring returns a function that reports whether retention deletes a letter within six hours, or its broker the dead copy.
func (s *Store) expiring(now time.Time, keeps func(broker string) time.Duration) func(*listedLetter) bool {
	s.mem.mu.RLock()
	queues := maps.Clone(s.mem.queues)
	s.mem.mu.RUnlock()
	brokers := map[string]time.Duration{}
	kept := map[int64]time.Duration{} // by queue
	for id, q := range queues {
		if _, asked := brokers[q.Broker]; !asked {
			brokers[q.Broker] = keeps(q.Broker)
		}
		kept[id] = brokers[q.Broker]
	}
	soon := now.Add(nearExpiry)
	return func(l *listedLetter) bool {
		if l.expires.Valid && !instant(l.expires.Int64).After(soon) {
			return true
		}
		stays := kept[l.queue.Int64]
		gone := instant(l.died.Int64).Add(stays)
		return stays > 0 && gone.After(now) && !gone.After(soon)
	}
}

// causes returns the most frequent failure groups.
func (s *Store) causes(ctx context.Context, number int64, counts map[int64]int64) ([]dlq.CausePreview, error) {
	delete(counts, 0)
	prints := make([]int64, 0, len(counts))
	for print := range counts {
		prints = append(prints, print)
	}
	slices.SortFunc(prints, func(a, b int64) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	list := []dlq.CausePreview{}
	for _, print := range prints[:min(maxCauses, len(prints))] {
		c := dlq.CausePreview{Fingerprint: fingerprintText(print), Letters: counts[print]}
		var reason int64
		err := s.read(ctx, func(ctx context.Context, q querier) error {
			query := "SELECT reason, own_reason, reason_text FROM letter INDEXED BY letter_fingerprint WHERE fingerprint=? AND tab IN (0,1,2,3,4) ORDER BY seq DESC LIMIT 1"
			return each(ctx, q, query, []any{print}, func(rows *sql.Rows) error { return rows.Scan(&reason, &c.Reason, &c.ReasonText) })
		})
		if err != nil {
			return nil, err
		}
		c.Reason = cmp.Or(c.Reason, s.mem.textOf(reason))
		if c.SameLast5m, err = s.SameFailures(ctx, c.Fingerprint, s.now().Add(-sameWithin)); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// StaleItems counts the letters of an operation that it can act on and whose messages are older than the limit of their topic.
func (s *Store) StaleItems(ctx context.Context, number int64, p dlq.AutomationPolicy, now time.Time) (n int64, err error) {
	if len(p.Stale) == 0 {
		return 0, nil
	}
	o, err := s.Operation(ctx, strconv.FormatInt(number, 10))
	if err != nil {
		return 0, err
	}
	err = s.eachListed(ctx, number, func(l *listedLetter) {
		if !l.state.Valid || !dlq.MayStart(o.Kind.Trigger(), dlq.States[l.state.Int64]) {
			return
		}
		topic := l.ownTopic.String
		if topic == "" {
			topic = s.mem.textOf(l.topic.Int64)
		}
		if p.IsStale(topic, instant(l.born.Int64), instant(l.died.Int64), now) {
			n++
		}
	})
	return n, err
}

// maxSameKey is how many letters with the same keys as some 200 others are looked at.
const maxSameKey = 20000

// LaterConfirmed tells which of some letters came good elsewhere: another letter of the same consumer group with the same
// UNIQ_KEY, or with one of the same keys, was confirmed after they died.
func (s *Store) LaterConfirmed(ctx context.Context, letters []dlq.Letter) (map[int64]bool, error) {
	later := map[int64]bool{}
	for part := range slices.Chunk(letters, chunk) {
		err := s.read(ctx, func(ctx context.Context, q querier) error {
			confirmed, err := s.confirmedWithKeys(ctx, q, part)
			for i := range part {
				l := &part[i]
				for _, key := range keysOfLetter(l.UniqueKey, l.Keys) {
					for _, c := range confirmed[groupKey{l.ConsumerGroup, key}] {
						if c.letter != l.ID && c.at.After(l.DiedAt) {
							later[l.ID] = true
						}
					}
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return later, nil
}

type groupKey struct{ group, key string }

type confirmation struct {
	letter int64
	at     time.Time
}

func keysOfLetter(unique string, keys []string) []string {
	list := append([]string{}, keys[:min(len(keys), maxKeys)]...)
	if unique != "" {
		list = append(list, unique)
	}
	return list
}

// confirmedWithKeys finds the letters that were confirmed and have keys of some others.
func (s *Store) confirmedWithKeys(ctx context.Context, q querier, letters []dlq.Letter) (map[groupKey][]confirmation, error) {
	var hashes []int64
	for i := range letters {
		for _, key := range keysOfLetter(letters[i].UniqueKey, letters[i].Keys) {
			hashes = append(hashes, hash(key))
		}
	}
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	s.mem.mu.RLock()
	last := s.mem.letter >> 16
	s.mem.mu.RUnlock()
	candidates := map[int64]bool{}
	err := inChunks(anys(hashes), func(part []any) error {
		for bucket := last; bucket >= 0; bucket-- {
			query := "SELECT letter FROM key WHERE bucket=? AND hash IN (" + marks(len(part)) + ") LIMIT ?"
			err := each(ctx, q, query, append(append([]any{bucket}, part...), maxSameKey), func(rows *sql.Rows) error {
				var letter int64
				err := rows.Scan(&letter)
				candidates[letter] = true
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(candidates))
	for id := range candidates {
		ids = append(ids, id)
	}
	found := map[groupKey][]confirmation{}
	err = inChunks(anys(ids), func(part []any) error {
		query := `SELECT l.id, l.uniq_key, l.keys, (SELECT text FROM word WHERE word.id=l.consumer_group), max(r.settled_at)
			FROM letter l CROSS JOIN replay r ON r.letter=l.id AND r.outcome='confirmed' WHERE l.id IN (` + marks(len(part)) + ") GROUP BY l.id"
		return each(ctx, q, query, part, func(rows *sql.Rows) error {
			var c confirmation
			var unique, keys, group string
			var at sql.NullInt64
			if err := rows.Scan(&c.letter, &unique, &keys, &group, &at); err != nil || !at.Valid {
				return err
			}
			c.at = instant(at.Int64)
			for _, key := range keysOfLetter(unique, firstKeys(keys)) {
				k := groupKey{group, key}
				found[k] = append(found[k], c)
			}
			return nil
		})
	})
	return found, err
}
