package store

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"deadletteroffice/dlq"
)

// strange makes a batch of letters each of which has a reason, a business and a topic of its own.
func strange(from, to int64) dlq.AdmitBatch {
	b := batchOf("pay", from, to)
	for i := range b.Arrivals {
		a, n := &b.Arrivals[i], from+int64(i)
		a.Facts.Reason, a.Facts.Business, a.Facts.Topic = fmt.Sprint("reason ", n), fmt.Sprint("business ", n), fmt.Sprint("topic-", n)
		a.Message.OriginalTopic = a.Facts.Topic
	}
	return b
}

func (s *Store) wordsOf(t *testing.T, k wordKind) int64 {
	t.Helper()
	n := s.number(t, "SELECT count(*) FROM word WHERE kind=?", k)
	if int(n) != s.mem.kinds[k] {
		t.Errorf("kind %d: %d words in the file, %d in memory", k, n, s.mem.kinds[k])
	}
	return n
}

// A producer that writes a reason of its own into every message does not make what is held in memory and gone through by
// every list grow for ever, and each letter still has its reason, is found by it and counted.
func TestEveryLetterWithAReasonOfItsOwn(t *testing.T) {
	const letters, step = 100_000, 5000
	s := open(t, Options{})
	for from := int64(0); from < letters; from += step {
		admit(t, s, strange(from, from+step))
	}
	check := func(s *Store) {
		t.Helper()
		for kind, want := range map[wordKind]int64{wordReason: maxReasons + 1, wordBusiness: maxBusinesses + 1, wordTopic: maxTopics + 1} {
			if n := s.wordsOf(t, kind); n != want {
				t.Errorf("%d words of kind %d, want %d", n, kind, want)
			}
		}
		if rows := len(s.mem.tally.rows); rows > maxReasons+maxTopics+1 {
			t.Errorf("%d counts", rows)
		}
		for _, n := range []int64{0, maxReasons - 1, maxReasons, maxTopics, letters - 1} { // ids begin at 1
			l, err := s.Letter(t.Context(), n+1)
			if err != nil || l.Reason != fmt.Sprint("reason ", n) || l.Business != fmt.Sprint("business ", n) || l.Topic != fmt.Sprint("topic-", n) {
				t.Errorf("letter %d: %q %q %q, %v", n+1, l.Reason, l.Business, l.Topic, err)
			}
			m, err := s.Message(t.Context(), n+1)
			if err != nil || m.OriginalTopic != fmt.Sprint("topic-", n) {
				t.Errorf("message %d: %q, %v", n+1, m.OriginalTopic, err)
			}
		}
		for name, tt := range map[string]struct {
			f     dlq.Filter
			total int64
			exact bool
		}{
			"a word":                    {dlq.Filter{Reasons: []string{"reason 3"}}, 1, true},
			"all others":                {dlq.Filter{Reasons: []string{dlq.OtherValues}}, letters - maxReasons, true},
			"all others and a word":     {dlq.Filter{Reasons: []string{dlq.OtherValues, "reason 3"}}, letters - maxReasons + 1, true},
			"all others and one of it":  {dlq.Filter{Reasons: []string{dlq.OtherValues, "reason 99000"}}, letters - maxReasons, true},
			"one of the others":         {dlq.Filter{Reasons: []string{"reason 99990"}}, 1, false},
			"one of them, by topic too": {dlq.Filter{Reasons: []string{"reason 99990"}, Topics: []string{"topic-99990"}}, 1, false},
			"two of them and a word":    {dlq.Filter{Reasons: []string{"reason 99990", "reason 99980", "reason 3"}}, 2, false},
			"another's topic":           {dlq.Filter{Reasons: []string{"reason 99990"}, Topics: []string{"topic-99980"}}, 0, false},
			"nobody's":                  {dlq.Filter{Reasons: []string{"reason of nobody"}}, 0, false},
		} {
			p := list(t, s, tt.f)
			// Where texts are compared a page looks at the newest 20 000 at most, and says so.
			if p.Total.Count != tt.total || p.Total.Exact != tt.exact || !tt.exact && p.Examined == 0 {
				t.Errorf("%s: total %+v, %d letters, %d examined", name, p.Total, len(p.Items), p.Examined)
			}
		}
		f, err := s.Facets(t.Context(), dlq.Filter{})
		if err != nil || !f.Exact || f.Reasons[0] != (dlq.Facet{Value: dlq.OtherValues, Count: letters - maxReasons}) || f.Topics[0] != (dlq.Facet{Value: dlq.OtherValues, Count: letters - maxTopics}) {
			t.Errorf("facets %+v %+v, %v", f.Reasons[:2], f.Topics[:2], err)
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Path: s.path})
	check(s)
	s.recount(t)
}

