// Command bench prints what the console reaches on a real RocketMQ beside limits measured in the same run: absolute figures
// depend on the machine and its other users, the ratios much less.
//
//	go run -tags sqlite_fts5 ./cmd/bench [-letters N] [-large N] [-rounds N] [-bulk N] [intake] [replay] [operation] [lists] [rules]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"deadletteroffice/broker/rocketmq/node"
)

// bench is one run: a broker, a folder, and how much of everything.
type bench struct {
	node    *node.Node
	dir     string
	binary  string // the console as users run it
	letters int    // in each round of the intake
	large   int    // in the file that lists are measured on
	replays int
	bulk    int // letters of an operation
	rounds  int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var b bench
	flag.IntVar(&b.letters, "letters", 60000, "dead letters in each round of the intake")
	flag.IntVar(&b.large, "large", 1000000, "letters in the file that lists are measured on")
	flag.IntVar(&b.replays, "replays", 5000, "replays in each round")
	flag.IntVar(&b.bulk, "bulk", 100000, "letters of each operation")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds; medians are printed")
	flag.StringVar(&b.binary, "dlq", "bin/dlq", "the console's program, for the measurements of a whole process")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the run to this file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	parts := flag.Args()
	if len(parts) == 0 {
		parts = []string{"rules", "intake", "replay", "operation", "lists"}
	}
	if b.dir, err = os.MkdirTemp("", "dlq-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	defer func() {
		if b.node == nil {
			return
		}
		if e := b.node.Stop(); err == nil {
			err = e
		}
	}()
	for _, part := range parts {
		f, ok := map[string]func(context.Context) error{"rules": b.rules, "intake": b.intake, "replay": b.replay, "operation": b.operation, "lists": b.lists}[part]
		if !ok {
			return fmt.Errorf("there is no part %q: rules, intake, replay, operation, lists", part)
		}
		if part != "rules" && b.node == nil {
			// The optimizing compiler's threads take half a core and more for as long as a run lasts, from whatever is measured.
			fmt.Println("starting RocketMQ", node.V5, "(-XX:TieredStopAtLevel=1: all figures, the limits too, are of a broker without the optimizing compiler)")
			if b.node, err = node.Start(ctx, node.Options{Version: node.V5, Dir: filepath.Join(b.dir, "broker"), JavaOptions: []string{"-Xmx512m", "-XX:TieredStopAtLevel=1"}}); err != nil {
				return err
			}
		}
		if err := f(ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// median of some figures.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// percentile of durations, p between 0 and 1.
func percentile(v []time.Duration, p float64) time.Duration {
	s := slices.Sorted(slices.Values(v))
	return s[min(len(s)-1, int(p*float64(len(s))))]
}

func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
