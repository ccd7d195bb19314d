package classifier

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Codes of findings in a match, beside those of yamlnode.
const (
	CodeUnknownField     = "unknown-field"
	CodeUnknownOperator  = "unknown-operator"
	CodeOperatorForField = "operator-not-for-field"
	CodeBadPath          = "bad-path"
	CodeBadRegex         = "bad-regex"
	CodeBadGlob          = "bad-glob"
	CodeNeverExact       = "never-exact"
	CodePatternCost      = "pattern-cost"
)

var operators = []string{"eq", "in", "prefix", "suffix", "contains", "glob", "regex", "gt", "gte", "lt", "lte", "exists"}

// otherOperators are words that people use for operators of another name.
var otherOperators = map[string]string{
	"=": "eq", "==": "eq", "is": "eq", "equals": "eq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "ge": "gte", "le": "lte", "min": "gte", "max": "lte",
	"startswith": "prefix", "starts_with": "prefix", "endswith": "suffix", "ends_with": "suffix", "matches": "regex", "regexp": "regex", "re": "regex",
	"like": "glob", "one_of": "in", "any_of": "in", "has": "contains", "exist": "exists", "present": "exists",
}

// operatorsOf are the operators that a kind of field takes.
func operatorsOf(k kind) []string {
	switch k {
	case kindText, kindSet:
		return []string{"eq", "in", "prefix", "suffix", "contains", "glob", "regex", "exists"}
	case kindOpen:
		return operators
	default:
		return []string{"eq", "in", "gt", "gte", "lt", "lte", "exists"}
	}
}

// maxDepth is how deep all, any and not may nest.
const maxDepth = 16

// compiler turns the sections of one file into a Ruleset.
type compiler struct {
	yamlnode.Reader
	out           *Ruleset
	compensations []string
	cost          int // of all patterns so far
	reachSteps    int // bound of the search for rules that cannot be reached
}

// match compiles a mapping whose keys are joined by and.
func (c *compiler) match(n *yaml.Node, depth int) []condition {
	if depth > maxDepth {
		c.Error(n, yamlnode.CodeTooDeep, yamlnode.Say("match nests more than %d deep", "match 嵌套超过 %d 层", maxDepth), "")
		return nil
	}
	m, _ := c.FreeMap(n, "match")
	var out []condition
	for _, e := range m.Entries {
		switch e.Name {
		case "all", "any":
			if kids := c.group(e, depth+1); len(kids) > 0 {
				out = append(out, condition{group: e.Name, kids: kids, line: e.Key.Line})
			}
		case "not":
			if kids := c.match(e.Value, depth+1); len(kids) > 0 {
				out = append(out, condition{group: "not", kids: []condition{joined(kids, e.Key.Line)}, line: e.Key.Line})
			} else if e.Value.Kind == yaml.MappingNode && len(e.Value.Content) == 0 {
				c.Error(e.Value, yamlnode.CodeMissingValue, yamlnode.Say("not needs a condition", "not 需要一个条件"), "")
			}
		default:
			if f := c.field(e.Key); f != nil {
				out = append(out, c.clauses(f, e)...)
			}
		}
	}
	return out
}

// group compiles the list of an all or an any.
func (c *compiler) group(e yamlnode.Entry, depth int) []condition {
	members, ok := c.List(e.Value, e.Name)
	if ok && len(members) == 0 {
		c.Error(e.Value, yamlnode.CodeMissingValue, yamlnode.Say("%s needs at least one condition", "%s 至少需要一个条件", e.Name), "")
	}
	var kids []condition
	for _, m := range members {
		inner := c.match(m, depth)
		switch {
		case len(inner) > 0:
			kids = append(kids, joined(inner, m.Line))
		case m.Kind == yaml.MappingNode && len(m.Content) == 0:
			c.Error(m, yamlnode.CodeMissingValue, yamlnode.Say("a condition of %s is empty", "%s 中有空条件", e.Name), "")
		}
	}
	return kids
}

// joined makes one condition of several that are joined by and.
func joined(list []condition, line int) condition {
	if len(list) == 1 {
		return list[0]
	}
	return condition{group: "all", kids: list, line: line}
}

