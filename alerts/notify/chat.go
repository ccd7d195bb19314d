package notify

import (
	"maps"
	"slices"

	"deadletteroffice/dlq"
)

// maxShown is how many alerts a chat message tells of one by one: nobody reads on, and the rest is a link away.
const maxShown = 10

// link is a text that opens an address.
type link struct{ text, url string }

// block is one alert in a chat: plain text on single lines, without any chat's markup.
type block struct {
	icon  string
	head  string
	lines []string
	links []link
}

// chat is a message to people, before it is written in a chat's markup.
type chat struct {
	title  string
	color  string // red, orange, blue, green
	blocks []block
	more   string // says what the blocks leave out; "" when nothing
	all    link   // where all alerts are; its url is "" without a public URL
	foot   string
}

// composer writes chat messages of one delivery, with more or fewer alerts.
type composer struct {
	t   texts
	d   *dlq.Delivery
	o   Options
	all []block
}

// compose makes the longest message that fits: up to ten alerts whole, else fewer, else their headings alone, else
// counts and a link. Nothing is ever cut in the middle.
func compose(r Receiver, d *dlq.Delivery, o Options, fits func(chat) bool) chat {
	c := composer{t: textsOf(r, o), d: d, o: o}
	alerts := d.Notification.Alerts
	for i := range alerts[:min(len(alerts), maxShown)] {
		c.all = append(c.all, c.block(&alerts[i]))
	}
	for _, brief := range []bool{false, true} {
		for shown := len(c.all); shown > 0; shown-- {
			if m := c.message(shown, brief); fits(m) {
				return m
			}
		}
	}
	return c.message(0, true)
}

// message makes the message that tells of the first alerts one by one.
func (c *composer) message(shown int, brief bool) chat {
	n := &c.d.Notification
	m := chat{
		title: c.t.title(c.d), color: c.color(), foot: c.t.product,
		all: link{c.t.say("All alerts", "全部告警"), allAlerts(c.o.PublicURL)},
	}
	for _, b := range c.all[:shown] {
		if brief {
			b.lines, b.links = nil, nil
		}
		m.blocks = append(m.blocks, b)
	}
	left := dlq.Notification{Alerts: n.Alerts[shown:]}
	if len(left.Alerts)+n.More > 0 {
		m.more = c.t.line(c.t.say("Not shown", "未列出"), c.t.counts(left.Firing(), len(left.Alerts)-left.Firing(), n.More))
	}
	return m
}

func (c *composer) color() string {
	n := &c.d.Notification
	switch {
	case isTest(c.d):
		return "blue"
	case n.Firing() == 0:
		return "green"
	case worst(n.Alerts) == dlq.AlertCritical:
		return "red"
	case worst(n.Alerts) == dlq.AlertWarning:
		return "orange"
	default:
		return "blue"
	}
}

// block writes one alert: what, how much, since when, why, and where to look.
func (c *composer) block(a *dlq.Alert) block {
	t := c.t
	b := block{head: t.severity(a.Severity) + t.headline(a)}
	switch {
	case a.State == dlq.AlertResolved:
		b.icon, b.head = "✅", t.tag("resolved", "已恢复")+t.headline(a)
	case a.Severity == dlq.AlertCritical:
		b.icon = "🔴"
	case a.Severity == dlq.AlertInfo:
		b.icon = "🔵"
	default:
		b.icon = "🟠"
	}
	add := func(line string) {
		if line != "" {
			b.lines = append(b.lines, line)
		}
	}
	add(clean(a.Annotations["summary"], maxText))
	add(clean(a.Annotations["description"], maxText))
	add(t.measure(a))
	add(t.since(a))
	if len(a.Reasons) > 0 {
		add(t.line(t.say("Top reasons", "主要失败原因"), t.reasons(a.Reasons)))
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		if value := clean(a.Labels[name], maxName); value != "" && value != subject(a) && len(labels) < maxLabels {
			labels = append(labels, clean(name, maxName)+"="+value)
		}
	}
	if len(labels) > 0 {
		add(t.line(t.say("Labels", "标签"), t.list(labels)))
	}
	if to := Link(c.o.PublicURL, a); to != "" {
		b.links = append(b.links, link{t.placeName(placeOf(a.Signal)), to}, link{t.say("Alert", "告警详情"), AlertLink(c.o.PublicURL, a)})
	}
	if to := foreignLink(a.Annotations["runbook_url"]); to != "" {
		b.links = append(b.links, link{t.say("Runbook", "处理手册"), to})
	}
	return b
}

func (t texts) placeName(p place) string {
	switch p {
	case atGroups:
		return t.say("Consumer groups", "查看消费组")
	case atSystem:
		return t.say("System", "查看系统状态")
	case atRules:
		return t.say("Rules", "查看规则")
	default:
		return t.say("Letters", "查看死信")
	}
}
