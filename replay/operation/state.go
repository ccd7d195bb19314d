package operation

import (
	"slices"

	"deadletteroffice/dlq"
)

// move is what takes an operation from one state to another.
type move string

const (
	moveStart  move = "start"  // a person starts a draft
	moveBegin  move = "begin"  // the time for undo is over
	movePass   move = "pass"   // the canary came out well
	movePause  move = "pause"  // a person, the brake, the canary, the window or the global stop
	moveResume move = "resume" // a person, or the window
	moveEnd    move = "end"    // it came to its last letter, was called off, or cannot go on
	moveSettle move = "settle" // every letter has its outcome
)

// moves is the one table of what may happen to an operation: move -> from -> to.
var moves = map[move]map[dlq.OperationState][]dlq.OperationState{
	moveStart: {dlq.OperationDraft: {dlq.OperationQueued}},
	moveBegin: {dlq.OperationQueued: {dlq.OperationCanary, dlq.OperationRunning}},
	movePass:  {dlq.OperationCanary: {dlq.OperationRunning}},
	movePause: {
		dlq.OperationQueued:  {dlq.OperationPaused},
		dlq.OperationCanary:  {dlq.OperationPaused},
		dlq.OperationRunning: {dlq.OperationPaused},
		dlq.OperationPaused:  {dlq.OperationPaused}, // by hand, while its window is closed: it does not go on by itself then
	},
	moveResume: {
		dlq.OperationPaused: {dlq.OperationQueued, dlq.OperationCanary, dlq.OperationRunning},
		dlq.OperationCanary: {dlq.OperationRunning}, // without waiting for the canary
	},
	moveEnd: {
		dlq.OperationQueued:  {dlq.OperationSettling},
		dlq.OperationCanary:  {dlq.OperationSettling},
		dlq.OperationRunning: {dlq.OperationSettling},
		dlq.OperationPaused:  {dlq.OperationSettling},
	},
	moveSettle: {dlq.OperationSettling: {dlq.OperationSettled}},
}

// step moves an operation, or refuses to.
func step(o *dlq.Operation, m move, to dlq.OperationState) error {
	if !slices.Contains(moves[m][o.State], to) {
		why := map[dlq.OperationState]string{
			dlq.OperationDraft: "has not been started", dlq.OperationQueued: "has not begun yet", dlq.OperationCanary: "sends its canary",
			dlq.OperationRunning: "is running", dlq.OperationPaused: "is paused", dlq.OperationSettling: "has come to its end", dlq.OperationSettled: "is settled",
		}[o.State]
		err := dlq.Errorf(dlq.CodeRefused, "operation %d %s", o.Number, why)
		err.Params = map[string]string{"state": string(o.State)}
		return err
	}
	o.State = to
	if m != movePause {
		o.Cause, o.Because, o.Resume = "", nil, ""
	}
	if m != moveStart {
		o.HoldUntil = nil
	}
	return nil
}
