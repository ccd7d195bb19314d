package notify

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

const (
	goldenSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret    = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	public       = "https://dlq.example.com"
)

var now = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

func options() Options { return Options{PublicURL: public, Now: now} }

func at(before time.Duration) *time.Time {
	t := now.Add(-before)
	return &t
}

// alerts are one of each kind: critical with everything, a ratio, a flag, and one that is over.
func alerts() []dlq.Alert {
	return []dlq.Alert{
		{
			ID: "5f1c2d3e4a5b6c7d", Rule: "dead letters pile up", Signal: "open_letters", State: dlq.AlertFiring, Severity: dlq.AlertCritical,
			Labels:      map[string]string{"consumer_group": "pay-service", "cluster": "DefaultCluster", "team": "payments"},
			Annotations: map[string]string{"summary": "Payments wait for people", "runbook_url": "https://wiki.example/dlq(pay)"},
			Unit:        dlq.UnitCount, Value: 240, Threshold: 100, ActiveSince: *at(17 * time.Minute), HeldAt: now, FiredAt: at(12 * time.Minute), RuleVersion: 7,
			Reasons: []dlq.Facet{{Value: "network_timeout", Count: 180}, {Value: "unknown", Count: 42}, {Value: "库存不足", Count: 18}},
		},
		{
			ID: "00aa11bb22cc33dd", Rule: "replays fail again", Signal: "failed_again_ratio", State: dlq.AlertFiring, Severity: dlq.AlertWarning,
			Labels: map[string]string{"consumer_group": "stock"}, Unit: dlq.UnitRatio, Value: 0.2351, Threshold: 0.2,
			ActiveSince: *at(26 * time.Hour), HeldAt: now, FiredAt: at(26 * time.Hour), RuleVersion: 7,
		},
		{
			ID: "77aa11bb22cc33dd", Rule: "broker away", Signal: "broker_unreachable", State: dlq.AlertFiring, Severity: dlq.AlertInfo,
			Labels: map[string]string{"cluster": "DefaultCluster"}, Unit: dlq.UnitFlag, Value: 1,
			ActiveSince: *at(40 * time.Second), HeldAt: now, FiredAt: at(40 * time.Second), RuleVersion: 7,
		},
		{
			ID: "ff00ff00ff00ff00", Rule: "about to be lost", Signal: "expiry", State: dlq.AlertResolved, Severity: dlq.AlertCritical,
			Labels: map[string]string{"consumer_group": "orders"}, Unit: dlq.UnitDuration, Value: 71 * 3600, Threshold: 12 * 3600, Below: true,
			ActiveSince: *at(2 * time.Hour), HeldAt: *at(10 * time.Minute), FiredAt: at(2 * time.Hour), ResolvedAt: at(5 * time.Minute), RuleVersion: 6,
		},
	}
}

func delivery(reason dlq.NotificationReason, all ...dlq.Alert) *dlq.Delivery {
	kind := dlq.DeliveryAlert
	if reason == dlq.NotifyTest {
		kind = dlq.DeliveryTest
	}
	return &dlq.Delivery{
		ID: "dlv_00000000000000000000000001", Kind: kind, Receiver: "ops", State: dlq.DeliveryPending, CreatedAt: now,
		Notification: dlq.Notification{Reason: reason, At: now, Alerts: all},
	}
}

// many returns n firing alerts of different consumer groups.
func many(n int, change func(i int, a *dlq.Alert)) []dlq.Alert {
	out := make([]dlq.Alert, n)
	for i := range out {
		a := alerts()[0]
		a.ID = fmt.Sprintf("%016x", i)
		a.Labels["consumer_group"] = fmt.Sprintf("支付-group-%d", i)
		if change != nil {
			change(i, &a)
		}
		out[i] = a
	}
	return out
}

// receivers are one of each type and format, with secrets.
func receivers(t *testing.T) []Receiver {
	t.Helper()
	secrets, err := webhook.ParseSecrets(goldenSecret + " " + newSecret)
	if err != nil {
		t.Fatal(err)
	}
	return []Receiver{
		{Name: "ops", Type: TypeWebhook, URL: "https://ops.example/hook", Secrets: secrets},
		{Name: "ops", Type: TypeWebhook, Format: FormatAlertmanager, URL: "https://ops.example/hook", Secrets: secrets},
		{Name: "ops", Type: TypeAlertmanager, URL: "http://alertmanager:9093"},
		{Name: "ops", Type: TypeDingTalk, URL: "https://oapi.dingtalk.com/robot/send?access_token=tok3n", Secret: "this is secret"},
		{Name: "ops", Type: TypeFeishu, URL: "https://open.feishu.cn/open-apis/bot/v2/hook/tok3n", Secret: "this is secret"},
		{Name: "ops", Type: TypeWeCom, URL: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=tok3n"},
		{Name: "ops", Type: TypeSlack, URL: "https://hooks.slack.com/services/T/B/tok3n"},
	}
}

func render(t *testing.T, r Receiver, d *dlq.Delivery, o Options) webhook.Prepared {
	t.Helper()
	p, err := Render(r, d, o)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Type, r.Format, err)
	}
	if !json.Valid(p.Body) {
		t.Fatalf("%s %s: no JSON: %s", r.Type, r.Format, p.Body)
	}
	return p
}

// decode reads JSON into a value of its own.
func decode[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}
