package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

// IntakeStore keeps what arrives.
type IntakeStore interface {
	QueuePosition(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error)
	Known(ctx context.Context, messages []dlq.DeadMessage) ([]dlq.Known, error)
	Admit(ctx context.Context, batches []dlq.AdmitBatch) <-chan error
}

// IntakeDeps is what an Intake needs. Logger, Now and Registerer may be nil.
type IntakeDeps struct {
	Store         IntakeStore
	Rules         Judge
	Automation    func() dlq.Automation
	Policy        func() dlq.AutomationPolicy
	Compensations Endpoints
	Now           func() time.Time
	Logger        *slog.Logger
	Registerer    prometheus.Registerer
}

// Intake judges dead messages as they come and hands them to the store. It is safe for use by several queues at once;
// the batches of one queue must come one after another, but the next may come while those before are still being stored.
type Intake struct {
	store   IntakeStore
	rules   Judge
	planner planner
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics

	foreign atomic.Bool
	stalled atomic.Pointer[time.Time]

	mu      sync.Mutex
	storing map[dlq.Queue]chan struct{} // closed when the newest batches of the queue are stored, or are not
}

// NewIntake makes an Intake.
func NewIntake(d IntakeDeps) *Intake {
	now, log := orNow(d.Now), orLog(d.Logger)
	return &Intake{
		store: d.Store, rules: d.Rules, now: now, log: log, metrics: newMetrics(d.Registerer),
		storing: map[dlq.Queue]chan struct{}{},
		planner: planner{automation: d.Automation, policy: d.Policy, endpoints: d.Compensations, now: now},
	}
}

// Foreign reports whether, since the start of the process, a message arrived that carries the replay id of another
// console: somebody else replays on this cluster.
func (i *Intake) Foreign() bool { return i.foreign.Load() }

// Stalled returns since when nothing could be stored; ok is false while all is well.
func (i *Intake) Stalled() (since time.Time, ok bool) {
	if t := i.stalled.Load(); t != nil {
		return *t, true
	}
	return time.Time{}, false
}

// Position returns how far a queue has been read into the store.
func (i *Intake) Position(ctx context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	return i.store.QueuePosition(ctx, q)
}

// Accept judges the batches of one queue, in order, and queues them for the store. It returns when they are queued; the
// channel gets exactly one value when they are stored, or why they are not. With CodeConflict the queue's position was
// another one; it must be read again, as after every error.
func (i *Intake) Accept(ctx context.Context, batches []dlq.Batch) <-chan error {
	started := i.now()
	done := make(chan error, 1)
	judged, joins, err := i.judge(ctx, batches)
	if err == nil && joins && i.await(ctx, batches) {
		// A letter that dies again may have died in the batches before, too: its deaths are counted when those are stored.
		judged, _, err = i.judge(ctx, batches)
	}
	if err != nil {
		i.settle(started, judged, err)
		done <- err
		return done
	}
	stored := i.store.Admit(ctx, judged)
	over := i.begin(batches)
	go func() {
		defer over()
		var err error
		select {
		case err = <-stored:
		case <-ctx.Done():
			err = ctx.Err()
		}
		i.settle(started, judged, err)
		done <- err
	}()
	return done
}

// begin marks the queue of batches as being stored until the function that it returns is called.
func (i *Intake) begin(batches []dlq.Batch) (over func()) {
	if len(batches) == 0 {
		return func() {}
	}
	queue, end := batches[0].Queue, make(chan struct{})
	i.mu.Lock()
	defer i.mu.Unlock()
	i.storing[queue] = end
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		close(end)
		if i.storing[queue] == end {
			delete(i.storing, queue)
		}
	}
}

// await waits until what came before batches in their queue is stored; false says that nothing had to be waited for.
func (i *Intake) await(ctx context.Context, batches []dlq.Batch) bool {
	i.mu.Lock()
	end := i.storing[batches[0].Queue]
	i.mu.Unlock()
	if end == nil {
		return false
	}
	select {
	case <-end:
	case <-ctx.Done():
	}
	return true
}

