package notify

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

var alertmanagerKind = Kind{Type: TypeAlertmanager, Pushed: true, Locale: LocaleEnglish, render: renderPush, judge: judgePush}

const (
	// pushPath is where Alertmanager takes alerts (its API v2).
	pushPath = "/api/v2/alerts"
	// staysFor is how long Alertmanager keeps a pushed alert firing that it hears no more of.
	staysFor = 5 * time.Minute
	// testStaysFor is the same for the alert of a test.
	testStaysFor = time.Minute
)

type v4 struct {
	Receiver          string            `json:"receiver"`
	Status            string            `json:"status"`
	Alerts            []v4Alert         `json:"alerts"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
}

type v4Alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // 0001-01-01T00:00:00Z while it fires
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// drawV4 writes what Alertmanager's webhooks send (prometheus/alertmanager, template.Data and notify/webhook). Its fields
// since 0.32 are left out: readers must do without them. The group is the receiver, so it has no labels.
func drawV4(r Receiver, d *dlq.Delivery, o Options, shown int) ([]byte, error) {
	alerts := alertsOf(d)
	shown = min(shown+len(alerts)-len(d.Notification.Alerts), len(alerts))
	out := v4{
		Receiver: r.Name, Status: "resolved", Alerts: make([]v4Alert, shown), GroupLabels: map[string]string{}, ExternalURL: o.PublicURL,
		Version: "4", GroupKey: `{}:{receiver="` + r.Name + `"}`, TruncatedAlerts: d.Notification.More + len(alerts) - shown,
	}
	for i := range alerts {
		if alerts[i].State == dlq.AlertFiring {
			out.Status = "firing"
		}
	}
	for i := range out.Alerts {
		a := &alerts[i]
		one := v4Alert{Status: "firing", Labels: labelsOf(a), Annotations: annotationsOf(a, r, o), StartsAt: firedAt(a), GeneratorURL: Link(o.PublicURL, a), Fingerprint: a.ID}
		if a.State == dlq.AlertResolved {
			one.Status, one.EndsAt = "resolved", endedAt(a)
		}
		if i == 0 {
			out.CommonLabels, out.CommonAnnotations = maps.Clone(one.Labels), maps.Clone(one.Annotations)
		}
		keepCommon(out.CommonLabels, one.Labels)
		keepCommon(out.CommonAnnotations, one.Annotations)
		out.Alerts[i] = one
	}
	out.CommonLabels, out.CommonAnnotations = notNil(out.CommonLabels), notNil(out.CommonAnnotations)
	return encode(out)
}

func keepCommon(common, one map[string]string) {
	maps.DeleteFunc(common, func(k, v string) bool { return one[k] != v })
}

type pushed struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// renderPush makes a push to an Alertmanager: all alerts, for it keeps only what it is told. A firing one ends in five
// minutes if it is not pushed again.
func renderPush(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	alerts := alertsOf(d)
	out := make([]pushed, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		out[i] = pushed{Labels: labelsOf(a), Annotations: annotationsOf(a, r, o), StartsAt: firedAt(a), EndsAt: o.Now.UTC().Add(staysFor), GeneratorURL: Link(o.PublicURL, a)}
		switch {
		case a.State == dlq.AlertResolved:
			out[i].EndsAt = endedAt(a)
		case isTest(d):
			out[i].EndsAt = o.Now.UTC().Add(testStaysFor)
		}
	}
	body, err := encode(out)
	if err != nil {
		return webhook.Prepared{}, err
	}
	base, query, asked := strings.Cut(r.URL, "?")
	if base = strings.TrimRight(base, "/"); !strings.HasSuffix(base, pushPath) {
		base += pushPath
	}
	if asked {
		base += "?" + query
	}
	return webhook.Prepared{URL: base, Headers: jsonHeaders(), Body: body}, nil
}

// alertsOf returns what to tell. A test without alerts gets one to be seen by, since these formats have no other way to
// say that it is a test.
func alertsOf(d *dlq.Delivery) []dlq.Alert {
	n := &d.Notification
	if len(n.Alerts) > 0 || !isTest(d) {
		return n.Alerts
	}
	return []dlq.Alert{{
		ID: "0000000000000000", Rule: "Test", State: dlq.AlertFiring, Severity: dlq.AlertInfo, Unit: dlq.UnitFlag,
		Labels: map[string]string{"receiver": d.Receiver}, ActiveSince: n.At, FiredAt: &n.At,
	}}
}

// labelsOf returns what makes the alert itself there: alertname, severity, and its labels under names that Prometheus
// takes.
func labelsOf(a *dlq.Alert) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		if a.Labels[name] != "" {
			out[labelName(name)] = a.Labels[name]
		}
	}
	out["alertname"], out["severity"] = a.Rule, string(a.Severity)
	return out
}

// labelName makes a label's name of any text: [a-zA-Z_][a-zA-Z0-9_]*, else Alertmanager refuses the whole push.
func labelName(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, s)
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return "_" + s
	}
	return s
}

// annotationsOf adds what changes from one telling to the next, which must not be a label, to the rule's annotations.
func annotationsOf(a *dlq.Alert, r Receiver, o Options) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(a.Annotations)) {
		out[labelName(name)] = a.Annotations[name]
	}
	t := textsOf(r, o)
	add := func(name, value string) {
		if out[name] == "" && value != "" {
			out[name] = value
		}
	}
	add("summary", t.headline(a))
	if a.Unit != dlq.UnitFlag {
		add("value", t.amount(a.Unit, a.Value))
	}
	add("reasons", t.reasons(a.Reasons))
	add("alert_url", AlertLink(o.PublicURL, a))
	return out
}

func firedAt(a *dlq.Alert) time.Time {
	if a.FiredAt != nil {
		return a.FiredAt.UTC()
	}
	return a.ActiveSince.UTC()
}

// endedAt is never before firedAt: Alertmanager refuses such an alert.
func endedAt(a *dlq.Alert) time.Time {
	end := a.HeldAt.UTC()
	if a.ResolvedAt != nil {
		end = a.ResolvedAt.UTC()
	}
	if start := firedAt(a); end.Before(start) {
		return start
	}
	return end
}

// judgePush judges by the status, as Alertmanager has it, and says its words.
func judgePush(res webhook.Response) webhook.Outcome {
	if res.Status == http.StatusNotFound {
		return refused("the receiver answers %d %s: there is no Alertmanager at its URL", res.Status, http.StatusText(res.Status))
	}
	said := clean(string(res.Body), maxVendorText)
	if said != "" {
		said = ": " + said
	}
	return judgeStatus(res, said)
}
