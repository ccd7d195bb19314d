package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// OperationWork returns how many letters of an operation are pending, by consumer group. One without any is left out.
func (s *Store) OperationWork(ctx context.Context, number int64) (map[string]int64, error) {
	byGroup := map[int64]int64{}
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		query := "SELECT consumer_group, count(*) FROM operation_item INDEXED BY operation_item_pending WHERE operation=? AND state=0 GROUP BY consumer_group"
		return each(ctx, q, query, []any{number}, func(rows *sql.Rows) error {
			var group, n int64
			err := rows.Scan(&group, &n)
			byGroup[group] = n
			return err
		})
	})
	work := map[string]int64{}
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	for group, n := range byGroup {
		work[s.mem.text(group)] = n
	}
	return work, err
}

// OperationTasks returns the pending letters of an operation and a consumer group from a position on, in their order, at
// most 1 000. A below above 0 leaves out those from that position on. Messages are read only when they are asked for.
func (s *Store) OperationTasks(ctx context.Context, number int64, group string, from, below int64, limit int, withMessage bool) ([]dlq.OperationTask, error) {
	s.mem.mu.RLock()
	word, known := s.mem.ids[word{wordConsumerGroup, group}]
	s.mem.mu.RUnlock()
	if !known {
		return []dlq.OperationTask{}, nil
	}
	if below <= 0 {
		below = 1 << 62
	}
	tasks := []dlq.OperationTask{}
	err := s.snapshot(ctx, func(ctx context.Context, q querier) error {
		query := `SELECT letter, position, tries FROM operation_item INDEXED BY operation_item_pending
			WHERE operation=? AND consumer_group=? AND state=0 AND position>=? AND position<? ORDER BY position LIMIT ?`
		err := each(ctx, q, query, []any{number, word, from, below, min(max(limit, 1), 1000)}, func(rows *sql.Rows) error {
			var t dlq.OperationTask
			err := rows.Scan(&t.LetterID, &t.Position, &t.Tries)
			tasks = append(tasks, t)
			return err
		})
		if err != nil {
			return err
		}
		ids := make([]int64, len(tasks))
		for i := range tasks {
			ids[i] = tasks[i].LetterID
		}
		letters, err := s.lettersByID(ctx, q, ids)
		if err != nil {
			return err
		}
		var messages map[int64]*dlq.DeadMessage
		if withMessage {
			if messages, err = s.deadCopies(ctx, q, ids, true); err != nil {
				return err
			}
		}
		for i := range tasks {
			tasks[i].Letter, tasks[i].Message = letters[tasks[i].LetterID], messages[tasks[i].LetterID]
		}
		return nil
	})
	return tasks, err
}

// lettersByID reads letters; ids without a letter are left out.
func (s *Store) lettersByID(ctx context.Context, q querier, ids []int64) (map[int64]*dlq.Letter, error) {
	rows, err := rowsByID(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	letters, byID := s.mem.nouns(rows), make(map[int64]*dlq.Letter, len(rows))
	for i := range letters {
		byID[letters[i].ID] = &letters[i]
	}
	return byID, nil
}

// SkipItems takes letters out of an operation's work, each with the code of why. Those that are not pending are left as
// they are.
func (s *Store) SkipItems(ctx context.Context, number int64, why map[int64]string) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		for letter, code := range why {
			n, err := t.exec("UPDATE operation_item SET state=?, detail=?, changed=? WHERE operation=? AND letter=? AND state=0",
				itemCode(dlq.ItemSkipped), code, t.now, number, letter)
			if err != nil {
				return err
			}
			t.moved(number, itemCode(dlq.ItemPending), itemCode(dlq.ItemSkipped), n)
		}
		return nil
	})
}

// itemChunk is how many items are written in one transaction.
const itemChunk = 5000

