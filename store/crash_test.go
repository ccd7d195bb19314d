package store

import (
	"bufio"
	"context"
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

// childWorks takes in letters and replays them until it is killed. It writes a line for everything that the store has
// acknowledged: "letters <next offset>" and "replay <id>".
func childWorks(path string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(os.Stdout, format+"\n", args...) // unbuffered: what was said is with the parent when we die
	}
	say("open")
	go func() {
		if err := s.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	for person := range 2 {
		go func() {
			for i := 0; ; i++ {
				page, err := s.Letters(ctx, dlq.Filter{States: []dlq.State{dlq.StateOpen}}, "", 20)
				if err != nil || len(page.Items) == 0 {
					continue
				}
				l := page.Items[rand.IntN(len(page.Items))]
				r := dlq.Replay{ID: fmt.Sprintf("%d-%d-%d", os.Getpid(), person, i), ConsumerGroup: "pay", UniqueKey: l.UniqueKey, Outcome: dlq.OutcomeSending, IntendedAt: time.Now()}
				_, err = s.Apply(ctx, dlq.Change{LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1, Event: dlq.Event{Kind: dlq.EventIntended, Actor: "ann"}})
				if err == nil {
					say("replay %s", r.ID)
				} else if dlq.CodeOf(err) != dlq.CodeConflict {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		}()
	}
	for {
		pos, _, err := s.QueuePosition(ctx, queueOf("pay"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		b := batchOf("pay", pos.Next, pos.Next+int64(1+rand.IntN(64)))
		if err := <-s.Admit(ctx, []dlq.AdmitBatch{b}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		say("letters %d", b.Next)
	}
}

// A process that is killed at any moment loses nothing that was acknowledged, doubles nothing, and leaves a sound file.
func TestKilledInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	acknowledged := map[string]bool{}
	var letters int64
	for round := range 12 {
		cmd := child(t, "work", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		read := func() (string, error) {
			line, err := lines.ReadString('\n')
			var n int64
			switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); {
			case err != nil: // what is not a whole line was not acknowledged
			case word == "replay":
				acknowledged[rest] = true
			case word == "letters":
				if _, err := fmt.Sscan(rest, &n); err != nil {
					t.Fatal(err)
				}
				letters = max(letters, n)
			}
			return line, err
		}
		for want := letters + 100 + rand.Int64N(900); letters < want; {
			if _, err := read(); err != nil {
				t.Fatalf("round %d: the child ended by itself: %v", round, err)
			}
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) // to die anywhere inside a transaction
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := read(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}

		s, err := Open(t.Context(), Options{Path: path})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		next := s.mem.placeOf(queueOf("pay"))
		if next < letters {
			t.Errorf("round %d: read up to %d, but %d was acknowledged", round, next, letters)
		}
		letters = next
		if n := s.number(t, "SELECT count(*) FROM letter"); n != next {
			t.Errorf("round %d: %d letters of %d offsets", round, n, next)
		}
		if n := s.number(t, "SELECT count(DISTINCT offset) FROM death"); n != next {
			t.Errorf("round %d: %d different deaths of %d offsets", round, n, next)
		}
		for id := range acknowledged {
			if n := s.number(t, "SELECT count(*) FROM replay WHERE id=?", id); n != 1 {
				t.Errorf("round %d: the replay %s is there %d times", round, id, n)
			}
		}
		if n := s.number(t, "SELECT count(*) FROM letter WHERE state=? AND id NOT IN (SELECT letter FROM replay)", stateCode(dlq.StateSending)); n != 0 {
			t.Errorf("round %d: %d letters are sending without an intent", round, n)
		}
		s.recount(t)
		s.checkFile(t)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(acknowledged) < 20 {
		t.Errorf("only %d replays were acknowledged: the test tests little", len(acknowledged))
	}
	t.Logf("%d letters, %d replays", letters, len(acknowledged))
}
