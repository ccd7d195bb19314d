package notify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

var update = flag.Bool("update", false, "write testdata anew")

// Every receiver's whole body, as a person can read it in testdata.
func TestRenderGolden(t *testing.T) {
	for _, r := range receivers(t) {
		name := strings.TrimSuffix(r.Type+"-"+r.Format, "-")
		golden(t, name, render(t, r, delivery(dlq.NotifyNew, alerts()...), options()).Body)
		golden(t, name+"-test", render(t, r, delivery(dlq.NotifyTest), options()).Body)
		golden(t, name+"-resolved", render(t, r, delivery(dlq.NotifyResolved, alerts()[3]), options()).Body)
		if r.Type == TypeWebhook || r.Type == TypeAlertmanager {
			continue // for machines
		}
		other := LocaleEnglish
		if r.Type == TypeSlack {
			other = LocaleChinese
		}
		for _, locale := range []string{other, LocaleBoth} {
			r.Locale = locale
			golden(t, name+"-"+locale, render(t, r, delivery(dlq.NotifyNew, alerts()...), options()).Body)
		}
	}
}

func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s differs (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

// The vectors of DingTalk's and Feishu's documents and of the senders that others use.
func TestGoldenSignatures(t *testing.T) {
	for _, v := range []struct {
		secret string
		ms     int64
		want   string
	}{{"SECtest", 1700000000000, "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g="}, {"this is secret", 1577262236757, "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="}} {
		r := Receiver{Type: TypeDingTalk, URL: "https://oapi.dingtalk.com/robot/send?access_token=a%2Bb", Secret: v.secret}
		p := render(t, r, delivery(dlq.NotifyTest), Options{Now: time.UnixMilli(v.ms)})
		if want := r.URL + "&timestamp=" + strconv.FormatInt(v.ms, 10) + "&sign=" + url.QueryEscape(v.want); p.URL != want {
			t.Errorf("DingTalk: %s, want %s", p.URL, want)
		}
	}
	p := render(t, Receiver{Type: TypeDingTalk, URL: "https://ding.corp/robot/send", Secret: "this is secret"}, delivery(dlq.NotifyTest), Options{Now: time.UnixMilli(1577262236757)})
	if want := "https://ding.corp/robot/send?timestamp=1577262236757&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"; p.URL != want {
		t.Errorf("DingTalk: %s, want %s", p.URL, want)
	}
	p = render(t, Receiver{Type: TypeFeishu, URL: "https://open.feishu.cn/open-apis/bot/v2/hook/x", Secret: "xxx"}, delivery(dlq.NotifyTest), Options{Now: time.Unix(1661860880, 0)})
	if got := decode[feishu](t, p.Body); got.Timestamp != "1661860880" || got.Sign != "QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU=" {
		t.Errorf("Feishu: %s %s", got.Timestamp, got.Sign)
	}
	if got := decode[feishu](t, p.Shown); got.Sign != "***" || !bytes.Equal(bytes.ReplaceAll(p.Body, []byte("QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU="), []byte("***")), p.Shown) {
		t.Errorf("what is shown of Feishu's body: %s", p.Shown)
	}
}

// During a change of secrets each of them signs, over the very bytes that are sent.
func TestWebhookIsSignedWithEverySecret(t *testing.T) {
	for _, r := range receivers(t)[:2] {
		p := render(t, r, delivery(dlq.NotifyFirst, alerts()...), options())
		if p.URL != r.URL || p.Headers["webhook-id"] != "dlv_00000000000000000000000001" || p.Headers["Idempotency-Key"] != p.Headers["webhook-id"] ||
			p.Headers["webhook-timestamp"] != "1795249800" {
			t.Errorf("headers %v", p.Headers)
		}
		signatures := strings.Fields(p.Headers["webhook-signature"])
		if len(signatures) != 2 {
			t.Fatalf("signatures %q", signatures)
		}
		for i, secret := range []string{goldenSecret, newSecret} {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
			if err != nil {
				t.Fatal(err)
			}
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte("dlv_00000000000000000000000001.1795249800." + string(p.Body)))
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); signatures[i] != want {
				t.Errorf("signature %d is %s, want %s", i, signatures[i], want)
			}
		}
		later := options()
		later.Now = now.Add(time.Hour)
		again := render(t, r, delivery(dlq.NotifyFirst, alerts()...), later)
		if !bytes.Equal(again.Body, p.Body) || again.Headers["webhook-id"] != p.Headers["webhook-id"] || again.Headers["webhook-signature"] == p.Headers["webhook-signature"] {
			t.Error("a later attempt must have the same id and body, and a signature of its own")
		}
	}
	secretless := receivers(t)[0]
	secretless.Secrets = nil
	if p := render(t, secretless, delivery(dlq.NotifyFirst), options()); p.Headers["webhook-signature"] != "" || p.Headers["webhook-id"] == "" {
		t.Errorf("without a secret: %v", p.Headers)
	}
}

