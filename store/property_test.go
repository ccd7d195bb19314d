package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

var triggers = []dlq.Trigger{dlq.TriggerPlan, dlq.TriggerCancel, dlq.TriggerSnooze, dlq.TriggerWake, dlq.TriggerClaim, dlq.TriggerSent, dlq.TriggerNotSent,
	dlq.TriggerUndecided, dlq.TriggerSettle, dlq.TriggerLost, dlq.TriggerCompensated, dlq.TriggerAskReplay, dlq.TriggerAskAgain, dlq.TriggerAskPerson,
	dlq.TriggerResolve, dlq.TriggerDiscard, dlq.TriggerRestore, dlq.TriggerReclassify, dlq.TriggerEdit}

// office is a store that is worked on at random, with what should come of it.
type office struct {
	t       *testing.T
	s       *Store
	clock   *clock
	rnd     *rand.Rand
	next    map[string]int64
	letters map[int64]*expected
	replays []dlq.Replay
	calls   int
}

type expected struct {
	state   dlq.State
	version int64
	deaths  int
	flags   map[dlq.Flag]bool
	due     *time.Time
	expires *time.Time
}

// Random work of every kind leaves the counts, the due work, the tabs and the versions as they should be.
func TestRandomWork(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newClock()
			o := &office{t: t, s: open(t, Options{Now: c.now, Retention: 3 * time.Hour}), clock: c, rnd: rand.New(rand.NewPCG(seed, 1)), next: map[string]int64{}, letters: map[int64]*expected{}}
			for step := range 400 {
				o.work()
				if step%50 == 49 {
					o.check()
				}
			}
			o.s.checkFile(t)
		})
	}
}

