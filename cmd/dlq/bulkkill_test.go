package main

import (
	"bytes"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// The console is killed again and again while it carries out an operation that a person follows from a shell. The person
// sees its end, every letter reached the consumer group once, and the ledger says what mqadmin says.
func TestBulkReplayOutlivesKill9(t *testing.T) {
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) { bulkReplayAndKills(t, node.Shared(t, version)) })
	}
}

func bulkReplayAndKills(t *testing.T, n *node.Node) {
	const letters, kills = 2000, 3
	w := newWorld(t, n, letters)
	if err := w.feed(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	data, address := filepath.Join(t.TempDir(), "dlq.db"), freeAddress(t)
	c := startConsole(t, data, address, "--namesrv", n.NameServer())
	eventually(t, 2*time.Minute, "the letters are there", func() error { return w.arrived(c) })

	var out, errout bytes.Buffer
	env := environment{get: func(string) string { return "" }, stdout: &out, stderr: &errout}
	status := make(chan int, 1)
	go func() {
		status <- run(t.Context(), []string{"replay", "--server", c.url, "--filter", "tab=attention&consumer_group=" + w.group, "--dry-run=false", "--note", "test",
			"--id", "killed", "--rate", "300", "--canary", "5", "--canary-percent", "0", "--follow"}, env)
	}()
	reach(t, c, "killed", "it acts", func(o dlq.Operation) bool { return o.State == dlq.OperationRunning })
	for range kills {
		time.Sleep(time.Duration(300+mathrand.IntN(1500)) * time.Millisecond) // the moment of the kill is the input of this test
		c.kill()
		c = startConsole(t, data, address, "--namesrv", n.NameServer())
	}
	o := dlq.Operation{}
	if err := c.get("/operations/killed", &o); err != nil {
		t.Fatal(err)
	}
	if o.State == dlq.OperationSettled {
		t.Error("it was over before the last kill: the kills tested nothing")
	}
	select {
	case got := <-status:
		if got != 0 || !strings.Contains(out.String(), fmt.Sprintf("settled  %d of %d  confirmed %d", letters, letters, letters)) {
			t.Errorf("status %d\n%s\n%s", got, &out, &errout)
		}
	case <-time.After(4 * time.Minute):
		_ = c.get("/operations/killed", &o)
		t.Fatalf("it is not settled: %s", progress(o))
	}
	w.checkLetters(t, w.readLetters(t, c))
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, copies := range w.seen {
		if len(copies) != 1 {
			t.Errorf("replay %s arrived %d times", id, len(copies))
		}
	}
	if len(w.seen) != letters {
		t.Errorf("%d replays arrived for %d letters", len(w.seen), letters)
	}
}
