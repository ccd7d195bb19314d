package alerts

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/alerts/notify"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
)

// Codes of findings in the sections alerts and receivers, beside those of yamlnode.
const (
	CodeDuplicateName   = "duplicate-name"
	CodeUnknownReceiver = "unknown-receiver"
	CodeBadThreshold    = "bad-threshold"
	CodeBadLabel        = "bad-label"
	CodeLabelForSignal  = "label-not-for-signal"
	CodeBadReceiver     = "bad-receiver" // an address or a secret in the file that cannot be used
	CodeReceiverOff     = "receiver-off" // its address or secret is not there: it is not told anything
	CodeNoEffect        = "no-effect"
	CodeTooMany         = "too-many"
)

// Most of what one file may hold, and of what one rule may watch.
const (
	maxRules     = 200
	maxReceivers = 50
	maxInstances = 200
)

// SectionKeys are the top-level keys of rules.yaml that this package compiles.
var SectionKeys = []string{"alerts", "receivers"}

// The keys of each mapping. docs/rules.schema.json says the same; a test holds the two together.
var (
	alertKeys = []string{"name", "signal", "by", "where", "above", "below", "for", "keep_firing_for", "severity", "labels",
		"annotations", "receivers", "off"}
	receiverKeys    = []string{"type", "url", "secret", "format", "locale", "wait", "interval", "repeat", "resolved", "per_minute"}
	receiverFormats = []string{formatNative, notify.FormatAlertmanager}
	locales         = []string{notify.LocaleEnglish, notify.LocaleChinese, notify.LocaleBoth}
	severities      = textsOf(dlq.AlertSeverities)
	reservedLabels  = append([]string{"rule", "severity", "signal", "alertname"}, letterLabels...) // the console gives them itself
)

// formatNative is how the file calls a webhook's own JSON.
const formatNative = "native"

func textsOf[T ~string](words []T) []string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return texts
}

// grammar compiles the two sections.
type grammar struct {
	yamlnode.Reader
	lookup outside.Lookup
	names  []string // of all receivers, of bad ones too
	config *Config
}

// Compile reads the sections alerts and receivers of a rules file, root being the mapping of the whole document. An
// address or a secret that stands outside the file and is missing or unusable disables its receiver, with a hint or a
// warning; it does not make the file wrong.
func Compile(root *yaml.Node, lookup outside.Lookup) (*Config, []dlq.Diagnostic) {
	g := grammar{lookup: lookup, config: &Config{}}
	top, _ := g.FreeMap(root, "rules.yaml")
	g.readReceivers(top.Get("receivers"))
	members, _ := g.List(top.Get("alerts"), "alerts")
	if len(members) > maxRules {
		g.Error(members[maxRules], CodeTooMany,
			yamlnode.Say("a file holds at most %d alerts", "一个文件最多有 %d 条告警规则", maxRules), "")
		members = members[:maxRules]
	}
	seen := map[string]int{}
	for _, member := range members {
		if m, ok := g.Map(member, "alert", alertKeys); ok {
			g.alert(m, seen)
		}
		g.SetRule("")
	}
	return g.config, g.Diagnostics()
}

func (g *grammar) alert(m yamlnode.Map, seen map[string]int) {
	r := rule{line: m.Node.Line, severity: dlq.AlertWarning}
	if name, ok := g.Name(g.Require(m, "alert", "name"), "name"); ok {
		g.SetRule(yamlnode.Show(name))
		if line, twice := seen[name]; twice {
			g.Error(m.Get("name"), CodeDuplicateName,
				yamlnode.Say("the name %q is taken by the one on line %d", "名称 “%s” 已被第 %d 行使用", yamlnode.Show(name), line), "")
		}
		seen[name] = m.Get("name").Line
		r.name = name
	}
	if name, ok := g.OneOf(g.Require(m, "alert", "signal"), "signal", signalNames()); ok {
		r.signal = signals[slices.IndexFunc(signals, func(s signal) bool { return s.name == name })]
		r.threshold = g.threshold(m, r.signal)
		r.by, r.where = g.choice(m, r.signal)
	}
	const month = 30 * 24 * time.Hour
	hold, _ := g.Duration(m.Get("for"), "for", 0, month)
	keep, _ := g.Duration(m.Get("keep_firing_for"), "keep_firing_for", 0, month)
	r.hold, r.keep = time.Duration(hold), time.Duration(keep)
	if severity, ok := g.OneOf(m.Get("severity"), "severity", severities); ok {
		r.severity = dlq.AlertSeverity(severity)
	}
	r.labels = g.texts(m.Get("labels"), "labels", reservedLabels)
	r.annotations = g.texts(m.Get("annotations"), "annotations", nil)
	r.off, _ = g.Bool(m.Get("off"), "off")
	r.receivers = []string{}
	names, _ := g.List(g.Require(m, "alert", "receivers"), "receivers")
	for _, n := range names {
		name, ok := g.Text(n, "receivers")
		if ok && !slices.Contains(g.names, name) {
			g.Error(n, CodeUnknownReceiver,
				yamlnode.Say("receivers defines no %q", "receivers 中没有定义 “%s”", yamlnode.Show(name)), yamlnode.Closest(name, g.names))
		} else if ok && !slices.Contains(r.receivers, name) {
			r.receivers = append(r.receivers, name)
		}
	}
	g.config.rules = append(g.config.rules, r)
}

