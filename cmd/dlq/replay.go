package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

// replayWish is what `dlq replay` was asked for.
type replayWish struct {
	*remote
	filter string
	id     string
	note   string
	dryRun bool
	follow bool
	spec   dlq.OperationSpec
	tuned  bool // canary and brake were asked for
}

// smallOperation is up to how many letters an operation goes without canary and brake, unless it is asked for them.
const smallOperation = 20

// parseReplay reads the flags of `dlq replay`.
func parseReplay(args []string, env environment) (*replayWish, error) {
	set := flag.NewFlagSet("dlq replay", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	w := &replayWish{remote: remoteFlags(set, env)}
	replay := &dlq.ReplaySpec{}
	w.spec.Replay = replay
	var brake, window string
	set.StringVar(&w.filter, "filter", "", "which letters: the query of the list, as tab=attention&reason=network_timeout")
	set.BoolVar(&w.dryRun, "dry-run", true, "only show what would happen")
	set.StringVar(&w.note, "note", "", "why; needed with --dry-run=false")
	set.StringVar(&w.id, "id", "", "id of the operation: called again with it, no second one is made")
	set.BoolVar(&w.follow, "follow", false, "show progress until every letter has its outcome")
	set.Float64Var(&w.spec.Pace.Rate, "rate", 0, "letters per second and consumer group; 0 for no limit")
	set.TextVar(&w.spec.Pace.RampUp, "ramp-up", dlq.Duration(0), "time over which the rate rises from a tenth to the whole")
	set.IntVar(&w.spec.Pace.Concurrency, "concurrency", 0, "sends under way at once, 1 to 16; 0 for 16")
	set.Int64Var(&w.spec.Canary.Letters, "canary", 1, "letters that go first, and must come good before the others follow; 0 for none, as for up to 20 letters")
	set.Float64Var(&w.spec.Canary.Percent, "canary-percent", 1, "the same in percent; the greater of both counts")
	set.StringVar(&brake, "brake", "20:50", "pause when of the last 20 outcomes more than 50 percent failed again; off for never, as for up to 20 letters")
	set.StringVar(&window, "window", "", "time of day in which it acts, as 02:00-05:00 in the console's zone")
	set.TextVar(&replay.Delay, "delay", dlq.Duration(0), "the broker hands each letter over so much later")
	set.TextVar(&replay.Spread, "spread", dlq.Duration(0), "spread the sends evenly over this time")
	set.BoolVar(&replay.KeepOrder, "keep-order", false, "letters with the same sharding key go in the order in which they were born")
	set.BoolVar(&replay.IncludeQuarantined, "include-quarantined", false, "also letters that failed again too often")
	set.BoolVar(&replay.IncludeStale, "include-stale", false, "also letters that are older than the limit of their topic")
	if err := parseClient(set, args, env, "dlq replay --filter QUERY [flags]", 0); err != nil {
		return nil, err
	}
	set.Visit(func(f *flag.Flag) {
		w.tuned = w.tuned || f.Name == "canary" || f.Name == "canary-percent" || f.Name == "brake"
	})
	if w.filter == "" {
		return nil, usageErrorf("dlq replay needs --filter, for example --filter 'tab=attention&reason=network_timeout'")
	}
	w.filter = plainPercents(w.filter)
	if !w.dryRun && strings.TrimSpace(w.note) == "" {
		return nil, usageErrorf("dlq replay --dry-run=false needs --note: those who come later will ask why")
	}
	if w.dryRun && w.follow {
		return nil, usageErrorf("dlq replay --follow has nothing to follow without --dry-run=false")
	}
	if brake != "off" {
		of, above, ok := strings.Cut(brake, ":")
		n, err := strconv.Atoi(of)
		percent, err2 := strconv.ParseFloat(above, 64)
		if !ok || err != nil || err2 != nil {
			return nil, usageErrorf("--brake %q is neither off nor as 20:50, the last 20 outcomes and 50 percent", brake)
		}
		w.spec.Brake = dlq.Brake{Of: n, Above: percent}
	}
	if window != "" {
		from, to, ok := strings.Cut(window, "-")
		if !ok {
			return nil, usageErrorf("--window %q is not as 02:00-05:00", window)
		}
		w.spec.Window = &dlq.ReplayWindow{From: from, To: to}
	}
	return w, nil
}

// plainPercents lets values of a query stand as people know them: the names of consumer groups of cloud instances have a %
// in them, as MQ_INST_1%GID_order. A value whose escapes are those of a URL, as copied from the page, is left alone.
func plainPercents(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil || !utf8.ValidString(plain) || strings.ContainsFunc(plain, unicode.IsControl) {
			parts[i] = name + "=" + url.QueryEscape(value)
		}
	}
	return strings.Join(parts, "&")
}

