package replay

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

// The whole choice of a door: kind of consumer group × online × version of the broker, and what a letter can bring.
// Each row names the door that the console takes, whether it may do so without a person, and what it says of B, C and A.
func TestDoorChoice(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	on := func(kind dlq.GroupKind) dlq.GroupInfo {
		return dlq.GroupInfo{Name: "g", Exists: true, Kind: kind, Online: true, LastSeen: ago(0)}
	}
	off := func(kind dlq.GroupKind, seen *time.Time) dlq.GroupInfo {
		return dlq.GroupInfo{Name: "g", Exists: true, Kind: kind, LastSeen: seen}
	}
	either := func(online bool, seen *time.Time) dlq.GroupInfo {
		return dlq.GroupInfo{Name: "g", Exists: true, Kind: dlq.GroupUnknown, ReadsRetry: true, Online: online, LastSeen: seen}
	}
	unknown := five()
	unknown.Major, unknown.Version, unknown.OrderlyDiverts = 0, "", false
	for _, tt := range []struct {
		name    string
		group   dlq.GroupInfo
		broker  dlq.Capabilities
		edit    func(*situation)
		def     dlq.Door
		auto    bool
		b, c, a string
	}{
		{"concurrent online 5", on(dlq.GroupConcurrent), five(), nil, "B", true, WhyOnlyThisGroup, WhyDeadCopy, WhyEveryGroup},
		{"concurrent online 4", on(dlq.GroupConcurrent), four(), nil, "B", true, WhyOnlyThisGroup, WhyDeadCopy, WhyEveryGroup},
		{"concurrent offline 5", off(dlq.GroupConcurrent, nil), five(), nil, "B", true, WhyOnlyThisGroup, WhyDeadCopy, WhyEveryGroup},
		{"pop online 5", on(dlq.GroupPop), five(), nil, "B", true, WhyPopReadsRetry, WhyDeadCopy, WhyEveryGroup},
		{"orderly online 5", on(dlq.GroupOrderly), five(), nil, "C", true, ShutOrderlyDiverted, WhyOrderlyOnline, WhyEveryGroup},
		{"orderly online 4", on(dlq.GroupOrderly), four(), nil, "B", true, WhyOrderlyNotDiverted, WhyDeadCopy, WhyEveryGroup},
		{"orderly online, version unknown", on(dlq.GroupOrderly), unknown, nil, "C", true, ShutOrderlyDiverted, WhyOrderlyOnline, WhyEveryGroup},
		{"orderly crashed 30 s ago 5", off(dlq.GroupOrderly, ago(30*time.Second)), five(), nil, "C", true, ShutOrderlyDiverted, WhyOrderlyOnline, WhyEveryGroup},
		{"orderly last seen 61 s ago 5, gone later", off(dlq.GroupOrderly, ago(61*time.Second)), five(), nil, "C", true, ShutOrderlyDiverted, WhyOrderlyOnline, WhyEveryGroup},
		{"orderly gone for 81 s 5", off(dlq.GroupOrderly, ago(81*time.Second)), five(), nil, "B", true, WhyOrderlyOffline, WhyDeadCopy, WhyEveryGroup},
		{"orderly never seen 5", off(dlq.GroupOrderly, nil), five(), nil, "B", true, WhyOrderlyOffline, WhyDeadCopy, WhyEveryGroup},
		{"orderly crashed 30 s ago 4", off(dlq.GroupOrderly, ago(30*time.Second)), four(), nil, "B", true, WhyOrderlyNotDiverted, WhyDeadCopy, WhyEveryGroup},
		{"grpc online 5", on(dlq.GroupGRPC), five(), nil, "P", true, ShutGRPC, ShutGRPC, WhyEveryGroup},
		{"grpc offline 5", off(dlq.GroupGRPC, nil), five(), nil, "P", true, ShutGRPC, ShutGRPC, WhyEveryGroup},
		{"grpc, no such group", dlq.GroupInfo{Name: "g", Kind: dlq.GroupGRPC}, five(), nil, "A", false, ShutGRPC, ShutGRPC, WhyEveryGroup},
		{"edited", on(dlq.GroupConcurrent), five(), func(s *situation) { s.changed = true }, "B", true, WhyOnlyThisGroup, ShutEdited, WhyEveryGroup},
		{"edited, orderly 5", on(dlq.GroupOrderly), five(), func(s *situation) { s.changed = true }, "A", false, ShutOrderlyDiverted, ShutEdited, WhyEveryGroup},
		{"grpc fifo 5", on(dlq.GroupGRPCFIFO), five(), nil, "A", false, ShutGRPC, ShutGRPC, WhyOnlyTopic},
		{"broadcast 5", on(dlq.GroupBroadcast), five(), nil, "A", false, ShutBroadcast, ShutBroadcast, WhyEveryGroup},
		{"unknown kind offline 5", off(dlq.GroupUnknown, nil), five(), nil, "B", false, WhyKindUnknown, WhyDeadCopy, WhyEveryGroup},
		{"concurrent or orderly, offline 5", either(false, nil), five(), nil, "B", true, WhyEitherKind, WhyDeadCopy, WhyEveryGroup},
		{"concurrent or orderly, gone for 61 s 5", either(false, ago(61*time.Second)), five(), nil, "C", true, WhyMayDivert, WhyEitherBack, WhyEveryGroup},
		{"orderly, died 61 s ago and never seen 5", off(dlq.GroupOrderly, nil), five(), func(s *situation) { s.died = *ago(61 * time.Second) }, "C", true, ShutOrderlyDiverted, WhyOrderlyOnline, WhyEveryGroup},
		{"orderly, nobody watched before 50 s 5", off(dlq.GroupOrderly, nil), five(), func(s *situation) { s.begun = *ago(50 * time.Second) }, "C", true, ShutOrderlyDiverted, WhyOrderlyOnline, WhyEveryGroup},
		{"orderly, never seen, died long ago 5", off(dlq.GroupOrderly, nil), five(), func(s *situation) { s.begun, s.died = *ago(61 * time.Second), *ago(81 * time.Second) }, "B", true, WhyOrderlyOffline, WhyDeadCopy, WhyEveryGroup},
		{"concurrent or orderly, gone for 61 s 4", either(false, ago(61*time.Second)), four(), nil, "B", true, WhyEitherKind, WhyDeadCopy, WhyEveryGroup},
		{"concurrent or orderly, online 5", either(true, nil), five(), nil, "C", true, WhyMayDivert, WhyEitherBack, WhyEveryGroup},
		{"concurrent or orderly, online 4", either(true, nil), four(), nil, "B", true, WhyEitherKind, WhyDeadCopy, WhyEveryGroup},
		{"concurrent or orderly, online 5, edited", either(true, nil), five(), func(s *situation) { s.changed = true }, "B", false, WhyMayDivert, ShutEdited, WhyEveryGroup},
		{"no such group", dlq.GroupInfo{Name: "g", Kind: dlq.GroupConcurrent}, five(), nil, "A", false, ShutGroupMissing, ShutGroupMissing, WhyEveryGroup},
		{"topic unknown", on(dlq.GroupConcurrent), five(), func(s *situation) { s.topic = "" }, "", false, ShutTopicUnknown, ShutTopicUnknown, ShutTopicUnknown},
		{"topic gone", on(dlq.GroupConcurrent), five(), func(s *situation) { s.topicMissing = true }, "B", true, WhyOnlyThisGroup, WhyDeadCopy, ShutTopicMissing},
		{"empty body 5", on(dlq.GroupConcurrent), five(), func(s *situation) { s.empty = true }, "C", false, ShutEmptyBody, WhyDeadCopy, ShutEmptyBody},
		{"empty body 4", on(dlq.GroupConcurrent), four(), func(s *situation) { s.empty = true }, "B", true, WhyOnlyThisGroup, WhyDeadCopy, WhyEveryGroup},
		{"empty body orderly 5", on(dlq.GroupOrderly), five(), func(s *situation) { s.empty = true }, "C", true, ShutEmptyBody, WhyOrderlyOnline, ShutEmptyBody},
		{"envelope", on(dlq.GroupConcurrent), five(), func(s *situation) { s.wrapped = true }, "B", true, WhyOnlyThisGroup, ShutEnvelope, WhyEveryGroup},
		{"envelope orderly 5", on(dlq.GroupOrderly), five(), func(s *situation) { s.wrapped = true }, "A", false, ShutOrderlyDiverted, ShutEnvelope, WhyEveryGroup},
		{"envelope broken", on(dlq.GroupConcurrent), five(), func(s *situation) { s.wrapped, s.unwrapFail = true, true }, "", false, ShutEnvelopeBroken, ShutEnvelope, ShutEnvelopeBroken},
		{"dead copy gone, orderly 5", on(dlq.GroupOrderly), five(), func(s *situation) { s.deadGone = true }, "A", false, ShutOrderlyDiverted, ShutDeadCopyGone, WhyEveryGroup},
		{"no UNIQ_KEY", on(dlq.GroupConcurrent), four(), func(s *situation) { s.keyless = true }, "B", true, WhyOnlyThisGroup, ShutNoKey, WhyEveryGroup},
		{"holder away, another serves the group", on(dlq.GroupConcurrent), five(), func(s *situation) { s.holderAway, s.via = true, "c" }, "B", true, WhyOnlyThisGroup, ShutBrokerAway, WhyEveryGroup},
		{"holder away, nobody else serves the group", on(dlq.GroupConcurrent), five(), func(s *situation) { s.holderAway, s.via = true, "" }, "A", false, ShutBrokerAway, ShutBrokerAway, WhyEveryGroup},
		{"holder away, orderly online 5", on(dlq.GroupOrderly), five(), func(s *situation) { s.holderAway, s.via = true, "c" }, "A", false, ShutOrderlyDiverted, ShutBrokerAway, WhyEveryGroup},
		{"holder away, edited", on(dlq.GroupConcurrent), five(), func(s *situation) { s.holderAway, s.via, s.changed = true, "c", true }, "B", true, WhyOnlyThisGroup, ShutEdited, WhyEveryGroup},
		{"topic on brokers that are away", on(dlq.GroupConcurrent), five(), func(s *situation) { s.topicAway = true }, "B", true, WhyOnlyThisGroup, WhyDeadCopy, ShutBrokerAway},
		{"a silent broker may know the group", dlq.GroupInfo{Name: "g", Kind: dlq.GroupConcurrent, BrokersAway: []string{"c"}}, five(), nil, "A", false, ShutBrokerAway, ShutBrokerAway, WhyEveryGroup},
		{"broker away", on(dlq.GroupConcurrent), five(), func(s *situation) { s.brokerAway = true }, "", false, ShutBrokerAway, ShutBrokerAway, ShutBrokerAway},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := situation{topic: "orders", group: tt.group, broker: tt.broker, holder: "b", via: "b", receivers: []string{"audit", "g"}, complete: true, now: now}
			if tt.edit != nil {
				tt.edit(&s)
			}
			doors, def := s.doors()
			if def != tt.def {
				t.Errorf("the console takes %q, want %q", def, tt.def)
			}
			if _, auto := automatic(doors, def); auto != tt.auto {
				t.Errorf("without a person: %v, want %v", auto, tt.auto)
			}
			why := map[dlq.Door]string{}
			for _, d := range doors {
				why[d.Door] = d.Why
				if d.Warnings == nil || d.Receivers == nil {
					t.Errorf("door %s has a nil list", d.Door)
				}
				if open := slices.Contains([]string{WhyOnlyThisGroup, WhyPopReadsRetry, WhyOrderlyNotDiverted, WhyOrderlyOffline, WhyKindUnknown, WhyEitherKind, WhyMayDivert, WhyEitherBack, WhyOrderlyOnline, WhyDeadCopy, WhyEveryGroup, WhyOnlyTopic, WhyPopRetry, WhyProbe}, d.Why); open != d.Allowed {
					t.Errorf("door %s: allowed %v because %q", d.Door, d.Allowed, d.Why)
				}
				if !d.Allowed && sentences[d.Why] == "" {
					t.Errorf("no sentence says %q", d.Why)
				}
			}
			if diff := cmp.Diff(map[dlq.Door]string{"B": tt.b, "C": tt.c, "A": tt.a}, map[dlq.Door]string{"B": why["B"], "C": why["C"], "A": why["A"]}); diff != "" {
				t.Error(diff)
			}
			if want := ShutNobodyOnline; why[dlq.DoorProbe] != want && !s.brokerAway {
				t.Errorf("the probe of a group without clients is %q", why[dlq.DoorProbe])
			}
		})
	}
}

