package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	_ "github.com/mattn/go-sqlite3" // the raw insert

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/store"
)

// batch is how many letters are stored at once where no broker gives them.
const batch = 2000

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// intake measures letters per second from a real DLQ into SQLite, beside (a) pulling alone, (b) storing alone, (c) raw
// inserts of blobs of the same size.
func (b *bench) intake(ctx context.Context) error {
	fmt.Printf("\nintake: %d dead letters of %d bytes, a hundred rules, median of %d rounds\n", b.letters, bodySize, b.rounds)
	wire := remoting.New(remoting.Options{})
	defer wire.Close()
	live, _, err := liveRules()
	if err != nil {
		return err
	}
	var whole, pulled, stored, raw []float64
	for round := range b.rounds {
		group := fmt.Sprintf("bench-intake-%d", round)
		if err := b.prepare(ctx, wire, group, b.letters); err != nil {
			return err
		}
		// Pulling alone comes first: a broker that was just fed is busy with itself for some seconds, and its code for pulls is
		// compiled while it runs for the first time.
		for _, m := range []struct {
			into *[]float64
			run  func(context.Context, string, *classifier.Live) (float64, error)
		}{{&pulled, b.pullAlone}, {&whole, b.wholeIntake}, {&stored, b.storeAlone}, {&raw, b.rawInserts}} {
			r, err := m.run(ctx, group, live)
			if err != nil {
				return err
			}
			*m.into = append(*m.into, r)
		}
	}
	fmt.Printf("  from the DLQ into SQLite      %9.0f letters/s\n", median(whole))
	for _, l := range []struct {
		name string
		v    []float64
	}{{"(a) pulling alone (PullFrom)  ", pulled}, {"(b) same transactions, memory ", stored}, {"(c) raw inserts of one blob   ", raw}} {
		fmt.Printf("  %s%9.0f letters/s   ratio %.2f\n", l.name, median(l.v), median(whole)/median(l.v))
	}
	fmt.Printf("  aim: at least 0.80 of (b)\n")
	return nil
}

// openStore opens a new file for one measurement.
func (b *bench) openStore(ctx context.Context, name string) (*store.Store, error) {
	return store.Open(ctx, store.Options{Path: filepath.Join(b.dir, fmt.Sprintf("%s-%d.db", name, time.Now().UnixNano())), Logger: quiet()})
}

func off() dlq.Automation { return dlq.Automation{} }

// onlyGroup lets the queues of one consumer group through, and leaves those of other rounds unread.
type onlyGroup struct {
	*handlers.Intake
	group string
}

// Position implements rocketmq.Intake: other groups' queues wait until the end.
func (o onlyGroup) Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	if q.ConsumerGroup() != o.group {
		<-ctx.Done()
		return dlq.QueuePosition{}, false, ctx.Err()
	}
	return o.Intake.Position(ctx, q)
}

// kept is a store that keeps what it is given to admit, so that another can be given the same from memory.
type kept struct {
	*store.Store
	batches [][]dlq.AdmitBatch
}

// Admit implements handlers.IntakeStore.
func (k *kept) Admit(ctx context.Context, batches []dlq.AdmitBatch) <-chan error {
	k.batches = append(k.batches, batches)
	return k.Store.Admit(ctx, batches)
}

func (b *bench) wholeIntake(ctx context.Context, group string, live *classifier.Live) (float64, error) {
	return b.readInto(ctx, group, live, nil)
}

