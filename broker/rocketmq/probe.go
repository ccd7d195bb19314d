package rocketmq

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// probePatience is longer than the ten seconds for which a broker waits for its client (Broker2Client.java).
const probePatience = 15 * time.Second

// probeMessage is a stored copy that a listener can be run on.
type probeMessage struct {
	broker, id string
	dead       bool // the dead copy: its listener sees the topic %DLQ%<group>
}

// Probe has one client of a consumer group run its listener on a dead message now (request code 309) and returns the
// verdict. clientID "" takes the first client that can be asked. Nothing is stored and no offset moves, but the listener
// really runs: after dlq.ProbeSuccess the message is consumed, and after dlq.ProbeTimeout it may be.
//
// The listener gets the message as it was produced, or as it was last given back, where a broker still holds that; else
// the dead copy, which clients for Java take and clients for Go refuse ("consume callback missing"). Verdicts of gRPC
// clients, which never tell why, and of clients for Go that may be orderly, which say success when the listener suspended
// (rocketmq-client-go v2.1.2 push_consumer.go:417), are not Trusted.
//
// Errors: dlq.CodeRefused when no client can be asked, dlq.CodeNotFound when the named one is not online,
// dlq.CodeUnavailable when the brokers do not answer. With any error the listener has not run on the message.
func (b *Broker) Probe(ctx context.Context, group, clientID string, m *dlq.DeadMessage) (dlq.ProbeAnswer, error) {
	c, err := b.present(ctx)
	if err != nil {
		return dlq.ProbeAnswer{}, err
	}
	p, err := b.presence(ctx, c, group)
	if err != nil {
		return dlq.ProbeAnswer{}, err
	}
	clients := p.clients
	if clientID != "" {
		clients = slices.DeleteFunc(slices.Clone(clients), func(cl dlq.GroupClient) bool { return cl.ID != clientID })
	}
	switch {
	case !p.online:
		return dlq.ProbeAnswer{}, dlq.Errorf(dlq.CodeRefused, "nobody of the consumer group %s is online", group).WithHint("a probe needs a connected client; start one, or give the letter back: it waits")
	case len(clients) == 0:
		return dlq.ProbeAnswer{}, dlq.Errorf(dlq.CodeNotFound, "the consumer group %s has no client %s online", group, clientID)
	}
	kind, why := b.kind(ctx, group, p, m)
	specimens, err := b.specimens(ctx, c, m)
	if err != nil {
		return dlq.ProbeAnswer{}, err
	}
	// Who can be asked is known only by asking: a client need not be connected to the broker that holds the message.
	failed := error(dlq.Errorf(dlq.CodeRefused, "no broker has the message any more, neither as it was produced nor the dead copy"))
	if len(p.away) > 0 {
		failed = dlq.Errorf(dlq.CodeUnavailable, "no broker that answers has the message, and %s", areAway(p.away))
	}
	for _, s := range specimens {
		for _, cl := range clients {
			if s.dead && cl.Language == "GO" {
				failed = dlq.Errorf(dlq.CodeRefused, "the client %s is one for Go, which cannot be run on a dead copy, and the original message is gone", cl.ID)
				continue
			}
			addr, err := b.master(s.broker)
			if err != nil {
				return dlq.ProbeAnswer{}, err
			}
			a := dlq.ProbeAnswer{ClientID: cl.ID, Language: cl.Language, OnDead: s.dead, Trusted: b.truthful(ctx, p, group, cl, kind, why)}
			err = b.probe(ctx, addr, group, s, m, &a)
			switch {
			case err == nil:
				return a, nil
			case !remoting.IsCode(err, remoting.AnswerSystemError):
				return dlq.ProbeAnswer{}, unreachable(s.broker, "to run the listener of "+cl.ID, err)
			}
			var answer *remoting.ResponseError
			errors.As(err, &answer)
			failed = explain(dlq.Errorf(dlq.CodeRefused, "the client %s cannot be asked through the broker %s: %w", cl.ID, s.broker, err), err)
		}
	}
	return dlq.ProbeAnswer{}, failed
}