func TestDoorP(t *testing.T) {
	for _, tt := range []struct {
		kind dlq.GroupKind
		edit func(*situation)
		why  string
	}{
		{dlq.GroupGRPC, nil, WhyPopRetry},
		{dlq.GroupGRPC, func(s *situation) { s.empty = true }, ShutEmptyBody},
		{dlq.GroupGRPC, func(s *situation) { s.group.Exists = false }, ShutGroupMissing},
		{dlq.GroupGRPC, func(s *situation) { s.holderAway = true }, ShutBrokerAway},
		{dlq.GroupGRPCFIFO, nil, ShutFIFO},
		{dlq.GroupConcurrent, nil, ShutNotGRPC},
	} {
		s := situation{topic: "orders", group: dlq.GroupInfo{Name: "g", Exists: true, Kind: tt.kind}, broker: five(), holder: "b", via: "b"}
		if tt.edit != nil {
			tt.edit(&s)
		}
		if d := s.popDoor(); d.Why != tt.why || d.Allowed != (tt.why == WhyPopRetry) || d.Target != "%RETRY%g_orders" {
			t.Errorf("%s: %+v, want %s", tt.kind, d, tt.why)
		}
	}
}

func TestDoorD(t *testing.T) {
	client := func(language string) []dlq.GroupClient { return []dlq.GroupClient{{ID: "1", Language: language}} }
	for _, tt := range []struct {
		group dlq.GroupInfo
		why   string
		warns bool
	}{
		{dlq.GroupInfo{Kind: dlq.GroupConcurrent}, ShutNobodyOnline, false},
		{dlq.GroupInfo{Kind: dlq.GroupConcurrent, Online: true, Clients: client("GO")}, WhyProbe, false},
		{dlq.GroupInfo{Kind: dlq.GroupOrderly, Online: true, Clients: client("JAVA")}, WhyProbe, false},
		{dlq.GroupInfo{Kind: dlq.GroupOrderly, Online: true, Clients: client("GO")}, WhyProbe, true},
		{dlq.GroupInfo{Kind: dlq.GroupUnknown, Online: true, Clients: client("GO")}, WhyProbe, true},
		{dlq.GroupInfo{Kind: dlq.GroupGRPC, Online: true, Clients: client("JAVA")}, WhyProbe, true},
	} {
		s := situation{topic: "orders", group: tt.group, broker: five(), holder: "b", via: "b"}
		if d := s.probeDoor(); d.Why != tt.why || d.Allowed != tt.group.Online || slices.Contains(d.Warnings, WarnUntrusted) != tt.warns {
			t.Errorf("%+v: %+v", tt.group, d)
		}
	}
}

