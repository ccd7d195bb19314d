package store

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

const (
	maxSearched = 64 << 10 // bytes of a body that full text knows
	maxToken    = 64       // bytes of a word that count; longer ones are cut
	maxTokens   = 100      // tokens that one query may have
	minPrefix   = 6        // characters before a * at the end of a word: shorter prefixes stand for too many words
)

// Full text knows words, which are runs of letters and digits, and for scripts without blanks every pair of neighbouring
// characters: SQLite's own tokenisers find no Chinese word inside a sentence, or none of two characters.

// tokens calls word for each run of letters and digits and ideographs for each run of ideographs, kana or hangul.
func tokens(text string, word, ideographs func(string)) {
	start, wide := -1, false
	end := func(at int) {
		if start < 0 {
			return
		}
		if wide {
			ideographs(text[start:at])
		} else {
			word(text[start:at])
		}
		start = -1
	}
	for i, r := range text {
		kind := classOf(r)
		if kind == classNone || start >= 0 && wide != (kind == classWide) {
			end(i)
		}
		if kind != classNone && start < 0 {
			start, wide = i, kind == classWide
		}
	}
	end(len(text))
}

type class int

const (
	classNone class = iota
	classWord
	classWide
)

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return classWord
		}
		return classNone
	case r < 0x1100:
		if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) {
			return classWord
		}
		return classNone
	case r == utf8.RuneError:
		return classNone
	case r >= 0x4E00 && r <= 0x9FFF: // nearly all of Chinese
		return classWide
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
		return classWide
	case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
		return classWord
	default:
		return classNone
	}
}

// indexText returns what full text stores of a text: its tokens with blanks between them. A run of ideographs becomes its
// pairs and its last character alone, so that every single character begins some token.
func indexText(texts ...string) string {
	var b strings.Builder
	add := func(token string) {
		b.WriteString(token)
		b.WriteByte(' ')
	}
	for _, text := range texts {
		tokens(normal(text), func(w string) { add(dlq.Cut(w, maxToken)) }, func(run string) {
			pairs(run, add)
			_, size := utf8.DecodeLastRuneInString(run)
			add(run[len(run)-size:])
		})
	}
	return b.String()
}

// pairs calls f for each two neighbouring characters.
func pairs(run string, f func(string)) {
	before := -1
	for i, r := range run {
		if before >= 0 {
			f(run[before : i+utf8.RuneLen(r)])
		}
		before = i
	}
}

// normal lowers the case, turns full-width letters and digits into plain ones, and resolves the \u escapes with which
// many programs write Chinese into JSON.
func normal(text string) string {
	if strings.Contains(text, `\u`) {
		text = unescape(text)
	}
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		return unicode.ToLower(r)
	}, text)
}

func unescape(text string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, `\u`)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		r, size := escaped(text[i:])
		if utf16.IsSurrogate(r) {
			low, lowSize := escaped(text[i+size:])
			r, size = utf16.DecodeRune(r, low), size+lowSize
		}
		if size == 0 {
			b.WriteString(`\u`)
			size = 2
		} else {
			b.WriteRune(r)
		}
		text = text[i+size:]
	}
}

// escaped reads one \uXXXX at the start of a text; size is 0 when there is none.
func escaped(text string) (r rune, size int) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, 0
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(n), 6
}

// phrase is a person's query made ready.
type phrase struct {
	match   string   // FTS5 expression; "" when there is nothing to look for
	tokens  int      // in it
	needles []string // parts that the tokens do not decide: the text itself must contain them
}

// parseQuery cuts a query at blanks; every part must be found. Nothing of it reaches FTS5 as syntax.
func parseQuery(query string) (p phrase) {
	var all []string
	for _, part := range strings.Fields(query) {
		prefix := strings.HasSuffix(part, "*")
		part = normal(strings.Trim(part, "*\"'"))
		var found []string
		last := ""
		tokens(part, func(w string) {
			last = w
			found = append(found, `"`+dlq.Cut(w, maxToken)+`"`)
		}, func(run string) {
			last = ""
			if utf8.RuneCountInString(run) == 1 {
				found = append(found, `"`+run+`"*`)
				return
			}
			pairs(run, func(pair string) { found = append(found, `"`+pair+`"`) })
		})
		if prefix && last != "" && utf8.RuneCountInString(last) >= minPrefix && len(last) <= maxToken {
			found[len(found)-1] += "*"
		}
		if len(found) > 1 || len(part) > maxToken {
			p.needles = append(p.needles, part)
		}
		all = append(all, found...)
	}
	p.match, p.tokens = strings.Join(all, " AND "), len(all)
	return p
}
