package store

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"deadletteroffice/dlq"

	"github.com/google/go-cmp/cmp"
)

// What goes in comes out, byte for byte, also where it is no text.
func TestMessageComesBackExactly(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 3)
	odd := &b.Arrivals[1].Message
	odd.Body = []byte{0, 255, 254, '{', 0xC0}
	odd.BodyState = dlq.BodyUndecoded
	odd.Properties["user\x00key\xff"] = "\xfe not UTF-8 \x01\x02 中文"
	odd.Properties[""] = ""
	odd.Orderly = true
	odd.BornAt = time.Time{}
	b.Arrivals[2].Message.Body = []byte{}
	admit(t, s, b)
	for i := range b.Arrivals {
		got, err := s.Message(t.Context(), int64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b.Arrivals[i].Message, got); diff != "" {
			t.Errorf("message %d (-sent +got):\n%s", i, diff)
		}
		body, state, err := s.Body(t.Context(), int64(i+1))
		if err != nil || !bytes.Equal(body, b.Arrivals[i].Message.Body) || state != b.Arrivals[i].Message.BodyState {
			t.Errorf("body %d: %q, %s, %v", i, body, state, err)
		}
	}
	_, err := s.Message(t.Context(), 99)
	wantCode(t, err, dlq.CodeNotFound)
	_, _, err = s.Body(t.Context(), 99)
	wantCode(t, err, dlq.CodeNotFound)
}

func TestPositions(t *testing.T) {
	s := open(t, Options{})
	try := func(b dlq.AdmitBatch) error { return <-s.Admit(t.Context(), []dlq.AdmitBatch{b}) }
	position := func() dlq.QueuePosition {
		t.Helper()
		pos, known, err := s.QueuePosition(t.Context(), queueOf("pay"))
		if err != nil || !known {
			t.Fatal(known, err)
		}
		return pos
	}
	if _, known, err := s.QueuePosition(t.Context(), queueOf("pay")); known || err != nil {
		t.Fatalf("a queue that was never read is known: %v", err)
	}
	if err := try(batchOf("pay", 5, 8)); err != nil {
		t.Fatalf("the first batch of a queue begins anywhere: %v", err)
	}
	for _, from := range []int64{5, 7, 9} {
		wantCode(t, try(batchOf("pay", from, from+2)), dlq.CodeConflict)
	}
	old := batchOf("pay", 8, 9)
	old.Epoch = -1
	wantCode(t, try(old), dlq.CodeConflict)
	if got := position(); got.Next != 8 || got.Epoch != 0 {
		t.Fatalf("refused batches moved the position to %+v", got)
	}
	first := batchOf("pay", 5, 8)
	if got, want := position().LastStored, first.Arrivals[2].Message.StoredAt; !got.Equal(want) {
		t.Errorf("the message before the next offset was stored at %s, not at %s", want, got)
	}
	// Both batches of one call count together, and both are refused when one is.
	both := []dlq.AdmitBatch{batchOf("pay", 8, 10), batchOf("pay", 10, 12)}
	if err := <-s.Admit(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("pay", 12, 13), batchOf("pay", 14, 15)}), dlq.CodeConflict)
	if got := position(); got.Next != 12 {
		t.Fatalf("position %+v, want 12", got)
	}
	// The topic was made anew: a higher epoch begins anywhere, the gap is kept, and what is still there is not stored twice.
	again := batchOf("pay", 10, 14)
	again.Epoch = 1
	again.Gap = &dlq.Gap{Kind: dlq.GapTruncated, From: 12, To: 10}
	if err := try(again); err != nil {
		t.Fatal(err)
	}
	if got := position(); got.Next != 14 || got.Epoch != 1 {
		t.Errorf("position %+v, want 14 in epoch 1", got)
	}
	if p := list(t, s, dlq.Filter{}); p.Total.Count != 9 {
		t.Errorf("%d letters, want 9: offsets 5 to 13 once each", p.Total.Count)
	}
	// The same offset with another store time is another message.
	other := batchOf("pay", 14, 15)
	other.Epoch = 1
	other.Arrivals = append(other.Arrivals, arriving(dead("pay", 13)))
	other.Arrivals[1].Message.StoredAt = other.Arrivals[1].Message.StoredAt.Add(time.Millisecond)
	if err := try(other); err != nil {
		t.Fatal(err)
	}
	if p := list(t, s, dlq.Filter{}); p.Total.Count != 11 {
		t.Errorf("%d letters, want 11", p.Total.Count)
	}
	gaps, err := s.Gaps(t.Context(), 10)
	if err != nil || len(gaps) != 1 || gaps[0].Kind != dlq.GapTruncated || gaps[0].Queue != queueOf("pay") || gaps[0].From != 12 || gaps[0].To != 10 || gaps[0].At.IsZero() {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
	if sum, err := s.Summary(t.Context()); err != nil || sum.Gaps != 1 || sum.Letters != 11 {
		t.Errorf("summary %+v, %v", sum, err)
	}
	s.recount(t)
}

