package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"deadletteroffice/ui"
)

// tokenCommand makes a token: the line for the token file on standard output, the token itself on standard error, once.
func tokenCommand(_ context.Context, args []string, env environment) error {
	if len(args) == 0 || args[0] != "new" {
		return usageErrorf("dlq token new NAME --role ROLE")
	}
	set := flag.NewFlagSet("dlq token new", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	role := set.String("role", "", "viewer, operator, admin or reporter")
	rest, name := args[1:], ""
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") { // the name may stand before or behind the role
		name, rest = rest[0], rest[1:]
	}
	if err := set.Parse(rest); err != nil {
		return usageErrorf("dlq token new NAME --role ROLE: %w", err)
	}
	if name == "" && set.NArg() == 1 {
		name = set.Arg(0)
	} else if set.NArg() > 0 {
		return usageErrorf("dlq token new takes one name, but got %q too", set.Arg(0))
	}
	if name == "" || *role == "" {
		return usageErrorf("dlq token new NAME --role ROLE: a name and one of the roles viewer, operator, admin, reporter are needed")
	}
	token, line, err := ui.NewToken(ui.Token{Name: name, Role: ui.Role(*role)})
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "The token of %s, shown only now:\n%s\nAdd the line below to the file of --tokens; it holds only a hash.\n", name, token)
	_, err = fmt.Fprintln(env.stdout, line)
	return err
}
