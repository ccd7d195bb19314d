package rocketmq

import (
	"log/slog"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// watched is the offset of one consumer group in its retry topic, with a clock, a count and clients that a test sets. Nobody is
// asked anything over the network.
type watched struct {
	t     *testing.T
	b     *Broker
	q     question
	p     *movement
	start time.Time
	now   time.Time
	total float64 // that the broker gave out
	given []sample
	info  *remoting.ConsumerRunningInfo // what the group's only client, of Java, says; nil: it is one of Go, which cannot count
	mute  bool                          // it does not answer
	blind bool                          // the broker does not say what it gave out
}

func watch(t *testing.T) *watched {
	w := &watched{t: t, q: question{"g", "b", dlq.RetryPrefix + "g", 0}, p: &movement{used: time.Now()}, start: time.Now()}
	w.now = w.start
	w.b = &Broker{
		now: func() time.Time { return w.now }, log: slog.New(slog.DiscardHandler), groups: map[string]seen{}, heard: map[groupClient]clientWord{},
		busy: map[string]chan struct{}{}, gauged: map[counter]*gauge{}, counting: map[counter]time.Time{}, moves: map[question]*movement{},
	}
	w.b.moves[w.q] = w.p
	w.count()
	return w
}

func (w *watched) at(s float64) time.Time {
	return w.start.Add(time.Duration(s * float64(time.Second)))
}

// give lets the broker give out some messages now. It counts what it gave at its next look, ten seconds later at the most.
func (w *watched) give(n float64) {
	w.total += n
	w.given = append(w.given, sample{at: w.now, total: w.total})
}

// count samples the broker's counter, which looks at itself every ten seconds and tells of one minute.
func (w *watched) count() {
	look := w.start.Add(w.now.Sub(w.start).Truncate(counting))
	var until, before float64
	for _, s := range w.given {
		if !s.at.After(look) {
			until = s.total
		}
		if !s.at.After(look.Add(-gaugeWindow)) {
			before = s.total
		}
	}
	w.b.gaugeOf(counter{w.q.group, w.q.broker, w.q.topic}).add(w.now, until-before)
}

// look is one observation at s seconds after the start: the clients were listed then, and the offset was read later by as much
// as late says.
func (w *watched) look(s float64, online bool, committed int64, late time.Duration) {
	w.t.Helper()
	w.now = w.at(s)
	m := &snapshot{b: w.b, at: w.now, offsets: map[question]offset{}}
	st := standing{presence: presence{at: w.now, online: online}}
	if online {
		st.clients = []dlq.GroupClient{{ID: "c", Language: "GO"}}
		w.b.groups["g"] = seen{online: w.now}
		h := clientWord{at: w.now.Add(late), until: w.now.Add(time.Hour), mute: w.mute}
		if w.mute {
			h.err = errRefused
		} else if w.info != nil {
			st.clients[0].Language, h.info = "JAVA", *w.info
		} else {
			h.info = remoting.ConsumerRunningInfo{Queues: map[remoting.MessageQueue]remoting.ProcessQueue{messageQueue(w.q): {CommitOffset: committed}}}
		}
		w.b.heard[groupClient{"g", "c"}] = h
	}
	w.now = w.now.Add(late)
	if !w.blind {
		w.count()
	}
	m.offsets[w.q] = offset{read: w.now}
	if committed < 0 {
		m.untouched("g", st, &trace{w.q.broker, remoting.Message{Topic: w.q.topic, QueueOffset: 5, StoredAt: w.at(-1)}})
		return
	}
	w.p.observe(w.now, committed, online, 5, w.at(-1))
	m.weighSteps(w.t.Context(), w.q, w.p, st)
}

// every looks every three seconds from one second to another.
func (w *watched) every(from, to float64, online bool, committed int64) {
	w.t.Helper()
	for s := from; s < to; s += proofEvery.Seconds() {
		w.look(s, online, committed, 0)
	}
}

// is checks how the copy at an offset was passed.
func (w *watched) is(x, committed int64, want passing) {
	w.t.Helper()
	if how, before := w.p.of(x, committed); how != want || before {
		w.t.Errorf("the copy at %d: %d, nobody watched: %t; want %d", x, how, before, want)
	}
}

// working is what a Java client says that reads the queue.
func (w *watched) working(committed int64, work, pulled float64) {
	w.info = &remoting.ConsumerRunningInfo{
		Queues: map[remoting.MessageQueue]remoting.ProcessQueue{messageQueue(w.q): {CommitOffset: committed}},
		Status: map[string]remoting.ConsumeStatus{w.q.topic: {OK: work, Pulled: pulled}},
	}
}

// A group that never committed an offset is watched from the first look on: what it commits when it comes is its first step, and
// is explained, however long ago the copy was stored.
func TestUntouchedIsWatched(t *testing.T) {
	w := watch(t)
	for s := 0.0; s < 90; s += 30 {
		w.look(s, false, -1, 0)
	}
	w.now = w.at(91)
	w.give(2)
	w.look(96, true, 7, 0)
	w.is(5, 7, passedMaybe)
	w.every(99, 115, true, 7)
	w.is(5, 7, passedByUse)

	skipped := watch(t)
	for s := 0.0; s < 90; s += 30 {
		skipped.look(s, false, -1, 0)
	}
	skipped.every(96, 115, false, 7)
	skipped.is(5, 7, passedMoved)
}

// A list of clients that is older than the offset does not name who made the step; one that was asked for later does.
func TestClientsAreSeenAfterTheStep(t *testing.T) {
	w := watch(t)
	w.look(0, false, 5, 0)
	w.look(60, false, 5, 0)
	w.now = w.at(61)
	w.give(1)
	w.look(62, false, 6, 6*time.Second) // they came while the offset was being asked for, on a busy machine
	w.is(5, 6, passedMaybe)
	w.look(72, false, 6, 0) // and the list is late again
	w.is(5, 6, passedByUse)

	uncounted := watch(t)
	uncounted.blind = true
	uncounted.look(0, false, 5, 0)
	uncounted.look(60, false, 6, 9*time.Second)
	uncounted.look(72, false, 6, 0) // asked for when it may have been older than the offset, and nothing is counted
	uncounted.is(5, 6, passedMaybe)
	uncounted.look(75, true, 6, 0)
	uncounted.every(78, 90, true, 6)
	uncounted.is(5, 6, passedMaybe)
}

// A consumer that came, worked and left between two looks was counted by the broker; a step without any is nobody's, soon.
func TestVisitBetweenLooks(t *testing.T) {
	w := watch(t)
	w.every(0, 70, false, 5)
	w.now = w.at(71)
	w.give(3)
	w.every(73, 95, false, 8)
	w.is(5, 8, passedByUse)

	set := watch(t)
	set.every(0, 70, false, 5)
	set.every(73, 95, false, 8)
	set.is(5, 8, passedMoved)
}

// A group whose offset was set while it was away, and that is back before anybody sees it gone, works on what comes next: that
// does not explain the jump.
func TestWorkAfterAJumpIsNoProof(t *testing.T) {
	for _, java := range []bool{false, true} {
		w := watch(t)
		w.every(0, 60, false, 5)
		if java {
			w.working(25, 0, 0)
		}
		w.look(63, false, 8, 0) // three copies are skipped
		w.now = w.at(64)
		w.give(20)
		if java {
			w.working(28, 2, 2)
		}
		w.look(66, true, 28, 0)
		if java {
			w.working(28, 1, 1)
		}
		w.every(69, 93, true, 28)
		w.is(5, 28, passedMaybe)
		w.every(93, 180, true, 28)
		w.is(5, 28, passedMoved)
		w.is(9, 28, passedByUse)
	}
}

// What a client of Go fetched at once it works on one by one: each step is explained by what was given out at first.
func TestFetchedAheadIsExplained(t *testing.T) {
	w := watch(t)
	w.look(0, true, 5, 0)
	w.now = w.at(1)
	w.give(4)
	for i, s := range []float64{20, 50, 110, 140} {
		w.every(s, s+30, true, int64(6+i))
	}
	w.every(170, 190, true, 9)
	for x := int64(5); x < 9; x++ {
		w.is(x, 9, passedByUse)
	}
	w.every(190, 290, true, 12) // and no more than that
	w.is(10, 12, passedMoved)
}

// What explained one step explains no other.
func TestWorkIsCountedOnce(t *testing.T) {
	w := watch(t)
	w.working(5, 0, 0)
	w.look(0, true, 5, 0)
	for i, s := range []float64{1, 74} {
		w.now = w.at(s)
		w.give(3)
		w.working(int64(8+3*i), 0.05, 0.05)
		w.every(s+12, s+18, true, int64(8+3*i))
		w.is(int64(5+3*i), int64(8+3*i), passedByUse)
		w.every(s+18, 70, true, 8)
	}
	w.working(14, 0.05, 0.05)
	w.every(92, 125, true, 14)
	w.is(12, 14, passedMaybe)
	w.working(14, 0, 0)
	w.every(125, 180, true, 14)
	w.is(12, 14, passedMoved)
}

// The clocks of a client's counters are not exact: it worked on all that it pulled, though the rates differ by a few per cent.
func TestRatesNeedNotBeEqual(t *testing.T) {
	w := watch(t)
	w.working(5, 0, 0)
	w.look(0, true, 5, 0)
	w.give(2)
	w.working(7, 2/20.6, 2/20.0)
	w.every(12, 18, true, 7)
	w.is(5, 7, passedByUse)

	pulled := watch(t)
	pulled.working(5, 0, 0)
	pulled.look(0, true, 5, 0)
	pulled.give(2)
	pulled.working(7, 1/20.0, 2/20.0) // one of two
	pulled.every(12, 60, true, 7)
	pulled.working(7, 1/60.0, 2/60.0)
	pulled.every(60, 75, true, 7)
	pulled.working(7, 0, 0)
	pulled.every(75, 120, true, 7)
	pulled.is(5, 7, passedMoved)
}

// A client that does not answer cannot say how far it is: in the end the broker's count decides.
func TestMuteClientIsCounted(t *testing.T) {
	for given, want := range map[float64]passing{1: passedByUse, 0: passedMoved} {
		w := watch(t)
		w.mute = true
		w.look(0, true, 5, 0)
		w.give(given)
		w.every(3, 39, true, 6)
		w.is(5, 6, passedMaybe)
		w.every(39, 120, true, 6)
		w.is(5, 6, want)
	}
}

// Of two that read the offset at the same time the later word may be the older one: it is no step back.
func TestOlderReadingIsIgnored(t *testing.T) {
	start := time.Now()
	p := &movement{}
	p.observe(start, 5, true, 5, start.Add(-time.Second))
	p.observe(start.Add(3*time.Second), 8, true, 5, start.Add(-time.Second))
	p.settle(0, true, nil)
	p.observe(start.Add(2*time.Second), 5, true, 5, start.Add(-time.Second))
	if how, _ := p.of(5, 8); how != passedMoved || p.sure != 8 {
		t.Errorf("%d, sure until %d", how, p.sure)
	}
}

// What was given out between the store of a copy and the first look counts, though the counter was read in between.
func TestCountsBeforeTheFirstLook(t *testing.T) {
	w := watch(t)
	w.now = w.at(9.5)
	stored := w.now
	w.count()
	w.give(1)
	w.now = w.at(10.5)
	w.count() // for another replay
	w.p.observe(w.at(11), 5, true, 5, stored)
	w.every(15, 40, true, 6)
	w.is(5, 6, passedByUse)
}

// Two copies that are stored one after the other, while the broker had not yet counted the first when that was passed.
func TestLateCountIsNotLost(t *testing.T) {
	w := watch(t)
	w.look(8, true, 5, 0)
	w.now = w.at(8.5)
	w.give(1)
	w.look(9, true, 6, 0)
	w.now = w.at(10.5)
	w.count()
	w.look(13, true, 6, 0)
	stored := w.at(11)
	w.is(5, 6, passedByUse)
	w.now = w.at(13.1)
	w.p.observe(w.now, 6, true, 6, stored)
	w.give(1)
	w.every(18, 40, true, 7)
	w.is(6, 7, passedByUse)
}
