package replay

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

const (
	maxBatch    = 100              // intents and settles of one transaction
	maxSends    = 16               // sends to one broker that are under way at once
	sendLimit   = 20 * time.Second // longest wait for a broker's answer
	safetyLook  = time.Minute      // after the intent: when the tracker asks for a send whose settling was lost
	settleGrace = 20 * time.Millisecond
)

// job is one replay on its way: intent, send, settle.
type job struct {
	letter    dlq.Letter // as it is after the last step that was written
	replay    dlq.Replay
	request   dlq.SendRequest
	addFlags  []dlq.Flag
	dropFlags []dlq.Flag
	recount   int // added to the letter's count of replays beside the one of this claim

	claimed bool
	result  dlq.SendResult
	err     error // of the claim, or why the message is not sent
}

// replacesUnsent says that an earlier replay, which counted because it might have been sent, surely was not.
func (j *job) replacesUnsent(h history) {
	j.recount = -1
	if !h.probed {
		j.dropFlags = []dlq.Flag{dlq.FlagPossibleDuplicate}
	}
}

// send takes jobs through intent, send and settle, at most maxBatch of them at once. Everything after the intents goes on
// when ctx ends, save sends that have not begun: those are settled as not sent. Each job has its own outcome and error.
func (s *Service) send(ctx context.Context, jobs []*job) {
	stop := ctx
	ctx = context.WithoutCancel(ctx)
	live := s.claim(ctx, jobs)
	done := make(chan *job, len(live))
	for _, j := range live {
		go func() {
			s.post(ctx, stop, j)
			done <- j
		}()
	}
	for left := len(live); left > 0; {
		batch := []*job{<-done}
		timer := time.NewTimer(settleGrace)
	gather:
		for len(batch) < left {
			select {
			case j := <-done:
				batch = append(batch, j)
			case <-timer.C:
				break gather
			}
		}
		timer.Stop()
		s.settle(ctx, batch)
		left -= len(batch)
	}
}

// errProbed is why a letter cannot be sent while its listener is being run.
var errProbed = &dlq.Error{Code: dlq.CodeConflict, Message: "the letter is being probed now", Hint: "wait for the verdict"}

// claim writes the intents in one transaction and returns the jobs that got their letter.
func (s *Service) claim(ctx context.Context, wanted []*job) (live []*job) {
	var jobs []*job
	s.mu.Lock()
	for _, j := range wanted {
		if s.probing[j.letter.ID] {
			j.err = errProbed
			continue
		}
		s.inFlight[j.replay.ID] = j.letter.ID
		jobs = append(jobs, j)
	}
	s.mu.Unlock()
	if len(jobs) == 0 {
		return nil
	}
	changes := make([]dlq.Change, len(jobs))
	for i, j := range jobs {
		look := j.replay.IntendedAt.Add(safetyLook)
		j.replay.NextLook = &look
		changes[i] = claiming(j)
	}
	letters, errs := s.Store.ApplyEach(ctx, changes)
	for i, j := range jobs {
		if errs[i] != nil {
			j.err = errs[i]
			s.landed(j)
			continue
		}
		j.claimed, j.letter = true, letters[i]
		live = append(live, j)
	}
	return live
}

// claiming is the step before a send. In bulk it leaves no event: the replay says when, and the operation who and why.
func claiming(j *job) dlq.Change {
	r := j.replay
	c := dlq.Change{
		LetterID: j.letter.ID, Version: j.letter.Version, Trigger: dlq.TriggerClaim, To: dlq.StateSending,
		Replay: &r, CountReplay: 1 + j.recount, AddFlags: j.addFlags, DropFlags: append([]dlq.Flag{dlq.FlagSendFailed}, j.dropFlags...),
	}
	if r.Operation != 0 {
		return c
	}
	detail := map[string]string{"door": string(r.Door), "why": r.Why, "target": r.Target}
	if r.TargetKind != dlq.TargetGroup {
		detail["target_kind"] = string(r.TargetKind)
	}
	if r.Topic != j.letter.Topic {
		detail["topic"] = r.Topic
	}
	if r.Delay > 0 {
		detail["delay"] = r.Delay.String()
	}
	if r.AsNew {
		detail["as_new"] = "true"
	}
	if r.Edit > 0 {
		detail["edit"] = strconv.Itoa(r.Edit)
	}
	c.Event = dlq.Event{Kind: dlq.EventIntended, Actor: r.Actor, ReplayID: r.ID, Rule: ruleOf(j), Note: r.Note, Detail: detail}
	return c
}

func ruleOf(j *job) string {
	if j.replay.Automatic {
		return j.letter.Rule
	}
	return ""
}

// landed ends a job: from now on the tracker follows its replay.
func (s *Service) landed(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inFlight, j.replay.ID)
	if j.claimed && !j.replay.Outcome.Final() && j.replay.NextLook != nil {
		s.remember(j.replay.ID, watchState{next: *j.replay.NextLook})
		s.stir(*j.replay.NextLook)
	}
}

