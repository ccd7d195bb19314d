package replay

import (
	"context"

	"deadletteroffice/dlq"
)

// Editable returns a letter's message as an editor opens it, with the edits that were made of it.
func (s *Service) Editable(ctx context.Context, letterID int64) (dlq.Editable, error) {
	detail, err := s.Store.Detail(ctx, letterID)
	if err != nil {
		return dlq.Editable{}, err
	}
	m, err := s.Store.Message(ctx, letterID)
	if err != nil {
		return dlq.Editable{}, err
	}
	h := s.unwrap(&m)
	return dlq.Editable{LetterID: letterID, Version: detail.Version, Deaths: detail.Deaths, Body: h.body, Undecoded: h.compressed,
		Properties: []dlq.EditableProperty{}, Edits: []dlq.Edit{}}, nil
}

// Edit keeps a changed version of a letter's message. The stored original never changes.
func (s *Service) Edit(ctx context.Context, e dlq.Edit, version int64) (dlq.Edit, dlq.Letter, error) {
	store, ok := s.Store.(Edits)
	if !ok {
		return dlq.Edit{}, dlq.Letter{}, dlq.Errorf(dlq.CodeNotSupported, "this store keeps no edits")
	}
	return store.AddEdit(ctx, e, version)
}