// field finds the field that a key names; nil after an error.
func (c *compiler) field(key *yaml.Node) *field {
	name := key.Value
	for i := range fields {
		if fields[i].name == name {
			c.out.fingerprint = c.out.fingerprint || name == "fingerprint"
			return &fields[i]
		}
	}
	if source, path, ok := strings.Cut(name, "."); ok && (source == "property" || source == "body") {
		steps := c.path(key, source, path)
		switch {
		case steps == nil:
			return nil
		case source == "property":
			return &field{name: name, kind: kindOpen, property: steps[0], slot: -1}
		default:
			return &field{name: name, kind: kindOpen, slot: c.out.paths.add(steps)}
		}
	}
	near := otherNames[strings.ToLower(name)]
	if near == "" {
		near = yamlnode.Closest(name, append(fieldNames(), "all", "any", "not"))
	}
	if near == "" && slices.Contains(operators, name) {
		c.Error(key, CodeUnknownField, yamlnode.Say("%q is an operator; it stands under a field: field: {%s: …}", "“%s” 是运算符，应写在字段之下：字段: {%s: …}", name, name), "")
		return nil
	}
	text := yamlnode.Say("there is no field %q", "没有字段 “%s”", yamlnode.Show(name))
	if near != "" {
		text.English += fmt.Sprintf("; did you mean %q?", near)
		text.Chinese += fmt.Sprintf("；是否想写 “%s”？", near)
	} else {
		text.English += "; a property of the message is property.NAME, a field of its body body.path"
		text.Chinese += "；消息属性写作 property.名称，消息体字段写作 body.路径"
	}
	c.Error(key, CodeUnknownField, text, near)
	return nil
}

// path takes apart what follows property. or body.; nil after an error.
func (c *compiler) path(at *yaml.Node, source, path string) []string {
	steps, err := splitPath(path)
	switch {
	case err != nil:
		c.Error(at, CodeBadPath, dlq.Text{
			English: fmt.Sprintf("%q is not a path: %s", yamlnode.Show(source+"."+path), err),
			Chinese: fmt.Sprintf("“%s” 不是有效的路径：各级名称以点分隔，含点或引号的名称写在双引号内", yamlnode.Show(source+"."+path)),
		}, "")
		return nil
	case source == "property" && len(steps) > 1:
		near := "property." + quoteName(path)
		c.Error(at, CodeBadPath, yamlnode.Say("the name of a property that holds a dot must be in double quotes: %s", "含点的属性名必须写在双引号内：%s", yamlnode.Show(near)), near)
		return nil
	}
	return steps
}

