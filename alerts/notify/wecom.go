package notify

import (
	"fmt"
	"strings"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

var weComKind = Kind{Type: TypeWeCom, Chat: true, Locale: LocaleChinese, render: renderWeCom, judge: judgeWeCom}

// maxWeCom is how long WeCom lets Markdown be, in bytes of UTF-8 before it is made JSON
// (developer.work.weixin.qq.com/document/path/99110).
const maxWeCom = 4096

type weCom struct {
	Type     string        `json:"msgtype"`
	Markdown weComMarkdown `json:"markdown"`
}

type weComMarkdown struct {
	Content string `json:"content"`
}

// renderWeCom writes Markdown, the kind with colours. WeCom's robots know no signature: their URL is the secret.
func renderWeCom(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	m := compose(r, d, o, func(m chat) bool { return len(weComText(m)) <= maxWeCom })
	body, err := encode(weCom{Type: "markdown", Markdown: weComMarkdown{Content: weComText(m)}})
	if err != nil {
		return webhook.Prepared{}, err
	}
	return webhook.Prepared{URL: r.URL, Headers: jsonHeaders(), Body: body}, nil
}

func weComText(m chat) string {
	color := map[string]string{"red": "warning", "orange": "warning", "green": "info"}[m.color]
	if color == "" {
		color = "comment"
	}
	var b strings.Builder
	b.WriteString(`**<font color="` + color + `">` + plainMarkdown.Replace(m.title) + "</font>**\n")
	for _, one := range m.blocks {
		b.WriteString("\n**" + one.icon + " " + plainMarkdown.Replace(one.head) + "**\n")
		for _, line := range one.lines {
			b.WriteString("> " + plainMarkdown.Replace(line) + "\n")
		}
		if len(one.links) > 0 {
			b.WriteString(markdownLinks(one.links) + "\n")
		}
	}
	b.WriteString("\n")
	if m.more != "" {
		b.WriteString(plainMarkdown.Replace(m.more) + "\n")
	}
	if m.all.url != "" {
		b.WriteString(markdownLinks([]link{m.all}) + "\n")
	}
	b.WriteString(`<font color="comment">` + plainMarkdown.Replace(m.foot) + "</font>")
	return b.String()
}

func judgeWeCom(res webhook.Response) webhook.Outcome {
	a, ok := readVendor(res)
	if !ok || a.ErrCode == nil {
		return unreadable("WeCom", res)
	}
	said := fmt.Sprintf("WeCom answers %d: %s", *a.ErrCode, clean(a.ErrMsg, maxVendorText))
	switch *a.ErrCode {
	case 0:
		return success("WeCom", res)
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
