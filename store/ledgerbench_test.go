package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// BenchmarkOperation measures the bookkeeping of a bulk replay: intents and settles in batches of 100, of which four are
// under way, as the replay package writes them. One op is one letter.
func BenchmarkOperation(b *testing.B) {
	s := bench(b)
	ctx := context.Background()
	work := make(chan []dlq.OperationTask)
	done := make(chan error)
	var number int64
	for range 4 {
		go func() {
			for tasks := range work {
				done <- replayTasks(ctx, s, number, tasks)
			}
		}()
	}
	defer close(work)
	var took, busy time.Duration
	letters := 0
	for round := 0; letters < b.N; round++ {
		o, _, err := s.NewOperation(ctx, dlq.Operation{ID: fmt.Sprint("bench-", time.Now().UnixNano()), Kind: dlq.OperationReplay})
		if err != nil {
			b.Fatal(err)
		}
		filter := dlq.Filter{Tab: dlq.TabAttention}
		if o, err = s.Freeze(ctx, o.Number, dlq.OperationPick{Filter: &filter}); err != nil {
			b.Fatal(err)
		}
		o.State = dlq.OperationRunning
		if o, err = s.SaveOperation(ctx, o, 0, dlq.OperationEvent{}); err != nil {
			b.Fatal(err)
		}
		number = o.Number
		var batches [][]dlq.OperationTask
		work0, err := s.OperationWork(ctx, number)
		if err != nil {
			b.Fatal(err)
		}
		all := 0
		for group := range work0 {
			tasks, err := s.OperationTasks(ctx, number, group, 0, 0, 1000, false)
			if err != nil {
				b.Fatal(err)
			}
			for part := range slices.Chunk(tasks, 100) {
				batches = append(batches, part)
				all += len(part)
			}
		}
		began, busyBefore := time.Now(), cpuTime(b)
		go func() {
			for _, part := range batches {
				work <- part
			}
		}()
		for range batches {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		took += time.Since(began)
		busy += cpuTime(b) - busyBefore
		letters += all
		reopen(b, s)
	}
	b.ReportMetric(float64(letters)/took.Seconds(), "letters/s")
	b.ReportMetric(busy.Seconds()/float64(letters)*1e6, "cpu-us/letter") // steadier than the rate on a machine that is shared
}

// cpuTime returns the processor time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// replayTasks writes the intents of a batch, and that all of it was sent.
func replayTasks(ctx context.Context, s *Store, number int64, tasks []dlq.OperationTask) error {
	changes := make([]dlq.Change, len(tasks))
	for i, t := range tasks {
		l := t.Letter
		r := &dlq.Replay{ID: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), Door: dlq.DoorRetry, Why: "only_this_group", Cluster: l.Cluster, ConsumerGroup: l.ConsumerGroup,
			Target: dlq.RetryPrefix + l.ConsumerGroup, Topic: l.Topic, UniqueKey: l.UniqueKey, Actor: "ann", Note: "the stock service is back", IntendedAt: time.Now(),
			Outcome: dlq.OutcomeSending, Detail: "intended", Operation: number}
		look := time.Now().Add(time.Minute)
		r.NextLook = &look
		changes[i] = dlq.Change{LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: r, CountReplay: 1, DropFlags: []dlq.Flag{dlq.FlagSendFailed}}
	}
	letters, errs := s.ApplyEach(ctx, changes)
	for i, err := range errs {
		if err != nil {
			return err
		}
		r := *changes[i].Replay
		now := time.Now()
		r.Outcome, r.Detail, r.SentAt, r.NextLook = dlq.OutcomeWaiting, "sent", &now, &now
		r.Receipt = dlq.Receipt{Broker: "broker-a", Address: "10.0.0.9:10911", Offset: int64(i), MessageID: "0A00000900002A9F0000000000012345"}
		changes[i] = dlq.Change{LetterID: letters[i].ID, Version: letters[i].Version, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &r,
			Event: dlq.Event{Kind: dlq.EventSent, Actor: "ann", ReplayID: r.ID, Detail: map[string]string{"door": "B", "target": r.Target}}}
	}
	_, errs = s.ApplyEach(ctx, changes)
	return errors.Join(errs...)
}

// reopen makes all awaiting letters open again.
func reopen(b *testing.B, s *Store) {
	b.Helper()
	for {
		page, err := s.Letters(context.Background(), dlq.Filter{States: []dlq.State{dlq.StateAwaiting}}, "", 500)
		if err != nil {
			b.Fatal(err)
		}
		if len(page.Items) == 0 {
			return
		}
		changes := make([]dlq.Change, len(page.Items))
		for i := range page.Items {
			changes[i] = dlq.Change{LetterID: page.Items[i].ID, Trigger: dlq.TriggerLost, To: dlq.StateOpen}
		}
		_, errs := s.ApplyEach(context.Background(), changes)
		if err := errors.Join(errs...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOperationReads measures what an operation on all open letters asks of the store, one caller at a time.
func BenchmarkOperationReads(b *testing.B) {
	s := bench(b)
	ctx := context.Background()
	filter := dlq.Filter{Tab: dlq.TabAttention}
	o, _, err := s.NewOperation(ctx, dlq.Operation{ID: fmt.Sprint("reads-", time.Now().UnixNano()), Kind: dlq.OperationReplay})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if o, err = s.Freeze(ctx, o.Number, dlq.OperationPick{Filter: &filter}); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("froze %d letters in %v\n", o.Letters, time.Since(began))
	o.State = dlq.OperationRunning
	if _, err = s.SaveOperation(ctx, o, 0, dlq.OperationEvent{}); err != nil {
		b.Fatal(err)
	}
	tasks, err := s.OperationTasks(ctx, o.Number, "consumer-group-7", 0, 0, 200, false)
	if err == nil {
		err = replayTasks(ctx, s, o.Number, tasks)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer reopen(b, s)
	letters := make([]dlq.Letter, len(tasks))
	for i := range tasks {
		letters[i] = *tasks[i].Letter
	}
	for name, read := range map[string]func() error{
		"operation": func() error { _, err := s.Operation(ctx, o.ID); return err },
		"facts":     func() error { _, err := s.OperationFacts(ctx, o.Number, forEver); return err },
		"drift":     func() error { _, err := s.DriftOf(ctx, o.Number); return err },
		"work":      func() error { _, err := s.OperationWork(ctx, o.Number); return err },
		"tasks": func() error {
			_, err := s.OperationTasks(ctx, o.Number, "consumer-group-3", 0, 0, 100, true)
			return err
		},
		"items":    func() error { _, err := s.Items(ctx, o.Number, nil, "", 50); return err },
		"waiting":  func() error { _, err := s.Items(ctx, o.Number, []dlq.ItemState{dlq.ItemWaiting}, "", 50); return err },
		"history":  func() error { _, _, err := s.History(ctx, o.Number); return err },
		"outcomes": func() error { _, err := s.RecentOutcomes(ctx, o.Number, time.Time{}, 1000); return err },
		"later":    func() error { _, err := s.LaterConfirmed(ctx, letters); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
