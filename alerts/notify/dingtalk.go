package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

var dingTalkKind = Kind{Type: TypeDingTalk, Chat: true, Signed: true, Locale: LocaleChinese, render: renderDingTalk, judge: judgeDingTalk}

const (
	// maxDingTalk is how long DingTalk lets a body be, in bytes.
	maxDingTalk = 20_000
	// dingTalkBlock is how long DingTalk refuses everything of a robot that sent more than 20 messages in a minute.
	dingTalkBlock = 10 * time.Minute
)

type dingTalk struct {
	Type     string           `json:"msgtype"`
	Markdown dingTalkMarkdown `json:"markdown"`
}

type dingTalkMarkdown struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// renderDingTalk writes Markdown. It mentions nobody: DingTalk mentions only whom a field "at" lists.
func renderDingTalk(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	draw := func(m chat) ([]byte, error) {
		return encode(dingTalk{Type: "markdown", Markdown: dingTalkMarkdown{Title: plainMarkdown.Replace(m.title), Text: markdownText(m)}})
	}
	body, err := draw(compose(r, d, o, func(m chat) bool {
		b, err := draw(m)
		return err == nil && len(b) <= maxDingTalk
	}))
	if err != nil {
		return webhook.Prepared{}, err
	}
	address := r.URL
	if r.Secret != "" {
		stamp, sign := signDingTalk(r.Secret, o.Now)
		if address, err = addQuery(address, "timestamp", stamp, "sign", sign); err != nil {
			return webhook.Prepared{}, err
		}
	}
	return webhook.Prepared{URL: address, Headers: jsonHeaders(), Body: body}, nil
}

// signDingTalk returns the milliseconds and the base64 of HMAC-SHA256 over "<milliseconds>\n<secret>" under the secret.
func signDingTalk(secret string, at time.Time) (stamp, sign string) {
	stamp = strconv.FormatInt(at.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "\n" + secret))
	return stamp, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// markdownText writes DingTalk's Markdown, where only an empty line ends a line.
func markdownText(m chat) string {
	var b strings.Builder
	b.WriteString("### " + plainMarkdown.Replace(m.title) + "\n\n")
	for _, one := range m.blocks {
		b.WriteString("**" + one.icon + " " + plainMarkdown.Replace(one.head) + "**\n\n")
		for _, line := range one.lines {
			b.WriteString("- " + plainMarkdown.Replace(line) + "\n")
		}
		if len(one.lines) > 0 {
			b.WriteString("\n")
		}
		if len(one.links) > 0 {
			b.WriteString(markdownLinks(one.links) + "\n\n")
		}
	}
	if m.more != "" {
		b.WriteString(plainMarkdown.Replace(m.more) + "\n\n")
	}
	if m.all.url != "" {
		b.WriteString(markdownLinks([]link{m.all}) + "\n\n")
	}
	b.WriteString(plainMarkdown.Replace(m.foot))
	return b.String()
}

func markdownLinks(links []link) string {
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = "[" + l.text + "](" + l.url + ")"
	}
	return strings.Join(out, " · ")
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
		return success("DingTalk", res)
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