func (o *office) work() {
	switch n := o.rnd.IntN(100); {
	case n < 20:
		o.admit()
	case n < 92:
		o.change()
	case n < 96:
		o.clock.add(time.Duration(o.rnd.IntN(40)) * time.Minute)
	case n < 98:
		o.sweep()
	default:
		if _, err := o.s.indexOnce(context.Background()); err != nil {
			o.t.Fatal(err)
		}
	}
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (o *office) admit() {
	group := pick(o.rnd, []string{"pay", "stock", "mail"})
	from := o.next[group]
	n := int64(o.rnd.IntN(12))
	b := batchOf(group, from, from+n)
	var joined []int64
	for i := range b.Arrivals {
		a := &b.Arrivals[i]
		a.Plan.State = pick(o.rnd, []dlq.State{dlq.StateOpen, dlq.StateOpen, dlq.StateScheduled, dlq.StateCompensating, dlq.StateDiscarded})
		a.Facts.Topic = pick(o.rnd, []string{"orders", "payments"})
		a.Verdict.Route = pick(o.rnd, dlq.Routes)
		a.Verdict.Severity = pick(o.rnd, dlq.Severities)
		switch a.Plan.State {
		case dlq.StateScheduled:
			a.Plan.DueAt = o.soon()
		case dlq.StateCompensating:
			o.calls++
			a.Plan.Call = &dlq.Call{ID: fmt.Sprint("call-", o.calls), Name: "settle", State: dlq.CallPending, NextAt: o.soon()}
			a.Plan.DueAt = a.Plan.Call.NextAt
		case dlq.StateOpen:
			a.Plan.Hold = dlq.HoldAutomationOff
		}
		joined = append(joined, 0)
		if len(o.replays) > 0 && o.rnd.IntN(3) == 0 {
			r := pick(o.rnd, o.replays)
			a.Join = &dlq.Join{LetterID: r.LetterID, ReplayID: r.ID}
			joined[i] = r.LetterID
		}
	}
	lastID := o.s.mem.letter
	admit(o.t, o.s, b)
	o.next[group] = from + n
	for i := range b.Arrivals {
		a := &b.Arrivals[i]
		e := o.letters[joined[i]]
		if e == nil {
			lastID++
			e = &expected{version: 0, flags: map[dlq.Flag]bool{}}
			o.letters[lastID] = e
		} else {
			e.flags[dlq.FlagFailedAgain] = true
			if e.state == dlq.StateResolved || e.state == dlq.StateDiscarded {
				e.flags[dlq.FlagRegressed] = true
			}
		}
		e.version++
		e.deaths++
		o.enter(e, a.Plan.State, a.Plan.DueAt)
	}
	if lastID != o.s.mem.letter {
		o.t.Fatalf("the highest letter is %d, want %d", o.s.mem.letter, lastID)
	}
}

func (o *office) soon() *time.Time {
	at := o.clock.now().Add(time.Duration(o.rnd.IntN(7200)) * time.Second)
	return &at
}

// enter notes what entering a state means.
func (o *office) enter(e *expected, s dlq.State, due *time.Time) {
	e.state, e.due, e.expires = s, nil, nil
	switch s {
	case dlq.StateScheduled, dlq.StateSnoozed, dlq.StateCompensating:
		e.due = due
	case dlq.StateResolved, dlq.StateDiscarded:
		at := o.clock.now().Add(3 * time.Hour)
		e.expires = &at
	}
}

func (o *office) change() {
	if o.s.mem.letter == 0 {
		return
	}
	c := dlq.Change{LetterID: 1 + o.rnd.Int64N(o.s.mem.letter+1), Trigger: pick(o.rnd, triggers), To: pick(o.rnd, dlq.States), DueAt: o.soon(), Event: dlq.Event{Kind: dlq.EventNoted, Actor: "ann"}}
	e := o.letters[c.LetterID]
	if e != nil && o.rnd.IntN(4) > 0 { // mostly something that is possible
		for range 200 {
			if c.Trigger, c.To = pick(o.rnd, triggers), pick(o.rnd, dlq.States); dlq.Can(c.Trigger, e.state, c.To) {
				break
			}
		}
		c.Version = e.version
	}
	if o.rnd.IntN(8) == 0 {
		c.Version = 1 + o.rnd.Int64N(5)
	}
	add, drop := pick(o.rnd, dlq.Flags), pick(o.rnd, dlq.Flags)
	c.AddFlags, c.DropFlags = []dlq.Flag{add}, []dlq.Flag{drop}
	if o.rnd.IntN(3) == 0 {
		owner := pick(o.rnd, []string{"", "ann", "bob"})
		c.Owner = &owner
	}
	if c.To == dlq.StateResolved {
		c.Resolution = dlq.ResolvedByHand
	}
	if c.Trigger == dlq.TriggerReclassify {
		a := arriving(dead("pay", o.rnd.Int64N(50)))
		c.Facts, c.Verdict = &a.Facts, &a.Verdict
	}
	if c.Trigger == dlq.TriggerClaim {
		c.CountReplay = 1
		c.Replay = &dlq.Replay{ID: fmt.Sprintf("%032x", len(o.replays)+1), Door: pick(o.rnd, []dlq.Door{dlq.DoorRetry, dlq.DoorBack}), ConsumerGroup: "pay", UniqueKey: "UK", IntendedAt: o.clock.now(), Outcome: dlq.OutcomeSending}
	}
	before := o.s.mem.event
	_, err := o.s.Apply(context.Background(), c)
	var want dlq.Code
	switch {
	case e == nil:
		want = dlq.CodeNotFound
	case c.Version != 0 && c.Version != e.version:
		want = dlq.CodeConflict
	case !dlq.Can(c.Trigger, e.state, c.To):
		want = dlq.CodeRefused
	}
	if dlq.CodeOf(err) != want {
		o.t.Fatalf("%s of letter %d (%+v) to %s with version %d: %v, want %q", c.Trigger, c.LetterID, e, c.To, c.Version, err, want)
	}
	if err != nil {
		if o.s.mem.event != before {
			o.t.Fatal("a refused change left an event")
		}
		return
	}
	if c.Replay != nil {
		r := *c.Replay
		r.LetterID = c.LetterID
		o.replays = append(o.replays, r)
	}
	e.version++
	e.flags[add] = true
	delete(e.flags, drop)
	if c.Trigger == dlq.TriggerEdit {
		if e.due != nil {
			e.due = c.DueAt
		}
		return
	}
	o.enter(e, c.To, c.DueAt)
}

func (o *office) sweep() {
	if _, err := o.s.sweepOnce(context.Background()); err != nil {
		o.t.Fatal(err)
	}
	for id, e := range o.letters {
		if e.expires != nil && !e.expires.After(o.clock.now()) {
			delete(o.letters, id)
		}
	}
	o.replays = slices.DeleteFunc(o.replays, func(r dlq.Replay) bool { return o.letters[r.LetterID] == nil && o.rnd.IntN(2) == 0 })
}

// check compares the store with what is expected of it.
func (o *office) check() {
	t := o.t
	t.Helper()
	got := map[int64]dlq.Letter{}
	cursor := ""
	for {
		p, err := o.s.Letters(context.Background(), dlq.Filter{}, cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total.Count != int64(len(o.letters)) || !p.Total.Exact {
			t.Fatalf("total %+v, want %d", p.Total, len(o.letters))
		}
		for _, l := range p.Items {
			if _, twice := got[l.ID]; twice {
				t.Fatalf("letter %d is on two pages", l.ID)
			}
			got[l.ID] = l
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(got) != len(o.letters) {
		t.Fatalf("%d letters in the list, want %d", len(got), len(o.letters))
	}
	due := map[dlq.State]int{}
	for id, e := range o.letters {
		l := got[id]
		flags := []dlq.Flag{}
		for _, f := range dlq.Flags {
			if e.flags[f] {
				flags = append(flags, f)
			}
		}
		want := dlq.Letter{ID: id, State: e.state, Version: e.version, Deaths: e.deaths, Flags: flags, DueAt: e.due, ExpiresAt: e.expires}
		have := dlq.Letter{ID: l.ID, State: l.State, Version: l.Version, Deaths: l.Deaths, Flags: l.Flags, DueAt: l.DueAt, ExpiresAt: l.ExpiresAt}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("letter %d (-want +got):\n%s", id, diff)
		}
		if e.due != nil && !e.due.After(o.clock.now()) {
			due[e.state]++
		}
	}
	for _, state := range []dlq.State{dlq.StateScheduled, dlq.StateSnoozed, dlq.StateCompensating} {
		list, err := o.s.Due(context.Background(), state, o.clock.now(), 10000)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != due[state] {
			t.Fatalf("%d %s letters are due, want %d", len(list), state, due[state])
		}
		for i := range list {
			if list[i].State != state || i > 0 && list[i].DueAt.Before(*list[i-1].DueAt) {
				t.Fatalf("due letters out of order or of another state: %+v", list[i])
			}
		}
	}
	o.checkFilters(got)
	o.s.recount(t)
}

// checkFilters compares lists and facets with what the letters themselves say.
func (o *office) checkFilters(letters map[int64]dlq.Letter) {
	t := o.t
	arrivals := o.s.arrivalsOf(t)
	o.s.checkBars(t)
	everything := letters
	for range 25 {
		f := o.filter()
		o.window(&f)
		letters := maps.Clone(everything)
		maps.DeleteFunc(letters, func(id int64, _ dlq.Letter) bool { return windowed(&f) && deathsIn(&f, arrivals[id]) == 0 })
		want := []int64{}
		var deaths int64
		for id, l := range letters {
			if chooses(&f, &l) {
				want = append(want, id)
				deaths += deathsIn(&f, arrivals[id])
			}
		}
		got := []int64{}
		cursor := ""
		var total dlq.Count
		for {
			p, err := o.s.Letters(context.Background(), f, cursor, 1+o.rnd.IntN(20))
			if err != nil {
				t.Fatal(err)
			}
			total = p.Total
			if (p.Deaths != nil) != windowed(&f) || p.Deaths != nil && *p.Deaths != (dlq.Count{Count: deaths, Exact: true}) {
				t.Fatalf("filter %+v has the deaths %+v, want %d", f, p.Deaths, deaths)
			}
			for _, l := range p.Items {
				got = append(got, l.ID)
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("filter %+v (-want +got):\n%s", f, diff)
		}
		if total.Count != int64(len(want)) || !total.Exact {
			t.Fatalf("filter %+v has the total %+v, want %d", f, total, len(want))
		}
		o.checkFacets(f, letters)
	}
}

func (o *office) checkFacets(f dlq.Filter, letters map[int64]dlq.Letter) {
	o.t.Helper()
	have, err := o.s.Facets(context.Background(), f)
	if err != nil {
		o.t.Fatal(err)
	}
	if !have.Exact || have.Examined != 0 {
		o.t.Fatalf("facets of %+v: exact is %v, of %d", f, have.Exact, have.Examined)
	}
	count := func(without func(*dlq.Filter), value func(*dlq.Letter) string) map[string]int64 {
		g := f
		without(&g)
		n := map[string]int64{}
		for _, l := range letters {
			if chooses(&g, &l) {
				n[value(&l)]++
			}
		}
		return n
	}
	tabs := map[string]int64{}
	for tab, n := range have.Tabs {
		if n > 0 {
			tabs[string(tab)] = n
		}
	}
	asMap := func(list []dlq.Facet) map[string]int64 {
		m := map[string]int64{}
		for _, f := range list {
			m[f.Value] = f.Count
		}
		return m
	}
	for _, c := range []struct{ want, got map[string]int64 }{
		{count(func(g *dlq.Filter) { g.Tab, g.States = "", nil }, func(l *dlq.Letter) string { return string(l.State.Tab()) }), tabs},
		{count(func(g *dlq.Filter) { g.ConsumerGroups = nil }, func(l *dlq.Letter) string { return l.ConsumerGroup }), asMap(have.ConsumerGroups)},
		{count(func(g *dlq.Filter) { g.Topics = nil }, func(l *dlq.Letter) string { return l.Topic }), asMap(have.Topics)},
		{count(func(g *dlq.Filter) { g.Reasons = nil }, func(l *dlq.Letter) string { return l.Reason }), asMap(have.Reasons)},
		{count(func(g *dlq.Filter) { g.Rules = nil }, func(l *dlq.Letter) string { return l.Rule }), asMap(have.Rules)},
		{count(func(g *dlq.Filter) { g.Routes = nil }, func(l *dlq.Letter) string { return string(l.Route) }), asMap(have.Routes)},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			o.t.Fatalf("facets of %+v (-want +got):\n%s", f, diff)
		}
	}
}

// filter makes a random filter.
func (o *office) filter() (f dlq.Filter) {
	r := o.rnd
	some := func(values ...string) []string {
		if r.IntN(4) > 0 {
			return nil
		}
		list := []string{}
		for range 1 + r.IntN(2) {
			list = append(list, pick(r, values))
		}
		return list
	}
	if r.IntN(2) == 0 {
		f.Tab = pick(r, dlq.Tabs)
	}
	for _, s := range some(texts(dlq.States)...) {
		f.States = append(f.States, dlq.State(s))
	}
	f.ConsumerGroups = some("pay", "stock", "mail", "nobody")
	f.Topics = some("orders", "payments")
	f.Reasons = some("network_timeout", "data_format_error", "inventory_shortage", "none")
	f.Rules = some("rule of network_timeout", "rule of data_format_error")
	for _, s := range some(texts(dlq.Routes)...) {
		f.Routes = append(f.Routes, dlq.Route(s))
	}
	for _, s := range some(texts(dlq.Severities)...) {
		f.Severities = append(f.Severities, dlq.Severity(s))
	}
	if r.IntN(2) == 0 {
		return f
	}
	for _, s := range some(texts(dlq.Flags)...) {
		f.Flags = append(f.Flags, dlq.Flag(s))
	}
	f.Owners = some("", "ann", "bob")
	f.Fingerprints = some("fff0000000000000", "fff0000000000001", "no fingerprint")
	if r.IntN(3) == 0 {
		at := newClock().t.Add(time.Duration(r.IntN(150)) * time.Second)
		f.DiedAfter = &at
	}
	if r.IntN(3) == 0 {
		at := newClock().t.Add(time.Duration(r.IntN(150)) * time.Second)
		f.DiedBefore = &at
	}
	return f
}

// chooses says what a filter means, in the plainest way.
func chooses(f *dlq.Filter, l *dlq.Letter) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	flag := len(f.Flags) == 0
	for _, want := range f.Flags {
		flag = flag || l.HasFlag(want)
	}
	return flag && (f.Tab == "" || l.State.Tab() == f.Tab) && in(texts(f.States), string(l.State)) && in(f.ConsumerGroups, l.ConsumerGroup) && in(f.Topics, l.Topic) &&
		in(f.Reasons, l.Reason) && in(f.Rules, l.Rule) && in(texts(f.Routes), string(l.Route)) && in(texts(f.Severities), string(l.Severity)) &&
		in(f.Owners, l.Owner) && in(f.Fingerprints, l.Fingerprint) &&
		(f.DiedAfter == nil || !l.DiedAt.Before(*f.DiedAfter)) && (f.DiedBefore == nil || l.DiedAt.Before(*f.DiedBefore))
}
