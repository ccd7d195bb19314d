package handlers

import (
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// reasonRules takes the reason from the report and retries what timed out.
func reasonRules() rules {
	return rules{func(m *dlq.DeadMessage, r *dlq.Report, _ dlq.Judgement) (dlq.Facts, dlq.Verdict) {
		f := dlq.Facts{Reason: dlq.ReasonUnknown, Origin: dlq.OriginUnknown, Topic: "orders"}
		if r != nil {
			f.Reason, f.ReasonText, f.Origin = r.Reason, r.ReasonText, r.Origin()
		}
		switch f.Reason {
		case "network_timeout":
			return f, dlq.Verdict{Rule: "passing", Route: dlq.RouteRetry, Retry: &dlq.RetryPlan{Delay: dlq.Duration(time.Minute), Backoff: 1, Max: 3}}
		case "payment_timeout":
			return f, dlq.Verdict{Rule: "money", Route: dlq.RouteCompensate, Compensation: &dlq.CompensationPlan{Name: "settle"}}
		default:
			return f, dlq.Verdict{Rule: "else", Route: dlq.RouteManual}
		}
	}}
}

func TestReportChangesAnUntouchedLetter(t *testing.T) {
	open := dlq.Letter{ID: 1, State: dlq.StateOpen, Route: dlq.RouteManual, Reason: dlq.ReasonUnknown, ReasonOrigin: dlq.OriginUnknown, Topic: "orders", DiedAt: noon}
	event := func(kind dlq.EventKind, actor string) dlq.Event { return dlq.Event{Kind: kind, Actor: actor} }
	for _, tt := range []struct {
		name   string
		change func(*dlq.Detail)
		reason string
		state  dlq.State
		hold   dlq.Hold
		same   bool // the letter is left as it was
	}{
		{"to retry", func(*dlq.Detail) {}, "network_timeout", dlq.StateScheduled, "", false},
		{"to compensate", func(*dlq.Detail) {}, "payment_timeout", dlq.StateCompensating, "", false},
		{"to a person", func(*dlq.Detail) {}, "data_format_error", dlq.StateOpen, "", false},
		{"it died too long ago to act", func(d *dlq.Detail) { d.DiedAt = noon.Add(-25 * time.Hour) }, "network_timeout", dlq.StateOpen, dlq.HoldBeforeAutomation, false},
		{"somebody owns it", func(d *dlq.Detail) { d.Owner = "mei" }, "network_timeout", dlq.StateOpen, "", true},
		{"it is not open", func(d *dlq.Detail) { d.State = dlq.StateResolved }, "network_timeout", dlq.StateResolved, "", true},
		{"it waits for its replay", func(d *dlq.Detail) { d.State = dlq.StateAwaiting }, "network_timeout", dlq.StateAwaiting, "", true},
		{"somebody noted something", func(d *dlq.Detail) { d.Events = append([]dlq.Event{event(dlq.EventNoted, "mei")}, d.Events...) }, "network_timeout", dlq.StateOpen, "", true},
		{"somebody cancelled", func(d *dlq.Detail) {
			d.Events = append([]dlq.Event{event(dlq.EventCancelled, dlq.ActorLocal)}, d.Events...)
		}, "network_timeout", dlq.StateOpen, "", true},
		{"somebody replayed it before it died again", func(d *dlq.Detail) {
			d.Events = []dlq.Event{event(dlq.EventDiedAgain, dlq.ActorIntake), event(dlq.EventSent, "mei"), event(dlq.EventIntended, "mei"), event(dlq.EventArrived, dlq.ActorIntake)}
		}, "network_timeout", dlq.StateScheduled, "", false},
		{"it was reported before", func(d *dlq.Detail) { d.Events = append([]dlq.Event{event(dlq.EventReported, "shop")}, d.Events...) }, "network_timeout", dlq.StateScheduled, "", false},
		{"the console acted on it", func(d *dlq.Detail) {
			d.Events = append([]dlq.Event{event(dlq.EventSendFailed, dlq.ActorAutomation)}, d.Events...)
		}, "network_timeout", dlq.StateScheduled, "", false},
		{"it was retried in vain", func(d *dlq.Detail) { d.Route, d.Hold = dlq.RouteRetry, dlq.HoldRetriesUsedUp }, "network_timeout", dlq.StateOpen, dlq.HoldRetriesUsedUp, false},
		{"it was retried in vain and is something else", func(d *dlq.Detail) { d.Route, d.Hold = dlq.RouteRetry, dlq.HoldRetriesUsedUp }, "payment_timeout", dlq.StateCompensating, "", false},
		{"it was reported by a token that is not bound", func(d *dlq.Detail) { d.Labels = []string{"unbound"} }, "network_timeout", dlq.StateOpen, dlq.HoldUnboundReport, false},
		{"not bound, to compensate", func(d *dlq.Detail) { d.Labels = []string{"unbound"} }, "payment_timeout", dlq.StateOpen, dlq.HoldUnboundReport, false},
		{"it says what is known", func(d *dlq.Detail) {
			d.Reason, d.ReasonText, d.ReasonOrigin = "network_timeout", "502", dlq.OriginReport
		}, "network_timeout", dlq.StateOpen, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newMemory(atNoon)
			s.add(open)
			tt.change(s.letters[1])
			events := len(s.letters[1].Events)
			s.match = func(dlq.Report) []int64 { return []int64{1, 404} }
			d := newDesk(s, reasonRules(), on, settleAt(t, "http://shop/"))
			bound := len(s.letters[1].Labels) == 0
			results, err := d.Report(t.Context(), "shop", []dlq.Report{{ConsumerGroup: "pay", Key: "o-17", Reason: tt.reason, ReasonText: "502", Reporter: "liar", At: noon.AddDate(-1, 0, 0), Bound: bound}})
			if err != nil || len(results) != 1 || len(results[0].Matched) != 2 {
				t.Fatalf("%+v, %v", results, err)
			}
			if r := s.reports[0]; r.Reporter != "shop" || !r.At.Equal(noon) {
				t.Errorf("kept report %+v", r)
			}
			l := s.letter(1)
			if l.State != tt.state || l.Hold != tt.hold {
				t.Errorf("%s, hold %q", l.State, l.Hold)
			}
			if tt.same {
				if l.Version != 1 || len(l.Events) != events {
					t.Errorf("version %d, events %+v", l.Version, l.Events)
				}
				return
			}
			if l.Reason != tt.reason || l.ReasonOrigin != s.reports[0].Origin() || l.ReasonText != "502" {
				t.Errorf("reason %q %q by %s", l.Reason, l.ReasonText, l.ReasonOrigin)
			}
			if e := l.Events[0]; e.Kind != dlq.EventReported || e.Actor != "shop" || e.Detail["reason"] != tt.reason || e.Rule == "" {
				t.Errorf("event %+v", e)
			}
			if l.State == dlq.StateCompensating && (len(l.Calls) != 1 || l.Calls[0].LetterID != 1 || l.Calls[0].Name != "settle") {
				t.Errorf("calls %+v", l.Calls)
			}
		})
	}
}

