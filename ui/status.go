package ui

import (
	"bytes"
	"context"
	"slices"
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
	Alerts     AlertsStatus      `json:"alerts"`
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

	File dlq.FileStatus `json:"file"`
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
	// topicsEvery is how often the topics are looked at for the status.
	topicsEvery = 10 * time.Second
	// stalledAfter is how old the newest look at a topic may be. It is well above the ten seconds in which topics are discovered.
	stalledAfter = time.Minute
)

// stateKeeper remembers how intake does, and since when it is stalled.
type stateKeeper struct {
	mu    sync.Mutex
	asked time.Time
	last  IntakeStatus
}

// due returns how intake did, and whether it is time to look again; then the caller does.
func (k *stateKeeper) due(now time.Time) (last IntakeStatus, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if due = now.Sub(k.asked) >= topicsEvery; due {
		k.asked = now
	}
	return k.last, due
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
	book, err := s.Alerts.AlertBook(ctx)
	if err != nil {
		return Status{}, err
	}
	status := Status{
		Version:    s.Version,
		Cluster:    s.Cluster.Status(),
		Automation: automation,
		Alerts:     alertsStatus(book.Alerts),
		Store:      StoreStatus{Full: s.Store.Full(), SearchLag: summary.SearchLag, File: s.Store.FileStatus()},
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
		status.Intake = s.askIntake(ctx, status.Cluster.Away())
	}
	return status, nil
}

// askIntake looks at the topics, which may ask brokers, and so not for every caller and not for long.
func (s *Server) askIntake(ctx context.Context, away []string) IntakeStatus {
	now := s.Now().UTC()
	last, due := s.state.due(now)
	if !due {
		return last
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	topics, err := s.Cluster.Topics(ctx)
	if err != nil {
		s.Logger.Debug("topics not looked at", "error", err)
		return last
	}
	// Of a broker that is away nobody expects it either.
	topics = slices.DeleteFunc(topics, func(t dlq.TopicInfo) bool { return slices.Contains(away, t.Broker) })
	return s.state.intake(topics, now)
}

// intake is stalled while a topic that has unread messages cannot be read, or a topic was not looked at for a while.
func (k *stateKeeper) intake(topics []dlq.TopicInfo, now time.Time) IntakeStatus {
	var since *time.Time
	for i := range topics {
		t := &topics[i]
		if t.Readable && (t.LastError != "" && t.Unread > 0 || now.Sub(t.CheckedAt) > stalledAfter) && (since == nil || t.CheckedAt.Before(*since)) {
			at := t.CheckedAt.UTC()
			since = &at
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last.Stalled && since != nil && k.last.Since.Before(*since) {
		since = k.last.Since
	}
	k.last = IntakeStatus{Stalled: since != nil, Since: since}
	return k.last
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
			s.Logger.Warn("status not told to followers", "error", err)
		}
		return last
	}
	text, err := encode(status)
	if err != nil {
		s.Logger.Error("status not told to followers", "error", err)
		return last
	}
	if last != nil && !bytes.Equal(last, text) {
		s.hub.tell("status", status)
	}
	return text
}
