// Package store keeps letters in one SQLite file. It is the only package that knows SQL.
//
// One goroutine owns the one write connection. Work reaches it through three lanes: people's acts first, then letters,
// which it commits in groups, then what happens in the background. Reads go to a small pool of read-only connections
// behind a gate that a checkpoint closes for a moment; without that pause readers that follow one another keep the
// write-ahead log from ever starting anew, and it grows without end.
//
// Lists are walked by keyset on a rising number (the id of a letter's newest death) within a coarse state, the tab. Counts are
// kept in a tally that the transaction which moves the letters moves too. What lists, counts and rules share as text is kept
// once, in a dictionary that is held in memory along with the tally and the positions of the queues.
//
// What becomes of the letters of an operation is written by the transaction that moves the letter or its replay, so that an
// operation's ledger agrees with its replays whenever the process dies.
//
// The package is larger than others because everything that must agree on the shape of one file stands in it: schema,
// intake, steps of letters, lists and counts, full text, and the bookkeeping of replays, operations, edits, calls and alerts.
package store
