package replay

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/replay/transform"
)

const claimers = 2 // transactions of intents at once: the next is made while one is written

// batchRun is one batch on its way. Claimers write intents, senders ask the broker, a settler writes what became of it, all at
// the same time, so that neither the store nor the broker waits for the other.
type batchRun struct {
	*Service
	dlq.ReplayBatch
	program  *transform.Program // nil for none
	messages map[int64]dlq.DeadMessage
	results  []dlq.BatchResult
	begun    time.Time

	todo   chan *slot   // to be claimed; holds all slots
	left   atomic.Int64 // slots without a result
	posted atomic.Int64 // slots with an intent that no settler has taken yet

	asked sync.Mutex
	away  map[[2]string]error // consumer groups, by broker, of which the cluster cannot tell now
}

// slot is one task on its way.
type slot struct {
	at   int // its place in the batch
	next *slot
	job  *job
}

func newBatchRun(s *Service, b dlq.ReplayBatch) *batchRun {
	run := &batchRun{
		Service: s, ReplayBatch: b, results: make([]dlq.BatchResult, len(b.Tasks)), begun: s.now(),
		todo: make(chan *slot, len(b.Tasks)), away: map[[2]string]error{},
	}
	for i, t := range b.Tasks {
		run.results[i].LetterID = t.LetterID
	}
	return run
}

// work takes all tasks through the batch and returns when each has its result.
func (b *batchRun) work(ctx context.Context) {
	if len(b.Tasks) == 0 {
		return
	}
	b.left.Store(int64(len(b.Tasks)))
	for _, s := range b.heads() {
		b.todo <- s
	}
	posts, done := make(chan *slot, maxBatch), make(chan *slot, len(b.Tasks))
	var claiming, sending, settling sync.WaitGroup
	for range claimers {
		claiming.Go(func() { b.claimAll(ctx, posts) })
	}
	atOnce := b.Concurrency
	if atOnce <= 0 || atOnce > maxSends {
		atOnce = maxSends
	}
	for range min(atOnce, len(b.Tasks)) {
		sending.Go(func() { b.postAll(ctx, posts, done) })
	}
	settling.Go(func() { b.settleAll(context.WithoutCancel(ctx), done) })
	claiming.Wait()
	close(posts)
	sending.Wait()
	close(done)
	settling.Wait()
}

// heads returns the slots that need not wait for another. With KeepOrder those of one sharding key hang one on another.
func (b *batchRun) heads() (heads []*slot) {
	type line struct{ group, key string }
	last := map[line]*slot{}
	for i, t := range b.Tasks {
		s := &slot{at: i}
		if m := messageOf(t, b.messages); b.Spec.KeepOrder && m != nil && m.ShardingKey() != "" {
			in := line{m.ConsumerGroup, m.ShardingKey()}
			before := last[in]
			last[in] = s
			if before != nil {
				before.next = s
				continue
			}
		}
		heads = append(heads, s)
	}
	return heads
}

// claimAll prepares slots and writes their intents, as many in one transaction as wait.
func (b *batchRun) claimAll(ctx context.Context, posts chan<- *slot) {
	for first := range b.todo {
		group := []*slot{first}
	gather:
		for len(group) < maxBatch {
			select {
			case s, ok := <-b.todo:
				if !ok {
					break gather
				}
				group = append(group, s)
			default:
				break gather
			}
		}
		var jobs []*job
		var live []*slot
		for _, s := range group {
			if b.prepare(ctx, s); s.job == nil {
				b.unsent(s)
				continue
			}
			jobs, live = append(jobs, s.job), append(live, s)
		}
		if len(jobs) > 0 {
			b.claim(context.WithoutCancel(ctx), jobs)
		}
		for _, s := range live {
			if !s.job.claimed {
				b.failed(&b.results[s.at], s.job.err)
				b.unsent(s)
				continue
			}
			b.posted.Add(1)
			posts <- s
		}
	}
}

// postAll sends, and lets the next slot of a line follow when its message is with the broker.
func (b *batchRun) postAll(ctx context.Context, posts <-chan *slot, done chan<- *slot) {
	for s := range posts {
		b.post(context.WithoutCancel(ctx), ctx, s.job)
		if s.next != nil && s.job.result == dlq.Sent {
			b.todo <- s.next
			s.next = nil
		}
		done <- s
	}
}

// settleAll writes what became of sends. A settle waits a moment for others, unless there are none to wait for.
func (b *batchRun) settleAll(ctx context.Context, done <-chan *slot) {
	for first := range done {
		b.posted.Add(-1)
		group := []*slot{first}
		timer := time.NewTimer(settleGrace)
	gather:
		for len(group) < maxBatch && b.posted.Load() > 0 {
			select {
			case s, ok := <-done:
				if !ok {
					break gather
				}
				b.posted.Add(-1)
				group = append(group, s)
			case <-timer.C:
				break gather
			}
		}
		timer.Stop()
		jobs := make([]*job, len(group))
		for i, s := range group {
			jobs[i] = s.job
		}
		b.settle(ctx, jobs)
		for _, s := range group {
			res := &b.results[s.at]
			res.Replay = s.job.replay
			if s.job.result == dlq.NotSent {
				res.Err, res.Later = s.job.err, dlq.CodeOf(s.job.err) == dlq.CodeUnavailable
			}
			b.finish(s)
		}
	}
}

