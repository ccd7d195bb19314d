package rulebook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// versions keeps versions as the store does.
type versions struct {
	mu   sync.Mutex
	list []dlq.RuleVersion
	err  error
	full error // of additions only
}

func (v *versions) AddRuleVersion(_ context.Context, r dlq.RuleVersion) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := errors.Join(v.err, v.full); err != nil {
		return 0, err
	}
	if n := len(v.list); n > 0 && v.list[n-1].SHA256 == r.SHA256 {
		return v.list[n-1].Version, nil
	}
	r.Version = int64(len(v.list) + 1)
	v.list = append(v.list, r)
	return r.Version, nil
}

func (v *versions) RewriteRuleTexts(_ context.Context, f func(string) string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.list {
		v.list[i].Text = f(v.list[i].Text)
	}
	return v.err
}

func (v *versions) LatestRuleVersion(context.Context) (dlq.RuleVersion, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return dlq.RuleVersion{}, v.err
	}
	if len(v.list) == 0 {
		return dlq.RuleVersion{}, dlq.Errorf(dlq.CodeNotFound, "no version yet")
	}
	return v.list[len(v.list)-1], nil
}

// owner owns one key; a value "bad" is an error. It remembers what was applied.
type owner struct {
	key     string
	mu      sync.Mutex
	applied []string
	version int64
}

func (o *owner) owner() Owner {
	return Owner{Keys: []string{o.key}, Compile: func(root *yaml.Node, _ bool) (func(int64), []dlq.Diagnostic) {
		var r yamlnode.Reader
		m, _ := r.FreeMap(root, "rules.yaml")
		value := ""
		if n := m.Get(o.key); n != nil {
			if value = n.Value; value == "bad" {
				r.Error(n, "is-bad", yamlnode.Say("bad", "坏"), "")
			}
		}
		return func(version int64) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.applied, o.version = append(o.applied, value), version
		}, r.Diagnostics()
	}}
}

func (o *owner) last() (string, int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.applied) == 0 {
		return "", 0
	}
	return o.applied[len(o.applied)-1], o.version
}

// desk is a Book with two owners over a file in a folder of its own.
type desk struct {
	*Book
	a, b     *owner
	versions *versions
	path     string
	log      *bytes.Buffer
	changes  int
}

func newDesk(t *testing.T, text string) *desk {
	t.Helper()
	d := &desk{a: &owner{key: "a"}, b: &owner{key: "b"}, versions: &versions{}, path: filepath.Join(t.TempDir(), "rules.yaml"), log: &bytes.Buffer{}}
	if text != "" {
		d.write(t, text)
	}
	d.Book = New(Options{Path: d.path, Owners: []Owner{d.a.owner(), d.b.owner()}, Versions: d.versions, Logger: slog.New(slog.NewTextHandler(d.log, nil)), Changed: func() { d.changes++ }})
	return d
}

func (d *desk) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(d.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) expect(t *testing.T, when, a string, version int64, refused string) {
	t.Helper()
	got, applied := d.a.last()
	now := d.Current()
	code := ""
	if now.Refused != nil {
		code = now.Refused.Diagnostics[0].Code
	}
	if got != a || applied != version || now.Version.Version != version || code != refused {
		t.Errorf("%s: %q of version %d in force, version %d shown, refused for %q; want %q, %d, %q", when, got, applied, now.Version.Version, code, a, version, refused)
	}
}

const (
	one = "version: 1\na: one\nb: x\n"
	two = "version: 1\na: two\nb: x\n"
	bad = "version: 1\na: three\nb: bad\n"
)

