package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"deadletteroffice/dlq"
)

// watchEvery is how often somebody looks whether the data file is still there while nothing is written.
const watchEvery = 2 * time.Second

// realPath follows links, so that all names of a folder lead to one log and one lock.
func realPath(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return "", fmt.Errorf("finding the database file: %w", err)
	}
	return full, nil
}

// takeFile keeps other processes from the database: by a lock on a file of its own beside it, which says who has it, and by
// one on the database itself, which holds whatever name it is opened by. That one is a flock, which has nothing to do with
// the locks that SQLite sets by fcntl; but closing any descriptor of the file drops those, so this one is closed last.
func (s *Store) takeFile() (err error) {
	if s.lock, err = lockFile(s.path); err != nil {
		return err
	}
	if s.file, err = os.OpenFile(s.path, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("opening the database file: %w", err)
	}
	if err := syscall.Flock(int(s.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("locking %s: %w", s.path, err)
		}
		e := dlq.Errorf(dlq.CodeRefused, "the database %s is in use by another process under another name", s.path).
			WithHint("the file has several names (hard links); stop the process that works on it, or give this one a data folder of its own with --data")
		e.Params = map[string]string{"path": s.path, "pid": "unknown"}
		return e
	}
	return nil
}

// lockFile takes the lock beside the database.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		who := make([]byte, 20)
		n, _ := f.ReadAt(who, 0) // an empty file only leaves the number out of the sentence
		pid := strings.TrimSpace(string(who[:n]))
		if _, err := strconv.Atoi(pid); err != nil {
			pid = "unknown"
		}
		e := dlq.Errorf(dlq.CodeRefused, "the database %s is in use by another process (pid %s)", path, pid).
			WithHint("stop that process, or give this one a data folder of its own with --data")
		e.Params = map[string]string{"path": path, "pid": pid}
		return nil, e
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			f.Close()
			return nil, fmt.Errorf("writing the lock file: %w", err)
		}
	}
	return f, nil
}

// The mark in the table number says that a console has the file open, or had it when it died: then a part of what is stored
// may be in the write-ahead log alone. It is in the file itself before anything else is written, and gone after an orderly end.
const (
	setOpenMark   = "INSERT INTO number(name, value) VALUES('open', 1) ON CONFLICT DO UPDATE SET value=1"
	clearOpenMark = "UPDATE number SET value=0 WHERE name='open'"
)

// checkLog refuses a file that was copied from under a working console without its log. It must come before the file is
// opened in earnest, which would make an empty log.
func checkLog(ctx context.Context, path string) error {
	_, err := os.Stat(path + "-wal")
	if !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	open, err := openMark(ctx, path)
	if err != nil || !open {
		return err
	}
	e := dlq.Errorf(dlq.CodeRefused, "the data file %s was in use when it was copied, and its write-ahead log %s-wal is missing: letters and sends of the last minutes may be in that alone",
		path, filepath.Base(path)).
		WithHint("copy both files while no console runs, or make the copy with `dlq backup`; if the log is lost for good, `dlq adopt --without-log --data %s`", path)
	e.Params = map[string]string{"path": path, "why": "log_missing"}
	return e
}

// openMark reads the mark from the file alone.
func openMark(ctx context.Context, path string) (open bool, err error) {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return false, err
	}
	db := sql.OpenDB(newConnector(path, "mode=ro&immutable=1", nil))
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables, value int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name='number'").Scan(&tables); err != nil || tables == 0 {
		return false, explain(err, "reading the data file")
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(value), 0) FROM number WHERE name='open'").Scan(&value)
	return value == 1, explain(err, "reading the data file")
}

