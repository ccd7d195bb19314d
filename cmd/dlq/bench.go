package main

import (
	"context"

	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// workbench gives the page what the replay room offers beside replays.
type workbench struct{ *replay.Service }

func errNoBench() error {
	return dlq.Errorf(dlq.CodeNotSupported, "this console cannot do that")
}

func (w workbench) OptionsFor(ctx context.Context, letterID int64, t dlq.Target) (dlq.ReplayOptions, error) {
	if t != (dlq.Target{}) {
		return dlq.ReplayOptions{}, errNoBench()
	}
	return w.Options(ctx, letterID)
}

func (workbench) Editable(context.Context, int64) (dlq.Editable, error) {
	return dlq.Editable{}, errNoBench()
}

func (workbench) Edit(context.Context, dlq.Edit, int64) (dlq.Edit, dlq.Letter, error) {
	return dlq.Edit{}, dlq.Letter{}, errNoBench()
}

func (workbench) Probe(context.Context, dlq.ProbeRequest) (dlq.Probe, dlq.Letter, error) {
	return dlq.Probe{}, dlq.Letter{}, errNoBench()
}
