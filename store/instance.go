package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"

	"deadletteroffice/dlq"
)

// identity tells a data file from a copy of it.
type identity struct {
	inode   string
	born    int64 // nanoseconds since 1970, 0 for unknown
	machine string
}

// same reports whether two identities are those of one file. What only one of the two knows is not compared.
func (a identity) same(b identity) bool {
	return a.inode == b.inode && (a.born == b.born || a.born == 0 || b.born == 0) && (a.machine == b.machine || a.machine == "" || b.machine == "")
}

// instance is the row of the table of that name.
type instance struct {
	id     string
	is     identity
	origin dlq.FileOrigin
}

func readInstance(ctx context.Context, q querier) (i *instance, err error) {
	err = each(ctx, q, "SELECT id, inode, born, machine, host, path, at FROM instance", nil, func(rows *sql.Rows) error {
		i = &instance{}
		var at int64
		err := rows.Scan(&i.id, &i.is.inode, &i.is.born, &i.is.machine, &i.origin.Host, &i.origin.Path, &at)
		i.origin.At = instant(at)
		return err
	})
	return i, err
}

// recognise finds out whether the file is the one that was used last, or a copy of it. On a copy automation is switched
// off and everything stopped before anybody can look, for the original may be at work on the same operations and letters.
func (s *Store) recognise(ctx context.Context) error {
	is, err := identify(s.file)
	if err != nil {
		return explain(err, "looking at the data file")
	}
	s.is = is
	before, err := readInstance(ctx, s.conn)
	if err != nil {
		return explain(err, "reading which file this is")
	}
	if before == nil {
		return s.record(ctx, newInstanceID())
	}
	if before.is.same(is) {
		if err := s.record(ctx, before.id); !isFull(err) {
			return err
		}
		return nil // it says when and where the file was opened last, for people
	}
	s.copied.Store(&before.origin)
	s.log.Warn("the data file is a copy: automation is off, everything is stopped and nothing is sent until a person confirms that no other console uses the original",
		"path", s.path, "original_host", before.origin.Host, "original_path", before.origin.Path, "confirm", "the button on the page, or dlq adopt")
	_, err = s.conn.ExecContext(ctx, "UPDATE automation SET is_on=0, stopped=1, since=NULL, changed=?, actor=?, note=?, version=version+1 WHERE is_on=1 OR stopped=0",
		s.now().UnixMilli(), dlq.ActorAutomation, "")
	return explain(err, "stopping what the copied file would send")
}

// record writes down which file this is.
func (s *Store) record(ctx context.Context, id string) error {
	host, _ := os.Hostname() // only a name for people: "" says that it has none
	_, err := s.conn.ExecContext(ctx, `REPLACE INTO instance(one, id, inode, born, machine, host, path, at)
		VALUES(1,?,?,?,?,?,?,?)`, id, s.is.inode, s.is.born, s.is.machine, host, s.path, s.now().UnixMilli())
	return explain(err, "writing down which file this is")
}

func newInstanceID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Adopt says that this file is the only one in use, though it was copied or restored from a backup. Automation stays off
// and everything stopped, until a person switches them. It does nothing to a file that is no copy.
func (s *Store) Adopt(ctx context.Context) error {
	return s.outside(ctx, func() error {
		if s.copied.Load() == nil {
			return nil
		}
		if err := s.missing(); err != nil {
			return err
		}
		if err := s.record(context.WithoutCancel(ctx), newInstanceID()); err != nil {
			return err
		}
		s.copied.Store(nil)
		s.log.Info("the data file was confirmed as the only one in use", "path", s.path)
		return nil
	})
}

// refuseCopy refuses what a copy must not do.
func (s *Store) refuseCopy() error {
	from := s.copied.Load()
	if from == nil {
		return nil
	}
	e := dlq.Errorf(dlq.CodeRefused, "the data file %s is a copy of %s on %s, so nothing is sent from it", s.path, from.Path, from.Host).
		WithHint("make sure that no console uses the original any more, then confirm on the page, or stop this one and run `dlq adopt --data %s`", s.path)
	e.Params = map[string]string{"path": s.path, "original": from.Path, "host": from.Host, "why": "copied_file"}
	return e
}