func TestReportIsChecked(t *testing.T) {
	good := dlq.Report{ConsumerGroup: "pay", MessageID: "0A", Reason: "timeout"}
	for name, tt := range map[string]struct {
		change func(*dlq.Report)
		code   dlq.Code
		says   string
	}{
		"good":            {func(*dlq.Report) {}, "", ""},
		"by key":          {func(r *dlq.Report) { r.MessageID, r.Key = "", "o-17" }, "", ""},
		"by UNIQ_KEY":     {func(r *dlq.Report) { r.MessageID, r.UniqueKey = "", "7F" }, "", ""},
		"a stack trace":   {func(r *dlq.Report) { r.ReasonText = strings.Repeat("错误\n\tat x", 10000) }, "", ""},
		"no group":        {func(r *dlq.Report) { r.ConsumerGroup = "" }, dlq.CodeInvalid, "report 2: consumer_group is missing"},
		"no message":      {func(r *dlq.Report) { r.MessageID = "" }, dlq.CodeInvalid, "report 2: it does not say which message: one of message_id, unique_key and key is needed"},
		"no reason":       {func(r *dlq.Report) { r.Reason = " " }, dlq.CodeInvalid, "report 2: reason is missing"},
		"a novel reason":  {func(r *dlq.Report) { r.Reason = strings.Repeat("x", 513) }, dlq.CodeTooLarge, "report 2: reason has more than 512 bytes"},
		"bytes for a key": {func(r *dlq.Report) { r.Key = "\xff" }, dlq.CodeInvalid, "report 2: key is not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMemory(atNoon)
			d := newDesk(s, reasonRules(), on, &LiveCompensations{})
			r := good
			tt.change(&r)
			_, err := d.Report(t.Context(), "shop", []dlq.Report{good, r})
			if dlq.CodeOf(err) != tt.code {
				t.Fatalf("%v", err)
			}
			if err != nil {
				if e, _ := asError(err); e.Message != tt.says || e.Params["report"] != "2" {
					t.Errorf("%q %v", e.Message, e.Params)
				}
				if len(s.reports) != 0 {
					t.Error("half a call was kept")
				}
				return
			}
			if kept := s.reports[1]; len(kept.ReasonText) > maxReasonText {
				t.Errorf("%d bytes kept", len(kept.ReasonText))
			}
		})
	}
	d := newDesk(newMemory(atNoon), reasonRules(), on, &LiveCompensations{})
	if _, err := d.Report(t.Context(), "shop", nil); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("none: %v", err)
	}
	if _, err := d.Report(t.Context(), "shop", make([]dlq.Report, 501)); dlq.CodeOf(err) != dlq.CodeTooLarge {
		t.Errorf("too many: %v", err)
	}
}

// A person who acts between the look and the change wins.
func TestReportYieldsToAPerson(t *testing.T) {
	s := newMemory(atNoon)
	s.add(dlq.Letter{ID: 1, State: dlq.StateOpen, Reason: dlq.ReasonUnknown})
	s.match = func(dlq.Report) []int64 { return []int64{1} }
	s.fail = func(op string) error {
		if l := s.letters[1]; op == "apply" && l.Owner == "" {
			l.Owner, l.Version = "mei", l.Version+1
		}
		return nil
	}
	d := newDesk(s, reasonRules(), on, &LiveCompensations{})
	if _, err := d.Report(t.Context(), "shop", []dlq.Report{{ConsumerGroup: "pay", Key: "k", Reason: "network_timeout", Bound: true}}); err != nil {
		t.Fatal(err)
	}
	if l := s.letter(1); l.State != dlq.StateOpen || l.Reason != dlq.ReasonUnknown {
		t.Errorf("letter %s, %s", l.State, l.Reason)
	}
	s.fail = func(op string) error {
		if op == "apply" {
			return dlq.Errorf(dlq.CodeUnavailable, "the disk is full")
		}
		return nil
	}
	s.letters[1].Owner = ""
	if _, err := d.Report(t.Context(), "shop", []dlq.Report{{ConsumerGroup: "pay", Key: "k", Reason: "network_timeout", Bound: true}}); dlq.CodeOf(err) != dlq.CodeUnavailable {
		t.Errorf("a full disk: %v", err)
	}
}
