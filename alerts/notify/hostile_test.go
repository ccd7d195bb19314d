package notify

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

// hostile are label values as producers could write them.
var hostile = []string{
	"x](https://evil.example) [y](https://evil.example/y", "<https://evil.example|click>", "https://evil.example/login", "www.evil.example", "Www.evil.example",
	"![p](https://evil.example/p.png)", "[critical]: https://evil.example", "<a href=\"https://evil.example\">x</a>", "dingtalk://dingtalkclient/page/link?url=evil",
	"@all", "<@all>", "<!channel>", "<!here|@here>", "<@U123>", "<#C1|general>", "@所有人", "@13800000000", "<at id=all></at>", `<at user_id="all">x</at>`, "<font color=\"info\">ok</font>",
	"a\n\n# forged\n> forged\n- forged", "a\r\n**forged**", "a\u2028forged", "a\u2029forged", "a\u0085forged", "a\vforged\fforged", "\t\t\tx",
	"a\u202eb\u2066c\u200bd\ufeffe\u00adf", "a\x00b\x1b[31mc\x7fd", "\xff\xfe\x80", "`code` ```block```", "*b* _i_ ~s~ ~~s~~", "| a | b |\n|---|---|", "\\", "\\n", "&lt;b&gt; &#64;all", "$$x$$", "{{.Secret}} ${ENV}",
	`","at":{"isAtAll":true},"x":"`, "]]>", strings.Repeat("长", 5000), strings.Repeat("z", 20000), strings.Repeat("\u0301", 300), "  ", "\u3164\u2800", "👩‍👩‍👧‍👦",
}

// attack puts a hostile text into everything of an alert that comes from outside or from people.
func attack(text string) dlq.Alert {
	a := alerts()[0]
	a.Labels = map[string]string{"consumer_group": text, "topic": text, "reason": text, "cluster": text, text: text, "team": text}
	a.Annotations = map[string]string{"summary": text, "description": text, "runbook_url": text, text: text}
	a.Reasons = []dlq.Facet{{Value: text, Count: 3}, {Value: "unknown", Count: 2}, {Value: text + text, Count: 1}}
	a.Rule, a.Signal = text, text
	return a
}

var (
	markdownLink = regexp.MustCompile(`\[[^\[\]]*\]\(([^()\s]*)\)`)
	slackToken   = regexp.MustCompile(`<[^>]*>`)
	fontTag      = regexp.MustCompile(`</?font(?: color="(?:warning|info|comment)")?>`)
)

// texts that a chat reads as markup, and those it shows as they are, with the addresses that they open.
func parts(t *testing.T, r Receiver, body []byte) (marked, plain, links []string) {
	t.Helper()
	switch r.Type {
	case TypeDingTalk:
		m := decode[dingTalk](t, body)
		marked, plain = []string{m.Markdown.Text}, []string{m.Markdown.Title}
	case TypeWeCom:
		marked = []string{decode[weCom](t, body).Markdown.Content}
	case TypeFeishu:
		m := decode[feishu](t, body)
		plain = append(plain, m.Card.Header.Title.Content)
		for _, e := range m.Card.Elements {
			for _, a := range e.Actions {
				links = append(links, a.URL)
				plain = append(plain, a.Text.Content)
			}
			if e.Text != nil {
				if e.Text.Tag != "plain_text" {
					t.Errorf("Feishu: a %s", e.Text.Tag)
				}
				plain = append(plain, e.Text.Content)
			}
		}
	case TypeSlack:
		m := decode[slack](t, body)
		marked = append(marked, m.Text)
		for _, b := range m.Blocks {
			switch {
			case b.Text != nil && b.Text.Type == "plain_text":
				plain = append(plain, b.Text.Text)
			case b.Text != nil:
				if !b.Text.Verbatim {
					t.Error("Slack would make links and mentions of its own")
				}
				marked = append(marked, b.Text.Text)
			}
		}
	}
	return marked, plain, links
}

