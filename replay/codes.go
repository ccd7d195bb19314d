package replay

// The codes of this file are stable: the page translates them and scripts test them. They stand in
// dlq.DoorOption.Why and Warnings, dlq.ReplayOptions.Why, dlq.Replay.Why and Detail, and in the details of events.

// Why a door is open, and why it is the one that the console chooses.
const (
	WhyOnlyThisGroup      = "only_this_group"      // B: the retry topic is read by the failed consumer group alone, online or not
	WhyPopReadsRetry      = "pop_reads_retry"      // B: Java POP consumers read the retry topic beside popping
	WhyOrderlyNotDiverted = "orderly_not_diverted" // B: an orderly group, on a broker that does not divert (before 5.1.1)
	WhyOrderlyOffline     = "orderly_offline"      // B: an orderly group that holds no queue lock any more
	WhyEitherKind         = "either_kind"          // B: nobody can say whether it is a concurrent or an orderly group; right for both
	WhyMayDivert          = "may_be_diverted"      // B: likewise, and the broker would put it straight into the DLQ if it is an orderly one
	WhyEitherBack         = "either_back"          // C: likewise; right for both
	WhyKindUnknown        = "kind_unknown"         // B: nobody can say what kind of group it is; right for all but gRPC groups
	WhyOrderlyOnline      = "orderly_online"       // C: an orderly group that is online, where the broker would divert B to the DLQ
	WhyDeadCopy           = "dead_copy"            // C: the broker gives its own dead copy back, as it is
	WhyEveryGroup         = "every_group"          // A: every consumer group that subscribes to the topic gets it
	WhyOnlyTopic          = "only_topic"           // A: the only door that leads to a gRPC FIFO group
	WhyPopRetry           = "pop_retry_topic"      // P: the POP retry topic is read by this gRPC group alone
	WhyOtherTopic         = "other_topic"          // A: another topic, which a person chose
	WhyOtherGroup         = "other_group"          // B, P: another consumer group, which a person chose
	WhyProbe              = "probe"                // D: one connected client runs its listener now
	WhyChosen             = "chosen"               // in Replay.Why: a person chose another door than the console would
)

// Why a door is shut.
const (
	ShutTopicUnknown    = "topic_unknown"       // A, B: the original topic cannot be told
	ShutTopicMissing    = "topic_missing"       // A: the cluster has no such topic any more
	ShutEmptyBody       = "empty_body"          // A, B: this broker refuses an empty body (apache/rocketmq 5.x)
	ShutGRPC            = "grpc_never_reads"    // B, C: a gRPC group never reads the retry topic; the broker would say success
	ShutOrderlyDiverted = "orderly_diverted"    // B: the broker would put it straight into the DLQ while the orderly group is online
	ShutBroadcast       = "broadcast"           // B, C: broadcasting consumers read no retry topic
	ShutGroupMissing    = "group_missing"       // B, C: no broker knows the group; a send would make it and nobody would read it
	ShutEnvelope        = "envelope"            // C: the dead copy is an envelope, and C cannot take the message out of it
	ShutEnvelopeBroken  = "envelope_broken"     // A, B: the message inside the envelope cannot be decoded
	ShutNoKey           = "no_unique_key"       // C: the dead copy has no UNIQ_KEY, so what became of it could not be found out
	ShutDeadCopyGone    = "dead_copy_gone"      // C: the broker has deleted the dead copy
	ShutEdited          = "edited"              // C: the broker gives its own copy back, so nothing can be changed
	ShutTopicNamed      = "topic_named"         // C: the broker gives its own copy back, under the topic that it carries
	ShutEditOutdated    = "edit_outdated"       // in errors: the edit was made of an earlier dead copy
	ShutTopicReserved   = "topic_reserved"      // A: RocketMQ's own topics are not for messages of applications
	ShutNeedsAdmin      = "needs_admin"         // A, B, P: it leads beyond the failed consumer group and its replay_targets
	ShutNobodyOnline    = "group_offline"       // D: nobody of the group is connected
	ShutUntrusted       = "probe_untrusted"     // in errors, D: no connected client would tell the truth; name one to ask it all the same
	ShutNotGRPC         = "not_grpc"            // P: the door is for gRPC groups
	ShutFIFO            = "fifo_reads_no_retry" // P: a gRPC FIFO group reads no retry topic at all
	ShutBrokerAway      = "broker_away"         // all: the broker that it needs cannot be asked now
)

