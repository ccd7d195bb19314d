package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

// execs are the prepared statements by which the write goroutine changes rows. They are the driver's own: database/sql
// would make a new list of values for every call, a fifth of all that a bulk replay allocates, and look at each twice.
type execs struct {
	stmts  map[string]prepared
	values []driver.NamedValue // of the call under way
}

type prepared struct {
	driver.Stmt
	inputs int
}

// exec runs a statement, prepared once, and returns how many rows it changed. The texts are constants of this package, so
// there are few.
func (e *execs) exec(c *sqlite3.SQLiteConn, query string, args []any) (int64, error) {
	stmt, ok := e.stmts[query]
	if !ok {
		made, err := c.Prepare(query)
		if err != nil {
			return 0, err
		}
		stmt = prepared{made, made.NumInput()}
		e.stmts[query] = stmt
	}
	if len(args) != stmt.inputs { // SQLite would take NULL for those that are missing
		return 0, fmt.Errorf("%d values for %d parameters of %q", len(args), stmt.inputs, query)
	}
	e.values = e.values[:0]
	for i, arg := range args {
		v, err := value(arg)
		if err != nil {
			return 0, err
		}
		e.values = append(e.values, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	result, err := stmt.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), e.values)
	clear(e.values) // they may be large
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// value makes one of the driver's types of an argument.
func value(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, string, []byte, bool, float64:
		return v, nil
	case int:
		return int64(v), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(arg)
}

func (e *execs) close() error {
	var errs []error
	for _, stmt := range e.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}
