package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"deadletteroffice/dlq"
)

// maxItems is how many letters an operation may have.
const maxItems = 1_000_000

// Freeze puts the letters that a pick chooses on the list of an operation that is a draft, in the order in which they
// arrived or, if the pick asks for it, were born, behind those that are on it. Letters that are on the list already, and
// ids of letters that do not exist, are left out. It works in chunks between which letters go on coming in, and returns
// the operation as it is then; its version has risen.
//
// The error is CodeTooLarge when the list would have more than 1 000 000 letters, and then nothing was added, CodeConflict
// when the operation was started in between, and CodeNotFound when there is none.
func (s *Store) Freeze(ctx context.Context, number int64, pick dlq.OperationPick) (o dlq.Operation, err error) {
	text, err := json.Marshal(pick)
	if err != nil {
		return o, fmt.Errorf("writing how letters were chosen: %w", err)
	}
	s.mem.mu.RLock()
	frozen := s.mem.death
	s.mem.mu.RUnlock()
	ids, err := s.chosen(ctx, &pick)
	if err != nil {
		return o, err
	}
	listed, err := s.listed(ctx, number)
	if err != nil {
		return o, err
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return listed[id] })
	if len(ids)+len(listed) > s.maxItems {
		return o, s.errTooMany()
	}
	for first := true; first || len(ids) > 0; first = false {
		part := ids[:min(len(ids), itemChunk)]
		ids = ids[len(part):]
		err := s.submit(ctx, laneIntake, newJob(groupFull, func(t *tx) (err error) { // in turns with letters, and alone in its transaction
			if err = t.enlist(number, part, frozen, string(text)); err == nil {
				o, err = t.operation(number)
			}
			return err
		}))
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

func (s *Store) errTooMany() *dlq.Error {
	e := dlq.Errorf(dlq.CodeTooLarge, "an operation can have %d letters at most", s.maxItems).WithHint("narrow the filter, and make several operations")
	e.Params = map[string]string{"limit": strconv.Itoa(s.maxItems)}
	return e
}

// enlist appends letters to the list of a draft.
func (t *tx) enlist(number int64, ids []int64, frozen int64, pick string) error {
	var position int64
	var state dlq.OperationState
	err := each(context.Background(), t, "SELECT letters, state FROM operation WHERE number=?", []any{number}, func(rows *sql.Rows) error { return rows.Scan(&position, &state) })
	switch {
	case err != nil:
		return err
	case state == "":
		return noOperation(strconv.FormatInt(number, 10))
	case state != dlq.OperationDraft:
		return dlq.Errorf(dlq.CodeConflict, "operation %d was started in the meantime; it is %s", number, state)
	}
	for _, id := range ids {
		n, err := t.exec(`INSERT INTO operation_item(operation, letter, position, consumer_group, was, state, tries, changed, detail)
			SELECT ?, id, ?, consumer_group, state, 0, 0, NULL, '' FROM letter WHERE id=?
			ON CONFLICT DO NOTHING`, number, position, id)
		if err != nil {
			return err
		}
		position += n
		t.items[itemState{number, itemCode(dlq.ItemPending)}] += n
	}
	_, err = t.exec("UPDATE operation SET letters=?, frozen=?, pick=?, version=version+1, changed=? WHERE number=?", position, frozen, pick, t.now, number)
	return err
}

// listed returns the letters that are on an operation's list.
func (s *Store) listed(ctx context.Context, number int64) (map[int64]bool, error) {
	set := map[int64]bool{}
	err := s.inList(ctx, number, "SELECT letter FROM operation_item WHERE operation=? AND letter>? ORDER BY letter LIMIT ?", scanInto(set))
	return set, err
}

func scanInto(set map[int64]bool) func(*sql.Rows) (int64, error) {
	return func(rows *sql.Rows) (letter int64, err error) {
		err = rows.Scan(&letter)
		set[letter] = true
		return letter, err
	}
}

// inList goes through an operation's list in the order of the letters' ids, in chunks, for no read may be long. The query
// takes the operation, the letter to go on behind, and how many; f returns the letter of each row.
func (s *Store) inList(ctx context.Context, number int64, query string, f func(*sql.Rows) (int64, error)) error {
	for after, n := int64(0), examineCap; n == examineCap; {
		n = 0
		err := s.read(ctx, func(ctx context.Context, q querier) error {
			return each(ctx, q, query, []any{number, after, examineCap}, func(rows *sql.Rows) (err error) {
				n++
				after, err = f(rows)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// chosen returns the letters that a pick chooses, in its order.
func (s *Store) chosen(ctx context.Context, pick *dlq.OperationPick) (ids []int64, err error) {
	if pick.Filter != nil {
		ids, err = s.matching(ctx, *pick.Filter)
	} else {
		ids, err = s.existing(ctx, pick.IDs)
	}
	if err != nil {
		return nil, err
	}
	except := map[int64]bool{}
	for _, id := range pick.Except {
		except[id] = true
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return except[id] })
	if len(ids) > s.maxItems {
		return nil, s.errTooMany()
	}
	if !pick.ByBirth {
		return ids, nil
	}
	born, err := s.numbers(ctx, ids, "born")
	slices.SortStableFunc(ids, func(a, b int64) int { return cmp.Compare(born[a], born[b]) })
	return ids, err
}

// existing returns those of some ids that letters have, in the order in which they arrived.
func (s *Store) existing(ctx context.Context, ids []int64) ([]int64, error) {
	seq, err := s.numbers(ctx, ids, "seq")
	known := make([]int64, 0, len(seq))
	for id := range seq {
		known = append(known, id)
	}
	slices.SortFunc(known, func(a, b int64) int { return cmp.Compare(seq[a], seq[b]) })
	return known, err
}

// numbers reads one column of letters.
func (s *Store) numbers(ctx context.Context, ids []int64, column string) (map[int64]int64, error) {
	values := make(map[int64]int64, len(ids))
	err := inChunks(anys(ids), func(part []any) error {
		return s.read(ctx, func(ctx context.Context, q querier) error {
			return each(ctx, q, "SELECT id, "+column+" FROM letter WHERE id IN ("+marks(len(part))+")", part, func(rows *sql.Rows) error {
				var id, value int64
				err := rows.Scan(&id, &value)
				values[id] = value
				return err
			})
		})
	})
	return values, err
}

// matching returns the letters that a filter chooses, in the order in which they arrived, or the error when they are more
// than an operation may have. A letter that dies again while they are collected may be missing: it arrives anew.
func (s *Store) matching(ctx context.Context, f dlq.Filter) (ids []int64, err error) {
	w := s.mem.compile(&f)
	if w.none {
		return nil, nil
	}
	k, matches := s.mem.plan(w, itemChunk)
	if w.counted && matches > int64(2*s.maxItems) { // so many that no exceptions help
		return nil, s.errTooMany()
	}
	for to := int64(1 << 62); to > 0; {
		err := s.snapshot(ctx, func(ctx context.Context, q querier) error {
			if err := s.narrow(ctx, q, w, k); err != nil {
				return err
			}
			k.to = min(k.to, to)
			found := &found{limit: itemChunk}
			var err error
			if w.text != "" {
				err = s.search(ctx, q, w, k, found)
			} else {
				err = k.page(ctx, q, found)
			}
			ids, to = append(ids, found.ids...), found.next
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(ids) > 2*s.maxItems {
			return nil, s.errTooMany()
		}
	}
	slices.Reverse(ids)
	return ids, nil
}

// DriftOf returns how the world moved since the list of an operation was frozen: letters on it that the operation could
// act on then and cannot any more, and letters that died later and match its filter now. It looks at every letter of the
// list, which takes about half a second per million.
func (s *Store) DriftOf(ctx context.Context, number int64) (d dlq.OperationDrift, err error) {
	d.At = s.now().UTC()
	o, err := s.Operation(ctx, strconv.FormatInt(number, 10))
	if err != nil {
		return d, err
	}
	can := mayStart(o.Kind)
	query := "SELECT i.letter, i.state=0 AND i.was IN (" + can + ") AND (l.state IS NULL OR l.state NOT IN (" + can + `))
		FROM operation_item i LEFT JOIN letter l ON l.id=i.letter WHERE i.operation=? AND i.letter>? ORDER BY i.letter LIMIT ?`
	err = s.inList(ctx, number, query, func(rows *sql.Rows) (letter int64, err error) {
		var gone bool
		err = rows.Scan(&letter, &gone)
		if gone {
			d.Gone++
		}
		return letter, err
	})
	if err != nil {
		return d, err
	}
	d.Arrived, err = s.arrivedSince(ctx, number)
	return d, err
}

// mayStart returns the codes of the states in which an operation of a kind can act on a letter, as SQL writes a list.
func mayStart(kind dlq.OperationKind) string {
	var codes []string
	for code, state := range dlq.States {
		if dlq.MayStart(kind.Trigger(), state) {
			codes = append(codes, strconv.Itoa(code))
		}
	}
	return strings.Join(codes, ",")
}

// arrivedSince counts the letters that died after the list of an operation was frozen, match its filter and are not on it.
func (s *Store) arrivedSince(ctx context.Context, number int64) (n dlq.Count, err error) {
	pick, frozen, err := s.pickAndFrozen(ctx, number)
	n.Exact = true
	if err != nil || pick.Filter == nil {
		return n, err
	}
	w := s.mem.compile(pick.Filter)
	if w.none {
		return n, nil
	}
	k, _ := s.mem.plan(w, itemChunk)
	except := map[int64]bool{}
	for _, id := range pick.Except {
		except[id] = true
	}
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		if err := s.narrow(ctx, q, w, k); err != nil {
			return err
		}
		k.from, k.candidates = max(k.from, frozen+1), -1
		found := &found{limit: countCap}
		var err error
		if w.text != "" {
			err = s.search(ctx, q, w, k, found)
		} else {
			err = k.page(ctx, q, found)
		}
		if err != nil {
			return err
		}
		n.Exact = found.next == 0
		ids := slices.DeleteFunc(found.ids, func(id int64) bool { return except[id] })
		n.Count = int64(len(ids))
		return inChunks(anys(ids), func(part []any) error {
			return each(ctx, q, "SELECT count(*) FROM operation_item WHERE operation=? AND letter IN ("+marks(len(part))+")", append([]any{number}, part...), func(rows *sql.Rows) error {
				var listed int64
				err := rows.Scan(&listed)
				n.Count -= listed
				return err
			})
		})
	})
	return n, err
}

func (s *Store) pickAndFrozen(ctx context.Context, number int64) (p dlq.OperationPick, frozen int64, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		p, frozen, err = pickOf(ctx, q, number)
		return err
	})
	return p, frozen, err
}
