package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"deadletteroffice/dlq"
)

// limitPages lets SQLite answer "disk full" for real when the file has so many pages.
func (s *Store) limitPages(t *testing.T, pages int) {
	t.Helper()
	err := s.outside(t.Context(), func() error {
		_, err := s.conn.ExecContext(context.Background(), fmt.Sprint("PRAGMA max_page_count=", pages))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// While the disk is full writes are refused with what to do, reads go on, and nothing is lost; with room again work goes
// on by itself, with the same batches.
func TestFullDisk(t *testing.T) {
	s := open(t, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	admit(t, s, batchOf("pay", 0, 100))
	pages := s.number(t, "PRAGMA page_count")
	s.limitPages(t, int(pages)+10)
	from := int64(100)
	var err error
	for err == nil {
		if err = <-s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("pay", from, from+20)}); err == nil {
			from += 20
		}
	}
	wantCode(t, err, dlq.CodeUnavailable)
	var e *dlq.Error
	if !errors.As(err, &e) || e.Hint == "" || e.Params["why"] != dlq.WhyDiskFull || !s.Full() {
		t.Fatalf("%v, hint %q, full %v", err, e.Hint, s.Full())
	}
	wantCode(t, s.Ready(t.Context()), dlq.CodeUnavailable)
	if _, err := s.probeOnce(t.Context()); err != nil || !s.Full() {
		t.Errorf("a look at the full disk: %v, full %v", err, s.Full())
	}
	// Two intakes and a person at once: all are told.
	a, b := s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("pay", from, from+300)}), s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("stock", 0, 300)})
	wantCode(t, <-a, dlq.CodeUnavailable)
	wantCode(t, <-b, dlq.CodeUnavailable)
	if !s.Full() {
		t.Error("not full")
	}
	p := list(t, s, dlq.Filter{})
	if p.Total.Count != from {
		t.Errorf("%d letters, want %d", p.Total.Count, from)
	}
	s.recount(t)

	s.limitPages(t, 1<<20)
	if _, err := s.probeOnce(t.Context()); err != nil || s.Full() {
		t.Fatalf("the state does not clear although there is room: %v", err)
	}
	admit(t, s, batchOf("pay", from, from+300), batchOf("stock", 0, 300))
	if s.Full() || s.Ready(t.Context()) != nil {
		t.Error("still full")
	}
	if p := list(t, s, dlq.Filter{}); p.Total.Count != from+600 {
		t.Errorf("%d letters, want %d", p.Total.Count, from+600)
	}
	s.recount(t)
	s.checkFile(t)
}
