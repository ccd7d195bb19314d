package classifier

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Codes of findings in sections and rules, beside those of yamlnode and of a match.
const (
	CodeTooManyRules        = "too-many-rules"
	CodeDuplicateName       = "duplicate-name"
	CodeUnknownSource       = "unknown-source"
	CodeUnknownCompensation = "unknown-compensation"
	CodeDiscardNotAllowed   = "discard-not-allowed"
	CodeSectionNotUsed      = "section-not-used"
	CodeNotAvailable        = "not-available"
	CodeUnreachable         = "unreachable-rule"
	CodeReachUnknown        = "reachability-unknown"
	CodeNoCatchAll          = "no-catch-all"
	CodeNoRules             = "no-rules"
	CodeBadTopic            = "bad-topic"
	CodeCoveredLimit        = "covered-limit"
	CodeBadTarget           = "bad-target"
)

// MaxRules is how many rules a file may have.
const MaxRules = 2000

// SectionKeys are the top-level keys of rules.yaml that this package compiles.
var SectionKeys = []string{"facts", "envelopes", "automation", "replay_targets", "rules"}

// The keys of each mapping. docs/rules.schema.json says the same; a test holds the two together.
var (
	factsKeys      = []string{"reason", "reason_text", "business"}
	envelopeKeys   = []string{"name", "topic", "body", "encoding", "reason", "business"}
	automationKeys = []string{"max_age", "rate", "quarantine_after", "stale_after"}
	targetKeys     = []string{"topics", "consumer_groups"}
	staleKeys      = []string{"topic", "after"}
	ruleKeys       = []string{"name", "off", "match", "when", "route", "retry", "manual", "compensate", "discard"}
	retryKeys      = []string{"delay", "backoff", "max", "max_delay", "earlier_reason"}
	manualKeys     = []string{"severity", "owner", "runbook", "labels"}
	discardKeys    = []string{"allow", "note"}
	encodings      = []string{"base64", "text", "json"}
)

// Compile compiles the sections facts, envelopes, automation and rules; root is the mapping at the top of the file. The
// Ruleset is nil if any finding is an error. All findings are returned, not the first.
func Compile(root *yaml.Node) (*Ruleset, []dlq.Diagnostic) {
	return compileBounded(root, maxReachSteps)
}

// CompileText is Compile for the text of a file. Findings about other sections are not among its own.
func CompileText(text []byte) (*Ruleset, []dlq.Diagnostic) {
	root, found := yamlnode.Parse(text)
	var rules *Ruleset
	if root != nil {
		var more []dlq.Diagnostic
		rules, more = Compile(root)
		found = append(found, more...)
	}
	if found = yamlnode.Finish(text, found); yamlnode.HasErrors(found) {
		return nil, found
	}
	return rules, found
}

func compileBounded(root *yaml.Node, reachSteps int) (*Ruleset, []dlq.Diagnostic) {
	c := &compiler{out: newRuleset(), reachSteps: reachSteps}
	top, _ := c.FreeMap(root, "rules.yaml")
	c.compensations = names(top.Get("compensations"))
	c.facts(top.Get("facts"))
	c.envelopes(top.Get("envelopes"))
	c.automation(top.Get("automation"))
	c.replayTargets(top.Get("replay_targets"))
	c.rules(top)
	if c.Errors() > 0 {
		return nil, c.Diagnostics()
	}
	c.out.factsText = written(top.Get("facts")) + written(top.Get("envelopes"))
	c.out.index()
	return c.out, c.Diagnostics()
}

// written is a text that is the same for nodes that mean the same.
func written(n *yaml.Node) string {
	if n == nil {
		return "-"
	}
	out := strconv.Itoa(int(n.Kind)) + strconv.Quote(n.Value)
	for _, child := range n.Content {
		out += written(child)
	}
	return out + "."
}

// names are the keys of a mapping that another owner compiles.
func names(n *yaml.Node) []string {
	var out []string
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, n.Content[i].Value)
		}
	}
	return out
}

