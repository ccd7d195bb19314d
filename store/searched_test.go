package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// odd are letters with what people look for in places where no earlier program looked, and with what each is found.
func odd(t *testing.T) (letters []dlq.Arrival, queries map[string]int64) {
	t.Helper()
	queries = map[string]int64{}
	add := func(change func(*dlq.DeadMessage), found ...string) {
		m := dead("MQ_INST_138015630679_BcZwWZ9k%GID_order", int64(len(letters)))
		m.Body, m.Properties = []byte("{}"), map[string]string{dlq.PropUniqueKey: fmt.Sprint("U", len(letters))}
		change(&m)
		letters = append(letters, arriving(m))
		for _, q := range found {
			queries[q] = m.Offset
		}
	}
	in := func(c bodytext.Charset, text string) []byte {
		b, err := bodytext.Encode(text, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	add(func(m *dlq.DeadMessage) { m.Properties[dlq.PropTags] = "TagA" }, "TagA", "taga")
	add(func(m *dlq.DeadMessage) { m.Properties[dlq.PropTags] = "付款" }, "付款")
	add(func(m *dlq.DeadMessage) {
		m.Properties["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		m.Properties["city"] = string(in(bodytext.GB18030, "上海浦东"))
		m.Properties["CONSUME_START_TIME"] = "1790000000123"
	}, "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "浦东", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	add(func(m *dlq.DeadMessage) { m.Body = []byte("\x00\x01\x0corder-123456\x00\xff") }, "order-123456")
	add(func(m *dlq.DeadMessage) { m.Body = in(bodytext.GB18030, `{"name":"张三","text":"连接超时"}`) }, "张三", "连接超时")
	add(func(m *dlq.DeadMessage) { m.Body = in(bodytext.Big5, `{"name":"陳小明","text":"訂單"}`) }, "陳小明")
	add(func(m *dlq.DeadMessage) { m.Body = in(bodytext.UTF16LE, `{"name":"王五五"}`) }, "王五五")
	add(func(m *dlq.DeadMessage) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		fmt.Fprint(w, `{"sku":"ZIPPED-77","note":"压缩内容"}`)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		m.Body = b.Bytes()
	}, "ZIPPED-77", "压缩内容")
	// What is cut off the start of a long body may end within a character.
	add(func(m *dlq.DeadMessage) { m.Body = []byte("x开头部分" + strings.Repeat("长", 30_000)) }, "开头部分")
	return letters, queries
}

func findAll(t *testing.T, s *Store, queries map[string]int64) {
	t.Helper()
	for q, offset := range queries {
		p := list(t, s, dlq.Filter{Query: q})
		if len(p.Items) != 1 || p.Items[0].UniqueKey != fmt.Sprint("U", offset) {
			t.Errorf("%q finds %d letters", q, len(p.Items))
		}
	}
}

func TestWhatIsSearched(t *testing.T) {
	s := open(t, Options{})
	letters, queries := odd(t)
	admit(t, s, dlq.AdmitBatch{Queue: letters[0].Message.Queue, Next: int64(len(letters)), Arrivals: letters})
	indexAll(t, s)
	findAll(t, s, queries)
	for q, want := range map[string]int{"GID_order": len(letters), "MQ_INST_138015630679_BcZwWZ9k": len(letters), "138015630679": len(letters), "orders": len(letters), "1790000000123": 0} {
		if p := list(t, s, dlq.Filter{Query: q}); len(p.Items) != want {
			t.Errorf("%q finds %d letters, want %d", q, len(p.Items), want)
		}
	}
}

// A file whose letters were taught by an earlier program is opened at once, finds by what was known then, and is taught again
// in the background, also when it is closed half-way.
func TestOlderLettersAreTaughtAgain(t *testing.T) {
	path := t.TempDir() + "/dlq.db"
	s := open(t, Options{Path: path})
	letters, queries := odd(t)
	admit(t, s, dlq.AdmitBatch{Queue: letters[0].Message.Queue, Next: int64(len(letters)), Arrivals: letters}, batchOf("pay", 0, 2*indexBatch+10))
	indexAll(t, s)
	err := s.outside(t.Context(), func() error { // as the migration finds it
		for _, query := range []string{"UPDATE search SET text='old' || rowid WHERE rowid>0", "UPDATE number SET value=(SELECT value FROM number WHERE name='search') WHERE name='stale'"} {
			if _, err := s.conn.ExecContext(context.Background(), query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := list(t, s, dlq.Filter{Query: "old1"}); len(p.Items) != 1 {
		t.Fatalf("%d letters by the old words", len(p.Items))
	}
	more := batchOf("new", 0, 5)
	admit(t, s, more)
	indexAll(t, s)
	if pause, err := s.reindexOnce(t.Context()); err != nil || pause != reindexPause {
		t.Fatalf("pause %v, %v", pause, err)
	}
	// The newest come first, and those that died again meanwhile are known by their new death alone.
	if p := list(t, s, dlq.Filter{Query: fmt.Sprint("UK-pay-", 2*indexBatch+9)}); len(p.Items) != 1 {
		t.Errorf("the newest is not found: %d", len(p.Items))
	}
	if p := list(t, s, dlq.Filter{Query: "GID_order"}); len(p.Items) != 0 {
		t.Errorf("the oldest are known already: %d", len(p.Items))
	}
	for pause := time.Duration(0); pause != reindexRest; {
		if pause, err = s.reindexOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	findAll(t, s, queries)
	if p := list(t, s, dlq.Filter{Query: "GID_order"}); len(p.Items) != len(letters) {
		t.Errorf("GID_order finds %d letters", len(p.Items))
	}
	if p := list(t, s, dlq.Filter{Query: "old1"}); len(p.Items) != 0 {
		t.Errorf("%d letters by the old words", len(p.Items))
	}
	if got := s.number(t, "SELECT count(*) FROM search"); got != int64(len(letters)+2*indexBatch+15) {
		t.Errorf("full text has %d rows", got)
	}
	s.checkFile(t)
}
