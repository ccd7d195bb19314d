package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// lab is a store in which letters arrive, are replayed and die again, with what the signals should say.
type lab struct {
	t        *testing.T
	s        *Store
	clock    *clock
	rnd      *rand.Rand
	next     map[string]int64
	arrivals []arrived
	settled  map[string]settledReplay // by id
	waiting  []dlq.Replay
	done     []dlq.Replay
}

type arrived struct {
	at  time.Time
	key [4]string
}

type settledReplay struct {
	at      time.Time
	group   string
	outcome dlq.Outcome
}

func (l *lab) work() {
	switch n := l.rnd.IntN(10); {
	case n < 3:
		l.arrive(nil)
	case n < 6:
		l.claim()
	case n < 8:
		l.settle()
	case n < 9 && len(l.done) > 0:
		r := pick(l.rnd, l.done)
		l.arrive(&dlq.Join{LetterID: r.LetterID, ReplayID: r.ID})
	default:
		l.clock.add(time.Duration(l.rnd.IntN(30)) * 10 * time.Second)
	}
}

// arrive takes letters in, or one that is a replay come back.
func (l *lab) arrive(join *dlq.Join) {
	group := pick(l.rnd, []string{"pay", "stock"})
	n := 1 + l.rnd.Int64N(5)
	if join != nil {
		d, err := l.s.Letter(context.Background(), join.LetterID)
		if err != nil {
			l.t.Fatal(err)
		}
		group, n = d.ConsumerGroup, 1
	}
	from := l.next[group]
	l.next[group] = from + n
	b := batchOf(group, from, from+n)
	for i := range b.Arrivals {
		a := &b.Arrivals[i]
		a.Facts.Topic = pick(l.rnd, []string{"orders", "payments"})
		a.Plan.State = pick(l.rnd, []dlq.State{dlq.StateOpen, dlq.StateOpen, dlq.StateDiscarded})
		if a.Join = join; join != nil {
			a.Plan.State = dlq.StateOpen
			l.done = slices.DeleteFunc(l.done, func(r dlq.Replay) bool { return r.ID == join.ReplayID })
			l.waiting = slices.DeleteFunc(l.waiting, func(r dlq.Replay) bool { return r.ID == join.ReplayID })
			l.settled[join.ReplayID] = settledReplay{l.clock.now(), group, dlq.OutcomeFailedAgain}
		}
		l.arrivals = append(l.arrivals, arrived{l.clock.now(), [4]string{"main", group, a.Facts.Topic, a.Facts.Reason}})
	}
	admit(l.t, l.s, b)
}

func (l *lab) claim() {
	page, err := l.s.Letters(context.Background(), dlq.Filter{States: []dlq.State{dlq.StateOpen}}, "", 20)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(page.Items) == 0 {
		return
	}
	x := pick(l.rnd, page.Items)
	r := dlq.Replay{ID: fmt.Sprintf("%032x", l.rnd.Uint64()), LetterID: x.ID, Cluster: "main", ConsumerGroup: x.ConsumerGroup, Outcome: dlq.OutcomeSending, IntendedAt: l.clock.now()}
	apply(l.t, l.s, dlq.Change{LetterID: x.ID, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1})
	r.Outcome = dlq.OutcomeWaiting
	apply(l.t, l.s, dlq.Change{LetterID: x.ID, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &r})
	l.waiting = append(l.waiting, r)
}

func (l *lab) settle() {
	if len(l.waiting) == 0 {
		return
	}
	r := l.waiting[0]
	l.waiting = l.waiting[1:]
	at := l.clock.now()
	r.Outcome, r.SettledAt = pick(l.rnd, []dlq.Outcome{dlq.OutcomeConfirmed, dlq.OutcomeAssumed, dlq.OutcomeUnknown}), &at
	to := dlq.Change{LetterID: r.LetterID, Trigger: dlq.TriggerSettle, To: dlq.StateResolved, Resolution: dlq.ResolvedConfirmed, Replay: &r}
	if r.Outcome == dlq.OutcomeUnknown {
		to.Trigger, to.To, to.Resolution = dlq.TriggerLost, dlq.StateOpen, ""
	} else {
		l.settled[r.ID] = settledReplay{at, r.ConsumerGroup, r.Outcome}
		l.done = append(l.done, r)
	}
	apply(l.t, l.s, to)
}

