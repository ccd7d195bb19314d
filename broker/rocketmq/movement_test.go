package rocketmq

import (
	"testing"
	"time"
)

// How an offset moved, seen by looks and with the verdicts that deliveries gave.
func TestMovement(t *testing.T) {
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	p := &movement{}
	p.observe(at(0), 5, true, 7, at(-1)) // the copy at 7 waits
	if how, before := p.of(7, 5); how != notPassed || before {
		t.Error("not passed:", how, before)
	}
	p.observe(at(3), 8, true, 7, at(-1))
	if how, _ := p.of(7, 8); how != passedMaybe {
		t.Error("passed, not weighed:", how)
	}
	p.settle(0, false, nil)
	p.observe(at(6), 20, false, 7, at(-1))
	p.settle(0, true, nil)
	if how, _ := p.of(7, 20); how != passedByUse {
		t.Error("passed by use:", how)
	}
	if how, _ := p.of(12, 20); how != passedMoved {
		t.Error("moved:", how)
	}
	if _, before := p.of(3, 20); !before {
		t.Error("what was passed before the first look")
	}
	p.observe(at(9), 10, true, 12, at(-1)) // a client that works on sets it back
	if how, _ := p.of(12, 10); how != notPassed {
		t.Error("set back:", how)
	}
	p.observe(at(12), 13, true, 12, at(-1))
	p.settle(0, false, nil)
	if how, _ := p.of(12, 13); how != passedByUse {
		t.Error("consumed after it was set back:", how)
	}
}

// A step while nobody is connected is nobody's; one that a client made before it left is.
func TestMovementAttended(t *testing.T) {
	start := time.Now()
	for name, c := range map[string]struct {
		before, after bool
		last          time.Time
		want          bool
	}{
		"nobody":              {false, false, start.Add(-time.Minute), false},
		"it left":             {true, false, start, true},
		"it came":             {false, true, start.Add(3 * time.Second), true},
		"it came and left":    {false, false, start.Add(2 * time.Second), true},
		"online all the time": {true, true, start.Add(3 * time.Second), true},
	} {
		p := &movement{}
		p.observe(start, 1, c.before, 1, start.Add(-time.Second))
		p.observe(start.Add(3*time.Second), 2, c.after, 1, start.Add(-time.Second))
		if got := p.attended(c.last); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Only a step that is like those that follow it is an ordinary one.
func TestMovementOrdinary(t *testing.T) {
	start := time.Now()
	for name, c := range map[string]struct {
		offsets []int64
		want    bool
	}{
		"steady":           {[]int64{100, 200, 300, 400}, true},
		"a jump, then on":  {[]int64{1000, 1100, 1200, 1300}, false},
		"a jump, then not": {[]int64{1000}, false},
	} {
		p := &movement{}
		p.observe(start, 0, true, 50, start.Add(-time.Minute))
		for i, offset := range c.offsets {
			p.observe(start.Add(time.Duration(i+1)*proofEvery), offset, true, 50, start.Add(-time.Minute))
		}
		if got := p.ordinary(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A running count out of counts of the last minute: what was counted before an instant does not count.
func TestGauge(t *testing.T) {
	start := time.Now()
	g := &gauge{}
	g.add(start, 5)
	g.add(start.Add(30*time.Second), 6)
	if n, from := g.fresh(start.Add(10 * time.Second)); n != 1 || !from.IsZero() {
		t.Error(n, from)
	}
	g.add(start.Add(70*time.Second), 1) // five have left the minute, one came
	if n, _ := g.fresh(start.Add(10 * time.Second)); n != 1 {
		t.Error(n)
	}
	g.add(start.Add(95*time.Second), 4)
	if n, _ := g.fresh(start.Add(10 * time.Second)); n != 5 {
		t.Error(n)
	}
	if n, from := g.fresh(start.Add(-time.Second)); n != 10 || !from.Equal(start) {
		t.Error("without a sample from before:", n, from)
	}
}

// Who has a popped message, by check points and acknowledgements in the order in which they are read.
func TestPopLog(t *testing.T) {
	now := time.Now()
	ms := func(s int) int64 { return now.Add(time.Duration(s) * time.Second).UnixMilli() }
	ck := func(at int, start int64, diffs ...int64) popMark {
		return popMark{tag: "ck", Topic: "t", Start: start, Popped: ms(at), Invisible: 60_000, Count: len(diffs), Diffs: diffs}
	}
	ack := func(at int, offset int64) popMark {
		return popMark{tag: "ack", Topic: "t", Ack: offset, Popped: ms(at)}
	}
	batch := func(at int, offsets ...int64) popMark {
		return popMark{tag: "bAck", Topic: "t", Acks: offsets, Popped: ms(at)}
	}
	for name, c := range map[string]struct {
		marks []popMark
		want  popHolder
	}{
		"not popped":                {[]popMark{ck(-5, 3, 0, 1)}, holdNobody},
		"popped":                    {[]popMark{ck(-5, 6, 0, 1)}, holdTaken},
		"acknowledged":              {[]popMark{ck(-5, 6, 0, 1), ack(-5, 7)}, holdDone},
		"its neighbour is":          {[]popMark{ck(-5, 6, 0, 1), ack(-5, 6)}, holdTaken},
		"in a batch":                {[]popMark{ck(-5, 6, 0, 1), batch(-5, 6, 7)}, holdDone},
		"asks for more time":        {[]popMark{ck(-50, 7, 0), ck(-5, 7, 0), ack(-50, 7)}, holdTaken},
		"and acknowledges then":     {[]popMark{ck(-50, 7, 0), ack(-5, 7), ck(-5, 7, 0), ack(-50, 7)}, holdDone},
		"should have come back":     {[]popMark{ck(-200, 7, 0)}, holdUnknown},
		"another queue is no proof": {[]popMark{{tag: "ck", Topic: "t", Queue: 1, Start: 7, Count: 1, Popped: ms(-5)}}, holdNobody},
	} {
		l := &popLog{marks: map[string][]popMark{"g": c.marks}}
		if got := l.of("g", "t", 0, 7, now); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}
