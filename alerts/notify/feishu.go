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

var feishuKind = Kind{Type: TypeFeishu, Chat: true, Signed: true, Locale: LocaleChinese, render: renderFeishu, judge: judgeFeishu}

// maxFeishu is below the 20 KB that Feishu lets a body be, in bytes, with its signature.
const maxFeishu = 20_000

type feishu struct {
	Timestamp string     `json:"timestamp,omitempty"`
	Sign      string     `json:"sign,omitempty"`
	Type      string     `json:"msg_type"`
	Card      feishuCard `json:"card"`
}

type feishuCard struct {
	Config   feishuConfig    `json:"config"`
	Header   feishuHeader    `json:"header"`
	Elements []feishuElement `json:"elements"`
}

type feishuConfig struct {
	Wide bool `json:"wide_screen_mode"`
}

type feishuHeader struct {
	Title    feishuText `json:"title"`
	Template string     `json:"template"` // colour
}

type feishuText struct {
	Tag     string `json:"tag"`
	Content string `json:"content"`
}

type feishuElement struct {
	Tag      string         `json:"tag"`
	Text     *feishuText    `json:"text,omitempty"`
	Actions  []feishuButton `json:"actions,omitempty"`
	Elements []feishuText   `json:"elements,omitempty"`
}

type feishuButton struct {
	Tag  string     `json:"tag"`
	Type string     `json:"type"`
	Text feishuText `json:"text"`
	URL  string     `json:"url"`
}

// renderFeishu writes a card. All its texts are plain_text elements, in which nothing is markup.
func renderFeishu(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	draw := func(m chat) ([]byte, []byte, error) {
		out := feishu{Type: "interactive", Card: feishuCard{Config: feishuConfig{Wide: true}, Elements: feishuElements(m)}}
		out.Card.Header = feishuHeader{Title: feishuPlain(m.title), Template: m.color}
		if r.Secret != "" {
			out.Timestamp, out.Sign = signFeishu(r.Secret, o.Now)
		}
		body, err := encode(out)
		if err != nil || r.Secret == "" {
			return body, nil, err
		}
		out.Sign = "***" // it lets whoever reads the log post for an hour
		shown, err := encode(out)
		return body, shown, err
	}
	body, shown, err := draw(compose(r, d, o, func(m chat) bool {
		b, _, err := draw(m)
		return err == nil && len(b) <= maxFeishu
	}))
	if err != nil {
		return webhook.Prepared{}, err
	}
	return webhook.Prepared{URL: r.URL, Headers: jsonHeaders(), Body: body, Shown: shown}, nil
}

// signFeishu returns the seconds and the base64 of HMAC-SHA256 over nothing under "<seconds>\n<secret>".
func signFeishu(secret string, at time.Time) (stamp, sign string) {
	stamp = strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(stamp+"\n"+secret))
	return stamp, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func feishuPlain(text string) feishuText { return feishuText{Tag: "plain_text", Content: text} }

func feishuElements(m chat) []feishuElement {
	var out []feishuElement
	div := func(text string) {
		content := feishuPlain(text)
		out = append(out, feishuElement{Tag: "div", Text: &content})
	}
	buttons := func(links []link) {
		action := feishuElement{Tag: "action"}
		for i, l := range links {
			kind := "default"
			if i == 0 {
				kind = "primary"
			}
			action.Actions = append(action.Actions, feishuButton{Tag: "button", Type: kind, Text: feishuPlain(l.text), URL: l.url})
		}
		out = append(out, action)
	}
	for _, b := range m.blocks {
		div(strings.Join(append([]string{b.icon + " " + b.head}, b.lines...), "\n"))
		if len(b.links) > 0 {
			buttons(b.links)
		}
	}
	if len(m.blocks) > 0 {
		out = append(out, feishuElement{Tag: "hr"})
	}
	if m.more != "" {
		div(m.more)
	}
	if m.all.url != "" {
		buttons([]link{m.all})
	}
	return append(out, feishuElement{Tag: "note", Elements: []feishuText{feishuPlain(m.foot)}})
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
		return success("Feishu", res)
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
