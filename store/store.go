package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what Open needs. Only Path must be set.
type Options struct {
	Path       string                // the database file; its folder is made if it is missing
	Now        func() time.Time      // nil for time.Now
	Logger     *slog.Logger          // nil for slog.Default
	Publish    func([]dlq.Event)     // called after each commit with the events of the transaction, on the write goroutine: it must not block; nil for none
	Registerer prometheus.Registerer // nil for no metrics
	Retention  time.Duration         // how long resolved and discarded letters are kept; 0 for 30 days
}

const defaultRetention = 30 * 24 * time.Hour

// Store is one open database file. Its methods may be called from any goroutine.
type Store struct {
	path      string
	now       func() time.Time
	log       *slog.Logger
	publish   func([]dlq.Event)
	retention time.Duration
	maxItems  int // of one operation

	lock    *os.File
	file    *os.File    // the data file, locked; closed after everything else
	wal     os.FileInfo // of the write-ahead log; nil until the store is open
	is      identity
	copied  atomic.Pointer[dlq.FileOrigin] // nil: the file is no copy
	gone    atomic.Value                   // dlq.FileState
	reads   *sql.DB
	writes  *sql.DB
	conn    *sql.Conn            // the one write connection; only the write goroutine uses it after Open
	stmts   map[string]*sql.Stmt // its queries, by text
	execs   execs                // its other statements
	mover   *sql.Conn            // copies the write-ahead log into the file, beside the write goroutine
	moving  bool                 // it does; the write goroutine's
	moved   chan error           // how that ended
	rest    time.Time            // until when the write goroutine lets the write-ahead log be
	gate    sync.RWMutex         // every read holds it shared, never nested; a checkpoint holds it alone
	mem     *memory
	recent  *recent
	held    *held
	lanes   *lanes
	full    atomic.Bool
	closed  chan struct{} // closed when the write goroutine has ended
	once    sync.Once
	aside   sync.WaitGroup // backups and checkpoints under way
	follow  chan struct{}  // has a token when letters were stored that full text does not know
	metrics *metrics
}

// Open opens or makes the database, brings its schema up to date and starts the write goroutine. Close ends it.
//
// Errors that a person must act on are dlq.Errors with a hint: the file is in use by another process (CodeRefused), was
// written by a newer program or by another one (CodeRefused), is no database (CodeInvalid), the disk is full
// (CodeUnavailable), or the binary was built without full text (CodeNotSupported).
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{
		path: o.Path, now: o.Now, log: o.Logger, publish: o.Publish, retention: o.Retention, maxItems: maxItems,
		stmts: map[string]*sql.Stmt{}, execs: execs{stmts: map[string]prepared{}}, mem: newMemory(), recent: newRecent(), held: newHeld(), lanes: newLanes(),
		closed: make(chan struct{}), follow: make(chan struct{}, 1), moved: make(chan error, 1),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.publish == nil {
		s.publish = func([]dlq.Event) {}
	}
	if s.retention <= 0 {
		s.retention = defaultRetention
	}
	if err := s.open(context.WithoutCancel(ctx)); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	s.metrics = newMetrics(s)
	if o.Registerer != nil {
		if err := s.metrics.register(o.Registerer); err != nil {
			return nil, errors.Join(err, s.closeFiles())
		}
	}
	go s.write()
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if err := openFile(s.path); err != nil {
		return err
	}
	if s.path, err = realPath(s.path); err != nil {
		return err
	}
	if err := s.takeFile(); err != nil {
		return err
	}
	if err := checkHeader(s.path); err != nil {
		return err
	}
	if err := checkLog(ctx, s.path); err != nil {
		return err
	}
	s.writes = sql.OpenDB(newConnector(s.path, writerWords, writerPragmas))
	s.writes.SetMaxOpenConns(2)
	if s.conn, err = s.writes.Conn(ctx); err != nil {
		return explain(err, "opening the database "+s.path)
	}
	if err := checkFTS5(ctx, s.conn); err != nil {
		return err
	}
	if err := migrate(ctx, s.conn, migrations); err != nil {
		return err
	}
	if err := s.recognise(ctx); err != nil {
		return err
	}
	if err := s.mark(ctx); err != nil {
		return err
	}
	if err := s.mem.load(ctx, s.conn); err != nil {
		return err
	}
	if err := s.recent.load(ctx, s.conn, s.mem, s.now()); err != nil {
		return explain(err, "reading what happened in the last hour")
	}
	if s.mover, err = s.writes.Conn(ctx); err != nil {
		return explain(err, "opening the database "+s.path)
	}
	s.reads = sql.OpenDB(newConnector(s.path, readerWords, readerPragmas))
	s.reads.SetMaxOpenConns(4)
	s.reads.SetMaxIdleConns(4)
	return nil
}

