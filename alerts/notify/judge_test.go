package notify

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"deadletteroffice/webhook"
)

// Answers as vendors, their gateways and what stands before them give them.
func TestJudge(t *testing.T) {
	const (
		sent, retry, refused = webhook.RulingSent, webhook.RulingRetry, webhook.RulingRefused
		html                 = "<!DOCTYPE html><html><head><title>Log in</title></head><body>…</body></html>"
	)
	for _, tt := range []struct {
		typ    string
		status int
		body   string
		after  time.Duration
		ruling webhook.Ruling
		wait   time.Duration
		says   string
	}{
		{TypeDingTalk, 200, `{"errcode":0,"errmsg":"ok"}`, 0, sent, 0, ""},
		{TypeDingTalk, 200, `{"errmsg":"ok"}`, 0, retry, 0, "no result code"},
		{TypeDingTalk, 200, ``, 0, retry, 0, "no result code"},
		{TypeDingTalk, 200, `{"errcode":null}`, 0, retry, 0, "no result code"},
		{TypeDingTalk, 200, `{"errcode":"0"}`, 0, retry, 0, "no result code"},
		{TypeDingTalk, 200, `[]`, 0, retry, 0, "no result code"},
		{TypeDingTalk, 200, html, 0, retry, 0, "no result code"},
		{TypeDingTalk, 200, `{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"0a"}`, 0, retry, time.Minute, "gateway"},
		{TypeDingTalk, 200, `{"status":1111,"wait":300,"punish":"deny"}`, 0, retry, 5 * time.Minute, "gateway"},
		{TypeDingTalk, 200, `{"status":1111,"wait":99999999999,"punish":"deny"}`, 0, retry, 24 * time.Hour, "gateway"},
		{TypeDingTalk, 200, `{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`, 0, retry, 10 * time.Minute, "too fast"},
		{TypeDingTalk, 200, `{"errcode":410100,"errmsg":"发送速度太快而限流"}`, 0, retry, 10 * time.Minute, "限流"},
		{TypeDingTalk, 200, `{"errcode":310000,"errmsg":"keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"}`, 0, refused, 0, "keywords"},
		{TypeDingTalk, 200, `{"errcode":310000,"errmsg":"sign not match, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"}`, 0, refused, 0, "sign not match"},
		{TypeDingTalk, 200, `{"errcode":300005,"errmsg":"token is not exist"}`, 0, refused, 0, "token"},
		{TypeDingTalk, 200, `{"errcode":400102,"errmsg":"机器人已停用"}`, 0, refused, 0, "stopped"},
		{TypeDingTalk, 200, `{"errcode":40035,"errmsg":"缺少参数 json"}`, 0, refused, 0, "40035"},
		{TypeDingTalk, 200, `{"errcode":-1,"errmsg":"系统繁忙"}`, 0, retry, 0, "系统繁忙"},
		{TypeDingTalk, 200, `{"errcode":987654,"errmsg":"new"}`, 0, retry, 0, "987654"},
		{TypeDingTalk, 500, `{"errcode":0}`, 0, retry, 0, "500"},
		{TypeDingTalk, 302, ``, 0, retry, 0, "302"},
		{TypeDingTalk, 429, html, 90 * time.Second, retry, 90 * time.Second, "fewer"},

		{TypeFeishu, 200, `{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}`, 0, sent, 0, ""},
		{TypeFeishu, 200, `{"Extra":null,"StatusCode":0,"StatusMessage":"success"}`, 0, sent, 0, ""},
		{TypeFeishu, 200, `{"code":0,"msg":"success"}`, 0, sent, 0, ""},
		{TypeFeishu, 200, `{"msg":"success"}`, 0, retry, 0, "no result code"},
		{TypeFeishu, 200, `{"StatusCode":0,"code":19024,"msg":"Key Words Not Found"}`, 0, refused, 0, "keywords"},
		{TypeFeishu, 200, `{"StatusCode":19001,"StatusMessage":"hook","code":0}`, 0, refused, 0, "token"},
		{TypeFeishu, 400, `{"code":9499,"msg":"too many request","data":{}}`, 0, retry, time.Minute, "too many"},
		{TypeFeishu, 200, `{"code":9499,"msg":"too many request"}`, 0, retry, time.Minute, "too many"},
		{TypeFeishu, 429, `{"code":11232,"msg":"frequency limited psm"}`, 40 * time.Second, retry, time.Minute, "11232"},
		{TypeFeishu, 400, `{"code":99991400,"msg":"request trigger frequency limit"}`, 2 * time.Minute, retry, 2 * time.Minute, "99991400"},
		{TypeFeishu, 400, `{"code":9499,"msg":"Bad Request","data":{}}`, 0, refused, 0, "9499"},
		{TypeFeishu, 200, `{"code":9499,"msg":"bot not enabled"}`, 0, refused, 0, "not enabled"},
		{TypeFeishu, 200, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`, 0, refused, 0, "clock"},
		{TypeFeishu, 200, `{"code":19022,"msg":"Ip Not Allowed"}`, 0, refused, 0, "addresses"},
		{TypeFeishu, 200, `{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}`, 0, refused, 0, "token"},
		{TypeFeishu, 200, `{"code":55555,"msg":"new"}`, 0, retry, 0, "55555"},
		{TypeFeishu, 429, `slow down`, 0, retry, time.Minute, "fewer"},
		{TypeFeishu, 502, html, 0, retry, 0, "502"},
		{TypeFeishu, 503, `{"code":0}`, 0, retry, 0, "503"},

		{TypeWeCom, 200, `{"errcode":0,"errmsg":"ok"}`, 0, sent, 0, ""},
		{TypeWeCom, 200, `{}`, 0, retry, 0, "no result code"},
		{TypeWeCom, 200, `{"errcode":45009,"errmsg":"api freq out of limit, hint: [1700], from ip: 1.2.3.4"}`, 0, retry, time.Minute, "45009"},
		{TypeWeCom, 200, `{"errcode":93000,"errmsg":"invalid webhook url, hint: [1]"}`, 0, refused, 0, "key"},
		{TypeWeCom, 200, `{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}`, 0, refused, 0, "4096"},
		{TypeWeCom, 200, `{"errcode":-1,"errmsg":"system busy"}`, 0, retry, 0, "busy"},
		{TypeWeCom, 504, html, 0, retry, 0, "504"},

		{TypeSlack, 200, "ok", 0, sent, 0, ""},
		{TypeSlack, 200, "ok\n", 0, sent, 0, ""},
		{TypeSlack, 200, html, 0, retry, 0, "not Slack's"},
		{TypeSlack, 200, "", 0, retry, 0, "not Slack's"},
		{TypeSlack, 429, "rate_limited", 30 * time.Second, retry, time.Minute, "fewer"},
		{TypeSlack, 400, "invalid_payload", 0, refused, 0, "invalid_payload"},
		{TypeSlack, 404, "no_service", 0, refused, 0, "no_service"},
		{TypeSlack, 410, "channel_is_archived", 0, refused, 0, "archived"},
		{TypeSlack, 302, "", 0, refused, 0, "302"},
		{TypeSlack, 500, "rollup_error", 0, retry, 0, "500"},

		{TypeWebhook, 200, "", 0, sent, 0, ""},
		{TypeWebhook, 204, "", 0, sent, 0, ""},
		{TypeWebhook, 202, html, 0, sent, 0, ""},
		{TypeWebhook, 302, "", 0, refused, 0, "redirects"},
		{TypeWebhook, 400, "secret words", 0, refused, 0, "400 Bad Request"},
		{TypeWebhook, 401, "", 0, refused, 0, "secret or token"},
		{TypeWebhook, 410, "", 0, refused, 0, "no more"},
		{TypeWebhook, 413, "", 0, refused, 0, "413"},
		{TypeWebhook, 404, "", 0, retry, 0, "404"},
		{TypeWebhook, 408, "", 0, retry, 0, "408"},
		{TypeWebhook, 429, "", 2 * time.Hour, retry, 2 * time.Hour, "fewer"},
		{TypeWebhook, 503, "", 5 * time.Second, retry, 5 * time.Second, "503"},

		{TypeAlertmanager, 200, "", 0, sent, 0, ""},
		{TypeAlertmanager, 400, `{"code":601,"message":"start time must be before end time"}`, 0, refused, 0, "start time"},
		{TypeAlertmanager, 404, html, 0, refused, 0, "no Alertmanager"},
		{TypeAlertmanager, 500, `"cannot write"`, 0, retry, 0, "cannot write"},
	} {
		got := Judge(tt.typ, webhook.Response{Status: tt.status, Body: []byte(tt.body), RetryAfter: tt.after}, nil)
		if got.Ruling != tt.ruling || got.Wait != tt.wait || !strings.Contains(got.Error, tt.says) || (got.Error == "") != (tt.ruling == sent) {
			t.Errorf("%s %d %s: %+v, want %s after %s with %q", tt.typ, tt.status, tt.body, got, tt.ruling, tt.wait, tt.says)
		}
		if strings.ContainsAny(got.Error, "\n\r\x00") || len(got.Error) > 1500 {
			t.Errorf("%s %d: the sentence is %q", tt.typ, tt.status, got.Error)
		}
		if tt.typ == TypeWebhook && strings.Contains(got.Error, "secret words") {
			t.Errorf("the answer of a webhook is in the sentence: %s", got.Error)
		}
	}
}

// Whatever answers, only what says that it took the message is taken for that.
func FuzzJudge(f *testing.F) {
	for _, body := range []string{`{"errcode":0}`, `{"code":0}`, `{"StatusCode":0}`, "ok", `{"status":1111,"punish":"deny"}`, `{"errcode":1e300}`, "\xff"} {
		f.Add(200, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		for _, typ := range []string{TypeWebhook, TypeAlertmanager, TypeDingTalk, TypeFeishu, TypeWeCom, TypeSlack} {
			got := Judge(typ, webhook.Response{Status: status, Body: []byte(body)}, nil)
			if got.Ruling == webhook.RulingSent && (status < http.StatusOK || status > 299) || got.Wait < 0 || (got.Error == "") != (got.Ruling == webhook.RulingSent) {
				t.Errorf("%s %d %q: %+v", typ, status, body, got)
			}
		}
	})
}