// One bad batch must not hurt those that share its transaction.
func TestGroupCommit(t *testing.T) {
	s := open(t, Options{})
	hold := make(chan struct{})
	busy := newJob(0, func(*tx) error { <-hold; return nil })
	s.lanes.push(lanePeople, busy) // so that the batches gather behind it
	bad := batchOf("bad", 0, 1)
	bad.Arrivals[0].Plan.State = dlq.StateOpen
	answers := map[string]<-chan error{}
	answers["a"] = s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("a", 0, 700)})
	answers["conflict"] = s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("a", 5, 9)})
	answers["bad"] = s.Admit(t.Context(), []dlq.AdmitBatch{bad})
	answers["b"] = s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("b", 0, 10)})
	fails := newJob(1, func(t *tx) error {
		if _, err := t.exec("INSERT INTO gap(queue, kind, first, next, n, at) VALUES(1, 'x', 0, 0, 0, 0)"); err != nil {
			return err
		}
		return errors.New("broken on purpose")
	})
	s.lanes.push(laneIntake, fails)
	answers["c"] = s.Admit(t.Context(), []dlq.AdmitBatch{batchOf("c", 0, 10)})
	close(hold)
	for name, answer := range answers {
		err := <-answer
		if name == "conflict" {
			wantCode(t, err, dlq.CodeConflict)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		select {
		case <-answer:
			t.Errorf("%s: a second answer", name)
		default:
		}
	}
	if err := <-fails.done; err == nil {
		t.Error("the broken job succeeded")
	}
	if n := list(t, s, dlq.Filter{}).Total.Count; n != 721 {
		t.Errorf("%d letters, want 721", n)
	}
	if gaps, err := s.Gaps(t.Context(), 5); err != nil || len(gaps) != 0 {
		t.Errorf("the broken job left %+v, %v", gaps, err)
	}
	s.recount(t)
}

func TestAdmitRefusesAnImpossiblePlan(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 2)
	b.Arrivals[1].Plan.State = dlq.StateAwaiting
	wantCode(t, <-s.Admit(t.Context(), []dlq.AdmitBatch{b}), dlq.CodeRefused)
	b = batchOf("pay", 0, 2)
	b.Arrivals[1].Facts.Fingerprint = "not hex"
	wantCode(t, <-s.Admit(t.Context(), []dlq.AdmitBatch{b}), dlq.CodeInvalid)
	if n := list(t, s, dlq.Filter{}).Total.Count; n != 0 {
		t.Errorf("%d letters", n)
	}
}

// look saves one look.
func look(t testing.TB, s *Store, r dlq.Replay) error {
	t.Helper()
	return s.SaveLooks(t.Context(), []dlq.Replay{r})[0]
}

