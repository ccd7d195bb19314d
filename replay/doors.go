package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// lockLife is how long a broker keeps the queue locks of an orderly consumer that crashed, and diverts sends to its
// retry topic meanwhile (apache/rocketmq RebalanceLockManager, rocketmq.broker.rebalance.lockMaxLiveTime).
const lockLife = 60 * time.Second

// seenLate is how long a group may have been there after it was last seen: it is looked at so often.
const seenLate = 20 * time.Second

// situation is all that the choice of a door depends on.
type situation struct {
	target     dlq.TargetKind
	topic      string // under which the consumer shall see the message; "" unknown
	renamed    bool   // a person named that topic, and it is not the message's own
	empty      bool   // the body to be sent is empty
	changed    bool   // an edit or a transform changed the message
	wrapped    bool   // the dead copy is an envelope
	unwrapFail bool   // and what is in it cannot be decoded
	tooLarge   bool   // the body as it is sent is over the broker's limit
	packed     bool   // and it is compressed already

	group        dlq.GroupInfo // who shall get it: the failed consumer group, or another that was chosen
	broker       dlq.Capabilities
	receivers    []string // groups that subscribe to the topic
	complete     bool
	topicMissing bool
	topicAway    bool   // no broker that holds it answers
	brokerAway   bool   // nobody could be asked
	holder       string // broker that has the dead copy
	holderAway   bool
	via          string // broker that takes a send to the retry topic: the holder or, while that is away, another; "" for none

	named   bool // the message's own body or property says the topic, not what RocketMQ wrote
	bounded bool // the caller may not send beyond the failed consumer group

	maybeSent bool      // an earlier send may have arrived
	confirmed bool      // an earlier replay was consumed
	foreign   bool      // another console replays here
	keyless   bool      // the dead copy has no UNIQ_KEY
	deadGone  bool      // the broker no longer has the dead copy
	deadOld   bool      // it may delete it at any moment
	begun     time.Time // since when consumer groups are watched
	died      time.Time // when the group made the dead copy
	now       time.Time
}

// either reports whether the group is a concurrent or an orderly one, and nobody can say which.
func (s situation) either() bool {
	return (s.group.Kind == dlq.GroupUnknown || s.group.Kind == "") && s.group.ReadsRetry
}

// diverts reports whether the broker would put a send to the group's retry topic into the DLQ, if it is an orderly one.
func (s situation) diverts() bool {
	if s.group.Kind != dlq.GroupOrderly && !s.either() || !s.broker.OrderlyDiverts && s.broker.Major != 0 {
		return false
	}
	if s.group.Online {
		return true
	}
	alive := s.died.Add(seenLate)
	if s.group.LastSeen != nil {
		alive = s.group.LastSeen.Add(seenLate)
	} else if s.begun.After(alive) {
		alive = s.begun // for all that is known
	}
	return s.now.Sub(alive) < lockLife
}

// doors tells of every door that leads to the target what it would do, and which one the console would take; "" when
// every door is shut.
func (s situation) doors() (doors []dlq.DoorOption, def dlq.Door) {
	b, c, a, p := s.retryTopic(), s.backward(), s.topicDoor(), s.popDoor()
	switch s.target {
	case dlq.TargetTopic, dlq.TargetOtherTopic:
		doors = []dlq.DoorOption{a}
	case dlq.TargetOtherGroup:
		doors = []dlq.DoorOption{b, p}
	default:
		doors = []dlq.DoorOption{b, c, a, p, s.probeDoor()}
		if s.renamed { // the named topic itself is another target, and a probe shows the message as it is
			doors = []dlq.DoorOption{b, c, p}
		}
	}
	if s.brokerAway {
		for i := range doors {
			doors[i].Allowed, doors[i].Why = false, ShutBrokerAway
		}
		return s.warn(doors), ""
	}
	order := []dlq.Door{dlq.DoorRetry, dlq.DoorPop, dlq.DoorBack, dlq.DoorTopic}
	if b.Why == WhyMayDivert {
		order = []dlq.Door{dlq.DoorBack, dlq.DoorRetry, dlq.DoorTopic}
	}
	for _, want := range order {
		if slices.ContainsFunc(doors, func(d dlq.DoorOption) bool { return d.Door == want && d.Allowed }) {
			return s.warn(doors), want
		}
	}
	return s.warn(doors), ""
}

