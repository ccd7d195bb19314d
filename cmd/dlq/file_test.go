package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/ui"
)

// noBroker is where no name server listens.
const noBroker = "127.0.0.9:9876"

func run1(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// ended waits until a console that was started has given up, and returns what it said.
func ended(t *testing.T, data string) string {
	t.Helper()
	c := launch(t, "serve", "--data", data, "--listen", freeAddress(t), "--rules", "../../rules.yaml", "--namesrv", noBroker)
	select {
	case <-c.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("a console opened %s", data)
	}
	if status := c.command.ProcessState.ExitCode(); status != 1 {
		t.Errorf("exit status %d", status)
	}
	return c.log()
}

func fileStatus(t *testing.T, c *console) dlq.FileStatus {
	t.Helper()
	var s ui.Status
	if err := c.get("/status", &s); err != nil {
		t.Fatal(err)
	}
	return s.Store.File
}

// Whatever name leads to a data file, one process works on it.
func TestOneFileOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data", "dlq.db")
	c := startConsole(t, data, freeAddress(t), "--namesrv", noBroker)
	link, hard, folder := filepath.Join(dir, "link.db"), filepath.Join(dir, "hard.db"), filepath.Join(dir, "folder")
	for _, err := range []error{os.Symlink(data, link), os.Link(data, hard), os.Symlink(filepath.Dir(data), folder)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{link, hard, filepath.Join(folder, "dlq.db"), data} {
		if said := ended(t, name); !strings.Contains(said, "in use by another process") || !strings.Contains(said, "--data") {
			t.Errorf("%s: %s", name, said)
		}
	}
	if status := c.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if c = startConsole(t, link, freeAddress(t), "--namesrv", noBroker); fileStatus(t, c).State != dlq.FileOK {
		t.Error("another name makes a copy of it")
	}
}

// A data file that goes away from under a console is noticed: it takes no acts, is not ready and says why, and goes on when
// the file is back.
func TestFileGone(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "dlq.db")
	c := startConsole(t, data, freeAddress(t), "--namesrv", noBroker)
	ready := func(want int, state dlq.FileState) {
		t.Helper()
		eventually(t, 15*time.Second, fmt.Sprint(state, " is noticed"), func() error {
			answer, err := http.Get(c.url + "/readyz")
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if got := fileStatus(t, c).State; answer.StatusCode != want || got != state {
				return fmt.Errorf("%s, %s", answer.Status, got)
			}
			return nil
		})
		var a dlq.Automation
		if err := c.get("/automation", &a); err != nil {
			t.Fatal(err)
		}
		err := c.call(t.Context(), http.MethodPut, "/automation", map[string]any{"version": a.Version, "on": false, "stopped": false, "note": "x"}, nil)
		if refused := err != nil && strings.Contains(err.Error(), "503") && strings.Contains(err.Error(), "data file"); refused != (state != dlq.FileOK) {
			t.Errorf("%s: an act ends as %v", state, err)
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	ready(200, dlq.FileOK)
	rename(data, data+".away")
	ready(503, dlq.FileRemoved)
	if err := os.WriteFile(data, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	ready(503, dlq.FileReplaced)
	rename(data+".away", data)
	ready(200, dlq.FileOK)
	rename(data+"-wal", data+".log")
	ready(503, dlq.FileLogRemoved)
	rename(data+".log", data+"-wal")
	ready(200, dlq.FileOK)
	rename(data, data+".away")
	ready(503, dlq.FileRemoved)
	if err := os.WriteFile(data+"-wal", []byte("of the file that takes its place"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.stop()
	if text, err := os.ReadFile(data + "-wal"); err != nil || !strings.HasPrefix(string(text), "of the file") {
		t.Errorf("the end of the console touched what took its file's place: %q, %v", text, err)
	}
}

// A file that was copied from under a console without its log is refused with that word; with it, or when the console had
// ended, it is opened as a copy; `dlq backup` makes one that is whole.
func TestCopiesOfAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data", "dlq.db")
	c := startConsole(t, data, freeAddress(t), "--namesrv", noBroker)
	plain := filepath.Join(dir, "plain.db")
	run1(t, "cp", "-a", data, plain)
	if said := ended(t, plain); !strings.Contains(said, "write-ahead log plain.db-wal is missing") || !strings.Contains(said, "dlq backup") {
		t.Error(said)
	}
	if _, err := os.Stat(plain + "-wal"); err == nil {
		t.Error("the refused file got a log")
	}

	backup := filepath.Join(dir, "backup.db")
	if r := try(t, nil, "", "backup", "--server", c.url, backup); r.status != 0 || !strings.Contains(r.out, "0 letters") {
		t.Fatalf("%+v", r)
	}
	if r := try(t, nil, "", "backup", "--server", c.url, backup); r.status == 0 || !strings.Contains(r.errout, "exists already") {
		t.Errorf("a second backup: %+v", r)
	}
	whole := filepath.Join(dir, "whole")
	run1(t, "cp", "-a", filepath.Dir(data), whole)
	if entries, err := os.ReadDir(filepath.Dir(data)); err != nil || len(entries) != 4 { // file, lock, log, shared memory
		t.Errorf("the data folder holds %v, %v", entries, err)
	}
	for _, copied := range []string{backup, filepath.Join(whole, "dlq.db")} {
		k := startConsole(t, copied, freeAddress(t), "--namesrv", noBroker)
		if s := fileStatus(t, k); s.State != dlq.FileCopy || s.From == nil || s.From.Path != data {
			t.Errorf("%s: %+v", copied, s)
		}
		var a dlq.Automation
		if err := k.get("/automation", &a); err != nil || a.On || !a.Stopped {
			t.Errorf("%s: automation %+v, %v", copied, a, err)
		}
		err := k.call(t.Context(), http.MethodPut, "/automation", map[string]any{"version": a.Version, "on": true, "stopped": false, "note": "x"}, nil)
		if err == nil || !strings.Contains(err.Error(), "is a copy of") || !strings.Contains(err.Error(), "adopt") {
			t.Errorf("%s: automation is switched on: %v", copied, err)
		}
		var s dlq.FileStatus
		if err := k.call(t.Context(), http.MethodPost, "/file/adopt", map[string]any{}, &s); err != nil || s.State != dlq.FileOK {
			t.Fatalf("%s: %+v, %v", copied, s, err)
		}
		if err := k.call(t.Context(), http.MethodPut, "/automation", map[string]any{"version": a.Version, "on": true, "stopped": false, "note": "x"}, nil); err != nil {
			t.Errorf("%s after it was confirmed: %v", copied, err)
		}
		if status := k.stop(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		k = startConsole(t, copied, freeAddress(t), "--namesrv", noBroker)
		if err := k.get("/automation", &a); err != nil || fileStatus(t, k).State != dlq.FileOK || !a.On {
			t.Errorf("%s after a restart: %+v, %+v, %v", copied, fileStatus(t, k), a, err)
		}
		k.kill()
	}

	if r := try(t, nil, "", "adopt", "--without-log", "--data", plain); r.status != 0 || !strings.Contains(r.out, "the one in use in place of "+data) {
		t.Errorf("%+v", r)
	}
	if status := c.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if r := try(t, nil, "", "adopt", "--data", data); r.status != 0 || !strings.Contains(r.out, "is no copy") {
		t.Errorf("%+v", r)
	}
	// Moved, killed and started again it is no copy.
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(filepath.Dir(data), moved); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		k := startConsole(t, filepath.Join(moved, "dlq.db"), freeAddress(t), "--namesrv", noBroker)
		if s := fileStatus(t, k); s.State != dlq.FileOK {
			t.Errorf("a moved file: %+v", s)
		}
		k.kill()
	}
	offline := filepath.Join(dir, "offline.db")
	if r := try(t, nil, "", "backup", "--data", filepath.Join(moved, "dlq.db"), offline); r.status != 0 {
		t.Errorf("%+v", r)
	}
	if r := try(t, nil, "", "adopt", "--data", offline); r.status != 0 || !strings.Contains(r.out, "in place of") {
		t.Errorf("%+v", r)
	}
}

// A folder that is copied while an operation runs, and opened beside the original on the same cluster, sends nothing: every
// letter reaches its consumer group once.
func TestCopySendsNothing(t *testing.T) {
	t.Parallel()
	const letters = 300
	f := newShopFloor(t, letters)
	c, stop := f.open(t)
	await(t, c, letters)
	f.heal(func(int) bool { return false })
	var op dlq.Operation
	spec := dlq.OperationSpec{Replay: &dlq.ReplaySpec{}, Pace: dlq.Pace{Rate: 40}}
	if err := c.call(context.Background(), http.MethodPost, "/operations", map[string]any{"kind": dlq.OperationReplay, "note": "x", "query": "tab=attention", "spec": spec}, &op); err != nil {
		t.Fatal(err)
	}
	if err := c.call(context.Background(), http.MethodPost, "/operations/"+op.ID+"/start", map[string]any{"version": op.Version, "note": "x"}, &op); err != nil {
		t.Fatal(err)
	}
	reach(t, c, op.ID, "it has begun", func(o dlq.Operation) bool { return givenBack(o) > 40 })

	copied := filepath.Join(t.TempDir(), "copied")
	run1(t, "cp", "-a", filepath.Dir(f.data), copied)
	g := &shopFloor{broker: f.broker, data: filepath.Join(copied, "dlq.db")}
	k, _ := g.open(t)
	if s := fileStatus(t, k); s.State != dlq.FileCopy {
		t.Fatalf("%+v", s)
	}
	paused := reach(t, k, op.ID, "the copy's operation is paused", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	if paused.Counts[dlq.ItemPending] == 0 {
		t.Fatal("nothing was left to send")
	}
	if err := k.call(context.Background(), http.MethodPost, "/operations/"+op.ID+"/resume", map[string]any{"note": "x"}, nil); err == nil {
		t.Error("the copy's operation is resumed")
	}
	var page dlq.Page
	if err := k.get("/letters?tab=attention&limit=1", &page); err != nil || len(page.Items) == 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	err := k.call(context.Background(), http.MethodPost, fmt.Sprintf("/letters/%d/replay", page.Items[0].ID), map[string]any{"version": page.Items[0].Version}, nil)
	if err == nil || !strings.Contains(err.Error(), "is a copy of") {
		t.Errorf("a letter of the copy is given back: %v", err)
	}
	settled := reach(t, c, op.ID, "the original comes to its end", isSettled)
	if got := len(f.arrivals()); got != letters {
		t.Errorf("%d replays arrived of %d letters: %+v", got, letters, settled.Counts)
	}

	// When the original has ended, a person goes on with the copy.
	stop()
	if err := k.call(context.Background(), http.MethodPost, "/file/adopt", map[string]any{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.call(context.Background(), http.MethodPost, fmt.Sprintf("/letters/%d/replay", page.Items[0].ID), map[string]any{"version": page.Items[0].Version}, nil); err != nil {
		t.Errorf("the confirmed copy: %v", err)
	}
}
