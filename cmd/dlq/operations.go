package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

const operationsUsage = "dlq operations list, dlq operations show ID, dlq operations pause|resume|cancel ID, dlq operations skip ID --waiting-for broker_away, or dlq operations pace ID --rate N"

// operationsCommand lists operations of a running console, shows one, and steers it.
func operationsCommand(ctx context.Context, args []string, env environment) error {
	if len(args) == 0 {
		return usageErrorf(operationsUsage)
	}
	if slices.Contains([]string{"-h", "--help", "help"}, args[0]) {
		_, err := fmt.Fprintf(env.stdout, "Usage: %s\n", operationsUsage)
		return err
	}
	set := flag.NewFlagSet("dlq operations "+args[0], flag.ContinueOnError)
	set.SetOutput(io.Discard)
	to := remoteFlags(set, env)
	switch name, rest := args[0], args[1:]; name {
	case "list":
		return listOperations(ctx, set, to, rest, env)
	case "show":
		return showOperation(ctx, set, to, rest, env)
	case "pause", "resume", "cancel":
		return steerOperation(ctx, set, to, name, rest, env)
	case "skip":
		return skipOperation(ctx, set, to, rest, env)
	case "pace":
		return paceOperation(ctx, set, to, rest, env)
	default:
		return usageErrorf("there is no dlq operations %q: %s", name, operationsUsage)
	}
}

func listOperations(ctx context.Context, set *flag.FlagSet, to *remote, args []string, env environment) error {
	var states, actor string
	var limit int
	set.StringVar(&states, "state", "", "only these, separated by commas: draft, queued, canary, running, paused, settling, settled")
	set.StringVar(&actor, "actor", "", "only of this person")
	set.IntVar(&limit, "limit", 20, "how many, newest first; at most 200")
	if err := parseClient(set, args, env, "dlq operations list [flags]", 0); err != nil {
		return err
	}
	c, err := to.client(env)
	if err != nil {
		return err
	}
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for _, s := range strings.FieldsFunc(states, func(r rune) bool { return r == ',' }) {
		q.Add("state", strings.TrimSpace(s))
	}
	if actor != "" {
		q.Set("actor", actor)
	}
	var page dlq.OperationPage
	raw, err := c.call(ctx, http.MethodGet, "/operations?"+q.Encode(), nil, &page)
	if err != nil {
		return err
	}
	if to.json {
		return printRaw(env.stdout, raw)
	}
	printOperations(env.stdout, page)
	return nil
}

func showOperation(ctx context.Context, set *flag.FlagSet, to *remote, args []string, env environment) error {
	var id string
	follow := set.Bool("follow", false, "show progress until every letter has its outcome")
	if err := parseClient(set, args, env, "dlq operations show ID [flags]", 1, &id); err != nil {
		return err
	}
	c, err := to.client(env)
	if err != nil {
		return err
	}
	if *follow {
		return c.follow(ctx, id, to.json, env)
	}
	var o dlq.Operation
	raw, err := c.call(ctx, http.MethodGet, operationPath(id), nil, &o)
	if err != nil {
		return err
	}
	if to.json {
		return printRaw(env.stdout, raw)
	}
	var log struct{ Items []dlq.OperationEvent }
	if _, err := c.call(ctx, http.MethodGet, operationPath(id)+"/log?limit=20", nil, &log); err != nil {
		return err
	}
	printOperation(env.stdout, o, log.Items)
	return nil
}

func steerOperation(ctx context.Context, set *flag.FlagSet, to *remote, act string, args []string, env environment) error {
	var id string
	note := set.String("note", "", "why")
	if err := parseClient(set, args, env, "dlq operations "+act+" ID [flags]", 1, &id); err != nil {
		return err
	}
	return steer(ctx, to, id, act, map[string]any{"note": *note}, env)
}

// skipOperation gives up the letters that wait.
func skipOperation(ctx context.Context, set *flag.FlagSet, to *remote, args []string, env environment) error {
	var id string
	cause := set.String("waiting-for", "", "which letters: broker_away for those that only a broker which is away could give back")
	note := set.String("note", "", "why")
	if err := parseClient(set, args, env, "dlq operations skip ID --waiting-for broker_away [flags]", 1, &id); err != nil {
		return err
	}
	if *cause == "" {
		return usageErrorf("dlq operations skip needs --waiting-for, for example --waiting-for broker_away")
	}
	return steer(ctx, to, id, "skip", map[string]any{"cause": *cause, "note": *note}, env)
}

