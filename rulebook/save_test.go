package rulebook

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// save is an edit of the file as it is shown now.
func (d *desk) save(t *testing.T, text string) (Snapshot, error) {
	t.Helper()
	return d.Save(t.Context(), Edit{Text: text, ETag: d.File().ETag, Author: "anna", Note: "because"})
}

func (d *desk) onDisk(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func loaded(t *testing.T, text string) *desk {
	t.Helper()
	d := newDesk(t, text)
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := loaded(t, one)
		owner := os.Geteuid()
		if owner == 0 { // root keeps another's file another's
			owner = 65534
			if err := os.Chown(d.path, owner, owner); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(d.path, 0o604); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		now, err := d.save(t, two)
		if err != nil {
			t.Fatal(err)
		}
		d.expect(t, "saved", "two", 2, "")
		if v := now.Version; v.Version != 2 || v.Author != "anna" || v.Note != "because" || v.Text != two || d.onDisk(t) != two {
			t.Errorf("%+v", v)
		}
		info, err := os.Stat(d.path)
		if err != nil || info.Mode().Perm() != 0o604 || int(info.Sys().(*syscall.Stat_t).Uid) != owner {
			t.Errorf("mode %v of %v, %v", info.Mode(), info.Sys(), err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(d.versions.list) != 2 || len(d.a.applied) != 2 {
			t.Errorf("%d versions, applied %v: the watcher took the save for another change", len(d.versions.list), d.a.applied)
		}

		if _, err := d.save(t, two); err != nil || len(d.versions.list) != 2 {
			t.Errorf("the same text again: %v, %d versions", err, len(d.versions.list))
		}
		if _, err := d.Save(t.Context(), Edit{Text: one, ETag: d.File().ETag, Author: "bert", Note: "back"}); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "rolled back", "one", 3, "")
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(d.path), ".*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestSaveRefuses(t *testing.T) {
	d := loaded(t, one)
	etag := d.File().ETag
	_, err := d.save(t, bad)
	if wrong := new(InvalidError); !errors.As(err, &wrong) || dlq.CodeOf(err) != dlq.CodeInvalid || wrong.Diagnostics[0].Code != "is-bad" {
		t.Errorf("a bad text: %v", err)
	}
	d.write(t, "version: 1\na: by hand\n")
	if _, err := d.Save(t.Context(), Edit{Text: two, ETag: etag, Author: "anna", Note: "x"}); dlq.CodeOf(err) != dlq.CodeConflict {
		t.Errorf("another file than was seen: %v", err)
	}
	if got := d.onDisk(t); got != "version: 1\na: by hand\n" || len(d.versions.list) != 1 {
		t.Errorf("changed to %q, %d versions", got, len(d.versions.list))
	}
	if _, err := d.save(t, two+strings.Repeat("#", yamlnode.MaxSize)); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("too large: %v", err)
	}
}

// Of people who save at once one wins, and the others are told.
func TestSaveAtOnce(t *testing.T) {
	d := loaded(t, one)
	etag := d.File().ETag
	var wg sync.WaitGroup
	results := make(chan error, 8)
	for i := range 8 {
		wg.Go(func() {
			_, err := d.Save(t.Context(), Edit{Text: "version: 1\na: person " + string(rune('A'+i)) + "\n", ETag: etag, Author: "x", Note: "y"})
			results <- err
		})
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if dlq.CodeOf(err) != dlq.CodeConflict {
			t.Error(err)
		}
	}
	if won != 1 || len(d.versions.list) != 2 || d.versions.list[1].Text != d.onDisk(t) {
		t.Errorf("%d won, %d versions", won, len(d.versions.list))
	}
}

// A save while the store cannot keep versions counts later, under the author's name.
func TestSaveWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := loaded(t, one)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		fails := func(err error) {
			d.versions.mu.Lock()
			defer d.versions.mu.Unlock()
			d.versions.full = err
		}
		fails(errors.New("disk full"))
		if _, err := d.save(t, two); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("error %v", err)
		}
		fails(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.expect(t, "when there is room", "two", 2, "")
		if v := d.versions.list[1]; v.Author != "anna" || v.Note != "because" {
			t.Errorf("%+v", v)
		}
	})
}

func TestSaveThroughLinks(t *testing.T) {
	d := loaded(t, one)
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(d.path, link); err != nil {
		t.Fatal(err)
	}
	d.opt.Path = link
	if _, err := d.save(t, two); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 || d.onDisk(t) != two {
		t.Errorf("the link became %v, %v; the file %q", info.Mode(), err, d.onDisk(t))
	}
	if err := os.Remove(d.path); err != nil {
		t.Fatal(err)
	}
	if f := d.File(); f.Writable.Why != WhyNotAFile {
		t.Errorf("a link that leads nowhere: %+v", f.Writable)
	}
}

