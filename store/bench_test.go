package store

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// benchLetters is how many letters stand in the store before anything is measured:
//
//	go test -tags sqlite_fts5 ./store -run '^$' -bench . -benchtime 2s -letters 1000000
var benchLetters = flag.Int("letters", 20000, "letters in the store before benchmarks measure")

const benchBody = 1024

// benchBatch makes messages of a spread like that of a real cluster: 40 consumer groups on 24 topics, 15 reasons, 100
// rules, 600 failure groups, bodies of 1 KB in two languages.
func benchBatch(q dlq.Queue, from int64, n int) dlq.AdmitBatch {
	rnd := rand.New(rand.NewPCG(uint64(from), 7))
	b := dlq.AdmitBatch{Queue: q, From: from, Next: from + int64(n), Arrivals: make([]dlq.Arrival, n)}
	texts := []string{"库存不足，请稍后重试", "connection timed out after 3000 ms", "余额不足", "user is not allowed to do this", "订单已关闭"}
	for i := range b.Arrivals {
		offset := from + int64(i)
		topic := fmt.Sprint("topic-", (len(q.Topic)*7+int(q.Topic[len(q.Topic)-1])+rnd.IntN(2))%24)
		reason := rnd.IntN(15)
		body := fmt.Appendf(make([]byte, 0, benchBody), `{"orderId":"ORD-%s-%d","sku":"SKU-%05d","text":"%s","amount":%d,"pad":"`, q.Topic, offset, rnd.IntN(1000), texts[reason%len(texts)], rnd.IntN(100000))
		for len(body) < benchBody-2 {
			body = append(body, "abcdefghij klmnop"[rnd.IntN(17)])
		}
		body = append(body, `"}`...)
		b.Arrivals[i] = dlq.Arrival{
			Message: dlq.DeadMessage{
				Position: dlq.Position{Queue: q, Offset: offset, StoredAt: time.UnixMilli(1790000000000 + offset*25)}, ConsumerGroup: q.ConsumerGroup(), OriginalTopic: topic,
				MessageID: fmt.Sprintf("0A00000900002A9F%016X", offset*1500), PhysOffset: offset * 1500, Body: body, BodyState: dlq.BodyPlain, ReconsumeTimes: 16,
				BornAt: time.UnixMilli(1790000000000), BornHost: "10.0.0.7:51234", StoreHost: "10.0.0.9:10911",
				Properties: map[string]string{dlq.PropUniqueKey: fmt.Sprintf("7F0000010B5A18B4AAC2%012X", rnd.Int64N(1<<47)), dlq.PropKeys: fmt.Sprintf("ORD-%s-%d", q.Topic, offset),
					dlq.PropOriginID: fmt.Sprintf("0A00000900002A9F%016X", rnd.Int64N(1<<47)), dlq.PropRetryTopic: topic, dlq.PropTags: "paid", "CLUSTER": "main", "REAL_TOPIC": "%RETRY%x", "WAIT": "false"},
			},
			Facts:   dlq.Facts{Reason: fmt.Sprint("reason-", reason), ReasonText: texts[reason%len(texts)], Origin: dlq.OriginProperty, Field: "property.FAILURE_REASON", Topic: topic, Fingerprint: fmt.Sprintf("%016x", 1+reason*40+rnd.IntN(40))},
			Verdict: dlq.Verdict{Rule: fmt.Sprint("rule-", reason*6+rnd.IntN(6)), RuleVersion: 1, Route: dlq.RouteManual, Severity: dlq.SeverityHigh},
			Plan:    dlq.Plan{State: dlq.StateOpen, Hold: dlq.HoldAutomationOff},
		}
	}
	return b
}

func benchQueue(i int) dlq.Queue {
	return dlq.Queue{Cluster: "main", Broker: "broker-a", Topic: fmt.Sprint(dlq.DLQPrefix, "consumer-group-", i)}
}

// filled is the store of a run; its folder is benchFolder, which TestMain removes.
var filled struct {
	once sync.Once
	s    *Store
}

// bench returns a store with -letters letters, the same for all benchmarks of a run.
func bench(b *testing.B) *Store {
	b.Helper()
	filled.once.Do(func() {
		s, err := Open(context.Background(), Options{Path: filepath.Join(benchFolder, "bench.db")})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		var answers []<-chan error
		for done, i := 0, 0; done < *benchLetters; done, i = done+500, i+1 {
			q := benchQueue(i % 40)
			answers = append(answers, s.Admit(context.Background(), []dlq.AdmitBatch{benchBatch(q, int64(i/40)*500, 500)}))
			if len(answers) == 8 {
				if err := <-answers[0]; err != nil {
					b.Fatal(err)
				}
				answers = answers[1:]
			}
		}
		for _, a := range answers {
			if err := <-a; err != nil {
				b.Fatal(err)
			}
		}
		took := time.Since(began)
		began = time.Now()
		indexAll(b, s)
		fmt.Printf("filled with %d letters at %.0f letters/s, full text at %.0f letters/s, %.0f bytes per letter\n",
			*benchLetters, float64(*benchLetters)/took.Seconds(), float64(*benchLetters)/time.Since(began).Seconds(), fileSize(s.path)/float64(*benchLetters))
		filled.s = s
	})
	return filled.s
}