// The sources of facts when the file does not name any: the ones of the shipped file.
var (
	usualReason   = []string{"property.FAILURE_REASON", `property."__connect.errors.exception.class.name"`, "body.failure_reason", "body.failure_type", "report", "probe", "broker"}
	usualText     = []string{"property.FAILURE_DETAIL", `property."__connect.errors.exception.message"`, "body.failure_detail", "report", "probe"}
	usualBusiness = []string{"property.BUSINESS_TYPE", "body.business_type"}
)

// Sources other than property.NAME and body.path that a fact can have.
var (
	reasonSources   = []string{"envelope", "report", "probe", "broker"}
	textSources     = []string{"report", "probe"}
	businessSources = []string{"envelope"}
)

func (c *compiler) defaultFacts() { c.facts(nil) }

func (c *compiler) facts(n *yaml.Node) {
	m, _ := c.Map(n, "facts", factsKeys)
	c.out.reason = withEnvelope(c.sources(m.Get("reason"), "reason", usualReason, reasonSources))
	c.out.text = c.sources(m.Get("reason_text"), "reason_text", usualText, textSources)
	c.out.business = withEnvelope(c.sources(m.Get("business"), "business", usualBusiness, businessSources))
}

// sources compiles the list of a fact's sources, or the usual ones when there is none.
func (c *compiler) sources(n *yaml.Node, what string, usual, words []string) []source {
	var out []source
	if n == nil {
		for _, name := range usual {
			out = append(out, c.source(&yaml.Node{Kind: yaml.ScalarNode, Value: name}, what, words))
		}
		return out
	}
	members, _ := c.List(n, what)
	for _, member := range members {
		if _, ok := c.Text(member, what); ok {
			out = append(out, c.source(member, what, words))
		}
	}
	return out
}

func (c *compiler) source(n *yaml.Node, what string, words []string) source {
	name := n.Value
	if kind, path, ok := strings.Cut(name, "."); ok && (kind == "property" || kind == "body") {
		switch steps := c.path(n, kind, path); {
		case steps == nil:
			return source{}
		case kind == "property":
			return source{name: name, origin: dlq.OriginProperty, property: steps[0], slot: -1}
		default:
			return source{name: name, origin: dlq.OriginBody, slot: c.out.paths.add(steps)}
		}
	}
	if slices.Contains(words, name) {
		return source{name: name, origin: dlq.ReasonOrigin(name), slot: -1}
	}
	near := yamlnode.Closest(name, words)
	c.Error(n, CodeUnknownSource, dlq.Text{
		English: fmt.Sprintf("%q is no source of %s; it takes property.NAME, body.path, %s", yamlnode.Show(name), what, strings.Join(words, ", ")),
		Chinese: fmt.Sprintf("“%s” 不是 %s 的来源；可用 property.名称、body.路径、%s", yamlnode.Show(name), what, strings.Join(words, "、")),
	}, near)
	return source{}
}

// withEnvelope lets an envelope's own fields answer just before the first field of a body, unless the file gives them a
// place.
func withEnvelope(list []source) []source {
	if slices.ContainsFunc(list, func(s source) bool { return s.origin == dlq.OriginEnvelope }) {
		return list
	}
	at := slices.IndexFunc(list, func(s source) bool { return s.origin == dlq.OriginBody })
	if at < 0 {
		return list
	}
	return slices.Insert(list, at, source{name: "envelope", origin: dlq.OriginEnvelope, slot: -1})
}

func (c *compiler) envelopes(n *yaml.Node) {
	members, _ := c.List(n, "envelopes")
	seen := map[string]int{}
	for _, member := range members {
		m, ok := c.Map(member, "envelope", envelopeKeys)
		if !ok {
			continue
		}
		e := envelope{encoding: "base64", reason: -1, business: -1}
		e.name = c.newName(m, "envelope", seen)
		e.topic, e.topicName = c.slot(c.Require(m, "envelope", "topic"), "topic")
		e.body, e.bodyName = c.slot(c.Require(m, "envelope", "body"), "body")
		e.reason, _ = c.slot(m.Get("reason"), "reason")
		e.business, _ = c.slot(m.Get("business"), "business")
		if encoding, ok := c.OneOf(c.Require(m, "envelope", "encoding"), "encoding", encodings); ok {
			e.encoding = encoding
		}
		c.out.envelopes = append(c.out.envelopes, e)
	}
}

