package handlers

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

const (
	maxReports    = 500
	maxName       = 512  // bytes of a consumer group, message id, key or reason
	maxReasonText = 4096 // bytes; longer texts are cut, for stack traces come whole
	maxMatched    = 100  // letters that one report changes; a key can be shared by many
)

// Report keeps what applications tell about failures, up to 500 at once, and lets each report change the letters that it
// concerns, as long as they are open, nobody owns them and nobody has touched them since they died. A report about a
// letter that has not arrived yet is used when it does. Reporter and time are set here.
func (d *Desk) Report(ctx context.Context, actor string, reports []dlq.Report) ([]dlq.ReportResult, error) {
	if len(reports) == 0 {
		return nil, dlq.Errorf(dlq.CodeInvalid, "there is no report in the call")
	}
	if len(reports) > maxReports {
		return nil, dlq.Errorf(dlq.CodeTooLarge, "%d reports are more than the %d of one call", len(reports), maxReports)
	}
	clean := make([]dlq.Report, len(reports))
	for n, r := range reports {
		if err := checkReport(r); err != nil {
			err.Params = map[string]string{"report": strconv.Itoa(n + 1)}
			err.Message = "report " + strconv.Itoa(n+1) + ": " + err.Message
			return nil, err
		}
		r.ID, r.Reporter, r.At, r.ReasonText = 0, actor, d.now().UTC(), dlq.Cut(r.ReasonText, maxReasonText)
		clean[n] = r
	}
	matched, err := d.store.AddReports(ctx, clean)
	if err != nil {
		return nil, err
	}
	results := make([]dlq.ReportResult, len(clean))
	for n := range clean {
		if n >= len(matched) {
			break
		}
		results[n].Matched = matched[n]
		for i, id := range matched[n] {
			if i == maxMatched {
				break
			}
			if err := d.reconsider(ctx, id, clean[n]); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// reconsider judges a letter anew in the light of a report.
func (d *Desk) reconsider(ctx context.Context, id int64, r dlq.Report) error {
	for try := 1; ; try++ {
		detail, err := d.store.Detail(ctx, id)
		if dlq.CodeOf(err) == dlq.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		change, err := d.reported(ctx, detail, r)
		if err != nil || change == nil {
			return err
		}
		_, err = d.store.Apply(ctx, *change)
		switch code := dlq.CodeOf(err); {
		case err == nil:
			if change.Verdict != nil {
				d.metrics.decided(string(change.Verdict.Route), string(change.To), "auto")
			}
			return nil
		case (code == dlq.CodeConflict || code == dlq.CodeRefused) && try < 3:
			continue // somebody acted in between: look whether it is still untouched
		case code == dlq.CodeConflict, code == dlq.CodeRefused, code == dlq.CodeNotFound:
			return nil
		default:
			return err
		}
	}
}

// reported makes the change that a report brings; nil for none. A report that names an earlier dead copy is about that death.
func (d *Desk) reported(ctx context.Context, detail dlq.Detail, r dlq.Report) (*dlq.Change, error) {
	if n := slices.IndexFunc(detail.History, func(h dlq.Death) bool { return h.MessageID == r.MessageID && r.MessageID != "" }); n > 0 {
		c := &dlq.Cause{Reason: r.Reason, Text: r.ReasonText, Origin: r.Origin(), Field: string(dlq.OriginReport)}
		return d.learnEarlier(ctx, detail, n, c, dlq.Event{Kind: dlq.EventReported, Actor: r.Reporter})
	}
	if !untouched(detail) {
		return nil, nil
	}
	if !r.Bound { // one that is bound counts more, though it is older
		best, err := d.store.ReportFor(ctx, detail.ID)
		if err != nil {
			return nil, err
		}
		if best != nil && best.Bound {
			return nil, nil
		}
	}
	change, err := d.rejudge(ctx, detail, said{report: &r, probe: lastProbe(detail.Events), now: true}, false)
	if err != nil || !news(detail.Letter, change.Facts) {
		return nil, err
	}
	change.Event.Kind, change.Event.Actor = dlq.EventReported, r.Reporter
	return change, nil
}

// learnEarlier makes the change with which an earlier death of a letter, by its place in the history, gets its reason; nil
// where that death has one from a better source. A letter that waits untouched and whose newest death does not say why is
// judged anew.
func (d *Desk) learnEarlier(ctx context.Context, detail dlq.Detail, n int, c *dlq.Cause, e dlq.Event) (*dlq.Change, error) {
	h := &detail.History[n]
	if c.Origin == dlq.OriginUnboundReport && h.Known() && h.ReasonOrigin != c.Origin {
		return nil, nil
	}
	if h.Known() && h.ReasonOrigin != dlq.OriginUnboundReport && h.ReasonOrigin != dlq.OriginReport && h.ReasonOrigin != dlq.OriginProbe || h.Reason == c.Reason && h.ReasonText == c.Text {
		return nil, nil
	}
	c.Death = h.ID
	detail.History = slices.Clone(detail.History)
	detail.History[n].DeathReason = dlq.DeathReason{Reason: c.Reason, ReasonText: c.Text, ReasonOrigin: c.Origin, ReasonField: c.Field}
	change := edit(detail.Letter, dlq.Event{Detail: map[string]string{"reason": c.Reason, "death": strconv.FormatInt(h.ID, 10)}})
	change.LetterID, change.Version = detail.ID, detail.Version
	if untouched(detail) {
		anew, err := d.rejudge(ctx, detail, said{probe: lastProbe(detail.Events)}, false)
		if err != nil {
			return nil, err
		}
		if anew.Facts.ReasonDeath == h.ID {
			change, c.Fingerprint = anew, anew.Facts.Fingerprint
			change.Event.Detail["death"] = strconv.FormatInt(h.ID, 10)
		}
	}
	change.Earlier = c
	change.Event.Kind, change.Event.Actor, change.Event.Note = e.Kind, e.Actor, e.Note
	return change, nil
}

// untouched reports whether a letter waits for a person of whom nothing has been seen yet.
func untouched(d dlq.Detail) bool {
	return d.State == dlq.StateOpen && d.Owner == "" && !touched(d.Events)
}

// news reports whether facts say something else than is known. Judging the same facts by newer rules is a person's choice.
func news(l dlq.Letter, f *dlq.Facts) bool {
	return l.Reason != f.Reason || l.ReasonText != f.ReasonText || l.ReasonOrigin != f.Origin || (l.ReasonDeath != 0) != f.Inherited()
}

// said is what others told of a letter since it died; nil for nothing.
type said struct {
	report *dlq.Report
	probe  *dlq.Probe
	now    bool // the report came just now, and is why the letter is judged
}

// rejudge makes the change that a new judgement of an open letter brings. person says that somebody asked for it, so
// that the letter's age and failures do not keep it from acting.
func (d *Desk) rejudge(ctx context.Context, detail dlq.Detail, s said, person bool) (*dlq.Change, error) {
	l := detail.Letter
	m, err := d.store.Message(ctx, l.ID)
	if err != nil {
		return nil, err
	}
	if s.probe != nil && !saysWhy(*s.probe) {
		s.probe = nil
	}
	facts, verdict := d.rules.JudgeProbed(&m, s.report, s.probe, dlq.Judgement{Now: d.now(), Deaths: l.Deaths, Replays: l.Replays, Earlier: detail.EarlierCause()})
	if s.now && !s.report.Bound {
		facts.Unbound = true // it may not set in motion what only waits for a look either
	}
	plan := d.planner.plan(Case{
		BornAt: l.BornAt, DiedAt: l.DiedAt, Facts: facts, Verdict: verdict, Person: person,
		Replays: max(l.Replays, m.ReplayCount()), Failures: failures(l.Deaths, &m),
	})
	if !person && verdict.Route == l.Route && tried(l.Hold) {
		plan = planManual(l.Hold)
	}
	change := follow(l, plan)
	change.LetterID, change.Version = l.ID, l.Version
	change.Route, change.Severity, change.Facts, change.Verdict = verdict.Route, verdict.Severity, &facts, &verdict
	change.Event.Rule = verdict.Rule
	change.Event.Detail = map[string]string{
		"reason": facts.Reason, "from_reason": l.Reason,
		"route": string(verdict.Route), "from_route": string(l.Route),
		"rule": verdict.Rule, "from_rule": l.Rule,
	}
	return change, nil
}

// tried reports whether the route was followed already and came to nothing, so that the same route must not start anew
// by itself.
func tried(h dlq.Hold) bool {
	switch h {
	case dlq.HoldRetriesUsedUp, dlq.HoldQuarantined, dlq.HoldCompensationManual, dlq.HoldCompensationUsedUp, dlq.HoldCompensationBroken, dlq.HoldNoDoor, dlq.HoldSendFailed:
		return true
	}
	return false
}

// touched reports whether a person did something to a letter since its newest death. Asking why it failed is no such thing.
// Events are newest first.
func touched(events []dlq.Event) bool {
	for _, e := range events {
		if e.Kind == dlq.EventArrived || e.Kind == dlq.EventDiedAgain {
			return false
		}
		if e.Kind != dlq.EventReported && e.Kind != dlq.EventProbed && isPerson(e.Actor) {
			return true
		}
	}
	return false
}

func checkReport(r dlq.Report) *dlq.Error {
	switch {
	case r.ConsumerGroup == "":
		return dlq.Errorf(dlq.CodeInvalid, "consumer_group is missing")
	case r.MessageID == "" && r.UniqueKey == "" && r.Key == "":
		return dlq.Errorf(dlq.CodeInvalid, "it does not say which message: one of message_id, unique_key and key is needed")
	case strings.TrimSpace(r.Reason) == "":
		return dlq.Errorf(dlq.CodeInvalid, "reason is missing")
	}
	for name, value := range map[string]string{
		"consumer_group": r.ConsumerGroup, "message_id": r.MessageID, "unique_key": r.UniqueKey, "key": r.Key, "reason": r.Reason,
	} {
		if len(value) > maxName {
			return dlq.Errorf(dlq.CodeTooLarge, "%s has more than %d bytes", name, maxName)
		}
		if !utf8.ValidString(value) {
			return dlq.Errorf(dlq.CodeInvalid, "%s is not UTF-8", name)
		}
	}
	return nil
}
