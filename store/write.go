package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"time"

	"deadletteroffice/dlq"

	"github.com/mattn/go-sqlite3"
)

// How intake shares transactions. A person's click may have to wait for one: 1 000 letters take some 50 ms in a small file and
// 150 ms in one of a million, on two cores that have other work, and twice as many would be stored no faster.
const (
	groupFull  = 1000 // letters, as job.size counts them, at which a transaction is committed
	groupYield = 500  // the same while a person's write waits

	// groupPeople is how many people's writes share a transaction. A commit with synchronous=FULL waits for the disk, so
	// many replays at once are as fast as their commits are few.
	groupPeople = 64
)

// write is the write goroutine: the only one that uses the write connection. It ends with Close.
func (s *Store) write() {
	defer close(s.closed)
	for {
		j, from := s.lanes.next()
		if j == nil {
			return
		}
		if j.outside != nil {
			j.done <- j.outside()
			s.checkpoint()
			continue
		}
		var more func(int) *job
		switch from {
		case laneIntake:
			more = s.lanes.more
		case lanePeople:
			more = s.lanes.morePeople()
		}
		s.transact(j, more)
		s.checkpoint()
	}
}

// do queues a job and waits for it.
func (s *Store) do(ctx context.Context, to lane, f func(*tx) error) error {
	return s.submit(ctx, to, newJob(0, f))
}

// outside runs f on the write goroutine, in no transaction, when nothing more urgent waits.
func (s *Store) outside(ctx context.Context, f func() error) error {
	j := newJob(0, nil)
	j.outside = f
	return s.submit(ctx, laneBackground, j)
}

func (s *Store) submit(ctx context.Context, to lane, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.lanes.push(to, j)
	return j.wait(ctx)
}

// transact does the first job, and those that more gives, in one transaction, and answers them when it has ended: a
// refusal, too, may rest on what another job of the same transaction wrote. A job that refuses its input before it has
// written anything does not hurt the others; any other error undoes the transaction, and then the jobs are tried again one
// by one, unless the disk is full.
func (s *Store) transact(first *job, more func(int) *job) {
	jobs, refusals := []*job{first}, map[*job]error{}
	err := s.inTransaction(func(t *tx) error {
		letters := 0
		for j := first; j != nil; {
			written := t.writes
			err := j.do(t)
			var refused *dlq.Error
			switch {
			case err == nil:
				letters += j.size
			case more != nil && errors.As(err, &refused) && t.writes == written:
				refusals[j] = err
			default:
				return err
			}
			if j = nil; more != nil {
				if j = more(letters); j != nil {
					jobs = append(jobs, j)
				}
			}
		}
		return nil
	})
	if err != nil && len(jobs) > 1 && !isFull(err) {
		for _, j := range jobs {
			s.transact(j, nil)
		}
		return
	}
	for _, j := range jobs {
		if refused := refusals[j]; err == nil && refused != nil {
			j.done <- refused
			continue
		}
		j.done <- explain(err, "writing to the database")
	}
}

// inTransaction runs f in a transaction, makes memory follow it, and publishes its events.
func (s *Store) inTransaction(f func(*tx) error) error {
	began := time.Now()
	t := newTx(s)
	err := t.begin()
	if err == nil {
		if err = f(t); err == nil {
			err = t.commit()
		}
		if err != nil {
			t.rollback()
		}
	}
	s.metrics.transaction(time.Since(began), err)
	switch {
	case err == nil && t.writes > 0:
		if s.full.CompareAndSwap(true, false) {
			s.log.Info("the disk takes writes again")
		}
	case isFull(err):
		if s.full.CompareAndSwap(false, true) {
			s.log.Error("the disk of the database is full or failing; writes are refused until there is room", "error", err)
		}
	}
	if err == nil && len(t.events) > 0 {
		s.publish(t.events)
	}
	return err
}

// checkpointRest is how long the write-ahead log is left alone after a checkpoint that did not come through.
const checkpointRest = time.Second

// checkpoint empties the write-ahead log when it is over its limit, in two steps. The bulk is copied by another connection while
// reading and writing go on. Then the write goroutine copies what has come meanwhile, with new readers held back for a moment,
// because the log starts anew only when no reader is inside it.
func (s *Store) checkpoint() {
	if s.moving {
		select {
		case err := <-s.moved:
			s.moving = false
			s.cutLog(err)
		default:
		}
		return
	}
	info, err := os.Stat(s.path + "-wal")
	if err != nil || info.Size() < walLimit || time.Now().Before(s.rest) {
		return // no file: nothing to checkpoint
	}
	s.moving = true
	s.aside.Go(func() {
		_, err := pragmaCheckpoint(s.mover, "PASSIVE")
		s.moved <- err
		// The write goroutine may have nothing else to do.
		wake := newJob(0, nil)
		wake.outside = func() error { return nil }
		s.lanes.push(laneBackground, wake)
	})
}