func TestLoad(t *testing.T) {
	t.Run("a good file", func(t *testing.T) {
		d := newDesk(t, one)
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "one", 1, "")
		if v := d.Current().Version; v.Text != one || v.Author != "file" || len(v.SHA256) != 64 || v.At.IsZero() {
			t.Errorf("version %+v", v)
		}
	})
	t.Run("an error of one owner leaves the others untouched", func(t *testing.T) {
		d := newDesk(t, bad)
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "", 0, "is-bad")
		if len(d.a.applied)+len(d.b.applied)+len(d.versions.list) != 0 || d.Current().Refused.Text != bad {
			t.Error("something was put in force or kept")
		}
	})
	t.Run("no file", func(t *testing.T) {
		d := newDesk(t, "")
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "", 0, CodeFileMissing)
		if f := d.Current().Refused.Diagnostics[0]; !strings.Contains(f.Message.English, d.path) || !strings.Contains(f.Message.Chinese, d.path) {
			t.Errorf("%+v does not say which file", f)
		}
	})
	t.Run("the last good version instead of a bad file", func(t *testing.T) {
		d := newDesk(t, bad)
		d.versions.list = []dlq.RuleVersion{{Version: 6, Text: one, SHA256: sha([]byte(one))}}
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "one", 6, "is-bad")
	})
	t.Run("the last good version is not good any more", func(t *testing.T) {
		d := newDesk(t, bad)
		d.versions.list = []dlq.RuleVersion{{Version: 6, Text: "version: 1\nc: gone\n"}}
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "", 0, "is-bad")
	})
	t.Run("the same file again has the same version and time", func(t *testing.T) {
		d := newDesk(t, one)
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		d.versions.list = []dlq.RuleVersion{{Version: 3, Text: one, SHA256: sha([]byte(one)), At: at}}
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "one", 3, "")
		if got := d.Current().Version.At; !got.Equal(at) {
			t.Errorf("at %s", got)
		}
	})
	t.Run("a store that fails", func(t *testing.T) {
		d := newDesk(t, one)
		d.versions.err = errors.New("disk full")
		if err := d.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("error %v", err)
		}
		d.expect(t, "loaded", "", 0, "")
	})
	t.Run("a folder, a pipe's end, no permission", func(t *testing.T) {
		d := newDesk(t, "")
		if err := os.Mkdir(d.path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "", 0, CodeFileUnreadable)
	})
	t.Run("a file of 10 MB", func(t *testing.T) {
		d := newDesk(t, strings.Repeat("# 0123456789\n", 800_000))
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "loaded", "", 0, yamlnode.CodeTooLarge)
	})
}

func TestReload(t *testing.T) {
	d := newDesk(t, one)
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(t.Context()); err != nil || len(d.a.applied) != 2 {
		t.Errorf("an unchanged file is compiled again: %v, %v", err, d.a.applied)
	}
	d.write(t, bad)
	err := d.Reload(t.Context())
	if dlq.CodeOf(err) != dlq.CodeInvalid || !strings.Contains(err.Error(), "3:4") {
		t.Errorf("error %v", err)
	}
	d.expect(t, "reloaded", "one", 1, "is-bad")
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, one)
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		wait(10 * time.Second)
		if d.changes != 1 {
			t.Errorf("%d changes without a change", d.changes)
		}
		d.write(t, two)
		wait(1300 * time.Millisecond)
		d.expect(t, "written", "two", 2, "")

		d.write(t, bad)
		wait(1300 * time.Millisecond)
		d.expect(t, "a bad file, seen once", "two", 2, "")
		wait(1300 * time.Millisecond)
		d.expect(t, "a bad file, seen twice", "two", 2, "is-bad")
		changes := d.changes
		wait(20 * time.Second)
		if d.changes != changes || strings.Count(d.log.String(), "level=ERROR") != 1 {
			t.Errorf("a bad file is said %d times:\n%s", d.changes-changes+1, d.log)
		}
		d.write(t, two)
		wait(1300 * time.Millisecond)
		d.expect(t, "the old text again", "two", 2, "")

		if err := os.Remove(d.path); err != nil {
			t.Fatal(err)
		}
		wait(3 * time.Second)
		d.expect(t, "removed", "two", 2, CodeFileMissing)
		changes = d.changes
		wait(20 * time.Second)
		if d.changes != changes {
			t.Error("a missing file is said again and again")
		}
		next := d.path + ".new"
		if err := os.WriteFile(next, []byte(one), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, d.path); err != nil {
			t.Fatal(err)
		}
		wait(1300 * time.Millisecond)
		d.expect(t, "renamed into place", "one", 3, "")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// An editor that writes in place shows the file empty, then half, then whole. Neither of the first two counts, although
// half of the file is good by itself.
func TestHalfWrittenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, one)
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		time.Sleep(990 * time.Millisecond)
		for _, part := range []string{"", "versi", "version: 1\n", "version: 1\na: tw", two} {
			d.write(t, part)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.expect(t, "written", "two", 2, "")
		if got := strings.Join(d.a.applied, " "); got != "one two" || d.changes != 2 || strings.Contains(d.log.String(), "ERROR") {
			t.Errorf("applied %q in %d changes:\n%s", got, d.changes, d.log)
		}
	})
}

// Kubernetes replaces a mounted config map by turning a symbolic link on the way to the file.
func TestSymbolicLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{"v1": one, "v2": two} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name, "rules.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		link := func(to, at string) {
			if err := os.Symlink(to, filepath.Join(dir, "tmp")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, at)); err != nil {
				t.Fatal(err)
			}
		}
		link("v1", "..data")
		link("..data/rules.yaml", "rules.yaml")
		d := newDesk(t, "")
		d.opt.Path = filepath.Join(dir, "rules.yaml")
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		link("v2", "..data")
		time.Sleep(1300 * time.Millisecond)
		synctest.Wait()
		d.expect(t, "turned", "two", 2, "")
	})
}

