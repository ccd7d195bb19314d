package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
	"deadletteroffice/store"
)

const rulesUsage = "dlq rules check FILE, dlq rules explain FILE MESSAGE, dlq rules diff OLD NEW, or dlq rules diff NEW --data DATABASE"

// rulesCommand checks a rules file, explains what it does to a message, or shows what changes between two.
func rulesCommand(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 {
		return usageErrorf(rulesUsage)
	}
	set := flag.NewFlagSet("dlq rules "+args[0], flag.ContinueOnError)
	set.SetOutput(io.Discard)
	asJSON := set.Bool("json", false, "print JSON")
	chinese := set.Bool("zh", strings.HasPrefix(env.get("LANG"), "zh"), "print Chinese sentences")
	data := ""
	if args[0] == "diff" {
		set.StringVar(&data, "data", "", "compare with the version in force in this database")
	}
	files, err := parseMixed(set, args[1:])
	if err != nil {
		return usageErrorf("dlq rules %s: %w; %s", args[0], err, rulesUsage)
	}
	switch {
	case args[0] == "check" && len(files) <= 1:
		path := serveDefaults().rules
		if len(files) == 1 {
			path = files[0]
		}
		return checkRules(path, *asJSON, *chinese, env)
	case args[0] == "explain" && len(files) == 2:
		return explainRules(files[0], files[1], *asJSON, env)
	case args[0] == "diff" && len(files) == 2 && data == "":
		old, err := readInput(files[0], env)
		if err != nil {
			return err
		}
		return diffRules(files[0], string(old), sum(old), files[1], *asJSON, env)
	case args[0] == "diff" && len(files) == 1 && data != "":
		v, err := store.NewestRules(ctx, data)
		if err != nil {
			return err
		}
		return diffRules(fmt.Sprintf("version %d, in force", v.Version), v.Text, v.SHA256, files[0], *asJSON, env)
	}
	return usageErrorf(rulesUsage)
}

// parseMixed reads flags before, between and behind the other arguments, which it returns.
func parseMixed(set *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		if args = set.Args(); len(args) == 0 {
			return others, nil
		}
		others, args = append(others, args[0]), args[1:]
	}
}

// sum is the SHA-256 of a rules file in lower-case hex, as versions have it.
func sum(text []byte) string { return fmt.Sprintf("%x", sha256.Sum256(text)) }

// diffRules prints what changes from one text, whose SHA-256 is oldSum, to that of a file, literal secrets blacked out. A
// difference is exit status 1, as with diff.
func diffRules(oldName, old, oldSum, path string, asJSON bool, env environment) error {
	text, err := readInput(path, env)
	if err != nil {
		return err
	}
	diff := rulebook.Diff(oldName, rulebook.Redact([]byte(old)), path, rulebook.Redact(text))
	same := oldSum == sum(text)
	switch {
	case asJSON:
		if err := printJSON(env.stdout, map[string]any{"same": same, "diff": diff}); err != nil {
			return err
		}
	case diff == "" && !same:
		fmt.Fprintln(env.stdout, "only literal secrets or line ends differ")
	default:
		fmt.Fprint(env.stdout, diff)
	}
	if !same {
		return errFailed
	}
	return nil
}