// slot is where the body field is read whose path a value names; -1 for none.
func (c *compiler) slot(n *yaml.Node, what string) (slot int, path string) {
	if path, ok := c.Text(n, what); ok {
		if steps := c.path(n, "body", path); steps != nil {
			return c.out.paths.add(steps), path
		}
	}
	return -1, ""
}

// newName reads the name of a list's member, which no other member may have.
func (c *compiler) newName(m yamlnode.Map, what string, seen map[string]int) string {
	name, ok := c.Name(c.Require(m, what, "name"), "name")
	if !ok {
		return ""
	}
	if line, twice := seen[name]; twice {
		c.Error(m.Get("name"), CodeDuplicateName, yamlnode.Say("the name %q is taken by the one on line %d", "名称 “%s” 已被第 %d 行使用", yamlnode.Show(name), line), "")
	}
	seen[name] = m.Get("name").Line
	return name
}

func (c *compiler) automation(n *yaml.Node) {
	m, _ := c.Map(n, "automation", automationKeys)
	if age, ok := c.Duration(m.Get("max_age"), "max_age", time.Second, 365*24*time.Hour); ok {
		c.out.policy.MaxAge = age
	}
	if rate, ok := c.Rate(m.Get("rate"), "rate"); ok {
		c.out.policy.Rate = rate
	}
	if times, ok := c.Int(m.Get("quarantine_after"), "quarantine_after", 0, 1000); ok {
		c.out.policy.Quarantine = int(times)
	}
	c.staleLimits(m.Get("stale_after"))
}

// replayTargets reads to whom operators may send the letters of which consumer group.
func (c *compiler) replayTargets(n *yaml.Node) {
	groups, _ := c.FreeMap(n, "replay_targets")
	for _, e := range groups.Entries {
		group, ok := c.Name(e.Key, "consumer group")
		m, isMap := c.Map(e.Value, "replay_targets", targetKeys)
		if !ok || !isMap {
			continue
		}
		var may dlq.ReplayTargets
		for key, into := range map[string]*[]string{"topics": &may.Topics, "consumer_groups": &may.ConsumerGroups} {
			members := m.Get(key)
			*into, _ = c.TextList(members, key)
			for i, name := range *into {
				at := members
				if members.Kind == yaml.SequenceNode {
					at = members.Content[i]
				}
				if name != "" && !(key == "topics" && plainTopic(name) || key == "consumer_groups" && groupName.MatchString(name)) {
					c.Error(at, CodeBadTarget, yamlnode.Say("%q cannot be the name of an application's topic or consumer group; patterns are not allowed here", "“%s” 不能作为业务主题或消费组的名称；此处不支持通配", yamlnode.Show(name)), "")
				}
			}
		}
		if c.out.targets == nil {
			c.out.targets = map[string]dlq.ReplayTargets{}
		}
		c.out.targets[group] = may
	}
}

// groupName is what brokers take for the name of a consumer group (apache/rocketmq common/topic/TopicValidator).
var groupName = regexp.MustCompile(`^[%|a-zA-Z0-9_-]{1,255}$`)

func (c *compiler) staleLimits(n *yaml.Node) {
	members, _ := c.List(n, "stale_after")
	lines := make([]int, 0, len(members)) // of the limits that count
	for _, member := range members {
		m, ok := c.Map(member, "stale_after", staleKeys)
		if !ok {
			continue
		}
		var limit dlq.StaleLimit
		var named, timed bool
		limit.Topic, named = c.topicPattern(c.Require(m, "stale_after", "topic"))
		limit.After, timed = c.Duration(c.Require(m, "stale_after", "after"), "after", time.Second, 365*24*time.Hour)
		if !named || !timed {
			continue
		}
		for i, earlier := range c.out.policy.Stale {
			if takesAll(earlier.Topic, limit.Topic) {
				c.Warn(m.Get("topic"), CodeCoveredLimit, yamlnode.Say("the limit on line %d comes first and takes the same topics", "第 %d 行的期限在前，已包含这些主题", lines[i]), "")
				break
			}
		}
		c.out.policy.Stale, lines = append(c.out.policy.Stale, limit), append(lines, m.Node.Line)
	}
}