func TestNativeKinds(t *testing.T) {
	firing, resolved := alerts()[0], alerts()[3]
	for _, tt := range []struct {
		d    *dlq.Delivery
		want string
	}{
		{delivery(dlq.NotifyFirst, firing), "alert.firing"},
		{delivery(dlq.NotifyNew, firing, resolved), "alert.firing"},
		{delivery(dlq.NotifyResolved, resolved), "alert.resolved"},
		{delivery(dlq.NotifyTest), "alert.test"},
		{delivery(dlq.NotifyTest, firing), "alert.test"},
	} {
		got := decode[native](t, render(t, receivers(t)[0], tt.d, options()).Body)
		if got.Type != tt.want || !got.Timestamp.Equal(now) || got.Data.Firing+got.Data.Resolved != len(got.Data.Alerts) {
			t.Errorf("%s: %+v", tt.want, got)
		}
	}
}

// A machine's JSON holds label values as they are: JSON keeps them apart.
func TestMachinesGetValuesAsTheyAre(t *testing.T) {
	a := alerts()[0]
	a.Labels["reason"] = "a\nb <@all> [x](http://evil.example) \u202e \"q\""
	for _, r := range receivers(t)[:3] {
		body := render(t, r, delivery(dlq.NotifyFirst, a), options()).Body
		var got any
		switch {
		case r.Type == TypeAlertmanager:
			got = decode[[]pushed](t, body)[0].Labels["reason"]
		case r.Format == FormatAlertmanager:
			got = decode[v4](t, body).Alerts[0].Labels["reason"]
		default:
			got = decode[native](t, body).Data.Alerts[0].Labels["reason"]
		}
		if got != a.Labels["reason"] {
			t.Errorf("%s: %q", r.Type, got)
		}
	}
}

func TestAlertmanagerNames(t *testing.T) {
	a := alerts()[0]
	a.Labels = map[string]string{"on-call": "x", "9": "y", "": "z", "alertname": "forged", "severity": "forged", "团队": "w", "empty": ""}
	r := Receiver{Type: TypeAlertmanager, URL: "http://am:9093/prefix/?x=y"}
	p := render(t, r, delivery(dlq.NotifyFirst, a), options())
	want := map[string]string{"on_call": "x", "_9": "y", "_": "z", "alertname": a.Rule, "severity": "critical", "__": "w"}
	if diff := cmp.Diff(want, decode[[]pushed](t, p.Body)[0].Labels); diff != "" {
		t.Error(diff)
	}
	if p.URL != "http://am:9093/prefix/api/v2/alerts?x=y" {
		t.Errorf("URL %s", p.URL)
	}
	for _, address := range []string{"http://am:9093", "http://am:9093/", "http://am:9093/api/v2/alerts", "http://am:9093/api/v2/alerts/"} {
		r.URL = address
		if p := render(t, r, delivery(dlq.NotifyFirst, a), options()); p.URL != "http://am:9093/api/v2/alerts" {
			t.Errorf("%s becomes %s", address, p.URL)
		}
	}
	if p := render(t, r, delivery(dlq.NotifyFirst), options()); string(p.Body) != "[]" {
		t.Errorf("no alerts are %s", p.Body)
	}
}