// checkRules prints every finding. An error among them is exit status 1.
func checkRules(path string, asJSON, chinese bool, env environment) error {
	text, err := readInput(path, env)
	if err != nil {
		return err
	}
	found := rulebook.Check(text, checkers(env))
	failed := false
	for _, d := range found {
		failed = failed || d.Severity == dlq.DiagnosticError
	}
	if asJSON {
		if found == nil {
			found = []dlq.Diagnostic{}
		}
		if err := printJSON(env.stdout, found); err != nil {
			return err
		}
	} else {
		for _, d := range found {
			message := d.Message.English
			if chinese {
				message = d.Message.Chinese
			}
			fmt.Fprintf(env.stdout, "%s:%d:%d: %s: %s [%s]\n", path, d.Line, d.Column, d.Severity, message, d.Code)
			if d.Suggestion != "" {
				fmt.Fprintf(env.stdout, "    %s\n", d.Suggestion)
			}
		}
		if !failed {
			fmt.Fprintf(env.stdout, "%s: no errors\n", path)
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// sample is a message as a person writes it for explain.
type sample struct {
	ConsumerGroup string            `json:"consumer_group"`
	Topic         string            `json:"topic"`
	Properties    map[string]string `json:"properties"`
	Body          json.RawMessage   `json:"body"` // a text is the body itself; anything else is the body as JSON
	BodyBase64    string            `json:"body_base64"`
	Attempts      int               `json:"attempts"`
	Deaths        int               `json:"deaths"`
	Replays       int               `json:"replays"`
	DiedAt        *time.Time        `json:"died_at"`
	Report        *dlq.Report       `json:"report"`
}

func (s sample) message(now time.Time) (*dlq.DeadMessage, error) {
	m := &dlq.DeadMessage{ConsumerGroup: s.ConsumerGroup, OriginalTopic: s.Topic, Properties: s.Properties, Body: s.Body, BodyState: dlq.BodyPlain, ReconsumeTimes: s.Attempts}
	m.Topic, m.StoredAt, m.BornAt = dlq.DLQPrefix+s.ConsumerGroup, now, now
	if s.DiedAt != nil {
		m.StoredAt = *s.DiedAt
	}
	if m.Properties == nil {
		m.Properties = map[string]string{}
	}
	var text string
	if json.Unmarshal(s.Body, &text) == nil {
		m.Body = []byte(text)
	}
	if s.BodyBase64 != "" {
		var err error
		if m.Body, err = base64.StdEncoding.DecodeString(s.BodyBase64); err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "body_base64 is not base64: %w", err)
		}
	}
	return m, nil
}

// explainRules prints what the rules say about one message, clause by clause.
func explainRules(rulesPath, messagePath string, asJSON bool, env environment) error {
	text, err := readInput(rulesPath, env)
	if err != nil {
		return err
	}
	for _, d := range rulebook.Check(text, checkers(env)) {
		if d.Severity == dlq.DiagnosticError {
			return dlq.Errorf(dlq.CodeInvalid, "%s has errors: line %d, column %d: %s", rulesPath, d.Line, d.Column, d.Message.English).
				WithHint("`dlq rules check %s` lists them all", rulesPath)
		}
	}
	rules, _ := classifier.CompileText(text)
	input, err := readInput(messagePath, env)
	if err != nil {
		return err
	}
	var s sample
	if err := json.Unmarshal(input, &s); err != nil {
		return dlq.Errorf(dlq.CodeInvalid, "%s is not a message in JSON: %w", messagePath, err).
			WithHint(`for example {"consumer_group":"pay","topic":"orders","properties":{"FAILURE_REASON":"network_timeout"},"body":{"order_id":7}}`)
	}
	now := time.Now().UTC()
	m, err := s.message(now)
	if err != nil {
		return err
	}
	if s.Report != nil {
		s.Report.Bound = true
	}
	facts := rules.Facts(m, s.Report)
	out := rules.Explain(m, facts, dlq.Judgement{Now: now, Deaths: max(s.Deaths, 1), Replays: s.Replays})
	if asJSON {
		return printJSON(env.stdout, out)
	}
	fmt.Fprintf(env.stdout, "reason: %s (%s", facts.Reason, facts.Origin)
	if facts.Field != "" {
		fmt.Fprintf(env.stdout, ", %s", facts.Field)
	}
	fmt.Fprintf(env.stdout, ")\n")
	for _, r := range out.Rules {
		mark := "no "
		if r.Matched {
			mark = "yes"
		}
		fmt.Fprintf(env.stdout, "%s line %d: %s\n", mark, r.Line, r.Rule)
		for _, c := range r.Clauses {
			printClause(env.stdout, c)
		}
	}
	fmt.Fprintf(env.stdout, "route: %s\n", out.Verdict.Route)
	return nil
}

func printClause(w io.Writer, c dlq.Clause) {
	mark := "-"
	if c.OK {
		mark = "+"
	}
	indent := strings.Repeat("  ", c.Depth+2)
	if c.Group != "" {
		fmt.Fprintf(w, "%s%s %s\n", indent, mark, c.Group)
		return
	}
	got := "missing"
	if c.Have {
		got = strings.Join(c.Got, ", ")
	}
	fmt.Fprintf(w, "%s%s %s %s %s (is: %s)\n", indent, mark, c.Field, c.Op, strings.Join(c.Want, ", "), got)
}

// readInput reads a file, or standard input for "-".
func readInput(path string, env environment) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(env.stdin)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, dlq.Errorf(dlq.CodeNotFound, "there is no file %s", path)
	}
	if err != nil {
		return nil, dlq.Errorf(dlq.CodeInvalid, "%s cannot be read: %w", path, err)
	}
	return b, nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