// claim takes a letter for a replay and has the broker accept it.
func claim(t *testing.T, s *Store, letter int64, r dlq.Replay) dlq.Replay {
	t.Helper()
	r.Outcome = dlq.OutcomeSending
	apply(t, s, dlq.Change{LetterID: letter, Trigger: dlq.TriggerClaim, To: dlq.StateSending, Replay: &r, CountReplay: 1, Event: dlq.Event{Kind: dlq.EventIntended, Actor: "ann"}})
	r.Outcome = dlq.OutcomeWaiting
	apply(t, s, dlq.Change{LetterID: letter, Trigger: dlq.TriggerSent, To: dlq.StateAwaiting, Replay: &r, Event: dlq.Event{Kind: dlq.EventSent, Actor: "ann"}})
	got, err := s.Replay(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWhichLetterADeathBelongsTo(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	admit(t, s, batchOf("pay", 0, 3))
	sentAt := c.now()
	byID := claim(t, s, 1, dlq.Replay{ID: "11111111111111111111111111111111", Door: dlq.DoorRetry, ConsumerGroup: "pay", UniqueKey: "UK-pay-0", IntendedAt: sentAt})
	back := claim(t, s, 2, dlq.Replay{ID: "22222222222222222222222222222222", Door: dlq.DoorBack, ConsumerGroup: "pay", UniqueKey: "UK-pay-1", IntendedAt: sentAt, DeadAttempts: 16})
	elsewhere := claim(t, s, 3, dlq.Replay{ID: "44444444444444444444444444444444", Door: dlq.DoorRetry, ConsumerGroup: "stock", TargetKind: dlq.TargetOtherGroup, UniqueKey: "UK-pay-2", IntendedAt: sentAt})
	if byID.Number != 1 || back.LetterID != 2 {
		t.Fatalf("%+v %+v", byID, back)
	}
	msg := func(group, replay, key string, attempts int, stored time.Time) dlq.DeadMessage {
		m := dead(group, 100)
		m.Properties = map[string]string{dlq.PropUniqueKey: key}
		if replay != "" {
			m.Properties[dlq.PropReplayID] = replay
		}
		m.ReconsumeTimes, m.StoredAt = attempts, stored
		return m
	}
	later := sentAt.Add(time.Minute)
	for name, tt := range map[string]struct {
		m       dlq.DeadMessage
		letter  int64
		foreign bool
	}{
		"its own replay":                       {msg("pay", byID.ID, "UK-pay-0", 1, later), 1, false},
		"another consumer group":               {msg("stock", byID.ID, "UK-pay-0", 1, later), 0, false},
		"a copy with another UNIQ_KEY":         {msg("pay", byID.ID, "UK-copied", 1, later), 0, false},
		"a replay id that is not ours":         {msg("pay", "deadbeef", "UK-pay-0", 1, later), 0, true},
		"nothing special":                      {msg("pay", "", "UK-pay-0", 1, later), 0, false},
		"returned":                             {msg("pay", "", "UK-pay-1", 17, later), 2, false},
		"returned to another group":            {msg("stock", "", "UK-pay-1", 17, later), 0, false},
		"attempts not raised":                  {msg("pay", "", "UK-pay-1", 16, later), 0, false},
		"stored before the intent":             {msg("pay", "", "UK-pay-1", 17, sentAt.Add(-time.Millisecond)), 0, false},
		"returned, with a foreign id on it":    {msg("pay", "deadbeef", "UK-pay-1", 17, later), 2, false},
		"given to another group, dead there":   {msg("stock", elsewhere.ID, "UK-pay-2", 1, later), 0, false},
		"another UNIQ_KEY than the returned's": {msg("pay", "", "UK-pay-9", 17, later), 0, false},
	} {
		known, err := s.Known(t.Context(), []dlq.DeadMessage{dead("pay", 500), tt.m})
		if err != nil || len(known) != 2 {
			t.Fatal(known, err)
		}
		if known[0].Letter != nil || known[0].Replay != nil || known[0].Foreign {
			t.Errorf("%s: the other message is taken for %+v", name, known[0])
		}
		var letter int64
		if k := known[1]; k.Letter != nil {
			letter = k.Letter.ID
			if k.Replay == nil || k.Replay.LetterID != letter {
				t.Errorf("%s: letter %d with the replay %+v", name, letter, k.Replay)
			}
		}
		if letter != tt.letter || known[1].Foreign != tt.foreign {
			t.Errorf("%s: joins letter %d (foreign %v), want %d (%v)", name, letter, known[1].Foreign, tt.letter, tt.foreign)
		}
	}
	// Door C changes no property: what it returns still carries the id of the replay before it.
	c.add(time.Hour)
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerLost, To: dlq.StateOpen})
	second := claim(t, s, 1, dlq.Replay{ID: "33333333333333333333333333333333", Door: dlq.DoorBack, ConsumerGroup: "pay", UniqueKey: "UK-pay-0", IntendedAt: c.now(), DeadAttempts: 1})
	known, err := s.Known(t.Context(), []dlq.DeadMessage{msg("pay", byID.ID, "UK-pay-0", 2, c.now().Add(time.Minute))})
	if err != nil || known[0].Replay == nil || known[0].Replay.ID != second.ID || second.Number != 2 {
		t.Errorf("the returned copy belongs to %+v, %v; want the second replay", known[0].Replay, err)
	}
}

