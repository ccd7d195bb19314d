package replay

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"deadletteroffice/dlq"
	"deadletteroffice/replay/transform"
)

// Batch gives letters of one operation back, and returns what became of each, in the order of the tasks. It returns when
// the broker has answered for all of them, or has not; the outcomes come later, as with Replay. Several batches may be
// under way at once.
//
// A task whose letter may not be sent now is skipped, with a code as in dlq.OperationItem.Detail and no intent: its state
// forbids it, it is quarantined or stale and the spec does not include those, the transform cannot be applied, every door
// is shut. Door A is taken only where the spec's door or target says so. A letter that is marked as a possible duplicate
// is looked for at the broker first; when it is there it is skipped as awaiting, and its earlier replay is the result's.
//
// With KeepOrder, letters of one consumer group with the same sharding key are sent one after another in the order of the
// tasks. When one of them is not delivered those after it are skipped, or left for later if it is to be tried again.
// Between batches nothing is kept.
//
// When ctx ends, what has not been sent is left for later.
func (s *Service) Batch(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
	run := newBatchRun(s, b)
	err := checkTarget(b.Spec.Target)
	if err == nil {
		run.program, err = compiled(b.Spec)
	}
	if err == nil {
		run.messages, err = s.missing(ctx, b.Tasks)
	}
	if err != nil {
		for i := range run.results {
			run.failed(&run.results[i], err)
		}
		return run.results
	}
	run.work(ctx)
	return run.results
}

// Doors returns, for each task, the door that it would take now. Allowed is false where it would not be sent, and Why
// says why: every door is shut, or one of the codes by which Batch skips a letter for its message's sake. The error is that
// of a cluster that cannot be asked, with the doors as far as they are known, or dlq.CodeInvalid for the spec.
func (s *Service) Doors(ctx context.Context, spec dlq.ReplaySpec, tasks []dlq.OperationTask) ([]dlq.DoorOption, error) {
	if err := checkTarget(spec.Target); err != nil {
		return nil, err
	}
	program, err := compiled(spec)
	if err != nil {
		return nil, err
	}
	messages, err := s.missing(ctx, tasks)
	if err != nil {
		return nil, err
	}
	doors := make([]dlq.DoorOption, len(tasks))
	var away error
	for i, t := range tasks {
		shut := func(why string) {
			doors[i] = dlq.DoorOption{Why: why, Receivers: []string{}, Warnings: []string{}}
		}
		m := messageOf(t, messages)
		if m == nil {
			shut(dlq.SkipGone)
			continue
		}
		head, err := s.changed(m, program)
		if err != nil {
			shut(dlq.SkipTransform)
			continue
		}
		sv := s.survey(ctx, *t.Letter, m, head, spec.Target, history{}, spec.Anywhere)
		if sv.err != nil {
			away = sv.err
			shut(ShutBrokerAway)
			continue
		}
		doors[i], _ = sv.bulkDoor(spec.Door)
	}
	return doors, away
}

// Sample shows what a transform does to one letter. Bodies are cut after 64 KiB.
func (s *Service) Sample(steps []dlq.TransformStep, t dlq.OperationTask) dlq.TransformSample {
	out := dlq.TransformSample{LetterID: t.LetterID, Properties: map[string]string{}}
	if t.Letter == nil || t.Message == nil {
		out.Error = "the letter is gone"
		return out
	}
	out.Title = t.Letter.Title()
	before := s.unwrap(t.Message)
	out.Before, out.Cut = shown(before.body)
	out.After = out.Before
	program, err := transform.Compile(steps)
	var after letterhead
	if err == nil {
		after, err = s.changed(t.Message, program)
	}
	if err != nil {
		out.Error = dlq.SentenceOf(err, "the transform cannot be applied")
		return out
	}
	cut := false
	if out.After, cut = shown(after.body); cut {
		out.Cut = true
	}
	for name, value := range after.properties {
		if old, had := before.properties[name]; !had || old != value {
			out.Properties[name] = value
		}
	}
	for name := range before.properties {
		if _, kept := after.properties[name]; !kept {
			out.Properties[name] = ""
		}
	}
	return out
}

// maxSample is how much of a body a sample shows.
const maxSample = 64 << 10

func shown(body []byte) (text string, cut bool) {
	return string(bytes.ToValidUTF8(body[:min(len(body), maxSample)], []byte("\uFFFD"))), len(body) > maxSample
}

// compiled returns the program of a spec's transform; nil for none.
func compiled(spec dlq.ReplaySpec) (*transform.Program, error) {
	if len(spec.Transform) == 0 {
		return nil, nil
	}
	return transform.Compile(spec.Transform)
}

// missing reads the messages of tasks that come without.
func (s *Service) missing(ctx context.Context, tasks []dlq.OperationTask) (map[int64]dlq.DeadMessage, error) {
	var ids []int64
	for _, t := range tasks {
		if t.Letter != nil && t.Message == nil {
			ids = append(ids, t.LetterID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return s.Store.Messages(ctx, ids)
}

func messageOf(t dlq.OperationTask, read map[int64]dlq.DeadMessage) *dlq.DeadMessage {
	if t.Letter == nil || t.Message != nil {
		return t.Message
	}
	m, ok := read[t.LetterID]
	if !ok {
		return nil
	}
	return &m
}

// changed takes the message out of its envelope and applies a transform to it. The error is one of the transform.
func (s *Service) changed(m *dlq.DeadMessage, program *transform.Program) (letterhead, error) {
	h := s.unwrap(m)
	if program == nil || h.err != nil {
		return h, nil
	}
	body, props, err := program.Apply(h.body, h.properties)
	if err != nil {
		return h, err
	}
	if bodyToo := !bytes.Equal(body, h.body); bodyToo || !maps.Equal(props, h.properties) {
		if bodyToo && h.compressed {
			return h, dlq.Errorf(dlq.CodeRefused, "the body could not be decompressed, so it cannot be changed")
		}
		h.body, h.properties, h.changed, h.transformed = body, props, true, true
	}
	return h, nil
}

// bulkDoor returns the door that a letter takes in an operation. Door A, which reaches consumer groups that had no failure,
// is taken only when it was asked for.
func (sv survey) bulkDoor(asked dlq.Door) (dlq.DoorOption, bool) {
	want := asked
	if want == "" {
		want = sv.def
	}
	if want == "" || want == dlq.DoorTopic && asked == "" && sv.target.Kind == dlq.TargetGroup {
		d := sv.doors[0] // the retry topic, or the one door to the target
		if i := slices.IndexFunc(sv.doors, func(d dlq.DoorOption) bool { return waits(d) && d.Door != dlq.DoorTopic }); i >= 0 {
			d = sv.doors[i] // it opens again
		}
		d.Door, d.Allowed = "", false
		return d, false
	}
	for _, d := range sv.doors {
		if d.Door == want && d.Door != dlq.DoorProbe {
			if asked != "" && asked != sv.def && d.Allowed {
				d.Why = WhyChosen
			}
			return d, d.Allowed
		}
	}
	return dlq.DoorOption{Why: StuckNoDoor, Receivers: []string{}, Warnings: []string{}}, false
}