// Where a replay may go that is not for the failed consumer group, which doors lead there, and who gets it.
func TestTargets(t *testing.T) {
	group := dlq.GroupInfo{Name: "g", Exists: true, Kind: dlq.GroupConcurrent, Online: true, Topics: []string{"payments"}}
	kind := func(k dlq.GroupKind) func(*situation) { return func(s *situation) { s.group.Kind = k } }
	for _, tt := range []struct {
		name   string
		target dlq.TargetKind
		edit   func(*situation)
		def    dlq.Door
		want   map[dlq.Door]string // why
		warns  []string            // of the default
	}{
		{"original topic", dlq.TargetTopic, nil, "A", map[dlq.Door]string{"A": WhyEveryGroup}, []string{WarnOtherGroups}},
		{"original topic of gRPC", dlq.TargetTopic, kind(dlq.GroupGRPC), "A", map[dlq.Door]string{"A": WhyEveryGroup}, []string{WarnOtherGroups}},
		{"another topic", dlq.TargetOtherTopic, nil, "A", map[dlq.Door]string{"A": WhyOtherTopic}, []string{WarnOtherGroups}},
		{"another topic, group offline", dlq.TargetOtherTopic, func(s *situation) { s.group.Online = false }, "A", map[dlq.Door]string{"A": WhyOtherTopic}, []string{WarnOtherGroups}},
		{"another topic that is not there", dlq.TargetOtherTopic, func(s *situation) { s.topicMissing = true }, "", map[dlq.Door]string{"A": ShutTopicMissing}, nil},
		{"a retry topic", dlq.TargetOtherTopic, func(s *situation) { s.topic = "%RETRY%g" }, "", map[dlq.Door]string{"A": ShutTopicReserved}, nil},
		{"a system topic", dlq.TargetOtherTopic, func(s *situation) { s.topic = "RMQ_SYS_TRANS_HALF_TOPIC" }, "", map[dlq.Door]string{"A": ShutTopicReserved}, nil},
		{"another group", dlq.TargetOtherGroup, nil, "B", map[dlq.Door]string{"B": WhyOtherGroup, "P": ShutNotGRPC}, []string{WarnNotSubscribed}},
		{"another group that subscribes", dlq.TargetOtherGroup, func(s *situation) { s.topic = "payments" }, "B", map[dlq.Door]string{"B": WhyOtherGroup, "P": ShutNotGRPC}, []string{}},
		{"another gRPC group", dlq.TargetOtherGroup, kind(dlq.GroupGRPC), "P", map[dlq.Door]string{"B": ShutGRPC, "P": WhyOtherGroup}, []string{WarnNotSubscribed}},
		{"another orderly group", dlq.TargetOtherGroup, kind(dlq.GroupOrderly), "", map[dlq.Door]string{"B": ShutOrderlyDiverted, "P": ShutNotGRPC}, nil},
		{"another group that is not there", dlq.TargetOtherGroup, func(s *situation) { s.group.Exists = false }, "", map[dlq.Door]string{"B": ShutGroupMissing, "P": ShutNotGRPC}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := situation{target: tt.target, topic: "orders", group: group, broker: five(), holder: "b", via: "b", receivers: []string{"audit", "g"}, complete: true, now: time.Now()}
			if tt.edit != nil {
				tt.edit(&s)
			}
			doors, def := s.doors()
			got := map[dlq.Door]string{}
			for _, d := range doors {
				got[d.Door] = d.Why
				if d.Door == def && !slices.Equal(d.Warnings, tt.warns) {
					t.Errorf("warnings %v, want %v", d.Warnings, tt.warns)
				}
				if !d.Allowed && sentences[d.Why] == "" {
					t.Errorf("no sentence says %q", d.Why)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || def != tt.def {
				t.Errorf("the console takes %q, want %q; %s", def, tt.def, diff)
			}
		})
	}
}

func TestDoorWarnings(t *testing.T) {
	s := situation{
		topic: "orders", group: dlq.GroupInfo{Name: "g", Exists: true, Kind: dlq.GroupOrderly, BrokersAway: []string{"z"}}, broker: four(),
		holder: "b", via: "c", receivers: []string{"audit", "g"}, complete: false, maybeSent: true, confirmed: true, foreign: true, deadOld: true,
	}
	doors, _ := s.doors()
	common := []string{WarnOffline, WarnOutOfOrder, WarnMaybeSent, WarnConfirmed, WarnForeignConsole, WarnBrokersAway}
	want := map[dlq.Door][]string{
		"B": append([]string{WarnOtherBroker}, common...),
		"C": append([]string{WarnOneAttempt, WarnDeadCopyOld}, common...),
		"A": append([]string{WarnOtherGroups, WarnReceivers}, common...),
		"P": {}, "D": {},
	}
	got := map[dlq.Door][]string{}
	for _, d := range doors {
		got[d.Door] = d.Warnings
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for packed, want := range map[bool]string{false: "B", true: "BA"} { // door A compresses what came plain
		s.tooLarge, s.packed = true, packed
		got := ""
		doors, _ := s.doors()
		for _, d := range doors {
			if slices.Contains(d.Warnings, WarnTooLarge) {
				got += string(d.Door)
			}
		}
		if got != want {
			t.Errorf("over the limit, compressed %v: doors %s warn, want %s", packed, got, want)
		}
	}
	s.receivers, s.complete = []string{"g"}, true
	if a := s.topicDoor(); !only(a, "g") || len(a.Warnings) != 0 {
		t.Errorf("A with one receiver: %+v", a)
	}
}

func TestPlanWait(t *testing.T) {
	now := time.Now().UTC()
	at := func(d time.Duration) *time.Time { x := now.Add(d); return &x }
	none := dlq.Capabilities{Broker: "b"}
	for _, tt := range []struct {
		name   string
		req    dlq.ReplayRequest
		door   dlq.Door
		broker dlq.Capabilities
		want   wait
		code   dlq.Code
	}{
		{"at once", dlq.ReplayRequest{}, "B", five(), wait{}, ""},
		{"a level", dlq.ReplayRequest{Delay: dlq.Duration(10 * time.Second)}, "B", five(), wait{level: 3, actual: 10 * time.Second}, ""},
		{"between levels, timer", dlq.ReplayRequest{Delay: dlq.Duration(7 * time.Second)}, "B", five(), wait{actual: 7 * time.Second, timer: at(7 * time.Second)}, ""},
		{"between levels, rounded up", dlq.ReplayRequest{Delay: dlq.Duration(7 * time.Second)}, "B", four(), wait{level: 3, actual: 10 * time.Second}, ""},
		{"C has levels only", dlq.ReplayRequest{Delay: dlq.Duration(7 * time.Second)}, "C", five(), wait{level: 3, actual: 10 * time.Second}, ""},
		{"C never without", dlq.ReplayRequest{}, "C", five(), wait{level: 1, actual: time.Second}, ""},
		{"C, levels unknown", dlq.ReplayRequest{}, "C", none, wait{level: 1}, ""},
		{"above the levels, timer", dlq.ReplayRequest{Delay: dlq.Duration(5 * time.Hour)}, "A", five(), wait{actual: 5 * time.Hour, timer: at(5 * time.Hour)}, ""},
		{"above the levels", dlq.ReplayRequest{Delay: dlq.Duration(5 * time.Hour)}, "A", four(), wait{}, dlq.CodeInvalid},
		{"above the levels, C", dlq.ReplayRequest{Delay: dlq.Duration(5 * time.Hour)}, "C", five(), wait{}, dlq.CodeInvalid},
		{"above the timer", dlq.ReplayRequest{Delay: dlq.Duration(73 * time.Hour)}, "B", five(), wait{}, dlq.CodeInvalid},
		{"exact time", dlq.ReplayRequest{DeliverAt: at(time.Hour)}, "B", five(), wait{actual: time.Hour, timer: at(time.Hour)}, ""},
		{"time in the past", dlq.ReplayRequest{DeliverAt: at(-time.Hour)}, "B", five(), wait{}, ""},
		{"exact time too far", dlq.ReplayRequest{DeliverAt: at(100 * time.Hour)}, "B", five(), wait{}, dlq.CodeInvalid},
		{"exact time without timer", dlq.ReplayRequest{DeliverAt: at(time.Hour)}, "B", four(), wait{}, dlq.CodeNotSupported},
		{"exact time by C", dlq.ReplayRequest{DeliverAt: at(time.Hour)}, "C", five(), wait{}, dlq.CodeNotSupported},
		{"both", dlq.ReplayRequest{Delay: 1, DeliverAt: at(time.Hour)}, "B", five(), wait{}, dlq.CodeInvalid},
		{"negative", dlq.ReplayRequest{Delay: -1}, "B", five(), wait{}, dlq.CodeInvalid},
		{"levels unknown", dlq.ReplayRequest{Delay: dlq.Duration(time.Minute)}, "B", none, wait{}, dlq.CodeNotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := planWait(tt.req, tt.door, tt.broker, now)
			if dlq.CodeOf(err) != tt.code {
				t.Fatalf("error %v, want code %q", err, tt.code)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(wait{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