// parseClient reads the flags of a command that speaks to a console, and the arguments between them, of which there must
// be so many.
func parseClient(set *flag.FlagSet, args []string, env environment, usage string, arguments int, into ...*string) error {
	rest, err := parseMixed(set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		set.SetOutput(env.stdout)
		fmt.Fprintf(env.stdout, "Usage: %s\n", usage)
		set.PrintDefaults()
		return err
	case err != nil:
		return usageErrorf("%s: %w", usage, err)
	case len(rest) != arguments:
		return usageErrorf("%s: takes %d arguments beside the flags, but got %d", usage, arguments, len(rest))
	}
	for i := range into {
		*into[i] = rest[i]
	}
	return nil
}

// replayCommand shows what a bulk replay would do or, without a dry run, does it.
func replayCommand(ctx context.Context, args []string, env environment) error {
	w, err := parseReplay(args, env)
	if err != nil {
		return err
	}
	c, err := w.client(env)
	if err != nil {
		return err
	}
	if w.dryRun || w.id == "" {
		w.id = "cli-" + strings.ToLower(rand.Text())
	}
	o, raw, err := c.draft(ctx, w)
	if err != nil {
		return err
	}
	if w.dryRun {
		return w.showOnly(ctx, c, o, raw, env)
	}
	if o.State != dlq.OperationDraft {
		fmt.Fprintf(env.stderr, "Operation %d has the id %s already; it is not started a second time.\n", o.Number, o.ID)
		return w.goOn(ctx, c, o, raw, env)
	}
	if o.Preview != nil && o.Preview.Eligible == 0 {
		err := w.showOnly(ctx, c, o, raw, env)
		return errors.Join(err, dlq.Errorf(dlq.CodeRefused, "no letter would be replayed, so nothing was started").WithHint("widen --filter"))
	}
	if !w.json {
		printPreview(env.stdout, o)
	}
	var started dlq.Operation
	agreed := map[string]any{"version": o.Version, "note": w.note}
	if raw, err = c.call(ctx, http.MethodPost, operationPath(o.ID)+"/start", agreed, &started); err != nil {
		fmt.Fprintf(env.stderr, "Operation %d may still be a draft: dlq operations show %d\n", o.Number, o.Number)
		return err
	}
	if !w.json {
		fmt.Fprintf(env.stdout, "\nOperation %d is started: %s\n", o.Number, c.base+"/operations/"+strconv.FormatInt(o.Number, 10))
	}
	return w.goOn(ctx, c, started, raw, env)
}

// showOnly prints a preview and drops the draft, also when the caller leaves meanwhile.
func (w *replayWish) showOnly(ctx context.Context, c *client, o dlq.Operation, raw []byte, env environment) error {
	var err error
	if w.json {
		err = printRaw(env.stdout, raw)
	} else {
		printPreview(env.stdout, o)
		if w.dryRun {
			fmt.Fprintln(env.stdout, "\nNothing was done. --dry-run=false --note WHY does it.")
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, e := c.call(last, http.MethodPost, operationPath(o.ID)+"/cancel", map[string]any{}, nil); e != nil {
		fmt.Fprintf(env.stderr, "The draft %d was not dropped (%v); the console drops it by itself after a day.\n", o.Number, e)
	}
	return err
}

// goOn follows an operation, or says how to.
func (w *replayWish) goOn(ctx context.Context, c *client, o dlq.Operation, raw []byte, env environment) error {
	switch {
	case w.follow:
		return c.follow(ctx, o.ID, w.json, env)
	case w.json:
		return printRaw(env.stdout, raw)
	default:
		fmt.Fprintf(env.stdout, "dlq operations show %d --follow shows how it goes.\n", o.Number)
		return nil
	}
}

// draft makes the operation, or finds the one that has its id. A small one goes without canary and brake: waiting for the
// outcome of one letter before the others helps nobody.
func (c *client) draft(ctx context.Context, w *replayWish) (o dlq.Operation, raw []byte, err error) {
	asked := map[string]any{"id": w.id, "kind": dlq.OperationReplay, "note": w.note, "query": w.filter, "spec": w.spec}
	if raw, err = c.call(ctx, http.MethodPost, "/operations", asked, &o); err != nil {
		return o, nil, err
	}
	if o.Kind != dlq.OperationReplay || o.Query != strings.TrimPrefix(w.filter, "?") {
		return o, nil, dlq.Errorf(dlq.CodeConflict, "the id %s is that of operation %d, which does something else", o.ID, o.Number).WithHint("choose another --id")
	}
	if !w.tuned && o.Letters <= smallOperation {
		w.spec.Canary, w.spec.Brake = dlq.Canary{}, dlq.Brake{}
	}
	if w.spec.Replay != nil && o.Spec.Replay != nil {
		w.spec.Replay.Anywhere = o.Spec.Replay.Anywhere // the console's own note, which is no wish
	}
	if o.State != dlq.OperationDraft || reflect.DeepEqual(o.Spec, w.spec) {
		return o, raw, nil
	}
	changed := map[string]any{"version": o.Version, "spec": w.spec, "note": w.note}
	o = dlq.Operation{} // maps are added to, not replaced
	raw, err = c.call(ctx, http.MethodPut, operationPath(w.id), changed, &o)
	return o, raw, err
}

// operationPath is the address of an operation below the API.
func operationPath(id string) string { return "/operations/" + url.PathEscape(id) }
