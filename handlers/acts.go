package handlers

import (
	"context"
	"time"

	"deadletteroffice/dlq"
)

// act is one thing that a person can do to a letter.
type act struct {
	needsNote bool
	change    changeFunc
}

// acts is the table of them, by the names that the API uses.
var acts = map[string]act{
	"discard":      {true, step(dlq.TriggerDiscard, dlq.StateDiscarded, dlq.EventDiscarded)},
	"restore":      {false, step(dlq.TriggerRestore, dlq.StateOpen, dlq.EventRestored)},
	"resolve":      {true, resolve},
	"take":         {false, take},
	"release":      {false, release},
	"snooze":       {false, snooze},
	"note":         {true, note},
	"cancel":       {false, cancel},
	"reroute":      {false, reroute},
	"unquarantine": {true, unquarantine},
}

type changeFunc = func(ctx context.Context, d *Desk, l dlq.Letter, a dlq.Act) (*dlq.Change, error)

// step is an act that only moves the letter.
func step(t dlq.Trigger, to dlq.State, kind dlq.EventKind) changeFunc {
	return func(context.Context, *Desk, dlq.Letter, dlq.Act) (*dlq.Change, error) {
		return &dlq.Change{Trigger: t, To: to, Event: dlq.Event{Kind: kind}}, nil
	}
}

// edit is a change that leaves the letter where it is, and what is due due.
func edit(l dlq.Letter, e dlq.Event) *dlq.Change {
	return &dlq.Change{Trigger: dlq.TriggerEdit, To: l.State, DueAt: l.DueAt, Event: e}
}

func resolve(ctx context.Context, d *Desk, l dlq.Letter, a dlq.Act) (*dlq.Change, error) {
	how := a.Resolution
	switch how {
	case "":
		how = dlq.ResolvedByHand
	case dlq.ResolvedByHand:
	case dlq.ResolvedConfirmed:
		detail, err := d.store.Detail(ctx, l.ID)
		if err != nil {
			return nil, err
		}
		if p := lastProbe(detail.Events); p == nil || p.Verdict != dlq.ProbeSuccess || !p.Trusted {
			return nil, dlq.Errorf(dlq.CodeRefused, "no consumer has confirmed letter %d: its last probe was no success that can be trusted", l.ID).
				WithHint("probe it, or resolve it by hand with a note")
		}
	default:
		return nil, dlq.Errorf(dlq.CodeInvalid, "a person cannot resolve a letter as %q", how)
	}
	return &dlq.Change{
		Trigger: dlq.TriggerResolve, To: dlq.StateResolved, Resolution: how,
		Event: dlq.Event{Kind: dlq.EventResolved, Detail: map[string]string{"resolution": string(how)}},
	}, nil
}

func unquarantine(_ context.Context, _ *Desk, l dlq.Letter, _ dlq.Act) (*dlq.Change, error) {
	if !l.HasFlag(dlq.FlagQuarantined) {
		return nil, nil
	}
	change := edit(l, dlq.Event{Kind: dlq.EventUnquarantined})
	change.DropFlags = []dlq.Flag{dlq.FlagQuarantined}
	if l.Hold == dlq.HoldQuarantined {
		none := dlq.HoldNone
		change.Hold = &none
	}
	return change, nil
}

func take(_ context.Context, _ *Desk, l dlq.Letter, a dlq.Act) (*dlq.Change, error) {
	switch l.Owner {
	case a.Actor:
		return nil, nil
	case "":
		owner := a.Actor
		change := edit(l, dlq.Event{Kind: dlq.EventTaken})
		change.Owner = &owner
		return change, nil
	default:
		return nil, dlq.Errorf(dlq.CodeRefused, "letter %d is %s's", l.ID, l.Owner).WithHint("ask %s, or release it first", l.Owner)
	}
}

func release(_ context.Context, _ *Desk, l dlq.Letter, _ dlq.Act) (*dlq.Change, error) {
	if l.Owner == "" {
		return nil, nil
	}
	nobody := ""
	change := edit(l, dlq.Event{Kind: dlq.EventReleased, Detail: map[string]string{"owner": l.Owner}})
	change.Owner = &nobody
	return change, nil
}

func snooze(_ context.Context, d *Desk, _ dlq.Letter, a dlq.Act) (*dlq.Change, error) {
	now := d.now()
	switch {
	case a.Until == nil:
		return nil, dlq.Errorf(dlq.CodeInvalid, "until when shall it be snoozed?").WithHint("name a time in the future in until")
	case !a.Until.After(now):
		return nil, dlq.Errorf(dlq.CodeInvalid, "a snooze must end in the future")
	case a.Until.Sub(now) > maxSnooze:
		return nil, dlq.Errorf(dlq.CodeInvalid, "a snooze lasts a year at most")
	}
	until := a.Until.UTC()
	return &dlq.Change{
		Trigger: dlq.TriggerSnooze, To: dlq.StateSnoozed, DueAt: &until,
		Event: dlq.Event{Kind: dlq.EventSnoozed, Detail: map[string]string{"until": until.Format(time.RFC3339)}},
	}, nil
}

