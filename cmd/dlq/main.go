// Command dlq is the dead letter office: the console (serve), the demo shop (demo), and tools for rules and tokens.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	os.Exit(run(ctx, os.Args[1:], environment{get: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// environment is all that the program knows of the world around it.
type environment struct {
	get    func(string) string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	open func(config, *slog.Logger, prometheus.Registerer) (joinedCluster, error) // nil for openCluster
}

// command is one subcommand.
type command struct {
	name  string
	usage string
	run   func(ctx context.Context, args []string, env environment) error
}

func commands() []command {
	return []command{
		{"serve", "run the console", serve},
		{"demo", "run the console with the demo shop; demo heal|break|status turns the shop's faults", demoCommand},
		{"rules", "rules check FILE · rules explain FILE MESSAGE · rules diff OLD NEW: what is wrong with rules.yaml, what it does to a message, what changes", rulesCommand},
		{"replay", "replay --filter QUERY: what a bulk replay of a running console would do; --dry-run=false --note WHY does it", replayCommand},
		{"operations", "operations list|show|pause|resume|cancel|pace: the bulk acts of a running console", operationsCommand},
		{"backup", "backup FILE: a copy of the data file of a running console; with --data PATH of one that is stopped", backupCommand},
		{"adopt", "adopt --data PATH: say that a copied or restored data file is the only one in use", adoptCommand},
		{"token", "token new NAME --role ROLE: make a token for people or programs", tokenCommand},
		{"version", "print the version", func(_ context.Context, _ []string, env environment) error {
			_, err := fmt.Fprintln(env.stdout, "dlq", version)
			return err
		}},
	}
}

// run finds the subcommand, runs it and turns its error into what a person reads and the exit status: 0, 1 for a
// failure, 2 for wrong usage, or that of an exitError.
func run(ctx context.Context, args []string, env environment) int {
	env.stdout, env.stderr = &plainWriter{to: env.stdout}, &plainWriter{to: env.stderr}
	if len(args) == 0 {
		usage(env.stderr)
		return 2
	}
	name := args[0]
	if name == "help" || name == "-h" || name == "--help" {
		usage(env.stdout)
		return 0
	}
	for _, c := range commands() {
		if c.name == name {
			return explainError(c.run(ctx, args[1:], env), env.stderr)
		}
	}
	return explainError(usageErrorf("there is no command %q", name), env.stderr)
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "dlq, the dead letter office: triage and replay for RocketMQ dead letters\n\nUsage: dlq COMMAND [flags]")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.usage)
	}
	fmt.Fprintln(w, "\n`dlq COMMAND -h` lists the flags; those of serve and demo have twins in the environment, --namesrv is DLQ_NAMESRV.")
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errFailed ends a command with status 1 after it has said everything itself.
var errFailed = errors.New("failed")

func explainError(err error, w io.Writer) int {
	var wrong usageError
	var known *dlq.Error
	var exit exitError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp), errors.Is(err, context.Canceled):
		return 0
	case errors.Is(err, errFailed):
		return 1
	case errors.As(err, &exit):
		if exit.message != "" {
			fmt.Fprintln(w, exit.message)
		}
		return exit.status
	case errors.As(err, &wrong):
		fmt.Fprintf(w, "Error: %v\nTry:   dlq help\n", wrong)
		return 2
	case errors.As(err, &known):
		fmt.Fprintf(w, "Error: %v\n", err)
		if known.Hint != "" {
			fmt.Fprintf(w, "Try:   %s\n", known.Hint)
		}
		if known.Code == dlq.CodeInvalid {
			return 2
		}
		return 1
	default:
		fmt.Fprintf(w, "Error: %v\n", err)
		return 1
	}
}
