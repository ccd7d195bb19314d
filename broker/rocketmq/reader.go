package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

const (
	maxBatch   = 512              // messages from which on a batch is handed over while others are outstanding
	longPoll   = 15 * time.Second // how long a broker holds a pull while nothing comes
	firstPause = 500 * time.Millisecond
	lastPause  = 10 * time.Second
	emptyPause = 500 * time.Millisecond
	pulledLots = 16 // answers of the broker that wait for the other half of a session
	maxAccepts = 2  // Accepts outstanding: one is a transaction of the store, the other is made ready
)

// source is the broker's side of one queue.
type source interface {
	// start tells the offset of the oldest message.
	start(ctx context.Context) (int64, error)
	// storedAt tells when the broker stored the message at an offset; false when it does not hold it.
	storedAt(ctx context.Context, offset int64) (time.Time, bool, error)
	// pull waits for messages from an offset on, for longPoll at most.
	pull(ctx context.Context, offset int64) (page, error)
}

// reader reads one queue into the intake, from the stored position on. Pulling runs ahead of the store: while Accepts are
// outstanding the next batches are pulled, as far as memory allows.
type reader struct {
	queue     dlq.Queue
	src       source
	in        Intake
	own       *semaphore.Weighted // bytes that this queue may hold
	ownSize   int64
	total     *semaphore.Weighted // bytes that all queues may hold
	bodyLimit int
	now       func() time.Time
	log       *slog.Logger
	wake      chan struct{} // ends a pause

	mu     sync.Mutex
	known  bool
	next   int64     // first offset that is not in the store
	newest time.Time // when the newest message in the store was stored by the broker
	failed error     // why the queue is not being read; nil when it is
}

// progress is what a reader has come to.
type progress struct {
	known  bool
	next   int64
	newest time.Time
	failed error
}

func (r *reader) progress() progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return progress{known: r.known, next: r.next, newest: r.newest, failed: r.failed}
}

// run reads until ctx ends. Failures pause it, longer and longer, but never end it.
func (r *reader) run(ctx context.Context) {
	pause, logged := firstPause, ""
	for ctx.Err() == nil {
		before := r.progress().next
		err := r.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if dlq.CodeOf(err) == dlq.CodeConflict {
			r.log.Info("the store stands elsewhere in this queue, reading on from there", "error", err)
			err, pause = nil, min(pause, firstPause)
		} else if text := err.Error(); text != logged {
			logged = text
			r.log.Warn("reading stopped, trying again", "error", err)
		}
		r.fail(err)
		if r.progress().next != before {
			pause, logged = firstPause, ""
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
			pause = min(pause*2, lastPause)
		case <-r.wake:
			pause = firstPause
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
}

// nudge ends a pause: something about the queue has changed for the better.
func (r *reader) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// session reads from the stored position until something fails.
func (r *reader) session(ctx context.Context) error {
	pos, known, err := r.in.Position(ctx, r.queue)
	if err != nil {
		return fmt.Errorf("ask for the stored position: %w", err)
	}
	at := place{queue: r.queue, epoch: pos.Epoch, next: pos.Next}
	anew, err := r.madeAnew(ctx, pos)
	if err != nil {
		return err
	}
	var first []dlq.Batch
	if !known || anew {
		low, err := r.src.start(ctx)
		if err != nil {
			return fmt.Errorf("ask for the start of the queue: %w", err)
		}
		if anew {
			r.log.Warn("the queue was made anew, reading it from its start", "read_to", at.next, "min", low)
			first = []dlq.Batch{at.restart(low, r.now())}
		}
		at.next = low
	}
	r.mu.Lock()
	r.known, r.next = known, at.next
	r.mu.Unlock()

	var held holding
	defer func() { held.release(r, held.bytes()) }()
	pulled := make(chan load, pulledLots)
	g, both := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pulled)
		if err := r.hand(both, first, pulled, &held); err != nil {
			return err
		}
		return r.pull(both, at, pulled, &held)
	})
	g.Go(func() error { return r.commit(ctx, pulled, &held) })
	return g.Wait()
}