// CancelItems takes all pending letters out of an operation's work, in several transactions, and returns how many.
func (s *Store) CancelItems(ctx context.Context, number int64) (all int64, err error) {
	for {
		var n int64
		err := s.do(ctx, lanePeople, func(t *tx) (err error) {
			n, err = t.exec(`UPDATE operation_item SET state=?, detail=?, changed=? WHERE operation=? AND letter IN
				(SELECT letter FROM operation_item INDEXED BY operation_item_pending WHERE operation=? AND state=0 LIMIT ?)`,
				itemCode(dlq.ItemSkipped), dlq.SkipCancelled, t.now, number, number, itemChunk)
			t.moved(number, itemCode(dlq.ItemPending), itemCode(dlq.ItemSkipped), n)
			return err
		})
		if all += n; err != nil || n < itemChunk {
			return all, err
		}
	}
}

// Items returns a page of an operation's letters in their order, those in some states or, without any, all. The cursor is
// "" for the first page, then ItemPage.Next of the page before, with the same states; any other is CodeInvalid. The limit
// is between 1 and 500; 0 or less stands for 50. The total is exact. CodeNotFound when there is no such operation.
func (s *Store) Items(ctx context.Context, number int64, states []dlq.ItemState, cursor string, limit int) (p dlq.ItemPage, err error) {
	p.Items = []dlq.OperationItem{}
	codes := itemCodes(states)
	from, err := readItemCursor(cursor, number, codes)
	if err != nil {
		return p, err
	}
	limit = pageSize(limit)
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		list, err := operationsWhere(ctx, q, operationShort, "WHERE number=?", number)
		if err == nil && len(list) == 0 {
			err = noOperation(strconv.FormatInt(number, 10))
		}
		if err != nil {
			return err
		}
		c := cond{text: "operation=?", args: []any{number}}
		c.in("state", codes)
		c.and("position>=?", from)
		err = each(ctx, q, "SELECT letter, position, state, detail, tries, changed FROM operation_item INDEXED BY operation_item_state WHERE "+c.text+" ORDER BY position LIMIT ?",
			append(c.args, limit+1), func(rows *sql.Rows) error {
				var i dlq.OperationItem
				var state int64
				var changed sql.NullInt64
				err := rows.Scan(&i.LetterID, &i.Position, &state, &i.Detail, &i.Tries, &changed)
				i.State, i.ChangedAt = dlq.ItemStates[state], optInstant(changed)
				p.Items = append(p.Items, i)
				return err
			})
		if err != nil {
			return err
		}
		if len(p.Items) > limit {
			p.Next = itemCursor(p.Items[limit].Position, number, codes)
			p.Items = p.Items[:limit]
		}
		for _, code := range codes {
			p.Total.Count += list[0].Counts[dlq.ItemStates[code]]
		}
		return s.fillItems(ctx, q, number, p.Items)
	})
	p.Total.Exact = true
	return p, err
}

// itemCodes returns the codes of states, of all when none is named; unknown ones are left out.
func itemCodes(states []dlq.ItemState) []int64 {
	codes := []int64{}
	for i, state := range dlq.ItemStates {
		if len(states) == 0 || slices.Contains(states, state) {
			codes = append(codes, int64(i))
		}
	}
	return codes
}

// fillItems adds letters and replays.
func (s *Store) fillItems(ctx context.Context, q querier, number int64, items []dlq.OperationItem) error {
	ids := make([]int64, len(items))
	for i := range items {
		ids[i] = items[i].LetterID
	}
	letters, err := s.lettersByID(ctx, q, ids)
	if err != nil {
		return err
	}
	replays := map[int64]*dlq.Replay{}
	err = inChunks(anys(ids), func(part []any) error {
		found, err := replaysWhere(ctx, q, "INDEXED BY replay_letter WHERE letter IN ("+marks(len(part))+") AND operation=? ORDER BY letter, number", append(part[:len(part):len(part)], number)...)
		for i := range found {
			replays[found[i].LetterID] = &found[i] // the newest comes last
		}
		return err
	})
	for i := range items {
		item := &items[i]
		item.Letter, item.Replay = letters[item.LetterID], replays[item.LetterID]
		if item.Detail == "" && item.Replay != nil {
			item.Detail = item.Replay.Detail
		}
	}
	return err
}

