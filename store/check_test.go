package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// recount compares everything that is kept twice with what it is derived from.
func (s *Store) recount(t *testing.T) {
	t.Helper()
	const dims = "cluster, consumer_group, topic, reason, origin, rule, route, severity, state"
	live := map[tallyKey]int64{}
	stored := map[tallyKey]int64{}
	for query, into := range map[string]map[tallyKey]int64{
		"SELECT " + dims + ", count(*) FROM letter GROUP BY " + dims: live,
		"SELECT " + dims + ", n FROM tally":                          stored,
	} {
		err := s.read(t.Context(), func(ctx context.Context, q querier) error {
			return each(ctx, q, query, nil, func(rows *sql.Rows) error {
				var k tallyKey
				var n int64
				err := rows.Scan(append(k.targets(), &n)...)
				into[k] = n
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(live, stored, cmp.AllowUnexported(tallyKey{})); diff != "" {
		t.Fatalf("tally (-letters +table):\n%s", diff)
	}
	inMemory, states := map[tallyKey]int64{}, [stateCount]int64{}
	for i, r := range s.mem.tally.rows {
		inMemory[r.tallyKey] = r.n
		states[r.state] += r.n
		if s.mem.tally.at[r.tallyKey] != i {
			t.Fatalf("row %d of the tally is looked for at %d", i, s.mem.tally.at[r.tallyKey])
		}
	}
	if states != s.mem.tally.states || len(s.mem.tally.at) != len(s.mem.tally.rows) {
		t.Fatalf("tally by state %v, want %v; %d places of %d rows", s.mem.tally.states, states, len(s.mem.tally.at), len(s.mem.tally.rows))
	}
	if diff := cmp.Diff(live, inMemory, cmp.AllowUnexported(tallyKey{})); diff != "" {
		t.Fatalf("tally (-letters +memory):\n%s", diff)
	}
	tabs := "CASE state "
	for code, state := range dlq.States {
		tabs += fmt.Sprintf("WHEN %d THEN %d ", code, slices.Index(dlq.Tabs, state.Tab()))
	}
	for what, query := range map[string]string{
		"tab is not that of the state":           "SELECT count(*) FROM letter WHERE tab <> " + tabs + "END",
		"seq is not the newest death":            "SELECT count(*) FROM letter l WHERE seq <> (SELECT max(id) FROM death WHERE letter=l.id)",
		"deaths miscounted":                      "SELECT count(*) FROM letter l WHERE deaths <> (SELECT count(*) FROM death WHERE letter=l.id)",
		"letters without a body":                 "SELECT count(*) FROM letter l WHERE NOT EXISTS (SELECT 1 FROM body WHERE letter=l.id)",
		"keys of letters that are gone":          "SELECT count(*) FROM key WHERE letter NOT IN (SELECT id FROM letter)",
		"outcome is not that of the last replay": "SELECT count(*) FROM letter l WHERE (SELECT text FROM word WHERE id=l.outcome) IS NOT (SELECT outcome FROM replay WHERE letter=l.id ORDER BY number DESC LIMIT 1)",
		"full text of letters that are gone":     "SELECT count(*) FROM search WHERE rowid NOT IN (SELECT seq FROM letter)",
		"letters that full text passed over":     "SELECT count(*) FROM letter WHERE seq <= (SELECT value FROM number WHERE name='search') AND seq NOT IN (SELECT rowid FROM search)",
		"due work in a state that has none":      "SELECT count(*) FROM letter WHERE due_at IS NOT NULL AND state NOT IN (1, 2, 5)",
		"items miscounted": `SELECT count(*) FROM (SELECT operation, state, count(*) n FROM operation_item GROUP BY operation, state) i
			FULL JOIN (SELECT * FROM operation_count WHERE n<>0) c ON c.operation=i.operation AND c.state=i.state
			WHERE i.n IS NOT c.n AND coalesce(i.operation, c.operation) NOT IN (SELECT operation FROM operation_gone)`,
		"operations whose letters are not their items": "SELECT count(*) FROM operation o WHERE letters <> (SELECT count(*) FROM operation_item WHERE operation=o.number)",
		"positions with holes":                         "SELECT count(*) FROM (SELECT operation, count(*) n, min(position) low, max(position) high, count(DISTINCT position) d FROM operation_item GROUP BY operation) WHERE operation IN (SELECT number FROM operation) AND (n<>d OR low<>0 OR high<>n-1)",
		"things of operations that are gone": `SELECT count(*) FROM (SELECT operation FROM operation_item UNION SELECT operation FROM operation_count UNION SELECT operation FROM operation_slot
			UNION SELECT operation FROM operation_event) WHERE operation NOT IN (SELECT number FROM operation UNION SELECT operation FROM operation_gone)`,
		"items that stand elsewhere than their newest replay": `SELECT count(*) FROM operation_item i JOIN replay r ON r.letter=i.letter AND r.operation=i.operation
			AND r.number=(SELECT max(number) FROM replay WHERE letter=i.letter AND operation=i.operation)
			WHERE NOT CASE r.outcome WHEN 'sending' THEN state=1 WHEN 'waiting' THEN state=2 WHEN 'confirmed' THEN state=3 WHEN 'assumed' THEN state=4
				WHEN 'failed_again' THEN state=5 WHEN 'unknown' THEN state=7 ELSE state IN (0, 6, 8) END
			AND NOT (state IN (2,3,4,5,7) AND EXISTS(SELECT 1 FROM replay WHERE letter=i.letter AND operation=i.operation AND number<r.number AND outcome=CASE i.state WHEN 2 THEN 'waiting' WHEN 3 THEN 'confirmed' WHEN 4 THEN 'assumed' WHEN 5 THEN 'failed_again' ELSE 'unknown' END))`,
		"tries that are not in the history": `SELECT count(*) FROM operation o WHERE (SELECT coalesce(sum(tries), 0) FROM operation_item WHERE operation=o.number) <>
			(SELECT coalesce(sum(n), 0) FROM operation_slot WHERE operation=o.number AND state=1)`,
		"numbers of replays with holes": "SELECT count(*) FROM (SELECT count(*) n, max(number) m FROM replay GROUP BY letter) WHERE n<>m",
	} {
		if n := s.number(t, query); n != 0 {
			t.Fatalf("%s: %d", what, n)
		}
	}
}

func (s *Store) number(t testing.TB, query string, args ...any) (n int64) {
	t.Helper()
	err := s.read(context.Background(), func(ctx context.Context, q querier) error {
		return each(ctx, q, query, args, func(rows *sql.Rows) error { return rows.Scan(&n) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkFile asks SQLite whether the file is sound.
func (s *Store) checkFile(t testing.TB) {
	t.Helper()
	err := s.read(context.Background(), func(ctx context.Context, q querier) error {
		for _, query := range []string{"PRAGMA integrity_check", "PRAGMA foreign_key_check"} {
			err := each(ctx, q, query, nil, func(rows *sql.Rows) error {
				columns, err := rows.Columns()
				if err != nil {
					return err
				}
				values := make([]any, len(columns))
				for i := range values {
					values[i] = new(any)
				}
				if err := rows.Scan(values...); err != nil {
					return err
				}
				if text := fmt.Sprint(*values[0].(*any)); !strings.EqualFold(text, "ok") {
					t.Errorf("%s: %s", query, text)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
