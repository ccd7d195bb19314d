package store

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"deadletteroffice/dlq"
)

// The numbers that stand in the schema and in stored rows are those of the nouns.
func TestCodes(t *testing.T) {
	if len(dlq.States) != stateCount {
		t.Fatalf("there are %d states, the store counts by %d", len(dlq.States), stateCount)
	}
	want := []dlq.State{dlq.StateOpen, dlq.StateSnoozed, dlq.StateScheduled, dlq.StateSending, dlq.StateAwaiting, dlq.StateCompensating, dlq.StateResolved, dlq.StateDiscarded}
	if !slices.Equal(dlq.States, want) {
		t.Errorf("the order of the states is in the file and must stay: %v", dlq.States)
	}
	if tabs := []dlq.Tab{dlq.TabAttention, dlq.TabInFlight, dlq.TabSnoozed, dlq.TabResolved, dlq.TabDiscarded}; !slices.Equal(dlq.Tabs, tabs) {
		t.Errorf("the order of the tabs is in the file and must stay: %v", dlq.Tabs)
	}
	flags := []dlq.Flag{dlq.FlagFailedAgain, dlq.FlagRegressed, dlq.FlagQuarantined, dlq.FlagPossibleDuplicate, dlq.FlagSendFailed, dlq.FlagOutcomeUnknown, dlq.FlagEdited}
	if len(dlq.Flags) < len(flags) || !slices.Equal(dlq.Flags[:len(flags)], flags) {
		t.Errorf("flags are stored by their place, append only: %v", dlq.Flags)
	}
}

func TestBackup(t *testing.T) {
	s := open(t, Options{})
	many(t, s, 3000)
	path := filepath.Join(t.TempDir(), "copy.db")
	ctx, stop := context.WithCancel(t.Context())
	writing := make(chan error)
	go func() {
		from := s.mem.placeOf(queueOf("pay"))
		var err error
		for ctx.Err() == nil && err == nil {
			err = <-s.Admit(context.Background(), []dlq.AdmitBatch{batchOf("pay", from, from+10)})
			from += 10
		}
		writing <- err
	}()
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), path); err == nil {
		t.Error("a backup overwrites a file")
	}
	after := s.number(t, "SELECT count(*) FROM letter")
	copied := open(t, Options{Path: path})
	if n := copied.number(t, "SELECT count(*) FROM letter"); n < 3000 || n > after {
		t.Errorf("the copy has %d letters of %d", n, after)
	}
	copied.recount(t)
	copied.checkFile(t)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	gone := filepath.Join(t.TempDir(), "ended.db")
	if err := s.Backup(ended, gone); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if fileSize(gone) != 0 {
		t.Error("a backup that failed left its file")
	}
}
