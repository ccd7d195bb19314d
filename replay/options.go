package replay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// askLimit bounds what one look at doors may wait for brokers.
const askLimit = 8 * time.Second

// survey is one letter with everything that a replay of it depends on.
type survey struct {
	letter  dlq.Letter
	message dlq.DeadMessage
	head    letterhead
	at      situation
	doors   []dlq.DoorOption
	def     dlq.Door
	err     error // the broker could not be asked
}

// history is what a letter's earlier replays say about the next one.
type history struct {
	maybeSent   *dlq.Replay // newest replay of which nobody knows whether it was sent
	confirmedAt *time.Time
}

func historyOf(d dlq.Detail) (h history) {
	for i, r := range d.ReplayList { // newest first
		if h.confirmedAt == nil && r.Outcome == dlq.OutcomeConfirmed {
			h.confirmedAt = r.SettledAt
		}
		if h.maybeSent == nil && r.Outcome == dlq.OutcomeUnknown && r.Detail == DetailUndecidable && d.HasFlag(dlq.FlagPossibleDuplicate) {
			h.maybeSent = &d.ReplayList[i]
		}
	}
	return h
}

// OptionsFor is Options for a replay to somebody else than the failed consumer group.
func (s *Service) OptionsFor(ctx context.Context, letterID int64, t dlq.Target) (dlq.ReplayOptions, error) {
	return s.Options(ctx, letterID)
}

// Options tells everything that a person should know before giving a letter back: every door with what it would do, the
// delays, the consumer group. A broker that cannot be asked is no error: nothing is allowed then, and BrokerError says
// why. Errors are those of the store, dlq.CodeNotFound among them.
func (s *Service) Options(ctx context.Context, letterID int64) (dlq.ReplayOptions, error) {
	detail, err := s.Store.Detail(ctx, letterID)
	if err != nil {
		return dlq.ReplayOptions{}, err
	}
	h := historyOf(detail)
	sv, err := s.survey(ctx, detail.Letter, h)
	if err != nil {
		return dlq.ReplayOptions{}, err
	}
	o := dlq.ReplayOptions{
		LetterID: sv.letter.ID, Version: sv.letter.Version, Doors: sv.doors, Default: sv.def,
		Timer: sv.at.broker.Timer, TimerMax: sv.at.broker.TimerMax, Levels: []dlq.DelayOption{},
		Group: sv.at.group, Broker: sv.at.broker, ConfirmedAt: h.confirmedAt, Unwraps: sv.head.wrapped && sv.head.err == nil,
	}
	for i, d := range sv.at.broker.Levels {
		o.Levels = append(o.Levels, dlq.DelayOption{Level: i + 1, Delay: d})
	}
	if keeps := time.Duration(sv.at.broker.Keeps); keeps > 0 && !sv.at.deadGone {
		until := sv.message.StoredAt.Add(keeps).UTC()
		o.DeadCopyUntil = &until
	}
	if sv.letter.Fingerprint != "" {
		if o.SameLast5m, err = s.Store.SameFailures(ctx, sv.letter.Fingerprint, s.now().Add(-5*time.Minute)); err != nil {
			return dlq.ReplayOptions{}, err
		}
	}
	if sv.err != nil {
		o.BrokerError = sentenceOr(sv.err, "the broker could not be asked")
	}
	switch {
	case !dlq.MayStart(dlq.TriggerClaim, sv.letter.State):
		o.Why = "state_" + string(sv.letter.State)
	case sv.err != nil:
		o.Why = StuckBrokerAway
	case !slices.ContainsFunc(sv.doors, func(d dlq.DoorOption) bool { return d.Allowed }):
		o.Why = StuckNoDoor
	default:
		o.Allowed = true
	}
	return o, nil
}

