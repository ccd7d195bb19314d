package outside_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
)

func file(path string) yamlnode.Reference { return yamlnode.Reference{Source: "file", Value: path} }

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReferencesAreRead(t *testing.T) {
	lookup := outside.From(func(name string) string { return map[string]string{"A": " in a\n"}[name] })
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(write(t, "linked"), link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ref  yamlnode.Reference
		want string
	}{
		{yamlnode.Reference{Value: "literal"}, "literal"},
		{yamlnode.Reference{Source: "env", Value: "A"}, "in a"},
		{file(write(t, "in a file\n")), "in a file"},
		{file(write(t, strings.Repeat("x", outside.MaxFile))), strings.Repeat("x", outside.MaxFile)},
		{file(link), "linked"}, // as Kubernetes mounts secrets
	} {
		if got, err := lookup(tt.ref); got != tt.want || err != nil {
			t.Errorf("%+v: %.20q, %v", tt.ref, got, err)
		}
	}
}

// Whatever a reference names, reading it ends, takes little, and does not tell what is there.
func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	closed := write(t, "closed")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	paths := []string{"/dev/zero", "/dev/ptmx", "/dev/tty", pipe, link, dir, filepath.Join(dir, "none"), "/dev/full/x", "with\x00nul",
		write(t, ""), write(t, " \n"), write(t, strings.Repeat("x", outside.MaxFile+1))}
	if os.Getuid() != 0 { // root reads everything
		paths = append(paths, closed)
	}
	for _, path := range paths {
		text, err := outside.From(os.Getenv)(file(path))
		var shown *dlq.Error
		if text != "" || !errors.As(err, &shown) || shown.Code != dlq.CodeRefused {
			t.Errorf("%s: %.20q, %v", path, text, err)
			continue
		}
		if want := outside.Nothing(file(path)).English; shown.Message != want {
			t.Errorf("%s: a person reads %q", path, shown.Message)
		}
	}
	if _, err := outside.From(func(string) string { return " " })(yamlnode.Reference{Source: "env", Value: "A"}); err == nil || err.Error() != "the variable A is not set" {
		t.Errorf("an empty variable: %v", err)
	}
}

func TestSealedFollowsNothing(t *testing.T) {
	if got, err := outside.Sealed(yamlnode.Reference{Value: "literal"}); got != "literal" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, ref := range []yamlnode.Reference{{Source: "env", Value: "HOME"}, file(write(t, "x"))} {
		if got, err := outside.Sealed(ref); got != "" || !errors.Is(err, outside.ErrSealed) {
			t.Errorf("%+v: %q, %v", ref, got, err)
		}
	}
}
