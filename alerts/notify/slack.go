package notify

import (
	"net/http"
	"strings"
	"unicode/utf16"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

var slackKind = Kind{Type: TypeSlack, Chat: true, Locale: LocaleEnglish, render: renderSlack, judge: judgeSlack}

const (
	// maxSlackSection is how long Slack lets a section's text be, in characters.
	maxSlackSection = 3000
	// maxSlack keeps the whole body well below what Slack takes, in bytes.
	maxSlack = 40_000
)

type slack struct {
	Text   string       `json:"text"` // what a notification shows; the blocks take its place in the channel
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

type slackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim,omitempty"` // Slack makes no links and mentions of its own
}

// renderSlack writes blocks for an incoming webhook.
func renderSlack(r Receiver, d *dlq.Delivery, o Options) (webhook.Prepared, error) {
	draw := func(m chat) ([]byte, error) {
		return encode(slack{Text: plainSlack.Replace(m.title), Blocks: slackBlocks(m)})
	}
	body, err := draw(compose(r, d, o, func(m chat) bool {
		for _, b := range slackBlocks(m) {
			if b.Type == "section" && len(utf16.Encode([]rune(b.Text.Text))) > maxSlackSection {
				return false
			}
		}
		body, err := draw(m)
		return err == nil && len(body) <= maxSlack
	}))
	if err != nil {
		return webhook.Prepared{}, err
	}
	return webhook.Prepared{URL: r.URL, Headers: jsonHeaders(), Body: body}, nil
}

func slackBlocks(m chat) []slackBlock {
	out := []slackBlock{{Type: "header", Text: &slackText{Type: "plain_text", Text: m.title}}}
	section := func(text string) {
		out = append(out, slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: text, Verbatim: true}})
	}
	for _, b := range m.blocks {
		lines := []string{b.icon + " *" + plainSlack.Replace(b.head) + "*"}
		for _, line := range b.lines {
			lines = append(lines, "• "+plainSlack.Replace(line))
		}
		if len(b.links) > 0 {
			lines = append(lines, slackLinks(b.links))
		}
		section(strings.Join(lines, "\n"))
	}
	var rest []string
	if m.more != "" {
		rest = append(rest, plainSlack.Replace(m.more))
	}
	if m.all.url != "" {
		rest = append(rest, slackLinks([]link{m.all}))
	}
	if len(rest) > 0 {
		section(strings.Join(rest, "\n"))
	}
	return append(out, slackBlock{Type: "context", Elements: []slackText{{Type: "mrkdwn", Text: plainSlack.Replace(m.foot), Verbatim: true}}})
}

func slackLinks(links []link) string {
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = "<" + strings.ReplaceAll(l.url, "&", "&amp;") + "|" + l.text + ">"
	}
	return strings.Join(out, " · ")
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
