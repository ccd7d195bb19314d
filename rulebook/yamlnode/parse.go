package yamlnode

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
)

// Codes of findings about the text as a whole.
const (
	CodeTooLarge         = "too-large"
	CodeTooMuch          = "too-much"
	CodeTooDeep          = "too-deep"
	CodeNotUTF8          = "not-utf8"
	CodeSyntax           = "yaml-syntax"
	CodeEmpty            = "empty-file"
	CodeSeveralDocuments = "several-documents"
	CodeAnchor           = "anchor"
	CodeAlias            = "alias"
	CodeMergeKey         = "merge-key"
	CodeTag              = "tag"
	CodeDuplicateKey     = "duplicate-key"
	CodeBadKey           = "bad-key"
)

// MaxSize is the largest file in bytes.
const MaxSize = 1 << 20

// Parse reads the text of rules.yaml and returns the mapping at its top. root is nil when the text cannot be read at all
// or when it uses parts of YAML that could make it mean more than it shows; the findings then say why. Findings have no
// order and no ends yet, see Finish.
func Parse(text []byte) (root *yaml.Node, found []dlq.Diagnostic) {
	var r Reader
	if len(text) > MaxSize {
		r.Error(nil, CodeTooLarge, Say("the file is larger than 1 MiB", "文件超过 1 MiB"), "")
		return nil, r.diagnostics
	}
	text = WithoutBOM(text)
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		at := &yaml.Node{}
		at.Line, at.Column = firstInvalid(text)
		if name, _ := foreign(text); name != "" {
			r.Error(at, CodeNotUTF8, Say("the file is not UTF-8 from here on; it looks like %s: save it as UTF-8", "文件从此处起不是 UTF-8，看起来是 %s：请另存为 UTF-8", name), "")
		} else {
			r.Error(at, CodeNotUTF8, Say("the file is not UTF-8 from here on: save it as UTF-8", "文件从此处起不是 UTF-8：请另存为 UTF-8"), "")
		}
		return nil, r.diagnostics
	}
	if at := beyondWeight(text); at != nil {
		r.Error(at, CodeTooMuch, Say("the file holds too much: at most about %d keys and values; the rest begins here", "文件内容过多：键和值合计最多约 %d 个；超出部分从此处开始", maxWeight), "")
		return nil, r.diagnostics
	}
	doc, err := decode(text)
	switch {
	case errors.Is(err, errSeveral):
		at := &yaml.Node{Line: secondDocument(text), Column: 1}
		r.Error(at, CodeSeveralDocuments, Say("a second document begins here; the file holds one", "此处开始了第二个文档；文件只能有一个文档"), "")
		return nil, r.diagnostics
	case err != nil:
		r.syntax(text, err)
		return nil, r.diagnostics
	case doc == nil || len(doc.Content) == 0 || Null(doc.Content[0]):
		r.Error(nil, CodeEmpty, Say("the file is empty", "文件为空"), "version: 1")
		return nil, r.diagnostics
	}
	if deep := Deeper(doc.Content[0], MaxDepth); deep != nil {
		r.Error(deep, CodeTooDeep, Say("nested too deeply: at most %d levels", "嵌套过深：最多 %d 层", MaxDepth), "")
		return nil, r.diagnostics
	}
	r.walk(doc.Content[0])
	if doc.Content[0].Kind != yaml.MappingNode && r.errors == 0 {
		r.wrongType(doc.Content[0], "rules.yaml", "a mapping (version: 1, rules: …)", "映射（version: 1、rules: …）")
	}
	for _, d := range r.diagnostics {
		if d.Code != CodeDuplicateKey && d.Code != CodeBadKey { // what is left of the file can still be checked
			return nil, r.diagnostics
		}
	}
	return doc.Content[0], r.diagnostics
}

// MaxDepth is how deep mappings and lists may stand in each other, the one at the top counted.
const MaxDepth = 32

// Deeper returns the first mapping or list that stands deeper than most levels, nil for none.
func Deeper(n *yaml.Node, most int) *yaml.Node {
	if n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
		return nil
	}
	if most == 0 {
		return n
	}
	for _, child := range n.Content {
		if deep := Deeper(child, most-1); deep != nil {
			return deep
		}
	}
	return nil
}

