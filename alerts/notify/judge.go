package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

const (
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
	if kind, known := KindOf(typ); known {
		return kind.judge(res)
	}
	return judgeWebhook(res) // it is no type any more
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
	text := dlq.SentenceOf(err, "the call failed")
	if code := dlq.CodeOf(err); code == dlq.CodeRefused || code == dlq.CodeInvalid {
		return refused("%s", text)
	}
	return again(webhook.Response{}, 0, "%s", text)
}

// judgeWebhook judges by the status alone, as Standard Webhooks has it. 404 and 409 are tried again: so answers an ingress while
// what is behind it is being deployed.
func judgeWebhook(res webhook.Response) webhook.Outcome { return judgeStatus(res, "") }

// judgeStatus judges by the status, and repeats what the receiver said of it.
func judgeStatus(res webhook.Response, said string) webhook.Outcome {
	status := fmt.Sprintf("%d %s", res.Status, http.StatusText(res.Status))
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

// success judges an answer whose result code is 0.
func success(vendor string, res webhook.Response) webhook.Outcome {
	if res.Status >= 200 && res.Status < 300 {
		return sent()
	}
	return again(res, 0, "%s answers status %d", vendor, res.Status)
}
