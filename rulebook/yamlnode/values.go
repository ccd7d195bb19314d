package yamlnode

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
)

// Text reads a scalar as text, 1 to 4096 bytes. A number or a truth value is taken as it is written.
func (r *Reader) Text(n *yaml.Node, what string) (string, bool) {
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || Null(n) {
		r.wrongType(n, what, "a text", "文本")
		return "", false
	}
	switch {
	case strings.TrimSpace(n.Value) == "":
		r.Error(n, CodeMissingValue, Say("%s is empty", "%s 为空", what), "")
	case len(n.Value) > 4096:
		r.Error(n, CodeBadText, Say("%s is longer than 4096 bytes", "%s 超过 4096 字节", what), "")
	default:
		return n.Value, true
	}
	return "", false
}

// Name reads a name that the file gives: one line of 1 to 100 characters without blanks at its ends.
func (r *Reader) Name(n *yaml.Node, what string) (string, bool) {
	s, ok := r.Text(n, what)
	if !ok {
		return "", false
	}
	if utf8.RuneCountInString(s) > 100 || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) || strings.TrimSpace(s) != s {
		r.Error(n, CodeBadText, Say("%s must be one line of at most 100 characters without blanks at its ends", "%s 必须是一行文本，最多 100 个字符，首尾没有空白", what), "")
		return "", false
	}
	return s, true
}

// OneOf reads one of the given words.
func (r *Reader) OneOf(n *yaml.Node, what string, words []string) (string, bool) {
	s, ok := r.Text(n, what)
	if !ok {
		return "", false
	}
	if !contains(words, s) {
		r.unknown(n, CodeUnknownValue, what, s, words)
		return "", false
	}
	return s, true
}

// TextList reads a list of texts; one text alone is a list of one.
func (r *Reader) TextList(n *yaml.Node, what string) ([]string, bool) {
	if n == nil {
		return nil, false
	}
	members := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		members = n.Content
	}
	out, all := make([]string, 0, len(members)), true
	for _, m := range members {
		s, ok := r.Text(m, what)
		out, all = append(out, s), all && ok
	}
	return out, all
}

// Bool reads true or false.
func (r *Reader) Bool(n *yaml.Node, what string) (value, ok bool) {
	if n == nil {
		return false, false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.wrongType(n, what, "true or false", " true 或 false")
		return false, false
	}
	return strings.EqualFold(n.Value, "true"), true
}

// Int reads a whole number between least and most.
func (r *Reader) Int(n *yaml.Node, what string, least, most int64) (int64, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind != yaml.ScalarNode || Null(n) {
		r.wrongType(n, what, "a whole number", "整数")
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		r.Error(n, CodeBadNumber, Say("%s must be a whole number, not %q", "%s 必须是整数，而不是 “%s”", what, Show(n.Value)), "")
		return 0, false
	}
	return v, inRange(r, n, what, v, least, most)
}

// Number reads a decimal number between least and most.
func (r *Reader) Number(n *yaml.Node, what string, least, most float64) (float64, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind != yaml.ScalarNode || Null(n) {
		r.wrongType(n, what, "a number", "数字")
		return 0, false
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || v != v {
		r.Error(n, CodeBadNumber, Say("%s must be a number, not %q", "%s 必须是数字，而不是 “%s”", what, Show(n.Value)), "")
		return 0, false
	}
	return v, inRange(r, n, what, v, least, most)
}

// Duration reads a duration such as 10s, 5m, 1h30m or 2d between least and most.
func (r *Reader) Duration(n *yaml.Node, what string, least, most time.Duration) (dlq.Duration, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind != yaml.ScalarNode || Null(n) {
		r.wrongType(n, what, "a duration such as 10s, 5m or 2d", "时长，例如 10s、5m 或 2d")
		return 0, false
	}
	v, err := dlq.ParseDuration(n.Value)
	if err != nil {
		near := ""
		if _, err := strconv.ParseInt(n.Value, 10, 32); err == nil {
			near = n.Value + "s"
		}
		r.Error(n, CodeBadDuration, Say("%s must be a duration such as 10s, 5m or 2d, not %q", "%s 必须是时长，例如 10s、5m 或 2d，而不是 “%s”", what, Show(n.Value)), near)
		return 0, false
	}
	return v, inRange(r, n, what, v, dlq.Duration(least), dlq.Duration(most))
}

// Size reads a number of bytes: a whole number, or a decimal one with B, KB, MB or GB (1 KB is 1024 bytes; KiB, MiB and
// GiB mean the same).
func (r *Reader) Size(n *yaml.Node, what string) (int64, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind != yaml.ScalarNode || Null(n) {
		r.wrongType(n, what, "a size such as 64KB", "大小，例如 64KB")
		return 0, false
	}
	v, err := ParseSize(n.Value)
	if err != nil {
		r.Error(n, CodeBadSize, Say("%s must be a size such as 512, 64KB or 1.5MB, not %q", "%s 必须是大小，例如 512、64KB 或 1.5MB，而不是 “%s”", what, Show(n.Value)), "")
		return 0, false
	}
	return v, true
}

// ParseSize reads a size as Reader.Size does, up to 2^53 bytes.
func ParseSize(s string) (int64, error) {
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') && s[end-1] != '.' {
		end--
	}
	unit, known := map[string]float64{"": 1, "B": 1, "KB": 1 << 10, "KIB": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20, "GB": 1 << 30, "GIB": 1 << 30}[strings.ToUpper(strings.TrimSpace(s[end:]))]
	v, err := strconv.ParseFloat(s[:end], 64)
	if err != nil || !known || !(v >= 0 && v*unit <= 1<<53) || strings.ContainsAny(s[:end], "xXpP_+-eE") {
		return 0, fmt.Errorf("%q is not a size such as 512, 64KB or 1.5MB", s)
	}
	return int64(v * unit), nil
}

