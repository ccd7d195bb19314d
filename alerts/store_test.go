package alerts

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"deadletteroffice/dlq"
	"deadletteroffice/store"
)

// What the engine keeps in memory after a step is what it would read from the store.
func TestTheStoreKeepsTheBook(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "dlq.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := &randomWorld{desk: newDesk(t, "version: 1\n"), r: rand.New(rand.NewPCG(3, 4)), configs: files(t), heard: map[string]*listener{}, owed: map[[2]string]bool{}}
	w.config = w.configs[0]
	changes := 0
	for i := range 150 {
		w.shake()
		turn := w.ready()
		turn.newID = func() string { changes++; return fmt.Sprintf("dlv_%d", changes) }
		step, _ := turn.take()
		if err := s.SaveAlerts(t.Context(), step); err != nil {
			t.Fatal(err)
		}
		w.book = after(w.book, &step)
		got, err := s.AlertBook(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		byID := cmpopts.SortSlices(func(a, b dlq.Alert) bool { return a.ID < b.ID })
		byReceiver := cmpopts.SortSlices(func(a, b dlq.AlertGroup) bool { return strings.Compare(a.Receiver, b.Receiver) < 0 })
		if diff := cmp.Diff(w.book, got, byID, byReceiver, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("turn %d: memory -, store +\n%s", i, diff)
		}
		w.events = append(w.events, step.Events...)
		w.book = got
	}
	history, err := s.AlertHistory(t.Context(), 500)
	if err != nil {
		t.Fatal(err)
	}
	resolved := slices.DeleteFunc(slices.Clone(w.events), func(e dlq.AlertEvent) bool { return e.Kind != dlq.AlertEventResolved })
	returned := slices.DeleteFunc(slices.Clone(w.events), func(e dlq.AlertEvent) bool { return e.Kind != dlq.AlertEventFiring || e.Detail != DetailReturned })
	if len(history) == 0 || len(history) != len(resolved)-len(returned) {
		t.Errorf("%d alerts are over, the history has %d", len(resolved)-len(returned), len(history))
	}
}
