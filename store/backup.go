package store

import (
	"context"
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
	s.backups.Add(1)
	defer s.backups.Done()
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
	err = errors.Join(s.copyTo(ctx, to), to.Close())
	if err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return syncFile(path)
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
