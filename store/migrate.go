package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"deadletteroffice/dlq"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID is in the header of our files ("DLOF"), so that another program's database is not taken for an old one of ours.
const applicationID = 0x444c4f46

// migrate brings a database to the newest version: each script in one transaction with the version that it makes.
// Scripts are named NNNN_what.sql and numbered from 1 without gaps.
func migrate(ctx context.Context, c *sql.Conn, scripts fs.FS) error {
	names, err := fs.Glob(scripts, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("listing migrations: %w", err)
	}
	version, err := fileVersion(ctx, c)
	if err != nil {
		return err
	}
	if version > len(names) {
		return dlq.Errorf(dlq.CodeRefused, "the database was written by a newer version of this program (schema %d; this one knows up to %d)", version, len(names)).
			WithHint("start the newer program again, or restore a backup from before the update")
	}
	for i, name := range names {
		number, err := strconv.Atoi(strings.SplitN(path.Base(name), "_", 2)[0])
		if err != nil || number != i+1 {
			return fmt.Errorf("migration %s should have the number %d", name, i+1)
		}
		if number <= version {
			continue
		}
		script, err := fs.ReadFile(scripts, name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err := migrateOne(ctx, c, number, string(script)); err != nil {
			return explain(err, "migrating the database to schema "+strconv.Itoa(number))
		}
	}
	return nil
}

func migrateOne(ctx context.Context, c *sql.Conn, number int, script string) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "PRAGMA user_version="+strconv.Itoa(number)); err != nil {
		return err
	}
	return tx.Commit()
}

// fileVersion reads the version of the schema and refuses a database that is not ours.
func fileVersion(ctx context.Context, c *sql.Conn) (int, error) {
	var version, id, tables int
	err := c.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)").
		Scan(&version, &id, &tables)
	if err != nil {
		return 0, explain(err, "reading the version of the database")
	}
	return version, checkOwner(id, version, tables)
}

func checkOwner(id, version, tables int) error {
	if id != applicationID && (version != 0 || tables != 0) {
		return dlq.Errorf(dlq.CodeRefused, "the file is a SQLite database of another program").
			WithHint("give another path with --data")
	}
	return nil
}

// checkHeader refuses a file of another program before SQLite touches it: opening it as ours would turn it into WAL mode.
// A file that has a write-ahead log beside it is in that mode already, and its header may be out of date. It must be
// called before the file is opened by SQLite.
func checkHeader(file string) error {
	if _, err := os.Stat(file + "-wal"); err == nil {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("reading the database file: %w", err)
	}
	defer f.Close()
	header := make([]byte, 100) // https://www.sqlite.org/fileformat2.html, section 1.3
	switch _, err := io.ReadFull(f, header); {
	case errors.Is(err, io.EOF):
		return nil // new
	case errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !bytes.HasPrefix(header, []byte("SQLite format 3\x00")):
		return dlq.Errorf(dlq.CodeInvalid, "the file %s is not a SQLite database", file).WithHint("give another path with --data")
	case err != nil:
		return fmt.Errorf("reading the database file: %w", err)
	}
	field := func(at int) int { return int(binary.BigEndian.Uint32(header[at:])) }
	return checkOwner(field(68), field(60), field(40)) // application id, user version, schema cookie
}
