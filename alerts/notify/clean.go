package notify

import (
	"strings"
	"unicode"
)

// clean makes foreign text fit for one line of a chat: valid UTF-8, no line break or control character, nothing that is
// invisible or turns the writing direction, and of at most max runes, the last of which is then an ellipsis. What chats
// take for a mention or a link without any markup is put out of action in a way that people still can read.
func clean(s string, max int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	n, blank := 0, true // leading blanks are left out, others become one
	for _, c := range s {
		switch {
		case unicode.IsSpace(c) || unicode.IsControl(c) || unicode.In(c, unicode.Zl, unicode.Zp):
			if !blank {
				b.WriteByte(' ')
				n++
			}
			blank = true
			continue
		case unicode.In(c, unicode.Cf, unicode.Co) || c == '\u3164' || c == '\u115f' || c == '\u1160' || c == '\uffa0' || c == '\u2800':
			continue // zero-width and bidirectional marks, private use, blank letters
		}
		blank = false
		if n++; n > 2*max { // enough for whatever is cut below
			break
		}
		b.WriteRune(c)
	}
	return cut(unlinked.Replace(strings.TrimRight(b.String(), " ")), max)
}

// unlinked puts full-width signs in the place of those that make chats see mentions and addresses in plain text.
var unlinked = strings.NewReplacer("@", "＠", "://", "：／／", "www.", "www．", "Www.", "Www．", "WWW.", "WWW．")

// cut shortens to max runes.
func cut(s string, max int) string {
	n := 0
	for i := range s {
		if n++; n == max && len([]rune(s[i:])) > 1 {
			return s[:i] + "…"
		}
	}
	return s
}

// plainMarkdown makes text mean itself in the Markdown of DingTalk and WeCom. Neither says how a sign is escaped, so the
// signs that can do something give way to their full-width twins.
var plainMarkdown = strings.NewReplacer("[", "［", "]", "］", "<", "＜", ">", "＞", "*", "＊", "`", "｀", "#", "＃",
	"|", "｜", "\\", "＼", "&", "＆", "~", "～", "!", "！", "$", "＄")

// plainSlack is Slack's own escape (api.slack.com: formatting text). The signs that make bold, italic, struck or code
// have none.
var plainSlack = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "＊", "`", "｀", "~", "～")
