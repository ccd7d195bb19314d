package store

import (
	"context"
	"database/sql"
	"slices"
	"sync"

	"deadletteroffice/dlq"
)

// place is a queue as the store has it.
type place struct {
	id      int64
	cluster int64 // word
	pos     dlq.QueuePosition
}

// memory is the small part of the database that every read needs, held in Go. Only the write goroutine changes it, and
// only after the commit that made it true.
type memory struct {
	mu       sync.RWMutex
	ids      map[word]int64
	texts    []string         // by word id
	kinds    map[wordKind]int // how many words there are of each kind
	verdicts map[int64]dlq.Verdict
	places   map[dlq.Queue]place
	queues   map[int64]dlq.Queue
	tally    *tally

	letter, death, event int64 // highest ids ever given
	search               int64 // highest seq that full text knows
	gaps                 int64
	report               int64          // id of the newest report
	back                 bool           // a replay through door C exists
	pending              map[string]int // deliveries by receiver; without those that have none
}

func newMemory() *memory {
	return &memory{
		ids: map[word]int64{}, texts: []string{""}, kinds: map[wordKind]int{}, verdicts: map[int64]dlq.Verdict{},
		places: map[dlq.Queue]place{}, queues: map[int64]dlq.Queue{}, tally: newTally(), pending: map[string]int{},
	}
}

// load reads everything at start.
func (m *memory) load(ctx context.Context, c *sql.Conn) error {
	steps := []func(context.Context, *sql.Conn) error{m.loadWords, m.loadQueues, m.loadTally, m.loadNumbers, m.loadPending}
	for _, step := range steps {
		if err := step(ctx, c); err != nil {
			return explain(err, "reading the database at start")
		}
	}
	return nil
}

func (m *memory) loadQueues(ctx context.Context, c *sql.Conn) error {
	return each(ctx, c, "SELECT id, cluster, broker, topic, number, epoch, next_offset FROM queue", nil, func(rows *sql.Rows) error {
		var p place
		var broker, topic int64
		if err := rows.Scan(&p.id, &p.cluster, &broker, &topic, &p.pos.Number, &p.pos.Epoch, &p.pos.Next); err != nil {
			return err
		}
		p.pos.Cluster, p.pos.Broker, p.pos.Topic = m.texts[p.cluster], m.texts[broker], m.texts[topic]
		m.setPlace(p)
		return nil
	})
}

func (m *memory) setPlace(p place) {
	m.places[p.pos.Queue] = p
	m.queues[p.id] = p.pos.Queue
}

func (m *memory) loadTally(ctx context.Context, c *sql.Conn) error {
	return each(ctx, c, "SELECT cluster, consumer_group, topic, reason, origin, rule, route, severity, state, n FROM tally", nil, func(rows *sql.Rows) error {
		var k tallyKey
		var n int64
		err := rows.Scan(append(k.targets(), &n)...)
		m.tally.add(k, n)
		return err
	})
}

func (m *memory) loadNumbers(ctx context.Context, c *sql.Conn) error {
	return c.QueryRowContext(ctx, `SELECT
		max((SELECT value FROM number WHERE name='letter'), (SELECT coalesce(max(id), 0) FROM letter)),
		max((SELECT value FROM number WHERE name='death'), (SELECT coalesce(max(id), 0) FROM death)),
		max((SELECT value FROM number WHERE name='event'), (SELECT coalesce(max(id), 0) FROM event)),
		(SELECT value FROM number WHERE name='search'), (SELECT count(*) FROM gap),
		coalesce((SELECT seq FROM sqlite_sequence WHERE name='report'), 0), EXISTS(SELECT 1 FROM replay WHERE door='C')`).
		Scan(&m.letter, &m.death, &m.event, &m.search, &m.gaps, &m.report, &m.back)
}

func (m *memory) loadPending(ctx context.Context, c *sql.Conn) error {
	return each(ctx, c, "SELECT receiver, count(*) FROM delivery INDEXED BY delivery_pending WHERE state='pending' GROUP BY receiver", nil, func(rows *sql.Rows) error {
		var receiver string
		var n int
		err := rows.Scan(&receiver, &n)
		m.addPending(receiver, n)
		return err
	})
}

func (m *memory) addPending(receiver string, n int) {
	if m.pending[receiver] += n; m.pending[receiver] == 0 {
		delete(m.pending, receiver)
	}
}

// allPending returns how many deliveries wait, for whomever.
func (m *memory) allPending() (all int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.pending {
		all += n
	}
	return all
}

// text returns a word. The caller holds the lock.
func (m *memory) text(id int64) string { return m.texts[id] }

// textOf and queueOf take the lock for one look-up. No one may hold it while a query runs: the query may wait for a
// connection that another reader keeps while it waits for the lock.
func (m *memory) textOf(id int64) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.texts[id]
}

func (m *memory) queueOf(id int64) dlq.Queue {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.queues[id]
}

// known returns the ids of those texts that exist as words of the kind; "" is 0. The caller holds the lock.
func (m *memory) known(kind wordKind, texts []string) []int64 {
	ids := make([]int64, 0, len(texts))
	for _, t := range texts {
		if t == "" {
			ids = append(ids, 0)
		} else if id, ok := m.ids[word{kind, t}]; ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// lag returns how many deaths full text does not know yet.
func (m *memory) lag() int64 { return m.death - m.search }

// each runs a query and calls f for every row.
func each(ctx context.Context, q querier, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
