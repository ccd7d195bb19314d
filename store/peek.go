package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"

	"deadletteroffice/dlq"
)

// NewestRules returns the newest version of the rules in a database, the one in force, also while a console works on it:
// it takes no lock and changes nothing. The error is CodeNotFound when there is no such file or no version in it.
func NewestRules(ctx context.Context, path string) (v dlq.RuleVersion, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return v, dlq.Errorf(dlq.CodeNotFound, "there is no database %s", path).WithHint("give another path with --data")
	}
	if err := checkHeader(path); err != nil {
		return v, err
	}
	db := sql.OpenDB(newConnector(path, readerWords, readerPragmas))
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return v, explain(err, "opening the database")
	}
	defer conn.Close() // a read has nothing to lose
	version, err := fileVersion(ctx, conn)
	if err != nil {
		return v, err
	}
	var list []dlq.RuleVersion
	if version > 0 {
		if list, err = ruleVersions(ctx, conn, "ORDER BY version DESC LIMIT 1"); err != nil {
			return v, explain(err, "reading the rules")
		}
	}
	if len(list) == 0 {
		return v, dlq.Errorf(dlq.CodeNotFound, "no rules were ever in force in %s", path)
	}
	return list[0], nil
}
