package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// Replay gives one letter back. It returns when the broker has answered, or has not: the replay's Outcome is waiting
// when the broker took it, sending when nobody knows yet, send_failed when it surely did not get there, and the
// returned error then says why.
//
// Errors before anything was sent: dlq.CodeConflict when somebody else changed the letter in between (the message says
// who and what), dlq.CodeRefused when its state or every door forbids it, dlq.CodeInvalid and dlq.CodeNotSupported for a
// wish that cannot be met, dlq.CodeUnavailable when the broker cannot be asked, and those of the store.
func (s *Service) Replay(ctx context.Context, req dlq.ReplayRequest) (dlq.Replay, dlq.Letter, error) {
	none := func(err error) (dlq.Replay, dlq.Letter, error) { return dlq.Replay{}, dlq.Letter{}, err }
	if req.Version == 0 && !req.Automatic {
		return none(dlq.Errorf(dlq.CodeInvalid, "a replay must name the version of the letter that was seen"))
	}
	if err := checkTarget(req.Target); err != nil {
		return none(err)
	}
	detail, err := s.Store.Detail(ctx, req.LetterID)
	if err != nil {
		return none(err)
	}
	if req.Version != 0 && req.Version != detail.Version {
		return none(conflict(detail))
	}
	if err := mayStart(detail.Letter, "replayed"); err != nil {
		return none(err)
	}
	m, err := s.Store.Message(ctx, req.LetterID)
	if err != nil {
		return none(err)
	}
	head := s.unwrap(&m)
	if req.Edit != 0 {
		if head, err = s.edited(ctx, detail.Letter, head, req.Edit); err != nil {
			return none(err)
		}
	}
	h := historyOf(detail)
	sv := s.survey(ctx, detail.Letter, &m, head, req.Target, h, req.Anywhere)
	if sv.err != nil {
		return none(sv.err)
	}
	door, err := sv.choose(req.Door)
	if err != nil {
		return none(err)
	}
	if h.maybeSent != nil {
		r, l, found, err := s.askFirst(ctx, detail.Letter, *h.maybeSent, req.Actor)
		if err != nil || found {
			return r, l, err
		}
	}
	j, err := s.job(sv, door, req)
	if err != nil {
		return none(err)
	}
	if h.maybeSent != nil {
		j.replacesUnsent(h)
	}
	s.send(ctx, []*job{j})
	if j.claimed {
		// The store has numbered it, and keeps times by the millisecond.
		if stored, err := s.Store.Replay(context.WithoutCancel(ctx), j.replay.ID); err == nil {
			j.replay = stored
		}
	}
	if dlq.CodeOf(j.err) == dlq.CodeConflict && !j.claimed && !errors.Is(j.err, errProbed) {
		if now, err := s.Store.Detail(ctx, req.LetterID); err == nil {
			j.err = conflict(now)
		}
	}
	return j.replay, j.letter, j.err
}

// mayStart refuses what is begun like a replay and does not fit the letter's state.
func mayStart(l dlq.Letter, done string) error {
	if dlq.MayStart(dlq.TriggerClaim, l.State) {
		return nil
	}
	why := dlq.SkipState(l.State)
	return refused(why, "letter %d cannot be %s: %s", l.ID, done, sentences[why])
}

// choose returns the door that was asked for, or the console's own choice.
func (sv survey) choose(asked dlq.Door) (dlq.DoorOption, error) {
	want := asked
	if want == "" {
		want = sv.def
	}
	for _, d := range sv.doors {
		switch {
		case d.Door != want:
		case d.Door == dlq.DoorProbe:
			return d, refused(WhyProbe, "door D gives nothing back: it has one client run its listener").WithHint("probe the letter instead")
		case waits(d):
			return d, sv.unavailable()
		case !d.Allowed:
			return d, refused(d.Why, "door %s is shut for this letter: %s", d.Door, sentences[d.Why])
		case asked == "" && sv.target.Kind == dlq.TargetGroup && d.Door == dlq.DoorTopic && !only(d, sv.letter.ConsumerGroup):
			return d, refused(WarnOtherGroups, "only the original topic leads back, and other consumer groups get it there too").
				WithHint("choose door A to say that they may")
		default:
			if asked != "" && asked != sv.def {
				d.Why = WhyChosen
			}
			return d, nil
		}
	}
	if asked != "" {
		return dlq.DoorOption{}, dlq.Errorf(dlq.CodeInvalid, "there is no door %q to where this replay shall go", asked)
	}
	if slices.ContainsFunc(sv.doors, waits) {
		return dlq.DoorOption{}, sv.unavailable()
	}
	why := sv.doors[0].Why
	return dlq.DoorOption{}, refused(why, "no door leads to where this replay shall go: %s", sentences[why])
}

