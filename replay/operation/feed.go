package operation

import (
	"context"
	"math"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

const (
	slots      = 4 // batches of one operation under way at once
	maxSlots   = 8 // where there are several consumer groups, so that a broker that hangs does not hold the others
	groupSlots = 2 // of one of several consumer groups
	chunk      = 400
	bytesAhead = 8 << 20          // of bodies that are read before their turn, about
	aheadFor   = 2 * time.Second  // of letters that are read before their turn at a limited pace
	keepsAhead = 10 * time.Second // how long they are good for
	maxAsks    = 3                // of a letter that could not be acted on for a reason of ours
	never64    = math.MaxInt64
)

// feed is the letters that are next, and those that are under way.
type feed struct {
	planned  bool // groups are all that have work
	groups   []*group
	turn     int                  // whose turn it is
	inFlight int                  // batches
	inHand   map[int64]bool       // letters of those
	asks     map[int64]int        // how often letters could not be acted on for a reason of ours
	puts     map[int64]int        // how often letters were put off
	away     map[string]time.Time // since when letters wait for a broker alone
	skips    map[int64]string     // letters to be skipped, and why
	spread   bucket
	size     int // bytes of the largest body seen
}

// group is the part of a feed that is one consumer group's.
type group struct {
	name     string
	buffer   []dlq.OperationTask
	filled   time.Time
	from     int64 // position behind what was read
	dry      bool  // from there on there is nothing left
	inFlight int
	bucket   bucket
	backOff  time.Duration
	waits    string           // with backOff: what for
	notYet   time.Time        // nothing is sent before
	later    map[int64]putOff // letters that could not be sent
	lanes    map[string]*lane // by broker that is away
	jump     jump
}

// putOff is when a letter is tried again, and its place in the list.
type putOff struct {
	at       time.Time
	position int64
}

// bounds narrow what is sent in one step.
type bounds struct {
	letters int64 // at most
	below   int64 // positions; 0 for no bound
}

func newFeed() feed {
	return feed{inHand: map[int64]bool{}, asks: map[int64]int{}, puts: map[int64]int{}, skips: map[int64]string{}, away: map[string]time.Time{}}
}

// clear forgets everything but what is under way.
func (f *feed) clear() {
	f.planned, f.groups, f.spread = false, nil, bucket{}
	f.asks, f.puts, f.away = map[int64]int{}, map[int64]int{}, map[string]time.Time{}
}

// idle reports whether nothing is left to be sent, as far as is known, and nothing is under way.
func (f *feed) idle() bool {
	if !f.planned || f.inFlight > 0 || len(f.skips) > 0 {
		return false
	}
	for _, g := range f.groups {
		if !g.dry || len(g.buffer) > 0 || len(g.later) > 0 || len(g.lanes) > 0 {
			return false
		}
	}
	return true
}

// plan finds the consumer groups that have work.
func (r *run) plan(ctx context.Context) error {
	f := &r.feed
	if f.planned {
		return nil
	}
	work, err := r.m.Store.OperationWork(ctx, r.number)
	if err != nil {
		return err
	}
	for _, g := range f.groups {
		g.from, g.dry = 0, work[g.name] == 0
		delete(work, g.name)
	}
	for name := range work {
		f.groups = append(f.groups, &group{name: name, later: map[int64]putOff{}, lanes: map[string]*lane{}})
	}
	slices.SortFunc(f.groups, func(a, b *group) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	f.planned = true
	return nil
}

// launch sends batches of the consumer groups in turn while slots are free and the pace allows it. It returns how long
// nothing more can be sent, unless a batch ends before.
func (r *run) launch(ctx context.Context, now time.Time, b bounds) (wait time.Duration, err error) {
	if r.op.Kind == dlq.OperationReplay && !r.m.Cluster.Status().Reachable {
		r.waitFor(waitsBroker, r.limit(now))
		return time.Second, nil
	}
	if err := r.plan(ctx); err != nil {
		return 0, err
	}
	f := &r.feed
	waits := ""
	wait = never
	for sent := true; sent && len(f.groups) > 0; {
		sent, wait, waits = false, never, ""
		for range f.groups {
			g := f.groups[f.turn%len(f.groups)]
			f.turn++
			n, w, why, err := r.serve(ctx, g, now, b)
			if err != nil {
				return 0, err
			}
			sent, wait = sent || n > 0, min(wait, w)
			b.letters -= int64(n)
			if why != "" {
				waits = why
			}
		}
	}
	if f.inFlight > 0 {
		waits = ""
	}
	r.waitFor(waits, r.limit(now))
	return min(wait, lookEvery), nil // the global stop, the window and the counts are looked at that often
}

// limit is what the pace allows each consumer group now.
func (r *run) limit(now time.Time) float64 { return limit(r.op.Spec.Pace, now.Sub(r.began)) }

// serve sends one batch of a consumer group, if it may. It returns how many letters went, how long nothing more can be
// sent, and what that waits for.
func (r *run) serve(ctx context.Context, g *group, now time.Time, b bounds) (n int, wait time.Duration, waits string, err error) {
	f := &r.feed
	if d := g.notYet.Sub(now); d > 0 {
		return 0, d, g.waits, nil
	}
	most, perGroup, _ := r.slots()
	if f.inFlight >= most || g.inFlight >= perGroup || b.letters <= 0 || g.backOff > 0 && g.inFlight > 0 {
		return 0, never, "", nil
	}
	rate := r.limit(now)
	n = int(min(int64(batchSize(rate)), b.letters))
	if g.backOff > 0 {
		n = min(n, 10) // a try
	}
	g.expire(now)
	r.open(g, now)
	if len(g.buffer) == 0 && !g.dry {
		if err := r.fill(ctx, g, now, rate, b.below); err != nil {
			return 0, 0, "", err
		}
		if len(g.buffer) == 0 && !g.dry {
			return 0, 0, "", nil // there are more
		}
	}
	if len(g.buffer) == 0 {
		if len(g.lanes) > 0 {
			waits = waitsBroker
		}
		return 0, min(g.nextLater(now), g.nextLane(now)), waits, nil
	}
	n = min(n, len(g.buffer))
	if rate > 0 {
		g.bucket.fill(now, rate)
		if w := g.bucket.wait(n, rate); w > 0 {
			return 0, w, "", nil
		}
	}
	if total := r.spreadRate(); total > 0 {
		f.spread.fill(now, total)
		if w := f.spread.wait(1, total); w > 0 {
			return 0, w, "", nil
		}
		n = min(n, max(1, int(f.spread.tokens)))
	}
	tasks := r.pick(g, n)
	if len(tasks) == 0 {
		if len(f.skips) > 0 {
			return 0, 0, "", nil
		}
		return 0, lookEvery, waitsOrder, nil
	}
	g.bucket.tokens -= float64(len(tasks))
	f.spread.tokens -= float64(len(tasks))
	r.send(ctx, g, tasks)
	return len(tasks), 0, "", nil
}

// slots is how many batches may be under way, in all and of one consumer group, and how many sends each of them makes at
// once.
func (r *run) slots() (all, perGroup, sends int) {
	if r.op.Kind != dlq.OperationReplay {
		return 1, 1, 1 // the store writes one after the other anyway
	}
	all, perGroup, sends = slots, slots, maxSends
	if len(r.feed.groups) > 1 {
		all, perGroup = min(slots+len(r.feed.groups)-1, maxSlots), groupSlots
	}
	// The replay service makes no more than 16 sends at once anyway. Below that each batch has its share: as many sends as
	// were asked for, in as many batches as that allows.
	if c := r.op.Spec.Pace.Concurrency; c > 0 && c < maxSends {
		best := 0
		for n := 1; n <= slots; n++ {
			if c/n*n >= best {
				best, all, sends = c/n*n, n, c/n
			}
		}
	}
	return all, perGroup, sends
}

// spreadRate is how many letters per second go, over all consumer groups, when they are spread over a time.
func (r *run) spreadRate() float64 {
	if r.op.Kind != dlq.OperationReplay || r.op.Spec.Replay.Spread <= 0 {
		return 0
	}
	return float64(r.op.Letters) / time.Duration(r.op.Spec.Replay.Spread).Seconds()
}

// fill reads the next letters of a consumer group. Those that the operation cannot act on are skipped.
func (r *run) fill(ctx context.Context, g *group, now time.Time, rate float64, below int64) error {
	f := &r.feed
	want := chunk
	if rate > 0 {
		want = min(want, max(1, int(rate*aheadFor.Seconds())))
	}
	ordered := r.order != nil // the sharding keys are in the messages
	if ordered && f.size > 0 {
		want = min(want, max(1, bytesAhead/f.size))
	}
	tasks, err := r.m.Store.OperationTasks(ctx, r.number, g.name, g.from, below, want, ordered)
	if err != nil {
		return err
	}
	g.buffer, g.filled, g.dry = nil, now, len(tasks) < want
	for _, t := range tasks {
		g.from = t.Position + 1
		if _, waits := g.later[t.LetterID]; waits || f.inHand[t.LetterID] {
			continue
		}
		if why := r.why(&t, now); why != "" {
			r.skipLetter(t.LetterID, why)
			r.order.failed(g.name, &t, why)
			continue
		}
		if g.passes(&t) {
			continue
		}
		f.size = max(f.size, t.Letter.Size)
		g.buffer = append(g.buffer, t)
	}
	g.land()
	return r.skip(ctx)
}

// expire drops letters that were read too long ago, and lets those be read whose time to be tried again has come.
func (g *group) expire(now time.Time) {
	if len(g.buffer) > 0 && now.Sub(g.filled) > keepsAhead {
		g.anew()
	}
	for id, l := range g.later {
		if !now.Before(l.at) {
			delete(g.later, id)
			g.from, g.dry = min(g.from, l.position), false
		}
	}
}

// anew has the group's letters read from the first on.
func (g *group) anew() { g.buffer, g.from, g.dry = nil, 0, false }

// nextLater is how long until a letter is to be tried again.
func (g *group) nextLater(now time.Time) time.Duration {
	wait := never
	for _, l := range g.later {
		wait = min(wait, max(l.at.Sub(now), time.Millisecond))
	}
	return wait
}

// why says why the operation cannot act on a letter when its turn comes; "" when it can.
func (r *run) why(t *dlq.OperationTask, now time.Time) string {
	l := t.Letter
	if l == nil {
		return dlq.SkipGone
	}
	if !dlq.MayStart(r.op.Kind.Trigger(), l.State) {
		if l.State == dlq.StateSending {
			return dlq.SkipChanged // somebody else gives it back
		}
		return dlq.SkipState(l.State)
	}
	if spec := r.op.Spec.Replay; spec != nil {
		return why(l, spec, r.m.Policy(), now)
	}
	return ""
}

// why says why a letter that could be given back is not, unless the operation includes it.
func why(l *dlq.Letter, spec *dlq.ReplaySpec, policy dlq.AutomationPolicy, now time.Time) string {
	if l.HasFlag(dlq.FlagQuarantined) && !spec.IncludeQuarantined {
		return dlq.SkipQuarantined
	}
	if !spec.IncludeStale && policy.IsStale(l.Topic, l.BornAt, l.DiedAt, now) {
		return dlq.SkipStale
	}
	return ""
}

func (r *run) skipLetter(letter int64, why string) {
	r.feed.skips[letter] = why
}

// skip writes which letters are skipped.
func (r *run) skip(ctx context.Context) error {
	n := len(r.feed.skips)
	if n == 0 {
		return nil
	}
	if err := r.m.Store.SkipItems(ctx, r.number, r.feed.skips); err != nil {
		return err
	}
	r.feed.skips = map[int64]string{}
	r.count(n)
	return nil
}

// count notes that letters were acted on.
func (r *run) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown.meter.add(r.m.now(), n)
}

// pick takes up to n letters out of a buffer: the next ones or, where order is kept, the next whose sharding key is not
// under way. Large bodies make a batch small.
func (r *run) pick(g *group, n int) []dlq.OperationTask {
	var picked, left []dlq.OperationTask
	size := 0
	for i, t := range g.buffer {
		if len(picked) == n || len(picked) > 0 && size+t.Letter.Size > bytesAhead {
			left = append(left, g.buffer[i:]...)
			break
		}
		if r.order != nil {
			may, hopeless := r.order.may(g.name, &t)
			if hopeless {
				r.skipLetter(t.LetterID, dlq.SkipEarlier)
				continue
			}
			if !may {
				left = append(left, t)
				continue
			}
		}
		picked, size = append(picked, t), size+t.Letter.Size
	}
	g.buffer = left
	return picked
}