// check compares the signals with what happened. After a restart the letters of a letter that died again count where it
// stands now, so only consumer groups are compared then.
func (l *lab) check(restarted bool) {
	t := l.t
	t.Helper()
	now := l.clock.now()
	type counts struct{ Open, Minute, Hour int64 }
	want, have := map[[4]string]counts{}, map[[4]string]counts{}
	short := func(k [4]string) [4]string {
		if restarted {
			k[2], k[3] = "", ""
		}
		return k
	}
	for _, a := range l.arrivals {
		c := want[short(a.key)]
		if now.Sub(a.at) < time.Minute {
			c.Minute++
		}
		if now.Sub(a.at) < time.Hour {
			c.Hour++
		}
		want[short(a.key)] = c
	}
	page := list(t, l.s, dlq.Filter{States: []dlq.State{dlq.StateOpen}})
	if page.Next != "" {
		t.Fatal("too many letters for one page")
	}
	oldest := map[[4]string]time.Time{}
	for _, x := range page.Items {
		k := [4]string{x.Cluster, x.ConsumerGroup, x.Topic, x.Reason}
		c := want[short(k)]
		c.Open++
		want[short(k)] = c
		if at, ok := oldest[k]; !ok || x.DiedAt.Before(at) {
			oldest[k] = x.DiedAt
		}
	}
	maps.DeleteFunc(want, func(_ [4]string, c counts) bool { return c == counts{} })
	signals, err := l.s.LetterSignals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range signals {
		k := short([4]string{g.Cluster, g.ConsumerGroup, g.Topic, g.Reason})
		c := have[k]
		have[k] = counts{c.Open + g.Open, c.Minute + g.LastMinute, c.Hour + g.LastHour}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Fatalf("letters (-want +got):\n%s", diff)
	}

	replays := map[string]dlq.ReplaySignal{}
	for _, r := range l.settled {
		if now.Sub(r.at) >= time.Hour {
			continue
		}
		g := replays[r.group]
		g.Cluster, g.ConsumerGroup = "main", r.group
		if g.Settled++; r.outcome == dlq.OutcomeFailedAgain {
			g.FailedAgain++
		}
		replays[r.group] = g
	}
	got, err := l.s.ReplaySignals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantReplays := []dlq.ReplaySignal{}
	for _, group := range slices.Sorted(maps.Keys(replays)) {
		wantReplays = append(wantReplays, replays[group])
	}
	if diff := cmp.Diff(wantReplays, got); diff != "" {
		t.Fatalf("replays (-want +got):\n%s", diff)
	}

	for set := range 16 {
		var labels []string
		byLabels := map[string]time.Time{}
		for i, name := range []string{"cluster", "consumer_group", "topic", "reason"} {
			if set&(1<<i) != 0 {
				labels = append(labels, name)
			}
		}
		for k, at := range oldest {
			m := map[string]string{}
			for i, name := range []string{"cluster", "consumer_group", "topic", "reason"} {
				if set&(1<<i) != 0 {
					m[name] = k[i]
				}
			}
			if have, ok := byLabels[fmt.Sprint(m)]; !ok || at.Before(have) {
				byLabels[fmt.Sprint(m)] = at
			}
		}
		list, err := l.s.OldestOpenBy(t.Context(), labels)
		if err != nil {
			t.Fatal(err)
		}
		gotByLabels := map[string]time.Time{}
		for _, o := range list {
			gotByLabels[fmt.Sprint(o.Labels)] = o.DiedAt
		}
		if diff := cmp.Diff(byLabels, gotByLabels); diff != "" || len(list) != len(gotByLabels) {
			t.Fatalf("oldest by %v (-want +got):\n%s", labels, diff)
		}
	}
}