func note(_ context.Context, _ *Desk, l dlq.Letter, _ dlq.Act) (*dlq.Change, error) {
	return edit(l, dlq.Event{Kind: dlq.EventNoted}), nil
}

func cancel(ctx context.Context, d *Desk, l dlq.Letter, _ dlq.Act) (*dlq.Change, error) {
	change := &dlq.Change{
		Trigger: dlq.TriggerCancel, To: dlq.StateOpen,
		Event: dlq.Event{Kind: dlq.EventCancelled, Detail: map[string]string{"was": string(l.State)}},
	}
	if l.State != dlq.StateCompensating {
		return change, nil
	}
	detail, err := d.store.Detail(ctx, l.ID)
	if err != nil {
		return nil, err
	}
	if len(detail.Calls) > 0 {
		call := detail.Calls[0]
		call.State, call.NextAt, call.ChangedAt, call.Log = dlq.CallCancelled, nil, d.now().UTC(), nil
		change.Call = &call
	}
	return change, nil
}

func reroute(ctx context.Context, d *Desk, l dlq.Letter, a dlq.Act) (*dlq.Change, error) {
	if l.State != dlq.StateOpen {
		return nil, dlq.Errorf(dlq.CodeRefused, "letter %d is %s; only an open letter can take another path", l.ID, l.State)
	}
	if a.Route == "" {
		report, err := d.store.ReportFor(ctx, l.ID)
		if err != nil {
			return nil, err
		}
		detail, err := d.store.Detail(ctx, l.ID)
		if err != nil {
			return nil, err
		}
		change, err := d.rejudge(ctx, detail, said{report: report, probe: lastProbe(detail.Events)}, true)
		if err != nil {
			return nil, err
		}
		change.Event.Kind = dlq.EventReclassified
		return change, nil
	}
	facts := dlq.Facts{Reason: l.Reason, Origin: l.ReasonOrigin, Topic: l.Topic}
	verdict := dlq.Verdict{Rule: l.Rule, RuleVersion: l.RuleVersion, Route: a.Route}
	switch a.Route {
	case dlq.RouteManual:
	case dlq.RouteRetry:
		verdict.Retry = &dlq.RetryPlan{Backoff: 1, Max: l.Replays + 1} // now, and once: a person asked for this one
	case dlq.RouteCompensate:
		name, err := d.compensationFor(ctx, l)
		if err != nil {
			return nil, err
		}
		verdict.Compensation = &dlq.CompensationPlan{Name: name}
	case dlq.RouteDiscard:
		return nil, dlq.Errorf(dlq.CodeInvalid, "a person who gives a letter up says why").WithHint("discard it, with a note")
	default:
		return nil, dlq.Errorf(dlq.CodeInvalid, "there is no route called %q", a.Route)
	}
	plan := d.planner.plan(Case{BornAt: l.BornAt, DiedAt: l.DiedAt, Facts: facts, Verdict: verdict, Replays: l.Replays, Person: true})
	change := follow(l, plan)
	change.Route = a.Route
	change.Event = dlq.Event{Kind: dlq.EventReclassified, Detail: map[string]string{"route": string(a.Route), "from_route": string(l.Route)}}
	return change, nil
}

// compensationFor finds the endpoint for a letter that a person sends to compensation: the one that its rule names, else
// the only one there is.
func (d *Desk) compensationFor(ctx context.Context, l dlq.Letter) (string, error) {
	detail, err := d.store.Detail(ctx, l.ID)
	if err != nil {
		return "", err
	}
	if c := detail.Verdict.Compensation; c != nil {
		return c.Name, nil
	}
	if names := d.comps.Names(); len(names) == 1 {
		return names[0], nil
	}
	return "", dlq.Errorf(dlq.CodeRefused, "no rule says which compensation letter %d should be asked of", l.ID).
		WithHint("give rules.yaml a rule with route compensate that matches it")
}

// follow makes the change that puts a plan for an open letter into effect.
func follow(l dlq.Letter, p dlq.Plan) *dlq.Change {
	hold := p.Hold
	change := &dlq.Change{Trigger: dlq.TriggerReclassify, To: p.State, Hold: &hold, DueAt: p.DueAt, AddFlags: p.Flags}
	if p.Call != nil {
		call := *p.Call
		call.LetterID = l.ID
		change.Call = &call
	}
	return change
}
