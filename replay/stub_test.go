package replay

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// stubBroker answers with its functions, and well where one is nil.
type stubBroker struct {
	status       func() dlq.ClusterStatus
	group        func() (dlq.GroupInfo, error)
	capabilities func() (dlq.Capabilities, error)
	abilities    func(broker string) (dlq.Capabilities, error)
	subscribers  func() ([]string, bool, error)
	topics       func() ([]dlq.TopicInfo, error)
	send         func(dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error)
	look         func(dlq.Replay) (dlq.Evidence, error)
	probe        func(client string) (dlq.ProbeAnswer, error)

	mu    sync.Mutex
	sent  []dlq.SendRequest
	looks int
	asked []int // replays of each LookMany
}

func (b *stubBroker) Status() dlq.ClusterStatus {
	if b.status != nil {
		return b.status()
	}
	return dlq.ClusterStatus{Reachable: true}
}

func (b *stubBroker) Group(_ context.Context, name string, _ *dlq.DeadMessage) (dlq.GroupInfo, error) {
	if b.group != nil {
		return b.group()
	}
	return dlq.GroupInfo{Name: name, Exists: true, Kind: dlq.GroupConcurrent, Online: true, MaxRetry: 16}, nil
}

func (b *stubBroker) Capabilities(_ context.Context, broker string) (dlq.Capabilities, error) {
	if b.abilities != nil {
		return b.abilities(broker)
	}
	if b.capabilities != nil {
		return b.capabilities()
	}
	return five(), nil
}

func (b *stubBroker) Subscribers(context.Context, string) ([]string, bool, error) {
	if b.subscribers != nil {
		return b.subscribers()
	}
	return []string{"audit", "pay-service"}, true, nil
}

func (b *stubBroker) Topics(context.Context) ([]dlq.TopicInfo, error) {
	if b.topics != nil {
		return b.topics()
	}
	return nil, nil
}

func (b *stubBroker) Send(_ context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	b.mu.Lock()
	b.sent = append(b.sent, req)
	b.mu.Unlock()
	if b.send != nil {
		return b.send(req)
	}
	return dlq.Receipt{Broker: "b", Offset: 5, MessageID: "m"}, dlq.Sent, nil
}

func (b *stubBroker) Look(_ context.Context, r dlq.Replay) (dlq.Evidence, error) {
	b.mu.Lock()
	b.looks++
	b.mu.Unlock()
	if b.look != nil {
		return b.look(r)
	}
	return dlq.Evidence{At: time.Now(), Online: true, PassedKnown: true, Passed: true, Copies: []dlq.Copy{{Place: dlq.PlaceTarget, Broker: "b", StoredAt: r.IntendedAt}}}, nil
}

func (b *stubBroker) Size(req dlq.SendRequest) (int, error) {
	if req.Compress {
		return len(req.Body) / 10, nil
	}
	return len(req.Body), nil
}

func (b *stubBroker) LookMany(ctx context.Context, list []dlq.Replay) (evidence []dlq.Evidence, errs []error) {
	b.mu.Lock()
	b.asked = append(b.asked, len(list))
	b.mu.Unlock()
	for _, r := range list {
		ev, err := b.Look(ctx, r)
		evidence, errs = append(evidence, ev), append(errs, err)
	}
	return evidence, errs
}

func (b *stubBroker) Probe(_ context.Context, _, client string, _ *dlq.DeadMessage) (dlq.ProbeAnswer, error) {
	return b.probe(client)
}

func (b *stubBroker) looked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looks
}

func (b *stubBroker) sends() []dlq.SendRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

type stubRules func(m *dlq.DeadMessage) ([]byte, string, bool, error)

func (r stubRules) Unwrap(m *dlq.DeadMessage) ([]byte, string, bool, error) {
	if r == nil {
		return m.Body, "", false, nil
	}
	return r(m)
}

func (r stubRules) ReplayTargets(string) dlq.ReplayTargets {
	return dlq.ReplayTargets{Topics: []string{"listed"}, ConsumerGroups: []string{"listed-group"}}
}

func levels(texts ...string) (out []dlq.Duration) {
	for _, s := range texts {
		d, err := dlq.ParseDuration(s)
		if err != nil {
			panic(err)
		}
		out = append(out, d)
	}
	return out
}

// five is a broker of version 5, four one of version 4.
func five() dlq.Capabilities {
	c := four()
	c.Version, c.Major, c.Timer, c.TimerMax, c.OrderlyDiverts, c.RefusesEmpty = "5.5.0", 5, true, dlq.Duration(72*time.Hour), true, true
	return c
}

func four() dlq.Capabilities {
	return dlq.Capabilities{Broker: "b", Version: "4.9.7", Major: 4, Levels: levels("1s", "5s", "10s", "30s", "1m", "2h")}
}

func newService(store *fakeStore, broker *stubBroker) *Service {
	return New(Deps{
		Store: store, Broker: broker, Rules: stubRules(nil), Now: store.now,
		Automation: func() dlq.Automation { return dlq.Automation{On: true} },
		Policy:     func() dlq.AutomationPolicy { return dlq.AutomationPolicy{Rate: 10} },
	})
}

func dump(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}
