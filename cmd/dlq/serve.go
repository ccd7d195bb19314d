package main

import (
	"context"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/alerts"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/docs"
	"deadletteroffice/handlers"
	"deadletteroffice/rulebook"
	"deadletteroffice/rulebook/outside"
)

// openAPI is the description of the API as the console serves it.
var openAPI = docs.OpenAPI

func serveDefaults() config {
	return config{listen: "127.0.0.1:8642", data: "./data/dlq.db", rules: "./rules.yaml", retention: 30 * 24 * time.Hour}
}

// serve runs the console until the context ends.
func serve(ctx context.Context, args []string, env environment) error {
	c, err := parseConfig("serve", args, env, serveDefaults(), nil)
	if err != nil {
		return err
	}
	return runConsole(ctx, c, env, nil)
}

// runConsole opens the console, prints where it is, and runs it. beside, if any, is run next to it.
func runConsole(ctx context.Context, c config, env environment, beside func(context.Context, *app) error) error {
	log := c.logger(env.stderr)
	a, err := newApp(ctx, c, env, log)
	if err != nil {
		return err
	}
	if beside != nil {
		a.inputs = append(a.inputs, loop{"demo", func(ctx context.Context) error { return beside(ctx, a) }})
	}
	address := c.scheme() + a.listener.Addr().String() + "/"
	if c.publicURL != "" {
		address = c.publicURL
	}
	fmt.Fprintf(env.stdout, "The dead letter office is open: %s\n死信办公室已启动：%s\n", address, address)
	runErr := a.run(ctx)
	if err := a.close(); err != nil {
		log.Error("the stop was not clean", "error", err)
		if runErr == nil || ctx.Err() != nil {
			runErr = err
		}
	}
	return runErr
}

// owners are who reads which section of rules.yaml. live, compensations and told get what they compiled.
func owners(live *classifier.Live, compensations *handlers.LiveCompensations, told *alerts.Live, env environment) []rulebook.Owner {
	lookup := func(sealed bool) outside.Lookup {
		if sealed {
			return outside.Sealed
		}
		return outside.From(env.get)
	}
	return []rulebook.Owner{
		{Keys: classifier.SectionKeys, Compile: func(root *yaml.Node, _ bool) (func(int64), []dlq.Diagnostic) {
			rules, found := classifier.Compile(root)
			return func(version int64) { live.Swap(version, rules) }, found
		}},
		{Keys: []string{handlers.CompensationsKey}, Compile: func(root *yaml.Node, sealed bool) (func(int64), []dlq.Diagnostic) {
			all, found := handlers.CompileCompensations(root, lookup(sealed))
			return func(int64) { compensations.Swap(all) }, found
		}},
		{Keys: alerts.SectionKeys, Compile: func(root *yaml.Node, sealed bool) (func(int64), []dlq.Diagnostic) {
			config, found := alerts.Compile(root, lookup(sealed))
			return func(version int64) { told.Swap(version, config) }, found
		}},
	}
}

// checkers are owners that keep nothing, for a check only.
func checkers(env environment) []rulebook.Owner {
	return owners(classifier.NewLive(), &handlers.LiveCompensations{}, alerts.NewLive(alerts.LiveOptions{}), env)
}