// While the store cannot keep a version nothing changes, it is said once, and it heals by itself.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, one)
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		d.versions.mu.Lock()
		d.versions.err = errors.New("disk full")
		d.versions.mu.Unlock()
		d.write(t, two)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		d.expect(t, "while the disk is full", "one", 1, "")
		if n := strings.Count(d.log.String(), "disk full"); n != 1 {
			t.Errorf("said %d times:\n%s", n, d.log)
		}
		d.versions.mu.Lock()
		d.versions.err = nil
		d.versions.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.expect(t, "when there is room", "two", 2, "")
	})
}

func TestConcurrentUse(t *testing.T) {
	d := newDesk(t, one)
	d.opt.Changed = func() {}
	d.opt.Logger = slog.New(slog.DiscardHandler)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 20 {
				if i == 0 {
					d.write(t, []string{one, two, bad}[k%3])
				}
				if err := d.Reload(t.Context()); err != nil && dlq.CodeOf(err) != dlq.CodeInvalid {
					t.Error(err)
				}
				if now := d.Current(); now.Version.Version > 0 && !strings.Contains(now.Version.Text, "version: 1") {
					t.Errorf("%+v", now)
				}
			}
		})
	}
	wg.Wait()
}

func TestCheck(t *testing.T) {
	a, b := &owner{key: "a"}, &owner{key: "bee"}
	owners := []Owner{a.owner(), b.owner()}
	for _, tt := range []struct{ text, want string }{
		{"version: 1\n", ""},
		{"version: 1\na: x\nbee: y\n", ""},
		{"a: x\n", CodeMissingVersion},
		{"version: 2\n", CodeUnknownVersion},
		{"version: '1.0'\n", CodeUnknownVersion},
		{"version: [1]\n", CodeUnknownVersion},
		{"{}\n", CodeMissingVersion},
		{"version: 1\nbe: y\n", yamlnode.CodeUnknownKey},
		{"version: 1\na: bad\nbee: bad\nc: x\n", "is-bad is-bad " + yamlnode.CodeUnknownKey},
		{"version: 1\na: bad\na: bad\n", "is-bad " + yamlnode.CodeDuplicateKey},
		{"version: [\n", yamlnode.CodeSyntax},
	} {
		var got []string
		for _, d := range Check([]byte(tt.text), owners) {
			got = append(got, d.Code)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
		}
	}
	if len(a.applied)+len(b.applied) != 0 {
		t.Error("a check put something in force")
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"secret: env:NAME\n", "secret: env:NAME\n"},
		{"secret: 'file:/run/x'\n", "secret: 'file:/run/x'\n"},
		{"secret: hunter2\n", "secret: ••••••\n"},
		{"secret: hunter2,more # why\n", "secret: •••••• # why\n"},
		{"ops: {url: env:U, secret: hunter2, type: webhook}\n", "ops: {url: env:U, secret: ••••••, type: webhook}\n"},
		{"ops: {secret: \"hunter2, \\\" x\", type: webhook}\n", "ops: {secret: ••••••, type: webhook}\n"},
		{"\"secret\": hunter2\r\n", "\"secret\": ••••••\r\n"},
		{"signing_secret: hunter2", "signing_secret: ••••••"},
		{"# secret: hunter2\n", "# secret: ••••••\n"},
		{"secret: |\n  hunter2\n  hunter2\nnext: x\n", "secret: |\n  ••••••\n  ••••••\nnext: x\n"},
		{"secret:\n  hunter2\nnext: x\n", "secret:\n  ••••••\nnext: x\n"},
		{"secret: \"hunter2\n  hunter2\"\nnext: x\n", "secret: ••••••\n  ••••••\nnext: x\n"},
		{"password: hunter2\ntoken: hunter2\n", "password: ••••••\ntoken: ••••••\n"},
		{"url: https://ops:hunter2@host/x\n", "url: https://host/••••••\n"},
		{"{secret: hunter2", "{secret: ••••••"},
		{"name: no secrets: here\n", "name: no secrets: here\n"},
		{"reason: [a]\n", "reason: [a]\n"},
	} {
		if got := Redact([]byte(tt.text)); got != tt.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}

// A literal secret in a file is in nothing that is shown.
func TestSecretsAreNotShown(t *testing.T) {
	d := newDesk(t, "version: 1\na: one\n# secret: hunter2\nb: bad\n")
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(d.Current().Refused.Text, "hunter2") {
		t.Error("the refused text shows it")
	}
	d.write(t, "version: 1\na: one\n# secret: hunter2\n")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(d.Current().Version.Text, "hunter2") || strings.Contains(d.versions.list[0].Text, "hunter2") {
		t.Error("the text in force shows it, or the kept version")
	}
	if strings.Contains(d.log.String(), "hunter2") {
		t.Error("the log shows it")
	}
}