// shape is what an attacker must not change: lines in order of what they are, links, mentions.
func shape(t *testing.T, r Receiver, body []byte) (lines int) {
	t.Helper()
	marked, plain, links := parts(t, r, body)
	for _, text := range marked {
		rest, markup := text, "<>[]`|~\\"
		switch r.Type {
		case TypeSlack:
			markup = "<>`~"
			for _, token := range slackToken.FindAllString(text, -1) {
				link, _, ok := strings.Cut(strings.Trim(token, "<>"), "|")
				if !ok {
					t.Errorf("Slack: %s is no link of ours", token)
				}
				links = append(links, link)
			}
			rest = slackToken.ReplaceAllString(rest, "")
			if strings.Contains(rest, "*") && strings.Count(rest, "*") != 2 {
				t.Errorf("Slack: forged bold in %q", rest)
			}
		default:
			for _, m := range markdownLink.FindAllStringSubmatch(text, -1) {
				links = append(links, m[1])
			}
			rest = markdownLink.ReplaceAllString(rest, "")
			rest = fontTag.ReplaceAllString(rest, "")
			rest = strings.ReplaceAll(rest, "\n> ", "\n")
		}
		if i := strings.IndexAny(rest, markup); i >= 0 {
			t.Errorf("%s: %q can be markup in %q", r.Type, rest[i:i+1], rest)
		}
		plain = append(plain, rest)
		lines += strings.Count(text, "\n")
	}
	for _, text := range plain {
		if len(marked) == 0 {
			lines += strings.Count(text, "\n")
		}
		if strings.Contains(text, "@") || strings.Contains(text, "://") || strings.Contains(strings.ToLower(text), "www.") {
			t.Errorf("%s: a mention or link can be seen in %q", r.Type, text)
		}
		for _, c := range text {
			if c != '\n' && (unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp)) {
				t.Errorf("%s: %U in %q", r.Type, c, text)
			}
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s: not UTF-8: %q", r.Type, text)
		}
	}
	for _, l := range links {
		if !strings.HasPrefix(l, public+"/") {
			t.Errorf("%s: a link to %q", r.Type, l)
		}
	}
	return lines
}

// What a label holds never makes a line, a link or a mention, and never leaves JSON.
func TestLabelsCannotForge(t *testing.T) {
	for _, r := range receivers(t)[3:] {
		for _, locale := range []string{LocaleEnglish, LocaleChinese, LocaleBoth} {
			r.Locale = locale
			calm := attack("calm")
			calm.Annotations["runbook_url"] = ""
			want := shape(t, r, render(t, r, delivery(dlq.NotifyFirst, calm), options()).Body)
			for _, text := range hostile {
				body := render(t, r, delivery(dlq.NotifyFirst, attack(text), alerts()[3]), options()).Body
				checkSize(t, r, body)
				one := attack(text)
				one.Annotations["runbook_url"] = "" // an address in rules.yaml is its owner's
				if got := shape(t, r, render(t, r, delivery(dlq.NotifyFirst, one), options()).Body); got > want {
					t.Errorf("%s %s: %d lines, of a calm one %d, for %q", r.Type, locale, got, want, text)
				}
			}
		}
	}
}