// onlyGroup answers why neither the retry topic nor code 36 leads to the group; "" when they do.
func (s situation) onlyGroup() string {
	switch {
	case s.group.Kind == dlq.GroupGRPC || s.group.Kind == dlq.GroupGRPCFIFO:
		return ShutGRPC
	case s.group.Kind == dlq.GroupBroadcast:
		return ShutBroadcast
	}
	return s.missing()
}

// missing answers why no broker would take a send for the group; "" when the group is known.
func (s situation) missing() string {
	switch {
	case s.group.Exists:
		return ""
	case len(s.group.BrokersAway) > 0:
		return ShutBrokerAway // one of them may know it
	}
	return ShutGroupMissing
}

// content answers why the message cannot be sent anew; "" when it can.
func (s situation) content() string {
	switch {
	case s.unwrapFail:
		return ShutEnvelopeBroken
	case s.topic == "":
		return ShutTopicUnknown
	case s.renamed && s.topicMissing:
		return ShutTopicMissing
	case s.empty && s.broker.RefusesEmpty:
		return ShutEmptyBody
	}
	return ""
}

func (s situation) retryTopic() dlq.DoorOption {
	d := dlq.DoorOption{
		Door: dlq.DoorRetry, Target: dlq.RetryPrefix + s.group.Name, Receivers: []string{s.group.Name}, Complete: true,
		Delays: len(s.broker.Levels) > 0, Timer: s.broker.Timer, NewKey: true,
	}
	if d.Why = cmp.Or(s.onlyGroup(), s.content()); d.Why != "" {
		return d
	}
	if s.via == "" {
		d.Why = ShutBrokerAway
		return d
	}
	d.Broker = s.via
	if s.via != s.holder {
		d.Warnings = append(d.Warnings, WarnOtherBroker)
	}
	if s.diverts() && !s.either() {
		d.Why = ShutOrderlyDiverted
		return d
	}
	d.Allowed = true
	if s.target == dlq.TargetOtherGroup || s.renamed {
		d.Warnings = append(d.Warnings, s.strange()...)
	}
	switch s.group.Kind {
	case dlq.GroupPop:
		d.Why = WhyPopReadsRetry
	case dlq.GroupOrderly:
		d.Why = WhyOrderlyOffline
		if !s.broker.OrderlyDiverts && s.broker.Major != 0 {
			d.Why = WhyOrderlyNotDiverted
		}
	case dlq.GroupUnknown, "":
		switch {
		case s.either() && s.diverts():
			d.Why = WhyMayDivert
		case s.either():
			d.Why = WhyEitherKind
		default:
			d.Why = WhyKindUnknown
			d.Warnings = append(d.Warnings, WarnKindUnknown)
		}
	default:
		d.Why = WhyOnlyThisGroup
	}
	if s.target == dlq.TargetOtherGroup {
		d.Why = WhyOtherGroup
	}
	return s.beyond(d, s.target == dlq.TargetOtherGroup)
}

// strange warns of a group that has no subscription to the topic under which it would get the message.
func (s situation) strange() []string {
	if len(s.group.Topics) == 0 || slices.Contains(s.group.Topics, s.topic) {
		return nil
	}
	return []string{WarnNotSubscribed}
}

