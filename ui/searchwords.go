package ui

import (
	"regexp"
	"strings"

	"deadletteroffice/dlq"
)

// qualifiers are the names that the page's search field takes before a colon, in Chinese too, with the query parameter
// that does the same. ui/web/src/letters/filter.ts has the same table.
var qualifiers = map[string]string{
	"group": "consumer_group", "consumer_group": "consumer_group", "topic": "topic", "reason": "reason", "rule": "rule",
	"route": "route", "state": "state", "origin": "origin", "severity": "severity", "flag": "flag", "owner": "owner",
	"fingerprint": "fingerprint", "outcome": "outcome", "tab": "tab",
	"消费组": "consumer_group", "主题": "topic", "原因": "reason", "规则": "rule",
}

var (
	searchWord = regexp.MustCompile(`[^\s:"：]+[:：]"[^"]*"|"[^"]*"|\S+`)
	// A name before a colon is of letters, digits, _ and - only: "gateway.pay:443", "http://x" and "a::b" are text.
	qualified = regexp.MustCompile(`^(\p{L}[\p{L}\d_-]*)[:：]([^:：/].*)$`)
	compared  = regexp.MustCompile(`^(\p{L}[\p{L}\d_-]*)[<>]=?(.+)$`)
)

// checkText refuses words of a search that look like a narrowing, such as state:open or age<2h: the API narrows by its
// parameters, and a narrowing that is searched for as text finds other letters than were meant.
func checkText(q string) error {
	for _, word := range searchWord.FindAllString(q, -1) {
		var name, hint string
		if m := qualified.FindStringSubmatch(word); m != nil {
			name = m[1]
			if parameter, ok := qualifiers[strings.ToLower(name)]; ok {
				hint = "narrow with the parameter " + parameter + "="
			} else if near, ok := nearest(name, sortedKeys(qualifiers)); ok {
				hint = "did you mean \"" + near + ":\", which is the parameter " + qualifiers[near] + "="
			}
		} else if m := compared.FindStringSubmatch(word); m != nil && strings.EqualFold(m[1], "age") {
			name, hint = m[1], "narrow with the parameters died_after= and died_before="
		} else {
			continue
		}
		if hint != "" {
			hint += "; "
		}
		return dlq.Errorf(dlq.CodeInvalid, "the search does not know %q in %q", cut(name, 80), cut(word, 80)).
			WithHint("%sto search for the text itself, put it between double quotes", hint)
	}
	return nil
}
