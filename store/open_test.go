package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// asChild names the part that the test binary plays when a test starts it again as another process.
const asChild = "DLQ_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(asChild) {
	case "":
		os.Exit(runAll(m))
	case "open":
		childOpens(os.Getenv("DLQ_STORE_TEST_PATH"))
	case "work":
		childWorks(os.Getenv("DLQ_STORE_TEST_PATH"))
	case "tell":
		childTells(os.Getenv("DLQ_STORE_TEST_PATH"))
	case "operate":
		childOperates(os.Getenv("DLQ_STORE_TEST_PATH"))
	}
}

// benchFolder holds the store that the benchmarks of a run share.
var benchFolder string

func runAll(m *testing.M) int {
	var err error
	if benchFolder, err = os.MkdirTemp("", "dlq-store-bench-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(benchFolder)
	return m.Run()
}

// child makes the command that starts the test binary as another process.
func child(t *testing.T, part, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asChild+"="+part, "DLQ_STORE_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// childOpens says in one line what came of opening the file.
func childOpens(path string) {
	s, err := Open(context.Background(), Options{Path: path})
	var e *dlq.Error
	switch {
	case errors.As(err, &e):
		fmt.Printf("%s|%s|%s\n", e.Code, e.Params["pid"], e.Hint)
	case err != nil:
		fmt.Printf("?|%v\n", err)
	default:
		fmt.Println("opened")
		if err := s.Close(); err != nil {
			fmt.Println(err)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	s := open(t, Options{Path: path})
	out, err := child(t, "open", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("refused|%d|", os.Getpid()); !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), "--data") {
		t.Errorf("another process is told %q, want %q and a hint", out, want)
	}
	if _, err := Open(t.Context(), Options{Path: path}); dlq.CodeOf(err) != dlq.CodeRefused {
		t.Errorf("the same process opens the file twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err = child(t, "open", path).Output(); err != nil || string(out) != "opened\n" {
		t.Errorf("after Close another process gets %q, %v", out, err)
	}
}

// The driver ignores what it does not know in a DSN, so every setting is read back, on every connection of the pool.
func TestPragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder with ? and # and %41", "dlq.db")
	s := open(t, Options{Path: path})
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	read := func(q querier, pragma string) (v string) {
		t.Helper()
		if err := each(t.Context(), q, "PRAGMA "+pragma, nil, func(rows *sql.Rows) error { return rows.Scan(&v) }); err != nil {
			t.Fatal(err)
		}
		return v
	}
	writer := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "cache_size": "-16384", "busy_timeout": "5000", "auto_vacuum": "2",
		"wal_autocheckpoint": "0", "journal_size_limit": "67108864", "temp_store": "2", "page_size": "4096", "user_version": "9", "application_id": "1145851718"}
	err := s.outside(t.Context(), func() error {
		for pragma, want := range writer {
			if got := read(s.conn, pragma); got != want {
				t.Errorf("writer: %s is %s, want %s", pragma, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var conns []*sql.Conn
	for i := range 4 {
		c, err := s.reads.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		for pragma, want := range map[string]string{"journal_mode": "wal", "cache_size": "-2048", "busy_timeout": "5000", "temp_store": "2"} {
			if got := read(c, pragma); got != want {
				t.Errorf("reader %d: %s is %s, want %s", i, pragma, got, want)
			}
		}
		if _, err := c.ExecContext(t.Context(), "DELETE FROM letter"); err == nil {
			t.Errorf("reader %d writes", i)
		}
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		script string // run on a new database
		text   string // or written in place of one
		code   dlq.Code
	}{
		"newer file":      {script: "PRAGMA application_id=1145851718; PRAGMA user_version=99", code: dlq.CodeRefused},
		"another program": {script: "CREATE TABLE users(name TEXT)", code: dlq.CodeRefused},
		"another version": {script: "PRAGMA user_version=1", code: dlq.CodeRefused},
		"no database":     {text: strings.Repeat("these are not the bytes of a database ", 50), code: dlq.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dlq.db")
			if tt.text != "" {
				if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
			} else {
				db := sql.OpenDB(newConnector(path, "", nil))
				if _, err := db.Exec(tt.script); err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(t.Context(), Options{Path: path})
			wantCode(t, err, tt.code)
			var e *dlq.Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Errorf("no hint: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) && name != "newer file" {
				t.Errorf("the refused file was changed: %d bytes, then %d, %v", len(before), len(after), err)
			}
		})
	}
}

func TestWithoutFTS5(t *testing.T) {
	if e := errNoFTS5(); e.Code != dlq.CodeNotSupported || !strings.Contains(e.Hint, "go build -tags sqlite_fts5 ./cmd/dlq") {
		t.Errorf("%+v", e)
	}
}

// schema returns every statement that made the database, in order of kind and name.
func schema(t *testing.T, q querier) string {
	t.Helper()
	var b strings.Builder
	err := each(t.Context(), q, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT GLOB 'search_*' ORDER BY type DESC, name", nil, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		b.WriteString(text + ";\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// From every version that ever was, migration leads to the schema in testdata/schema.sql. Run with
// DLQ_UPDATE_GOLDEN=1 to write that file anew after a new migration.
func TestMigrationsReachTheGoldenSchema(t *testing.T) {
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "schema.sql")
	for version := range len(names) + 1 {
		t.Run(fmt.Sprintf("from %d", version), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dlq.db")
			old := fstest.MapFS{}
			for _, n := range names[:version] {
				text, err := migrations.ReadFile("migrations/" + n.Name())
				if err != nil {
					t.Fatal(err)
				}
				old["migrations/"+n.Name()] = &fstest.MapFile{Data: text}
			}
			db := sql.OpenDB(newConnector(path, writerWords, writerPragmas))
			c, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := migrate(t.Context(), c, old); err != nil {
				t.Fatal(err)
			}
			if version > 0 {
				oldReplay(t, c)
			}
			if err := errors.Join(c.Close(), db.Close()); err != nil {
				t.Fatal(err)
			}
			s := open(t, Options{Path: path})
			got := schema(t, s.reads)
			if os.Getenv("DLQ_UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("schema (-golden +got):\n%s", diff)
			}
			admit(t, s, batchOf("pay", 0, 3))
			s.checkFile(t)
			if version == 0 {
				return
			}
			replay, err := s.Replay(t.Context(), "old")
			if err != nil || replay.LetterID != 1 || replay.Note != "a note" || replay.Operation != 0 || replay.TargetKind != dlq.TargetGroup || replay.Transformed {
				t.Errorf("a replay from before the migration: %+v, %v", replay, err)
			}
		})
	}
}

// oldReplay writes a replay in the way of the first version; its letter is yet to come.
func oldReplay(t *testing.T, c *sql.Conn) {
	t.Helper()
	for _, query := range []string{"PRAGMA foreign_keys=0", `INSERT INTO replay(id, letter, number, door, why, cluster, consumer_group, target, topic, unique_key, as_new, delay, delay_level, automatic,
		actor, note, intended_at, outcome, detail, error, broker, address, queue, offset, message_id, weak, dead_phys_offset, dead_attempts, looks, online_for)
		VALUES('old', 1, 1, 'B', '', 'main', 'pay', '%RETRY%pay', 'orders', 'UK', 0, 0, 0, 0, 'ann', 'a note', 1, 'confirmed', '', '', '', '', 0, 0, '', 0, 0, 0, 0, 0)`} {
		if _, err := c.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
}

// A migration that fails leaves the version before it, whole; with the fault gone it goes on from there.
func TestMigrationIsAllOrNothing(t *testing.T) {
	db := sql.OpenDB(newConnector(filepath.Join(t.TempDir(), "dlq.db"), writerWords, writerPragmas))
	defer db.Close()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	scripts := fstest.MapFS{
		"migrations/0001_a.sql": {Data: []byte("PRAGMA application_id=1145851718; CREATE TABLE a(x)")},
		"migrations/0002_b.sql": {Data: []byte("CREATE TABLE b(x); INSERT INTO nowhere VALUES(1)")},
	}
	if err := migrate(t.Context(), c, scripts); err == nil {
		t.Fatal("a broken script is no error")
	}
	if got, version := schema(t, c), versionOf(t, c); got != "CREATE TABLE a(x);\n" || version != 1 {
		t.Fatalf("after the failure: version %d, schema %q", version, got)
	}
	scripts["migrations/0002_b.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE b(x)")}
	scripts["migrations/0003_c.sql"] = &fstest.MapFile{Data: []byte("ALTER TABLE a ADD COLUMN y")}
	if err := migrate(t.Context(), c, scripts); err != nil {
		t.Fatal(err)
	}
	if got, version := schema(t, c), versionOf(t, c); got != "CREATE TABLE a(x, y);\nCREATE TABLE b(x);\n" || version != 3 {
		t.Fatalf("at the end: version %d, schema %q", version, got)
	}
	scripts["migrations/0005_e.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE e(x)")}
	if err := migrate(t.Context(), c, scripts); err == nil {
		t.Fatal("a hole in the numbers is no error")
	}
}

func versionOf(t *testing.T, c *sql.Conn) int {
	t.Helper()
	v, err := fileVersion(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What memory holds is there again after a restart, and no id is given twice even when the newest letters are gone.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	c := newClock()
	s := open(t, Options{Path: path, Now: c.now, Retention: 1})
	admit(t, s, batchOf("pay", 0, 5), batchOf("stock", 7, 9))
	for id := int64(4); id <= 7; id++ {
		apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	}
	c.add(1e9)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.mem
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := s.Letters(t.Context(), dlq.Filter{}, "", 0); dlq.CodeOf(err) != dlq.CodeUnavailable {
		t.Errorf("a read after Close: %v", err)
	}
	if err := <-s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("pay", 5, 6)}); dlq.CodeOf(err) != dlq.CodeUnavailable {
		t.Errorf("a write after Close: %v", err)
	}
	s = open(t, Options{Path: path, Now: c.now})
	if diff := cmp.Diff(before, s.mem, cmp.AllowUnexported(memory{}, word{}, place{}, tally{}, tallyKey{}, tallyRow{}), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".mu" || p.Last().String() == ".tally" }, cmp.Ignore())); diff != "" {
		t.Errorf("memory before and after a restart (-before +after):\n%s", diff)
	}
	s.recount(t)
	admit(t, s, batchOf("pay", 5, 6))
	if p := list(t, s, dlq.Filter{}); len(p.Items) != 4 || p.Items[0].ID != 8 {
		t.Errorf("the letter after a restart: %+v", p.Items[0])
	}
	pos, known, err := s.QueuePosition(t.Context(), queueOf("stock"))
	if err != nil || !known || pos != (dlq.QueuePosition{Queue: queueOf("stock"), Next: 9}) {
		t.Errorf("position of stock: %+v, %v, %v", pos, known, err)
	}
}

// A column that a migration adds or moves changes no statement that names its columns.
func TestInsertsNameTheirColumns(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	statements := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bINTO [a-z_]+\s*(\(?)`).FindAllSubmatch(text, -1) {
			statements++
			if len(m[1]) == 0 {
				t.Errorf("%s: %s names no columns", file, m[0])
			}
		}
	}
	if statements < 30 {
		t.Errorf("%d statements were found", statements)
	}
}
