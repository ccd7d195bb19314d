package notify

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

// The types of receivers.
const (
	TypeWebhook      = "webhook"      // native JSON, or Alertmanager's with FormatAlertmanager; signed by Standard Webhooks
	TypeAlertmanager = "alertmanager" // push to an Alertmanager's /api/v2/alerts
	TypeDingTalk     = "dingtalk"
	TypeFeishu       = "feishu" // Lark too
	TypeWeCom        = "wecom"
	TypeSlack        = "slack"
)

// Kind is what the receivers of one type are like. Each is one file of this package and one line in Kinds.
type Kind struct {
	Type   string
	Chat   bool   // people read the messages as they come
	Pushed bool   // it keeps the state of alerts itself, so that it is told again and again
	Signed bool   // it knows a secret beside its URL
	Locale string // of its texts, unless the file says another

	render func(Receiver, *dlq.Delivery, Options) (webhook.Prepared, error)
	judge  func(webhook.Response) webhook.Outcome
}

// Kinds lists what a receiver can be.
var Kinds = []Kind{webhookKind, alertmanagerKind, dingTalkKind, feishuKind, weComKind, slackKind}

var webhookKind = Kind{Type: TypeWebhook, Signed: true, Locale: LocaleEnglish, render: renderWebhook, judge: judgeWebhook}

// KindOf returns the kind of a type.
func KindOf(typ string) (Kind, bool) {
	if i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Type == typ }); i >= 0 {
		return Kinds[i], true
	}
	return Kind{}, false
}

// FormatAlertmanager makes a generic webhook send the JSON that Alertmanager's own webhooks send, version 4.
const FormatAlertmanager = "alertmanager"

// The locales of texts.
const (
	LocaleEnglish = "en"
	LocaleChinese = "zh"
	LocaleBoth    = "both"
)

// Receiver is whom to tell, with its secrets resolved.
type Receiver struct {
	Name   string
	Type   string
	Format string // of a webhook: "" for the native one, or FormatAlertmanager
	Locale string // "" for that of its kind
	// URL is what the vendor gave, with its token. Its host decides, so private deployments work. For TypeAlertmanager it is
	// Alertmanager's address, with or without /api/v2/alerts.
	URL     string
	Secrets []webhook.Secret // of TypeWebhook; each signs
	Secret  string           // of DingTalk's and Feishu's signature check; "" when the robot has none
}

// Options is what Render needs beside the delivery.
type Options struct {
	PublicURL string         // where people open the page; "" leaves links out
	Product   string         // how messages call the console; "" for its name in the receiver's locale
	Now       time.Time      // when this attempt is made: signatures are bound to it
	Zone      *time.Location // of the times in chats; nil for UTC
}

// Render makes the request that tells a receiver a delivery's news. Two calls differ in what depends on Now alone. The
// error is CodeInvalid: the type or the URL is none that is known.
func Render(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	if err := webhook.CheckURL(r.URL); err != nil {
		return webhook.Prepared{}, err
	}
	kind, known := KindOf(r.Type)
	if !known {
		return webhook.Prepared{}, dlq.Errorf(dlq.CodeInvalid, "there is no type %q of receivers", r.Type)
	}
	r.Locale = cmp.Or(r.Locale, kind.Locale)
	return kind.render(r, d, o)
}

// jsonHeaders are those of every request.
func jsonHeaders() map[string]string {
	return map[string]string{"Content-Type": "application/json; charset=utf-8"}
}

// encode writes JSON as UTF-8: escapes as \u4e2d would triple Chinese text, and vendors limit bytes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a notification: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// isTest reports whether a person only tries the receiver out.
func isTest(d *dlq.Delivery) bool {
	return d.Kind == dlq.DeliveryTest || d.Notification.Reason == dlq.NotifyTest
}

// renderWebhook renders for machines, signed as Standard Webhooks 1.0 has it.
func renderWebhook(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	draw := drawNative
	if r.Format == FormatAlertmanager {
		draw = drawV4
	}
	body, err := fitMachine(len(d.Notification.Alerts), func(shown int) ([]byte, error) { return draw(r, d, o, shown) })
	if err != nil {
		return webhook.Prepared{}, err
	}
	headers := jsonHeaders()
	headers["Idempotency-Key"] = d.ID
	headers[webhook.HeaderID] = d.ID
	headers[webhook.HeaderTimestamp] = strconv.FormatInt(o.Now.Unix(), 10)
	if len(r.Secrets) > 0 {
		headers[webhook.HeaderSignature] = webhook.Sign(d.ID, o.Now, body, r.Secrets)
	}
	return webhook.Prepared{URL: r.URL, Headers: headers, Body: body}, nil
}