// survey reads the dead message, asks the cluster and tells the doors. The error is one of the store; one of the broker
// is in the survey.
func (s *Service) survey(ctx context.Context, l dlq.Letter, h history) (survey, error) {
	m, err := s.Store.Message(ctx, l.ID)
	if err != nil {
		return survey{}, err
	}
	sv := survey{letter: l, message: m, head: s.unwrap(&m)}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	a := s.ask.about(ctx, &m, sv.head.topic)
	sv.err = a.err
	sv.at = situation{
		topic: sv.head.topic, empty: len(sv.head.body) == 0, wrapped: sv.head.wrapped, unwrapFail: sv.head.err != nil,
		group: a.group, broker: a.broker, receivers: a.receivers, complete: a.complete, topicMissing: a.topicMissing,
		brokerAway: a.err != nil, foreign: s.Broker.Status().Foreign, now: s.now(),
		maybeSent: h.maybeSent != nil, confirmed: h.confirmedAt != nil,
		keyless: m.UniqueKey() == "", deadGone: a.firstKept > m.Offset,
	}
	if keeps := time.Duration(a.broker.Keeps); keeps > 0 {
		sv.at.deadOld = sv.at.now.Sub(m.StoredAt) > keeps
	}
	sv.doors, sv.def = sv.at.doors()
	return sv, nil
}

// answers is what the cluster says about one dead message.
type answers struct {
	group        dlq.GroupInfo
	broker       dlq.Capabilities
	receivers    []string
	complete     bool
	topicMissing bool
	firstKept    int64 // lowest offset of its dead-letter queue that the broker still has
	err          error
}

// answersStay bounds how often the cluster is asked the same: many letters of one consumer group are replayed at once,
// and every answer costs several requests to every broker.
const answersStay = 2 * time.Second

// asker asks the cluster, and keeps its answers for a moment.
type asker struct {
	cluster Cluster
	now     func() time.Time

	mu    sync.Mutex
	known map[askKey]*asked
}

type askKey struct{ group, broker, topic string }

// asked is a question under way, or its answer.
type asked struct {
	done    chan struct{} // closed with the answer
	until   time.Time     // while the answer holds; zero until it is there
	answers answers
}

// about answers from what was asked a moment ago, waits for somebody who is asking the same, or asks.
func (k *asker) about(ctx context.Context, m *dlq.DeadMessage, topic string) answers {
	key, now := askKey{m.ConsumerGroup, m.Broker, topic}, k.now()
	k.mu.Lock()
	q := k.known[key]
	if q == nil || !q.until.IsZero() && !now.Before(q.until) {
		maps.DeleteFunc(k.known, func(_ askKey, old *asked) bool { return !old.until.IsZero() && !now.Before(old.until) })
		q = &asked{done: make(chan struct{})}
		k.known[key] = q
		k.mu.Unlock()
		// Others wait for this answer, so it does not end with its first asker.
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
		q.answers = k.ask(asking, m, topic)
		cancel()
		k.mu.Lock()
		q.until = k.now()
		if q.answers.err == nil {
			q.until = q.until.Add(answersStay)
		}
		k.mu.Unlock()
		close(q.done)
		return q.answers
	}
	k.mu.Unlock()
	select {
	case <-q.done:
		return q.answers
	case <-ctx.Done():
		return answers{err: dlq.Errorf(dlq.CodeUnavailable, "the broker did not answer in time: %w", ctx.Err())}
	}
}

func (k *asker) ask(ctx context.Context, m *dlq.DeadMessage, topic string) (a answers) {
	a.group.Name = m.ConsumerGroup
	group, err := k.cluster.Group(ctx, m.ConsumerGroup, m)
	if err != nil {
		a.err = err
		return a
	}
	a.group = group
	if a.broker, a.err = k.cluster.Capabilities(ctx, m.Broker); a.err != nil {
		return a
	}
	if topic != "" {
		a.receivers, a.complete, err = k.cluster.Subscribers(ctx, topic)
		switch {
		case dlq.CodeOf(err) == dlq.CodeNotFound:
			a.topicMissing, a.receivers, a.complete = true, nil, true
		case err != nil:
			a.receivers, a.complete = nil, false // only door A needs it, and says so
		}
	}
	topics, err := k.cluster.Topics(ctx)
	if err == nil {
		for _, t := range topics {
			if t.Queue == m.Queue {
				a.firstKept = t.Min
			}
		}
	}
	return a
}