// probe asks one client once. An error says that its listener was not run; an answer of code 1, that the broker cannot reach
// the client or has no such message. When the broker lost the client in between, it says "invoke consumer … Exception".
func (b *Broker) probe(ctx context.Context, addr, group string, s probeMessage, m *dlq.DeadMessage, a *dlq.ProbeAnswer) error {
	release, err := b.turn(ctx, a.ClientID)
	if err != nil {
		return dlq.Errorf(dlq.CodeUnavailable, "the client %s is busy with other questions: %w", a.ClientID, err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	begun := b.now()
	res, err := b.wire.ConsumeDirectly(ctx, addr, remoting.DirectRequest{
		Group: group, ClientID: a.ClientID, MessageID: s.id, Topic: m.OriginalTopic, Broker: s.broker,
	})
	a.Spent = b.now().Sub(begun)
	var answer *remoting.ResponseError
	var unsent *remoting.Unsent
	switch {
	case err == nil:
	case errors.As(err, &answer) && answer.Code != remoting.AnswerConsumeTimeout && !strings.Contains(answer.Remark, "invoke consumer"), errors.As(err, &unsent):
		return err
	default: // time-outs, lost connections and what cannot be read: it was asked
		a.Verdict = dlq.ProbeTimeout
		return nil
	}
	if res.Spent > 0 {
		a.Spent = res.Spent
	}
	if strings.HasPrefix(res.Remark, "the consume callback missing") {
		return dlq.Errorf(dlq.CodeRefused, "the client %s has no listener for the message's topic", a.ClientID)
	}
	switch res.Result { // with others than exceptions the remark is empty, or "from gRPC client"
	case "CR_SUCCESS", "CR_COMMIT":
		a.Verdict = dlq.ProbeSuccess
	case "CR_LATER", "CR_ROLLBACK":
		a.Verdict = dlq.ProbeLater
	case "CR_THROW_EXCEPTION":
		a.Verdict, a.Text = dlq.ProbeException, res.Remark
	case "CR_RETURN_NULL":
		a.Verdict = dlq.ProbeNull
	default:
		a.Verdict, a.Trusted, a.Text = dlq.ProbeNull, false, "the client answered "+res.Result
	}
	return nil
}

// truthful says whether a client that answers success means it.
func (b *Broker) truthful(ctx context.Context, p presence, group string, cl dlq.GroupClient, kind dlq.GroupKind, why string) bool {
	switch {
	case kind == dlq.GroupGRPC || kind == dlq.GroupGRPCFIFO:
		return false
	case cl.Language != "GO":
		return true
	case kind != dlq.GroupConcurrent:
		return false
	}
	if why == KindByListener || why == KindRemembered {
		return true
	}
	orderly, _, err := b.listener(ctx, p.hosts[cl.ID], group, cl.ID)
	return err == nil && !orderly
}

// specimens returns the copies of a dead message that a listener can be run on, the best first.
func (b *Broker) specimens(ctx context.Context, c *cluster, m *dlq.DeadMessage) ([]probeMessage, error) {
	var out []probeMessage
	s, found, err := b.original(ctx, c, m)
	if err != nil {
		return nil, err
	}
	if found {
		out = append(out, s)
	}
	addr, err := b.master(m.Broker)
	if err != nil || b.isAway(c, m.Broker) {
		return out, nil // whatever is elsewhere will do
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	dead, err := b.wire.ViewMessage(ctx, addr, "", m.PhysOffset)
	switch {
	case remoting.IsCode(err, remoting.AnswerSystemError):
		return out, nil
	case err != nil:
		return nil, unreachable(m.Broker, "to show the dead copy", err)
	case dead.Topic == m.Topic && dead.QueueOffset == m.Offset && dead.PhysicalOffset == m.PhysOffset:
		out = append(out, probeMessage{broker: m.Broker, id: dead.OffsetID(), dead: true})
	}
	return out, nil
}

// original finds the message as a listener got it first: by the id that its dead copy names, else by its key under its
// topic and under the retry topic, where it lies when it was given back.
func (b *Broker) original(ctx context.Context, c *cluster, m *dlq.DeadMessage) (probeMessage, bool, error) {
	if _, offset, err := remoting.ParseMessageID(m.Properties[dlq.PropOriginID]); err == nil {
		host, _, _ := remoting.ParseMessageID(m.Properties[dlq.PropOriginID])
		for name, data := range c.brokers {
			if data.Master() != host.String() {
				continue // nobody is dialled because a message says so
			}
			actx, cancel := context.WithTimeout(ctx, askPatience)
			found, err := b.wire.ViewMessage(actx, data.Master(), "", offset)
			cancel()
			if err == nil && b.same(m, &found) {
				return probeMessage{broker: name, id: found.OffsetID()}, true, nil
			}
		}
	}
	retry := dlq.RetryPrefix + m.ConsumerGroup
	for _, topic := range []string{m.OriginalTopic, retry} {
		if topic == "" || m.UniqueKey() == "" {
			continue
		}
		holders, err := b.mastersOf(ctx, topic)
		if err != nil {
			return probeMessage{}, false, err
		}
		for _, name := range holders {
			if b.isAway(c, name) {
				continue
			}
			addr := c.brokers[name].Master()
			found, err := b.byKey(ctx, name, addr, topic, m.UniqueKey(), time.Time{})
			if err != nil {
				return probeMessage{}, false, err
			}
			for _, f := range found {
				if b.same(m, &f) {
					return probeMessage{broker: name, id: f.OffsetID()}, true, nil
				}
			}
		}
	}
	return probeMessage{}, false, nil
}

// same says whether a stored message is what died, in a topic under whose name a listener takes it. An edited replay shares
// the UNIQ_KEY with the original, and carries a replay id of its own.
func (b *Broker) same(m *dlq.DeadMessage, f *remoting.Message) bool {
	retry := f.Topic == dlq.RetryPrefix+m.ConsumerGroup && f.Properties[dlq.PropRetryTopic] == m.OriginalTopic
	if f.Topic != m.OriginalTopic && !retry || f.Properties[dlq.PropUniqueKey] != m.UniqueKey() || f.Properties[dlq.PropReplayID] != m.Properties[dlq.PropReplayID] {
		return false
	}
	body, _ := decodeBody(f.Body, f.SysFlag, b.opt.BodyLimit)
	return bytes.Equal(body, m.Body)
}
