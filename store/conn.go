package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"deadletteroffice/dlq"

	"github.com/mattn/go-sqlite3"
)

// walLimit is the size in bytes from which the write-ahead log is checkpointed by us, and to which it is cut.
const walLimit = 64 << 20

const (
	writerWords = "_busy_timeout=5000&_auto_vacuum=incremental&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_foreign_keys=1&_cache_size=-16384"
	readerWords = "mode=ro&_busy_timeout=5000&_cache_size=-2048&_stmt_cache_size=64"
)

// The driver ignores words of the DSN that it does not know, so what it does not know is set by these on every connection.
var (
	writerPragmas = []string{"PRAGMA wal_autocheckpoint=0", "PRAGMA journal_size_limit=" + strconv.Itoa(walLimit), "PRAGMA temp_store=2"}
	readerPragmas = []string{"PRAGMA temp_store=2"}
)

// connector makes connections of one kind without registering a driver for the whole process.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func newConnector(path, words string, pragmas []string) connector {
	hook := func(c *sqlite3.SQLiteConn) error {
		for _, p := range pragmas {
			if _, err := c.Exec(p, nil); err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
		}
		return nil
	}
	// Only a path that is escaped and behind "file:" may hold the signs that end a path in a URI.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + words
	return connector{dsn, &sqlite3.SQLiteDriver{ConnectHook: hook}}
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// openFile makes the folder and the file, for our eyes only because bodies may be secret. It must come before the first
// connection: closing a file that SQLite has open in the same process drops SQLite's locks.
func openFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("making the folder of the database: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the database file: %w", err)
	}
	return f.Close()
}

// checkFTS5 refuses a binary that was built without full text, which would otherwise fail at the first search.
func checkFTS5(ctx context.Context, c *sql.Conn) error {
	var have bool
	if err := c.QueryRowContext(ctx, "SELECT sqlite_compileoption_used('ENABLE_FTS5')").Scan(&have); err != nil {
		return explain(err, "asking SQLite what it can do")
	}
	if !have {
		return errNoFTS5()
	}
	return nil
}

func errNoFTS5() *dlq.Error {
	return dlq.Errorf(dlq.CodeNotSupported, "this binary was built without full text search").
		WithHint("build it with: go build -tags sqlite_fts5 ./cmd/dlq")
}

// explain wraps an error of SQLite. A full disk and a failing one become CodeUnavailable, with what to do.
func explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	var e sqlite3.Error
	var ours *dlq.Error
	switch {
	case errors.As(err, &ours):
		return err
	case isFull(err):
		e := dlq.Errorf(dlq.CodeUnavailable, "the disk of the database is full or failing: %w", err).
			WithHint("make room on the disk that holds the data folder; nothing is lost, and work goes on by itself when there is room")
		e.Params = map[string]string{"why": dlq.WhyDiskFull}
		return e
	case errors.As(err, &e) && e.Code == sqlite3.ErrNotADB:
		return dlq.Errorf(dlq.CodeInvalid, "the file is not a SQLite database: %w", err).
			WithHint("give another path with --data")
	case errors.As(err, &e) && e.Code == sqlite3.ErrCorrupt:
		return dlq.Errorf(dlq.CodeInternal, "the database file is damaged: %w", err).
			WithHint("stop the program, keep a copy of the file, and restore the newest backup")
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// isFull reports whether the error says that the disk took no more. SQLite says "full" for ENOSPC and "I/O error" for
// every other way in which a disk refuses to write.
func isFull(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrFull || e.Code == sqlite3.ErrIoErr)
}

func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}
