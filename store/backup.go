package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"deadletteroffice/dlq"

	"github.com/mattn/go-sqlite3"
)

const (
	backupStep  = 1000                  // pages copied in one turn of the write goroutine
	backupPause = 10 * time.Millisecond // between two turns, so that others write
)

// Backup copies the database to a new file while letters come in. The copy holds every letter that was stored before the
// last step. It runs through the write connection: a copy through any other one begins anew after every write and never
// ends. The file must not exist; after an error it is removed.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	s.aside.Add(1)
	defer s.aside.Done()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("making the backup file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := f.Close(); err != nil {
		return fmt.Errorf("making the backup file: %w", err)
	}
	opened, err := newConnector(path, "_synchronous=OFF", nil).Connect(ctx)
	if err != nil {
		return fmt.Errorf("opening the backup file: %w", err)
	}
	to := opened.(*sqlite3.SQLiteConn)
	if err = s.copyTo(ctx, to); err == nil {
		_, err = to.Exec(clearOpenMark, nil) // the copy has no log
	}
	err = errors.Join(err, to.Close())
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return syncFile(path)
}

// Snapshot makes a copy as Backup does, in the folder of the database, and opens it. It has no name any more, so that nothing
// is left behind however it ends; the caller closes it.
func (s *Store) Snapshot(ctx context.Context) (n dlq.Snapshot, err error) {
	var random [8]byte
	rand.Read(random[:]) // never fails
	path := s.path + ".backup-" + hex.EncodeToString(random[:])
	if err := s.missing(); err != nil {
		return n, err
	}
	if err := s.Backup(ctx, path); err != nil {
		return n, explain(err, "making a backup")
	}
	n.Letters, err = countLetters(ctx, path)
	f, opening := os.Open(path)
	if err = errors.Join(err, opening, os.Remove(path)); err != nil {
		return n, fmt.Errorf("opening the backup: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return n, errors.Join(err, f.Close())
	}
	n.ReadCloser, n.Size = f, info.Size()
	return n, nil
}

// countLetters returns how many letters are in a file that nobody writes.
func countLetters(ctx context.Context, path string) (n int64, err error) {
	db := sql.OpenDB(newConnector(path, "mode=ro&immutable=1", nil))
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, "SELECT coalesce(sum(n), 0) FROM tally").Scan(&n)
	return n, explain(err, "reading the backup")
}

func (s *Store) copyTo(ctx context.Context, to *sqlite3.SQLiteConn) error {
	var copying *sqlite3.SQLiteBackup
	finish := func(err error) error {
		if copying == nil {
			return err
		}
		// The copy holds the write connection, so it is ended where that is used, or after everybody has done with it.
		ended := s.outside(context.WithoutCancel(ctx), copying.Finish)
		if dlq.CodeOf(ended) == dlq.CodeUnavailable {
			<-s.closed
			ended = copying.Finish()
		}
		return errors.Join(err, ended)
	}
	for {
		done := false
		err := s.outside(ctx, func() error {
			return s.conn.Raw(func(from any) (err error) {
				if copying == nil {
					if copying, err = to.Backup("main", from.(*sqlite3.SQLiteConn), "main"); err != nil {
						return err
					}
				}
				done, err = copying.Step(backupStep)
				return err
			})
		})
		if err != nil || done {
			return finish(err)
		}
		select {
		case <-time.After(backupPause):
		case <-ctx.Done():
			return finish(ctx.Err())
		}
	}
}

// syncFile makes a file that was written without syncing last.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("syncing the backup file: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}
