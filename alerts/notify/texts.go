package notify

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// How many runes of a foreign text are shown.
const (
	maxName = 60
	maxText = 200
	// maxTitle is below the 150 characters of Slack's header.
	maxTitle = 140
	// maxLabels is how many labels of an alert are shown, beside its consumer group.
	maxLabels = 6
)

// texts are the words of one locale. In both, each phrase stands in Chinese and then in English, and figures stand once.
type texts struct {
	zh, en  bool
	zone    *time.Location
	now     time.Time
	product string
}

func textsOf(r Receiver, o Options) texts {
	t := texts{zh: r.Locale != LocaleEnglish, en: r.Locale != LocaleChinese, zone: o.Zone, now: o.Now, product: clean(o.Product, maxName)}
	if t.zone == nil {
		t.zone = time.UTC
	}
	if t.product == "" {
		t.product = t.say("The dead letter office", "死信办公室")
	}
	return t
}

// say returns a phrase in the locale.
func (t texts) say(en, zh string) string {
	switch {
	case !t.zh:
		return en
	case !t.en:
		return zh
	default:
		return zh + " / " + en
	}
}

// line is "what: value", note is "value (note)", list is "a, b"; with Chinese punctuation where all is Chinese.
func (t texts) line(what, value string) string {
	if !t.en {
		return what + "：" + value
	}
	return what + ": " + value
}

func (t texts) note(value, note string) string {
	if !t.en {
		return value + "（" + note + "）"
	}
	return value + " (" + note + ")"
}

func (t texts) list(all []string) string {
	if !t.en {
		return strings.Join(all, "、")
	}
	return strings.Join(all, ", ")
}

// tag is what a title begins with. Its brackets are none that Markdown knows.
func (t texts) tag(en, zh string) string {
	if !t.zh {
		return strings.ToUpper(en) + " · "
	}
	return "【" + t.say(en, zh) + "】"
}

func (t texts) severity(s dlq.AlertSeverity) string {
	switch s {
	case dlq.AlertCritical:
		return t.tag("critical", "严重")
	case dlq.AlertInfo:
		return t.tag("info", "提示")
	default:
		return t.tag("warning", "警告")
	}
}

// signal names what is measured, as the first words of a line. A signal that is so or not so is a sentence.
func (t texts) signal(name string) string {
	switch name {
	case "open_letters":
		return t.say("Open letters", "待处理死信")
	case "arrivals_per_minute":
		return t.say("Dead letters per minute", "每分钟新增死信")
	case "oldest_open_age":
		return t.say("Age of the oldest open letter", "最早待处理死信的时长")
	case "expiry":
		return t.say("Unread dead messages expire in", "未读取的死信距离过期")
	case "failed_again_ratio":
		return t.say("Replays that failed again", "重投后再次失败的比例")
	case "unclassified_ratio":
		return t.say("Letters without a known reason", "失败原因未知的比例")
	case "intake_stalled":
		return t.say("Dead messages are not being read", "死信读取已停滞")
	case "broker_unreachable":
		return t.say("The broker cannot be reached", "无法连接 broker")
	case "rules_refused":
		return t.say("The rules file was refused; the last good one is in force", "规则文件未通过检查，仍在使用上一个有效版本")
	case "disk":
		return t.say("Disk used", "磁盘使用率")
	default:
		return clean(name, maxName)
	}
}

// amount writes a value with its unit.
func (t texts) amount(unit dlq.AlertUnit, v float64) string {
	switch unit {
	case dlq.UnitRatio:
		return strconv.FormatFloat(math.Round(v*1000)/10, 'f', -1, 64) + "%"
	case dlq.UnitDuration:
		return t.span(time.Duration(min(max(v, -1e9), 1e9) * float64(time.Second)))
	default:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	}
}

var spans = []struct {
	size   time.Duration
	en, zh string
}{{24 * time.Hour, "d", "天"}, {time.Hour, "h", "小时"}, {time.Minute, "m", "分钟"}, {time.Second, "s", "秒"}}

// span writes a time as people say it, with its two largest units.
func (t texts) span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	var parts []string
	for _, s := range spans {
		n := d / s.size
		d -= n * s.size
		if n == 0 && len(parts) == 0 && s.size > time.Second {
			continue
		}
		if n > 0 || len(parts) == 0 {
			unit := s.en
			if !t.en {
				unit = " " + s.zh
			}
			parts = append(parts, strconv.Itoa(int(n))+unit)
		}
		if len(parts) == 2 || n == 0 {
			break
		}
	}
	return sign + strings.Join(parts, " ")
}

func (t texts) at(when time.Time) string { return when.In(t.zone).Format("2006-01-02 15:04 MST") }

