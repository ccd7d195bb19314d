package store

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// all reads the whole backlog in chunks.
func allBacklog(t testing.TB, s *Store, chunk int) (list []dlq.Candidate, chunks int) {
	t.Helper()
	for before := int64(0); ; chunks++ {
		part, next, err := s.Backlog(t.Context(), before, chunk)
		if err != nil {
			t.Fatal(err)
		}
		if list = append(list, part...); next == 0 {
			return list, chunks + 1
		}
		if next >= before && before > 0 || len(part) == 0 {
			t.Fatalf("from %d on to %d with %d letters", before, next, len(part))
		}
		before = next
	}
}

func TestBacklog(t *testing.T) {
	s := open(t, Options{})
	if list, chunks := allBacklog(t, s, 10); len(list) != 0 || chunks != 1 {
		t.Errorf("%d letters of an empty store", len(list))
	}
	admit(t, s, batchOf("pay", 0, 25), batchOf("stock", 0, 10))
	wrapped := arriving(dead("wrap", 0))
	wrapped.Message.OriginalTopic, wrapped.Facts.Envelope, wrapped.Facts.Topic = "", "envelope", "inner"
	admit(t, s, dlq.AdmitBatch{Queue: queueOf("wrap"), Next: 1, Arrivals: []dlq.Arrival{wrapped}})
	// The oldest letter dies again and is the newest then.
	again := arriving(dead("pay", 25))
	again.Join = &dlq.Join{LetterID: list(t, s, dlq.Filter{ConsumerGroups: []string{"pay"}}).Items[24].ID}
	again.Message.Body = []byte(`{"second":true}`)
	admit(t, s, dlq.AdmitBatch{Queue: queueOf("pay"), From: 25, Next: 26, Arrivals: []dlq.Arrival{again}})
	if _, err := s.AddReports(t.Context(), []dlq.Report{{ConsumerGroup: "stock", MessageID: "ID-stock-3", Reason: "old"}, {ConsumerGroup: "stock", Key: "PAY-stock-3", Reason: "new"}}); err != nil {
		t.Fatal(err)
	}

	got, chunks := allBacklog(t, s, 10)
	if len(got) != 36 || chunks != 4 {
		t.Fatalf("%d letters in %d chunks", len(got), chunks)
	}
	var ids []int64
	for _, l := range list(t, s, dlq.Filter{}).Items {
		ids = append(ids, l.ID)
	}
	for i, c := range got {
		if c.LetterID != ids[i] {
			t.Errorf("letter %d at place %d, the list has %d", c.LetterID, i, ids[i])
		}
		whole, err := s.Message(t.Context(), c.LetterID)
		if err != nil {
			t.Fatal(err)
		}
		seen := c.Message
		if seen.ConsumerGroup != whole.ConsumerGroup || seen.OriginalTopic != whole.OriginalTopic || seen.Queue != whole.Queue || !seen.StoredAt.Equal(whole.StoredAt) ||
			seen.MessageID != whole.MessageID || seen.ReconsumeTimes != whole.ReconsumeTimes || seen.BodyState != whole.BodyState || !bytes.Equal(seen.Body, whole.Body) {
			t.Errorf("letter %d: %+v, want %+v", c.LetterID, seen, whole)
		}
		if diff := cmp.Diff(whole.Properties, seen.Properties); diff != "" {
			t.Error(diff)
		}
		d, err := s.Detail(t.Context(), c.LetterID)
		d.Judged.Earlier = d.EarlierCause()
		if diff := cmp.Diff(d.Judged, c.Judged); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		if reported := seen.MessageID == "ID-stock-3"; reported != (c.Report != nil) || reported && c.Report.Reason != "new" {
			t.Errorf("letter %d: report %+v", c.LetterID, c.Report)
		}
	}
	if first := got[0]; string(first.Message.Body) != `{"second":true}` || first.Judged.Deaths != 2 {
		t.Errorf("the letter that died again: %+v", first)
	}
}

// A chunk of large bodies ends early, and nothing is left out.
func TestBacklogOfLargeBodies(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 12)
	for i := range b.Arrivals {
		b.Arrivals[i].Message.Body = bytes.Repeat([]byte("x"), 4<<20)
	}
	for part := range slices.Chunk(b.Arrivals, 4) {
		from := part[0].Message.Offset
		admit(t, s, dlq.AdmitBatch{Queue: b.Queue, From: from, Next: from + int64(len(part)), Arrivals: part})
	}
	got, chunks := allBacklog(t, s, 1000)
	if len(got) != 12 || chunks != 3 {
		t.Errorf("%d letters in %d chunks", len(got), chunks)
	}
}

// BenchmarkBacklog reads the newest 10 000 letters; ns/op is for one.
func BenchmarkBacklog(b *testing.B) {
	s := bench(b)
	read := 0
	for b.Loop() {
		for before, n := int64(0), 0; n < 10000; {
			part, next, err := s.Backlog(b.Context(), before, 1000)
			if err != nil {
				b.Fatal(err)
			}
			if before, n = next, n+len(part); next == 0 {
				break
			}
			read += len(part)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(read), "ns/letter")
}