// topicPattern reads the name of a topic in which * stands for any run of characters and ? for one.
func (c *compiler) topicPattern(n *yaml.Node) (string, bool) {
	topic, ok := c.Name(n, "topic")
	if !ok {
		return "", false
	}
	if strings.ContainsFunc(topic, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-%|*?", r))
	}) {
		c.Error(n, CodeBadTopic, yamlnode.Say("topic must be the name of a topic, in which * stands for any characters and ? for one, not %q", "topic 必须是主题名，其中 * 代表任意字符，? 代表一个字符，而不是 “%s”", yamlnode.Show(topic)), "")
		return "", false
	}
	return topic, true
}

// takesAll reports whether a pattern takes every topic that another one takes. The other's wildcards stand for anything, so
// nothing but a star can take them.
func takesAll(pattern, other string) bool {
	if strings.Contains(pattern, "?") && strings.ContainsAny(other, "*?") {
		return pattern == other
	}
	ok, err := path.Match(pattern, other)
	return err == nil && ok
}

func (c *compiler) rules(top yamlnode.Map) {
	n := top.Get("rules")
	members, _ := c.List(n, "rules")
	if n == nil || n.Kind == yaml.SequenceNode && len(members) == 0 {
		c.Warn(top.Key("rules"), CodeNoRules, yamlnode.Say("there are no rules: every letter goes to a person", "没有规则：所有死信都交由人工处理"), "")
		return
	}
	if len(members) > MaxRules {
		c.Error(members[MaxRules], CodeTooManyRules, yamlnode.Say("there are %d rules; at most %d are allowed", "共有 %d 条规则；最多允许 %d 条", len(members), MaxRules), "")
		return
	}
	seen := map[string]int{}
	whole := make([]*yaml.Node, 0, len(members)) // of each rule its name, nil when it has an error
	for _, member := range members {
		before := c.Errors()
		m, ok := c.Map(member, "rule", ruleKeys)
		if ok {
			c.out.rules = append(c.out.rules, c.rule(m, seen))
			whole = append(whole, nil)
		}
		if ok && c.Errors() == before {
			whole[len(whole)-1] = m.Get("name")
		}
		c.SetRule("")
	}
	c.reach(whole)
}

func (c *compiler) rule(m yamlnode.Map, seen map[string]int) rule {
	if name := m.Get("name"); name != nil && name.Kind == yaml.ScalarNode {
		c.SetRule(yamlnode.Show(name.Value))
	}
	out := rule{info: RuleInfo{Name: c.newName(m, "rule", seen), Line: m.Node.Line}, verdict: unmatched()}
	out.info.Off, _ = c.Bool(m.Get("off"), "off")
	if match := m.Get("match"); match != nil {
		out.when = c.match(match, 0)
	}
	if m.Get("when") != nil {
		c.Error(m.Key("when"), CodeNotAvailable, yamlnode.Say("when is not available yet; write the condition as a match", "when 尚不可用；请用 match 书写条件"), "match: {…}")
	}
	v := &out.verdict
	v.Rule = out.info.Name
	if route, ok := c.OneOf(c.Require(m, "rule", "route"), "route", words(dlq.Routes)); ok {
		v.Route = dlq.Route(route)
	}
	out.info.Route = v.Route
	c.routeSections(m, v)
	return out
}

