// Package demo is the shop: a real producer and real consumers on a real broker, whose failures are real. Consumers fail,
// the broker retries, and the messages reach %DLQ%… by the broker's own path. Every fault can be healed and broken again
// while the shop runs, so that a replay succeeds or fails again before one's eyes.
//
// The shop also answers compensation calls (refund, cancel, check stock, query payment status) and reports failures the
// way an application would, so it doubles as an example for both.
package demo