// The signals say what happened, whatever that was, and still do after a restart.
func TestSignals(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "dlq.db")
			c := newClock()
			l := &lab{t: t, s: open(t, Options{Path: path, Now: c.now}), clock: c, rnd: rand.New(rand.NewPCG(seed, 9)), next: map[string]int64{}, settled: map[string]settledReplay{}}
			restarted := false
			for step := range 300 {
				l.work()
				if step%10 == 0 {
					l.check(restarted)
				}
				if step == 200 {
					if err := l.s.Close(); err != nil {
						t.Fatal(err)
					}
					l.s, restarted = open(t, Options{Path: path, Now: c.now}), true
					l.check(restarted)
				}
			}
		})
	}
}

func TestOldestOpenByRefusesOtherLabels(t *testing.T) {
	_, err := open(t, Options{}).OldestOpenBy(t.Context(), []string{"cluster", "owner"})
	wantCode(t, err, dlq.CodeInvalid)
}

// What is rare behind very many others is still found.
func TestOldestOpenOfTheRare(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 6000)
	for i := range b.Arrivals {
		b.Arrivals[i].Facts.Reason = "usual"
	}
	b.Arrivals[5000].Facts.Reason = "rare"
	b.Arrivals[5500].Facts.Reason = "rare"
	b.Arrivals[5800].Facts.Topic = "rare topic"
	admit(t, s, b)
	for label, want := range map[string]map[string]int64{"reason": {"usual": 0, "rare": 5000}, "topic": {"orders": 0, "rare topic": 5800}} {
		list, err := s.OldestOpenBy(t.Context(), []string{"consumer_group", label})
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, o := range list {
			if at := dead("pay", want[o.Labels[label]]).StoredAt; !o.DiedAt.Equal(at) || o.Labels["consumer_group"] != "pay" || len(o.Labels) != 2 {
				t.Errorf("%+v, want %s", o, at)
			}
		}
	}
}

// A window keeps to its length, whatever the clock does.
func TestWindow(t *testing.T) {
	w := newWindow[string](time.Minute, 10*time.Second)
	start := newClock().t
	at := func(d time.Duration) int64 { return start.Add(d).UnixMilli() }
	count := func(d time.Duration) int64 { return w.counts(start.Add(d))["x"] }
	w.add(at(0), "x", 2)
	w.add(at(9*time.Second), "x", 1)
	w.add(at(10*time.Second), "x", 4)
	for d, want := range map[time.Duration]int64{0: 7, 59 * time.Second: 7} {
		if got := count(d); got != want {
			t.Errorf("after %s: %d, want %d", d, got, want)
		}
	}
	if got := count(60 * time.Second); got != 4 {
		t.Errorf("after a minute: %d", got)
	}
	w.add(at(5*time.Second), "x", 8) // the clock went back, into a step that is over
	if got := count(60 * time.Second); got != 4 {
		t.Errorf("what is over counts: %d", got)
	}
	w.add(at(61*time.Second), "x", 16)
	w.add(at(1*time.Second), "x", 32) // its place is taken by what came a minute later
	if got := count(61 * time.Second); got != 20 {
		t.Errorf("%d", got)
	}
	if got := count(time.Hour); got != 0 || len(w.sum) != 0 {
		t.Errorf("after an hour: %d, %v", got, w.sum)
	}
	w.add(-5, "x", 1)
	w.add(at(time.Hour), "y", 1)
	if got := w.counts(start.Add(time.Hour)); len(got) != 1 || got["y"] != 1 {
		t.Errorf("%v", got)
	}
}

// BenchmarkSignals is what alerts ask for at every evaluation.
func BenchmarkSignals(b *testing.B) {
	s := bench(b)
	b.Run("letters", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.LetterSignals(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, labels := range [][]string{nil, {"consumer_group"}, {"cluster", "consumer_group", "topic", "reason"}} {
		b.Run(fmt.Sprint("oldest by ", len(labels)), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.OldestOpenBy(context.Background(), labels); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			err := s.outside(context.Background(), func() error {
				return newRecent().load(context.Background(), s.conn, s.mem, time.Now())
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