// An item's cursor names the list that it belongs to, and the position from which the next page goes on.
func itemCursor(position, number int64, codes []int64) string {
	return strconv.FormatInt(position, 36) + "-" + strconv.FormatUint(uint64(hash(fmt.Sprint(number, codes))), 36)
}

func readItemCursor(text string, number int64, codes []int64) (int64, error) {
	if text == "" {
		return 0, nil
	}
	first, _, _ := strings.Cut(text, "-")
	position, err := strconv.ParseInt(first, 36, 64)
	if err != nil || itemCursor(position, number, codes) != text {
		return 0, errCursor()
	}
	return position, nil
}

// maxPoints is how many points a history has at most.
const maxPoints = 240

// History returns how many letters of an operation came into each state in slots of time, from the first in which one did
// to the last, and the length of a slot: five seconds, or more where there would be more than 240 points.
func (s *Store) History(ctx context.Context, number int64) (slot dlq.Duration, points []dlq.OperationPoint, err error) {
	slot, points = dlq.Duration(slotLength*time.Millisecond), []dlq.OperationPoint{}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		var first, last sql.NullInt64
		err := each(ctx, q, "SELECT min(slot), max(slot) FROM operation_slot WHERE operation=?", []any{number}, func(rows *sql.Rows) error { return rows.Scan(&first, &last) })
		if err != nil || !first.Valid {
			return err
		}
		wide := (last.Int64-first.Int64)/maxPoints + 1
		slot *= dlq.Duration(wide)
		for at := first.Int64; at <= last.Int64; at += wide {
			points = append(points, dlq.OperationPoint{At: instant(at * slotLength), Counts: map[dlq.ItemState]int64{}})
		}
		query := "SELECT (slot-?)/?, state, sum(n) FROM operation_slot WHERE operation=? GROUP BY 1, 2"
		return each(ctx, q, query, []any{first.Int64, wide, number}, func(rows *sql.Rows) error {
			var point, state, n int64
			err := rows.Scan(&point, &state, &n)
			points[point].Counts[dlq.ItemStates[state]] = n
			return err
		})
	})
	return slot, points, err
}

// RecentOutcomes returns how replays of an operation ended at that time or later, newest first. Sends that are tried
// again are not among them. Fingerprint and reason are those of the letter now: after it failed again, of that failure.
func (s *Store) RecentOutcomes(ctx context.Context, number int64, since time.Time, limit int) (list []dlq.SettledReplay, err error) {
	type found struct{ fingerprint, reason int64 }
	var words []found
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		query := `SELECT r.letter, r.settled_at, r.outcome, l.fingerprint, l.reason, l.own_reason FROM
			(SELECT letter, settled_at, outcome FROM replay INDEXED BY replay_operation
			WHERE operation<>0 AND operation=? AND settled_at>=? AND settled_at IS NOT NULL AND NOT (outcome='send_failed' AND detail IN (?,?,?)) ORDER BY settled_at DESC LIMIT ?) r
			CROSS JOIN letter l ON l.id=r.letter ORDER BY r.settled_at DESC`
		args := append([]any{number, since.UnixMilli()}, append(anys(notSentYet), limit)...)
		return each(ctx, q, query, args, func(rows *sql.Rows) error {
			var r dlq.SettledReplay
			var at int64
			var f found
			err := rows.Scan(&r.LetterID, &at, &r.Outcome, &f.fingerprint, &f.reason, &r.Reason)
			r.At, r.Fingerprint = instant(at), fingerprintText(f.fingerprint)
			list, words = append(list, r), append(words, f)
			return err
		})
	})
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	for i := range list {
		if list[i].Reason == "" {
			list[i].Reason = s.mem.text(words[i].reason)
		}
	}
	return orEmpty(list), err
}