func (s situation) backward() dlq.DoorOption {
	d := dlq.DoorOption{
		Door: dlq.DoorBack, Target: dlq.RetryPrefix + s.group.Name, Receivers: []string{s.group.Name}, Complete: true,
		Delays: len(s.broker.Levels) > 0, Broker: s.holder,
	}
	d.Why = s.onlyGroup()
	if d.Why == "" && s.changed {
		d.Why = ShutEdited
	}
	if d.Why == "" && s.renamed {
		d.Why = ShutTopicNamed
	}
	if d.Why == "" && s.wrapped {
		d.Why = ShutEnvelope
	}
	if d.Why == "" && s.keyless {
		d.Why = ShutNoKey
	}
	if d.Why == "" && s.deadGone {
		d.Why = ShutDeadCopyGone
	}
	if d.Why == "" && s.topic == "" {
		// The broker would give the copy back under whatever name it carries, and the consumers have no listener for it.
		d.Why = ShutTopicUnknown
	}
	if d.Why == "" && s.holderAway {
		d.Why = ShutBrokerAway
	}
	if d.Why != "" {
		return d
	}
	d.Allowed, d.Why = true, WhyDeadCopy
	switch {
	case s.either() && s.diverts():
		d.Why = WhyEitherBack
	case s.diverts():
		d.Why = WhyOrderlyOnline
	}
	d.Warnings = append(d.Warnings, WarnOneAttempt)
	if (s.group.Kind == dlq.GroupUnknown || s.group.Kind == "") && !s.either() {
		d.Warnings = append(d.Warnings, WarnKindUnknown)
	}
	if s.deadOld {
		d.Warnings = append(d.Warnings, WarnDeadCopyOld)
	}
	return d
}

func (s situation) topicDoor() dlq.DoorOption {
	d := dlq.DoorOption{
		Door: dlq.DoorTopic, Target: s.topic, Receivers: s.receivers, Complete: s.complete,
		Delays: len(s.broker.Levels) > 0, Timer: s.broker.Timer, NewKey: true,
	}
	if d.Why = s.content(); d.Why == "" && s.target == dlq.TargetOtherTopic && reserved(s.topic) {
		d.Why = ShutTopicReserved
	}
	if d.Why == "" && s.topicMissing {
		d.Why = ShutTopicMissing
	}
	if d.Why == "" && s.topicAway {
		d.Why = ShutBrokerAway
	}
	if d.Why != "" {
		return d
	}
	d.Allowed, d.Why = true, WhyEveryGroup
	switch {
	case s.target == dlq.TargetOtherTopic:
		d.Why = WhyOtherTopic
	case s.group.Kind == dlq.GroupGRPCFIFO:
		d.Why = WhyOnlyTopic
	}
	if slices.ContainsFunc(s.receivers, func(g string) bool { return g != s.group.Name }) {
		d.Warnings = append(d.Warnings, WarnOtherGroups)
	}
	if !s.complete {
		d.Warnings = append(d.Warnings, WarnReceivers)
	}
	stranger := s.named && s.target != dlq.TargetOtherTopic && !slices.Contains(s.receivers, s.group.Name) && !slices.Contains(s.group.Topics, s.topic)
	if stranger {
		d.Warnings = append(d.Warnings, WarnNamedByMessage)
	}
	return s.beyond(d, stranger || s.target == dlq.TargetOtherTopic)
}

// beyond shuts a door that leads to somebody else than the failed consumer group for a caller who may not send there.
func (s situation) beyond(d dlq.DoorOption, somebodyElse bool) dlq.DoorOption {
	if somebodyElse && s.bounded {
		d.Allowed, d.Why = false, ShutNeedsAdmin
	}
	return d
}

// reserved reports whether a topic is one of RocketMQ's own: retries, dead letters and system topics
// (apache/rocketmq common/topic/TopicValidator).
func reserved(topic string) bool {
	switch topic {
	case "SCHEDULE_TOPIC_XXXX", "OFFSET_MOVED_EVENT", "TBW102", "BenchmarkTest", "SELF_TEST_TOPIC", "CHECKPOINT_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC":
		return true
	}
	return strings.HasPrefix(topic, "%") || strings.HasPrefix(strings.ToLower(topic), "rmq_sys_")
}

