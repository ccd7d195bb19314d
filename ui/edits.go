package ui

import (
	"context"
	"time"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// Workbench is what can be done to a letter's message before it is sent: look where it would go, change it, try it.
type Workbench interface {
	OptionsFor(ctx context.Context, letterID int64, t dlq.Target, anywhere bool) (dlq.ReplayOptions, error)
	Editable(ctx context.Context, letterID int64, charset string) (dlq.Editable, error)
	Edit(ctx context.Context, e dlq.Edit, version int64) (dlq.Edit, dlq.Letter, error)
	Probe(ctx context.Context, req dlq.ProbeRequest) (dlq.Probe, dlq.Letter, error)
}

type optionsQuery struct {
	letterID
	Kind  dlq.TargetKind `query:"target_kind"`
	Name  string         `query:"target_name"`
	Topic string         `query:"target_topic"`
}

func (q *optionsQuery) target() dlq.Target {
	return dlq.Target{Kind: q.Kind, Name: q.Name, Topic: q.Topic}
}

func (q *optionsQuery) check(time.Time) error {
	return checkTarget(q.target())
}

// getReplayOptions answers what a replay of the letter to the target would do.
func (s *Server) getReplayOptions(ctx context.Context, q *optionsQuery) (dlq.ReplayOptions, error) {
	return s.Replays.OptionsFor(ctx, q.ID, q.target(), maySendAnywhere(ctx))
}

// editsQuery asks for a letter's message to be edited.
type editsQuery struct {
	letterID
	Charset bodytext.Charset `query:"charset"`
}

func (q *editsQuery) check(time.Time) error {
	if q.Charset == readAsText {
		return nil
	}
	return checkCharset(q.Charset)
}

// readAsText asks for bodies as text, in the charset that they are written in.
const readAsText = "auto"

func (s *Server) getEdits(ctx context.Context, q *editsQuery) (dlq.Editable, error) {
	return s.Replays.Editable(ctx, q.ID, string(q.Charset))
}

// newEdit is a changed version of a letter's message as an editor sends it.
type newEdit struct {
	letterID
	Version int64             `json:"version"`
	Base    int               `json:"base"`
	Note    string            `json:"note"`
	Body    *[]byte           `json:"body"`
	Charset bodytext.Charset  `json:"charset"`
	Set     map[string]string `json:"set"`
	Remove  []string          `json:"remove"`
}

// bodyLimit makes room for a body of 4 MiB in base64 and for 32 KiB of properties whose every byte is escaped.
func (*newEdit) bodyLimit() int64 { return 6 << 20 }

func (r *newEdit) check(time.Time) error {
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	switch {
	case r.Body == nil:
		return dlq.Errorf(dlq.CodeInvalid, "the field \"body\" is missing").WithHint("send the whole body in base64, also when it is as it was")
	case r.Base < 0:
		return dlq.Errorf(dlq.CodeInvalid, "the field \"base\" is negative").WithHint("0 is the original")
	}
	if err := checkCharset(r.Charset); err != nil {
		return err
	}
	return checkNote(&r.Note, true)
}

// Edited is an edit and the letter afterwards.
type Edited struct {
	Edit   dlq.Edit   `json:"edit"`
	Letter dlq.Letter `json:"letter"`
}

func (s *Server) addEdit(ctx context.Context, req *newEdit) (Edited, error) {
	edit, letter, err := s.Replays.Edit(ctx, dlq.Edit{LetterID: req.ID, Base: req.Base, Author: actor(ctx), Note: req.Note, Body: *req.Body, Charset: string(req.Charset),
		Set: req.Set, Remove: req.Remove}, req.Version)
	return Edited{edit, letter}, s.shown(ctx, req.ID, err)
}

type probeRequest struct {
	letterID
	dlq.ProbeRequest
}

func (r *probeRequest) check(time.Time) error {
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	if len(r.ClientID) > 255 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"client_id\" is longer than 255 bytes")
	}
	return checkNote(&r.Note, false)
}

// Probed is what a probe found, and the letter afterwards.
type Probed struct {
	Probe  dlq.Probe  `json:"probe"`
	Letter dlq.Letter `json:"letter"`
}

func (s *Server) probeLetter(ctx context.Context, req *probeRequest) (Probed, error) {
	wish := req.ProbeRequest
	wish.LetterID, wish.Actor = req.ID, actor(ctx)
	probe, letter, err := s.Replays.Probe(ctx, wish)
	return Probed{probe, letter}, s.shown(ctx, req.ID, err)
}

// probeMany probes each letter as it is now, one after the other: each occupies a consumer. The global stop halts those
// that are left.
func (s *Server) probeMany(ctx context.Context, req *actions) (results[ActionResult], error) {
	if err := s.refuseStopped(ctx); err != nil {
		return results[ActionResult]{}, err
	}
	out := make([]ActionResult, len(req.ids))
	for i, id := range req.ids {
		out[i] = s.probeOne(ctx, id, req.Note)
	}
	return results[ActionResult]{out}, nil
}

func (s *Server) probeOne(ctx context.Context, id int64, note string) ActionResult {
	letter, err := s.Store.Letter(ctx, id)
	if err == nil {
		err = s.refuseStopped(ctx)
	}
	if err != nil {
		return s.actionResult(id, err)
	}
	probe, letter, err := s.Replays.Probe(ctx, dlq.ProbeRequest{LetterID: id, Version: letter.Version, Note: note, Actor: actor(ctx)})
	result := s.actionResult(id, s.shown(ctx, id, err))
	if err == nil {
		result.Probe, result.Letter = &probe, &letter
	}
	return result
}
