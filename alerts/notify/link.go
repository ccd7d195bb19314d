package notify

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// maxLink bounds a link, in bytes. Label values have no bound, and a chat shows a link's text only.
const maxLink = 1024

// place is the view of the page that an alert is about.
type place string

const (
	atLetters place = "/letters"
	atGroups  place = "/consumer-groups"
	atSystem  place = "/system"
	atRules   place = "/rules"
)

// placeOf returns where an alert's signal is looked at. Letters that are not read yet are in no list.
func placeOf(signal string) place {
	switch signal {
	case "expiry", "intake_stalled":
		return atGroups
	case "broker_unreachable", "disk":
		return atSystem
	case "rules_refused":
		return atRules
	default:
		return atLetters
	}
}

// Link returns the address of what an alert is about: the list of letters, narrowed as the page's own filter narrows it
// (ui/web/src/letters/filter.ts), or the view that shows what has no list. It is "" without a public URL. A link that
// would be longer than 1 KiB leaves out the longest values, and so shows more.
func Link(publicURL string, a *dlq.Alert) string {
	if publicURL == "" {
		return ""
	}
	base := strings.TrimRight(publicURL, "/") + string(placeOf(a.Signal))
	if placeOf(a.Signal) != atLetters {
		return base
	}
	type parameter struct{ name, value string }
	var query []parameter
	add := func(name, value string) {
		if value != "" {
			query = append(query, parameter{name, url.QueryEscape(value)})
		}
	}
	for _, label := range []string{"consumer_group", "topic", "reason"} {
		if add(label, a.Labels[label]); a.Labels[label] == "" {
			for _, value := range a.Where[label] {
				add(label, value)
			}
		}
	}
	switch a.Signal {
	case "failed_again_ratio":
		add("flag", string(dlq.FlagFailedAgain))
	case "unclassified_ratio":
		add("reason", dlq.ReasonUnknown)
	case "oldest_open_age":
		if a.Threshold >= 1 {
			add("older", dlq.Duration(time.Duration(a.Threshold)*time.Second).String())
		}
	}
	for {
		var b strings.Builder
		b.WriteString(base)
		longest := -1
		for i, p := range query {
			sep := "&"
			if i == 0 {
				sep = "?"
			}
			b.WriteString(sep + p.name + "=" + p.value)
			if longest < 0 || len(p.value) > len(query[longest].value) {
				longest = i
			}
		}
		if b.Len() <= maxLink || longest < 0 {
			return b.String()
		}
		query = slices.Delete(query, longest, longest+1)
	}
}

// AlertLink returns the address of an alert in the page's view of alerts, "" without a public URL.
func AlertLink(publicURL string, a *dlq.Alert) string {
	if publicURL == "" {
		return ""
	}
	return allAlerts(publicURL) + "?alert=" + url.QueryEscape(a.ID)
}

func allAlerts(publicURL string) string {
	if publicURL == "" {
		return ""
	}
	return strings.TrimRight(publicURL, "/") + "/alerts"
}

// foreignLink returns an address from rules.yaml as it can stand in any chat's markup, or "" when it is none for a
// browser.
func foreignLink(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>[]|\"'`\\^{}", c) >= 0 {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	if b.Len() > maxLink {
		return ""
	}
	return b.String()
}