// errStopped is why nothing was sent while the global stop is on.
var errStopped = &dlq.Error{Code: dlq.CodeUnavailable, Message: "the global stop is on, so nothing was sent", Hint: "lift the stop first"}

// line is where sends to one broker wait for each other.
func (s *Service) line(broker string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.sends[broker]
	if !ok {
		l = make(chan struct{}, maxSends)
		s.sends[broker] = l
	}
	return l
}

// post asks the broker once, when its turn has come.
func (s *Service) post(ctx, stop context.Context, j *job) {
	line := s.line(j.request.Broker)
	line <- struct{}{}
	defer func() { <-line }()
	if (j.replay.Automatic || j.replay.Operation != 0) && s.Automation().Stopped {
		j.result, j.err = dlq.NotSent, errStopped
		return
	}
	if stop.Err() != nil {
		j.result = dlq.NotSent
		j.err = dlq.Errorf(dlq.CodeUnavailable, "the console was stopping, so nothing was sent: %w", stop.Err())
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	var receipt dlq.Receipt
	receipt, j.result, j.err = s.Broker.Send(ctx, j.request)
	if receipt.Broker == "" {
		receipt.Broker = j.replay.Receipt.Broker
	}
	j.replay.Receipt = receipt
	switch j.result {
	case dlq.Sent, dlq.NotSent, dlq.Diverted:
	default:
		j.result = dlq.SentUnknown
	}
}

// settle writes what became of sends, in one transaction.
func (s *Service) settle(ctx context.Context, jobs []*job) {
	now := s.now()
	changes := make([]dlq.Change, len(jobs))
	for i, j := range jobs {
		changes[i] = s.settling(j, now)
	}
	letters, errs := s.Store.ApplyEach(ctx, changes)
	for i, j := range jobs {
		if errs[i] == nil {
			j.letter = letters[i]
		} else {
			s.settleLate(ctx, j, changes[i], errs[i])
		}
		switch j.result {
		case dlq.Sent:
			s.backOff.forget(j.letter.ID)
			s.metrics.count(j.replay, string(dlq.Sent))
		case dlq.NotSent:
			s.metrics.count(j.replay, string(dlq.OutcomeSendFailed))
		}
		s.landed(j)
	}
}

// settling is the step after a send.
func (s *Service) settling(j *job, now time.Time) dlq.Change {
	r := &j.replay
	c := dlq.Change{LetterID: j.letter.ID, Version: j.letter.Version}
	ev := dlq.Event{Actor: r.Actor, ReplayID: r.ID, Rule: ruleOf(j), Detail: map[string]string{"door": string(r.Door), "target": r.Target}}
	if r.Operation != 0 {
		ev.Detail["operation"] = strconv.FormatInt(r.Operation, 10)
	}
	look := now.Add(firstLook(*r))
	r.NextLook = &look
	switch j.result {
	case dlq.Sent:
		r.Outcome, r.Detail, r.SentAt = dlq.OutcomeWaiting, DetailSent, &now
		if r.DeliverAt != nil {
			r.Detail, look = DetailParked, r.DeliverAt.Add(firstLook(*r))
			ev.Detail["deliver_at"] = r.DeliverAt.Format(time.RFC3339)
		}
		if r.Receipt.Weak {
			ev.Detail["weak"] = "true"
		}
		c.Trigger, c.To, ev.Kind = dlq.TriggerSent, dlq.StateAwaiting, dlq.EventSent
		if r.TargetKind == dlq.TargetOtherTopic {
			c = nobodyFollowed(c, r, now)
		}
	case dlq.Diverted:
		// The broker has it, and it is dead already: the copy carries the replay's id, so the intake will join it to this
		// letter as one more death. Until then nobody may send it again.
		r.Outcome, r.Detail, r.SentAt, r.Error = dlq.OutcomeWaiting, DetailDiverted, &now, dlq.SentenceOf(j.err, "the broker put it straight into the dead-letter queue")
		ev.Detail["detail"] = DetailDiverted
		c.Trigger, c.To, ev.Kind = dlq.TriggerSent, dlq.StateAwaiting, dlq.EventSendFailed
		c.AddFlags = []dlq.Flag{dlq.FlagSendFailed}
	case dlq.NotSent:
		r.Outcome, r.Detail, r.SettledAt, r.NextLook, r.Error = dlq.OutcomeSendFailed, unsentFor(j.err), &now, nil, dlq.SentenceOf(j.err, "it was not sent")
		c = notSent(c, r, s.again(*r, j.err, now))
		ev.Kind = dlq.EventSendFailed
		ev.Detail["error"] = r.Error
	default:
		r.Detail, r.Error = DetailSendUnknown, dlq.SentenceOf(j.err, "the broker did not answer")
		c.Trigger, c.To, ev.Kind = dlq.TriggerEdit, dlq.StateSending, dlq.EventSendUnknown
		ev.Detail["error"] = r.Error
	}
	copied := *r
	c.Replay, c.Event = &copied, ev
	if j.result == dlq.SentUnknown || j.result == dlq.Diverted {
		j.err = nil // the replay says it
	}
	return c
}

// firstLook is how long after a send its outcome is asked for. Consumers commit their offsets every 5 s, so that most of
// an operation's would be asked for in vain before; one that fails is back through the intake whenever that is.
func firstLook(r dlq.Replay) time.Duration {
	if r.Operation != 0 {
		return 6 * time.Second
	}
	return time.Second
}

// unsentFor is the detail of a replay that surely was not sent.
func unsentFor(cause error) string {
	switch {
	case errors.Is(cause, errStopped):
		return DetailStopped
	case dlq.CodeOf(cause) == dlq.CodeUnavailable:
		return DetailUnreached
	}
	return DetailRefused
}

// nobodyFollowed ends a replay that went to another topic: whoever reads there did not fail, so nobody is followed.
func nobodyFollowed(c dlq.Change, r *dlq.Replay, now time.Time) dlq.Change {
	r.Outcome, r.Detail, r.SettledAt, r.NextLook = dlq.OutcomeUnknown, DetailOtherTopic, &now, nil
	c.Trigger, c.To, c.AddFlags = dlq.TriggerUndecided, dlq.StateOpen, []dlq.Flag{dlq.FlagOutcomeUnknown}
	return c
}

// notSent takes a letter back whose replay surely did not reach the broker; again is when it is tried by itself, nil never:
// then no report and no later verdict for the same route starts it anew.
func notSent(c dlq.Change, r *dlq.Replay, again *time.Time) dlq.Change {
	c.Trigger, c.To, c.CountReplay = dlq.TriggerNotSent, dlq.StateOpen, -1
	c.AddFlags = []dlq.Flag{dlq.FlagSendFailed}
	switch {
	case again != nil:
		c.To, c.DueAt = dlq.StateScheduled, again
	case r.Automatic:
		hold := dlq.HoldSendFailed
		c.Hold = &hold
	}
	return c
}

// again tells when an automatic replay that was not sent is tried once more: only when trying later may help. A broker
// that was reached and kept nothing may have choked on this very message, so that has an end.
func (s *Service) again(r dlq.Replay, cause error, now time.Time) *time.Time {
	if !r.Automatic || dlq.CodeOf(cause) != dlq.CodeUnavailable {
		return nil
	}
	wait, tries := s.backOff.next(r.LetterID)
	if errors.Is(cause, errAbsent) && tries >= maxAbsent {
		return nil
	}
	at := now.Add(wait)
	return &at
}

// maxAbsent is how many automatic sends of one letter may get lost on their way before a person must look.
const maxAbsent = 3

// final reports whether an error belongs to the letter, so that trying again is in vain whatever becomes of brokers.
func final(err error) bool {
	switch dlq.CodeOf(err) {
	case dlq.CodeRefused, dlq.CodeInvalid, dlq.CodeNotSupported, dlq.CodeTooLarge:
		return true
	}
	return false
}

// settleLate writes a settle whose letter moved while the message was on its way: somebody wrote a note, or the replay is
// back in the DLQ already and the intake was faster. A settle that cannot be written at all is left to the tracker, which
// asks the broker.
func (s *Service) settleLate(ctx context.Context, j *job, c dlq.Change, err error) {
	for range 3 {
		if code := dlq.CodeOf(err); code != dlq.CodeConflict && code != dlq.CodeRefused {
			break
		}
		stored, e := s.Store.Replay(ctx, j.replay.ID)
		if e != nil {
			err = errors.Join(err, e)
			break
		}
		if stored.Outcome != dlq.OutcomeSending {
			j.replay = stored
			if l, e := s.Store.Letter(ctx, j.letter.ID); e == nil {
				j.letter = l
			}
			return
		}
		l, e := s.Store.Letter(ctx, j.letter.ID)
		if e != nil {
			err = errors.Join(err, e)
			break
		}
		c.Version = l.Version
		if j.letter, err = s.apply(ctx, c); err == nil {
			return
		}
		j.letter = l
	}
	j.replay.Outcome, j.replay.Detail, j.replay.SettledAt = dlq.OutcomeSending, DetailSendUnknown, nil
	s.Logger.Error("settle a replay; the broker will be asked for it", "replay", j.replay.ID, "letter", strconv.FormatInt(j.letter.ID, 10), "result", j.result, "error", err)
}

// backOff remembers how often automatic sends of a letter did not get through, and spaces the next. It forgets when the
// process ends, which only makes the next try come sooner.
type backOff struct {
	mu    sync.Mutex
	tries map[int64]int
}

// next returns how long to wait, and how many tries there were with this one.
func (b *backOff) next(id int64) (wait time.Duration, tries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.tries[id]
	b.tries[id] = n + 1
	return min(30*time.Second<<min(n, 5), 10*time.Minute), n + 1
}

func (b *backOff) forget(id int64) {
	b.mu.Lock()
	delete(b.tries, id)
	b.mu.Unlock()
}
