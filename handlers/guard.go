package handlers

import (
	"time"

	"deadletteroffice/dlq"
)

// What keeps the console from giving a letter back by itself again and again, or too late.

// failures is how often a message died although it had been given back: deaths beyond the first or, where another console
// or an earlier data file has counted more, what the message says of itself. So two consoles on one cluster, or one whose
// file was lost, cannot keep a message going round.
func failures(deaths int, m *dlq.DeadMessage) int { return max(deaths-1, m.ReplayCount()) }

// quarantined reports whether a letter failed too often to be given back without a person.
func (c *Case) quarantined() bool {
	return c.Policy.Quarantine > 0 && c.Failures >= c.Policy.Quarantine && !c.Person
}

// stale reports whether the message will be older than the limit of its topic at a time. What a person asks for is never.
func (c *Case) stale(at time.Time) bool {
	return !c.Person && c.Policy.IsStale(c.Facts.Topic, c.BornAt, c.DiedAt, at)
}
