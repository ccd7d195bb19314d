package alerts

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Codes of findings in the sections alerts and receivers, beside those of yamlnode.
const (
	CodeDuplicateName   = "duplicate-name"
	CodeUnknownReceiver = "unknown-receiver"
	CodeBadThreshold    = "bad-threshold"
	CodeBadLabel        = "bad-label"
	CodeLabelForSignal  = "label-not-for-signal"
	CodeNotAvailable    = "not-available"
)

// SectionKeys are the top-level keys of rules.yaml that this package compiles.
var SectionKeys = []string{"alerts", "receivers"}

// unit is how a signal's threshold is written.
type unit string

const (
	unitCount    unit = "count"    // 100
	unitRatio    unit = "ratio"    // 0.2 or 20%
	unitDuration unit = "duration" // 2h
	unitFlag     unit = "flag"     // none: it is so or not
)

// signal is something that can be watched.
type signal struct {
	name   string
	unit   unit
	below  bool     // it matters when it falls below the threshold
	labels []string // by which it can be told apart
}

var (
	letterLabels = []string{"cluster", "consumer_group", "topic", "reason"}
	groupLabels  = []string{"cluster", "consumer_group"}
)

// signals are all signals, in the order in which the docs list them.
var signals = []signal{
	{name: "open_letters", unit: unitCount, labels: letterLabels},
	{name: "arrivals_per_minute", unit: unitCount, labels: letterLabels},
	{name: "oldest_open_age", unit: unitDuration, labels: letterLabels},
	{name: "expiry", unit: unitDuration, below: true, labels: groupLabels},
	{name: "failed_again_ratio", unit: unitRatio, labels: groupLabels},
	{name: "unclassified_ratio", unit: unitRatio, labels: groupLabels},
	{name: "intake_stalled", unit: unitFlag, labels: groupLabels},
	{name: "broker_unreachable", unit: unitFlag, labels: []string{"cluster"}},
	{name: "rules_refused", unit: unitFlag},
	{name: "disk", unit: unitRatio},
}

// The keys of each mapping. docs/rules.schema.json says the same; a test holds the two together.
var (
	alertKeys     = []string{"name", "signal", "by", "where", "above", "below", "for", "keep_firing_for", "severity", "labels", "annotations", "receivers"}
	receiverKeys  = []string{"type", "url", "secret"}
	receiverTypes = []string{"webhook", "alertmanager", "dingtalk", "feishu", "wecom", "slack"}
	severities    = []string{"critical", "warning", "info"}
)

// grammar checks the two sections.
type grammar struct {
	yamlnode.Reader
	receivers []string
}

// CompileGrammar checks the sections alerts and receivers and returns everything that is wrong with them. It keeps
// nothing: no alert fires yet.
func CompileGrammar(root *yaml.Node) []dlq.Diagnostic {
	var g grammar
	top, _ := g.FreeMap(root, "rules.yaml")
	g.readReceivers(top.Get("receivers"))
	members, _ := g.List(top.Get("alerts"), "alerts")
	if len(members) > 0 {
		g.Hint(top.Key("alerts"), CodeNotAvailable, yamlnode.Say("alerts are checked, but do not fire yet", "告警目前只做检查，尚不会触发"), "")
	}
	seen := map[string]int{}
	for _, member := range members {
		if m, ok := g.Map(member, "alert", alertKeys); ok {
			g.alert(m, seen)
		}
		g.SetRule("")
	}
	return g.Diagnostics()
}

func (g *grammar) readReceivers(n *yaml.Node) {
	all, _ := g.FreeMap(n, "receivers")
	for _, e := range all.Entries {
		g.Name(e.Key, "receiver")
		g.receivers = append(g.receivers, e.Name)
		m, ok := g.Map(e.Value, "receiver", receiverKeys)
		if !ok {
			continue
		}
		g.OneOf(g.Require(m, "receiver", "type"), "type", receiverTypes)
		g.URL(g.Require(m, "receiver", "url"), "url")
		g.Secret(m.Get("secret"), "secret")
	}
}

