package rocketmq

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/semaphore"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// stubSource is a queue in memory.
type stubSource struct {
	startF  func(context.Context) (int64, error)
	pullF   func(context.Context, int64) (page, error)
	storedF func(int64) (time.Time, bool, error)
}

func (s stubSource) storedAt(_ context.Context, offset int64) (time.Time, bool, error) {
	return s.storedF(offset)
}

func (s stubSource) start(ctx context.Context) (int64, error) { return s.startF(ctx) }
func (s stubSource) pull(ctx context.Context, offset int64) (page, error) {
	return s.pullF(ctx, offset)
}

// extent is the offsets that a stubbed queue holds, the second not included.
type extent struct{ low, high atomic.Int64 }

func from(low, high int64) *extent {
	e := &extent{}
	e.set(low, high)
	return e
}

func (e *extent) set(low, high int64) {
	e.low.Store(low)
	e.high.Store(high)
}

// queueOf answers pulls as a broker with these messages does, at most 32 at once. At the end it waits.
func queueOf(e *extent) stubSource {
	return stubSource{
		startF: func(context.Context) (int64, error) { return e.low.Load(), nil },
		storedF: func(o int64) (time.Time, bool, error) {
			return time.UnixMilli(o), e.low.Load() <= o && o < e.high.Load(), nil
		},
		pullF: func(ctx context.Context, offset int64) (page, error) {
			low, high := e.low.Load(), e.high.Load()
			p := page{min: low, max: high, next: offset}
			switch {
			case offset < low:
				p.code, p.next = remoting.AnswerPullOffsetMoved, low
			case offset > high:
				p.code, p.next = remoting.AnswerPullOffsetMoved, high
			case offset == high:
				p.code = remoting.AnswerPullNotFound
				return p, sleep(ctx, longPoll)
			default:
				for o := offset; o < min(offset+32, high); o++ {
					p.messages = append(p.messages, messages(o)...)
				}
				p.next = offset + int64(len(p.messages))
			}
			return p, nil
		},
	}
}

func newTestReader(src source, in Intake) *reader {
	return &reader{
		queue: queueA, src: src, in: in, own: semaphore.NewWeighted(1 << 20), ownSize: 1 << 20, total: semaphore.NewWeighted(2 << 20),
		bodyLimit: 1 << 20, now: time.Now, log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1),
	}
}

// whileReading runs a reader in a bubble of time until f returns.
func whileReading(t *testing.T, r *reader, f func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		r.run(ctx)
		close(done)
	}()
	f()
	cancel()
	<-done
}

func offsets(list []dlq.DeadMessage) []int64 {
	out := make([]int64, len(list))
	for i, m := range list {
		out[i] = m.Offset
	}
	return out
}

func span(from, to int64) []int64 {
	var out []int64
	for o := from; o < to; o++ {
		out = append(out, o)
	}
	return out
}

func TestReaderReadsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(5, 10_000)
		desk := newDesk()
		desk.delay = 10 * time.Millisecond
		r := newTestReader(queueOf(queue), desk)
		whileReading(t, r, func() {
			time.Sleep(5 * time.Second)
			if p := r.progress(); !p.known || p.next != 10_000 || p.failed != nil || !p.newest.Equal(time.UnixMilli(9_999)) {
				t.Errorf("progress %+v", p)
			}
		})
		if diff := cmp.Diff(span(5, 10_000), offsets(desk.of(queueA.Topic))); diff != "" {
			t.Error(diff)
		}
		if len(desk.gaps) != 0 {
			t.Errorf("gaps %v: what had expired before the first look is none", desk.gaps)
		}
		desk.check(t)
	})
}