// madeAnew says whether the queue holds another message than the store at the last offset that was read: somebody deleted
// the topic or the broker's store, and the new queue has grown past the old position.
func (r *reader) madeAnew(ctx context.Context, pos dlq.QueuePosition) (bool, error) {
	if pos.LastStored.IsZero() || pos.Next == 0 {
		return false, nil
	}
	stored, held, err := r.src.storedAt(ctx, pos.Next-1)
	if err != nil {
		return false, fmt.Errorf("compare the last message that was read: %w", err)
	}
	return held && !stored.Equal(pos.LastStored), nil
}

// load is a batch and the memory that is reserved for it.
type load struct {
	batch dlq.Batch
	bytes int64
}

// pull is the half of a session that asks the broker.
func (r *reader) pull(ctx context.Context, at place, out chan<- load, held *holding) error {
	truncated := false
	for {
		asked := r.now()
		p, err := r.src.pull(ctx, at.next)
		if err != nil {
			return fmt.Errorf("pull: %w", err)
		}
		batches, err := at.batches(p, r.now(), r.bodyLimit)
		switch {
		case errors.Is(err, errTruncated) && !truncated:
			// A broker that is just starting may not have found its queues yet: ask twice.
			truncated = true
			if err := sleep(ctx, 2*time.Second); err != nil {
				return err
			}
			continue
		case errors.Is(err, errTruncated):
			r.log.Warn("the queue was truncated or made anew, reading it from its start", "read_to", at.next, "min", p.min, "max", p.max)
			batches = []dlq.Batch{at.restart(p.min, r.now())}
		case err != nil:
			return err
		}
		truncated = false
		r.fail(nil)
		if len(batches) == 0 && r.now().Sub(asked) < emptyPause {
			// Brokers hold an empty pull, but not with longPollingEnable=false.
			if err := sleep(ctx, emptyPause); err != nil {
				return err
			}
		}
		if err := r.hand(ctx, batches, out, held); err != nil {
			return err
		}
	}
}

