package replay

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"deadletteroffice/dlq"
)

const (
	dueInterval = time.Second // between looks for due letters
	dueLimit    = 1000        // letters of one look
	dueBatches  = 3           // batches under way at once
	defaultRate = 10          // automatic sends per second and consumer group where the rules name none
	askPause    = 5 * time.Second

	// awayLimit is for how long a letter waits for a broker that alone can give it back, before it is left to a person.
	awayLimit = time.Hour

	// loopLimit is how often a message may have been given back before no rule gives it back again, where the file does
	// not say: two consoles that answer each other's deaths would not end otherwise.
	loopLimit = 20
)

// RunDue gives back the letters that rules have scheduled, when they are due, until ctx ends; it returns nil then. While
// automation is off or stopped, or the broker is away, they stay scheduled. Each consumer group gets at most the rate of
// the policy, and only through doors that reach it alone; a letter without such a door is left to a person.
func (s *Service) RunDue(ctx context.Context) error {
	d := newDueRun(s)
	tick := time.NewTicker(dueInterval)
	defer tick.Stop()
	for {
		more, err := d.runOnce(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("send due replays", "error", err)
		}
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// dueRun is what RunDue remembers between looks.
type dueRun struct {
	*Service
	pace  map[string]*rate.Limiter // by consumer group
	pause map[askKey]time.Time     // groups, or what only one broker can give back to them, that are left alone, and until when
	slots map[string]time.Time     // by consumer group: the next free time for letters that are beyond the pace
}

func newDueRun(s *Service) *dueRun {
	return &dueRun{Service: s, pace: map[string]*rate.Limiter{}, pause: map[askKey]time.Time{}, slots: map[string]time.Time{}}
}

// runOnce sends what is due now. more says that it took all it found, and that there may be more.
func (d *dueRun) runOnce(ctx context.Context) (more bool, err error) {
	if a := d.Automation(); !a.On || a.Stopped || !d.Broker.Status().Reachable {
		return false, nil
	}
	now := d.now()
	due, err := d.Store.Due(ctx, dlq.StateScheduled, now, dueLimit)
	if err != nil || len(due) == 0 {
		return false, err
	}
	// While one batch is with the broker, the intents of the next are written.
	var sending sync.WaitGroup
	defer sending.Wait()
	free := make(chan struct{}, dueBatches)
	launch := func(batch []*job) {
		if len(batch) == 0 {
			return
		}
		free <- struct{}{}
		sending.Go(func() {
			d.send(ctx, batch)
			<-free
		})
	}
	var batch []*job
	var changes []dlq.Change
	var late []dlq.Letter
	for _, l := range due {
		if ctx.Err() != nil {
			break
		}
		if now.Before(d.pause[askKey{group: l.ConsumerGroup}]) || now.Before(d.pause[askKey{group: l.ConsumerGroup, broker: l.Broker}]) {
			late = append(late, l)
			continue
		}
		if !d.limiter(l.ConsumerGroup).AllowN(now, 1) {
			late = append(late, l)
			continue
		}
		j, change, err := d.prepare(ctx, l)
		switch {
		case err != nil && dlq.CodeOf(err) == dlq.CodeNotFound:
			continue // gone in between
		case final(err): // of this letter, and none of the others of its consumer group
			changes = append(changes, *leave(l, dlq.HoldSendFailed, dlq.SentenceOf(err, "it cannot be sent")))
		case waiting(err) && l.DueAt != nil && now.Sub(*l.DueAt) >= awayLimit:
			changes = append(changes, *leave(l, dlq.HoldNoDoor, ShutBrokerAway))
		case err != nil:
			over := askKey{group: l.ConsumerGroup}
			if waiting(err) {
				over.broker = l.Broker // the group's letters of other brokers go on
			}
			d.pause[over] = now.Add(askPause)
			d.Logger.Warn("prepare due replays", "consumer_group", l.ConsumerGroup, "error", err)
			continue
		case change != nil:
			changes = append(changes, *change)
		case j != nil:
			batch = append(batch, j)
		}
		if len(batch) == maxBatch {
			launch(batch)
			batch = nil
			if a := d.Automation(); !a.On || a.Stopped {
				return false, d.write(ctx, changes)
			}
		}
	}
	launch(batch)
	sending.Wait()
	if len(due) == dueLimit && len(late) > 0 {
		// A long queue of one consumer group would hide the due letters of the others behind it.
		changes = append(changes, d.queueUp(late, now)...)
	}
	return len(due) == dueLimit && len(late) == 0, d.write(ctx, changes)
}

// prepare makes the job of a due letter. Without a job, change takes the letter from the agenda, or is nil when an earlier
// send was found to have arrived.
func (d *dueRun) prepare(ctx context.Context, l dlq.Letter) (j *job, change *dlq.Change, err error) {
	m, err := d.Store.Message(ctx, l.ID)
	if err != nil {
		return nil, nil, err
	}
	var h history
	round := wentRound(&l, &m, d.Policy().Quarantine)
	if round || l.HasFlag(dlq.FlagPossibleDuplicate) {
		detail, err := d.Store.Detail(ctx, l.ID)
		if err != nil {
			return nil, nil, err
		}
		h = historyOf(detail)
		if round && !released(detail.Events) {
			return nil, quarantine(l, m.ReplayCount()), nil
		}
	}
	sv := d.survey(ctx, l, &m, d.unwrap(&m), dlq.Target{}, h, false)
	if sv.err != nil {
		return nil, nil, sv.err
	}
	door, ok := automatic(sv.doors, sv.def)
	if !ok && slices.ContainsFunc(sv.doors, func(d dlq.DoorOption) bool { return waits(d) && d.Door != dlq.DoorTopic }) {
		return nil, nil, sv.unavailable()
	}
	if !ok {
		return nil, leave(l, dlq.HoldNoDoor, door.Why), nil
	}
	if h.maybeSent != nil {
		if _, _, found, err := d.askFirst(ctx, l, *h.maybeSent, dlq.ActorAutomation); err != nil || found {
			return nil, nil, err
		}
	}
	j, err = d.job(sv, door, dlq.ReplayRequest{LetterID: l.ID, Version: l.Version, Actor: dlq.ActorAutomation, Automatic: true})
	if err == nil && h.maybeSent != nil {
		j.replacesUnsent(h)
	}
	return j, nil, err
}

// wentRound reports whether consoles gave the message back so often that no rule may do it again, by the message's own
// account: this store may be new, or another console may have done it. A letter that is marked already is on the agenda
// because a person put it there.
func wentRound(l *dlq.Letter, m *dlq.DeadMessage, quarantine int) bool {
	if quarantine <= 0 {
		quarantine = loopLimit
	}
	return m.ReplayCount() >= quarantine && !l.HasFlag(dlq.FlagQuarantined)
}

// released reports whether a person took the letter out of quarantine since it died last. Events are newest first.
func released(events []dlq.Event) bool {
	for _, e := range events {
		switch e.Kind {
		case dlq.EventUnquarantined:
			return true
		case dlq.EventArrived, dlq.EventDiedAgain:
			return false
		}
	}
	return false
}

// quarantine takes a letter whose message goes round from the agenda.
func quarantine(l dlq.Letter, count int) *dlq.Change {
	hold := dlq.HoldQuarantined
	return &dlq.Change{
		LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerCancel, To: dlq.StateOpen, Hold: &hold, AddFlags: []dlq.Flag{dlq.FlagQuarantined},
		Event: dlq.Event{Kind: dlq.EventQuarantined, Actor: dlq.ActorAutomation, Rule: l.Rule, Detail: map[string]string{
			"hold": string(hold), "why": WhyWentRound, "count": strconv.Itoa(count),
		}},
	}
}

// leave hands a due letter to a person.
func leave(l dlq.Letter, hold dlq.Hold, why string) *dlq.Change {
	return &dlq.Change{
		LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerCancel, To: dlq.StateOpen, Hold: &hold,
		Event: dlq.Event{Kind: dlq.EventCancelled, Actor: dlq.ActorAutomation, Rule: l.Rule, Detail: map[string]string{"hold": string(hold), "why": why}},
	}
}

// queueUp gives letters that are beyond their consumer group's pace the time at which their turn comes.
func (d *dueRun) queueUp(late []dlq.Letter, now time.Time) (changes []dlq.Change) {
	step := time.Duration(float64(time.Second) / d.rate())
	for _, l := range late {
		turn := d.slots[l.ConsumerGroup].Add(step)
		if turn.Before(now) {
			turn = now.Add(step)
		}
		d.slots[l.ConsumerGroup] = turn
		changes = append(changes, dlq.Change{LetterID: l.ID, Version: l.Version, Trigger: dlq.TriggerEdit, To: l.State, DueAt: &turn})
	}
	return changes
}

// write applies changes in transactions of maxBatch. A letter that somebody changed in between is none of ours any more.
func (d *dueRun) write(ctx context.Context, changes []dlq.Change) (err error) {
	for len(changes) > 0 {
		n := min(maxBatch, len(changes))
		_, errs := d.Store.ApplyEach(ctx, changes[:n])
		for _, e := range errs {
			if code := dlq.CodeOf(e); code != "" && code != dlq.CodeConflict && code != dlq.CodeRefused && code != dlq.CodeNotFound {
				err = errors.Join(err, e)
			}
		}
		changes = changes[n:]
	}
	return err
}

func (d *dueRun) rate() float64 {
	if r := d.Policy().Rate; r > 0 {
		return r
	}
	return defaultRate
}

// limiter paces one consumer group. After a pause it lets at most one second's worth pass at once.
func (d *dueRun) limiter(group string) *rate.Limiter {
	r := d.rate()
	burst := max(1, int(r))
	l, ok := d.pace[group]
	if !ok {
		l = rate.NewLimiter(rate.Limit(r), burst)
		d.pace[group] = l
	}
	if l.Limit() != rate.Limit(r) {
		l.SetLimitAt(d.now(), rate.Limit(r))
		l.SetBurstAt(d.now(), burst)
	}
	return l
}
