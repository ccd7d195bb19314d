package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/ui"
)

const tokenUsage = "dlq token new NAME --role ROLE [--expires 90d] [--consumer-group GROUP …]"

// tokenCommand makes a token: the line for the token file on standard output, the token itself on standard error, once.
func tokenCommand(_ context.Context, args []string, env environment) error {
	if len(args) == 0 || args[0] != "new" {
		return usageErrorf(tokenUsage)
	}
	set := flag.NewFlagSet("dlq token new", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	role := set.String("role", "", "viewer, operator, admin or reporter")
	expires := set.String("expires", "", "how long the token lets in, for example 90d; for ever without it")
	var t ui.Token
	set.Func("consumer-group", "a consumer group that a reporter speaks for; may be given several times", func(name string) error {
		t.ConsumerGroups = append(t.ConsumerGroups, name)
		return nil
	})
	rest, name := args[1:], ""
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") { // the name may stand before or behind the role
		name, rest = rest[0], rest[1:]
	}
	if err := set.Parse(rest); err != nil {
		return usageErrorf(tokenUsage+": %w", err)
	}
	if name == "" && set.NArg() == 1 {
		name = set.Arg(0)
	} else if set.NArg() > 0 {
		return usageErrorf("dlq token new takes one name, but got %q too", set.Arg(0))
	}
	if name == "" || *role == "" {
		return usageErrorf(tokenUsage + ": a name and one of the roles viewer, operator, admin, reporter are needed")
	}
	t.Name, t.Role = name, ui.Role(*role)
	if *expires != "" {
		d, err := dlq.ParseDuration(*expires)
		if err != nil || d < dlq.Duration(time.Minute) {
			return usageErrorf("--expires %q is not a duration of at least 1m, for example 90d", *expires)
		}
		t.Expires = time.Now().Add(time.Duration(d)).UTC().Truncate(time.Second)
	}
	token, line, err := ui.NewToken(t)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "The token of %s, shown only now:\n%s\nAdd the line below to the file of --tokens; it holds only a hash.\n", name, token)
	_, err = fmt.Fprintln(env.stdout, line)
	return err
}