// readInto reads the dead letters of a consumer group from the broker into a new file.
func (b *bench) readInto(ctx context.Context, group string, live *classifier.Live, keep *kept) (float64, error) {
	s, err := b.openStore(ctx, "whole")
	if err != nil {
		return 0, err
	}
	defer s.Close()
	broker, err := rocketmq.New(rocketmq.Options{NameServers: []string{b.node.NameServer()}, Logger: quiet(), Group: "bench-console-" + group})
	if err != nil {
		return 0, err
	}
	defer broker.Close()
	var into handlers.IntakeStore = s
	if keep != nil {
		keep.Store, into = s, keep
	}
	in := handlers.NewIntake(handlers.IntakeDeps{Store: into, Rules: live, Automation: off, Policy: live.Automation, Compensations: &handlers.LiveCompensations{}, Logger: quiet()})
	reading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- broker.Run(reading, onlyGroup{in, group}) }()
	defer func() {
		stop()
		<-ended
	}()
	q := dlq.Queue{Cluster: b.node.Cluster(), Broker: b.node.BrokerName(), Topic: dlq.DLQPrefix + group}
	var started time.Time
	first := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		pos, _, err := s.QueuePosition(ctx, q)
		if err != nil {
			return 0, err
		}
		switch {
		case pos.Next > 0 && started.IsZero(): // from the first letters on: discovery is no part of the rate
			started, first = time.Now(), pos.Next
		case pos.Next >= int64(b.letters):
			return rate(b.letters-int(first), time.Since(started)), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// pullAlone reads the queue as fast as the client library can and throws the messages away.
func (b *bench) pullAlone(ctx context.Context, group string, _ *classifier.Live) (float64, error) {
	topic := dlq.DLQPrefix + group
	c, err := client.NewPullConsumer(consumer.WithNameServer(primitive.NamesrvAddr{b.node.NameServer()}), consumer.WithGroupName("bench-raw-"+group),
		consumer.WithInstance("bench-raw-"+group),
		consumer.WithStrategy(func(_, _ string, _ []*primitive.MessageQueue, _ []string) []*primitive.MessageQueue { return nil }))
	if err != nil {
		return 0, err
	}
	if err := c.Subscribe(topic, consumer.MessageSelector{}); err != nil {
		return 0, err
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = c.Shutdown() }() // there is nothing to do about it
	started, next, n := time.Now(), int64(0), 0
	for n < b.letters {
		r, err := c.PullFrom(ctx, &primitive.MessageQueue{Topic: topic, BrokerName: b.node.BrokerName()}, next, 32)
		if err != nil {
			return 0, err
		}
		n += len(r.GetMessageExts())
		next = r.NextBeginOffset
	}
	return rate(n, time.Since(started)), nil
}

// arrivals are judged letters, as they reach the store.
func (b *bench) arrivals(group string, from, to int, live *classifier.Live) []dlq.Arrival {
	list := make([]dlq.Arrival, 0, to-from)
	now := time.Now().UTC().Truncate(time.Millisecond)
	cluster, broker, host := "bench", "bench", "127.0.0.1:10911" // where no broker takes part
	if b.node != nil {
		cluster, broker, host = b.node.Cluster(), b.node.BrokerName(), b.node.BrokerAddr()
	}
	for i := from; i < to; i++ {
		m := dlq.DeadMessage{ConsumerGroup: group, OriginalTopic: group + "-topic", MessageID: fmt.Sprintf("7F00000100002A9F%016X", i), PhysOffset: int64(i) * 1500,
			Properties: properties(i, group+"-topic"), Body: body(i), BodyState: dlq.BodyPlain, ReconsumeTimes: 17, BornAt: now, BornHost: "127.0.0.1:1", StoreHost: host}
		m.Queue = dlq.Queue{Cluster: cluster, Broker: broker, Topic: dlq.DLQPrefix + group}
		m.Offset, m.StoredAt = int64(i), now
		f := live.Facts(&m, nil)
		v := live.Classify(&m, f, dlq.Judgement{Now: now, Deaths: 1})
		list = append(list, dlq.Arrival{Message: m, Facts: f, Verdict: v, Plan: dlq.Plan{State: dlq.StateOpen}})
	}
	return list
}

// admit stores judged letters of one queue.
func admit(ctx context.Context, s *store.Store, list []dlq.Arrival) error {
	var batches [][]dlq.AdmitBatch
	for part := range slices.Chunk(list, batch) {
		first, last := part[0].Message.Position, part[len(part)-1].Message.Position
		batches = append(batches, []dlq.AdmitBatch{{Queue: first.Queue, From: first.Offset, Next: last.Offset + 1, Arrivals: part}})
	}
	return admitAll(ctx, s, batches)
}

// admitAll stores batches with as many outstanding as the intake has of one queue.
func admitAll(ctx context.Context, s *store.Store, batches [][]dlq.AdmitBatch) error {
	const outstanding = 2
	answers := make([]<-chan error, len(batches))
	for i := range batches {
		answers[i] = s.Admit(ctx, batches[i])
		if i >= outstanding {
			if err := <-answers[i-outstanding]; err != nil {
				return err
			}
		}
	}
	for _, answer := range answers[max(0, len(answers)-outstanding):] {
		if err := <-answer; err != nil {
			return err
		}
	}
	return nil
}

// storeAlone stores from memory what the intake gives the store. It is read here, so that no other measurement has it in memory.
func (b *bench) storeAlone(ctx context.Context, group string, live *classifier.Live) (float64, error) {
	var admits kept
	if _, err := b.readInto(ctx, group, live, &admits); err != nil {
		return 0, err
	}
	s, err := b.openStore(ctx, "memory")
	if err != nil {
		return 0, err
	}
	defer s.Close()
	started := time.Now()
	if err := admitAll(ctx, s, admits.batches); err != nil {
		return 0, err
	}
	return rate(b.letters, time.Since(started)), nil
}

// rawInserts writes one blob of a letter's size for each letter into a table without indexes.
func (b *bench) rawInserts(ctx context.Context, group string, _ *classifier.Live) (float64, error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(b.dir, group+"-raw.db")+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_cache_size=-16384")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE blob(id INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		return 0, err
	}
	data := make([]byte, bodySize+350)
	started := time.Now()
	for n := 0; n < b.letters; n += batch {
		tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			return 0, err
		}
		insert, err := tx.Prepare("INSERT INTO blob(data) VALUES(?)")
		if err != nil {
			return 0, err
		}
		for range min(batch, b.letters-n) {
			if _, err := insert.Exec(data); err != nil {
				return 0, err
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, err
		}
	}
	return rate(b.letters, time.Since(started)), nil
}