// maxMachine is the largest body for machines, in bytes. Standard Webhooks advises 20 kB, which one incident hardly
// passes (an alert takes about 600 bytes); but who keeps tickets must hear of each alert, so the limit is what common
// gateways take.
const maxMachine = 256 << 10

// fitMachine draws as many alerts as maxMachine holds. Whole alerts are left out, never half of one.
func fitMachine(alerts int, draw func(shown int) ([]byte, error)) ([]byte, error) {
	low, high := 0, alerts // low fits, or is nothing at all
	for shown := alerts; ; shown = (low + high + 1) / 2 {
		body, err := draw(shown)
		if err != nil || len(body) <= maxMachine && shown == high || shown == 0 {
			return body, err
		}
		if len(body) <= maxMachine {
			low = shown
		} else {
			high = shown - 1
		}
	}
}

type native struct {
	Type      string     `json:"type"`
	Timestamp time.Time  `json:"timestamp"`
	Data      nativeData `json:"data"`
}

type nativeData struct {
	ID       string                 `json:"id"`
	Receiver string                 `json:"receiver"`
	Reason   dlq.NotificationReason `json:"reason"`
	Firing   int                    `json:"firing"`
	Resolved int                    `json:"resolved"`
	Alerts   []nativeAlert          `json:"alerts"`
	More     int                    `json:"more"` // alerts that are not in Alerts
	Link     string                 `json:"link,omitempty"`
}

type nativeAlert struct {
	ID          string            `json:"id"`
	State       dlq.AlertState    `json:"state"`
	Rule        string            `json:"rule"`
	RuleVersion int64             `json:"rule_version"`
	Signal      string            `json:"signal"`
	Severity    dlq.AlertSeverity `json:"severity"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Unit        dlq.AlertUnit     `json:"unit"`
	Value       float64           `json:"value"`
	Threshold   float64           `json:"threshold"`
	Below       bool              `json:"below"`
	ActiveSince time.Time         `json:"active_since"`
	FiredAt     *time.Time        `json:"fired_at,omitempty"`
	ResolvedAt  *time.Time        `json:"resolved_at,omitempty"`
	Reasons     []dlq.Facet       `json:"reasons,omitempty"`
	Link        string            `json:"link,omitempty"`       // what it is about
	AlertLink   string            `json:"alert_link,omitempty"` // the alert itself
}

// drawNative writes the console's own JSON: {type, timestamp, data}.
func drawNative(r Receiver, d *dlq.Delivery, o Options, shown int) ([]byte, error) {
	n := &d.Notification
	kind := "alert.resolved"
	switch {
	case isTest(d):
		kind = "alert.test"
	case n.Firing() > 0:
		kind = "alert.firing"
	}
	data := nativeData{
		ID: d.ID, Receiver: r.Name, Reason: n.Reason, Firing: n.Firing(), Resolved: len(n.Alerts) - n.Firing(),
		Alerts: make([]nativeAlert, shown), More: n.More + len(n.Alerts) - shown, Link: allAlerts(o.PublicURL),
	}
	for i := range data.Alerts {
		a := &n.Alerts[i]
		data.Alerts[i] = nativeAlert{
			ID: a.ID, State: a.State, Rule: a.Rule, RuleVersion: a.RuleVersion, Signal: a.Signal, Severity: a.Severity,
			Labels: notNil(a.Labels), Annotations: notNil(a.Annotations), Unit: a.Unit, Value: a.Value, Threshold: a.Threshold, Below: a.Below,
			ActiveSince: a.ActiveSince.UTC(), FiredAt: a.FiredAt, ResolvedAt: a.ResolvedAt, Reasons: a.Reasons,
			Link: Link(o.PublicURL, a), AlertLink: AlertLink(o.PublicURL, a),
		}
	}
	return encode(native{Type: kind, Timestamp: n.At.UTC(), Data: data})
}

// notNil makes {} of a map that is not there, for readers that expect an object.
func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// addQuery appends parameters to a URL and leaves what is there as it is.
func addQuery(address string, parameters ...string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", dlq.Errorf(dlq.CodeInvalid, "the URL cannot be read") // without the cause, which holds the URL
	}
	var b strings.Builder
	b.WriteString(u.RawQuery)
	for i := 0; i < len(parameters); i += 2 {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(parameters[i] + "=" + url.QueryEscape(parameters[i+1]))
	}
	u.RawQuery = b.String()
	return u.String(), nil
}
