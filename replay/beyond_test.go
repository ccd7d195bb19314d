package replay

import (
	"slices"
	"testing"

	"deadletteroffice/dlq"
)

func doorOf(t *testing.T, doors []dlq.DoorOption, want dlq.Door) dlq.DoorOption {
	t.Helper()
	i := slices.IndexFunc(doors, func(d dlq.DoorOption) bool { return d.Door == want })
	if i < 0 {
		t.Fatalf("no door %s among %+v", want, doors)
	}
	return doors[i]
}

// A way to somebody else than the failed consumer group is shut for callers who may not send there: another topic, another
// group, and a topic that the message itself names while its consumer group does not subscribe to it.
func TestWaysBeyondTheFailedGroup(t *testing.T) {
	base := situation{topic: "orders", complete: true, group: dlq.GroupInfo{Name: "pay", Exists: true, Online: true, Kind: dlq.GroupConcurrent, Topics: []string{"orders"}},
		receivers: []string{"pay", "audit"}, broker: dlq.Capabilities{Levels: levels("1s")}, holder: "b1", via: "b1"}
	for _, tt := range []struct {
		name    string
		change  func(*situation)
		door    dlq.Door
		warned  bool
		outside bool // only who may send anywhere can take it
	}{
		{"RocketMQ names the topic", func(*situation) {}, dlq.DoorTopic, false, false},
		{"RocketMQ names one that the group does not read", func(s *situation) { s.receivers, s.group.Topics = []string{"audit"}, nil }, dlq.DoorTopic, false, false},
		{"the message names a topic of the group", func(s *situation) { s.named = true }, dlq.DoorTopic, false, false},
		{"the message names another", func(s *situation) { s.named, s.receivers, s.group.Topics = true, []string{"audit"}, []string{"other"} }, dlq.DoorTopic, true, true},
		{"the message names one and nobody knows what the group reads", func(s *situation) { s.named, s.receivers, s.group.Topics = true, nil, nil }, dlq.DoorTopic, true, true},
		{"to everybody, named by the message", func(s *situation) {
			s.target, s.named, s.receivers, s.group.Topics = dlq.TargetTopic, true, []string{"audit"}, nil
		}, dlq.DoorTopic, true, true},
		{"the failed group's retry topic, whatever the message names", func(s *situation) { s.named, s.receivers, s.group.Topics = true, nil, nil }, dlq.DoorRetry, false, false},
		{"another topic", func(s *situation) { s.target = dlq.TargetOtherTopic }, dlq.DoorTopic, false, true},
		{"another group", func(s *situation) { s.target = dlq.TargetOtherGroup }, dlq.DoorRetry, false, true},
	} {
		for _, bounded := range []bool{false, true} {
			s := base
			tt.change(&s)
			s.bounded = bounded
			doors, def := s.doors()
			d := doorOf(t, doors, tt.door)
			if d.Allowed == (bounded && tt.outside) || (d.Why == ShutNeedsAdmin) != (bounded && tt.outside) || slices.Contains(d.Warnings, WarnNamedByMessage) != tt.warned {
				t.Errorf("%s, bounded %v: %+v", tt.name, bounded, d)
			}
			if def == tt.door && !d.Allowed {
				t.Errorf("%s, bounded %v: the default is shut", tt.name, bounded)
			}
		}
	}
}

func TestListedTargets(t *testing.T) {
	s := &Service{Deps: Deps{Rules: stubRules(nil)}}
	for _, tt := range []struct {
		target dlq.Target
		topic  string
		want   bool
	}{
		{dlq.Target{}, "listed", true}, {dlq.Target{}, "orders", false},
		{dlq.Target{Kind: dlq.TargetOtherTopic, Name: "listed"}, "listed", true}, {dlq.Target{Kind: dlq.TargetOtherTopic, Name: "x"}, "x", false},
		{dlq.Target{Kind: dlq.TargetOtherGroup, Name: "listed-group"}, "orders", true}, {dlq.Target{Kind: dlq.TargetOtherGroup, Name: "x"}, "listed", false},
	} {
		if got := s.listed("pay", tt.target, tt.topic); got != tt.want {
			t.Errorf("%+v under %s: %v", tt.target, tt.topic, got)
		}
	}
}
