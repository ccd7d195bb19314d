package replay

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// askLimit bounds what one look at doors may wait for brokers.
const askLimit = 8 * time.Second

// survey is one letter with everything that a replay of it depends on.
type survey struct {
	letter  dlq.Letter
	message *dlq.DeadMessage
	head    letterhead
	target  dlq.Target
	at      situation
	doors   []dlq.DoorOption
	def     dlq.Door
	err     error // no broker could be asked
	holder  error // the one with the dead copy could not; nil when it could
}

// waits reports whether a door is shut only until a broker comes back.
func waits(d dlq.DoorOption) bool { return !d.Allowed && d.Why == ShutBrokerAway }

// waiting reports whether an error is that of a letter which has to wait for a broker.
func waiting(err error) bool {
	var e *dlq.Error
	return errors.As(err, &e) && e.Code == dlq.CodeUnavailable && e.Params["why"] == ShutBrokerAway
}

// unavailable is why a letter has to wait for a broker.
func (sv survey) unavailable() error {
	err := dlq.Errorf(dlq.CodeUnavailable, "a broker that this needs does not answer")
	if sv.holder != nil {
		err = dlq.Errorf(dlq.CodeUnavailable, "%s: %w", dlq.SentenceOf(sv.holder, "the broker with the dead copy does not answer"), sv.holder)
	}
	err.Params = map[string]string{"why": ShutBrokerAway}
	return err.WithHint("try again when it answers, or choose another way")
}

// history is what a letter's past says about its next replay.
type history struct {
	maybeSent   *dlq.Replay // newest replay of which nobody knows whether it was sent
	confirmedAt *time.Time
	probed      bool // a listener may have consumed it in a probe
}

func historyOf(d dlq.Detail) (h history) {
	for i, r := range d.ReplayList { // newest first
		if h.confirmedAt == nil && r.Outcome == dlq.OutcomeConfirmed {
			h.confirmedAt = r.SettledAt
		}
		// The broker was asked for an older one before the newest was sent.
		if i == 0 && r.Outcome == dlq.OutcomeUnknown && r.Detail == DetailUndecidable && d.HasFlag(dlq.FlagPossibleDuplicate) {
			h.maybeSent = &d.ReplayList[i]
		}
	}
	h.probed = slices.ContainsFunc(d.Events, func(e dlq.Event) bool {
		verdict := dlq.ProbeVerdict(e.Detail["verdict"])
		return e.Kind == dlq.EventProbed && (verdict == dlq.ProbeSuccess || verdict == dlq.ProbeTimeout)
	})
	return h
}

// Options tells everything that a person should know before giving a letter back: every door with what it would do, the
// delays, the consumer group. Brokers that cannot be asked are no error: what needs them is shut, and HolderError and
// BrokersAway say why; when none can be asked nothing is allowed, and BrokerError says why. Errors are those of the store, dlq.CodeNotFound among them.
func (s *Service) Options(ctx context.Context, letterID int64) (dlq.ReplayOptions, error) {
	return s.OptionsFor(ctx, letterID, dlq.Target{}, true)
}

// OptionsFor is Options for a replay to somebody else than the failed consumer group: only doors that lead there are
// listed, and for another consumer group Group is that one. What leads beyond the failed consumer group and its
// replay_targets is shut unless the caller may send anywhere. The error is dlq.CodeInvalid too, for a target that is none.
func (s *Service) OptionsFor(ctx context.Context, letterID int64, t dlq.Target, anywhere bool) (dlq.ReplayOptions, error) {
	if err := checkTarget(t); err != nil {
		return dlq.ReplayOptions{}, err
	}
	detail, err := s.Store.Detail(ctx, letterID)
	if err != nil {
		return dlq.ReplayOptions{}, err
	}
	m, err := s.Store.Message(ctx, letterID)
	if err != nil {
		return dlq.ReplayOptions{}, err
	}
	h := historyOf(detail)
	sv := s.survey(ctx, detail.Letter, &m, s.unwrap(&m), t, h, anywhere)
	o := dlq.ReplayOptions{
		LetterID: sv.letter.ID, Version: sv.letter.Version, Doors: sv.doors, Default: sv.def,
		Timer: sv.at.broker.Timer, TimerMax: sv.at.broker.TimerMax, Levels: []dlq.DelayOption{},
		Group: sv.at.group, Broker: sv.at.broker, ConfirmedAt: h.confirmedAt, Unwraps: sv.head.wrapped && sv.head.err == nil,
	}
	for i, d := range sv.at.broker.Levels {
		o.Levels = append(o.Levels, dlq.DelayOption{Level: i + 1, Delay: d})
	}
	if keeps := time.Duration(sv.at.broker.Keeps); keeps > 0 && !sv.at.deadGone && !sv.at.holderAway {
		until := sv.message.StoredAt.Add(keeps).UTC()
		o.DeadCopyUntil = &until
	}
	if sv.letter.Fingerprint != "" {
		if o.SameLast5m, err = s.Store.SameFailures(ctx, sv.letter.Fingerprint, s.now().Add(-5*time.Minute)); err != nil {
			return dlq.ReplayOptions{}, err
		}
	}
	if sv.err != nil {
		o.BrokerError = dlq.SentenceOf(sv.err, "the broker could not be asked")
	}
	o.BrokersAway = sv.at.group.BrokersAway
	if sv.holder != nil {
		o.HolderError = dlq.SentenceOf(sv.holder, "the broker with the dead copy could not be asked")
		if !slices.Contains(o.BrokersAway, m.Broker) {
			o.BrokersAway = append(slices.Clip(o.BrokersAway), m.Broker)
		}
	}
	switch {
	case !dlq.MayStart(dlq.TriggerClaim, sv.letter.State):
		o.Why = dlq.SkipState(sv.letter.State)
	case sv.err != nil, sv.def == "" && slices.ContainsFunc(sv.doors, waits):
		o.Why = StuckBrokerAway
	case sv.def == "":
		o.Why = StuckNoDoor
	default:
		o.Allowed = true
	}
	return o, nil
}

