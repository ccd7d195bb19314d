package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// crashLetters is how many letters the operation of the crash test has: more than it gets done.
const crashLetters = 20000

// childOperates goes on with the operation of the file, four batches at once, until it is killed: it claims letters, writes
// that they were sent, and then what became of them. For every letter that the store has acknowledged it writes a line:
// "claimed", "sent" or "ended" with the letter's id.
func childOperates(path string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(what string, changes []dlq.Change, errs []error) {
		if err := errors.Join(errs...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var b strings.Builder
		for _, c := range changes {
			fmt.Fprintln(&b, what, c.LetterID)
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprint(os.Stdout, b.String())
	}
	for {
		tasks, err := s.OperationTasks(ctx, 1, "pay", 0, 0, 200, false)
		if err != nil || len(tasks) == 0 {
			fmt.Fprintln(os.Stderr, "no tasks", err)
			os.Exit(1)
		}
		var all sync.WaitGroup
		for part := range 4 {
			all.Go(func() {
				var changes []dlq.Change
				for _, task := range tasks[part*len(tasks)/4 : (part+1)*len(tasks)/4] {
					r := &dlq.Replay{ID: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), ConsumerGroup: "pay", UniqueKey: task.Letter.UniqueKey, Outcome: dlq.OutcomeSending, IntendedAt: time.Now(), Operation: 1}
					changes = append(changes, dlq.Change{LetterID: task.LetterID, Version: task.Letter.Version, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: r, CountReplay: 1})
				}
				letters, errs := s.ApplyEach(ctx, changes)
				say("claimed", changes, errs)
				for i := range changes {
					r := *changes[i].Replay
					r.Outcome, r.Detail = dlq.OutcomeWaiting, "sent"
					changes[i] = dlq.Change{LetterID: letters[i].ID, Version: letters[i].Version, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &r, Event: dlq.Event{Kind: dlq.EventSent, Actor: "ann"}}
				}
				_, errs = s.ApplyEach(ctx, changes)
				say("sent", changes, errs)
				for i := range changes {
					r, at := *changes[i].Replay, time.Now()
					r.Outcome, r.SettledAt = dlq.OutcomeConfirmed, &at
					changes[i] = dlq.Change{LetterID: letters[i].ID, Trigger: dlq.TriggerSettle, To: dlq.StateResolved, Resolution: dlq.ResolvedConfirmed, Replay: &r}
				}
				_, errs = s.ApplyEach(ctx, changes)
				say("ended", changes, errs)
			})
		}
		all.Wait()
	}
}

// However often a process that works on an operation is killed, the ledger adds up, what was acknowledged stands in it,
// and no letter is claimed twice.
func TestKilledInAnOperation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for from := int64(0); from < crashLetters; from += 2000 {
		admit(t, s, batchOf("pay", from, from+2000))
	}
	o := drafted(t, s, dlq.OperationReplay, dlq.OperationPick{Filter: &dlq.Filter{}})
	o.State = dlq.OperationRunning
	if _, err = s.SaveOperation(t.Context(), o, 0, dlq.OperationEvent{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	said := map[string]map[int64]bool{"claimed": {}, "sent": {}, "ended": {}}
	for round := range 10 {
		cmd := child(t, "operate", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		read := func() error {
			line, err := lines.ReadString('\n')
			var what string
			var id int64
			if err == nil { // what is not a whole line was not acknowledged
				if _, err := fmt.Sscan(line, &what, &id); err != nil || said[what] == nil {
					t.Fatalf("the child says %q", line)
				}
				if what == "claimed" && said[what][id] {
					t.Errorf("letter %d was claimed twice", id)
				}
				said[what][id] = true
			}
			return err
		}
		for range 1 + rand.IntN(2000) {
			if err := read(); err != nil {
				t.Fatalf("round %d: the child ended by itself: %v", round, err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for err = nil; err == nil; {
			err = read()
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		s, err := Open(t.Context(), Options{Path: path})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for what, states := range map[string]string{"claimed": "1,2,3", "sent": "2,3", "ended": "3"} {
			good := map[int64]bool{}
			err := s.inList(t.Context(), 1, "SELECT letter FROM operation_item WHERE operation=? AND letter>? AND state IN ("+states+") ORDER BY letter LIMIT ?", scanInto(good))
			if err != nil {
				t.Fatal(err)
			}
			for id := range said[what] {
				if !good[id] {
					t.Errorf("round %d: letter %d was acknowledged as %s, which the ledger does not know", round, id, what)
				}
			}
		}
		if n := s.number(t, "SELECT count(*) FROM operation_item i WHERE tries <> (SELECT count(*) FROM replay WHERE letter=i.letter AND operation=1) OR tries > 1"); n != 0 {
			t.Errorf("round %d: %d letters were not tried as often as they have intents", round, n)
		}
		s.recount(t)
		s.checkFile(t)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(said["ended"]) < 200 || len(said["claimed"]) >= crashLetters {
		t.Errorf("%d of %d letters were claimed, %d ended: the test tests little", len(said["claimed"]), crashLetters, len(said["ended"]))
	}
	t.Logf("%d claimed, %d sent, %d ended", len(said["claimed"]), len(said["sent"]), len(said["ended"]))
}