func (g *grammar) alert(m yamlnode.Map, seen map[string]int) {
	if name, ok := g.Name(g.Require(m, "alert", "name"), "name"); ok {
		g.SetRule(yamlnode.Show(name))
		if line, twice := seen[name]; twice {
			g.Error(m.Get("name"), CodeDuplicateName, yamlnode.Say("the name %q is taken by the one on line %d", "名称 “%s” 已被第 %d 行使用", yamlnode.Show(name), line), "")
		}
		seen[name] = m.Get("name").Line
	}
	if name, ok := g.OneOf(g.Require(m, "alert", "signal"), "signal", signalNames()); ok {
		s := signals[slices.IndexFunc(signals, func(s signal) bool { return s.name == name })]
		g.threshold(m, s)
		g.labels(m, s)
	}
	const month = 30 * 24 * time.Hour
	g.Duration(m.Get("for"), "for", 0, month)
	g.Duration(m.Get("keep_firing_for"), "keep_firing_for", 0, month)
	g.OneOf(m.Get("severity"), "severity", severities)
	g.texts(m.Get("labels"), "labels")
	g.texts(m.Get("annotations"), "annotations")
	names, _ := g.List(g.Require(m, "alert", "receivers"), "receivers")
	for _, n := range names {
		if name, ok := g.Text(n, "receivers"); ok && !slices.Contains(g.receivers, name) {
			g.Error(n, CodeUnknownReceiver, yamlnode.Say("receivers defines no %q", "receivers 中没有定义 “%s”", yamlnode.Show(name)), yamlnode.Closest(name, g.receivers))
		}
	}
}

// threshold checks the one bound that the signal is compared with.
func (g *grammar) threshold(m yamlnode.Map, s signal) {
	want, other := "above", "below"
	if s.below {
		want, other = other, want
	}
	if s.unit == unitFlag {
		for _, key := range []string{want, other} {
			if m.Get(key) != nil {
				g.Error(m.Key(key), CodeBadThreshold, yamlnode.Say("%s is so or not so; it has no threshold", "%s 只有是与否，没有阈值", s.name), "")
			}
		}
		return
	}
	if m.Get(other) != nil {
		g.Error(m.Key(other), CodeBadThreshold, yamlnode.Say("%[1]s matters when it is %[2]s a threshold", "%[1]s 应使用 %[2]s 作为阈值", s.name, want), want)
		if m.Get(want) == nil {
			return
		}
	}
	n := g.Require(m, "alert", want)
	switch s.unit {
	case unitDuration:
		g.Duration(n, want, time.Second, 365*24*time.Hour)
	case unitCount:
		g.Number(n, want, 0, 1e12)
	case unitRatio:
		g.ratio(n, want)
	}
}

func (g *grammar) ratio(n *yaml.Node, what string) {
	text, ok := g.Text(n, what)
	if !ok {
		return
	}
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		g.Error(n, CodeBadThreshold, yamlnode.Say("%s must be a part of one, such as 0.2 or 20%%", "%s 必须是比例，例如 0.2 或 20%%", what), "")
	}
}

// labels checks by, which tells instances apart, and where, which chooses among them.
func (g *grammar) labels(m yamlnode.Map, s signal) {
	check := func(n *yaml.Node, name string) {
		switch {
		case slices.Contains(s.labels, name):
		case slices.Contains(letterLabels, name):
			g.Error(n, CodeLabelForSignal, yamlnode.Say("%s is not told apart by %s", "%s 不能按 %s 区分", s.name, name), "")
		default:
			near := yamlnode.Closest(name, letterLabels)
			g.Error(n, CodeBadLabel, yamlnode.Say("there is no label %q; there are %s", "没有标签 “%s”；可用 %s", yamlnode.Show(name), strings.Join(letterLabels, ", ")), near)
		}
	}
	by, _ := g.List(m.Get("by"), "by")
	for _, n := range by {
		if name, ok := g.Text(n, "by"); ok {
			check(n, name)
		}
	}
	where, _ := g.FreeMap(m.Get("where"), "where")
	for _, e := range where.Entries {
		check(e.Key, e.Name)
		g.TextList(e.Value, e.Name)
	}
}

// texts checks a mapping of names to texts.
func (g *grammar) texts(n *yaml.Node, what string) {
	m, _ := g.FreeMap(n, what)
	for _, e := range m.Entries {
		g.Name(e.Key, what)
		g.Text(e.Value, what+" "+yamlnode.Show(e.Name))
	}
}

func signalNames() []string {
	out := make([]string, len(signals))
	for i, s := range signals {
		out[i] = s.name
	}
	return out
}
