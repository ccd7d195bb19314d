package replay

import (
	"context"

	"deadletteroffice/dlq"
)

// Probe has one connected client run its listener on a letter's message now, and keeps what it says.
func (s *Service) Probe(ctx context.Context, req dlq.ProbeRequest) (dlq.Probe, dlq.Letter, error) {
	m, err := s.Store.Message(ctx, req.LetterID)
	if err != nil {
		return dlq.Probe{}, dlq.Letter{}, err
	}
	broker, ok := s.Broker.(Prober)
	if !ok {
		return dlq.Probe{}, dlq.Letter{}, dlq.Errorf(dlq.CodeNotSupported, "this broker cannot be asked to run a listener")
	}
	a, err := broker.Probe(ctx, m.ConsumerGroup, req.ClientID, &m)
	if err != nil {
		return dlq.Probe{}, dlq.Letter{}, err
	}
	p := dlq.Probe{LetterID: req.LetterID, At: s.now(), Actor: req.Actor, Note: req.Note, ClientID: a.ClientID, Language: a.Language,
		Verdict: a.Verdict, Text: a.Text, Spent: dlq.Duration(a.Spent), Trusted: a.Trusted, OnDead: a.OnDead}
	l, err := s.Probed(ctx, p)
	return p, l, err
}