// threshold reads the one bound that the signal is compared with.
func (g *grammar) threshold(m yamlnode.Map, s signal) float64 {
	want, other := "above", "below"
	if s.below {
		want, other = other, want
	}
	if s.unit == dlq.UnitFlag {
		for _, key := range []string{want, other} {
			if m.Get(key) != nil {
				g.Error(m.Key(key), CodeBadThreshold,
					yamlnode.Say("%s is so or not so; it has no threshold", "%s 只有是与否，没有阈值", s.name), "")
			}
		}
		return 0
	}
	if m.Get(other) != nil {
		g.Error(m.Key(other), CodeBadThreshold, yamlnode.Say("%[1]s matters when it is %[2]s a threshold", "%[1]s 应使用 %[2]s 作为阈值", s.name, want), want)
		if m.Get(want) == nil {
			return 0
		}
	}
	n := g.Require(m, "alert", want)
	switch s.unit {
	case dlq.UnitDuration:
		d, _ := g.Duration(n, want, time.Second, 365*24*time.Hour)
		return time.Duration(d).Seconds()
	case dlq.UnitRatio:
		return g.ratio(n, want)
	default:
		v, _ := g.Number(n, want, 0, 1e12)
		return v
	}
}

func (g *grammar) ratio(n *yaml.Node, what string) float64 {
	text, ok := g.Text(n, what)
	if !ok {
		return 0
	}
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		g.Error(n, CodeBadThreshold, yamlnode.Say("%s must be a part of one, such as 0.2 or 20%%", "%s 必须是比例，例如 0.2 或 20%%", what), "")
		return 0
	}
	return v
}

// choice reads by, which tells instances apart, and where, which chooses among them.
func (g *grammar) choice(m yamlnode.Map, s signal) (by []string, where map[string][]string) {
	known := func(n *yaml.Node, name string) bool {
		switch {
		case slices.Contains(s.labels, name):
			return true
		case slices.Contains(letterLabels, name):
			g.Error(n, CodeLabelForSignal, yamlnode.Say("%s is not told apart by %s", "%s 不能按 %s 区分", s.name, name), "")
		default:
			near := yamlnode.Closest(name, letterLabels)
			g.Error(n, CodeBadLabel, yamlnode.Say("there is no label %q; there are %s", "没有标签 “%s”；可用 %s", yamlnode.Show(name), strings.Join(letterLabels, ", ")), near)
		}
		return false
	}
	members, _ := g.List(m.Get("by"), "by")
	for _, n := range members {
		if name, ok := g.Text(n, "by"); ok && known(n, name) && !slices.Contains(by, name) {
			by = append(by, name)
		}
	}
	chosen, _ := g.FreeMap(m.Get("where"), "where")
	for _, e := range chosen.Entries {
		values, ok := g.TextList(e.Value, e.Name)
		if known(e.Key, e.Name) && ok {
			if where == nil {
				where = map[string][]string{}
			}
			where[e.Name] = values
		}
	}
	return by, where
}

// texts reads a mapping of names to texts. reserved are names that it must not have.
func (g *grammar) texts(n *yaml.Node, what string, reserved []string) map[string]string {
	m, _ := g.FreeMap(n, what)
	out := make(map[string]string, len(m.Entries))
	for _, e := range m.Entries {
		g.Name(e.Key, what)
		if slices.Contains(reserved, e.Name) {
			g.Error(e.Key, CodeBadLabel, yamlnode.Say("the console itself gives the label %q", "标签 “%s” 由控制台自己填写", e.Name), "")
		}
		if text, ok := g.Text(e.Value, what+" "+yamlnode.Show(e.Name)); ok {
			out[e.Name] = text
		}
	}
	return out
}
