// Package classifier says why a message died and where it goes: from the rules in rules.yaml it makes facts (reason,
// text, business, original topic) out of a dead message and a verdict (rule, route, plan) out of the facts.
//
// It is pure: no clock, no files, no network, no goroutines but those that a backtest waits for. Compile does all work that
// can fail; a Ruleset never does, whatever a message holds, and is safe for concurrent use. Live holds the Ruleset in force
// and lets it be swapped.
//
// It is somewhat larger than other rooms because whatever reads, checks, runs, explains, compares or suggests rules must
// agree on what a condition means.
package classifier