// subject is the consumer group that an alert is about, or what else it can be called by.
func subject(a *dlq.Alert) string {
	for _, label := range []string{"consumer_group", "topic", "cluster", "reason"} {
		if v := clean(a.Labels[label], maxName); v != "" {
			return v
		}
	}
	return ""
}

// headline says an alert in one line without its severity: whom it is about, which rule, how much.
func (t texts) headline(a *dlq.Alert) string {
	out := clean(a.Rule, maxName)
	if s := subject(a); s != "" {
		out = t.line(s, out)
	}
	if a.State != dlq.AlertResolved && a.Unit != dlq.UnitFlag {
		out = t.note(out, t.amount(a.Unit, a.Value))
	}
	return out
}

// title says a whole notification in one line: how bad, how many, of whom. It is all that a phone shows.
func (t texts) title(d *dlq.Delivery) string {
	n := &d.Notification
	if isTest(d) {
		return cut(t.tag("test", "测试")+t.say("this receiver works", "接收方可用")+" · "+t.product, maxTitle)
	}
	tag := t.tag("resolved", "已恢复")
	firing := n.Firing()
	if firing > 0 {
		tag = t.severity(worst(n.Alerts))
	}
	switch n.Reason {
	case dlq.NotifyRepeat:
		tag += t.say("still firing", "仍在触发") + " · "
	case dlq.NotifyDigest:
		tag += t.say("digest", "汇总") + " · "
	}
	if len(n.Alerts) == 1 && n.More == 0 {
		return cut(tag+t.headline(&n.Alerts[0]), maxTitle)
	}
	counts := t.counts(firing, len(n.Alerts)-firing, n.More)
	if names := t.subjects(n.Alerts); names != "" {
		counts = t.line(counts, names)
	}
	return cut(tag+counts, maxTitle)
}

// counts says how many fire, are over, and are not told of.
func (t texts) counts(firing, resolved, more int) string {
	var parts []string
	if firing > 0 {
		parts = append(parts, t.say(fmt.Sprintf("%d firing", firing), fmt.Sprintf("%d 条触发", firing)))
	}
	if resolved > 0 {
		parts = append(parts, t.say(fmt.Sprintf("%d resolved", resolved), fmt.Sprintf("%d 条恢复", resolved)))
	}
	if more > 0 {
		parts = append(parts, t.say(fmt.Sprintf("%d more", more), fmt.Sprintf("另有 %d 条", more)))
	}
	if !t.en {
		return strings.Join(parts, "，")
	}
	return strings.Join(parts, ", ")
}

// subjects names the first three that the alerts are about.
func (t texts) subjects(alerts []dlq.Alert) string {
	var names []string
	for i := range alerts {
		if s := subject(&alerts[i]); s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	if len(names) <= 3 {
		return t.list(names)
	}
	return t.list(names[:3]) + fmt.Sprintf(" +%d", len(names)-3)
}

func worst(alerts []dlq.Alert) dlq.AlertSeverity {
	order := []dlq.AlertSeverity{dlq.AlertInfo, dlq.AlertWarning, dlq.AlertCritical}
	out := dlq.AlertInfo
	for i := range alerts {
		if alerts[i].State == dlq.AlertFiring && slices.Index(order, alerts[i].Severity) > slices.Index(order, out) {
			out = alerts[i].Severity
		}
	}
	return out
}

// measure says what was measured, against which threshold.
func (t texts) measure(a *dlq.Alert) string {
	what := t.signal(a.Signal)
	if a.Unit == dlq.UnitFlag {
		return what
	}
	limit := t.amount(a.Unit, a.Threshold)
	bound := t.say("above", "高于")
	if a.Below {
		bound = t.say("below", "低于")
	}
	return t.line(what, t.note(t.amount(a.Unit, a.Value), t.line(t.say("threshold", "阈值"), bound+" "+limit)))
}

// since says from when, and for how long.
func (t texts) since(a *dlq.Alert) string {
	if a.State == dlq.AlertResolved {
		end := endedAt(a)
		return t.line(t.say("Resolved", "恢复时间"), t.note(t.at(end), t.say("after", "持续")+" "+t.span(end.Sub(a.ActiveSince))))
	}
	return t.line(t.say("Since", "开始时间"), t.note(t.at(a.ActiveSince), t.say("for", "已持续")+" "+t.span(t.now.Sub(a.ActiveSince))))
}

func (t texts) reasons(all []dlq.Facet) string {
	var parts []string
	for _, f := range all[:min(len(all), 3)] {
		name := clean(f.Value, maxName)
		if f.Value == dlq.ReasonUnknown {
			name = t.say("unknown", "原因未知")
		}
		parts = append(parts, fmt.Sprintf("%s ×%d", name, f.Count))
	}
	return t.list(parts)
}