// Rate reads how often something may happen, such as 10/s, 30/m or 100/h, as times per second.
func (r *Reader) Rate(n *yaml.Node, what string) (float64, bool) {
	if n == nil {
		return 0, false
	}
	if n.Kind != yaml.ScalarNode || Null(n) {
		r.wrongType(n, what, "a rate such as 10/s", "速率，例如 10/s")
		return 0, false
	}
	head, unit, _ := strings.Cut(n.Value, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	v, err := strconv.ParseFloat(strings.TrimSpace(head), 64)
	if err != nil || seconds == 0 || !(v > 0 && v <= 1e6) {
		near := ""
		if err == nil && unit == "" && v > 0 {
			near = n.Value + "/s"
		}
		r.Error(n, CodeBadRate, Say("%s must be a rate above zero such as 10/s, 30/m or 100/h, not %q", "%s 必须是大于零的速率，例如 10/s、30/m 或 100/h，而不是 “%s”", what, Show(n.Value)), near)
		return 0, false
	}
	return v / seconds, true
}

func inRange[T int64 | float64 | dlq.Duration](r *Reader, n *yaml.Node, what string, v, least, most T) bool {
	if v >= least && v <= most {
		return true
	}
	r.Error(n, CodeOutOfRange, Say("%s must be between %v and %v", "%s 必须在 %v 与 %v 之间", what, least, most), "")
	return false
}

// Reference is a value that may stand outside the file: env:NAME, file:NAME, or the value itself.
type Reference struct {
	Source string // "env", "file", "" for a literal, or SourceHidden
	Value  string // name of the variable, path of the file, or the literal
}

// Hidden stands in a text where a literal secret was.
const Hidden = "••••••"

// SourceHidden is the Source of a literal that was blacked out and could not be put back. Its Value is empty.
const SourceHidden = "hidden"

// Reference reads env:NAME, file:PATH or a literal.
func (r *Reader) Reference(n *yaml.Node, what string) (Reference, bool) {
	s, ok := r.Text(n, what)
	if !ok {
		return Reference{}, false
	}
	if strings.Contains(s, Hidden) {
		return Reference{Source: SourceHidden}, true
	}
	for _, source := range []string{"env", "file"} {
		name, cut := strings.CutPrefix(s, source+":")
		if !cut {
			continue
		}
		if name == "" || source == "env" && strings.ContainsAny(name, " =\t") {
			r.Error(n, CodeBadText, Say("%s needs a name after %s:", "%s 在 %s: 之后缺少名称", what, source), "")
			return Reference{}, false
		}
		return Reference{Source: source, Value: name}, true
	}
	return Reference{Value: s}, true
}

// Secret reads a Reference to a secret. A literal is a warning; its value is in no finding.
func (r *Reader) Secret(n *yaml.Node, what string) (Reference, bool) {
	ref, ok := r.Reference(n, what)
	if ok && ref.Source == "" {
		r.Warn(n, CodeLiteralSecret, Say("%s stands in the file in the clear; whoever reads the file has it: give it as env:NAME or file:PATH", "%s 以明文写在文件里，能读文件的人就能得到它：请写成 env:名称 或 file:路径", what), "env:NAME")
	}
	return ref, ok
}

// URL reads a Reference to an address; a literal must be an absolute http or https URL. A literal with more than a host is
// a warning, as with Secret: what follows the host often is the secret.
func (r *Reader) URL(n *yaml.Node, what string) (Reference, bool) {
	ref, ok := r.Reference(n, what)
	if !ok || ref.Source != "" {
		return ref, ok
	}
	if !WebAddress(ref.Value) {
		r.Error(n, CodeBadURL, Say("%s must be an http or https address, or env:NAME", "%s 必须是 http 或 https 地址，或 env:NAME", what), "")
		return Reference{}, false
	}
	if u, err := url.Parse(ref.Value); err == nil && (u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "") {
		r.Warn(n, CodeLiteralSecret, Say("%s stands in the file in the clear, and what follows the host often is a secret: give it as env:NAME or file:PATH", "%s 以明文写在文件里，主机名之后的部分往往就是密钥：请写成 env:名称 或 file:路径", what), "env:NAME")
	}
	return ref, true
}

// WebAddress reports whether a text is an absolute http or https URL.
func WebAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
