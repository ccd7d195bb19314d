package rulebook

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// The sections of rules.yaml whose members can be switched off.
const (
	SectionRules  = "rules"
	SectionAlerts = "alerts"
)

// Entry is one rule or alert rule and where it stands in a text.
type Entry struct {
	Name    string
	Kind    string // of a rule its route, of an alert rule its signal, as the text says it; may be ""
	Line    int    // its first line
	EndLine int    // its last line, without blank lines and comments after it
	Off     bool
}

// Outline is what stands in a rules file, in its order. Names are as the text gives them, good or not.
type Outline struct {
	Rules         []Entry
	Alerts        []Entry
	Compensations []string
	Receivers     []string
}

// OutlineOf finds out what stands in a text; nothing when it is not YAML.
func OutlineOf(text string) Outline {
	d, ok := parseDocument(text)
	if !ok {
		return Outline{}
	}
	return Outline{
		Rules: d.entries(SectionRules, "route"), Alerts: d.entries(SectionAlerts, "signal"),
		Compensations: keysOf(valueOf(d.root, "compensations")), Receivers: keysOf(valueOf(d.root, "receivers")),
	}
}

func keysOf(n *yaml.Node) (keys []string) {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
	}
	return keys
}

// members are the members of a list at the top of the document.
func (d *document) members(section string) []*yaml.Node {
	if list := valueOf(d.root, section); list != nil && list.Kind == yaml.SequenceNode {
		return list.Content
	}
	return nil
}

func (d *document) entries(section, kind string) (out []Entry) {
	members := d.members(section)
	for i, n := range members {
		e := Entry{Name: nameOf(n), Line: d.firstLine(n), EndLine: d.lastLine(section, i)}
		if v := valueOf(n, kind); v != nil && v.Kind == yaml.ScalarNode {
			e.Kind = v.Value
		}
		e.Off = isTrue(valueOf(n, "off"))
		out = append(out, e)
	}
	return out
}

func isTrue(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!bool" && strings.EqualFold(n.Value, "true")
}

// firstLine is the line of a list member's dash, or where it begins in brackets.
func (d *document) firstLine(n *yaml.Node) int {
	line := n.Line
	for line > 1 && line == n.Line && strings.TrimSpace(d.line(line-1)) == "-" {
		line--
	}
	return line
}

// lastLine is the last line of a list's member: the last before whatever follows that holds anything.
func (d *document) lastLine(section string, i int) int {
	members := d.members(section)
	first, last := members[i].Line, len(d.starts)
	if i+1 < len(members) {
		last = d.firstLine(members[i+1]) - 1
	} else {
		for k := 0; k+1 < len(d.root.Content); k += 2 {
			if key := d.root.Content[k]; key.Line > first {
				last = min(last, key.Line-1)
			}
		}
	}
	for last > first {
		if content := strings.TrimSpace(d.line(last)); content != "" && content[0] != '#' && content != "..." && content != "]" {
			break
		}
		last--
	}
	return max(first, last)
}
