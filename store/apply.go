package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"deadletteroffice/dlq"
)

// Apply makes steps of letters in one transaction: all of them or, with an error, none. It returns the letters as they
// are afterwards, in the order of the changes.
//
// The error is CodeNotFound for a letter or replay that does not exist, CodeConflict when a letter's version is not the
// one that was seen or a replay was settled in between, CodeRefused when the transition table forbids the step, and
// CodeUnavailable while the disk is full.
func (s *Store) Apply(ctx context.Context, changes ...dlq.Change) ([]dlq.Letter, error) {
	rows := make([]*row, len(changes))
	err := s.do(ctx, lanePeople, func(t *tx) error {
		for i := range changes {
			p, err := t.check(&changes[i])
			if err != nil {
				return err
			}
			if err := t.apply(p); err != nil {
				return err
			}
			rows[i] = p.after
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.mem.nouns(rows), nil
}

// ApplyEach makes steps of letters in one transaction, each on its own: a step that is refused gives its error and does
// not hinder the others. Both results have the length of the changes. Errors are those of Apply; when the transaction
// itself fails every change gets that error.
func (s *Store) ApplyEach(ctx context.Context, changes []dlq.Change) ([]dlq.Letter, []error) {
	rows := make([]*row, len(changes))
	errs := make([]error, len(changes))
	err := s.do(ctx, lanePeople, func(t *tx) error {
		clear(errs) // it may be the second try
		if err := t.ahead(changes); err != nil {
			return err
		}
		for i := range changes {
			p, err := t.check(&changes[i])
			var refused *dlq.Error
			if errors.As(err, &refused) {
				errs[i] = err // check has written nothing
				continue
			}
			if err != nil {
				return err
			}
			if err := t.apply(p); err != nil {
				return err
			}
			rows[i] = p.after
		}
		return nil
	})
	letters := make([]dlq.Letter, len(changes))
	s.mem.mu.RLock()
	defer s.mem.mu.RUnlock()
	for i, r := range rows {
		switch {
		case err != nil:
			errs[i] = err
		case r != nil:
			letters[i] = s.mem.noun(r)
		}
	}
	return letters, errs
}

// pending is a change that may be made.
type pending struct {
	change        *dlq.Change
	before, after *row
	to            dlq.State
	judged        *judged
	replay        *dlq.Replay
	standing      replayStanding // of the replay before
	call          *dlq.Call
}

// check finds out whether a change may be made. A refusal has written nothing; else the letter's turn in its operation is
// taken, and the change must be applied.
func (t *tx) check(c *dlq.Change) (*pending, error) {
	before, err := t.row(c.LetterID)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return nil, notFound(c.LetterID)
	}
	from := dlq.States[before.state]
	p := &pending{change: c, before: before, to: c.To}
	if c.To == "" && c.Trigger == dlq.TriggerEdit {
		p.to = from
	}
	id := strconv.FormatInt(c.LetterID, 10)
	if c.Version != 0 && c.Version != before.version {
		e := dlq.Errorf(dlq.CodeConflict, "letter %s was changed by somebody else in the meantime; it is %s now", id, from).
			WithHint("look at the letter as it is now, then decide again")
		e.Params = map[string]string{"id": id, "state": string(from)}
		return nil, e
	}
	if !dlq.Can(c.Trigger, from, p.to) {
		e := dlq.Errorf(dlq.CodeRefused, "letter %s is %s: %s is not possible", id, from, c.Trigger)
		e.Params = map[string]string{"id": id, "state": string(from), "trigger": string(c.Trigger)}
		return nil, e
	}
	if c.Trigger == dlq.TriggerClaim {
		if err := t.s.refuseCopy(); err != nil {
			return nil, err
		}
	}
	if (c.Verdict == nil) != (c.Facts == nil) {
		return nil, dlq.Errorf(dlq.CodeInvalid, "a verdict comes with the facts that it was made from")
	}
	if c.Verdict != nil {
		if p.judged, err = newJudged(c.Facts, c.Verdict); err != nil {
			return nil, err
		}
	}
	if c.Replay != nil {
		if err := t.checkReplay(p); err != nil {
			return nil, err
		}
	}
	if c.Call != nil {
		call := *c.Call
		call.LetterID = c.LetterID
		p.call = &call
	}
	if err := t.takeItem(c); err != nil {
		return nil, err
	}
	return p, nil
}

// checkReplay looks at the replay of a change: a claim brings a new one, which gets the letter's next number; any other
// change brings one that exists.
func (t *tx) checkReplay(p *pending) error {
	r := *p.change.Replay
	r.LetterID = p.change.LetterID
	p.replay = &r
	have, err := t.replayStanding(r.LetterID, r.ID)
	p.standing = have
	claim := p.change.Trigger == dlq.TriggerClaim
	switch {
	case err != nil:
		return err
	case claim && have.letter != 0:
		return dlq.Errorf(dlq.CodeConflict, "the replay %s was written before", r.ID)
	case !claim && have.letter != r.LetterID:
		return dlq.Errorf(dlq.CodeNotFound, "letter %d has no replay %s", r.LetterID, r.ID)
	case !claim && have.outcome == dlq.OutcomeFailedAgain && r.Outcome != have.outcome:
		return dlq.Errorf(dlq.CodeConflict, "the replay %s has failed again in the meantime", r.ID)
	case claim:
		r.Number = 1
		if p.before.outcome != 0 { // it has replays
			return each(context.Background(), t, "SELECT max(number) + 1 FROM replay WHERE letter=?", []any{r.LetterID}, func(rows *sql.Rows) error {
				return rows.Scan(&r.Number)
			})
		}
	}
	return nil
}

// apply makes a checked change.
func (t *tx) apply(p *pending) error {
	c, before := p.change, p.before
	copied := *before
	r := &copied
	p.after = r
	r.state, r.version, r.changed = stateCode(p.to), before.version+1, t.now
	r.replays = max(0, r.replays+int64(c.CountReplay))
	r.flags = (r.flags | flagBits(c.AddFlags)) &^ flagBits(c.DropFlags)
	if c.Trigger == dlq.TriggerEdit {
		if c.DueAt != nil && before.due.Valid {
			r.due = optMillis(c.DueAt)
		}
	} else {
		t.setTimes(r, c.DueAt)
		resolution := dlq.Resolution("")
		if p.to == dlq.StateResolved {
			resolution = c.Resolution
		}
		if err := t.words(wordInto{&r.resolution, wordResolution, string(resolution)}); err != nil {
			return err
		}
	}
	if p.judged != nil {
		if err := t.setVerdict(r, before, p.judged); err != nil {
			return err
		}
	}
	if c.Earlier != nil {
		if err := t.learnEarlier(r, c.Earlier); err != nil {
			return err
		}
	}
	if err := t.setAttributes(r, c); err != nil {
		return err
	}
	if p.replay != nil {
		if err := t.putReplay(p.replay, c.Trigger == dlq.TriggerClaim); err != nil {
			return err
		}
		if err := t.stand(r, p); err != nil {
			return err
		}
	}
	write := func() error { return t.step(r, r.tab() != before.tab()) }
	if p.judged != nil {
		write = func() error { return t.update(r) }
	}
	if err := write(); err != nil {
		return err
	}
	if p.call != nil {
		if err := t.saveCall(p.call); err != nil {
			return err
		}
	}
	t.count(before, r)
	return t.logChange(p)
}

// stand takes over what a change says of its replay.
func (t *tx) stand(r *row, p *pending) (err error) {
	to := p.replay.Outcome
	t.countSettled(r, p.standing.settled, to)
	if p.standing.number == p.standing.newest { // also of a new one
		r.outcome, err = t.word(wordOutcome, string(to))
	}
	if err != nil {
		return err
	}
	return t.follow(p.standing, to, p.replay.Detail)
}

// setAttributes takes over what the change says beside its state.
func (t *tx) setAttributes(r *row, c *dlq.Change) error {
	var list []wordInto
	if c.Hold != nil {
		list = append(list, wordInto{&r.hold, wordHold, string(*c.Hold)})
	}
	if c.Route != "" {
		list = append(list, wordInto{&r.route, wordRoute, string(c.Route)})
	}
	if c.Severity != "" {
		list = append(list, wordInto{&r.severity, wordSeverity, string(c.Severity)})
	}
	if c.Owner != nil {
		list = append(list, wordInto{&r.owner, wordOwner, *c.Owner})
	}
	return t.words(list...)
}

func (t *tx) logChange(p *pending) error {
	e := p.change.Event
	if e.Kind == "" {
		return nil
	}
	e.LetterID, e.State, e.From = p.after.id, p.to, dlq.States[p.before.state]
	e.ConsumerGroup = t.text(p.after.group)
	if e.ReplayID == "" && p.replay != nil {
		e.ReplayID = p.replay.ID
	}
	return t.log(e)
}

func notFound(id int64) *dlq.Error {
	e := dlq.Errorf(dlq.CodeNotFound, "there is no letter %d", id).
		WithHint("resolved and discarded letters are deleted after a while")
	e.Params = map[string]string{"id": strconv.FormatInt(id, 10)}
	return e
}
