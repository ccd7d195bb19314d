package replay

import (
	"context"

	"deadletteroffice/dlq"
)

// Batch gives letters of one operation back, and returns what became of each, in the order of the tasks.
func (s *Service) Batch(ctx context.Context, b dlq.ReplayBatch) []dlq.BatchResult {
	results := make([]dlq.BatchResult, len(b.Tasks))
	for i, t := range b.Tasks {
		results[i].LetterID = t.LetterID
		if t.Letter == nil {
			results[i].Skip = dlq.SkipGone
			continue
		}
		r, _, err := s.Replay(ctx, dlq.ReplayRequest{
			LetterID: t.LetterID, Version: t.Letter.Version, Door: b.Spec.Door, Delay: b.Spec.Delay, DeliverAt: b.Spec.DeliverAt,
			AsNew: b.Spec.AsNew, Target: b.Spec.Target, Note: b.Note, Actor: b.Actor,
		})
		results[i].Replay, results[i].Err = r, err
	}
	return results
}

// Doors returns, for each task, the door that it would take. Allowed is false, with Why, where every door is shut.
func (s *Service) Doors(ctx context.Context, spec dlq.ReplaySpec, tasks []dlq.OperationTask) ([]dlq.DoorOption, error) {
	doors := make([]dlq.DoorOption, len(tasks))
	for i, t := range tasks {
		o, err := s.OptionsFor(ctx, t.LetterID, spec.Target)
		if err != nil {
			return nil, err
		}
		for _, d := range o.Doors {
			if want := spec.Door; d.Door == want || want == "" && d.Door == o.Default {
				doors[i] = d
			}
		}
	}
	return doors, nil
}

// Sample shows what a transform does to one letter.
func (s *Service) Sample(steps []dlq.TransformStep, t dlq.OperationTask) dlq.TransformSample {
	out := dlq.TransformSample{LetterID: t.LetterID, Properties: map[string]string{}}
	if t.Letter != nil {
		out.Title = t.Letter.Title()
	}
	if t.Message != nil {
		out.Before = string(t.Message.Body)
		out.After = out.Before
	}
	return out
}