func TestSaveMakesAFile(t *testing.T) {
	d := loaded(t, "")
	if f := d.File(); f.Text != "" || f.ETag != sha(nil) || !f.Writable.OK {
		t.Errorf("%+v", f)
	}
	if _, err := d.save(t, one); err != nil {
		t.Fatal(err)
	}
	d.expect(t, "made", "one", 1, "")
	if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != newFileMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestUnwritable(t *testing.T) {
	t.Run("a read-only file", func(t *testing.T) {
		d := loaded(t, one)
		if err := os.Chmod(d.path, 0o444); err != nil {
			t.Fatal(err)
		}
		if f := d.File(); f.Writable.OK || f.Writable.Why != WhyReadOnlyFile && f.Writable.Why != WhyNoPermission || f.Writable.Message == nil {
			t.Errorf("%+v", f.Writable)
		}
		_, err := d.save(t, two)
		if known := new(dlq.Error); !errors.As(err, &known) || known.Code != dlq.CodeRefused || known.Params["why"] == "" || known.Hint == "" || d.onDisk(t) != one {
			t.Errorf("error %v, %q", err, d.onDisk(t))
		}
	})
	t.Run("a folder in its place", func(t *testing.T) {
		d := newDesk(t, "")
		if err := os.Mkdir(d.path, 0o700); err != nil {
			t.Fatal(err)
		}
		if f := d.File(); f.Writable.Why != WhyNotAFile {
			t.Errorf("%+v", f.Writable)
		}
		if _, err := d.save(t, one); dlq.CodeOf(err) != dlq.CodeRefused {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		d := newDesk(t, "")
		d.opt.Path = filepath.Join(t.TempDir(), "none", "rules.yaml")
		if _, err := d.save(t, one); dlq.CodeOf(err) != dlq.CodeRefused || d.File().Writable.Why != WhyNoPermission {
			t.Errorf("error %v, %+v", err, d.File().Writable)
		}
	})
	for err, why := range map[error]string{syscall.EROFS: WhyReadOnlySystem, syscall.EBUSY: WhyMounted, syscall.EACCES: WhyNoPermission} {
		known := new(dlq.Error)
		if e := explainWrite("x", &os.PathError{Op: "rename", Err: err}); !errors.As(e, &known) || known.Params["why"] != why || known.Code != dlq.CodeRefused {
			t.Errorf("%v is told as %v", err, e)
		}
	}
	if e := explainWrite("x", syscall.ENOSPC); dlq.CodeOf(e) != dlq.CodeUnavailable {
		t.Error(e)
	}
	const mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n36 22 8:1 /etc/r /data/my\\040rules.yaml ro,relatime - ext4 /dev/sda1 rw\n"
	if !mounted(mounts, "/data/my rules.yaml") || mounted(mounts, "/data/rules.yaml") || mounted(mounts, "/data") {
		t.Error("mount points are read wrongly")
	}
}

const secrets = `version: 1
a:
  # old token: hunter0
  pay: {url: "https://ops:hunter1@host/x", secret: "hunter, 2", type: x} # secret: hunter3
  stock:
    secret: |
      hunter4
      # hunter5
    hook: https://open.feishu.cn/open-apis/bot/v2/hook/hunter6
    robot: 'https://oapi.dingtalk.com/robot/send?access_token=hunter7&x=y'
    list:
      - name: one
        password: hunter8
      - {token: hunter9,
         name: two}
    other_secret: env:NAME
    folded_secret: >-
      hunter10

      hunter11
  plain:
    secret: hunter12
      hunter13
b: x
`

// What is shown of a file holds no secret, and saving it changes no byte.
func TestSaveKeepsSecrets(t *testing.T) {
	for name, text := range map[string]string{"plain": secrets, "Windows": strings.ReplaceAll(secrets, "\n", "\r\n"), "with a mark": "\ufeff" + secrets} {
		t.Run(name, func(t *testing.T) {
			d := loaded(t, text)
			shown := d.File().Text
			if strings.Contains(shown, "hunter") || strings.HasPrefix(shown, "\ufeff") {
				t.Fatal(shown)
			}
			if strings.Count(shown, "\n") != strings.Count(text, "\n") {
				t.Error("lines were lost")
			}
			edited := strings.ReplaceAll(shown, "\r\n", "\n") // as a page sends it
			if _, err := d.save(t, edited); err != nil || d.onDisk(t) != text {
				t.Errorf("the same text: %v\n%s", err, d.onDisk(t))
			}
			edited = "# new\n" + strings.Replace(edited, "b: x", "b: y", 1)
			if _, err := d.save(t, edited); err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(text, "b: x", "b: y", 1)
			want = strings.Replace(want, "version: 1", "# new\nversion: 1", 1)
			if name == "Windows" {
				want = strings.Replace(want, "# new\n", "# new\r\n", 1)
			}
			if got := d.onDisk(t); got != want {
				t.Errorf("changed elsewhere:\n%q\n%q", got, want)
			}
		})
	}
}

func TestRestore(t *testing.T) {
	const base = "a:\n  x: {secret: s1, url: u}\n  y: {secret: 's, 2', url: u}\nl:\n  - {name: n, token: t1}\n  - {name: m, token: t2}\n# password: p1\n"
	shown := Redact([]byte(base))
	for _, tt := range []struct{ name, text, want string }{
		{"moved within the file", "l:\n  - {name: m, token: ••••••}\n  - {name: n, token: ••••••}\na:\n  y: {secret: ••••••}\n",
			"l:\n  - {name: m, token: t2}\n  - {name: n, token: t1}\na:\n  y: {secret: 's, 2'}\n"},
		{"written otherwise", "a:\n  x:\n    secret: '••••••'\n  y: {url: v, secret: \"••••••\"}\n", "a:\n  x:\n    secret: 's1'\n  y: {url: v, secret: 's, 2'}\n"},
		{"renamed", strings.Replace(shown, "x: {", "z: {", 1), "2:15"},
		{"somewhere else", "a:\n  x: {type: ••••••}\n", "2:13"},
		{"within a text", "a:\n  x: {secret: a••••••}\n", "2:16"},
		{"two of one name", "l:\n  - {name: n, token: ••••••}\n  - {name: n, token: ••••••}\n", "3:22"},
		{"a comment that was changed", "a: b\n# my password: ••••••\n", "2:16"},
		{"a comment that moved", "a: b\n# password: ••••••\n", "a: b\n# password: p1\n"},
		{"none", "a: b\n", "a: b\n"},
		{"no YAML", "a: [••••••\n", "a: [••••••\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := restore(tt.text, []string{base})
			seen := got.text
			if len(got.found) > 0 {
				d := got.found[0]
				seen = strconv.Itoa(d.Line) + ":" + strconv.Itoa(d.Column)
				if d.Code != CodeHiddenSecret || d.Severity != dlq.DiagnosticError {
					t.Errorf("%+v", d)
				}
			}
			if seen != tt.want {
				t.Errorf("got %q, want %q", seen, tt.want)
			}
		})
	}
	t.Run("from the version in force", func(t *testing.T) {
		if got := restore(shown, []string{"", base}); got.text != base {
			t.Errorf("got %q", got.text)
		}
	})
	t.Run("a file that is not YAML comes first", func(t *testing.T) {
		broken := strings.Replace(base, "s1", "s9", 1) + "x: [\n"
		mended := strings.Replace(Redact([]byte(broken)), "x: [", "x: []", 1)
		want := strings.Replace(broken, "x: [", "x: []", 1)
		if got := restore(mended, []string{broken, base}); got.text != want || len(got.found) > 0 {
			t.Errorf("got %q, want %q: %v", got.text, want, got.found)
		}
	})
}

// Findings about what stands behind a secret are where they are in the text that is shown.
func TestCheckCountsColumnsAsShown(t *testing.T) {
	d := loaded(t, "version: 1\na: {secret: hunter2 and more, x: y}\nb: x\n")
	found, err := d.Check(t.Context(), "version: 1\na: {secret: ••••••, x: y}\nb: {secret: ••••••, c: d}\nc: x\n", false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.Code+"@"+strconv.Itoa(f.Line)+":"+strconv.Itoa(f.Column)+"-"+strconv.Itoa(f.EndColumn))
	}
	if want := "hidden-secret@3:13-19 unknown-key@4:1-2"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r := restore("a: {secret: ••••••, x: z}\n", []string{"a: {secret: hunter2 and more, x: y}\n"})
	for column, want := range map[int]int{1: 1, 13: 13, 14: 14, 29: 19, 30: 20, 35: 25} {
		if got := columnShown(r.moved()[1], column); got != want {
			t.Errorf("column %d became %d, want %d", column, got, want)
		}
	}
}