// While the store is slow the next batches are pulled, but not more than memory allows.
func TestReaderRunsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(0, 100_000)
		src := queueOf(queue)
		var pulled atomic.Int64
		inner := src.pullF
		src.pullF = func(ctx context.Context, offset int64) (page, error) {
			p, err := inner(ctx, offset)
			pulled.Store(p.next)
			return p, err
		}
		desk := newDesk()
		desk.delay = time.Minute
		r := newTestReader(src, desk)
		whileReading(t, r, func() {
			synctest.Wait()
			held := int64(1<<20) / (1200 + 5)
			if n := pulled.Load(); n < held/2 || n > held+64 {
				t.Errorf("%d messages pulled ahead", n)
			}
			time.Sleep(150 * time.Second)
			if n := len(desk.of(queueA.Topic)); n < maxBatch || n > maxBatch+64 { // what came first, and a full batch of what was pulled meanwhile
				t.Errorf("%d stored after two rounds", n)
			}
		})
		time.Sleep(time.Minute) // the store's last answer
		if !r.own.TryAcquire(1<<20) || !r.total.TryAcquire(2<<20) {
			t.Error("memory is still reserved after the end")
		}
		desk.check(t)
	})
}

// A store that refuses loses nothing: the reader goes on from the stored position when it takes again.
func TestReaderSurvivesTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(0, 500)
		desk := newDesk()
		desk.fault = errRefused
		r := newTestReader(queueOf(queue), desk)
		whileReading(t, r, func() {
			time.Sleep(time.Minute)
			if p := r.progress(); p.next != 0 || len(desk.of(queueA.Topic)) != 0 {
				t.Errorf("progress %+v", p)
			}
			desk.mu.Lock()
			desk.fault = nil
			desk.mu.Unlock()
			time.Sleep(lastPause + time.Second)
		})
		if diff := cmp.Diff(span(0, 500), offsets(desk.of(queueA.Topic))); diff != "" {
			t.Error(diff)
		}
		desk.check(t)
	})
}

// A store that stands elsewhere is followed.
func TestReaderFollowsAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(0, 300)
		desk := newDesk()
		r := newTestReader(queueOf(queue), desk)
		whileReading(t, r, func() {
			time.Sleep(time.Second)
			desk.mu.Lock()
			desk.pos[queueA] = dlq.QueuePosition{Queue: queueA, Next: 100}
			desk.mu.Unlock()
			queue.set(0, 310)
			time.Sleep(2 * longPoll)
			if p := r.progress(); p.next != 310 {
				t.Errorf("progress %+v", p)
			}
		})
		if diff := cmp.Diff(span(0, 310), offsets(desk.of(queueA.Topic))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReaderRecordsGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(40, 50)
		desk := newDesk()
		desk.pos[queueA] = dlq.QueuePosition{Queue: queueA, Epoch: 2, Next: 10}
		r := newTestReader(queueOf(queue), desk)
		whileReading(t, r, func() {
			time.Sleep(time.Second)
			queue.set(0, 20) // made anew
			time.Sleep(time.Minute)
		})
		if diff := cmp.Diff([]dlq.GapKind{dlq.GapExpired, dlq.GapTruncated}, []dlq.GapKind{desk.gaps[0].Kind, desk.gaps[1].Kind}); diff != "" {
			t.Fatal(diff)
		}
		if g := desk.gaps[0]; g.From != 10 || g.To != 40 || g.Count != 30 {
			t.Errorf("expired %+v", g)
		}
		if pos := desk.pos[queueA]; pos.Epoch != 3 || pos.Next != 20 {
			t.Errorf("position %+v", pos)
		}
		if diff := cmp.Diff(append(span(0, 20), span(40, 50)...), offsets(desk.of(queueA.Topic))); diff != "" {
			t.Error(diff)
		}
		desk.check(t)
	})
}

// A broker that is just starting may show an empty queue for a moment: that is no truncation.
func TestReaderAsksTwiceBeforeItBelievesInTruncation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(0, 50)
		src := queueOf(queue)
		inner := src.pullF
		strange := 0
		src.pullF = func(ctx context.Context, offset int64) (page, error) {
			if offset == 50 && strange < 1 {
				strange++
				return page{code: remoting.AnswerPullOffsetMoved}, nil
			}
			return inner(ctx, offset)
		}
		desk := newDesk()
		r := newTestReader(src, desk)
		whileReading(t, r, func() { time.Sleep(time.Minute) })
		if strange != 1 || len(desk.gaps) != 0 || desk.pos[queueA].Epoch != 0 || len(desk.of(queueA.Topic)) != 50 {
			t.Errorf("gaps %v, position %+v", desk.gaps, desk.pos[queueA])
		}
	})
}