// What a person should know before going through a door.
const (
	WarnOffline        = "group_offline"      // nobody of the group is connected: it waits at the broker until somebody is
	WarnOtherGroups    = "other_groups"       // A: other consumer groups get it too, also those that had consumed it
	WarnReceivers      = "receivers_unknown"  // A: the list of receivers may not be whole
	WarnOneAttempt     = "one_attempt"        // C: the counter goes on; one failure and it is in the DLQ again
	WarnOutOfOrder     = "out_of_order"       // orderly and FIFO groups: it comes after messages that followed it
	WarnKindUnknown    = "kind_unknown"       // B: a gRPC group would never read it
	WarnMaybeSent      = "possible_duplicate" // an earlier send may have arrived
	WarnConfirmed      = "confirmed_before"   // an earlier replay was consumed
	WarnDeadCopyOld    = "dead_copy_old"      // C: the broker may have deleted the dead copy by now
	WarnForeignConsole = "foreign_console"    // another console replays on this cluster
	WarnTooLarge       = "over_size_limit"    // A, B, P: the body is over the broker's limit, which would refuse it
	WarnNotSubscribed  = "not_subscribed"     // B, P to another group: it does not subscribe to the topic, so its listener may not know the message
	WarnNamedByMessage = "named_by_message"   // A: the message's own body or property names the topic, to which its consumer group does not subscribe
	WarnOtherBroker    = "other_broker"       // B: the broker with the dead copy is away, so another takes it, from which the group reads as well
	WarnBrokersAway    = "brokers_away"       // a broker does not answer: clients that are connected to it alone were not seen
	WarnUntrusted      = "probe_untrusted"    // D: clients of this kind answer success also when they failed, or never say why
)

// Why a letter is taken from the automatic replays, in the details of its event.
const WhyWentRound = "went_round" // its message says that consoles gave it back too often already

// Why a letter cannot be replayed at all now, in ReplayOptions.Why.
const (
	StuckSending      = "state_sending"      // a replay is on its way
	StuckAwaiting     = "state_awaiting"     // the outcome of a replay is still open
	StuckCompensating = "state_compensating" // its compensation is being asked
	StuckResolved     = "state_resolved"     // done; restore it first
	StuckDiscarded    = "state_discarded"    // given up; restore it first
	StuckNoDoor       = "no_door"            // every door is shut
	StuckBrokerAway   = "broker_away"        // the broker cannot be asked now
)