// cutLog ends a checkpoint whose bulk was copied, or not.
func (s *Store) cutLog(err error) {
	busy := false
	if err == nil {
		s.gate.Lock()
		defer s.gate.Unlock()
		busy, err = pragmaCheckpoint(s.conn, "TRUNCATE")
	}
	if busy {
		s.metrics.busy.Inc()
	}
	if err != nil {
		s.log.Error("the write-ahead log could not be checkpointed and is tried again", "error", err)
	}
	if busy || err != nil {
		s.rest = time.Now().Add(checkpointRest)
	}
}

func pragmaCheckpoint(c *sql.Conn, mode string) (busy bool, err error) {
	var pages, moved int
	err = c.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &moved)
	return busy, err
}

// hourKey is one row of the counts of arrivals.
type hourKey struct{ hour, group, rule int64 }

// tx is one write transaction with what memory shall take over once it is committed. Nothing in it may be used after
// its job has returned. Its statements run without a context that can be cancelled: a half-done write helps nobody.
type tx struct {
	s      *Store
	at     time.Time // of everything that happens in it, in whole milliseconds
	now    int64     // the same as UTC milliseconds
	writes int       // statements that wrote

	ids      map[word]int64
	fresh    []word           // new words in the order of their ids
	kinds    map[wordKind]int // how many of them there are of each kind
	places   map[dlq.Queue]place
	newPlace bool               // one of the places is a queue that was not known
	tally    map[tallyKey]int64 // differences
	hours    map[hourKey]hourCount
	gone     map[int64]int64 // deaths that go, by hour of arrival
	spans    map[int64][2]int64

	letter, death, event int64
	search               int64
	gaps, report         int64
	back                 bool
	events               []dlq.Event
	items, entered       map[itemState]int64 // of operations: differences, and how many came into a state

	rows      map[int64]*row // letters that need not be read, as they are now
	standings map[int64]namedStanding

	arrived map[sameFailure]int64           // arrivals
	settled map[groupInCluster]settledCount // replays
	pending map[string]int                  // deliveries by receiver, differences
	dropped map[string]int                  // deliveries by receiver
}

func newTx(s *Store) *tx {
	m := s.mem // only this goroutine changes it: reading needs no lock
	at := s.now().UTC().Truncate(time.Millisecond)
	return &tx{
		s: s, at: at, now: at.UnixMilli(),
		ids: map[word]int64{}, kinds: map[wordKind]int{}, places: map[dlq.Queue]place{}, tally: map[tallyKey]int64{},
		hours: map[hourKey]hourCount{}, gone: map[int64]int64{}, spans: map[int64][2]int64{}, arrived: map[sameFailure]int64{}, settled: map[groupInCluster]settledCount{},
		pending: map[string]int{}, dropped: map[string]int{}, items: map[itemState]int64{}, entered: map[itemState]int64{},
		rows: map[int64]*row{}, standings: map[int64]namedStanding{},
		letter: m.letter, death: m.death, event: m.event, search: m.search, gaps: m.gaps, report: m.report, back: m.back,
	}
}

func (t *tx) begin() error {
	if err := t.s.missing(); err != nil {
		return err
	}
	_, err := t.s.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	return err
}

func (t *tx) rollback() {
	// SQLite has rolled back by itself after some errors (a full disk is one) and then says that no transaction is active.
	if _, err := t.s.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.s.log.Debug("rolling back", "error", err)
	}
}

