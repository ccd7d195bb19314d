package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// maxMatched is how many letters one report can concern; the newest count.
const maxMatched = 1000

// AddReports stores reports and returns for each the ids of the letters that it concerns, newest first, in whatever state
// they are. A report concerns a letter of its consumer group whose offset id (of the dead copy or of the original) or
// UNIQ_KEY is the report's MessageID, whose UNIQ_KEY is its UniqueKey, or that has its Key among its KEYS.
func (s *Store) AddReports(ctx context.Context, reports []dlq.Report) (matched [][]int64, err error) {
	matched = make([][]int64, len(reports))
	err = s.do(ctx, lanePeople, func(t *tx) error {
		for i := range reports {
			if err := t.addReport(&reports[i]); err != nil {
				return err
			}
			ids, err := t.concerned(&reports[i])
			if err != nil {
				return err
			}
			matched[i] = ids
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return matched, nil
}

func (t *tx) addReport(r *dlq.Report) error {
	at := r.At
	if at.IsZero() {
		at = t.at
	}
	t.report++
	_, err := t.exec(`INSERT INTO report(id, consumer_group, message_id, unique_key, key, reason, reason_text, reporter, at, bound)
		VALUES(?,?,?,?,?,?,?,?,?,?)`, t.report, r.ConsumerGroup, r.MessageID, r.UniqueKey, r.Key, r.Reason, r.ReasonText, r.Reporter, at.UnixMilli(), r.Bound)
	if err != nil {
		return err
	}
	for _, id := range reportIDs(r) {
		if _, err := t.exec(`INSERT INTO report_key(hash, report)
			VALUES(?,?)
			ON CONFLICT DO NOTHING`, hash(r.ConsumerGroup, id), t.report); err != nil {
			return err
		}
	}
	return nil
}

func reportIDs(r *dlq.Report) []string {
	return slices.DeleteFunc([]string{r.MessageID, r.UniqueKey, r.Key}, func(s string) bool { return s == "" })
}

// concerned returns the letters that a report is about.
func (t *tx) concerned(r *dlq.Report) ([]int64, error) {
	ids := []int64{}
	group, ok := t.s.mem.ids[word{wordConsumerGroup, r.ConsumerGroup}]
	if !ok {
		return ids, nil // no letter of that consumer group was ever stored
	}
	for _, id := range reportIDs(r) {
		rows, err := lettersByKey(context.Background(), t, t.letter, id, maxMatched)
		if err != nil {
			return nil, err
		}
		for _, l := range rows {
			if l.group != group {
				continue
			}
			about := concerns(r, l.messageID, l.originID, l.uniqueKey, firstKeys(l.keys))
			if !about && l.deaths > 1 && r.MessageID != "" {
				err := each(context.Background(), t, "SELECT 1 FROM death WHERE letter=? AND message_id=? LIMIT 1", []any{l.id, r.MessageID}, func(*sql.Rows) error {
					about = true
					return nil
				})
				if err != nil {
					return nil, err
				}
			}
			if about {
				ids = append(ids, l.id)
			}
		}
	}
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	ids = slices.Compact(ids)
	return ids[:min(len(ids), maxMatched)], nil
}

// concerns compares the texts themselves.
func concerns(r *dlq.Report, messageID, originID, uniqueKey string, keys []string) bool {
	return r.MessageID != "" && (r.MessageID == messageID || r.MessageID == originID || r.MessageID == uniqueKey) ||
		r.UniqueKey != "" && r.UniqueKey == uniqueKey ||
		r.Key != "" && slices.Contains(keys, r.Key)
}

// lettersByKey returns the newest letters of which one id or key has the hash of the text, newest first. The caller
// compares the texts. last is the highest id of a letter: there is a bucket for each 65 536 up to it.
func lettersByKey(ctx context.Context, q querier, last int64, text string, limit int) ([]*row, error) {
	var ids []int64
	for bucket := last >> 16; bucket >= 0 && len(ids) < limit; bucket-- {
		err := each(ctx, q, "SELECT letter FROM key WHERE bucket=? AND hash=? ORDER BY letter DESC LIMIT ?", []any{bucket, hash(text), limit - len(ids)}, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	rows, err := rowsByID(ctx, q, ids)
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(b.id, a.id) })
	return rows, err
}

// reportsAbout returns by place in messages the newest report about each that has one, of those that are bound if there is any, of those with at least the id from
// and, where since names an instant for the message, told no earlier.
func reportsAbout(ctx context.Context, q querier, messages []*dlq.DeadMessage, from int64, since []time.Time) (map[int]*dlq.Report, error) {
	asked := map[int64][]int{}
	var hashes []any
	for i, m := range messages {
		for _, id := range identities(m) {
			h := hash(m.ConsumerGroup, id)
			if asked[h] == nil {
				hashes = append(hashes, h)
			}
			asked[h] = append(asked[h], i)
		}
	}
	found := map[int]*dlq.Report{}
	err := inChunks(hashes, func(part []any) error {
		query := "SELECT k.hash, " + reportColumns + " FROM report_key k JOIN report r ON r.id=k.report WHERE k.hash IN (" + marks(len(part)) + ") AND k.report>=?"
		return each(ctx, q, query, append(slices.Clone(part), from), func(rows *sql.Rows) error {
			var h int64
			r, err := scanReport(rows, &h)
			for _, i := range asked[h] {
				m := messages[i]
				about := r.ConsumerGroup == m.ConsumerGroup && concerns(&r, m.MessageID, m.Properties[dlq.PropOriginID], m.UniqueKey(), firstKeys(m.Properties[dlq.PropKeys]))
				if since != nil && r.At.Before(since[i]) {
					continue
				}
				if about && (found[i] == nil || r.Bound && !found[i].Bound || r.Bound == found[i].Bound && found[i].ID < r.ID) {
					found[i] = &r
				}
			}
			return err
		})
	})
	return found, err
}

const reportColumns = "r.id, r.consumer_group, r.message_id, r.unique_key, r.key, r.reason, r.reason_text, r.reporter, r.at, r.bound"

func scanReport(rows *sql.Rows, before ...any) (r dlq.Report, err error) {
	var at int64
	err = rows.Scan(append(before, &r.ID, &r.ConsumerGroup, &r.MessageID, &r.UniqueKey, &r.Key, &r.Reason, &r.ReasonText, &r.Reporter, &at, &r.Bound)...)
	r.At = instant(at)
	return r, err
}

// ReportFor returns the newest report about the newest death of a letter, nil when there is none: what was told before the
// replay that died is about an earlier one. The error is CodeNotFound for a letter
// that does not exist.
func (s *Store) ReportFor(ctx context.Context, letterID int64) (*dlq.Report, error) {
	var report *dlq.Report
	err := s.snapshot(ctx, func(ctx context.Context, q querier) error {
		rows, err := rowsByID(ctx, q, []int64{letterID})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return notFound(letterID)
		}
		l := s.mem.nouns(rows)[0]
		m := &dlq.DeadMessage{ConsumerGroup: l.ConsumerGroup, MessageID: l.MessageID, Properties: map[string]string{
			dlq.PropOriginID: rows[0].originID, dlq.PropUniqueKey: rows[0].uniqueKey, dlq.PropKeys: rows[0].keys,
		}}
		since, err := replayedAt(ctx, q, []int64{rows[0].seq})
		if err != nil {
			return err
		}
		found, err := reportsAbout(ctx, q, []*dlq.DeadMessage{m}, 0, []time.Time{since[rows[0].seq]})
		report = found[0]
		return err
	})
	return report, err
}

// replayedAt returns by death when the replay that led to it was decided; deaths that no replay led to are left out.
func replayedAt(ctx context.Context, q querier, deaths []int64) (map[int64]time.Time, error) {
	at := map[int64]time.Time{}
	err := inChunks(anys(deaths), func(part []any) error {
		query := "SELECT d.id, r.intended_at FROM death d JOIN replay r ON r.id=d.replay WHERE d.id IN (" + marks(len(part)) + ")"
		return each(ctx, q, query, part, func(rows *sql.Rows) error {
			var death, intended int64
			err := rows.Scan(&death, &intended)
			at[death] = instant(intended)
			return err
		})
	})
	return at, err
}

// forget deletes what is older than the time and no longer asked for: reports, remembered answers, counts by hour.
func (t *tx) forget(reports, answers, hours time.Time) error {
	if _, err := t.exec("DELETE FROM report WHERE id IN (SELECT id FROM report WHERE at<? ORDER BY at LIMIT 1000)", reports.UnixMilli()); err != nil {
		return err
	}
	if _, err := t.exec("DELETE FROM remembered WHERE key IN (SELECT key FROM remembered WHERE at<? ORDER BY at LIMIT 1000)", answers.UnixMilli()); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM hour WHERE hour<?", floorHour(hours.UnixMilli()))
	return err
}