// What is waited for, or what was seen, in Replay.Detail.
const (
	DetailIntended       = "intended"        // the intent is written, the send is under way
	DetailSendUnknown    = "send_unknown"    // the broker's answer did not come; it is being asked
	DetailAbsentOnce     = "absent_once"     // a complete search found nothing; a second one follows
	DetailAbsent         = "absent"          // two complete searches found nothing: it was not sent
	DetailUndecidable    = "undecidable"     // nobody could say for ten minutes
	DetailRefused        = "refused"         // it was refused, by the broker or because no frame can carry it: nothing was sent
	DetailUnreached      = "unreached"       // the broker could not be reached: it was not sent
	DetailStopped        = "stopped"         // the global stop was pulled before it was sent
	DetailOtherTopic     = "other_topic"     // sent to another topic, where nobody is followed
	DetailFound          = "found"           // the search found it: it was sent
	DetailSent           = "sent"            // the broker has it
	DetailDiverted       = "diverted"        // the broker put it straight into the DLQ
	DetailParked         = "parked"          // at the broker, which will hand it over later
	DetailBrokerAway     = "broker_away"     // a broker that may hold a copy does not answer
	DetailNotSeen        = "not_seen"        // no copy is found at the moment
	DetailOffline        = "group_offline"   // nobody of the group is connected
	DetailNotConsumed    = "not_consumed"    // the group has not come to it yet
	DetailPassedOnce     = "passed_once"     // the committed offset passed it; a second look follows
	DetailPassedUnproved = "passed_unproved" // the committed offset passed it; whether by deliveries is being found out
	DetailInWork         = "in_work"         // a consumer has it and did not acknowledge it yet
	DetailAckedOnce      = "acked_once"      // a consumer acknowledged it; a second look follows
	DetailAcknowledged   = "acknowledged"    // a consumer acknowledged it, and two looks found no newer copy
	DetailOffsetMoved    = "offset_moved"    // the committed offset passed it, and no deliveries explain that: somebody set it
	DetailConsumed       = "consumed"        // deliveries took the committed offset past it, and two looks found no newer copy
	DetailBeingRetried   = "being_retried"   // the consumer failed it, the broker tries again
	DetailBackInDLQ      = "back_in_dlq"     // it is in the DLQ again and will be read in a moment
	DetailWaitSchedule   = "wait_schedule"   // this kind of group leaves no trace of success: its retry schedule must pass first
	DetailSchedulePassed = "schedule_passed" // the retry schedule passed, the group was online, nothing came back
	DetailFiltered       = "filtered"        // the group's subscription dropped it unread
	DetailExpired        = "expired"         // the broker deleted the evidence
)

// sentences say a code in English, for errors. The page has its own words in both languages.
var sentences = map[string]string{
	ShutTopicUnknown:    "the original topic cannot be told",
	ShutTopicMissing:    "the original topic does not exist any more",
	ShutEmptyBody:       "the body is empty, and this broker refuses empty bodies",
	ShutGRPC:            "gRPC consumers never read the retry topic",
	ShutOrderlyDiverted: "the orderly consumer group is online, and the broker would put it straight into the dead-letter queue",
	ShutBroadcast:       "broadcasting consumers read no retry topic",
	ShutGroupMissing:    "no broker knows the consumer group",
	ShutEnvelope:        "the dead copy is an envelope, and this door cannot take the message out of it",
	ShutEnvelopeBroken:  "the message inside the envelope cannot be decoded",
	ShutNoKey:           "the dead copy has no UNIQ_KEY, so what became of it could not be found out",
	ShutDeadCopyGone:    "the broker has deleted the dead copy",
	ShutEdited:          "the broker gives its own copy of the message back, which cannot be changed",
	ShutTopicNamed:      "the broker gives its own copy of the message back, under the topic that it carries",
	ShutEditOutdated:    "the edit was made of an earlier dead copy",
	ShutTopicReserved:   "the topic is one of RocketMQ's own",
	ShutNeedsAdmin:      "it leads to somebody else than the failed consumer group, which needs the role admin or an entry of replay_targets in rules.yaml",
	ShutNobodyOnline:    "nobody of the consumer group is connected",
	ShutUntrusted:       "the connected clients cannot be trusted to tell whether they failed",
	ShutNotGRPC:         "this door is for gRPC consumer groups only",
	ShutFIFO:            "gRPC FIFO groups read no retry topic",
	ShutBrokerAway:      "the broker cannot be reached now",
	StuckSending:        "a replay of this letter is on its way",
	StuckAwaiting:       "the outcome of its last replay is still open",
	StuckCompensating:   "its compensation is being asked",
	StuckResolved:       "it is resolved; restore it first",
	StuckDiscarded:      "it is discarded; restore it first",
	StuckNoDoor:         "no door leads back to the consumer group",
}
