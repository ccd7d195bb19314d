package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"deadletteroffice/demo"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
)

// demoCommand runs the console with the shop, the shop alone, or turns faults of a shop that runs.
func demoCommand(ctx context.Context, args []string, env environment) error {
	if len(args) > 0 {
		switch args[0] {
		case "heal", "break", "status":
			return turnFaults(ctx, args[0], args[1:], env)
		case "shop":
			return shopAlone(ctx, args[1:], env)
		}
	}
	return demoConsole(ctx, args, env)
}

// turnFaults asks the running shop to heal or break, and prints how its faults stand.
func turnFaults(ctx context.Context, act string, args []string, env environment) error {
	set := flag.NewFlagSet("dlq demo "+act, flag.ContinueOnError)
	set.SetOutput(env.stderr)
	shop := set.String("shop", shopURL(env), "address of the shop's page")
	if err := set.Parse(args); err != nil {
		return usageError{err}
	}
	if act != "status" && set.NArg() == 0 {
		return usageErrorf("dlq demo %s NAME…: which faults? `dlq demo status` lists them, all means all", act)
	}
	client := &http.Client{Timeout: 5 * time.Second}
	for _, name := range set.Args() {
		if act == "status" {
			return usageErrorf("dlq demo status takes no argument, but got %q", name)
		}
		if err := call(ctx, client, http.MethodPost, *shop+"/faults/"+name+"/"+act, nil); err != nil {
			return err
		}
	}
	var status demo.Status
	if err := call(ctx, client, http.MethodGet, *shop+"/faults", &status); err != nil {
		return err
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	for _, f := range status.Faults {
		state := "healthy"
		if f.Broken {
			state = "broken"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, state, f.Group, f.Title.English)
	}
	return w.Flush()
}

// call makes one request and decodes its answer into v, unless v is nil.
func call(ctx context.Context, client *http.Client, method, url string, v any) error {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return dlq.Errorf(dlq.CodeUnavailable, "nothing answers at %s: %w", url, err).WithHint("is it running? start it with `make run`")
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return dlq.Errorf(dlq.CodeNotFound, "%s is not known there", url).WithHint("`dlq demo status` lists the faults")
	case answer.StatusCode/100 != 2:
		return dlq.Errorf(dlq.CodeUnavailable, "%s answers %s", url, answer.Status)
	case v == nil:
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(v); err != nil {
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return nil
}

// demoConsole runs the console with its own data folder and automation on, and the shop beside it.
func demoConsole(ctx context.Context, args []string, env environment) error {
	defaults := serveDefaults()
	defaults.data, defaults.allowLoopback = "./data/demo/dlq.db", true
	var c config
	var shop string
	parsed, err := parseConfig("demo", args, env, defaults, func(set *flag.FlagSet) {
		set.BoolVar(&c.simulated, "simulated", false, "use the in-memory stand-in in place of a RocketMQ cluster")
		shopFlag(set, &shop, env)
	})
	if err != nil {
		return err
	}
	if env, err = shopAt(env, shop); err != nil {
		return err
	}
	parsed.simulated, parsed.shopURL = c.simulated, shopURL(env)
	if !parsed.simulated && len(parsed.nameServers) == 0 {
		return usageErrorf("dlq demo needs --namesrv, or --simulated for the in-memory stand-in")
	}
	settle, err := settleEnvironment(env)
	if err != nil {
		return err
	}
	every, err := shopEvery(env)
	if err != nil {
		return err
	}
	return runConsole(ctx, parsed, settle, func(ctx context.Context, a *app) error {
		if err := switchOn(ctx, a.automate, a.log); err != nil {
			return err
		}
		return demo.New(demo.Options{NameServers: parsed.nameServers, Market: a.market, Listen: shopListen(env), ConsoleURL: parsed.scheme() + a.listener.Addr().String(),
			ReportToken: env.get("DLQ_REPORT_TOKEN"), Secret: settle.get("DLQ_SETTLE_SECRET"), Every: every, Logger: a.log}).Run(ctx)
	})
}

// settleEnvironment adds the shop's compensation endpoint and a fresh secret to the environment that rules.yaml sees,
// unless they are set.
func settleEnvironment(env environment) (environment, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return env, fmt.Errorf("make a secret: %w", err)
	}
	own := map[string]string{"DLQ_SETTLE_URL": shopURL(env) + "/settle", "DLQ_SETTLE_SECRET": "whsec_" + base64.StdEncoding.EncodeToString(raw)}
	outer := env.get
	env.get = func(name string) string {
		if v := outer(name); v != "" {
			return v
		}
		return own[name]
	}
	return env, nil
}

// switchOn turns automation on for the demo's own new file. A person's later choice stays.
func switchOn(ctx context.Context, s *handlers.Switch, log *slog.Logger) error {
	if s.Get().Version > 0 {
		return nil
	}
	if _, err := s.Set(ctx, 0, dlq.Automation{On: true, Actor: "demo", Note: "the demo acts by itself / 演示环境自动处理"}); err != nil {
		return err
	}
	log.Info("automation switched on for the demo")
	return nil
}

// Where the shop listens and what it shares with the console.
func shopListen(env environment) string {
	if v := env.get("DLQ_SHOP_LISTEN"); v != "" {
		return v
	}
	return "127.0.0.1:8643"
}

func shopFlag(set *flag.FlagSet, at *string, env environment) {
	set.StringVar(at, "shop-listen", shopListen(env), "address of the shop's own page and of its compensation endpoint")
}

// shopAt is the environment with the shop at this address.
func shopAt(env environment, address string) (environment, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return env, usageErrorf("--shop-listen %q is not host:port, for example 127.0.0.1:8643", address)
	}
	outer := env.get
	env.get = func(name string) string {
		if name == "DLQ_SHOP_LISTEN" {
			return address
		}
		return outer(name)
	}
	return env, nil
}

// shopEvery is how often the shop sends a message that fails, from DLQ_SHOP_EVERY; 0 leaves it to the shop.
func shopEvery(env environment) (time.Duration, error) {
	text := env.get("DLQ_SHOP_EVERY")
	if text == "" {
		return 0, nil
	}
	d, err := dlq.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usageErrorf("DLQ_SHOP_EVERY=%q is not a duration such as 20s", text)
	}
	return time.Duration(d), nil
}

func shopURL(env environment) string { return "http://" + strings.TrimSuffix(shopListen(env), "/") }

// shopAlone runs the shop without a console, against the cluster of --namesrv.
func shopAlone(ctx context.Context, args []string, env environment) error {
	var at string
	c, err := parseConfig("demo shop", args, env, serveDefaults(), func(set *flag.FlagSet) { shopFlag(set, &at, env) })
	if err != nil {
		return err
	}
	if env, err = shopAt(env, at); err != nil {
		return err
	}
	if len(c.nameServers) == 0 {
		return usageErrorf("dlq demo shop needs --namesrv, for example 127.0.0.1:9876")
	}
	every, err := shopEvery(env)
	if err != nil {
		return err
	}
	shop := demo.New(demo.Options{NameServers: c.nameServers, Every: every, Listen: shopListen(env), ConsoleURL: consoleURL(c), ReportToken: env.get("DLQ_REPORT_TOKEN"),
		Secret: env.get("DLQ_SETTLE_SECRET"), Logger: c.logger(env.stderr)})
	return shop.Run(ctx)
}

func consoleURL(c config) string {
	if c.publicURL != "" {
		return c.publicURL
	}
	return c.scheme() + c.listen
}