// maxWeight is how much a text may hold beside its size in bytes: the YAML reader makes some hundred bytes of each key and
// value, so that a megabyte of commas would take a hundred megabytes. It leaves each of 2000 rules about 40.
const maxWeight = 90_000

// commentWeight is what a comment counts: the YAML reader keeps each several times.
const commentWeight = 4

// Fits reports whether reading a text as YAML takes a bounded amount of memory.
func Fits(text []byte) bool { return len(text) <= MaxSize && beyondWeight(text) == nil }

// beyondWeight returns where a text begins to hold too much, nil when it does not. What can begin a key or a value is
// counted wherever it stands, also within texts and comments: a bound must not need a reader of YAML.
func beyondWeight(text []byte) *yaml.Node {
	weight, line, start := 0, 1, 0
	for i, c := range text {
		switch c {
		case '\n', '\r':
			weight, line, start = weight+1, line+1, i+1
			if c == '\r' && i+1 < len(text) && text[i+1] == '\n' {
				weight, line = weight-1, line-1
			}
		case ':':
			weight++
		case ',': // in {a, b} it begins a key and a value
			weight += 2
		case '#':
			if i == start || text[i-1] == ' ' || text[i-1] == '\t' {
				weight += commentWeight
			}
		}
		if weight > maxWeight {
			return &yaml.Node{Line: line, Column: 1}
		}
	}
	return nil
}

// WithoutBOM returns the text without a leading UTF-8 byte-order mark.
func WithoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) }

var errSeveral = errors.New("several documents")

// decode reads the one document of the text; nil for a text without any.
func decode(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(&more); err == nil {
		return nil, errSeveral
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &doc, nil
}

// walk refuses what a rules file may not use. Anchors and aliases can make a small text expand without end, merge keys
// and tags make it mean something that it does not show.
func (r *Reader) walk(n *yaml.Node) {
	if n.Anchor != "" {
		r.Error(n, CodeAnchor, Say("anchors (&%s) are not allowed: write the value out", "不允许使用锚点（&%s）：请直接写出值", Show(n.Anchor)), "")
	}
	if n.Kind == yaml.AliasNode {
		r.Error(n, CodeAlias, Say("aliases (*%s) are not allowed: write the value out", "不允许使用别名（*%s）：请直接写出值", Show(n.Value)), "")
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.Error(n, CodeTag, Say("tags (%s) are not allowed: quote the value if it is a text", "不允许使用标签（%s）：如果是文本，请加引号", Show(n.Tag)), "")
	}
	if n.Kind == yaml.MappingNode {
		r.walkKeys(n)
	}
	for _, child := range n.Content {
		if r.errors > mostRead { // nothing more would be kept
			return
		}
		r.walk(child)
	}
}

func (r *Reader) walkKeys(n *yaml.Node) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch line, seen := first[key.Value]; {
		case key.Kind == yaml.AliasNode: // walk reports it
		case key.Kind != yaml.ScalarNode:
			r.Error(key, CodeBadKey, Say("a key must be a text", "键必须是文本"), "")
		case key.Tag == "!!merge":
			r.Error(key, CodeMergeKey, Say("merge keys (<<) are not allowed: write the keys out", "不允许使用合并键（<<）：请直接写出各个键"), "")
		case seen:
			r.Error(key, CodeDuplicateKey, Say("the key %q stands here a second time; the first is on line %d", "键 “%s” 在此重复；第一次出现在第 %d 行", Show(key.Value), line), "")
		default:
			first[key.Value] = key.Line
		}
	}
}

