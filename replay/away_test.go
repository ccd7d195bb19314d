package replay

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

// gone is a cluster whose broker b, which has the dead copies, left; the group reads its retry topic on c.
func gone(serving ...string) *stubBroker {
	return &stubBroker{
		group: func() (dlq.GroupInfo, error) {
			return dlq.GroupInfo{Name: "pay-service", Exists: true, Kind: dlq.GroupConcurrent, Online: true, Serving: serving, BrokersAway: []string{"b"}}, nil
		},
		abilities: func(broker string) (dlq.Capabilities, error) {
			if broker == "b" {
				return dlq.Capabilities{}, dlq.Errorf(dlq.CodeUnavailable, "the name server does not know the broker b any more")
			}
			return five(), nil
		},
	}
}

// A letter whose broker is gone goes through another that serves its consumer group, and the replay says which.
func TestLetterOfABrokerThatIsGone(t *testing.T) {
	store, broker := newFakeStore(), gone("c")
	store.add(1, dlq.StateOpen, nil)
	s := newService(store, broker)
	o, err := s.Options(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	doors := map[dlq.Door]dlq.DoorOption{}
	for _, d := range o.Doors {
		doors[d.Door] = d
	}
	if !o.Allowed || o.Default != dlq.DoorRetry || doors["B"].Broker != "c" || doors["C"].Why != ShutBrokerAway || !doors["A"].Allowed || !slices.Equal(o.BrokersAway, []string{"b"}) ||
		o.HolderError != "the name server does not know the broker b any more" || o.BrokerError != "" || !slices.Contains(doors["B"].Warnings, WarnOtherBroker) || o.DeadCopyUntil != nil {
		t.Errorf("options %s", dump(o))
	}
	r, _, err := s.Replay(t.Context(), ask(1))
	sent := broker.sends()
	if err != nil || len(sent) != 1 || sent[0].Broker != "c" || sent[0].Replay.Target != "%RETRY%pay-service" || r.Outcome != dlq.OutcomeWaiting {
		t.Errorf("replay %s, %v, sent %s", dump(r), err, dump(sent))
	}
	if sent[0].Replay.Receipt.Broker != "" && sent[0].Replay.Receipt.Broker != "c" {
		t.Errorf("the intent names the broker %s", sent[0].Replay.Receipt.Broker)
	}
}

// What only the broker that is away could do is unavailable, and not refused: it may come back.
func TestLetterThatWaitsForItsBroker(t *testing.T) {
	store, broker := newFakeStore(), gone()
	broker.subscribers = func() ([]string, bool, error) {
		return nil, false, dlq.Errorf(dlq.CodeUnavailable, "the topic cannot be reached")
	}
	store.add(1, dlq.StateOpen, nil)
	s := newService(store, broker)
	o, err := s.Options(t.Context(), 1)
	if err != nil || o.Allowed || o.Why != StuckBrokerAway || o.Default != "" {
		t.Errorf("options %s, %v", dump(o), err)
	}
	for _, door := range []dlq.Door{"", dlq.DoorRetry, dlq.DoorBack, dlq.DoorTopic} {
		req := ask(1)
		req.Door = door
		if _, _, err := s.Replay(t.Context(), req); dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("door %q: %v", door, err)
		}
	}
	for _, res := range s.Batch(t.Context(), bulk(tasks(store, 3, nil), dlq.ReplaySpec{})) {
		if !res.Later || res.Skip != "" || res.Replay.ID != "" {
			t.Errorf("%+v", res)
		}
	}
	if n := len(broker.sends()); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

// Rules go on with the letters of a consumer group that do not wait for the broker that is away, and leave to a person what
// waits for it for too long.
func TestDueOfABrokerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, broker := newFakeStore(), gone()
		for id := int64(1); id <= 40; id++ {
			store.add(id, dlq.StateScheduled, func(l *dlq.Letter, m *dlq.DeadMessage) {
				if l.Broker = "b"; id%2 == 0 {
					l.Broker = "c"
				}
				m.Broker = l.Broker
			})
		}
		running(t, newService(store, broker))
		time.Sleep(10 * time.Second)
		if waits, sent := count(store, dlq.StateScheduled), count(store, dlq.StateAwaiting); waits != 20 || sent != 20 {
			t.Errorf("%d wait and %d are sent", waits, sent)
		}
		time.Sleep(2 * awayLimit)
		if l := store.letter(1); count(store, dlq.StateScheduled) != 0 || l.State != dlq.StateOpen || l.Hold != dlq.HoldNoDoor {
			t.Errorf("letter 1 is %s, held %q; %d wait", l.State, l.Hold, count(store, dlq.StateScheduled))
		}
		for _, sent := range broker.sends() {
			if sent.Replay.LetterID%2 != 0 {
				t.Errorf("letter %d was sent", sent.Replay.LetterID)
			}
		}
	})
}
