package replay

import (
	"slices"
	"time"

	"deadletteroffice/dlq"
)

const (
	proofLook  = 3 * time.Second // between looks while it is found out how an offset moved
	secondLook = time.Second     // between the two looks that confirm: the broker's key index follows within milliseconds

	// scheduleSlack is added to the retry schedule that must pass before a replay is assumed to have come good: revive
	// services, route refreshes and commits of offsets each take their time.
	scheduleSlack = 20 * time.Second

	// unknownSchedule is used where nobody can say how long a group goes on trying: RocketMQ's default of 16 retries
	// over levels 3 to 18 takes 4 h 46 m.
	unknownSchedule = 5 * time.Hour
)

// looks are the pauses between looks at one replay, and lastLook the pause from then on.
var looks = []time.Duration{time.Second, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 8 * time.Second, 13 * time.Second, 20 * time.Second,
	30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, time.Minute, time.Minute}

const lastLook = 2 * time.Minute

// pause returns the pause after the n-th look, counting from 0, that showed nothing new. Those of operations are many and
// nobody waits for a single one.
func pause(r dlq.Replay, n int) time.Duration {
	if r.Operation != 0 {
		n += 3
	}
	if n < len(looks) {
		return looks[n]
	}
	return lastLook
}

// finding is what one look at a replay that the broker has tells.
type finding struct {
	outcome   dlq.Outcome // waiting, or a final one
	detail    string
	seen      bool          // the consumer group had it
	next      time.Duration // pause until the next look; 0: as usual
	onlineFor time.Duration
}

// judge reads the evidence for a replay that waits for its outcome.
//
// An offset that passed the copy proves nothing by itself: a consumer that failed sends the message back before its
// offset is committed, and anybody can set an offset. So the newest copy decides. Only "passed by deliveries, and no newer
// copy", seen twice, is a success
// (apache/rocketmq ConsumeMessageConcurrentlyService.processConsumeResult sends back first, then moves the offset).
func judge(r dlq.Replay, ev dlq.Evidence, last watchState) finding {
	f := finding{outcome: dlq.OutcomeWaiting, onlineFor: time.Duration(r.OnlineFor)}
	if r.Door == dlq.DoorPop {
		ev.PassedKnown = false // the offset moves with the delivery (apache/rocketmq PopBufferMergeService): only copies count
	}
	if slices.ContainsFunc(ev.Copies, func(c dlq.Copy) bool { return c.Place == dlq.PlaceDead }) {
		// The intake reads it in a moment and joins it to the letter. It may be parked on its way there (4.9).
		f.detail = DetailBackInDLQ
		if r.Detail == DetailDiverted {
			f.detail = DetailDiverted
		}
		f.seen = f.detail == DetailBackInDLQ
		if r.TargetKind == dlq.TargetOtherGroup {
			// What died there is a letter of the other consumer group: no death of this one will tell.
			f.outcome = dlq.OutcomeFailedAgain
		}
		return f
	}
	if len(ev.Away) > 0 {
		if f.detail = r.Detail; r.Detail != DetailDiverted {
			f.detail = DetailBrokerAway // whatever the others show, a newer copy may be there
		}
		return f
	}
	if ev.Expired {
		f.outcome, f.detail = dlq.OutcomeUnknown, DetailExpired
		return f
	}
	if len(ev.Copies) == 0 {
		f.detail = DetailNotSeen
		return f
	}
	newest := ev.Copies[0]
	for _, c := range ev.Copies[1:] {
		if !c.StoredAt.Before(newest.StoredAt) {
			newest = c
		}
	}
	retried := newest.Place == dlq.PlaceRetry
	switch {
	case newest.Place == dlq.PlaceParked:
		f.detail = DetailParked
		if r.DeliverAt != nil {
			f.next = max(0, r.DeliverAt.Sub(ev.At)+time.Second)
		}
	case ev.PassedKnown && (ev.Passed || ev.Weighing || ev.Moved) && ev.Filtered:
		f.outcome, f.detail = dlq.OutcomeUnknown, DetailFiltered
	case ev.PassedKnown && ev.Moved:
		f.outcome, f.detail = dlq.OutcomeUnknown, DetailOffsetMoved
	case ev.PassedKnown && ev.Weighing:
		f.detail, f.next = DetailPassedUnproved, proofLook
	case ev.PassedKnown && ev.Passed && r.Detail == DetailPassedOnce:
		f.outcome, f.detail, f.seen = dlq.OutcomeConfirmed, DetailConsumed, true
	case ev.PassedKnown && ev.Passed:
		f.detail, f.seen, f.next = DetailPassedOnce, true, secondLook
	case ev.PassedKnown && retried:
		f.detail, f.seen = DetailBeingRetried, true
	case ev.PassedKnown && ev.Online:
		f.detail = DetailNotConsumed
	case ev.PassedKnown:
		f.detail = DetailOffline
	default:
		f = waitOut(r, ev, last, newest)
	}
	return f
}

// waitOut judges a replay to a group whose committed offset says nothing: only a return would be proof, so the whole
// retry schedule must pass without one, unless the broker tells who has the message: a POP consumer that failed says nothing or
// asks to get it back later, and acknowledges what it has done or put into the dead-letter queue. The schedule is counted from when somebody took the message, while the group is online: the
// broker lists a client that died for up to two minutes.
func waitOut(r dlq.Replay, ev dlq.Evidence, last watchState, newest dlq.Copy) finding {
	f := finding{outcome: dlq.OutcomeWaiting, detail: DetailWaitSchedule, onlineFor: time.Duration(r.OnlineFor)}
	counted := r.Detail == DetailWaitSchedule || r.Detail == DetailBeingRetried // at the last look
	switch {
	case ev.Acked && r.Detail == DetailAckedOnce:
		f.outcome, f.detail, f.seen = dlq.OutcomeConfirmed, DetailAcknowledged, true
		return f
	case ev.Acked:
		f.detail, f.seen, f.next, f.onlineFor = DetailAckedOnce, true, secondLook, 0
		return f
	case ev.Held:
		f.detail, f.seen, f.onlineFor = DetailInWork, true, 0
		return f
	case !ev.Taken && newest.Place == dlq.PlaceRetry:
		f.detail, f.seen, f.onlineFor = DetailBeingRetried, true, 0
		return f
	case !ev.Taken && ev.Online:
		f.detail, f.onlineFor = DetailNotConsumed, 0
		return f
	case !ev.Taken:
		f.detail, f.onlineFor = DetailOffline, 0
		return f
	case newest.Place == dlq.PlaceRetry:
		f.detail, f.seen = DetailBeingRetried, true
	}
	since := max(0, ev.At.Sub(newest.StoredAt)) // no longer than this can it have been waited for
	switch {
	case !ev.Online:
		f.detail = DetailOffline
	case last.at.IsZero() || !counted:
	case newest.StoredAt.After(last.at):
		f.onlineFor = 0
	default:
		f.onlineFor += ev.At.Sub(last.at)
	}
	f.onlineFor = min(f.onlineFor, since)
	window := ev.Retry
	if window <= 0 {
		window = unknownSchedule
	}
	if ev.Online && f.onlineFor >= window+scheduleSlack {
		f.outcome, f.detail = dlq.OutcomeAssumed, DetailSchedulePassed
	}
	return f
}