func quoteName(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// clauses compiles what stands under a field: a value, a list, or a mapping of operators joined by and.
func (c *compiler) clauses(f *field, e yamlnode.Entry) []condition {
	if e.Value.Kind != yaml.MappingNode {
		op := "eq"
		if e.Value.Kind == yaml.SequenceNode {
			op = "in"
		}
		return c.clause(f, op, e.Value, e.Key.Line)
	}
	m, _ := c.FreeMap(e.Value, f.name)
	if len(m.Entries) == 0 {
		c.Error(e.Value, yamlnode.CodeMissingValue, yamlnode.Say("%s has no operator", "%s 没有运算符", f.name), "")
	}
	var out []condition
	for _, o := range m.Entries {
		switch {
		case slices.Contains(operatorsOf(f.kind), o.Name):
			out = append(out, c.clause(f, o.Name, o.Value, o.Key.Line)...)
		case slices.Contains(operators, o.Name):
			takes := operatorsOf(f.kind)
			c.Error(o.Key, CodeOperatorForField, dlq.Text{
				English: fmt.Sprintf("%s does not fit %s; it takes %s", o.Name, f.name, strings.Join(takes, ", ")),
				Chinese: fmt.Sprintf("%s 不适用于 %s；可用 %s", o.Name, f.name, strings.Join(takes, "、")),
			}, "")
		default:
			near := otherOperators[strings.ToLower(o.Name)]
			if near == "" {
				near = yamlnode.Closest(o.Name, operatorsOf(f.kind))
			}
			text := yamlnode.Say("there is no operator %q", "没有运算符 “%s”", yamlnode.Show(o.Name))
			if near != "" {
				text.English += fmt.Sprintf("; did you mean %q?", near)
				text.Chinese += fmt.Sprintf("；是否想写 “%s”？", near)
			}
			c.Error(o.Key, CodeUnknownOperator, text, near)
		}
	}
	return out
}

// clause compiles one operator with its operands; nothing after an error.
func (c *compiler) clause(f *field, op string, n *yaml.Node, line int) []condition {
	before := c.Errors()
	out := &clause{field: f, op: op, line: line}
	operands := []*yaml.Node{n}
	if op == "in" {
		operands, _ = c.List(n, f.name+" in")
		if len(operands) == 0 && c.Errors() == before {
			c.Error(n, yamlnode.CodeMissingValue, yamlnode.Say("the list of %s is empty; it never matches", "%s 的列表为空，永远不会匹配", f.name), "")
		}
	}
	if op == "exists" {
		out.exists, _ = c.Bool(n, f.name+" exists")
		out.want = []string{n.Value}
		operands = nil
	}
	for _, operand := range operands {
		c.operand(out, operand)
	}
	if c.Errors() > before {
		return nil
	}
	if len(out.texts) > 8 {
		out.many = map[string]bool{}
		for _, t := range out.texts {
			out.many[t] = true
		}
	}
	return []condition{{clause: out, line: line}}
}

// operand compiles one operand.
func (c *compiler) operand(out *clause, n *yaml.Node) {
	f, what := out.field, out.field.name
	if yamlnode.Null(n) {
		c.Error(n, yamlnode.CodeMissingValue, yamlnode.Say("%s has no value; to ask for its absence write {exists: false}", "%s 没有值；若要判断缺失，请写 {exists: false}", what), "{exists: false}")
		return
	}
	if n.Kind != yaml.ScalarNode {
		c.Error(n, yamlnode.CodeWrongType, yamlnode.Say("what %s is compared with must be one text or number", "%s 的比较值必须是单个文本或数字", what), "")
		return
	}
	out.want = append(out.want, n.Value)
	switch f.kind {
	case kindCount:
		v, _ := c.Int(n, what, 0, 1<<53)
		out.numbers = append(out.numbers, v)
		return
	case kindAge:
		v, _ := c.Duration(n, what, 0, 1<<62)
		out.numbers = append(out.numbers, int64(v))
		if out.op == "eq" || out.op == "in" {
			c.Warn(n, CodeNeverExact, yamlnode.Say("an age is never exactly %[1]s: write {lt: %[1]s} or {gte: %[1]s}", "时长几乎不可能恰好等于 %[1]s：请写 {lt: %[1]s} 或 {gte: %[1]s}", yamlnode.Show(n.Value)), "{gte: "+n.Value+"}")
		}
		return
	case kindSize:
		v, _ := c.Size(n, what)
		out.numbers = append(out.numbers, v)
		return
	}
	c.textOperand(out, n)
}

func (c *compiler) textOperand(out *clause, n *yaml.Node) {
	what := out.field.name
	dec, number := parseDecimal(n.Value)
	switch out.op {
	case "gt", "gte", "lt", "lte":
		if !number {
			c.Error(n, yamlnode.CodeBadNumber, yamlnode.Say("%s %s must be compared with a number, not %q", "%s %s 的比较值必须是数字，而不是 “%s”", what, out.op, yamlnode.Show(n.Value)), "")
		}
		out.decs = append(out.decs, dec)
	case "regex":
		c.pattern(out, n, n.Value, CodeBadRegex, "this is not a regular expression (RE2): %s", "不是有效的正则表达式（RE2）：%s")
	case "glob":
		c.glob(out, n)
	default:
		if n.Value == "" && out.op != "eq" && out.op != "in" {
			c.Error(n, yamlnode.CodeMissingValue, yamlnode.Say("%s %s needs a text; an empty one matches everything", "%s %s 需要文本；空文本会匹配一切", what, out.op), "")
		}
		if what == "reason_origin" && (out.op == "eq" || out.op == "in") {
			c.OneOf(n, what, originWords())
		}
		out.texts = append(out.texts, n.Value)
		if number && n.Style == 0 && (out.op == "eq" || out.op == "in") {
			out.decs = append(out.decs, dec)
		}
	}
}

func originWords() []string {
	var out []string
	for _, o := range dlq.ReasonOrigins {
		out = append(out, string(o))
	}
	return out
}

// pattern compiles a regular expression within the bounds; the sentences are for one that is none.
func (c *compiler) pattern(out *clause, at *yaml.Node, pattern, code, english, chinese string) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		c.Error(at, code, yamlnode.Say(english, chinese, yamlnode.Show(strings.TrimPrefix(err.Error(), "error parsing regexp: "))), "")
		return
	}
	if len(pattern) > maxPattern {
		c.Error(at, code, yamlnode.Say("this pattern is longer than %d bytes", "该模式超过 %d 字节", maxPattern), "")
		return
	}
	needs := needs(tree)
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		c.Error(at, code, yamlnode.Say(english, chinese, yamlnode.Show(err.Error())), "")
		return
	}
	before := c.cost
	out.cost, out.needs = len(program.Inst), needs
	c.cost += out.cost
	switch {
	case out.cost > maxCost:
		c.Error(at, CodePatternCost, yamlnode.Say("this pattern costs up to %d steps for each character of a value; at most %d are allowed: repeat less, or fewer times", "该模式对值的每个字符最多需要 %d 步，上限为 %d 步：请减少重复或缩小重复次数", out.cost, maxCost), "")
		return
	case before <= maxFileCost && c.cost > maxFileCost:
		c.Error(at, CodePatternCost, yamlnode.Say("with this one the patterns of the file cost up to %d steps for each character of a value; at most %d are allowed: use prefix, suffix or contains where they do", "加上这一个，本文件的所有模式对值的每个字符最多需要 %d 步，上限为 %d 步：能用 prefix、suffix 或 contains 的地方请改用它们", c.cost, maxFileCost), "")
		return
	}
	if out.pattern, err = regexp.Compile(pattern); err != nil {
		c.Error(at, code, yamlnode.Say(english, chinese, yamlnode.Show(err.Error())), "")
	}
}