// job makes the intent and the request of a replay through a door.
func (s *Service) job(sv survey, door dlq.DoorOption, req dlq.ReplayRequest) (*job, error) {
	now := s.now()
	if req.AsNew && !door.NewKey {
		return nil, dlq.Errorf(dlq.CodeInvalid, "door %s gives the dead copy back as it is: it cannot be sent as a new message", door.Door)
	}
	w, err := planWait(req, door.Door, sv.at.broker, now)
	if err != nil {
		return nil, err
	}
	l, m := sv.letter, sv.message
	r := dlq.Replay{
		ID: newReplayID(), LetterID: l.ID, Number: l.Replays + 1, // the store gives the next free one
		Door: door.Door, Why: door.Why,
		Cluster: m.Cluster, ConsumerGroup: m.ConsumerGroup, Target: door.Target, TargetKind: sv.target.Kind, Topic: sv.at.topic,
		UniqueKey: m.UniqueKey(), AsNew: req.AsNew, Delay: dlq.Duration(w.actual), DelayLevel: w.level,
		Edit: sv.head.edit, Transformed: sv.head.transformed, Automatic: req.Automatic, Actor: req.Actor, Note: req.Note, IntendedAt: now,
		Outcome: dlq.OutcomeSending, Detail: DetailIntended,
		DeadPhysOffset: m.PhysOffset, DeadAttempts: m.ReconsumeTimes,
	}
	if sv.target.Kind == dlq.TargetOtherGroup {
		r.ConsumerGroup = sv.target.Name // it is judged by what becomes of it there
	}
	if r.UniqueKey == "" && door.Door != dlq.DoorBack || req.AsNew {
		r.UniqueKey = newUniqueKey() // without one the broker could never be asked for it
	}
	if w.actual > 0 {
		at := now.Add(w.actual)
		r.DeliverAt = &at
	}
	j := &job{letter: l, replay: r}
	if sv.head.changed {
		j.addFlags = []dlq.Flag{dlq.FlagEdited}
	}
	// The message's own count is from before this store knew it, or from another console.
	j.request = request(r, m, sv.head, w, max(l.Replays, m.ReplayCount())+1)
	if door.Broker != "" {
		j.request.Broker = door.Broker
	}
	if door.Door != dlq.DoorTopic {
		j.replay.Receipt.Broker = j.request.Broker // the only one that can have it, whatever becomes of the send
	}
	return j, nil
}

// askFirst asks the broker for an earlier replay that may have arrived, before anything is sent again. When it is found,
// the letter goes on waiting for its outcome.
func (s *Service) askFirst(ctx context.Context, l dlq.Letter, r dlq.Replay, actor string) (dlq.Replay, dlq.Letter, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	ev, err := s.Broker.Look(ctx, r)
	if final(err) {
		return dlq.Replay{}, dlq.Letter{}, false, err
	}
	if err != nil {
		return dlq.Replay{}, dlq.Letter{}, false, dlq.Errorf(dlq.CodeUnavailable, "whether the earlier replay arrived cannot be found out now, so nothing was sent: %w", err).
			WithHint("try again when the broker answers")
	}
	if len(ev.Copies) == 0 && len(ev.Away) > 0 {
		return dlq.Replay{}, dlq.Letter{}, false, dlq.Errorf(dlq.CodeUnavailable, "the broker %s may have the earlier replay and does not answer, so nothing was sent", strings.Join(ev.Away, ", ")).
			WithHint("try again when it answers")
	}
	if len(ev.Copies) == 0 {
		return dlq.Replay{}, dlq.Letter{}, false, nil
	}
	r = arrived(r, ev, s.now())
	l, err = s.apply(ctx, dlq.Change{
		LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerFound, To: dlq.StateAwaiting, Replay: &r,
		DropFlags: []dlq.Flag{dlq.FlagPossibleDuplicate},
		Event:     dlq.Event{Kind: dlq.EventSent, Actor: actor, ReplayID: r.ID, Detail: map[string]string{"detail": DetailFound}},
	})
	if err != nil {
		return dlq.Replay{}, dlq.Letter{}, false, err
	}
	s.mu.Lock()
	s.stir(s.now())
	s.mu.Unlock()
	return r, l, true, nil
}

// arrived notes on a replay that the broker has it, as a search found it.
func arrived(r dlq.Replay, ev dlq.Evidence, now time.Time) dlq.Replay {
	first := ev.Copies[0]
	at := first.StoredAt.UTC()
	r.Outcome, r.Detail, r.Error = dlq.OutcomeWaiting, DetailFound, ""
	r.SentAt, r.SettledAt = &at, nil
	r.Receipt = dlq.Receipt{Broker: first.Broker, Queue: first.Queue, Offset: first.Offset, MessageID: first.MessageID}
	r.NextLook = &now
	return r
}

func (s *Service) apply(ctx context.Context, c dlq.Change) (dlq.Letter, error) {
	letters, errs := s.Store.ApplyEach(ctx, []dlq.Change{c})
	if errs[0] != nil {
		return dlq.Letter{}, errs[0]
	}
	return letters[0], nil
}

func refused(why, format string, args ...any) *dlq.Error {
	err := dlq.Errorf(dlq.CodeRefused, format, args...)
	err.Params = map[string]string{"why": why}
	return err
}

// conflict says who changed a letter meanwhile, and how.
func conflict(d dlq.Detail) *dlq.Error {
	err := dlq.Errorf(dlq.CodeConflict, "letter %d was changed in between", d.ID)
	err.Hint = "look at it again"
	if len(d.Events) == 0 {
		return err
	}
	e := d.Events[0]
	for _, have := range d.Events {
		if have.Kind == dlq.EventIntended && (d.State == dlq.StateSending || d.State == dlq.StateAwaiting) {
			e = have
			break
		}
	}
	err.Params = map[string]string{"actor": e.Actor, "event": string(e.Kind), "at": e.At.UTC().Format(time.RFC3339)}
	err.Message = fmt.Sprintf("%s has changed letter %d in between (%s)", e.Actor, d.ID, e.Kind)
	if e.Kind == dlq.EventIntended {
		err.Message = fmt.Sprintf("%s has just replayed letter %d", e.Actor, d.ID)
	}
	return err
}