// Texts that are too long for the dictionary are kept as they are, by letters that die again, too; full text knows them.
func TestTextsTooLongForTheDictionary(t *testing.T) {
	s := open(t, Options{})
	long := strings.Repeat("x", maxWord) + " 库存不足"
	b := batchOf("pay", 0, 2)
	b.Arrivals[0].Facts.Reason, b.Arrivals[0].Facts.Business = long, "b "+long
	b.Arrivals[1].Facts.Topic, b.Arrivals[1].Facts.Envelope, b.Arrivals[1].Message.OriginalTopic = long, "letter", dlq.OtherValues
	admit(t, s, b)
	for pause := int64(0); pause >= 0; {
		p, err := s.indexOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pause = int64(p)
	}
	for query, want := range map[string]int64{"库存不足": 2, strings.Repeat("x", maxWord): 2} {
		if p := list(t, s, dlq.Filter{Query: query}); p.Total.Count != want {
			t.Errorf("%.20s…: found %+v", query, p.Total)
		}
	}
	l := list(t, s, dlq.Filter{Reasons: []string{long}}).Items
	if len(l) != 1 || l[0].ID != 1 || l[0].Reason != long || l[0].Business != "b "+long || l[0].Topic != "orders" {
		t.Fatalf("%+v", l)
	}
	if m, err := s.Message(t.Context(), 2); err != nil || m.OriginalTopic != "" {
		t.Errorf("the topic around the envelope: %q, %v", m.OriginalTopic, err)
	}
	facts, verdict := b.Arrivals[0].Facts, b.Arrivals[0].Verdict
	facts.Reason, facts.Business = "network_timeout", ""
	now := apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerReclassify, To: dlq.StateOpen, Facts: &facts, Verdict: &verdict})
	if now.Reason != "network_timeout" || now.Business != "" {
		t.Errorf("after another verdict: %q %q", now.Reason, now.Business)
	}
	s.recount(t)
}

// Reasons that no letter has any more make room for others at the next start.
func TestReasonsMakeRoom(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now, Retention: 1})
	admit(t, s, strange(0, maxReasons+10))
	for id := int64(1); id <= 20; id++ {
		apply(t, s, dlq.Change{LetterID: id, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	}
	c.add(1e9)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Path: s.path, Now: c.now})
	if n := s.wordsOf(t, wordReason); n != maxReasons-20+1 {
		t.Errorf("%d reasons after the start", n)
	}
	admit(t, s, strange(maxReasons+10, maxReasons+30))
	if n := s.wordsOf(t, wordReason); n != maxReasons {
		t.Errorf("%d reasons", n)
	}
	for id := int64(21); id <= maxReasons+30; id++ {
		if l, err := s.Letter(t.Context(), id); err != nil || l.Reason != fmt.Sprint("reason ", id-1) {
			t.Fatalf("letter %d: %q, %v", id, l.Reason, err)
		}
	}
	s.recount(t)
}

// A letter that was written before letters kept texts of their own is as it was.
func TestLettersFromTheFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dlq.db")
	first, err := migrations.ReadFile("migrations/0001_start.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(newConnector(path, writerWords, writerPragmas))
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), c, fstest.MapFS{"migrations/0001_start.sql": {Data: first}}); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{
		fmt.Sprintf("INSERT INTO word VALUES(1, %d, 'main'), (2, %d, 'broker-a'), (3, %d, '%%DLQ%%pay'), (4, %d, 'gone'), (5, %d, 'kept'), (6, %d, 'orders')",
			wordCluster, wordBroker, wordDLQTopic, wordReason, wordReason, wordTopic),
		"INSERT INTO queue VALUES(1, 1, 2, 3, 0, 0, 1, 0)",
		"INSERT INTO letter VALUES(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 1, 0, 6, 0, 0, 0, 0, 1, 0, 0, NULL, 1, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 1, '', '', '', '', 'text')",
		"INSERT INTO death VALUES(1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 'ID', NULL)",
		"INSERT INTO body VALUES(1, 0, 6, 0, '', 0, 0, 0, x'', x'')",
		"INSERT INTO tally VALUES(1, 0, 6, 5, 0, 0, 0, 0, 0, 1)",
	} {
		if _, err := c.ExecContext(t.Context(), script); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
	}
	if err := errors.Join(c.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Path: path})
	l := list(t, s, dlq.Filter{Reasons: []string{"kept"}}).Items
	if len(l) != 1 || l[0].Reason != "kept" || l[0].Topic != "orders" || l[0].ReasonText != "text" || l[0].Business != "" {
		t.Fatalf("%+v", l)
	}
	if n := s.wordsOf(t, wordReason); n != 1 {
		t.Errorf("%d reasons", n)
	}
	admit(t, s, batchOf("pay", 1, 3))
	s.recount(t)
}
