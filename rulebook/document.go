package rulebook

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/rulebook/yamlnode"
)

// document is the text of a rules file together with its nodes, so that one can go from a node to the bytes that a person
// wrote. The YAML library tells where a node begins, not where it ends.
type document struct {
	text   string // without a byte-order mark
	root   *yaml.Node
	starts []int // of each line, in bytes

	seen struct{ line, column, offset int } // the place that was asked for last: a whole file may stand on one line
}

// parseDocument reads a text of which nothing is asked but that it is one YAML document within the size and the depth of a
// rules file. What walks a document may take it that every path in it is short.
func parseDocument(text string) (*document, bool) {
	text = string(yamlnode.WithoutBOM([]byte(text)))
	if !yamlnode.Fits([]byte(text)) || !utf8.ValidString(text) {
		return nil, false
	}
	var node, more yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&node); err != nil || !errors.Is(dec.Decode(&more), io.EOF) { // what follows the first is not in its nodes
		return nil, false
	}
	if len(node.Content) != 1 || yamlnode.Deeper(node.Content[0], yamlnode.MaxDepth) != nil {
		return nil, false
	}
	return &document{text: text, root: node.Content[0], starts: lineStarts(text)}, true
}

// lineStarts finds the lines as the YAML reader counts them: it ends them also at a lone \r and at the Unicode line ends
// of YAML 1.1.
func lineStarts(text string) []int {
	starts := []int{0}
	for i, c := range text {
		switch c {
		case '\r':
			if !strings.HasPrefix(text[i+1:], "\n") {
				starts = append(starts, i+1)
			}
		case '\n':
			starts = append(starts, i+1)
		case '\u0085', '\u2028', '\u2029':
			starts = append(starts, i+utf8.RuneLen(c))
		}
	}
	return starts
}

// offset is where a place is in the text, in bytes; lines and columns count from 1, columns in characters.
func (d *document) offset(line, column int) int {
	if line < 1 {
		return 0
	}
	if line > len(d.starts) {
		return len(d.text)
	}
	if d.seen.line != line || d.seen.column > column {
		d.seen.line, d.seen.column, d.seen.offset = line, 1, d.starts[line-1]
	}
	for ; d.seen.column < column && d.seen.offset < len(d.text); d.seen.column++ {
		_, size := utf8.DecodeRuneInString(d.text[d.seen.offset:])
		d.seen.offset += size
	}
	return d.seen.offset
}

// line is one line of the text without its end, "" beyond the last.
func (d *document) line(number int) string {
	if number < 1 || number > len(d.starts) {
		return ""
	}
	end := len(d.text)
	if number < len(d.starts) {
		end = d.starts[number]
	}
	return strings.TrimRight(d.text[d.starts[number-1]:end], "\r\n\u0085\u2028\u2029")
}

// ending is how the text ends its lines: as its first line does.
func (d *document) ending() string {
	if i := strings.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// scalar is one text of the document and where it stands.
type scalar struct {
	*yaml.Node
	start, end int    // bytes; the end is the first byte after it
	path       string // of keys and names, the same in every text that names it alike
	under
}

// under is what stands on the way to a scalar.
type under struct {
	secret  bool // the key of a secret
	address bool // just above it the key of an address
	rule    bool // the section of the rules
}

// scalars goes through all texts of the document, keys too, in their order.
func (d *document) scalars() iter.Seq[scalar] {
	return func(yield func(scalar) bool) { d.walk(d.root, "", under{}, -1, false, yield) }
}

// walk hands over the texts in a node that stands in something of the given indentation, in brackets or not, until yield
// returns false.
func (d *document) walk(n *yaml.Node, path string, at under, indent int, flow bool, yield func(scalar) bool) bool {
	flow = flow || n.Style&yaml.FlowStyle != 0
	switch n.Kind {
	case yaml.ScalarNode:
		start := d.offset(n.Line, n.Column)
		return yield(scalar{n, start, d.end(n, start, indent, flow), path, at})
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if !flow {
				indent = key.Column - 1
			}
			if !d.walk(key, path+"\x00", under{rule: at.rule}, indent, flow, yield) || !d.walk(value, path+"\x00"+key.Value, at.below(path, key.Value), indent, flow, yield) {
				return false
			}
		}
	case yaml.SequenceNode:
		seen := map[string]int{}
		for i, member := range n.Content {
			if !flow {
				indent = n.Column - 1
			}
			step := fmt.Sprintf("[%d]", i)
			if name := nameOf(member); name != "" {
				seen[name]++
				step = fmt.Sprintf("[%s %d]", name, seen[name])
			}
			if !d.walk(member, path+"\x00"+step, at, indent, flow, yield) {
				return false
			}
		}
	}
	return true
}

// below is what stands on the way to the value of a key, path being that of the mapping.
func (u under) below(path, key string) under {
	return under{secret: u.secret || isSecretKey(key), address: isAddressKey(key), rule: u.rule || path == "" && key == SectionRules}
}

// nameOf is the name of a list's member, "" when it has none.
func nameOf(n *yaml.Node) string {
	if v := valueOf(n, "name"); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// valueOf is the value of a mapping's key, nil when it is absent.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// end finds where a scalar ends that begins at start. indent is the indentation of what holds it: lines of a block that
// are indented deeper belong to it.
func (d *document) end(n *yaml.Node, start, indent int, flow bool) int {
	t := d.text
	switch {
	case n.Value == "" && n.Style == 0: // nothing is written
		return start
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for i := start + 1; i < len(t); i++ {
			switch t[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		for i := start + 1; i < len(t); i++ {
			if t[i] != '\'' {
				continue
			}
			if i++; i == len(t) || t[i] != '\'' {
				return i
			}
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.blockEnd(n.Line, indent, true)
	case strings.HasPrefix(t[start:], n.Value): // a plain text on one line is written as it is
		return start + len(n.Value)
	case flow:
		return plainEnd(t, start)
	default:
		return d.blockEnd(n.Line, indent, false)
	}
	return len(t)
}

// blockEnd is where a text of several lines ends: it goes on as long as they are indented deeper than what holds it. A
// plain text ends at a comment too; in a literal one that is text.
func (d *document) blockEnd(line, indent int, literal bool) int {
	trimmed := func(number int) int {
		text := d.line(number)
		if !literal {
			text = withoutComment(text)
		}
		return d.starts[number-1] + len(strings.TrimRight(text, " \t"))
	}
	end := trimmed(line)
	if !literal && end < d.starts[line-1]+len(strings.TrimRight(d.line(line), " \t")) {
		return end // a comment follows
	}
	for next := line + 1; next <= len(d.starts); next++ {
		text := d.line(next)
		content := strings.TrimLeft(text, " \t")
		if content == "" {
			continue
		}
		if len(text)-len(content) <= indent || !literal && content[0] == '#' {
			break
		}
		end = trimmed(next)
	}
	return end
}

// withoutComment cuts a line that holds a plain text before the comment behind it.
func withoutComment(line string) string {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// plainEnd is where a plain text of several lines in brackets ends.
func plainEnd(t string, start int) int {
	end := start
	for i := start; i < len(t); i++ {
		switch c := t[i]; c {
		case ',', '[', ']', '{', '}':
			return end
		case ':':
			if i+1 == len(t) || strings.IndexByte(" \t\r\n,[]{}", t[i+1]) >= 0 {
				return end
			}
		case '#':
			if i > start && strings.IndexByte(" \t\r\n", t[i-1]) >= 0 {
				return end
			}
		case ' ', '\t', '\r', '\n':
			continue
		}
		end = i + 1
	}
	return end
}