// hand gives batches to the other half, as soon as memory allows.
func (r *reader) hand(ctx context.Context, batches []dlq.Batch, out chan<- load, held *holding) error {
	for i := range batches {
		if g := batches[i].Gap; g != nil && g.Kind != dlq.GapTruncated {
			r.log.Warn("dead messages are lost", "kind", string(g.Kind), "from", g.From, "to", g.To)
		}
		n, err := held.reserve(ctx, r, weight(&batches[i]))
		if err != nil {
			return err
		}
		select {
		case out <- load{batch: batches[i], bytes: n}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// commit is the half of a session that hands over to the store. It ends when the other half has, with all that was pulled
// handed over, unless ctx ends first.
func (r *reader) commit(ctx context.Context, in <-chan load, held *holding) error {
	var (
		waiting []load
		out     []accept
		sure    int64 = -1 // the epoch in which this session has stored
	)
	for in != nil || len(out) > 0 || len(waiting) > 0 {
		take, full := first(waiting)
		// A queue that the store does not know in this epoch is taken from wherever its first batch begins: what follows
		// must wait for that one, else it would be taken in its place if the first were refused.
		if take > 0 && (len(out) == 0 || full && len(out) < maxAccepts && waiting[0].batch.Epoch == sure) {
			a := accept{}
			for _, l := range waiting[:take] {
				a.batches, a.bytes = append(a.batches, l.batch), a.bytes+l.bytes
			}
			a.answer = r.in.Accept(ctx, a.batches)
			out, waiting = append(out, a), slices.Clone(waiting[take:])
		}
		var oldest <-chan error
		if len(out) > 0 {
			oldest = out[0].answer
		}
		select {
		case l, ok := <-in:
			if !ok {
				in = nil // pulling has failed
				continue
			}
			waiting = join(waiting, l)
		case err := <-oldest:
			if err != nil {
				// Those behind it are refused as well: they begin where it was to end.
				return fmt.Errorf("store: %w", err)
			}
			done := out[0].batches
			r.stored(done)
			sure = done[len(done)-1].Epoch
			held.release(r, out[0].bytes)
			out = out[1:]
		case <-ctx.Done():
			return r.settle(out)
		}
	}
	return nil
}

// first says how many of the batches that wait go into the next Accept, and whether they fill one.
func first(waiting []load) (take int, full bool) {
	messages := 0
	for take < len(waiting) && messages < maxBatch {
		messages += len(waiting[take].batch.Messages)
		take++
	}
	return take, messages >= maxBatch
}

// accept is an Accept that is outstanding.
type accept struct {
	batches []dlq.Batch
	bytes   int64 // memory that is reserved for them
	answer  <-chan error
}

const settlePatience = 5 * time.Second

// settle waits for the Accepts that were outstanding when reading was stopped.
func (r *reader) settle(out []accept) error {
	patience := time.After(settlePatience)
	for _, a := range out {
		select {
		case err := <-a.answer:
			if err != nil {
				return fmt.Errorf("store: %w", err)
			}
			r.stored(a.batches)
		case <-patience:
			return errors.New("the store does not answer")
		}
	}
	return nil
}

func (r *reader) stored(batches []dlq.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = true
	for i := range batches {
		r.next = batches[i].Next
		if n := len(batches[i].Messages); n > 0 {
			r.newest = batches[i].Messages[n-1].StoredAt
		}
	}
}

// holding counts the memory that a session has reserved, so that its end gives back what was never stored.
type holding struct {
	mu sync.Mutex
	n  int64
}

func (h *holding) bytes() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// reserve waits until the queue and the whole process may hold n more bytes. One batch always fits alone.
func (h *holding) reserve(ctx context.Context, r *reader, n int64) (int64, error) {
	n = min(n, r.ownSize)
	if err := r.own.Acquire(ctx, n); err != nil {
		return 0, err
	}
	if err := r.total.Acquire(ctx, n); err != nil {
		r.own.Release(n)
		return 0, err
	}
	h.mu.Lock()
	h.n += n
	h.mu.Unlock()
	return n, nil
}

func (h *holding) release(r *reader, n int64) {
	r.total.Release(n)
	r.own.Release(n)
	h.mu.Lock()
	h.n -= n
	h.mu.Unlock()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// queueSource reads one queue of a real broker.
type queueSource struct {
	b     *Broker
	queue dlq.Queue
}

// pullCount is how many messages are asked for at once. Brokers give no more than 32, and 8 from disk
// (MessageStoreConfig.maxTransferCountOnMessageInMemory).
const pullCount = 32

func (s queueSource) start(ctx context.Context) (int64, error) {
	addr, err := s.b.master(s.queue.Broker)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return s.b.wire.MinOffset(ctx, addr, s.queue.Topic, s.queue.Number)
}

func (s queueSource) storedAt(ctx context.Context, offset int64) (time.Time, bool, error) {
	p, err := s.frame(ctx, offset, 1, 0)
	if err != nil || len(p.messages) == 0 || p.messages[0].QueueOffset != offset {
		return time.Time{}, false, err
	}
	return p.messages[0].StoredAt, true, nil
}

func (s queueSource) pull(ctx context.Context, offset int64) (page, error) {
	p, err := s.frame(ctx, offset, pullCount, longPoll)
	if err == nil && p.broken && len(p.messages) == 0 {
		// Is it the message at this offset, or one behind it whose size is wrong?
		return s.frame(ctx, offset, 1, longPoll)
	}
	return p, err
}

// frame pulls once. wait is how long the broker holds the request while there is nothing.
func (s queueSource) frame(ctx context.Context, offset int64, count int, wait time.Duration) (page, error) {
	addr, err := s.b.master(s.queue.Broker)
	if err != nil {
		return page{}, err
	}
	// A broker looks at the requests that it holds every five seconds only (apache/rocketmq PullRequestHoldService.run), so
	// an answer may come that much later than asked for.
	ctx, cancel := context.WithTimeout(ctx, wait+3*askPatience)
	defer cancel()
	res, err := s.b.wire.Pull(ctx, addr, remoting.PullRequest{
		Group: s.b.opt.Group, Topic: s.queue.Topic, Queue: s.queue.Number, Offset: offset, Max: count, Suspend: wait,
	})
	p := page{code: res.Code, messages: res.Messages, next: res.NextOffset, min: res.MinOffset, max: res.MaxOffset}
	if err != nil && p.code == remoting.AnswerSuccess && p.next > 0 {
		s.b.log.Warn("a dead message cannot be decoded", "topic", s.queue.Topic, "offset", offset+int64(len(p.messages)), "error", err)
		p.broken, err = true, nil
	}
	return p, err
}