// Failures pause the reader, longer and longer; a nudge ends the pause.
func TestReaderPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := from(0, 3)
		src := queueOf(queue)
		inner := src.pullF
		var broken atomic.Bool
		var asked atomic.Int32
		broken.Store(true)
		src.pullF = func(ctx context.Context, offset int64) (page, error) {
			if asked.Add(1); broken.Load() {
				return page{}, errors.New("connection refused")
			}
			return inner(ctx, offset)
		}
		desk := newDesk()
		r := newTestReader(src, desk)
		whileReading(t, r, func() {
			time.Sleep(10 * time.Minute)
			if n := asked.Load(); n < 60 || n > 70 {
				t.Errorf("asked %d times in ten minutes", n)
			}
			if r.progress().failed == nil {
				t.Error("it does not say that it fails")
			}
			broken.Store(false)
			r.nudge()
			synctest.Wait()
			if got := len(desk.of(queueA.Topic)); got != 3 || r.progress().failed != nil {
				t.Errorf("%d stored after a nudge, %+v", got, r.progress())
			}
		})
	})
}

// A broker that does not hold empty pulls is not asked in a tight loop.
func TestReaderDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		src := stubSource{
			startF: func(context.Context) (int64, error) { return 0, nil },
			pullF: func(context.Context, int64) (page, error) {
				asked++
				return page{code: remoting.AnswerPullRetry}, nil
			},
		}
		r := newTestReader(src, newDesk())
		whileReading(t, r, func() { time.Sleep(time.Minute) })
		if asked > 130 {
			t.Errorf("asked %d times in a minute", asked)
		}
	})
}

// A queue that was made anew while the office was off, and has grown past what was read, is read from its start.
func TestReaderKnowsTheMessageBeforeItsPosition(t *testing.T) {
	for name, c := range map[string]struct {
		last, stored time.Time
		held         bool
		want         []int64
		epoch        int64
	}{
		"the same":     {time.UnixMilli(9), time.UnixMilli(9), true, span(10, 30), 4},
		"another":      {time.UnixMilli(9), time.UnixMilli(1009), true, span(0, 30), 5},
		"deleted":      {time.UnixMilli(9), time.Time{}, false, span(10, 30), 4},
		"never stored": {time.Time{}, time.UnixMilli(1009), true, span(10, 30), 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := queueOf(from(0, 30))
				src.storedF = func(offset int64) (time.Time, bool, error) {
					if offset != 9 {
						t.Errorf("asked for offset %d", offset)
					}
					return c.stored, c.held, nil
				}
				desk := newDesk()
				desk.pos[queueA] = dlq.QueuePosition{Queue: queueA, Epoch: 4, Next: 10, LastStored: c.last}
				whileReading(t, newTestReader(src, desk), func() { time.Sleep(time.Second) })
				if diff := cmp.Diff(c.want, offsets(desk.of(queueA.Topic))); diff != "" {
					t.Error(diff)
				}
				if desk.pos[queueA].Epoch != c.epoch || len(desk.gaps) != int(c.epoch-4) {
					t.Errorf("position %+v, gaps %+v", desk.pos[queueA], desk.gaps)
				}
				desk.check(t)
			})
		})
	}
}

// What was pulled before a broker fell silent reaches the store, slow as it may be: the broker may never come back.
func TestReaderStoresWhatItHasPulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := queueOf(from(0, 1000))
		inner := src.pullF
		src.pullF = func(ctx context.Context, offset int64) (page, error) {
			if offset >= 320 {
				return page{}, errors.New("connection reset")
			}
			return inner(ctx, offset)
		}
		desk := newDesk()
		desk.delay = time.Minute
		r := newTestReader(src, desk)
		whileReading(t, r, func() { time.Sleep(150 * time.Second) })
		if diff := cmp.Diff(span(0, 320), offsets(desk.of(queueA.Topic))); diff != "" {
			t.Error(diff)
		}
		desk.check(t)
		time.Sleep(time.Minute)
	})
}
