package ui

import (
	"bytes"
	"context"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// Status is what stands on top of every page.
type Status struct {
	Version    string            `json:"version"`
	Cluster    dlq.ClusterStatus `json:"cluster"`
	Automation dlq.Automation    `json:"automation"`
	Rules      RulesStatus       `json:"rules"`
	Store      StoreStatus       `json:"store"`
	Intake     IntakeStatus      `json:"intake"`
	Demo       DemoStatus        `json:"demo"`
}

// RulesStatus says which rules are in force and whether the file as it is now is refused.
type RulesStatus struct {
	Version int64 `json:"version"`
	Refused bool  `json:"refused"`
	Errors  int   `json:"errors"` // in the refused file
}

// StoreStatus is how the store does.
type StoreStatus struct {
	Full      bool  `json:"full"`
	SearchLag int64 `json:"search_lag"`
}

// IntakeStatus says whether dead messages are being read.
type IntakeStatus struct {
	Stalled bool       `json:"stalled"`
	Since   *time.Time `json:"since,omitempty"`
}

// DemoStatus is where the demo shop is.
type DemoStatus struct {
	ShopURL string `json:"shop_url,omitempty"`
}

const (
	statusEvery = 2 * time.Second
	// stalledAfter is how old the newest look at a topic may be. It is well above the ten seconds in which topics are discovered.
	stalledAfter = time.Minute
)

// stateKeeper remembers since when intake is stalled, and what followers were told last.
type stateKeeper struct {
	mu           sync.Mutex
	stalledSince *time.Time
}

func (s *Server) getStatus(ctx context.Context, _ *none) (Status, error) {
	summary, err := s.Store.Summary(ctx)
	if err != nil {
		return Status{}, err
	}
	automation, err := s.Store.Automation(ctx)
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Version:    s.Version,
		Cluster:    s.Cluster.Status(),
		Automation: automation,
		Store:      StoreStatus{Full: s.Store.Full(), SearchLag: summary.SearchLag},
		Demo:       DemoStatus{ShopURL: s.ShopURL},
	}
	rules := s.Book.Current()
	status.Rules.Version = rules.Version.Version
	if rules.Refused != nil {
		status.Rules.Refused = true
		for _, d := range rules.Refused.Diagnostics {
			if d.Severity == dlq.DiagnosticError {
				status.Rules.Errors++
			}
		}
	}
	// A cluster that cannot be reached is said so by Cluster; then nobody expects intake to go on.
	if status.Cluster.Reachable {
		topics, err := s.Cluster.Topics(ctx)
		if err == nil {
			status.Intake = s.state.intake(topics, s.Now().UTC())
		}
	}
	return status, nil
}

// intake is stalled while a topic with unread messages has an error or was not looked at for a while.
func (k *stateKeeper) intake(topics []dlq.TopicInfo, now time.Time) IntakeStatus {
	var since *time.Time
	for i := range topics {
		t := &topics[i]
		if t.Readable && (t.LastError != "" || now.Sub(t.CheckedAt) > stalledAfter) && (since == nil || t.CheckedAt.Before(*since)) {
			at := t.CheckedAt.UTC()
			since = &at
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if since == nil {
		k.stalledSince = nil
	} else if k.stalledSince == nil || since.Before(*k.stalledSince) {
		k.stalledSince = since
	}
	return IntakeStatus{Stalled: since != nil, Since: k.stalledSince}
}

// followStatus tells followers of the stream when the status changes, until the context ends.
func (s *Server) followStatus(ctx context.Context) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	var last []byte
	for {
		last = s.tellStatus(ctx, last)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellStatus tells the status if it differs from what was told last, and returns what is told now.
func (s *Server) tellStatus(ctx context.Context, last []byte) []byte {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status, err := s.getStatus(ctx, &none{})
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("status not told to followers", "err", err)
		}
		return last
	}
	text, err := encode(status)
	if err != nil {
		s.Logger.Error("status not told to followers", "err", err)
		return last
	}
	if last != nil && !bytes.Equal(last, text) {
		s.hub.tell("status", status)
	}
	return text
}
