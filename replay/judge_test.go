package replay

import (
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// What one look at a replay tells, for every kind of evidence.
func TestJudge(t *testing.T) {
	now := time.Now().UTC()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	copyAt := func(place dlq.CopyPlace, d time.Duration) dlq.Copy { return dlq.Copy{Place: place, StoredAt: ago(d)} }
	target := copyAt(dlq.PlaceTarget, time.Minute)
	retry := copyAt(dlq.PlaceRetry, 10*time.Second)
	in := func(d time.Duration) *time.Time { x := now.Add(d); return &x }
	sighted := watchState{at: ago(10 * time.Second)}
	for _, tt := range []struct {
		name string
		r    dlq.Replay
		ev   dlq.Evidence
		last watchState
		want finding
	}{
		{"no copy", dlq.Replay{}, dlq.Evidence{PassedKnown: true, Passed: true}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailNotSeen}},
		{"parked", dlq.Replay{DeliverAt: in(time.Hour)}, dlq.Evidence{Copies: []dlq.Copy{copyAt(dlq.PlaceParked, time.Minute)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailParked, next: time.Hour + time.Second}},
		{"parked beyond its time", dlq.Replay{DeliverAt: in(-time.Hour)}, dlq.Evidence{Copies: []dlq.Copy{copyAt(dlq.PlaceParked, time.Minute)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailParked}},
		{"not consumed yet", dlq.Replay{}, dlq.Evidence{PassedKnown: true, Online: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailNotConsumed}},
		{"offline", dlq.Replay{}, dlq.Evidence{PassedKnown: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailOffline}},
		{"passed once", dlq.Replay{Detail: DetailNotConsumed}, dlq.Evidence{PassedKnown: true, Passed: true, Online: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailPassedOnce, seen: true, next: secondLook}},
		{"passed twice", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{PassedKnown: true, Passed: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeConfirmed, detail: DetailConsumed, seen: true}},
		{"passed, and by whom is being found out", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{PassedKnown: true, Weighing: true, Online: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailPassedUnproved, next: proofLook}},
		{"passed by nobody", dlq.Replay{Detail: DetailPassedUnproved}, dlq.Evidence{PassedKnown: true, Moved: true, Online: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeUnknown, detail: DetailOffsetMoved}},
		{"passed by nobody, and tried again", dlq.Replay{}, dlq.Evidence{PassedKnown: true, Moved: true, Copies: []dlq.Copy{target, copyAt(dlq.PlaceDead, time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBackInDLQ, seen: true}},
		{"passed, then a newer copy", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{PassedKnown: true, Online: true, Copies: []dlq.Copy{target, retry}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBeingRetried, seen: true}},
		{"a retry passed twice", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{PassedKnown: true, Passed: true, Copies: []dlq.Copy{target, retry}}, watchState{}, finding{outcome: dlq.OutcomeConfirmed, detail: DetailConsumed, seen: true}},
		{"copies out of order", dlq.Replay{}, dlq.Evidence{PassedKnown: true, Copies: []dlq.Copy{retry, target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBeingRetried, seen: true}},
		{"dead again", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{PassedKnown: true, Passed: true, Copies: []dlq.Copy{target, copyAt(dlq.PlaceDead, time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBackInDLQ, seen: true}},
		{"dead in the other group that it was given to", dlq.Replay{TargetKind: dlq.TargetOtherGroup}, dlq.Evidence{PassedKnown: true, Passed: true, Copies: []dlq.Copy{target, copyAt(dlq.PlaceDead, time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeFailedAgain, detail: DetailBackInDLQ, seen: true}},
		{"diverted and not read yet", dlq.Replay{Detail: DetailDiverted}, dlq.Evidence{Copies: []dlq.Copy{copyAt(dlq.PlaceDead, time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailDiverted}},
		{"dead and expired", dlq.Replay{}, dlq.Evidence{Expired: true, Copies: []dlq.Copy{copyAt(dlq.PlaceDead, time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBackInDLQ, seen: true}},
		{"a broker that may hold a newer copy is away", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{Away: []string{"c"}, PassedKnown: true, Passed: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBrokerAway}},
		{"no copy on those that answer", dlq.Replay{}, dlq.Evidence{Away: []string{"c"}, Expired: true}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBrokerAway}},
		{"dead again, whoever else is away", dlq.Replay{}, dlq.Evidence{Away: []string{"c"}, Copies: []dlq.Copy{target, copyAt(dlq.PlaceDead, time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBackInDLQ, seen: true}},
		{"diverted, and its broker is away now", dlq.Replay{Detail: DetailDiverted}, dlq.Evidence{Away: []string{"c"}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailDiverted}},
		{"window passed, and a broker is away", dlq.Replay{OnlineFor: dlq.Duration(45 * time.Second)}, dlq.Evidence{Away: []string{"c"}, Online: true, Retry: 30 * time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailBrokerAway, onlineFor: 45 * time.Second}},
		{"evidence expired", dlq.Replay{}, dlq.Evidence{Expired: true, PassedKnown: true, Passed: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeUnknown, detail: DetailExpired}},
		{"filtered", dlq.Replay{}, dlq.Evidence{Filtered: true, PassedKnown: true, Passed: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeUnknown, detail: DetailFiltered}},
		{"filtered, not passed yet", dlq.Replay{}, dlq.Evidence{Filtered: true, PassedKnown: true, Online: true, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailNotConsumed}},

		{"grpc, first look", dlq.Replay{}, dlq.Evidence{Taken: true, Online: true, Retry: time.Second, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailWaitSchedule}},
		{"grpc, passed proves nothing", dlq.Replay{Detail: DetailPassedOnce}, dlq.Evidence{Taken: true, Online: true, Passed: true, Retry: time.Hour, Copies: []dlq.Copy{target}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailWaitSchedule}},
		{"grpc, online since the last look", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(20 * time.Second)}, dlq.Evidence{Taken: true, Online: true, Retry: time.Hour, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailWaitSchedule, onlineFor: 30 * time.Second}},
		{"grpc, offline does not count", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(20 * time.Second)}, dlq.Evidence{Taken: true, Retry: time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailOffline, onlineFor: 20 * time.Second}},
		{"grpc, window passed", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(45 * time.Second)}, dlq.Evidence{Taken: true, Online: true, Retry: 30 * time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeAssumed, detail: DetailSchedulePassed, onlineFor: 55 * time.Second}},
		{"grpc, window passed but offline", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(55 * time.Second)}, dlq.Evidence{Taken: true, Retry: 30 * time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailOffline, onlineFor: 55 * time.Second}},
		{"grpc, a retry begins the window anew", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(50 * time.Second)}, dlq.Evidence{Taken: true, Online: true, Retry: 30 * time.Second, Copies: []dlq.Copy{target, copyAt(dlq.PlaceRetry, 5*time.Second)}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailBeingRetried, seen: true}},
		{"grpc, after a restart never longer than since the newest copy", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(50 * time.Second)}, dlq.Evidence{Taken: true, Online: true, Retry: 30 * time.Second, Copies: []dlq.Copy{target, copyAt(dlq.PlaceRetry, 12*time.Second)}}, watchState{}, finding{outcome: dlq.OutcomeWaiting, detail: DetailBeingRetried, seen: true, onlineFor: 12 * time.Second}},
		{"grpc, nobody took it", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(50 * time.Second)}, dlq.Evidence{Online: true, Retry: 30 * time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailNotConsumed}},
		{"grpc, nobody took it, and nobody is there", dlq.Replay{Detail: DetailNotConsumed}, dlq.Evidence{Retry: 30 * time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailOffline}},
		{"grpc, just taken", dlq.Replay{Detail: DetailNotConsumed}, dlq.Evidence{Taken: true, Online: true, Retry: time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailWaitSchedule}},
		{"grpc, nobody took the retry", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(50 * time.Second)}, dlq.Evidence{Online: true, Retry: time.Second, Copies: []dlq.Copy{target, retry}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailBeingRetried, seen: true}},
		{"grpc, worked on", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(time.Hour)}, dlq.Evidence{Taken: true, Held: true, Online: true, Retry: time.Second, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailInWork, seen: true}},
		{"grpc, acknowledged", dlq.Replay{Detail: DetailInWork}, dlq.Evidence{Taken: true, Acked: true, Online: true, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailAckedOnce, seen: true, next: secondLook}},
		{"grpc, acknowledged twice", dlq.Replay{Detail: DetailAckedOnce}, dlq.Evidence{Taken: true, Acked: true, Copies: []dlq.Copy{target}}, sighted, finding{outcome: dlq.OutcomeConfirmed, detail: DetailAcknowledged, seen: true}},
		{"grpc, acknowledged, but dead", dlq.Replay{Detail: DetailAckedOnce}, dlq.Evidence{Taken: true, Acked: true, Copies: []dlq.Copy{target, copyAt(dlq.PlaceDead, time.Second)}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailBackInDLQ, seen: true}},
		{"schedule unknown", dlq.Replay{Detail: DetailWaitSchedule, OnlineFor: dlq.Duration(4 * time.Hour)}, dlq.Evidence{Taken: true, Online: true, Copies: []dlq.Copy{copyAt(dlq.PlaceTarget, 5*time.Hour)}}, sighted, finding{outcome: dlq.OutcomeWaiting, detail: DetailWaitSchedule, onlineFor: 4*time.Hour + 10*time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.ev.At = now
			if got := judge(tt.r, tt.ev, tt.last); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestLooksGrowRarer(t *testing.T) {
	var sum time.Duration
	for n := range 40 {
		d := pause(dlq.Replay{}, n)
		if n > 0 && d < pause(dlq.Replay{}, n-1) {
			t.Errorf("the pause after look %d is shorter than the one before", n)
		}
		if d > 2*time.Minute {
			t.Errorf("the pause after look %d is %s", n, d)
		}
		if sum += d; n == 3 && sum > 10*time.Second {
			t.Errorf("four looks take %s: too slow for one who watches", sum)
		}
	}
}
