package classifier

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

// Suggestion is a rule for letters like one.
type Suggestion struct {
	Name   string
	Match  [][2]string // field and value, joined by and
	Route  dlq.Route
	Clause string // what belongs to the route, as rules.yaml writes it in brackets; "" for nothing
	Before int    // place of the first rule that takes the letter now; -1 for none
}

// Suggest makes a rule for letters that died of the same reason in the same consumer group. Where the reason says
// nothing, the topic counts too. compensations are the names that the file defines. The error is CodeRefused when the
// route needs what the file has not.
func (r *Ruleset) Suggest(m *dlq.DeadMessage, f dlq.Facts, j dlq.Judgement, route dlq.Route, compensations []string) (Suggestion, error) {
	s := subject{rules: r, m: m, facts: &f, j: j, steps: letterSteps}
	out := Suggestion{Route: route, Before: s.first(), Match: [][2]string{{"reason", f.Reason}, {"consumer_group", m.ConsumerGroup}}}
	name := f.Reason + " of " + m.ConsumerGroup
	if f.Guessed() && f.Topic != "" {
		out.Match = append(out.Match, [2]string{"topic", f.Topic})
		name += " from " + f.Topic
	}
	out.Name = r.freeName(name)
	switch route {
	case dlq.RouteRetry:
		out.Clause = "retry: {delay: " + dlq.Duration(defaultDelay).String() + ", backoff: " + strconv.FormatFloat(defaultBackoff, 'g', -1, 64) +
			", max: " + strconv.Itoa(defaultRetries) + ", max_delay: " + dlq.Duration(defaultMaxDelay).String() + "}"
	case dlq.RouteCompensate:
		if len(compensations) == 0 {
			return out, dlq.Errorf(dlq.CodeRefused, "the rules define no compensation that could be asked").WithHint("define one under compensations first")
		}
		out.Clause = "compensate: " + plainOrQuoted(compensations[0])
	case dlq.RouteDiscard:
		out.Clause = `discard: {allow: true, note: ""}` // the person says why; until then it is an error
	}
	return out, nil
}

// freeName makes a name of at most 100 characters that no rule has.
func (r *Ruleset) freeName(name string) string {
	taken := map[string]bool{}
	for i := range r.rules {
		taken[r.rules[i].info.Name] = true
	}
	name = strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " ")
	for n := 1; ; n++ {
		tail := ""
		if n > 1 {
			tail = " " + strconv.Itoa(n)
		}
		head := name
		for utf8.RuneCountInString(head) > 100-len(tail) {
			_, size := utf8.DecodeLastRuneInString(head)
			head = head[:len(head)-size]
		}
		if full := strings.TrimSpace(head) + tail; !taken[full] {
			return full
		}
	}
}

// plainOrQuoted writes a name for YAML.
func plainOrQuoted(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == "" && len(name) > 5 { // no truth value, no number
		return name
	}
	return strconv.Quote(name)
}