func TestForeignEncodings(t *testing.T) {
	chinese := "version: 1\na: 规则\n"
	gb := []byte("version: 1\na: \xb9\xe6\xd4\xf2\n")
	utf16 := []byte{0xff, 0xfe}
	for _, c := range chinese {
		utf16 = append(utf16, byte(c), byte(c>>8))
	}
	for name, text := range map[string][]byte{"GB18030": gb, "UTF-16": utf16} {
		d := newDesk(t, string(text))
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		now := d.Current()
		if now.Refused == nil || now.Refused.Diagnostics[0].Code != yamlnode.CodeNotUTF8 || !strings.Contains(now.Refused.Diagnostics[0].Message.English, name) {
			t.Errorf("%s is refused with %+v", name, now.Refused)
		}
		if got := d.File().Text; got != chinese {
			t.Errorf("%s is shown as %q", name, got)
		}
		if _, err := d.save(t, d.File().Text); err != nil || d.onDisk(t) != chinese {
			t.Errorf("%s is saved as %q: %v", name, d.onDisk(t), err)
		}
	}
	if got := yamlnode.Decode([]byte("a: caf\xe9\n")); got != "a: caf\ufffd\n" {
		t.Errorf("Latin-1 is shown as %q", got)
	}
}

// Whatever a text holds, looking at it takes a moment and no more. The texts are smaller than they may be, since the race
// detector makes all of this slow.
func TestNothingStalls(t *testing.T) {
	const size = yamlnode.MaxSize / 4
	long := strings.Repeat("t", 380)
	var oneLine, rules, hidden strings.Builder
	for i := range 10_000 {
		oneLine.WriteString("secret" + strconv.Itoa(i) + ": abc, ")
		hidden.WriteString("secret" + strconv.Itoa(i) + ": ••••••, ")
	}
	for i := range 500 {
		rules.WriteString("  - {name: r" + strconv.Itoa(i) + ", match: {topic: " + long + "}, route: manual}\n")
	}
	for name, text := range map[string]string{
		"one line of secrets": "a: {" + oneLine.String() + "}", "a broken line of secrets": "a: {" + oneLine.String(), "one line of hidden ones": "a: {" + hidden.String()[:size-100] + "}", "rules": "rules:\n" + rules.String(), "rules in brackets": "rules: [" + strings.ReplaceAll(strings.ReplaceAll(rules.String(), "  - ", ""), "\n", ",") + "]",
		"an open bracket": strings.Repeat("[", size), "an open quote": "a: \"" + strings.Repeat("x\n", size/2-10), "comments": strings.Repeat("# token: x\n", size/12), "lines": "a:\n" + strings.Repeat(" - b\n", size/6), "a long text": "a: |\n" + strings.Repeat("  x\n", size/5),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			shown := Redact([]byte(text))
			restore(shown, []string{text})
			restore(shown+"\n# more", []string{text, shown})
			OutlineOf(text)
			if _, err := Switch(text, SectionRules, "r499", true); err != nil && dlq.CodeOf(err) != dlq.CodeNotFound && dlq.CodeOf(err) != dlq.CodeRefused {
				t.Error(err)
			}
			if took := time.Since(began); took > 20*time.Second { // it is well below a second when nothing else runs
				t.Errorf("took %s", took)
			}
		})
	}
}

// What is shown has as many lines as the file, and after an edit elsewhere all secrets are back, byte for byte.
func FuzzRestore(f *testing.F) {
	shipped, err := os.ReadFile("../rules.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped))
	f.Add(secrets)
	f.Add("a: {secret: x, b: [{token: 'it''s', name: n}, {token: \"\\\"\", name: n}]}\n? secret\n: y\npassword: |2-\n   z\n\n  # w\nurl: http://a:b@c/?key=d#e\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := parseDocument(text); !ok || strings.Contains(text, Redacted) {
			return
		}
		text = string(yamlnode.WithoutBOM([]byte(text)))
		shown := Redact([]byte(text))
		if got, want := len(lineStarts(shown)), len(lineStarts(text)); got != want {
			t.Fatalf("%d lines, then %d: %q", want, got, shown)
		}
		tail := "\n# edited"
		if _, ok := parseDocument(shown + tail); !ok {
			return
		}
		back := restore(shown+tail, []string{text})
		if len(back.found) == 0 && back.text != text+tail && !strings.Contains(text, "\r") {
			t.Fatalf("%q\nis shown as %q\nand comes back as %q", text, shown, back.text)
		}
	})
}
