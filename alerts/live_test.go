package alerts

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

func TestLive(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func(c string) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(c, 24)))
	}
	write(key("a"))
	l := NewLive(LiveOptions{PublicURL: "https://dlq.example"})
	d := &dlq.Delivery{ID: "dlv_1", Receiver: "ops", Type: "webhook", Notification: dlq.Notification{Reason: dlq.NotifyFirst, At: noon, Alerts: []dlq.Alert{
		{ID: "0123456789abcdef", Rule: "pile", State: dlq.AlertFiring, Severity: dlq.AlertWarning, Unit: dlq.UnitCount, Labels: map[string]string{"consumer_group": "pay"}, ActiveSince: noon, FiredAt: &noon}}}}
	if _, err := l.Prepare(d, noon); dlq.CodeOf(err) != dlq.CodeNotFound {
		t.Errorf("before any rules: %v", err)
	}
	l.Swap(1, compiled(t, "receivers: {ops: {type: webhook, url: env:U, secret: 'file:"+secret+"'}, off: {type: slack, url: env:NONE}, ding: {type: dingtalk, url: 'https://oapi.dingtalk.example/robot/send?access_token=hidden', per_minute: 7}}\n"))

	for _, text := range []string{key("a"), key("b") + " " + key("a")} { // a secret is changed without a reload
		write(text)
		p, err := l.Prepare(d, noon)
		if err != nil {
			t.Fatal(err)
		}
		secrets, err := webhook.ParseSecrets(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.Headers[webhook.HeaderSignature], webhook.Sign("dlv_1", noon, p.Body, secrets); got != want || p.URL != environment("U") || p.Headers[webhook.HeaderID] != "dlv_1" {
			t.Errorf("signature %q, want %q; %+v", got, want, p)
		}
		var body struct {
			Type string
			Data json.RawMessage
		}
		if err := json.Unmarshal(p.Body, &body); err != nil || body.Type != "alert.firing" || !strings.Contains(string(body.Data), "https://dlq.example/") {
			t.Errorf("%s, %v", p.Body, err)
		}
	}
	for receiver, want := range map[string]string{"off": "the variable NONE is not set", "gone": "the receiver gone is no longer in rules.yaml"} {
		_, err := l.Prepare(&dlq.Delivery{Receiver: receiver}, noon)
		if code := dlq.CodeOf(err); dlq.SentenceOf(err, dlq.Unexpected) != want || code != map[string]dlq.Code{"off": dlq.CodeRefused, "gone": dlq.CodeNotFound}[receiver] {
			t.Errorf("%s: %v", receiver, err)
		}
	}
	write("nonsense")
	if _, err := l.Prepare(d, noon); dlq.CodeOf(err) != dlq.CodeRefused || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a secret that cannot sign: %v", err)
	}
	if got := []int{l.PerMinute("ops"), l.PerMinute("off"), l.PerMinute("ding"), l.PerMinute("gone")}; !cmp.Equal(got, []int{0, 15, 7, 0}) {
		t.Errorf("messages a minute: %v", got)
	}
	refusal := webhook.Response{Status: 200, Body: []byte(`{"errcode":310000,"errmsg":"sign not match"}`)}
	for _, x := range []dlq.Delivery{{Receiver: "ding", Type: "dingtalk"}, {Receiver: "gone", Type: "dingtalk"}} {
		if out := l.Judge(&x, refusal, nil); out.Ruling != webhook.RulingRefused {
			t.Errorf("%s: %+v", x.Receiver, out)
		}
	}
	if out := l.Judge(d, refusal, nil); out.Ruling != webhook.RulingSent {
		t.Errorf("a webhook's 200: %+v", out)
	}

	e := New(Deps{Live: l})
	want := []dlq.Receiver{
		{Name: "ops", Type: "webhook", Locale: "en", Host: "https://ops.example", Disabled: "the secret cannot sign: a secret must begin with whsec_", Needs: "file:" + secret, Signed: true},
		{Name: "off", Type: "slack", Locale: "en", PerMinute: 15, Disabled: "the variable NONE is not set", Needs: "env:NONE"},
		{Name: "ding", Type: "dingtalk", Locale: "zh", Host: "https://oapi.dingtalk.example", PerMinute: 7},
	}
	got := e.Receivers()
	if len(got) == 3 {
		want[0].Disabled = got[0].Disabled // its words are webhook's
		if !strings.HasPrefix(got[0].Disabled, "the secret cannot sign: ") {
			t.Errorf("%q", got[0].Disabled)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRulesAreShown(t *testing.T) {
	d := newDesk(t, quick+"alerts:\n"+open+", for: 1h}\n- {name: off, signal: disk, above: 90%, off: true, receivers: []}\n- {name: soon, signal: expiry, below: 1h, by: [consumer_group], where: {cluster: [a, b]}, receivers: [ops]}\n")
	e := New(Deps{Live: NewLive(LiveOptions{})})
	for i := range 60 {
		d.set("pile", string(rune('A'+i)), float64(60+i))
		d.set("soon", string(rune('A'+i)), float64(i))
	}
	d.errs["soon"] = dlq.Errorf(dlq.CodeUnavailable, "what the brokers hold is not known: %w", os.ErrDeadlineExceeded)
	show := func() []dlq.AlertRule {
		turn := d.ready()
		turn.take()
		e.show(turn)
		return e.Rules()
	}
	rules := show()
	pile := rules[0]
	if len(pile.Values) != maxShown || pile.MoreValues != 10 || pile.Values[0].Value != 119 || pile.Values[0].State != dlq.AlertPending || pile.Values[18].State != dlq.AlertPending || pile.Values[19].State != "" {
		t.Errorf("%+v", pile)
	}
	if pile.Values[0].Labels["consumer_group"] == "" || pile.For != dlq.Duration(time.Hour) || pile.Line != 3 || !pile.EvaluatedAt.Equal(noon) || pile.Error != "" {
		t.Errorf("%+v", pile)
	}
	if off := rules[1]; !off.Off || off.EvaluatedAt != nil || off.By == nil || off.Where == nil || off.Receivers == nil {
		t.Errorf("%+v", off)
	}
	if soon := rules[2]; soon.Error != "what the brokers hold is not known" || len(soon.Values) != 0 || !cmp.Equal(soon.Where, map[string][]string{"cluster": {"a", "b"}}) {
		t.Errorf("%+v", soon)
	}
	delete(d.errs, "soon")
	if soon := show()[2]; soon.Values[0].Value != 0 || soon.Values[0].State != dlq.AlertFiring || !soon.Below {
		t.Errorf("the nearest to the end comes first: %+v", soon)
	}
	for i := range 210 {
		d.set("soon", string(rune(1000+i)), 1)
	}
	if soon := show()[2]; !strings.HasPrefix(soon.Error, "270 instances are over the threshold, and only 200 are watched") {
		t.Errorf("%q", soon.Error)
	}
}