// glob compiles * (any run), ? (one character), [abc], [a-z], [!abc] and \ before a character that means itself.
func (c *compiler) glob(out *clause, n *yaml.Node) {
	inner := strings.Trim(n.Value, "*")
	if !strings.ContainsAny(inner, `*?[]\`) {
		head, tail := strings.HasPrefix(n.Value, "*"), strings.HasSuffix(n.Value, "*")
		switch {
		case inner == "" && n.Value != "":
			out.literal = func(string) bool { return true }
		case head && tail:
			out.literal = func(s string) bool { return strings.Contains(s, inner) }
		case head:
			out.literal = func(s string) bool { return strings.HasSuffix(s, inner) }
		case tail:
			out.literal = func(s string) bool { return strings.HasPrefix(s, inner) }
		default:
			out.literal = func(s string) bool { return s == inner }
		}
		return
	}
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	runes := []rune(n.Value)
	bad := func(english, chinese string) {
		c.Error(n, CodeBadGlob, dlq.Text{English: "this is not a glob pattern: " + english, Chinese: "不是有效的通配模式：" + chinese}, "")
	}
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; r {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		case '\\':
			if i++; i == len(runes) {
				bad("nothing follows the last \\", "末尾的 \\ 之后没有字符")
				return
			}
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		case '[':
			end := i + 1
			for end < len(runes) && (runes[end] != ']' || end == i+1 || end == i+2 && runes[i+1] == '!') {
				end++
			}
			if end >= len(runes) {
				bad("a [ is not closed with ]", "[ 没有用 ] 结束")
				return
			}
			members := string(runes[i+1 : end])
			members, not := strings.CutPrefix(members, "!")
			b.WriteByte('[')
			if not {
				b.WriteByte('^')
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(members) + "]")
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString(`)\z`)
	c.pattern(out, n, b.String(), CodeBadGlob, "this is not a glob pattern: %s", "不是有效的通配模式：%s")
}