// popDoor is the retry topic from which gRPC clients of one group pop one topic (apache/rocketmq KeyBuilder.buildPopRetryTopic).
func (s situation) popDoor() dlq.DoorOption {
	d := dlq.DoorOption{
		Door: dlq.DoorPop, Receivers: []string{s.group.Name}, Complete: true,
		Delays: len(s.broker.Levels) > 0, Timer: s.broker.Timer, NewKey: true, Broker: s.holder,
	}
	if s.topic != "" {
		d.Target = fmt.Sprintf("%s%s_%s", dlq.RetryPrefix, s.group.Name, s.topic)
	}
	switch {
	case s.group.Kind == dlq.GroupGRPCFIFO:
		d.Why = ShutFIFO
	case s.group.Kind != dlq.GroupGRPC:
		d.Why = ShutNotGRPC
	default:
		d.Why = cmp.Or(s.missing(), s.content())
	}
	if d.Why == "" && s.holderAway {
		d.Why = ShutBrokerAway
	}
	if d.Why != "" {
		return d
	}
	d.Allowed, d.Why = true, WhyPopRetry
	if s.target == dlq.TargetOtherGroup || s.renamed {
		d.Warnings = s.strange()
	}
	if s.target == dlq.TargetOtherGroup {
		d.Why = WhyOtherGroup
	}
	return s.beyond(d, s.target == dlq.TargetOtherGroup)
}

// probeDoor is no way back: one client runs its listener, and nothing is stored.
func (s situation) probeDoor() dlq.DoorOption {
	d := dlq.DoorOption{Door: dlq.DoorProbe, Why: ShutNobodyOnline, Receivers: []string{s.group.Name}, Complete: true}
	if s.group.Online && len(s.group.Clients) > 0 {
		d.Allowed, d.Why = true, WhyProbe
		if !slices.ContainsFunc(s.group.Clients, func(c dlq.GroupClient) bool { return truthful(s.group.Kind, c) }) {
			d.Warnings = append(d.Warnings, WarnUntrusted)
		}
	}
	return d
}

// warn adds what holds for every open door, and makes no list nil: they are JSON arrays.
func (s situation) warn(doors []dlq.DoorOption) []dlq.DoorOption {
	for i := range doors {
		d := &doors[i]
		if d.Allowed {
			if !s.group.Online && s.target != dlq.TargetOtherTopic {
				d.Warnings = append(d.Warnings, WarnOffline)
			}
			if s.group.Kind == dlq.GroupOrderly || s.group.Kind == dlq.GroupGRPCFIFO {
				d.Warnings = append(d.Warnings, WarnOutOfOrder)
			}
			if s.maybeSent {
				d.Warnings = append(d.Warnings, WarnMaybeSent)
			}
			if s.confirmed {
				d.Warnings = append(d.Warnings, WarnConfirmed)
			}
			// Door A compresses what came plain.
			if s.tooLarge && (d.Door == dlq.DoorRetry || d.Door == dlq.DoorPop || d.Door == dlq.DoorTopic && s.packed) {
				d.Warnings = append(d.Warnings, WarnTooLarge)
			}
			if s.foreign {
				d.Warnings = append(d.Warnings, WarnForeignConsole)
			}
			if len(s.group.BrokersAway) > 0 {
				d.Warnings = append(d.Warnings, WarnBrokersAway)
			}
		}
		if d.Warnings == nil {
			d.Warnings = []string{}
		}
		if d.Receivers == nil {
			d.Receivers = []string{}
		}
	}
	return doors
}

// automatic returns the door that the console may take without a person, or why there is none. Door A never is: it
// reaches consumer groups that had no failure. Neither is a door that would lose the message should the group turn out
// to be of another kind.
func automatic(doors []dlq.DoorOption, def dlq.Door) (door dlq.DoorOption, ok bool) {
	for _, d := range doors {
		if d.Door != def {
			continue
		}
		right := d.Door == dlq.DoorRetry && d.Why != WhyKindUnknown && d.Why != WhyMayDivert ||
			d.Door == dlq.DoorBack && (d.Why == WhyOrderlyOnline || d.Why == WhyEitherBack) || d.Door == dlq.DoorPop
		return d, right
	}
	for _, d := range doors {
		if d.Door == dlq.DoorRetry {
			return d, false
		}
	}
	return dlq.DoorOption{Why: StuckNoDoor}, false
}

// only reports whether the door leads to this consumer group and surely to no other.
func only(d dlq.DoorOption, group string) bool {
	return d.Complete && len(d.Receivers) == 1 && d.Receivers[0] == group
}
