package classifier

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// kind is what a field's values are; operators depend on it.
type kind uint8

const (
	kindText  kind = iota // one text
	kindSet               // any number of texts
	kindCount             // a whole number
	kindAge               // a duration
	kindSize              // bytes
	kindOpen              // a text or a number, whatever the message holds
)

// field is something about a letter that a rule can ask for.
type field struct {
	name     string // as the file writes it
	kind     kind
	property string                         // with property.NAME
	slot     int                            // with body.PATH; else -1
	text     func(s *subject) string        // kindText; "" is missing
	set      func(s *subject) []string      // kindSet
	number   func(s *subject) (int64, bool) // kindCount, kindAge (nanoseconds), kindSize
}

// fields are the fields with a fixed name, in the order in which the docs list them.
var fields = []field{
	{name: "reason", kind: kindText, text: func(s *subject) string { return s.facts.Reason }},
	{name: "reason_origin", kind: kindText, text: func(s *subject) string { return string(s.facts.Origin) }},
	{name: "reason_text", kind: kindText, text: func(s *subject) string { return s.facts.ReasonText }},
	{name: "death_reason", kind: kindText, text: func(s *subject) string { return s.own().Reason }},
	{name: "death_reason_origin", kind: kindText, text: func(s *subject) string { return string(s.own().Origin) }},
	{name: "death_reason_text", kind: kindText, text: func(s *subject) string { return s.own().Text }},
	{name: "business", kind: kindText, text: func(s *subject) string { return s.facts.Business }},
	{name: "consumer_group", kind: kindText, text: func(s *subject) string { return s.m.ConsumerGroup }},
	{name: "topic", kind: kindText, text: func(s *subject) string { return s.facts.Topic }},
	{name: "cluster", kind: kindText, text: func(s *subject) string { return s.m.Cluster }},
	{name: "tags", kind: kindSet, set: func(s *subject) []string { return tags(s.m) }},
	{name: "keys", kind: kindSet, set: func(s *subject) []string { return s.m.Keys() }},
	{name: "deaths", kind: kindCount, number: func(s *subject) (int64, bool) { return int64(s.j.Deaths), true }},
	{name: "replays", kind: kindCount, number: func(s *subject) (int64, bool) { return int64(max(s.j.Replays, s.m.ReplayCount())), true }},
	{name: "attempts", kind: kindCount, number: func(s *subject) (int64, bool) { return int64(s.m.ReconsumeTimes), true }},
	{name: "retry_count", kind: kindCount, number: func(s *subject) (int64, bool) {
		if s.facts.RetryCount == nil {
			return 0, false
		}
		return *s.facts.RetryCount, true
	}},
	{name: "age", kind: kindAge, number: func(s *subject) (int64, bool) {
		return int64(max(s.j.Now.Sub(s.m.StoredAt), 0)), !s.m.StoredAt.IsZero()
	}},
	{name: "size", kind: kindSize, number: func(s *subject) (int64, bool) { return int64(len(s.m.Body)), true }},
	{name: "fingerprint", kind: kindText, text: func(s *subject) string { return s.facts.Fingerprint }},
}

// fieldNames are the names of fields, for suggestions and for the schema.
func fieldNames() []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// otherNames are words that people use for fields of another name.
var otherNames = map[string]string{
	"group": "consumer_group", "consumer": "consumer_group", "consumergroup": "consumer_group", "retries": "attempts", "reconsume_times": "attempts",
	"reconsumetimes": "attempts", "text": "reason_text", "detail": "reason_text", "origin": "reason_origin", "business_type": "business",
	"failure_reason": "reason", "original_topic": "topic", "props": "property.NAME", "property": "property.NAME", "properties": "property.NAME", "body": "body.path",
}

// tags are the members of the property TAGS. A message has one tag; what some producers join by || counts as several.
func tags(m *dlq.DeadMessage) []string {
	value := strings.TrimSpace(m.Properties[dlq.PropTags])
	if value == "" {
		return nil
	}
	if !strings.Contains(value, "||") {
		return []string{value}
	}
	var out []string
	for t := range strings.SplitSeq(value, "||") {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// maxSteps is how deep into a body a path may lead.
const maxSteps = 32

// splitPath takes a path apart: steps between dots, each bare or in double quotes, in which \" and \\ stand for " and \.
func splitPath(path string) ([]string, error) {
	var steps []string
	for rest := path; ; {
		var step string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			end := 0
			for end < len(quoted) && quoted[end] != '"' {
				if quoted[end] == '\\' && end+1 < len(quoted) {
					end++
				}
				end++
			}
			if end >= len(quoted) {
				return nil, fmt.Errorf("a double quote is not closed")
			}
			step = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[:end])
			rest = quoted[end+1:]
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("a dot must follow a quoted name")
			}
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			step, rest = rest[:end], rest[end:]
			if strings.ContainsAny(step, "\"") || strings.TrimSpace(step) != step {
				return nil, fmt.Errorf("a name with quotes or blanks at its ends must be in double quotes")
			}
		}
		if step == "" {
			return nil, fmt.Errorf("a name is empty")
		}
		if steps = append(steps, step); len(steps) > maxSteps {
			return nil, fmt.Errorf("more than %d steps", maxSteps)
		}
		if rest == "" {
			return steps, nil
		}
		rest = rest[1:]
	}
}

// showNumber writes a number of a field as the file would.
func (f *field) showNumber(n int64) string {
	if f.kind == kindAge {
		return dlq.Duration(time.Duration(n).Truncate(time.Second)).String()
	}
	return strconv.FormatInt(n, 10)
}
