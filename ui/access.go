package ui

import (
	"context"
	"time"

	"deadletteroffice/dlq"
)

// OpenSession is a log-in of a browser, as admins see it.
type OpenSession struct {
	ID      string    `json:"id"`
	Actor   string    `json:"actor"`
	Role    Role      `json:"role"`
	Address string    `json:"address"` // that the log-in came from
	Since   time.Time `json:"since"`
	UsedAt  time.Time `json:"used_at"`
	EndsAt  time.Time `json:"ends_at"`
	Own     bool      `json:"own"` // the one that asks
}

// KnownToken is a line of the token file, as admins see it, without what is secret in it.
type KnownToken struct {
	Actor          string     `json:"actor"`
	Role           Role       `json:"role"`
	ConsumerGroups []string   `json:"consumer_groups"` // that a reporter is bound to
	ExpiresAt      *time.Time `json:"expires_at,omitempty"`
	UsedAt         *time.Time `json:"used_at,omitempty"` // since the console started
	Address        string     `json:"address,omitempty"` // that the last use came from
}

func (s *Server) listSessions(ctx context.Context, _ *none) (items[OpenSession], error) {
	own := callerIn(ctx).session
	out := items[OpenSession]{}
	for _, one := range s.entrance.sessions.list() {
		out.Items = append(out.Items, OpenSession{ID: one.id, Actor: one.name, Role: one.role, Address: one.address,
			Since: one.since.UTC(), UsedAt: one.used.UTC(), EndsAt: one.ends.UTC(), Own: one.id == own})
	}
	return out, nil
}

type sessionID struct {
	ID string `path:"id"`
}

// endSession throws somebody out, with the live stream of their page. With the token they may log in again.
func (s *Server) endSession(ctx context.Context, req *sessionID) (items[OpenSession], error) {
	ended, ok := s.entrance.sessions.endByID(req.ID)
	if !ok {
		return items[OpenSession]{}, dlq.Errorf(dlq.CodeNotFound, "there is no log-in %q any more", cut(req.ID, 40))
	}
	s.hub.disconnect()
	s.Logger.Info("log-in ended", "of", ended.name, "address", ended.address, "actor", actor(ctx))
	return s.listSessions(ctx, &none{})
}

func (s *Server) listTokens(context.Context, *none) (items[KnownToken], error) {
	out := items[KnownToken]{}
	if s.entrance.tokens == nil {
		return out, nil
	}
	for _, t := range s.entrance.tokens.now.Load().tokens {
		known := KnownToken{Actor: t.Name, Role: t.Role, ConsumerGroups: t.ConsumerGroups}
		if !t.Expires.IsZero() {
			at := t.Expires.UTC()
			known.ExpiresAt = &at
		}
		if last := s.entrance.uses.last(t.SHA256); !last.at.IsZero() {
			at := last.at.UTC()
			known.UsedAt, known.Address = &at, last.address
		}
		out.Items = append(out.Items, known)
	}
	return out, nil
}
