package rulebook

import (
	"regexp"
	"strings"
)

// Of an address only the scheme and the host are shown: the rest often is the secret, wherever the vendor puts it.
var address = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]{0,20}://)([^\s"'` + "`" + `<>]*)`)

// cutAddresses blacks out what follows the hosts of all addresses in a text.
func cutAddresses(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return address.ReplaceAllStringFunc(text, func(whole string) string {
		scheme, rest, _ := strings.Cut(whole, "://")
		host, after := rest, ""
		if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
			host, after = rest[:i], rest[i:]
		}
		_, bare, user := cutLast(host, "@")
		if after == "/" && !user || after == "" && !user {
			return whole
		}
		return scheme + "://" + bare + "/" + Redacted
	})
}

// cutLast cuts a text at the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// pairs are what is called a secret beside an equals sign, with any of the names by which vendors call theirs.
var pairs = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:secret|token|passw(?:or)?d|pwd|sig|sign|signature|key|credentials?|authorization|auth)\s?=\s?)("[^"\n]*"|'[^'\n]*'|[^\s&"',}\]#;` + "`" + `]+)`)

// known are tokens that say themselves what they are.
var known = regexp.MustCompile(`(?i)\b(bearer\s+|basic\s+)[a-z0-9+/=._~-]{8,}|\b(whsec_|dlq_|xox[a-z]-|gh[a-z]_|glpat-|sk-|AKIA|LTAI)[A-Za-z0-9+/=_-]{8,}`)

// cutPairs blacks out what is called a secret in a text, and tokens that are known by how they begin.
func cutPairs(text string) string {
	if strings.Contains(text, "=") {
		text = pairs.ReplaceAllString(text, "${1}"+Redacted)
	}
	return known.ReplaceAllString(text, "${1}${2}"+Redacted)
}

// userInfo is a user with a password in an address.
var userInfo = regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#"'@]*@`)

// word is a run of characters as tokens are made of.
var word = regexp.MustCompile(`[A-Za-z0-9+/=_~-]{20,}`)

// cutComment blacks out whatever may be a secret in a comment: nothing depends on what it says.
func cutComment(text string) string {
	text = cutPairs(cutAddresses(redactLines(text)))
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if strings.ContainsAny(w, "0123456789") && strings.ContainsAny(strings.ToLower(w), "abcdefghijklmnopqrstuvwxyz") {
			return Redacted
		}
		return w
	})
}

// addressed is the value of an address key in a text that is not YAML.
var addressed = regexp.MustCompile(`(?i)((?:url|uri|webhook|endpoint)["']?[ \t]*:[ \t]*)([^\s,}#][^,}\r\n#]*)`)

// cutText is for a text that is not YAML: it blacks out by looks.
func cutText(text string) string {
	text = cutPairs(cutAddresses(redactLines(text)))
	text = addressed.ReplaceAllStringFunc(text, func(whole string) string {
		parts := addressed.FindStringSubmatch(whole)
		if value := strings.Trim(parts[2], `"' `); isReference(value) || strings.Contains(value, "://") && !strings.ContainsAny(value, " \t") {
			return whole
		}
		return parts[1] + Redacted
	})
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if at := strings.IndexByte(line, '#'); at >= 0 {
			lines[i] = line[:at] + cutComment(line[at:])
		}
	}
	return strings.Join(lines, "")
}