// Close lets the transaction under way end, answers everything that still waits with CodeUnavailable, checkpoints and
// closes the file. It may be called more than once.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.lanes.close()
		<-s.closed
		s.aside.Wait()
		s.metrics.unregister()
		err = s.closeFiles()
	})
	return err
}

// closeFiles closes what is open, the readers first so that the last connection can empty the write-ahead log.
func (s *Store) closeFiles() error {
	var errs []error
	if s.wal != nil { // it was open
		if err := s.unmark(); err != nil {
			s.log.Error("the data file is left as after a crash; the next start puts it in order", "path", s.path, "error", err)
			return errors.Join(s.file.Close(), s.lock.Close())
		}
	}
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	errs = append(errs, s.execs.close())
	for _, c := range []*sql.Conn{s.mover, s.conn} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if s.writes != nil {
		errs = append(errs, s.writes.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Full reports whether the last write found no room on the disk. It clears itself when a write succeeds.
func (s *Store) Full() bool { return s.full.Load() }

// Ready returns nil when letters can be read and written. While the disk is full it tries to write.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.missing(); err != nil {
		return err
	}
	if s.full.Load() {
		return s.alive(ctx)
	}
	return s.read(ctx, func(ctx context.Context, q querier) error {
		return each(ctx, q, "SELECT value FROM number WHERE name='search'", nil, func(*sql.Rows) error { return nil })
	})
}

// probeSize is how many bytes must find room before a disk that was full counts as writable again: more than one small
// write, or the state would come and go with every transaction.
const probeSize = 256 << 10

// alive writes something of no meaning and takes it back, to find out whether the disk takes writes.
func (s *Store) alive(ctx context.Context) error {
	err := s.do(ctx, lanePeople, func(t *tx) error {
		_, err := t.exec("REPLACE INTO remembered(key, request, status, answer, at) VALUES('', '', 0, zeroblob(?), 0)", probeSize)
		return err
	})
	if err != nil {
		return err
	}
	return s.do(ctx, lanePeople, func(t *tx) error {
		_, err := t.exec("DELETE FROM remembered WHERE key=''")
		return err
	})
}

// readTimeout ends a read that no caller bounds. No read may be long: a checkpoint waits for it.
const readTimeout = 10 * time.Second

// read runs f behind the gate. f must have closed its rows when it returns and must not call read.
func (s *Store) read(ctx context.Context, f func(context.Context, querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s.gate.RLock()
	defer s.gate.RUnlock()
	return s.readError(f(ctx, s.reads))
}

// snapshot is read with all queries of f seeing the same state of the database.
func (s *Store) snapshot(ctx context.Context, f func(context.Context, querier) error) error {
	return s.read(ctx, func(ctx context.Context, _ querier) error {
		tx, err := s.reads.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // a read has nothing to commit
		return f(ctx, tx)
	})
}

func (s *Store) readError(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-s.closed:
		return errClosed()
	default:
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return dlq.Errorf(dlq.CodeUnavailable, "the database took too long to answer: %w", err).
			WithHint("narrow the filter, or try again")
	default:
		return explain(err, "reading the database")
	}
}

func errClosed() *dlq.Error {
	return dlq.Errorf(dlq.CodeUnavailable, "the database is being closed").WithHint("start the program again")
}