// A death of a replayed message reopens its letter, in whatever state it is by then.
func TestDiedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*testing.T, *Store, dlq.Replay)
		flags   []dlq.Flag
		from    dlq.State
	}{
		"awaiting": {func(*testing.T, *Store, dlq.Replay) {}, []dlq.Flag{dlq.FlagFailedAgain}, dlq.StateAwaiting},
		"resolved": {func(t *testing.T, s *Store, r dlq.Replay) {
			r.Outcome = dlq.OutcomeConfirmed
			apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerSettle, To: dlq.StateResolved, Resolution: dlq.ResolvedConfirmed, Replay: &r})
		}, []dlq.Flag{dlq.FlagFailedAgain, dlq.FlagRegressed}, dlq.StateResolved},
		"discarded": {func(t *testing.T, s *Store, r dlq.Replay) {
			apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerLost, To: dlq.StateOpen})
			apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
		}, []dlq.Flag{dlq.FlagFailedAgain, dlq.FlagRegressed}, dlq.StateDiscarded},
		"taken by somebody": {func(t *testing.T, s *Store, r dlq.Replay) {
			bob := "bob"
			apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerEdit, To: dlq.StateAwaiting, Owner: &bob})
		}, []dlq.Flag{dlq.FlagFailedAgain}, dlq.StateAwaiting},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			var events []dlq.Event
			s := open(t, Options{Now: c.now, Publish: func(e []dlq.Event) { events = append(events, e...) }})
			admit(t, s, batchOf("pay", 0, 2))
			r := claim(t, s, 1, dlq.Replay{ID: "11111111111111111111111111111111", Door: dlq.DoorRetry, ConsumerGroup: "pay", UniqueKey: "UK-pay-0", IntendedAt: c.now()})
			next := c.now().Add(time.Minute)
			r.NextLook = &next
			if err := look(t, s, r); err != nil {
				t.Fatal(err)
			}
			tt.prepare(t, s, r)
			before, err := s.Letter(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			c.add(time.Hour)
			again := batchOf("pay", 2, 3)
			a := &again.Arrivals[0]
			a.Message.Properties[dlq.PropUniqueKey] = "UK-pay-0"
			a.Message.Properties[dlq.PropReplayID] = r.ID
			a.Message.Body = []byte("the second body")
			a.Message.ReconsumeTimes = 3
			a.Plan = dlq.Plan{State: dlq.StateScheduled, DueAt: &next}
			a.Verdict.Owner = "team"
			a.Join = &dlq.Join{LetterID: 1, ReplayID: r.ID}
			admit(t, s, again)

			l, err := s.Letter(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			owner := "team"
			if before.Owner != "" {
				owner = before.Owner
			}
			got := []any{l.State, l.Resolution, l.Flags, l.Deaths, l.Attempts, l.MessageID, l.Version, l.ExpiresAt, *l.DueAt, l.Owner, l.Size, l.DiedAt, l.Reason}
			want := []any{dlq.StateScheduled, dlq.Resolution(""), tt.flags, 2, 3, "ID-pay-2", before.Version + 1, (*time.Time)(nil), next, owner, 15, a.Message.StoredAt, "inventory_shortage"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the letter (-want +got):\n%s", diff)
			}
			d, err := s.Detail(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.History) != 2 || d.History[0].ReplayID != r.ID || d.History[1].ReplayID != "" || d.History[0].Offset != 2 {
				t.Errorf("history %+v", d.History)
			}
			if rr := d.ReplayList[0]; rr.Outcome != dlq.OutcomeFailedAgain || rr.SettledAt == nil || !rr.SettledAt.Equal(c.now()) || rr.NextLook != nil {
				t.Errorf("the replay %+v", rr)
			}
			if e := d.Events[0]; e.Kind != dlq.EventDiedAgain || e.ReplayID != r.ID || e.Detail["deaths"] != "2" || e.Actor != dlq.ActorIntake {
				t.Errorf("the event %+v", e)
			}
			if e := events[len(events)-1]; e.Kind != dlq.EventDiedAgain || e.From != tt.from || e.State != dlq.StateScheduled || e.ConsumerGroup != "pay" || e.ID != d.Events[0].ID {
				t.Errorf("the published event %+v", e)
			}
			if m, err := s.Message(t.Context(), 1); err != nil || string(m.Body) != "the second body" || m.Offset != 2 {
				t.Errorf("the message %+v, %v", m, err)
			}
			if p := list(t, s, dlq.Filter{}); p.Items[0].ID != 1 || p.Total.Count != 2 {
				t.Errorf("the reopened letter is not on top: %+v", p.Items)
			}
			if p := list(t, s, dlq.Filter{Outcomes: []dlq.Outcome{dlq.OutcomeFailedAgain}}); p.Total.Count != 1 {
				t.Errorf("by outcome: %+v", p.Total)
			}
			// Who still believes that it was confirmed is told otherwise.
			r.Outcome = dlq.OutcomeConfirmed
			wantCode(t, look(t, s, r), dlq.CodeConflict)
			_, err = s.Apply(t.Context(), dlq.Change{LetterID: 1, Trigger: dlq.TriggerEdit, To: dlq.StateScheduled, Replay: &r})
			wantCode(t, err, dlq.CodeConflict)
			s.recount(t)
		})
	}
}

