package store

import (
	"context"
	"sync"
)

// lane is a queue into the write goroutine.
type lane int

// The lanes, most urgent first.
const (
	lanePeople     lane = iota // people's acts and settled replays
	laneIntake                 // letters
	laneBackground             // full text, retention, backup
	laneCount
)

var laneNames = [laneCount]string{"people", "intake", "background"}

// fairShare is after how many intake transactions in a row the background gets a turn even though intake never pauses.
const fairShare = 8

// job is work for the write goroutine. Whoever makes it reads done once.
type job struct {
	do      func(*tx) error
	outside func() error // in place of do: in no transaction
	size    int          // letters in it, a large body counting as several
	done    chan error

	mu    sync.Mutex
	state jobState
}

type jobState int

const (
	jobWaiting jobState = iota
	jobTaken            // by the write goroutine
	jobGivenUp          // its maker no longer waits
)

func newJob(size int, do func(*tx) error) *job {
	return &job{do: do, size: size, done: make(chan error, 1)}
}

// move changes the state from waiting; it reports false when the other side was first.
func (j *job) move(to jobState) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != jobWaiting {
		return false
	}
	j.state = to
	return true
}

// wait returns the result. When the context ends before the job was begun, it is never done; once begun, its end is
// waited for, so that the answer is never "perhaps".
func (j *job) wait(ctx context.Context) error {
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.move(jobGivenUp) {
			return ctx.Err()
		}
		return <-j.done
	}
}

// lanes holds what waits for the write goroutine.
type lanes struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting [laneCount][]*job
	intakes int // intake transactions since the background had a turn
	ended   bool
}

func newLanes() *lanes {
	l := &lanes{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// push queues a job. After close it is answered at once.
func (l *lanes) push(to lane, j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		j.done <- errClosed()
		return
	}
	l.waiting[to] = append(l.waiting[to], j)
	l.changed.Signal()
}

// next waits for a job and returns it with its lane; nil after close.
func (l *lanes) next() (*job, lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.ended {
			return nil, 0
		}
		order := [laneCount]lane{lanePeople, laneIntake, laneBackground}
		if l.intakes >= fairShare {
			order = [laneCount]lane{lanePeople, laneBackground, laneIntake}
		}
		for _, from := range order {
			if j := l.take(from); j != nil {
				switch from {
				case laneIntake:
					l.intakes++
				case laneBackground:
					l.intakes = 0
				}
				return j, from
			}
		}
		l.changed.Wait()
	}
}

// more returns another intake job for a transaction that already holds so many letters; nil when it should be committed:
// nothing waits, it is full, or it has some and a person waits.
func (l *lanes) more(have int) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended || have >= groupFull:
		return nil
	case have >= groupYield && len(l.waiting[lanePeople]) > 0:
		return nil
	default:
		return l.take(laneIntake)
	}
}

// morePeople returns what gives a people's transaction further jobs that wait already. It never waits for any.
func (l *lanes) morePeople() func(int) *job {
	taken := 1
	return func(int) *job {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ended || taken >= groupPeople {
			return nil
		}
		taken++
		return l.take(lanePeople)
	}
}

func (l *lanes) take(from lane) *job {
	for len(l.waiting[from]) > 0 {
		j := l.waiting[from][0]
		l.waiting[from][0] = nil
		if l.waiting[from] = l.waiting[from][1:]; len(l.waiting[from]) == 0 {
			l.waiting[from] = nil
		}
		if j.move(jobTaken) {
			return j
		}
	}
	return nil
}

// depth returns how many jobs wait in a lane.
func (l *lanes) depth(of lane) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting[of])
}

// close answers all that waits and ends the write goroutine after the transaction under way.
func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for from := range l.waiting {
		for _, j := range l.waiting[from] {
			if j.move(jobTaken) {
				j.done <- errClosed()
			}
		}
		l.waiting[from] = nil
	}
	l.changed.Broadcast()
}