// ForgetLog says of a file that was copied without its write-ahead log that the log is lost for good: it can be opened
// again, with what the file itself holds. The file must not be in use.
func ForgetLog(ctx context.Context, path string) (err error) {
	s := &Store{}
	if s.path, err = realPath(path); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.closeFiles()) }()
	if err := s.takeFile(); err != nil {
		return err
	}
	if err := checkHeader(s.path); err != nil {
		return err
	}
	if _, err := os.Stat(s.path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return dlq.Errorf(dlq.CodeRefused, "the write-ahead log of %s is there", s.path).WithHint("start the console; nothing needs to be given up")
	}
	s.writes = sql.OpenDB(newConnector(s.path, writerWords, writerPragmas))
	if s.conn, err = s.writes.Conn(ctx); err != nil {
		return explain(err, "opening the database "+s.path)
	}
	var sound string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&sound); err != nil || sound != "ok" {
		return errors.Join(explain(err, "checking the database"), dlq.Errorf(dlq.CodeInternal, "the data file %s is damaged without its log: %s", s.path, sound).
			WithHint("restore the newest backup"))
	}
	_, err = s.conn.ExecContext(ctx, clearOpenMark)
	return explain(err, "writing to the database")
}

// mark writes the mark into the file itself. A disk that is full keeps nobody from reading.
func (s *Store) mark(ctx context.Context) error {
	_, err := s.conn.ExecContext(ctx, setOpenMark)
	if err == nil {
		_, err = pragmaCheckpoint(s.conn, "TRUNCATE")
	}
	if isFull(err) {
		s.full.Store(true)
		s.log.Error("the disk of the database is full or failing; writes are refused until there is room", "error", err)
	} else if err != nil {
		return explain(err, "writing to the database")
	}
	info, err := os.Stat(s.path + "-wal")
	if err != nil {
		return fmt.Errorf("looking at the write-ahead log: %w", err)
	}
	s.wal = info
	return nil
}

// unmark takes the mark off before the file is closed. A file that is gone is left as it is, and so are its connections:
// SQLite deletes the log by its name when the last of them is closed, and that may be another file's by now.
func (s *Store) unmark() error {
	if err := s.missing(); err != nil {
		return err
	}
	_, err := s.conn.ExecContext(context.Background(), clearOpenMark)
	return err
}

// fileState says whether the data file and its log are still those that were opened.
func (s *Store) fileState() dlq.FileState {
	if s.wal == nil {
		return dlq.FileOK // not opened yet
	}
	mine, err := s.file.Stat()
	if err != nil {
		return dlq.FileOK // the descriptor itself does not say; SQLite will
	}
	switch now, err := os.Stat(s.path); {
	case errors.Is(err, fs.ErrNotExist):
		return dlq.FileRemoved
	case err == nil && !os.SameFile(mine, now):
		return dlq.FileReplaced
	}
	if now, err := os.Stat(s.path + "-wal"); errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(s.wal, now) {
		return dlq.FileLogRemoved
	}
	return dlq.FileOK
}

// missing refuses to go on while the data file is gone: what is written now nobody would find again.
func (s *Store) missing() error {
	state := s.fileState()
	if before := s.gone.Swap(state); before != state && (before != nil || state != dlq.FileOK) {
		if state == dlq.FileOK {
			s.log.Info("the data file is back", "path", s.path)
		} else {
			s.log.Error("the data file is gone from under the console; nothing is read from brokers or sent any more", "path", s.path, "state", string(state))
		}
	}
	if state == dlq.FileOK {
		return nil
	}
	what := map[dlq.FileState]string{
		dlq.FileRemoved: "the data file %s was removed while the console works on it", dlq.FileReplaced: "the data file %s was replaced while the console works on it",
		dlq.FileLogRemoved: "the write-ahead log of the data file %s was removed or replaced while the console works on it",
	}[state]
	e := dlq.Errorf(dlq.CodeUnavailable, what, s.path).
		WithHint("put the file back under its name and nothing is lost; else stop the console, restore a backup, and start it again")
	e.Params = map[string]string{"path": s.path, "why": "file_" + string(state)}
	return e
}

// watchOnce looks whether the data file is still there although nobody writes.
func (s *Store) watchOnce(context.Context) (time.Duration, error) {
	_ = s.missing() // it has been logged, and the status tells it
	return watchEvery, nil
}

// FileStatus tells how the data file is.
func (s *Store) FileStatus() dlq.FileStatus {
	if state, ok := s.gone.Load().(dlq.FileState); ok && state != dlq.FileOK {
		return dlq.FileStatus{State: state, Path: s.path}
	}
	if from := s.copied.Load(); from != nil {
		return dlq.FileStatus{State: dlq.FileCopy, Path: s.path, From: from}
	}
	return dlq.FileStatus{State: dlq.FileOK}
}
