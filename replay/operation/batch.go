package operation

import (
	"context"
	"time"

	"deadletteroffice/dlq"
)

// batchEnd is what became of a batch.
type batchEnd struct {
	group   *group
	tasks   []dlq.OperationTask
	results []dlq.BatchResult // in the order of the tasks
	err     error             // of the whole: nothing was done
}

// send gives a batch to the replay service or to the desk; it ends in r.ended.
func (r *run) send(ctx context.Context, g *group, tasks []dlq.OperationTask) {
	r.feed.inFlight++
	g.inFlight++
	for _, t := range tasks {
		r.feed.inHand[t.LetterID] = true
	}
	_, _, sends := r.slots()
	op := r.op
	go func() {
		e := batchEnd{group: g, tasks: tasks}
		if op.Kind == dlq.OperationReplay {
			e.results = r.m.Replays.Batch(ctx, dlq.ReplayBatch{
				Operation: op.Number, Spec: *op.Spec.Replay, Actor: op.Actor, Note: op.Note, Tasks: tasks, Concurrency: sends,
			})
		} else {
			e.results, e.err = r.act(ctx, op, tasks)
		}
		r.ended <- e
	}()
}

// actions are what the desk calls the kinds of operation.
var actions = map[dlq.OperationKind]string{
	dlq.OperationDiscard: "discard",
	dlq.OperationRestore: "restore",
	dlq.OperationRoute:   "reroute",
	dlq.OperationResolve: "resolve",
}

// act does what the desk does, in the words of replays.
func (r *run) act(ctx context.Context, op dlq.Operation, tasks []dlq.OperationTask) ([]dlq.BatchResult, error) {
	ids := make([]int64, len(tasks))
	place := map[int64]int{}
	out := make([]dlq.BatchResult, len(tasks))
	for i, t := range tasks {
		ids[i], place[t.LetterID], out[i].LetterID = t.LetterID, i, t.LetterID
	}
	results, err := r.m.Desk.Many(ctx, actions[op.Kind], ids, dlq.Act{Actor: op.Actor, Note: op.Note, Route: op.Spec.Route, Operation: op.Number})
	if err != nil {
		return nil, err
	}
	for _, res := range results {
		o := &out[place[res.LetterID]]
		switch o.Err = res.Err; dlq.CodeOf(res.Err) {
		case dlq.CodeUnavailable:
			o.Later = true
		case dlq.CodeNotFound:
			o.Skip = dlq.SkipGone
		case dlq.CodeRefused, dlq.CodeInvalid, dlq.CodeNotSupported:
			o.Skip = dlq.SkipRefused
		}
	}
	return out, nil
}

// land takes note of what became of a batch.
func (r *run) land(e batchEnd) {
	now, g := r.m.now(), e.group
	r.feed.inFlight--
	g.inFlight--
	for _, t := range e.tasks {
		delete(r.feed.inHand, t.LetterID)
	}
	if e.err != nil {
		g.wait(now, e.err)
		g.anew()
		if code := dlq.CodeOf(e.err); code != dlq.CodeUnavailable {
			r.m.Logger.Error("a batch of an operation", "operation", r.number, "error", e.err)
		}
		return
	}
	r.note(g, e, now)
	later := 0
	var cause error
	for _, res := range e.results {
		if res.Later && res.Skip == "" && res.Away == "" {
			later++
			cause = res.Err
		}
	}
	if later == len(e.results) {
		g.wait(now, cause)
		g.anew()
	}
	done := 0
	for i := range e.results {
		res, t := &e.results[i], &e.tasks[i]
		switch {
		case res.Skip != "":
			r.skipLetter(res.LetterID, res.Skip)
			if res.Replay.ID != "" { // an earlier replay was found to have arrived
				r.order.free(t.LetterID)
			} else {
				r.order.failed(g.name, t, res.Skip)
			}
		case res.Away != "" && now.Sub(r.feed.away[res.Away]) >= awayLimit:
			r.skipLetter(res.LetterID, dlq.SkipBrokerAway)
			r.order.failed(g.name, t, dlq.SkipBrokerAway)
		case res.Away != "" && g.lanes[res.Away] != nil: // it was passed over
			r.order.free(t.LetterID)
		case res.Later:
			r.feed.puts[res.LetterID]++
			wait := max(g.backOff, again(r.feed.puts[res.LetterID]-1, maxBackOff), again(t.Tries, time.Minute))
			g.later[res.LetterID] = putOff{now.Add(wait), t.Position}
		case res.Err != nil && res.Replay.ID == "" && r.feed.asks[res.LetterID]+1 < maxAsks:
			r.feed.asks[res.LetterID]++
			g.later[res.LetterID] = putOff{now.Add(time.Second), t.Position}
			r.m.Logger.Warn("a letter of an operation is tried again", "operation", r.number, "letter", res.LetterID, "error", res.Err)
		case res.Err != nil && res.Replay.ID == "":
			why := dlq.SkipRefused
			if dlq.CodeOf(res.Err) == dlq.CodeConflict {
				why = dlq.SkipChanged
			}
			r.skipLetter(res.LetterID, why)
			r.order.failed(g.name, t, why)
		default:
			done++
			delete(r.feed.puts, res.LetterID)
			if res.Replay.Outcome == dlq.OutcomeSendFailed {
				r.order.failed(g.name, t, string(dlq.ItemSendFailed))
			}
		}
	}
	if done > 0 {
		g.backOff = 0
		r.count(done)
	}
}

// again is how long a letter waits that did not reach its broker: longer each time. Of intents that were written in vain
// the store takes only so many before the letter counts as not sent, so they are spaced more widely.
func again(times int, most time.Duration) time.Duration {
	return min(time.Second<<min(times, 6), most)
}

// waitsOn is what has to come back before what failed can be tried again: the broker, unless the console's own disk is the cause.
func waitsOn(cause error) string {
	if dlq.WhyOf(cause) == dlq.WhyDiskFull {
		return waitsDisk
	}
	return waitsBroker
}

// wait puts a consumer group off, each time for longer.
func (g *group) wait(now time.Time, cause error) {
	g.waits = waitsOn(cause)
	g.backOff = min(max(2*g.backOff, time.Second), maxBackOff)
	g.notYet = now.Add(g.backOff)
}
