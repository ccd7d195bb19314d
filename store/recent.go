package store

import (
	"context"
	"database/sql"
	"maps"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// recentMost is how many of the newest deaths and of the newest settled replays the windows are filled from at start. It
// bounds how long a start takes.
const recentMost = 100_000

// recent counts what happened in the last minute and the last hour. The tables know it too, but only by going through
// all of it, which alerts would ask for every few seconds.
type recent struct {
	mu     sync.Mutex
	minute *window[sameFailure] // arrivals
	hour   *window[sameFailure]

	settled     *window[groupInCluster] // replays
	failedAgain *window[groupInCluster]
}

func newRecent() *recent {
	return &recent{
		minute: newWindow[sameFailure](time.Minute, time.Second), hour: newWindow[sameFailure](time.Hour, 10*time.Second),
		settled: newWindow[groupInCluster](time.Hour, 10*time.Second), failedAgain: newWindow[groupInCluster](time.Hour, 10*time.Second),
	}
}

// load fills the windows at start.
func (r *recent) load(ctx context.Context, c *sql.Conn, m *memory, now time.Time) error {
	since := now.Add(-time.Hour).UnixMilli()
	query := `SELECT d.arrived, l.cluster, l.consumer_group, l.topic, l.reason
		FROM (SELECT letter, arrived FROM death ORDER BY id DESC LIMIT ?) d CROSS JOIN letter l ON l.id=d.letter WHERE d.arrived>=?`
	err := each(ctx, c, query, []any{recentMost, since}, func(rows *sql.Rows) error {
		var at int64
		var k sameFailure
		err := rows.Scan(&at, &k.cluster, &k.group, &k.topic, &k.reason)
		r.minute.add(at, k, 1)
		r.hour.add(at, k, 1)
		return err
	})
	if err != nil {
		return err
	}
	query = `SELECT settled_at, cluster, consumer_group, outcome FROM replay INDEXED BY replay_settled
		WHERE settled_at>=? AND settled_at IS NOT NULL ORDER BY settled_at DESC LIMIT ?`
	return each(ctx, c, query, []any{since, recentMost}, func(rows *sql.Rows) error {
		var at int64
		var cluster, group string
		var s settled
		if err := rows.Scan(&at, &cluster, &group, &s.outcome); err != nil {
			return err
		}
		k := groupInCluster{m.ids[word{wordCluster, cluster}], m.ids[word{wordConsumerGroup, group}]}
		if s.counts() {
			r.settled.add(at, k, 1)
		}
		if s.outcome == dlq.OutcomeFailedAgain {
			r.failedAgain.add(at, k, 1)
		}
		return nil
	})
}

// add takes over what a transaction did, after its commit.
func (r *recent) add(t *tx) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, n := range t.arrived {
		r.minute.add(t.now, k, n)
		r.hour.add(t.now, k, n)
	}
	for k, n := range t.settled {
		r.settled.add(t.now, k, n.settled)
		r.failedAgain.add(t.now, k, n.failedAgain)
	}
}

// arrivals returns those of the last minute and of the last hour.
func (r *recent) arrivals(now time.Time) (minute, hour map[sameFailure]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.minute.counts(now), r.hour.counts(now)
}

func (r *recent) replays(now time.Time) map[groupInCluster]settledCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[groupInCluster]settledCount{}
	failed := r.failedAgain.counts(now)
	for k, n := range r.settled.counts(now) {
		all[k] = settledCount{n, failed[k]}
		delete(failed, k)
	}
	for k, n := range failed { // settled before the window, failed inside it
		all[k] = settledCount{n, n}
	}
	return all
}

// settledCount is what became of replays.
type settledCount struct{ settled, failedAgain int64 }

// settled is how a replay stands.
type settled struct {
	outcome dlq.Outcome
	at      sql.NullInt64
}

// counts reports whether it is known what became of the replay.
func (s settled) counts() bool {
	return s.outcome == dlq.OutcomeConfirmed || s.outcome == dlq.OutcomeAssumed || s.outcome == dlq.OutcomeFailedAgain
}

// countSettled notes that a replay of a letter comes from one standing to an outcome.
func (t *tx) countSettled(r *row, from settled, to dlq.Outcome) {
	if now := (settled{outcome: to}); !now.counts() {
		return
	}
	k := groupInCluster{r.cluster, r.group}
	n := t.settled[k]
	counted := from.counts() && from.at.Valid && from.at.Int64 > t.now-time.Hour.Milliseconds()
	if !counted {
		n.settled++
	}
	if to == dlq.OutcomeFailedAgain && !(counted && from.outcome == to) {
		n.failedAgain++
	}
	t.settled[k] = n
}

// window counts what happened in a stretch of time that ends now.
type window[K comparable] struct {
	step  int64 // milliseconds: what is older than the stretch is forgotten in steps of this
	slots []slot[K]
	sum   map[K]int64
}

type slot[K comparable] struct {
	at int64 // steps since 1970
	n  map[K]int64
}

func newWindow[K comparable](length, step time.Duration) *window[K] {
	return &window[K]{step: step.Milliseconds(), slots: make([]slot[K], length/step), sum: map[K]int64{}}
}

// add counts something at an instant in milliseconds. What is too old already counts for nothing.
func (w *window[K]) add(ms int64, k K, n int64) {
	at := ms / w.step
	if n == 0 || at < 0 {
		return
	}
	s := &w.slots[at%int64(len(w.slots))]
	if at < s.at {
		return
	}
	if at > s.at || s.n == nil {
		w.clear(s)
		*s = slot[K]{at, map[K]int64{}}
	}
	s.n[k] += n
	w.sum[k] += n
}

func (w *window[K]) clear(s *slot[K]) {
	for k, n := range s.n {
		if w.sum[k] -= n; w.sum[k] == 0 {
			delete(w.sum, k)
		}
	}
	s.n = nil
}

// counts returns what happened in the stretch that ends now.
func (w *window[K]) counts(now time.Time) map[K]int64 {
	oldest := now.UnixMilli()/w.step - int64(len(w.slots)) + 1
	for i := range w.slots {
		if s := &w.slots[i]; s.at < oldest {
			w.clear(s)
		}
	}
	return maps.Clone(w.sum)
}
