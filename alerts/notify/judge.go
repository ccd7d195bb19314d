package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

const (
	// dingTalkBlock is how long DingTalk refuses everything of a robot that sent more than 20 messages in a minute.
	dingTalkBlock = 10 * time.Minute
	// throttled is how long to wait where the vendor counts messages by the minute.
	throttled = time.Minute
	// maxVendorText is how much of a vendor's own words is shown, in runes.
	maxVendorText = 200
)

// Judge says what an answer means. Sent is only what says so: DingTalk, Feishu, WeCom and Slack report their errors with
// status 200. Refused is what will not change by itself, such as a wrong token; the rest is worth another try. An answer
// that cannot be read is one of those: it may be a proxy's or a gateway's.
func Judge(typ string, res webhook.Response, err error) webhook.Outcome {
	if err != nil {
		return judgeError(err)
	}
	switch typ {
	case TypeDingTalk:
		return judgeDingTalk(res)
	case TypeFeishu:
		return judgeFeishu(res)
	case TypeWeCom:
		return judgeWeCom(res)
	case TypeSlack:
		return judgeSlack(res)
	default:
		return judgeStatus(typ, res)
	}
}

func sent() webhook.Outcome { return webhook.Outcome{Ruling: webhook.RulingSent} }

func again(res webhook.Response, wait time.Duration, format string, args ...any) webhook.Outcome {
	return webhook.Outcome{Ruling: webhook.RulingRetry, Wait: max(wait, res.RetryAfter), Error: fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) webhook.Outcome {
	return webhook.Outcome{Ruling: webhook.RulingRefused, Error: fmt.Sprintf(format, args...)}
}

// judgeError judges a call without an answer. An address that is never called, or none at all, stays so.
func judgeError(err error) webhook.Outcome {
	text := "the call failed"
	var public *dlq.Error
	if errors.As(err, &public) {
		text = public.Message
	}
	if code := dlq.CodeOf(err); code == dlq.CodeRefused || code == dlq.CodeInvalid {
		return refused("%s", text)
	}
	return again(webhook.Response{}, 0, "%s", text)
}

// judgeStatus judges by the status alone, as Standard Webhooks and Alertmanager have it. 404 and 409 are tried again: so
// answers an ingress while what is behind it is being deployed.
func judgeStatus(typ string, res webhook.Response) webhook.Outcome {
	status := fmt.Sprintf("%d %s", res.Status, http.StatusText(res.Status))
	said := ""
	if words := clean(string(res.Body), maxVendorText); typ == TypeAlertmanager && words != "" {
		said = ": " + words
	}
	switch {
	case res.Status >= 200 && res.Status < 300:
		return sent()
	case res.Status >= 300 && res.Status < 400:
		return refused("the receiver answers %s; redirects are not followed, so its URL must be mended", status)
	case res.Status == http.StatusGone:
		return refused("the receiver answers %s: it wants no more of these", status)
	case res.Status == http.StatusUnauthorized || res.Status == http.StatusForbidden:
		return refused("the receiver answers %s: its secret or token is wrong%s", status, said)
	case res.Status == http.StatusBadRequest || res.Status == http.StatusMethodNotAllowed || res.Status == http.StatusRequestEntityTooLarge ||
		res.Status == http.StatusUnsupportedMediaType || res.Status == http.StatusUnprocessableEntity:
		return refused("the receiver does not take this message: %s%s", status, said)
	case res.Status == http.StatusNotFound && typ == TypeAlertmanager:
		return refused("the receiver answers %s: there is no Alertmanager at its URL", status)
	case res.Status == http.StatusTooManyRequests:
		return again(res, 0, "the receiver asks for fewer messages: %s", status)
	default:
		return again(res, 0, "the receiver answers %s%s", status, said)
	}
}

// vendorAnswer is what the three robots answer. The codes are pointers, since a field that is missing is no 0: the
// gateway before DingTalk throttles by {"status":1111,"wait":5,"punish":"deny"}.
type vendorAnswer struct {
	ErrCode *int64 `json:"errcode"` // DingTalk, WeCom
	ErrMsg  string `json:"errmsg"`

	Code          *int64 `json:"code"` // Feishu
	Msg           string `json:"msg"`
	StatusCode    *int64 `json:"StatusCode"` // Feishu's older answers
	StatusMessage string `json:"StatusMessage"`

	Status *int64 `json:"status"` // gateways
	Wait   int64  `json:"wait"`   // seconds
	Punish string `json:"punish"`
}

func readVendor(res webhook.Response) (vendorAnswer, bool) {
	var a vendorAnswer
	return a, json.Unmarshal(res.Body, &a) == nil
}

// unreadable judges an answer that lacks what its vendor always says.
func unreadable(vendor string, res webhook.Response) webhook.Outcome {
	if res.Status == http.StatusTooManyRequests {
		return again(res, throttled, "%s asks for fewer messages: %d %s", vendor, res.Status, http.StatusText(res.Status))
	}
	return again(res, 0, "the answer is not one of %s's (status %d, no result code): something else answers at this URL, or a gateway stands before it", vendor, res.Status)
}

func judgeDingTalk(res webhook.Response) webhook.Outcome {
	a, ok := readVendor(res)
	if ok && a.ErrCode == nil && (a.Punish != "" || a.Status != nil && *a.Status == 1111) {
		wait := time.Duration(min(max(a.Wait, 0), int64(webhook.MaxRetryAfter/time.Second))) * time.Second
		return again(res, max(wait, throttled), "DingTalk's gateway asks for fewer messages")
	}
	if !ok || a.ErrCode == nil {
		return unreadable("DingTalk", res)
	}
	said := fmt.Sprintf("DingTalk answers %d: %s", *a.ErrCode, clean(a.ErrMsg, maxVendorText))
	switch *a.ErrCode {
	case 0:
		if res.Status >= 200 && res.Status < 300 {
			return sent()
		}
		return again(res, 0, "DingTalk answers status %d", res.Status)
	case 130101, 410100:
		return again(res, dingTalkBlock, "%s", said)
	case 310000:
		return refused("%s. The robot's security setting refuses the message: look at its keywords, its secret, its list of addresses, and this machine's clock", said)
	case 300001, 300005, 400101:
		return refused("%s. The token in the URL is unknown", said)
	case 400013, 400102, 400106:
		return refused("%s. The robot or its group is gone, or it was stopped", said)
	case 40035, 43004, 400105, 430101, 430102:
		return refused("%s", said)
	default:
		return again(res, 0, "%s", said)
	}
}

func judgeFeishu(res webhook.Response) webhook.Outcome {
	a, ok := readVendor(res)
	code, text := a.Code, a.Msg
	if code == nil || *code == 0 && a.StatusCode != nil && *a.StatusCode != 0 {
		code, text = a.StatusCode, a.StatusMessage
	}
	if !ok || code == nil {
		return unreadable("Feishu", res)
	}
	said := fmt.Sprintf("Feishu answers %d: %s", *code, clean(text, maxVendorText))
	words := strings.ToLower(text)
	switch {
	case *code == 0:
		if res.Status >= 200 && res.Status < 300 {
			return sent()
		}
		return again(res, 0, "Feishu answers status %d", res.Status)
	case *code == 11232 || *code == 99991400 || *code == 9499 && (strings.Contains(words, "too many") || strings.Contains(words, "frequen")):
		return again(res, throttled, "%s", said)
	case *code == 19021:
		return refused("%s. The secret is wrong, or this machine's clock is", said)
	case *code == 19022 || *code == 19024:
		return refused("%s. The robot's security setting refuses the message: look at its keywords and its list of addresses", said)
	case *code == 19001:
		return refused("%s. The token in the URL is unknown", said)
	case *code == 9499:
		return refused("%s", said)
	default:
		return again(res, 0, "%s", said)
	}
}

func judgeWeCom(res webhook.Response) webhook.Outcome {
	a, ok := readVendor(res)
	if !ok || a.ErrCode == nil {
		return unreadable("WeCom", res)
	}
	said := fmt.Sprintf("WeCom answers %d: %s", *a.ErrCode, clean(a.ErrMsg, maxVendorText))
	switch *a.ErrCode {
	case 0:
		if res.Status >= 200 && res.Status < 300 {
			return sent()
		}
		return again(res, 0, "WeCom answers status %d", res.Status)
	case 45009:
		return again(res, throttled, "%s", said)
	case 93000:
		return refused("%s. The key in the URL is unknown", said)
	case 40008, 40058:
		return refused("%s", said)
	default:
		return again(res, 0, "%s", said)
	}
}

// judgeSlack wants the body "ok": a page to log in at is 200 too.
func judgeSlack(res webhook.Response) webhook.Outcome {
	words := clean(string(res.Body), 60)
	switch {
	case res.Status == http.StatusOK && words == "ok":
		return sent()
	case res.Status == http.StatusOK:
		return again(res, 0, "the answer is not Slack's: something else answers at this URL")
	case res.Status == http.StatusTooManyRequests:
		return again(res, throttled, "Slack asks for fewer messages")
	case res.Status >= 300 && res.Status < 500 && res.Status != http.StatusRequestTimeout:
		return refused("Slack answers %d: %s", res.Status, words)
	default:
		return again(res, 0, "Slack answers %d", res.Status)
	}
}