// BenchmarkAdmit feeds batches from memory and compares with inserting one blob of the same size per letter into a table
// without indexes, with the same settings, batch and disk.
func BenchmarkAdmit(b *testing.B) {
	for _, size := range []int{100, 500, 2000} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			s := bench(b)
			raw := rawRate(b, size)
			q := dlq.Queue{Cluster: "main", Broker: "broker-b", Topic: fmt.Sprint(dlq.DLQPrefix, "bench-", size)}
			batches := make([]dlq.AdmitBatch, 0, 64)
			next := s.mem.placeOf(q)
			var took time.Duration
			for n := 0; b.Loop(); n++ {
				if len(batches) == 0 {
					b.StopTimer()
					for range 20 {
						batches = append(batches, benchBatch(q, next, size))
						next += int64(size)
					}
					b.StartTimer()
				}
				began := time.Now()
				if err := <-s.Admit(context.Background(), batches[:1]); err != nil {
					b.Fatal(err)
				}
				took += time.Since(began)
				batches = batches[1:]
			}
			rate := float64(b.N*size) / took.Seconds()
			b.ReportMetric(rate, "letters/s")
			b.ReportMetric(rate/raw, "of_raw")
			b.ReportMetric(raw, "raw/s")
		})
	}
}

// rawRate inserts one blob per letter for two seconds and returns blobs per second.
func rawRate(b *testing.B, size int) float64 {
	b.Helper()
	db := sql.OpenDB(newConnector(filepath.Join(b.TempDir(), "raw.db"), writerWords, writerPragmas))
	defer db.Close()
	c, err := db.Conn(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if _, err := c.ExecContext(ctx, "CREATE TABLE raw(id INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		b.Fatal(err)
	}
	insert, err := c.PrepareContext(ctx, "INSERT INTO raw(data) VALUES(?)")
	if err != nil {
		b.Fatal(err)
	}
	blob := make([]byte, benchBody+600)
	n, began := 0, time.Now()
	for time.Since(began) < 2*time.Second {
		if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			b.Fatal(err)
		}
		for range size {
			if _, err := insert.ExecContext(ctx, blob); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
			b.Fatal(err)
		}
		if n += size; n%100000 < size {
			if _, err := c.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				b.Fatal(err)
			}
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkReads measures what the page asks for, one caller at a time.
func BenchmarkReads(b *testing.B) {
	s := bench(b)
	ctx := context.Background()
	after := time.UnixMilli(1790000000000)
	lists := map[string]dlq.Filter{
		"all":             {},
		"tab":             {Tab: dlq.TabAttention},
		"group":           {Tab: dlq.TabAttention, ConsumerGroups: []string{"consumer-group-7"}},
		"reason":          {Tab: dlq.TabAttention, Reasons: []string{"reason-3"}},
		"rule":            {Tab: dlq.TabAttention, Rules: []string{"rule-42"}},
		"four filters":    {Tab: dlq.TabAttention, ConsumerGroups: []string{"consumer-group-7"}, Topics: []string{"topic-3"}, Reasons: []string{"reason-3"}, DiedAfter: &after},
		"fingerprint":     {Fingerprints: []string{"0000000000000011"}},
		"unowned":         {Owners: []string{""}},
		"words":           {Query: "connection timed"},
		"Chinese":         {Query: "库存不足"},
		"key":             {Query: "ORD-%DLQ%consumer-group-7-77"},
		"nothing matches": {Tab: dlq.TabAttention, Outcomes: []dlq.Outcome{dlq.OutcomeWaiting}, Owners: []string{""}},
	}
	for name, f := range lists {
		b.Run("list/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Letters(ctx, f, "", 50); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("list/deep", func(b *testing.B) {
		f := dlq.Filter{Tab: dlq.TabAttention}
		at := cursor{seq: int64(*benchLetters) / 2}.text(&f)
		for b.Loop() {
			if _, err := s.Letters(ctx, f, at, 50); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("facets", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Facets(ctx, lists["reason"]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("summary", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Summary(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("detail", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Detail(ctx, 1+rand.Int64N(int64(*benchLetters))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("known", func(b *testing.B) {
		batch := benchBatch(benchQueue(1), 1<<40, 32)
		messages := make([]dlq.DeadMessage, len(batch.Arrivals))
		for i := range messages {
			messages[i] = batch.Arrivals[i].Message
			messages[i].Properties[dlq.PropReplayID] = fmt.Sprint(i)
		}
		for b.Loop() {
			if _, err := s.Known(ctx, messages); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStep measures a person's act, one transaction each.
func BenchmarkStep(b *testing.B) {
	s := bench(b)
	for b.Loop() {
		_, err := s.Apply(context.Background(), dlq.Change{LetterID: 1 + rand.Int64N(int64(*benchLetters)), Trigger: dlq.TriggerEdit, Event: dlq.Event{Kind: dlq.EventNoted, Actor: "ann", Note: "n"}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen measures a start.
func BenchmarkOpen(b *testing.B) {
	s := bench(b)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		again, err := Open(context.Background(), Options{Path: s.path})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := again.Letters(context.Background(), dlq.Filter{}, "", 50); err != nil {
			b.Fatal(err)
		}
		if err := again.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
