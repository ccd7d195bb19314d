package replay

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"deadletteroffice/dlq"
)

// lockLife is how long a broker keeps the queue locks of an orderly consumer that crashed, and diverts sends to its
// retry topic meanwhile (apache/rocketmq RebalanceLockManager, rocketmq.broker.rebalance.lockMaxLiveTime).
const lockLife = 60 * time.Second

// situation is all that the choice of a door depends on.
type situation struct {
	topic      string // under which the consumer shall see the message; "" unknown
	empty      bool   // the body to be sent is empty
	wrapped    bool   // the dead copy is an envelope
	unwrapFail bool   // and what is in it cannot be decoded

	group        dlq.GroupInfo
	broker       dlq.Capabilities
	receivers    []string // groups that subscribe to the topic
	complete     bool
	topicMissing bool
	brokerAway   bool

	maybeSent bool // an earlier send may have arrived
	confirmed bool // an earlier replay was consumed
	foreign   bool // another console replays here
	keyless   bool // the dead copy has no UNIQ_KEY
	deadGone  bool // the broker no longer has the dead copy
	deadOld   bool // it may delete it at any moment
	now       time.Time
}

// diverts reports whether the broker would put a send to the group's retry topic into the DLQ.
func (s situation) diverts() bool {
	if s.group.Kind != dlq.GroupOrderly || !s.broker.OrderlyDiverts && s.broker.Major != 0 {
		return false
	}
	return s.group.Online || s.group.LastSeen != nil && s.now.Sub(*s.group.LastSeen) < lockLife
}

// doors tells of every door what it would do, and which one the console would take; "" when every door is shut.
func (s situation) doors() (doors []dlq.DoorOption, def dlq.Door) {
	b, c, a := s.retryTopic(), s.backward(), s.topicDoor()
	doors = []dlq.DoorOption{b, c, a, s.popDoor(), {Door: dlq.DoorProbe, Why: ShutNotYet, Receivers: []string{s.group.Name}, Complete: true}}
	if s.brokerAway {
		for i := range doors {
			doors[i].Allowed, doors[i].Why = false, ShutBrokerAway
		}
		return s.warn(doors), ""
	}
	switch {
	case c.Allowed && s.diverts():
		def = dlq.DoorBack
	case b.Allowed:
		def = dlq.DoorRetry
	case c.Allowed:
		def = dlq.DoorBack
	case a.Allowed:
		def = dlq.DoorTopic
	}
	return s.warn(doors), def
}

// onlyGroup answers why neither the retry topic nor code 36 leads to the group; "" when they do.
func (s situation) onlyGroup() string {
	switch {
	case s.group.Kind == dlq.GroupGRPC || s.group.Kind == dlq.GroupGRPCFIFO:
		return ShutGRPC
	case s.group.Kind == dlq.GroupBroadcast:
		return ShutBroadcast
	case !s.group.Exists:
		return ShutGroupMissing
	}
	return ""
}

// content answers why the message cannot be sent anew; "" when it can.
func (s situation) content() string {
	switch {
	case s.unwrapFail:
		return ShutEnvelopeBroken
	case s.topic == "":
		return ShutTopicUnknown
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
	if s.diverts() {
		d.Why = ShutOrderlyDiverted
		return d
	}
	d.Allowed = true
	switch s.group.Kind {
	case dlq.GroupPop:
		d.Why = WhyPopReadsRetry
	case dlq.GroupOrderly:
		d.Why = WhyOrderlyOffline
		if !s.broker.OrderlyDiverts && s.broker.Major != 0 {
			d.Why = WhyOrderlyNotDiverted
		}
	case dlq.GroupUnknown, "":
		d.Why = WhyKindUnknown
		d.Warnings = append(d.Warnings, WarnKindUnknown)
	default:
		d.Why = WhyOnlyThisGroup
	}
	return d
}

func (s situation) backward() dlq.DoorOption {
	d := dlq.DoorOption{
		Door: dlq.DoorBack, Target: dlq.RetryPrefix + s.group.Name, Receivers: []string{s.group.Name}, Complete: true,
		Delays: len(s.broker.Levels) > 0,
	}
	d.Why = s.onlyGroup()
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
	if d.Why != "" {
		return d
	}
	d.Allowed, d.Why = true, WhyDeadCopy
	if s.diverts() {
		d.Why = WhyOrderlyOnline
	}
	d.Warnings = append(d.Warnings, WarnOneAttempt)
	if s.group.Kind == dlq.GroupUnknown || s.group.Kind == "" {
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
	if d.Why = s.content(); d.Why == "" && s.topicMissing {
		d.Why = ShutTopicMissing
	}
	if d.Why != "" {
		return d
	}
	d.Allowed, d.Why = true, WhyEveryGroup
	if s.group.Kind == dlq.GroupGRPC || s.group.Kind == dlq.GroupGRPCFIFO {
		d.Why = WhyOnlyTopic
	}
	if slices.ContainsFunc(s.receivers, func(g string) bool { return g != s.group.Name }) {
		d.Warnings = append(d.Warnings, WarnOtherGroups)
	}
	if !s.complete {
		d.Warnings = append(d.Warnings, WarnReceivers)
	}
	return d
}

func (s situation) popDoor() dlq.DoorOption {
	d := dlq.DoorOption{Door: dlq.DoorPop, Why: ShutNotGRPC, Receivers: []string{s.group.Name}, Complete: true}
	if s.topic != "" {
		d.Target = fmt.Sprintf("%s%s_%s", dlq.RetryPrefix, s.group.Name, s.topic)
	}
	switch s.group.Kind {
	case dlq.GroupGRPC:
		d.Why = ShutNotYet
	case dlq.GroupGRPCFIFO:
		d.Why = ShutFIFO
	}
	return d
}

// warn adds what holds for every open door, and makes no list nil: they are JSON arrays.
func (s situation) warn(doors []dlq.DoorOption) []dlq.DoorOption {
	for i := range doors {
		d := &doors[i]
		if d.Allowed {
			if !s.group.Online {
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
			if s.foreign {
				d.Warnings = append(d.Warnings, WarnForeignConsole)
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
		right := d.Door == dlq.DoorRetry && d.Why != WhyKindUnknown || d.Door == dlq.DoorBack && d.Why == WhyOrderlyOnline
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
