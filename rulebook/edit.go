package rulebook

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
)

// Edited is a text after one change. All that the change is not about is as it was.
type Edited struct {
	Text    string
	Line    int // of the rule that was changed or put in
	EndLine int
}

func errNotYAML() error {
	return dlq.Errorf(dlq.CodeRefused, "the text cannot be read as YAML").WithHint("mend what is marked, then try again")
}

// Switch turns a rule (SectionRules) or an alert rule (SectionAlerts) off or on again. Errors: CodeNotFound when there is
// none of that name, CodeRefused when the text is not YAML or too unusual to be changed with certainty.
func Switch(text, section, name string, off bool) (Edited, error) {
	d, ok := parseDocument(text)
	if !ok {
		return Edited{}, errNotYAML()
	}
	members := d.members(section)
	at := slices.IndexFunc(members, func(n *yaml.Node) bool { return nameOf(n) == name })
	if at < 0 {
		return Edited{}, dlq.Errorf(dlq.CodeNotFound, "%s has no member with this name", section)
	}
	var changes []change
	if value := valueOf(members[at], "off"); value == nil {
		if off {
			changes = d.addOff(members[at])
		}
	} else if isTrue(value) != off {
		changes = d.turn(members[at], value, off)
		if changes == nil {
			return Edited{}, dlq.Errorf(dlq.CodeRefused, "what stands under off is neither true nor false").WithHint("mend it in the text")
		}
	}
	return d.edited(changes, section, name), nil
}

// edited applies changes and finds the rule again.
func (d *document) edited(changes []change, section, name string) Edited {
	out := Edited{Text: apply(d.text, changes)}
	after := OutlineOf(out.Text)
	for _, e := range append(after.section(section), Entry{}) {
		if e.Name == name {
			out.Line, out.EndLine = e.Line, e.EndLine
			break
		}
	}
	return out
}

func (o *Outline) section(name string) []Entry {
	if name == SectionAlerts {
		return o.Alerts
	}
	return o.Rules
}

// addOff puts the key off behind the name.
func (d *document) addOff(n *yaml.Node) []change {
	i := slices.IndexFunc(n.Content, func(key *yaml.Node) bool { return key.Value == "name" && key == d.keyNode(n, "name") })
	key, value := n.Content[i], n.Content[i+1]
	if n.Style&yaml.FlowStyle != 0 {
		next := key
		if i+2 < len(n.Content) {
			next = n.Content[i+2]
		}
		at := d.offset(next.Line, next.Column)
		return []change{{at, at, "off: true, "}}
	}
	end := d.end(value, d.offset(value.Line, value.Column), key.Column-1, false)
	return []change{d.insertLines(d.lineAt(max(end-1, 0))+1, strings.Repeat(" ", key.Column-1)+"off: true")}
}

func (d *document) keyNode(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i]
		}
	}
	return nil
}

// insertLines puts lines before a line of the text, or behind the last.
func (d *document) insertLines(before int, lines ...string) change {
	text := strings.Join(lines, d.ending()) + d.ending()
	if before <= len(d.starts) {
		return change{d.starts[before-1], d.starts[before-1], text}
	}
	if d.line(len(d.starts)) != "" { // the last line does not end
		text = d.ending() + strings.TrimSuffix(text, d.ending())
	}
	return change{len(d.text), len(d.text), text}
}

// turn changes the value of off, or takes the key out with it when nothing else is lost; nil when that is not sure.
func (d *document) turn(n, value *yaml.Node, off bool) []change {
	start := d.offset(value.Line, value.Column)
	end := start + len(value.Value)
	if value.Kind != yaml.ScalarNode || value.Tag != "!!bool" || value.Style != 0 || d.text[start:end] != value.Value {
		return nil
	}
	if off {
		return []change{{start, end, "true"}}
	}
	key := d.keyNode(n, "off")
	from := d.offset(key.Line, key.Column)
	if n.Style&yaml.FlowStyle == 0 {
		if line := d.line(key.Line); strings.TrimSpace(line) == d.text[from:end] {
			next := len(d.text)
			if key.Line < len(d.starts) {
				next = d.starts[key.Line]
			}
			return []change{{d.starts[key.Line-1], next, ""}}
		}
	} else if i := slices.Index(n.Content, value); i+1 < len(n.Content) {
		to := d.offset(n.Content[i+1].Line, n.Content[i+1].Column)
		if strings.TrimSpace(d.text[end:to]) == "," && !strings.Contains(d.text[end:to], "\n") {
			return []change{{from, to, ""}}
		}
	}
	return []change{{start, end, "false"}}
}