// yamlProblems puts what the YAML reader says into words that help, in both languages. The first text that the reader's
// own sentence contains counts.
var yamlProblems = []struct {
	contains string
	say      dlq.Text
}{
	{"found character that cannot start any token", dlq.Text{
		English: "this character cannot begin a value: put texts with special characters in quotes, and indent with blanks, not tabs",
		Chinese: "值不能以此字符开头：含特殊字符的文本请加引号，缩进请用空格而不是制表符"}},
	{"found a tab character", dlq.Text{English: "indent with blanks, not tabs", Chinese: "缩进请用空格，不要用制表符"}},
	{"mapping values are not allowed in this context", dlq.Text{
		English: "a colon is not expected here: check the indentation, or put a text that holds a colon in quotes",
		Chinese: "此处不应出现冒号：请检查缩进；含冒号的文本请加引号"}},
	{"could not find expected ':'", dlq.Text{English: "a key without a colon: write key: value", Chinese: "键后缺少冒号：请写成 键: 值"}},
	{"did not find expected key", dlq.Text{
		English: "a key is expected here: check the indentation and the quotes of this line and the one before",
		Chinese: "此处应为键：请检查本行与上一行的缩进和引号"}},
	{"did not find expected '-' indicator", dlq.Text{
		English: "a list member is expected here: begin it with - at the same indentation as the others",
		Chinese: "此处应为列表项：请以 - 开头，缩进与其他项一致"}},
	{"did not find expected ',' or ']'", dlq.Text{English: "a list that begins with [ is not closed with ], or lacks a comma", Chinese: "以 [ 开头的列表没有用 ] 结束，或缺少逗号"}},
	{"did not find expected ',' or '}'", dlq.Text{English: "a mapping that begins with { is not closed with }, or lacks a comma", Chinese: "以 { 开头的映射没有用 } 结束，或缺少逗号"}},
	{"found unexpected end of stream", dlq.Text{English: "a quote that begins here is not closed", Chinese: "从此处开始的引号没有结束"}},
	{"did not find expected node content", dlq.Text{English: "a value is missing here", Chinese: "此处缺少值"}},
	{"unknown anchor", dlq.Text{English: "aliases (*name) are not allowed: write the value out, or put a text that begins with * in quotes", Chinese: "不允许使用别名（*名称）：请直接写出值；以 * 开头的文本请加引号"}},
	{"alphabetic or numeric character", dlq.Text{English: "a text that begins with * or & must be in quotes", Chinese: "以 * 或 & 开头的文本必须加引号"}},
	{"unknown escape character", dlq.Text{English: "an unknown escape in double quotes: write \\\\ for a backslash, or use single quotes", Chinese: "双引号中有未知的转义：反斜杠请写成 \\\\，或改用单引号"}},
	{"control characters are not allowed", dlq.Text{English: "control characters are not allowed", Chinese: "不允许使用控制字符"}},
	{"exceeded max depth", dlq.Text{English: "nested too deeply", Chinese: "嵌套过深"}},
}

var yamlPrefix = regexp.MustCompile(`^yaml: (line \d+: )?`)

// syntax records why the YAML reader gave up. The reader names the line where the surrounding structure began, often far
// from the mistake; the first line with which the text fails in the same way is where the mistake is.
func (r *Reader) syntax(text []byte, cause error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	low, high := 1, len(lines)
	for low < high {
		middle := (low + high) / 2
		if _, err := decode(bytes.Join(lines[:middle], nil)); err != nil && err.Error() == cause.Error() {
			high = middle
		} else {
			low = middle + 1
		}
	}
	line := lines[low-1]
	at := &yaml.Node{Line: low, Column: 1 + len(line) - len(bytes.TrimLeft(line, " \t"))}
	problem := yamlPrefix.ReplaceAllString(cause.Error(), "")
	for _, known := range yamlProblems {
		if strings.Contains(problem, known.contains) {
			r.Error(at, CodeSyntax, known.say, "")
			return
		}
	}
	r.Error(at, CodeSyntax, Say("this is not YAML: %s", "YAML 语法错误：%s", Show(problem)), "")
}

// secondDocument is the line on which the second document begins: the second line that begins with ---, or the first
// after something else.
func secondDocument(text []byte) int {
	begun := false
	for i, line := range strings.Split(string(text), "\n") {
		marker := line == "---" || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "---\r")
		if marker && begun {
			return i + 1
		}
		content := strings.TrimSpace(line)
		begun = begun || marker || content != "" && !strings.HasPrefix(content, "#") && !strings.HasPrefix(content, "%")
	}
	return 1
}

// firstInvalid is the place of the first byte that is not UTF-8, or is zero.
func firstInvalid(text []byte) (line, column int) {
	line, column = 1, 1
	for len(text) > 0 {
		c, size := utf8.DecodeRune(text)
		switch {
		case c == utf8.RuneError && size == 1, c == 0:
			return line, column
		case c == '\n':
			line, column = line+1, 1
		default:
			column++
		}
		text = text[size:]
	}
	return line, column
}
