package yamlnode

import (
	"cmp"
	"slices"
	"strings"

	"deadletteroffice/dlq"
)

// most is how many findings Finish keeps. A file with more is wrong as a whole.
const most = 1000

// CodeMore is the code of the finding that says how many others were left out.
const CodeMore = "more-findings"

// Finish sorts findings by place, gives each the end of the word that it marks, and keeps all within the text. Beyond
// 1000 findings the last says how many more there are, which is an error if one of those is.
func Finish(text []byte, found []dlq.Diagnostic) []dlq.Diagnostic {
	lines := splitLines(string(WithoutBOM(text)))
	out := slices.Clone(found)
	for i := range out {
		d := &out[i]
		d.Line = min(max(d.Line, 1), lines.count())
		line := lines.line(d.Line)
		d.Column = min(max(d.Column, 1), len(line)+1)
		d.EndLine, d.EndColumn = end(lines, d.Line, d.Column)
		if d.Code == CodeSyntax {
			d.EndLine, d.EndColumn = d.Line, len(trimRight(line))+1
		}
		if d.EndLine == d.Line && d.EndColumn < d.Column {
			d.EndColumn = d.Column
		}
	}
	slices.SortStableFunc(out, func(a, b dlq.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(rank(a.Severity), rank(b.Severity)))
	})
	if len(out) <= most {
		return out
	}
	severity := dlq.DiagnosticHint
	for _, d := range out[most:] {
		if rank(d.Severity) < rank(severity) {
			severity = d.Severity
		}
	}
	at, say := out[most], Say("and %d more findings from here on", "此处起还有 %d 条未列出", len(out)-most)
	if slices.ContainsFunc(out, func(d dlq.Diagnostic) bool { return d.Code == CodeMore }) { // a Reader stopped counting
		say = Say("and more than %d others from here on", "此处起还有 %d 条以上未列出", len(out)-most)
	}
	return append(out[:most], dlq.Diagnostic{
		Severity: severity, Code: CodeMore, Line: at.Line, Column: at.Column, EndLine: at.EndLine, EndColumn: at.EndColumn, Message: say,
	})
}

// HasErrors reports whether one of the findings is an error.
func HasErrors(found []dlq.Diagnostic) bool {
	return slices.ContainsFunc(found, func(d dlq.Diagnostic) bool { return d.Severity == dlq.DiagnosticError })
}

func rank(s dlq.DiagnosticSeverity) int {
	return slices.Index([]dlq.DiagnosticSeverity{dlq.DiagnosticError, dlq.DiagnosticWarning, dlq.DiagnosticHint}, s)
}

// splitLines cuts the text where YAML does: after \n, \r\n and a lone \r, and at the Unicode line ends that YAML 1.1 knew
// and the YAML reader still counts.
func splitLines(text string) *lines {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	return &lines{texts: strings.Split(text, "\n"), runes: map[int][]rune{}}
}

// lines are the lines of a text, of which few are looked at.
type lines struct {
	texts []string
	runes map[int][]rune // of those that were looked at
}

func (l *lines) count() int { return len(l.texts) }

// line returns the characters of a line; lines count from 1.
func (l *lines) line(number int) []rune {
	line, ok := l.runes[number]
	if !ok {
		line = []rune(l.texts[number-1])
		l.runes[number] = line
	}
	return line
}

// end finds where the word ends that begins at a place: a quoted text at its closing quote, an opening bracket after
// itself, any other text before what ends it in YAML.
func end(lines *lines, line, column int) (endLine, endColumn int) {
	rest := lines.line(line)[column-1:]
	if len(rest) == 0 {
		return line, column
	}
	switch open := rest[0]; open {
	case '[', '{', '-', '|', '>', '?', ':':
		if open != '-' || len(rest) > 1 && rest[1] == ' ' {
			return line, column + 1
		}
	case '"', '\'':
		return closing(lines, line, column, open)
	}
	for i, c := range rest {
		after := ' '
		if i+1 < len(rest) {
			after = rest[i+1]
		}
		if c == ':' && (after == ' ' || after == '\t') || c == '#' && i > 0 && rest[i-1] == ' ' || c == ',' || c == ']' || c == '}' {
			return line, column + max(len(trimRight(rest[:i])), 1)
		}
	}
	return line, column + len(trimRight(rest))
}

// closing is the place after the closing quote of a text that begins at a place.
func closing(lines *lines, line, column int, quote rune) (endLine, endColumn int) {
	from := column // index of the first rune inside
	for l := line; l <= lines.count(); l++ {
		text := lines.line(l)
		for i := from; i < len(text); i++ {
			switch {
			case quote == '"' && text[i] == '\\':
				i++
			case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
				i++
			case text[i] == quote:
				return l, i + 2
			}
		}
		from = 0
	}
	return line, len(lines.line(line)) + 1
}

func trimRight(line []rune) []rune {
	for len(line) > 0 && (line[len(line)-1] == ' ' || line[len(line)-1] == '\t') {
		line = line[:len(line)-1]
	}
	return line
}
