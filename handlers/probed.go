package handlers

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"deadletteroffice/dlq"
)

const maxProbeText = 1000 // bytes of an exception that are kept; its summary comes first

// Probed keeps what a probe found. The letter's event has the verdict, the consumer's own words and who was asked. Where the
// consumer said why it failed, a letter that is open, that nobody owns and nobody has touched since it died is judged anew,
// with the probe as one of the sources of its reason. A listener that ran to its end, or may have, has had the message: the
// letter is marked as a possible duplicate.
//
// It errs with CodeNotFound when the letter is gone.
func (d *Desk) Probed(ctx context.Context, p dlq.Probe) (dlq.Letter, error) {
	p.Text, p.Reason, p.Note = dlq.Cut(p.Text, maxProbeText), dlq.Cut(p.Reason, maxName), dlq.Cut(p.Note, maxNote)
	for try := 1; ; try++ {
		detail, err := d.store.Detail(ctx, p.LetterID)
		if err != nil {
			return dlq.Letter{}, err
		}
		change, err := d.probed(ctx, detail, p)
		if err != nil {
			return dlq.Letter{}, err
		}
		letters, err := d.store.Apply(ctx, *change)
		if code := dlq.CodeOf(err); (code == dlq.CodeConflict || code == dlq.CodeRefused) && try < 5 {
			continue // somebody acted in between; what was found out must not be lost
		}
		if err != nil {
			return dlq.Letter{}, err
		}
		if change.Verdict != nil {
			d.metrics.decided(string(change.Verdict.Route), string(change.To), "auto")
		}
		return letters[0], nil
	}
}

// probed makes the change that a probe brings.
func (d *Desk) probed(ctx context.Context, detail dlq.Detail, p dlq.Probe) (*dlq.Change, error) {
	change := edit(detail.Letter, dlq.Event{})
	change.LetterID, change.Version = detail.ID, detail.Version
	n := slices.IndexFunc(detail.History, func(h dlq.Death) bool { return !h.ArrivedAt.After(p.At) })
	switch earlier := n > 0; {
	case earlier && saysWhy(p): // it was begun before the letter died once more
		c := &dlq.Cause{Reason: p.Reason, Text: p.Text, Origin: dlq.OriginProbe, Field: string(dlq.OriginProbe)}
		learnt, err := d.learnEarlier(ctx, detail, n, c, dlq.Event{})
		if err != nil {
			return nil, err
		}
		if learnt != nil {
			change = learnt
		}
	case !earlier && saysWhy(p) && untouched(detail):
		report, err := d.store.ReportFor(ctx, detail.ID)
		if err != nil {
			return nil, err
		}
		anew, err := d.rejudge(ctx, detail, said{report: report, probe: &p}, false)
		if err != nil {
			return nil, err
		}
		if anew.Facts.Origin == dlq.OriginProbe && news(detail.Letter, anew.Facts) {
			change = anew
		}
	}
	if n > 0 {
		change.Event.Detail = maps.Clone(change.Event.Detail)
		if change.Event.Detail == nil {
			change.Event.Detail = map[string]string{}
		}
		change.Event.Detail["death"] = strconv.FormatInt(detail.History[n].ID, 10)
	}
	event := dlq.Event{Kind: dlq.EventProbed, Actor: p.Actor, Note: p.Note, Rule: change.Event.Rule, Detail: probeDetail(p)}
	for k, v := range change.Event.Detail {
		event.Detail[k] = v
	}
	change.Event = event
	if p.Verdict == dlq.ProbeSuccess || p.Verdict == dlq.ProbeTimeout {
		change.AddFlags = append(change.AddFlags, dlq.FlagPossibleDuplicate)
	}
	return change, nil
}

// saysWhy reports whether the consumer told why it failed.
func saysWhy(p dlq.Probe) bool { return p.Reason != "" && p.Verdict != dlq.ProbeSuccess }

// probeDetail is what the event of a probe keeps; lastProbe reads it.
func probeDetail(p dlq.Probe) map[string]string {
	d := map[string]string{"verdict": string(p.Verdict), "client": p.ClientID, "trusted": strconv.FormatBool(p.Trusted)}
	for name, value := range map[string]string{"text": p.Text, "reason": p.Reason, "language": p.Language} {
		if value != "" {
			d[name] = value
		}
	}
	if p.Spent > 0 {
		d["spent"] = p.Spent.String()
	}
	if p.OnDead {
		d["on_dead"] = "true"
	}
	return d
}

// lastProbe is the newest probe of a letter since its newest death, as far as its event tells; nil for none. Events are
// newest first.
func lastProbe(events []dlq.Event) *dlq.Probe {
	for _, e := range events {
		switch e.Kind {
		case dlq.EventArrived, dlq.EventDiedAgain:
			return nil
		case dlq.EventProbed:
			d := e.Detail
			if d["death"] != "" {
				continue // it is about an earlier death
			}
			return &dlq.Probe{
				LetterID: e.LetterID, At: e.At, Actor: e.Actor, Verdict: dlq.ProbeVerdict(d["verdict"]),
				ClientID: d["client"], Text: d["text"], Reason: d["reason"], Trusted: d["trusted"] == "true",
			}
		}
	}
	return nil
}