func TestRunbookLinks(t *testing.T) {
	for text, want := range map[string]string{
		"https://wiki.example/a?b=c&d=e#f": "https://wiki.example/a?b=c&d=e#f", " https://wiki.example/x ": "https://wiki.example/x",
		"https://wiki.example/a) [b](https://evil": "https://wiki.example/a%29%20%5Bb%5D%28https://evil", "https://wiki.example/中文|x>": "https://wiki.example/%E4%B8%AD%E6%96%87%7Cx%3E",
		"javascript:alert(1)": "", "wiki.example/x": "", "": "", "https://user:pw@wiki.example/": "", "https://": "", "http://[::1": "", "https://a/\nb": "", "https://a/" + strings.Repeat("x", 2000): "",
	} {
		if got := foreignLink(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// checkSize holds a body to its vendor's limit.
func checkSize(t *testing.T, r Receiver, body []byte) {
	t.Helper()
	switch r.Type {
	case TypeDingTalk, TypeFeishu:
		if len(body) > 20_000 {
			t.Errorf("%s: %d bytes", r.Type, len(body))
		}
	case TypeWeCom:
		if n := len(decode[weCom](t, body).Markdown.Content); n > 4096 {
			t.Errorf("WeCom: %d bytes", n)
		}
	case TypeSlack:
		m := decode[slack](t, body)
		if len(m.Blocks) > 50 {
			t.Errorf("Slack: %d blocks", len(m.Blocks))
		}
		for _, b := range m.Blocks {
			if b.Text != nil {
				n, most := len(utf16.Encode([]rune(b.Text.Text))), map[string]int{"header": 150, "section": 3000}[b.Type]
				if n > most || n == 0 {
					t.Errorf("Slack: a %s of %d characters", b.Type, n)
				}
			}
		}
	case TypeWebhook:
		if len(body) > 256<<10 {
			t.Errorf("webhook: %d bytes", len(body))
		}
	}
}

// 500 alerts are counts and a link in a chat; a machine hears of as many as fit, and of how many did not.
func TestFiveHundredAlerts(t *testing.T) {
	for name, all := range map[string][]dlq.Alert{
		"calm": many(500, nil),
		"hostile": many(500, func(i int, a *dlq.Alert) {
			id := a.ID
			*a = attack(hostile[i%len(hostile)])
			a.ID = id
		}),
		"long": many(500, func(_ int, a *dlq.Alert) { id := a.ID; *a = attack(strings.Repeat("死信", 150)); a.ID = id }),
	} {
		for _, r := range receivers(t) {
			for _, locale := range []string{LocaleChinese, LocaleBoth} {
				r.Locale = locale
				d := delivery(dlq.NotifyDigest, all...)
				d.Notification.More = 7
				body := render(t, r, d, options()).Body
				checkSize(t, r, body)
				switch {
				case r.Type == TypeAlertmanager:
					if n := len(decode[[]pushed](t, body)); n != 500 {
						t.Errorf("%s: %d alerts are pushed", name, n)
					}
				case r.Format == FormatAlertmanager:
					if m := decode[v4](t, body); len(m.Alerts)+m.TruncatedAlerts != 507 || m.Status != "firing" || name == "calm" && len(m.Alerts) < 300 {
						t.Errorf("%s: %d alerts and %d more", name, len(m.Alerts), m.TruncatedAlerts)
					}
				case r.Type == TypeWebhook:
					if m := decode[native](t, body); len(m.Data.Alerts)+m.Data.More != 507 || m.Data.Firing != 500 || name == "calm" && len(m.Data.Alerts) < 300 {
						t.Errorf("%s: %d alerts and %d more", name, len(m.Data.Alerts), m.Data.More)
					}
				default:
					text := string(body)
					for _, want := range []string{"500 条触发", "另有 7 条", public + "/alerts"} {
						if !strings.Contains(text, want) {
							t.Errorf("%s %s: no %q in %s", name, r.Type, want, text)
						}
					}
				}
			}
		}
	}
}

// The chats name how many they do not tell of one by one, and the figures add up.
func TestNothingIsLeftOutInSilence(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 60} {
		for _, r := range receivers(t)[3:] {
			r.Locale = LocaleEnglish
			text := string(render(t, r, delivery(dlq.NotifyNew, many(n, nil)...), options()).Body)
			told := 0
			for i := range n {
				if strings.Contains(text, fmt.Sprintf("alert=%016x", i)) {
					told++
				}
			}
			left := 0
			if m := regexp.MustCompile(`Not shown: (\d+) firing`).FindStringSubmatch(text); m != nil {
				fmt.Sscan(m[1], &left)
			}
			if told+left != n || told == 0 {
				t.Errorf("%s: of %d alerts %d are told and %d counted", r.Type, n, told, left)
			}
		}
	}
}

// Without a public URL there is nothing to link to, and the message is whole all the same.
func TestNoPublicURL(t *testing.T) {
	for _, r := range receivers(t) {
		body := string(render(t, r, delivery(dlq.NotifyNew, alerts()...), Options{Now: now}).Body)
		if strings.Contains(body, "/alerts") || strings.Contains(body, "/letters") || strings.Contains(body, `"url":""`) {
			t.Errorf("%s: %s", r.Type, body)
		}
	}
}

// Chinese is sent as UTF-8: \u escapes would make three bytes six.
func TestNoEscapes(t *testing.T) {
	for _, r := range receivers(t) {
		r.Locale = LocaleChinese
		body := string(render(t, r, delivery(dlq.NotifyNew, alerts()...), options()).Body)
		if strings.Contains(body, `\u`) || !strings.Contains(body, "库存不足") {
			t.Errorf("%s: %s", r.Type, body)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " a \n\t b ": "a b", "network_timeout": "network_timeout", "com.shop.PayException: 3-D (x)": "com.shop.PayException: 3-D (x)",
		"a\u202eb\u200bc": "abc", "x@y": "x＠y", "http://x": "http：／／x", strings.Repeat("长", 11): strings.Repeat("长", 9) + "…", strings.Repeat("长", 10): strings.Repeat("长", 10), "\xff": "\uFFFD",
	} {
		most := 10
		if utf8.RuneCountInString(want) > most {
			most = 60
		}
		if got := clean(text, most); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// Nobody's text breaks a message, whatever it is.
func FuzzLabelsCannotForge(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range receivers(t)[3:] {
			a := attack(text)
			a.Annotations["runbook_url"] = ""
			body := render(t, r, delivery(dlq.NotifyFirst, a), options()).Body
			checkSize(t, r, body)
			shape(t, r, body)
		}
	})
}