// routeSections compiles what belongs to the route. manual may stand with every route: retries get used up, endpoints
// ask for a person.
func (c *compiler) routeSections(m yamlnode.Map, v *dlq.Verdict) {
	known := m.Get("route") != nil && m.Get("route").Value == string(v.Route)
	for _, name := range []string{"retry", "compensate", "discard"} {
		if m.Get(name) != nil && known && name != string(v.Route) {
			c.Error(m.Key(name), CodeSectionNotUsed, yamlnode.Say("%s is not used by a rule with route: %s", "route 为 %[2]s 的规则不使用 %[1]s", name, string(v.Route)), "route: "+name)
		}
	}
	c.manual(m.Get("manual"), v)
	switch {
	case !known:
	case v.Route == dlq.RouteRetry:
		v.Retry = c.retry(m.Get("retry"))
	case v.Route == dlq.RouteCompensate:
		if name, ok := c.Name(c.Require(m, "rule", "compensate"), "compensate"); ok {
			v.Compensation = &dlq.CompensationPlan{Name: name}
			if !slices.Contains(c.compensations, name) {
				near := yamlnode.Closest(name, c.compensations)
				c.Error(m.Get("compensate"), CodeUnknownCompensation, yamlnode.Say("compensations defines no %q", "compensations 中没有定义 “%s”", yamlnode.Show(name)), near)
			}
		}
	case v.Route == dlq.RouteDiscard:
		c.discard(m, v)
	}
}

func (c *compiler) retry(n *yaml.Node) *dlq.RetryPlan {
	p := &dlq.RetryPlan{Delay: dlq.Duration(defaultDelay), Backoff: defaultBackoff, Max: defaultRetries, MaxDelay: dlq.Duration(defaultMaxDelay)}
	m, _ := c.Map(n, "retry", retryKeys)
	const month = 30 * 24 * time.Hour
	if v, ok := c.Duration(m.Get("delay"), "delay", 0, month); ok {
		p.Delay = v
		p.MaxDelay = max(p.MaxDelay, v)
	}
	if v, ok := c.Number(m.Get("backoff"), "backoff", 1, 100); ok {
		p.Backoff = v
	}
	if v, ok := c.Int(m.Get("max"), "max", 1, 1000); ok {
		p.Max = int(v)
	}
	if v, ok := c.Duration(m.Get("max_delay"), "max_delay", time.Duration(p.Delay), month); ok {
		p.MaxDelay = v
	}
	p.EarlierReason, _ = c.Bool(m.Get("earlier_reason"), "earlier_reason")
	return p
}

func (c *compiler) manual(n *yaml.Node, v *dlq.Verdict) {
	m, _ := c.Map(n, "manual", manualKeys)
	if s, ok := c.OneOf(m.Get("severity"), "severity", words(dlq.Severities)); ok {
		v.Severity = dlq.Severity(s)
	}
	v.Owner, _ = c.Name(m.Get("owner"), "owner")
	if n := m.Get("runbook"); n != nil {
		var ok bool
		if v.Runbook, ok = c.Text(n, "runbook"); ok && !yamlnode.WebAddress(v.Runbook) {
			c.Error(n, yamlnode.CodeBadURL, yamlnode.Say("runbook must be an http or https address", "runbook 必须是 http 或 https 地址"), "")
		}
	}
	v.Labels, _ = c.TextList(m.Get("labels"), "labels")
}

// discard compiles the clause of a rule that throws letters away, which must say that it means it, and why.
func (c *compiler) discard(rule yamlnode.Map, v *dlq.Verdict) {
	before := c.Errors()
	m, _ := c.Map(rule.Get("discard"), "discard", discardKeys)
	allowed, _ := c.Bool(m.Get("allow"), "allow")
	if m.Get("note") != nil {
		v.Note, _ = c.Text(m.Get("note"), "note")
	}
	if c.Errors() == before && (!allowed || m.Get("note") == nil) {
		at := rule.Key("discard")
		if at == rule.Node {
			at = rule.Get("route")
		}
		c.Error(at, CodeDiscardNotAllowed, yamlnode.Say("a rule that discards must allow it and say why", "丢弃死信的规则必须明确允许并说明原因"), `discard: {allow: true, note: "…"}`)
	}
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}
