package simulated

import (
	"context"
	"maps"
	"time"

	"deadletteroffice/dlq"
)

// LookMany is Look for each replay; the i-th evidence or error is that of the i-th replay.
func (b *Broker) LookMany(ctx context.Context, list []dlq.Replay) ([]dlq.Evidence, []error) {
	evs, errs := make([]dlq.Evidence, len(list)), make([]error, len(list))
	for i, r := range list {
		evs[i], errs[i] = b.Look(ctx, r)
	}
	return evs, errs
}

// Probe runs the listener of a consumer group on a dead message, as a broker does by request code 309: no offset moves and
// nothing is stored. The group's one client is named as Group names it. The listener sees the dead copy, under the name
// %DLQ%<group>, where the original topic is not known.
//
// Errors: dlq.CodeRefused when the group is offline, dlq.CodeNotFound when the client is another's.
func (b *Broker) Probe(_ context.Context, name, clientID string, m *dlq.DeadMessage) (dlq.ProbeAnswer, error) {
	b.mu.Lock()
	if err := b.reachable(); err != nil {
		b.mu.Unlock()
		return dlq.ProbeAnswer{}, err
	}
	g, ok := b.groups[name]
	online := ok && g.online
	b.mu.Unlock()
	if !online {
		return dlq.ProbeAnswer{}, dlq.Errorf(dlq.CodeRefused, "nobody of the consumer group %s is online", name)
	}
	a := dlq.ProbeAnswer{ClientID: clientOf(name), Language: language, Verdict: dlq.ProbeSuccess, OnDead: m.OriginalTopic == ""}
	if clientID != "" && clientID != a.ClientID {
		return dlq.ProbeAnswer{}, dlq.Errorf(dlq.CodeNotFound, "the consumer group %s has no client %s online", name, clientID)
	}
	a.Trusted = g.Kind != dlq.GroupGRPC && g.Kind != dlq.GroupGRPCFIFO
	seen := Seen{Group: name, Topic: m.OriginalTopic, Properties: maps.Clone(m.Properties), Body: m.Body}
	if a.OnDead {
		seen.Topic, seen.Attempts = m.Topic, m.ReconsumeTimes
	}
	begun := time.Now()
	if g.Work != nil && !g.Work(seen) {
		a.Verdict = dlq.ProbeLater
	}
	a.Spent = time.Since(begun)
	return a, nil
}

const language = "SIMULATED"

func clientOf(group string) string { return "127.0.0.1@" + group }