// checkTarget refuses a target that names nobody, or somebody although there is nothing to choose.
func checkTarget(t dlq.Target) error {
	named := t.Kind == dlq.TargetOtherTopic || t.Kind == dlq.TargetOtherGroup
	switch {
	case !slices.Contains(dlq.TargetKinds, t.Kind):
		return dlq.Errorf(dlq.CodeInvalid, "there is no target %q", t.Kind)
	case named && t.Name == "":
		return dlq.Errorf(dlq.CodeInvalid, "a replay to another topic or consumer group must name it")
	case !named && t.Name != "":
		return dlq.Errorf(dlq.CodeInvalid, "only a replay to another topic or consumer group names its target")
	case t.Topic == "":
		return nil
	case t.Kind == dlq.TargetTopic || t.Kind == dlq.TargetOtherTopic:
		return dlq.Errorf(dlq.CodeInvalid, "only a replay to a consumer group names the topic under which that shall get it")
	case !topicName.MatchString(t.Topic):
		return dlq.Errorf(dlq.CodeInvalid, "%q cannot be the name of a topic", t.Topic).WithHint("a name has 1 to 127 letters, digits, - _ %% and |")
	case reserved(t.Topic):
		return dlq.Errorf(dlq.CodeInvalid, "%s is a topic of RocketMQ's own: no listener knows it", t.Topic)
	}
	return nil
}

// topicName is what brokers take for the name of a topic (apache/rocketmq common/topic/TopicValidator).
var topicName = regexp.MustCompile(`^[%|a-zA-Z0-9_-]{1,127}$`)

// survey asks the cluster about a letter and tells the doors, for a caller who may send anywhere or not. What the broker cannot be asked is in the survey's error.
func (s *Service) survey(ctx context.Context, l dlq.Letter, m *dlq.DeadMessage, head letterhead, t dlq.Target, h history, anywhere bool) survey {
	sv := survey{letter: l, message: m, head: head, target: t}
	key := askKey{m.ConsumerGroup, m.Broker, head.topic}
	switch t.Kind {
	case dlq.TargetOtherGroup:
		key.group = t.Name
	case dlq.TargetOtherTopic:
		key.topic = t.Name
	}
	if t.Topic != "" {
		key.topic = t.Topic
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	a := s.ask.about(ctx, key, m)
	sv.err, sv.holder = a.err, a.holder
	sv.at = situation{
		target: t.Kind, topic: key.topic, renamed: t.Topic != "" && t.Topic != head.topic, empty: len(head.body) == 0, changed: head.changed, wrapped: head.wrapped, unwrapFail: head.err != nil,
		group: a.group, broker: a.broker, receivers: a.receivers, complete: a.complete, topicMissing: a.topicMissing,
		topicAway: a.topicAway, brokerAway: a.err != nil, holder: m.Broker, holderAway: a.holder != nil, via: a.via, foreign: s.Broker.Status().Foreign, now: s.now(),
		maybeSent: h.maybeSent != nil || l.HasFlag(dlq.FlagPossibleDuplicate), confirmed: h.confirmedAt != nil,
		keyless: m.UniqueKey() == "", deadGone: a.firstKept > m.Offset, begun: s.begun,
	}
	if t.Kind != dlq.TargetOtherGroup {
		if sv.at.died = m.StoredAt; sv.at.died.After(sv.at.now) {
			sv.at.died = sv.at.now // by another clock
		}
	}
	if keeps := time.Duration(a.broker.Keeps); keeps > 0 && a.holder == nil {
		sv.at.deadOld = sv.at.now.Sub(m.StoredAt) > keeps
	}
	if limit := a.broker.MaxMessage; limit > 0 && len(head.body) > limit {
		packed := head.compressed || head.inflated
		size, err := s.Broker.Size(dlq.SendRequest{Body: head.body, Compress: head.inflated, SysFlag: sysFlag(m.SysFlag, packed)})
		sv.at.tooLarge, sv.at.packed = err != nil || size > limit, packed
	}
	sv.at.named = head.wrapped || m.OriginalTopic == "" || !strings.HasSuffix(m.Properties[dlq.PropRetryTopic], m.OriginalTopic)
	sv.at.bounded = !anywhere && !s.listed(m.ConsumerGroup, t, sv.at.topic)
	sv.doors, sv.def = sv.at.doors()
	return sv
}

// listed reports whether replay_targets names to whom a replay goes.
func (s *Service) listed(consumerGroup string, t dlq.Target, topic string) bool {
	may := s.Rules.ReplayTargets(consumerGroup)
	if t.Kind == dlq.TargetOtherGroup {
		return slices.Contains(may.ConsumerGroups, t.Name)
	}
	return slices.Contains(may.Topics, topic)
}