// commit writes the counts, commits, and lets memory take over what is true now.
func (t *tx) commit() error {
	if err := t.flush(); err != nil {
		return err
	}
	m := t.s.mem
	if len(t.fresh) > 0 || t.newPlace {
		// A reader that sees the new rows must find their words, so memory is held from before the commit.
		m.mu.Lock()
		defer m.mu.Unlock()
		if _, err := t.s.conn.ExecContext(context.Background(), "COMMIT"); err != nil {
			return err
		}
		t.remember(m)
		return nil
	}
	if _, err := t.s.conn.ExecContext(context.Background(), "COMMIT"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t.remember(m)
	return nil
}

func (t *tx) remember(m *memory) {
	for _, w := range t.fresh {
		if err := m.addWord(int64(len(m.texts)), w); err != nil { // it was made by the same package a moment ago
			t.s.log.Error("a stored verdict cannot be read", "error", err)
		}
	}
	for _, p := range t.places {
		m.setPlace(p)
	}
	for k, n := range t.tally {
		m.tally.add(k, n)
	}
	for receiver, n := range t.pending {
		m.addPending(receiver, n)
	}
	t.s.metrics.drop(t.dropped)
	t.s.recent.add(t)
	t.s.held.take(t)
	if t.death > m.death {
		select {
		case t.s.follow <- struct{}{}:
		default:
		}
	}
	m.letter, m.death, m.event, m.search, m.gaps, m.report, m.back = t.letter, t.death, t.event, t.search, t.gaps, t.report, t.back
}

// flush writes what was summed in Go.
func (t *tx) flush() error {
	for k, n := range t.tally {
		if n == 0 {
			continue
		}
		args := k.values()
		query := "DELETE FROM tally WHERE cluster=? AND consumer_group=? AND topic=? AND reason=? AND origin=? AND rule=? AND route=? AND severity=? AND state=?"
		if n += t.s.mem.tally.get(k); n != 0 {
			args = append(args, n)
			query = `INSERT INTO tally(cluster, consumer_group, topic, reason, origin, rule, route, severity, state, n)
				VALUES(?,?,?,?,?,?,?,?,?,?)
				ON CONFLICT DO UPDATE SET n=excluded.n`
		}
		if _, err := t.exec(query, args...); err != nil {
			return err
		}
	}
	if err := t.flushHours(); err != nil {
		return err
	}
	for hour, span := range t.spans {
		if _, err := t.exec(`INSERT INTO span(hour, first, last)
			VALUES(?,?,?)
			ON CONFLICT DO UPDATE SET first=min(first, excluded.first), last=max(last, excluded.last)`, hour, span[0], span[1]); err != nil {
			return err
		}
	}
	return t.flushItems()
}

// stmt returns the prepared statement of a text. The texts are constants of this package, so there are few.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if stmt, ok := t.s.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := t.s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		t.s.stmts[query] = stmt
	}
	return stmt, err
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (n int64, err error) {
	err = t.s.conn.Raw(func(c any) error {
		n, err = t.s.execs.exec(c.(*sqlite3.SQLiteConn), query, args)
		return err
	})
	if n > 0 {
		t.writes++
	}
	return n, err
}

// QueryContext makes a transaction a querier, with its statements prepared once.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.WithoutCancel(ctx), args...)
}

// log appends an event.
func (t *tx) log(e dlq.Event) error {
	t.event++
	e.ID, e.At = t.event, t.at
	var kind, actor, rule int64
	err := t.words(wordInto{&kind, wordEventKind, string(e.Kind)}, wordInto{&actor, wordActor, e.Actor}, wordInto{&rule, wordRule, e.Rule})
	if err != nil {
		return err
	}
	detail, err := detailJSON(e.Detail)
	if err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO event(id, letter, at, kind, actor, rule, replay, note, detail) VALUES(?,?,?,?,?,?,?,?,?)",
		e.ID, e.LetterID, e.At.UnixMilli(), kind, actor, rule, orNull(e.ReplayID), orNull(e.Note), detail); err != nil {
		return err
	}
	t.events = append(t.events, e)
	return nil
}

// count moves a letter in the counts: from one row to another, either of which may be nil.
func (t *tx) count(from, to *row) {
	if from != nil {
		t.tally[from.tallyKey()]--
	}
	if to != nil {
		t.tally[to.tallyKey()]++
	}
}

// span notes at which seq a death of that time stands.
func (t *tx) span(died, seq int64) {
	hour := floorHour(died)
	have, ok := t.spans[hour]
	if !ok {
		have = [2]int64{seq, seq}
	}
	t.spans[hour] = [2]int64{min(have[0], seq), max(have[1], seq)}
}

// floorHour returns the hours since 1970, also of instants before it.
func floorHour(ms int64) int64 {
	const hour = int64(time.Hour / time.Millisecond)
	h := ms / hour
	if ms < 0 && ms%hour != 0 {
		h--
	}
	return h
}

// orNull stores the empty text as NULL.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// sortedKeys returns the keys of a map in order, so that what is written is the same for the same input.
func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