// steer does one act on whatever the operation is now.
func steer(ctx context.Context, to *remote, id, act string, body map[string]any, env environment) error {
	c, err := to.client(env)
	if err != nil {
		return err
	}
	var o dlq.Operation
	raw, err := c.call(ctx, http.MethodPost, operationPath(id)+"/"+act, body, &o)
	if err != nil {
		return err
	}
	if to.json {
		return printRaw(env.stdout, raw)
	}
	fmt.Fprintf(env.stdout, "Operation %d: %s\n", o.Number, progress(o))
	if act == "cancel" && acted(o) {
		fmt.Fprintln(env.stdout, "What was sent stays sent; its outcomes are still followed.")
	}
	return nil
}

// acted reports whether an operation has done something to a letter.
func acted(o dlq.Operation) bool {
	return o.Letters > o.Counts[dlq.ItemPending]+o.Counts[dlq.ItemSkipped]
}

// paceOperation changes what is named and leaves the rest of the pace as it is.
func paceOperation(ctx context.Context, set *flag.FlagSet, to *remote, args []string, env environment) error {
	var id string
	var wanted dlq.Pace
	set.Float64Var(&wanted.Rate, "rate", 0, "letters per second and consumer group; 0 for no limit")
	set.TextVar(&wanted.RampUp, "ramp-up", dlq.Duration(0), "time over which the rate rises from a tenth to the whole")
	set.IntVar(&wanted.Concurrency, "concurrency", 0, "sends under way at once, 1 to 16; 0 for 16")
	if err := parseClient(set, args, env, "dlq operations pace ID --rate N [flags]", 1, &id); err != nil {
		return err
	}
	named := map[string]bool{}
	set.Visit(func(f *flag.Flag) { named[f.Name] = true })
	if !named["rate"] && !named["ramp-up"] && !named["concurrency"] {
		return usageErrorf("dlq operations pace needs --rate, --ramp-up or --concurrency")
	}
	c, err := to.client(env)
	if err != nil {
		return err
	}
	var o dlq.Operation
	if _, err := c.call(ctx, http.MethodGet, operationPath(id), nil, &o); err != nil {
		return err
	}
	pace := o.Spec.Pace
	if named["rate"] {
		pace.Rate = wanted.Rate
	}
	if named["ramp-up"] {
		pace.RampUp = wanted.RampUp
	}
	if named["concurrency"] {
		pace.Concurrency = wanted.Concurrency
	}
	return steer(ctx, to, id, "pace", map[string]any{"pace": pace}, env)
}

const (
	followEvery   = time.Second
	followQuietly = 5 * time.Second // between lines while only numbers change
)

// follow shows how an operation goes until it is settled, or is paused and needs a person. That it did not come good is
// exit status 3. When the caller leaves, the operation goes on; while the console is away, it is asked again.
func (c *client) follow(ctx context.Context, id string, asJSON bool, env environment) error {
	told := env.stdout
	if asJSON {
		told = env.stderr
	}
	var state dlq.OperationState
	var line string
	var at time.Time
	away := false
	for {
		var o dlq.Operation
		raw, err := c.call(ctx, http.MethodGet, operationPath(id), nil, &o)
		switch {
		case ctx.Err() != nil:
			return exitError{exitInterrupted, fmt.Sprintf("The operation goes on without you. dlq operations show %s --follow looks again, dlq operations pause %s halts it.", id, id)}
		case dlq.CodeOf(err) == dlq.CodeUnavailable:
			if !away {
				fmt.Fprintf(env.stderr, "%v; asking again\n", err)
			}
			away = true
		case err != nil:
			return err
		default:
			away = false
			over := o.State == dlq.OperationSettled || o.State == dlq.OperationPaused && o.Cause != dlq.PauseWindow
			if now := progress(o); now != line && (over || o.State != state || time.Since(at) >= followQuietly) {
				line, state, at = now, o.State, time.Now()
				fmt.Fprintf(told, "%s  %s\n", at.Format(time.TimeOnly), line)
			}
			if !over {
				break
			}
			if asJSON {
				if err := printRaw(env.stdout, raw); err != nil {
					return err
				}
			}
			return verdict(o)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followEvery):
		}
	}
}

// verdict says whether an operation came good.
func verdict(o dlq.Operation) error {
	bad := func(format string, args ...any) error { return exitError{exitNotGood, fmt.Sprintf(format, args...)} }
	switch {
	case o.State == dlq.OperationPaused:
		return bad("Operation %d is paused (%s). dlq operations resume %d goes on, dlq operations cancel %d calls it off.", o.Number, pauseWords(o), o.Number, o.Number)
	case o.End == dlq.EndFailed:
		return bad("Operation %d failed: %s", o.Number, cmp.Or(o.Because["error"], "see its log"))
	case o.End == dlq.EndCancelled:
		return bad("Operation %d was cancelled.", o.Number)
	}
	if n := o.Counts[dlq.ItemFailedAgain] + o.Counts[dlq.ItemSendFailed] + o.Counts[dlq.ItemUnknown]; n > 0 {
		return bad("%d of %d letters of operation %d did not come good.", n, o.Letters, o.Number)
	}
	return nil
}