// NewRule is a rule that is to be put into a text.
type NewRule struct {
	Name   string
	Match  [][2]string // field and value, joined by and
	Route  dlq.Route
	Clause string // in brackets, what belongs to the route: `retry: {delay: 5m}`; "" for nothing
}

// Insert puts a rule before the one at a place in the list, counted from 0, or behind the last for -1. It is written as
// its neighbour is. The error is CodeRefused when the text is not YAML or too unusual to be changed with certainty.
func Insert(text string, before int, r NewRule) (Edited, error) {
	d, ok := parseDocument(text)
	if !ok || d.root.Kind != yaml.MappingNode {
		return Edited{}, errNotYAML()
	}
	members := d.members(SectionRules)
	var c change
	switch {
	case len(members) > 0:
		c, ok = d.insertBeside(members, before, r)
	default:
		c, ok = d.insertFirst(r)
	}
	if !ok {
		return Edited{}, dlq.Errorf(dlq.CodeRefused, "the rules are written in a way in which a new one has no sure place").WithHint("put it in by hand")
	}
	return d.edited([]change{c}, SectionRules, r.Name), nil
}

// insertBeside puts the rule before one of the members, or behind the last.
func (d *document) insertBeside(members []*yaml.Node, before int, r NewRule) (change, bool) {
	list := valueOf(d.root, SectionRules)
	last := before < 0 || before >= len(members)
	neighbour := members[len(members)-1]
	if !last {
		neighbour = members[before]
	}
	if list.Style&yaml.FlowStyle != 0 {
		start := d.offset(neighbour.Line, neighbour.Column)
		if last {
			end, ok := bracketsEnd(d.text, start)
			return change{end, end, ", " + r.inBrackets()}, ok
		}
		between := " "
		if head := d.text[d.starts[neighbour.Line-1]:start]; strings.TrimSpace(head) == "" {
			between = d.ending() + head
		}
		return change{start, start, r.inBrackets() + "," + between}, true
	}
	first := d.firstLine(neighbour)
	head := d.line(first)
	indent := head[:len(head)-len(strings.TrimLeft(head, " "))]
	if !strings.HasPrefix(head[len(indent):], "-") { // the list begins behind its key: rules: - name is no YAML, but be sure
		return change{}, false
	}
	at := first
	if last {
		at = d.lastLine(SectionRules, len(members)-1) + 1
	} else {
		for at > 1 && isComment(d.line(at-1), len(indent)) { // what stands right above a rule is about it
			at--
		}
	}
	lines := r.lines(indent, d.styleOf(neighbour, len(indent)))
	switch {
	case last && d.spaced(members, len(members)-1):
		lines = append([]string{""}, lines...)
	case !last && d.spaced(members, max(before, 1)):
		lines = append(lines, "")
	}
	return d.insertLines(at, lines...), true
}

// spaced reports whether a blank line stands between a member and the one before it.
func (d *document) spaced(members []*yaml.Node, i int) bool {
	if i < 1 || i >= len(members) {
		return false
	}
	for line := d.lastLine(SectionRules, i-1) + 1; line < d.firstLine(members[i]); line++ {
		if strings.TrimSpace(d.line(line)) == "" {
			return true
		}
	}
	return false
}

func isComment(line string, indent int) bool {
	content := strings.TrimLeft(line, " ")
	return strings.HasPrefix(content, "#") && len(line)-len(content) >= indent
}

// insertFirst puts the rule into a list that is empty or not there.
func (d *document) insertFirst(r NewRule) (change, bool) {
	key, list := d.keyNode(d.root, SectionRules), valueOf(d.root, SectionRules)
	style := ruleStyle{gap: 1}
	switch {
	case d.root.Style&yaml.FlowStyle != 0:
		return change{}, false
	case key == nil:
		return d.insertLines(len(d.starts)+1, append([]string{"rules:"}, r.lines("  ", style)...)...), true
	case list.Kind == yaml.SequenceNode && list.Style&yaml.FlowStyle != 0:
		start := d.offset(list.Line, list.Column)
		end := strings.IndexByte(d.text[start:], ']')
		return change{start, start + end + 1, "[" + r.inBrackets() + "]"}, end > 0 && strings.Trim(d.text[start:start+end], "[ \t") == ""
	case list.Kind == yaml.ScalarNode && list.Tag == "!!null" && list.Value == "":
		return d.insertLines(key.Line+1, r.lines("  ", style)...), true
	}
	return change{}, false
}