// A letter that retention has deleted cannot be joined: the message becomes a new letter.
func TestJoinOfADeletedLetter(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now, Retention: time.Hour})
	admit(t, s, batchOf("pay", 0, 1))
	apply(t, s, dlq.Change{LetterID: 1, Trigger: dlq.TriggerDiscard, To: dlq.StateDiscarded})
	c.add(time.Hour)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := batchOf("pay", 1, 2)
	b.Arrivals[0].Join = &dlq.Join{LetterID: 1, ReplayID: "11111111111111111111111111111111"}
	admit(t, s, b)
	p := list(t, s, dlq.Filter{})
	if len(p.Items) != 1 || p.Items[0].ID != 2 || p.Items[0].Deaths != 1 || len(p.Items[0].Flags) != 0 {
		t.Errorf("%+v", p.Items)
	}
	s.recount(t)
}

// What was planned for a letter before it died again is called off.
func TestDyingAgainCancelsCalls(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 1)
	b.Arrivals[0].Plan = dlq.Plan{State: dlq.StateCompensating, Call: &dlq.Call{ID: "call-1", Name: "settle", State: dlq.CallPending}}
	admit(t, s, b)
	due, err := s.DueCalls(t.Context(), time.Now(), 10)
	if err != nil || len(due) != 1 || due[0].LetterID != 1 || due[0].CreatedAt.IsZero() {
		t.Fatalf("%+v, %v", due, err)
	}
	b = batchOf("pay", 1, 2)
	b.Arrivals[0].Join = &dlq.Join{LetterID: 1}
	b.Arrivals[0].Plan.Call = &dlq.Call{ID: "call-2", Name: "settle", State: dlq.CallPending}
	b.Arrivals[0].Plan.State = dlq.StateCompensating
	admit(t, s, b)
	due, err = s.DueCalls(t.Context(), time.Now(), 10)
	if err != nil || len(due) != 1 || due[0].ID != "call-2" {
		t.Fatalf("%+v, %v", due, err)
	}
}