// settle notes how it ended.
func (i *Intake) settle(started time.Time, batches []dlq.AdmitBatch, err error) {
	if err == nil {
		i.stalled.Store(nil)
		i.metrics.took("intake", "ok", i.now().Sub(started))
		for b := range batches {
			for a := range batches[b].Arrivals {
				arrival := &batches[b].Arrivals[a]
				i.metrics.arrived(arrival)
				if arrival.Foreign && !i.foreign.Swap(true) {
					i.log.Warn("another console replays on this cluster", "consumer_group", arrival.Message.ConsumerGroup)
				}
			}
		}
		return
	}
	i.metrics.took("intake", "error", i.now().Sub(started))
	if dlq.CodeOf(err) != dlq.CodeConflict && !errors.Is(err, context.Canceled) {
		i.stalled.CompareAndSwap(nil, &started)
	}
}

// judge makes batches ready for the store; joins says whether one of the messages belongs to a letter that is there already.
func (i *Intake) judge(ctx context.Context, batches []dlq.Batch) (judged []dlq.AdmitBatch, joins bool, err error) {
	judged = make([]dlq.AdmitBatch, len(batches))
	again := map[int64]*rerun{}
	for b, batch := range batches {
		judged[b] = dlq.AdmitBatch{Queue: batch.Queue, Epoch: batch.Epoch, From: batch.From, Next: batch.Next, Gap: batch.Gap}
		if len(batch.Messages) == 0 {
			continue
		}
		known, err := i.store.Known(ctx, batch.Messages)
		if err != nil {
			return nil, false, fmt.Errorf("look up what is known of %d dead messages: %w", len(batch.Messages), err)
		}
		if len(known) != len(batch.Messages) {
			return nil, false, fmt.Errorf("look up what is known of %d dead messages: got %d answers", len(batch.Messages), len(known))
		}
		judged[b].Arrivals = make([]dlq.Arrival, len(batch.Messages))
		for n := range batch.Messages {
			judged[b].Arrivals[n] = i.arrival(&batch.Messages[n], known[n], again)
		}
	}
	return judged, len(again) > 0, nil
}

// rerun is what the same batches already tell of a letter that is there.
type rerun struct {
	deaths  int
	earlier *dlq.Cause // its newest known reason
}

// arrival judges one message.
func (i *Intake) arrival(m *dlq.DeadMessage, known dlq.Known, again map[int64]*rerun) (a dlq.Arrival) {
	a = dlq.Arrival{Message: *m, Foreign: known.Foreign, ReportsSeen: known.ReportsSeen}
	judgement := dlq.Judgement{Now: i.now(), Deaths: 1}
	if l := known.Letter; l != nil {
		a.Join = &dlq.Join{LetterID: l.ID}
		if known.Replay != nil {
			a.Join.ReplayID = known.Replay.ID
		}
		r := again[l.ID]
		if r == nil {
			r = &rerun{earlier: known.Earlier}
			again[l.ID] = r
		}
		r.deaths++
		judgement.Deaths, judgement.Replays, judgement.Earlier = l.Deaths+r.deaths, l.Replays, r.earlier
		defer func() {
			if f := &a.Facts; !f.Guessed() && !f.Inherited() {
				r.earlier = &dlq.Cause{Reason: f.Reason, Text: f.ReasonText, Origin: f.Origin, Field: f.Field, Fingerprint: f.Fingerprint}
			}
		}()
	}
	a.Facts, a.Verdict = i.rules.Judge(m, known.Report, judgement)
	a.Plan = i.planner.plan(Case{
		BornAt: m.BornAt, DiedAt: m.StoredAt, Facts: a.Facts, Verdict: a.Verdict,
		Replays: max(judgement.Replays, m.ReplayCount()), Failures: failures(judgement.Deaths, m),
	})
	return a
}

func orNow(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

func orLog(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