// ruleStyle is how a rule is written.
type ruleStyle struct {
	gap      int  // blanks behind the dash
	brackets bool // as {name: …}
	match    int  // by how much the fields of a match are indented on lines of their own; 0 for {field: …}
}

func (d *document) styleOf(n *yaml.Node, dash int) ruleStyle {
	s := ruleStyle{gap: 1, brackets: n.Style&yaml.FlowStyle != 0}
	if n.Line == d.firstLine(n) && n.Column-dash-2 > 0 {
		s.gap = n.Column - dash - 2
	}
	if match := valueOf(n, "match"); match != nil && match.Kind == yaml.MappingNode && match.Style&yaml.FlowStyle == 0 && len(match.Content) > 0 {
		s.match = max(match.Content[0].Column-n.Column, 1)
	}
	return s
}

func (r *NewRule) lines(indent string, s ruleStyle) []string {
	dash := indent + "-" + strings.Repeat(" ", s.gap)
	if s.brackets {
		return []string{dash + r.inBrackets()}
	}
	inner := indent + strings.Repeat(" ", s.gap+1)
	out := []string{dash + "name: " + quote(r.Name)}
	if s.match > 0 {
		out = append(out, inner+"match:")
		for _, f := range r.Match {
			out = append(out, inner+strings.Repeat(" ", s.match)+f[0]+": "+quote(f[1]))
		}
	} else {
		out = append(out, inner+r.match())
	}
	out = append(out, inner+"route: "+string(r.Route))
	if r.Clause != "" {
		out = append(out, inner+r.Clause)
	}
	return out
}

func (r *NewRule) inBrackets() string {
	out := "{name: " + quote(r.Name) + ", " + r.match() + ", route: " + string(r.Route)
	if r.Clause != "" {
		out += ", " + r.Clause
	}
	return out + "}"
}

func (r *NewRule) match() string {
	fields := make([]string, len(r.Match))
	for i, f := range r.Match {
		fields[i] = f[0] + ": " + quote(f[1])
	}
	return "match: {" + strings.Join(fields, ", ") + "}"
}

// plainText is a text that means itself without quotes, in brackets too.
var plainText = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_./+-]*( [\p{L}\p{N}_./+-]+)*$`)

// quote writes a text so that YAML reads it as that text: plain where that is sure, else in double quotes.
func quote(s string) string {
	var n yaml.Node
	if plainText.MatchString(s) && yaml.Unmarshal([]byte(s), &n) == nil && len(n.Content) == 1 && n.Content[0].Tag == "!!str" &&
		!slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(s)) { // truth values to readers of YAML 1.1
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(strings.ToValidUTF8(s, "\ufffd")); err != nil { // a text always can
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// bracketsEnd is where the brackets end that open at start.
func bracketsEnd(t string, start int) (int, bool) {
	depth := 0
	begins := true // a quote here begins a quoted text
	for i := start; i < len(t); i++ {
		switch c := t[i]; c {
		case '{', '[':
			depth++
			begins = true
			continue
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		case '"', '\'':
			if begins {
				for i++; i < len(t) && t[i] != c; i++ { // '' is an end and a beginning
					if c == '"' && t[i] == '\\' {
						i++
					}
				}
			}
		case '#':
			if i > 0 && strings.IndexByte(" \t\r\n", t[i-1]) >= 0 {
				if end := strings.IndexByte(t[i:], '\n'); end >= 0 {
					i += end
					continue
				}
				return 0, false
			}
		case ':':
			begins = i+1 < len(t) && strings.IndexByte(" \t\r\n", t[i+1]) >= 0
			continue
		case ',', '\n', '\r':
			begins = true
			continue
		case ' ', '\t':
			continue
		}
		begins = t[i] == '\'' // the second half of ''
	}
	return 0, false
}