// unsent ends a slot that came to no intent.
func (b *batchRun) unsent(s *slot) {
	if s.next != nil && past(b.results[s.at]) {
		b.todo <- s.next
		s.next = nil
	}
	b.finish(s)
}

// past reports whether a letter that is not sent is out of the way of those after it: it was delivered, or nobody wants it
// to be.
func past(res dlq.BatchResult) bool {
	switch res.Skip {
	case dlq.SkipGone, StuckResolved, StuckDiscarded:
		return true
	case StuckAwaiting:
		return res.Replay.ID != "" // an earlier replay was found to have arrived
	}
	return false
}

// finish ends a slot that has its result, and with it those that waited for it in vain.
func (b *batchRun) finish(s *slot) {
	ended := int64(1)
	before := &b.results[s.at]
	for n := s.next; n != nil; n = n.next {
		res := &b.results[n.at]
		if before.Later {
			res.Later, res.Err = true, before.Err
		} else {
			res.Skip = dlq.SkipEarlier
		}
		ended++
	}
	if b.left.Add(-ended) == 0 {
		close(b.todo)
	}
}

// prepare makes the job of a task, or its result.
func (b *batchRun) prepare(ctx context.Context, s *slot) {
	t, res := &b.Tasks[s.at], &b.results[s.at]
	m := messageOf(*t, b.messages)
	switch {
	case ctx.Err() != nil:
		b.failed(res, ctx.Err())
		return
	case b.Automation().Stopped:
		b.failed(res, errStopped)
		return
	case t.Letter == nil || m == nil:
		res.Skip = dlq.SkipGone
		return
	case !dlq.MayStart(dlq.TriggerClaim, t.Letter.State):
		res.Skip = dlq.SkipState(t.Letter.State)
		return
	case t.Letter.HasFlag(dlq.FlagQuarantined) && !b.Spec.IncludeQuarantined:
		res.Skip = dlq.SkipQuarantined
		return
	case !b.Spec.IncludeStale && b.Policy().IsStale(t.Letter.Topic, t.Letter.BornAt, t.Letter.DiedAt, b.begun):
		res.Skip = dlq.SkipStale
		return
	}
	head, err := b.changed(m, b.program)
	if err != nil {
		res.Skip, res.Err = dlq.SkipTransform, err
		return
	}
	var h history
	if t.Letter.HasFlag(dlq.FlagPossibleDuplicate) {
		detail, err := b.Store.Detail(ctx, t.LetterID)
		if err != nil {
			b.failed(res, err)
			return
		}
		h = historyOf(detail)
	}
	sv, err := b.inquire(ctx, t.Letter, m, head, h)
	if err != nil {
		b.unfit(res, err)
		return
	}
	door, ok := sv.bulkDoor(b.Spec.Door)
	if !ok && door.Why == ShutBrokerAway {
		b.failed(res, sv.unavailable())
		res.Away = m.Broker
		return
	}
	if !ok {
		res.Skip = door.Why
		return
	}
	if h.maybeSent != nil {
		r, _, found, err := b.askFirst(ctx, *t.Letter, *h.maybeSent, b.Actor)
		if err != nil {
			b.unfit(res, err)
			return
		}
		if found {
			res.Replay, res.Skip = r, StuckAwaiting
			return
		}
	}
	j, err := b.job(sv, door, dlq.ReplayRequest{
		LetterID: t.LetterID, Version: t.Letter.Version, AsNew: b.Spec.AsNew, Delay: b.Spec.Delay, DeliverAt: b.Spec.DeliverAt, Note: b.Note, Actor: b.Actor,
	})
	if err != nil {
		res.Skip, res.Err = dlq.SkipRefused, err
		return
	}
	if h.maybeSent != nil {
		j.replacesUnsent(h)
	}
	j.replay.Operation, j.request.Replay.Operation = b.Operation, b.Operation
	s.job = j
}

// inquire surveys a letter. A cluster that could not tell of its consumer group is not asked again by this batch.
func (b *batchRun) inquire(ctx context.Context, l *dlq.Letter, m *dlq.DeadMessage, head letterhead, h history) (survey, error) {
	key := [2]string{m.ConsumerGroup, m.Broker}
	b.asked.Lock()
	err := b.away[key]
	b.asked.Unlock()
	if err != nil {
		return survey{}, err
	}
	sv := b.survey(ctx, *l, m, head, b.Spec.Target, h, b.Spec.Anywhere)
	if sv.err != nil {
		b.asked.Lock()
		b.away[key] = sv.err
		b.asked.Unlock()
	}
	return sv, sv.err
}

// unfit notes why a letter's way back could not be found out: for good where that is the letter's own fault.
func (b *batchRun) unfit(res *dlq.BatchResult, err error) {
	if final(err) {
		res.Skip, res.Err = dlq.SkipRefused, err
		return
	}
	b.failed(res, err)
}

// failed notes why a task came to no intent, and whether trying it later may help. A refusal is the store's here: the letter
// moved meanwhile.
func (b *batchRun) failed(res *dlq.BatchResult, err error) {
	code := dlq.CodeOf(err)
	switch {
	case code == dlq.CodeUnavailable || errors.Is(err, errProbed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		res.Later, res.Err = true, err
	case code == dlq.CodeConflict || code == dlq.CodeRefused:
		res.Skip = dlq.SkipChanged
	case code == dlq.CodeNotFound:
		res.Skip = dlq.SkipGone
	default:
		res.Err = err
	}
}