func TestReports(t *testing.T) {
	c := newClock()
	s := open(t, Options{Now: c.now})
	early := dlq.Report{ConsumerGroup: "pay", UniqueKey: "UK-pay-2", Reason: "early"}
	if ids, err := s.AddReports(t.Context(), []dlq.Report{early}); err != nil || len(ids) != 1 || len(ids[0]) != 0 {
		t.Fatal(ids, err)
	}
	known, err := s.Known(t.Context(), []dlq.DeadMessage{dead("pay", 2), dead("stock", 2), dead("pay", 3)})
	if err != nil || known[0].Report == nil || known[0].Report.Reason != "early" || known[1].Report != nil || known[2].Report != nil {
		t.Fatalf("%+v, %v", known, err)
	}
	admit(t, s, batchOf("pay", 0, 20), batchOf("stock", 0, 20))
	for name, tt := range map[string]struct {
		r    dlq.Report
		want []int64
	}{
		"id of the dead copy":    {dlq.Report{ConsumerGroup: "pay", MessageID: "ID-pay-4"}, []int64{5}},
		"id of the original":     {dlq.Report{ConsumerGroup: "pay", MessageID: "ORIGIN-pay-4"}, []int64{5}},
		"UNIQ_KEY as message id": {dlq.Report{ConsumerGroup: "pay", MessageID: "UK-pay-4"}, []int64{5}},
		"UNIQ_KEY":               {dlq.Report{ConsumerGroup: "pay", UniqueKey: "UK-pay-4"}, []int64{5}},
		"one of the keys":        {dlq.Report{ConsumerGroup: "pay", Key: "3"}, []int64{18, 11, 4}},
		"key as UNIQ_KEY":        {dlq.Report{ConsumerGroup: "pay", UniqueKey: "3"}, []int64{}},
		"another consumer group": {dlq.Report{ConsumerGroup: "stock", UniqueKey: "UK-pay-4"}, []int64{}},
		"unknown consumer group": {dlq.Report{ConsumerGroup: "nobody", UniqueKey: "UK-pay-4"}, []int64{}},
	} {
		tt.r.Reason = name
		ids, err := s.AddReports(t.Context(), []dlq.Report{tt.r})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]int64{tt.want}, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := s.AddReports(t.Context(), []dlq.Report{{ConsumerGroup: "pay", UniqueKey: "UK-pay-4", Reason: "newest"}}); err != nil {
		t.Fatal(err)
	}
	r, err := s.ReportFor(t.Context(), 5)
	if err != nil || r == nil || r.Reason != "newest" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := s.ReportFor(t.Context(), 1); err != nil || r != nil {
		t.Errorf("letter 1 has the report %+v, %v", r, err)
	}
	_, err = s.ReportFor(t.Context(), 999)
	wantCode(t, err, dlq.CodeNotFound)
	// They are not kept for ever.
	c.add(40 * 24 * time.Hour)
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.number(t, "SELECT (SELECT count(*) FROM report) + (SELECT count(*) FROM report_key)"); n != 0 {
		t.Errorf("%d rows of reports are left", n)
	}
}

// A report that comes between looking up a message and storing it would find no letter, and its letter no report.
func TestReportInBetween(t *testing.T) {
	s := open(t, Options{})
	b := batchOf("pay", 0, 2)
	lookUp := func() {
		known, err := s.Known(t.Context(), []dlq.DeadMessage{b.Arrivals[0].Message, b.Arrivals[1].Message})
		if err != nil {
			t.Fatal(err)
		}
		for i := range known {
			b.Arrivals[i].ReportsSeen = known[i].ReportsSeen
		}
	}
	lookUp()
	if _, err := s.AddReports(t.Context(), []dlq.Report{{ConsumerGroup: "pay", Key: "PAY-pay-1", Reason: "x"}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-s.Admit(t.Context(), []dlq.AdmitBatch{b}), dlq.CodeConflict)
	lookUp()
	if _, err := s.AddReports(t.Context(), []dlq.Report{{ConsumerGroup: "pay", Key: "of another message", Reason: "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := <-s.Admit(t.Context(), []dlq.AdmitBatch{b}); err != nil {
		t.Fatal(err)
	}
}

func TestAdmitOfAnEndedContext(t *testing.T) {
	s := open(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := <-s.Admit(ctx, []dlq.AdmitBatch{batchOf("pay", 0, 1)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