func TestRenderRefusesWhatItCannotCall(t *testing.T) {
	for _, r := range []Receiver{{Type: "pager", URL: "https://x"}, {Type: TypeSlack, URL: ""}, {Type: TypeDingTalk, URL: "ftp://x/tok3n"}} {
		_, err := Render(r, delivery(dlq.NotifyTest), options())
		if dlq.CodeOf(err) != dlq.CodeInvalid || strings.Contains(err.Error(), "tok3n") {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Chats say since when in the zone that was asked for.
func TestZone(t *testing.T) {
	o := options()
	o.Zone = time.FixedZone("CST", 8*3600)
	body := render(t, receivers(t)[5], delivery(dlq.NotifyFirst, alerts()[0]), o).Body
	if !strings.Contains(string(body), "开始时间：2026-11-21 16:13 CST（已持续 17 分钟）") {
		t.Errorf("%s", body)
	}
}

func TestSpan(t *testing.T) {
	en, zh := textsOf(Receiver{Locale: LocaleEnglish}, Options{}), textsOf(Receiver{Locale: LocaleChinese}, Options{})
	for d, want := range map[time.Duration][2]string{
		0: {"0s", "0 秒"}, 59 * time.Second: {"59s", "59 秒"}, time.Minute: {"1m", "1 分钟"}, 90 * time.Second: {"1m 30s", "1 分钟 30 秒"},
		2*time.Hour + 5*time.Second: {"2h", "2 小时"}, 26 * time.Hour: {"1d 2h", "1 天 2 小时"}, -90 * time.Second: {"-1m 30s", "-1 分钟 30 秒"},
	} {
		if got := [2]string{en.span(d), zh.span(d)}; got != want {
			t.Errorf("%s: %q", d, got)
		}
	}
}

// A test needs no alert, tells nobody of one, and names the console in every locale: DingTalk's keyword check can be
// fed with it.
func TestEveryChatNamesTheConsole(t *testing.T) {
	for _, r := range receivers(t)[3:] {
		for _, reason := range []dlq.NotificationReason{dlq.NotifyTest, dlq.NotifyFirst} {
			for locale, want := range map[string][]string{LocaleEnglish: {"dead letter office"}, LocaleChinese: {"死信办公室"}, LocaleBoth: {"死信办公室", "dead letter office"}} {
				r.Locale = locale
				all := alerts()
				if reason == dlq.NotifyTest {
					all = nil
				}
				body := string(render(t, r, delivery(reason, all...), options()).Body)
				for _, w := range want {
					if !strings.Contains(body, w) {
						t.Errorf("%s %s %s: no %q in %s", r.Type, locale, reason, w, body)
					}
				}
			}
		}
		o := options()
		o.Product = "Ops <console>"
		if body := string(render(t, r, delivery(dlq.NotifyTest), o).Body); !strings.Contains(body, "Ops") {
			t.Errorf("%s: no product in %s", r.Type, body)
		}
	}
}

func TestTitles(t *testing.T) {
	more := delivery(dlq.NotifyDigest, alerts()...)
	more.Notification.More = 40
	for _, tt := range []struct {
		d      *dlq.Delivery
		en, zh string
	}{
		{delivery(dlq.NotifyFirst, alerts()[0]), "CRITICAL · pay-service: dead letters pile up (240)", "【严重】pay-service：dead letters pile up（240）"},
		{delivery(dlq.NotifyNew, alerts()...), "CRITICAL · 3 firing, 1 resolved: pay-service, stock, DefaultCluster +1", "【严重】3 条触发，1 条恢复：pay-service、stock、DefaultCluster +1"},
		{delivery(dlq.NotifyRepeat, alerts()[1]), "WARNING · still firing · stock: replays fail again (23.5%)", "【警告】仍在触发 · stock：replays fail again（23.5%）"},
		{delivery(dlq.NotifyFirst, alerts()[2]), "INFO · DefaultCluster: broker away", "【提示】DefaultCluster：broker away"},
		{delivery(dlq.NotifyResolved, alerts()[3]), "RESOLVED · orders: about to be lost", "【已恢复】orders：about to be lost"},
		{more, "CRITICAL · digest · 3 firing, 1 resolved, 40 more: pay-service, stock, DefaultCluster +1", "【严重】汇总 · 3 条触发，1 条恢复，另有 40 条：pay-service、stock、DefaultCluster +1"},
		{delivery(dlq.NotifyTest), "TEST · this receiver works · The dead letter office", "【测试】接收方可用 · 死信办公室"},
	} {
		if got := textsOf(Receiver{Locale: LocaleEnglish}, options()).title(tt.d); got != tt.en {
			t.Errorf("title %q, want %q", got, tt.en)
		}
		if got := textsOf(Receiver{Locale: LocaleChinese}, options()).title(tt.d); got != tt.zh {
			t.Errorf("title %q, want %q", got, tt.zh)
		}
	}
	if got, want := textsOf(Receiver{Locale: LocaleBoth}, options()).title(delivery(dlq.NotifyFirst, alerts()[0])), "【严重 / critical】pay-service: dead letters pile up (240)"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
}

// What Judge makes of the errors of the client, with their public sentence alone.
func TestJudgeErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want webhook.Outcome
	}{
		{dlq.Errorf(dlq.CodeUnavailable, "nothing listens at http://x: %w", os.ErrNotExist), webhook.Outcome{Ruling: webhook.RulingRetry, Error: "nothing listens at http://x"}},
		{dlq.Errorf(dlq.CodeRefused, "http://x is not called: it is this console itself"), webhook.Outcome{Ruling: webhook.RulingRefused, Error: "http://x is not called: it is this console itself"}},
		{dlq.Errorf(dlq.CodeInvalid, "the URL cannot be read"), webhook.Outcome{Ruling: webhook.RulingRefused, Error: "the URL cannot be read"}},
		{os.ErrDeadlineExceeded, webhook.Outcome{Ruling: webhook.RulingRetry, Error: "the call failed"}},
	} {
		if diff := cmp.Diff(tt.want, Judge(TypeDingTalk, webhook.Response{}, tt.err)); diff != "" {
			t.Error(diff)
		}
	}
}
