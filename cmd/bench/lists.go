package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/classifier"
	"deadletteroffice/store"
)

// lists measures a whole console on a large file: start to first page, pages, filters, counts and details for one caller
// and for eight, with intake running, and resident memory.
func (b *bench) lists(ctx context.Context) error {
	fmt.Printf("\nlists: a console on %d letters, intake running\n", b.large)
	live, text, err := liveRules()
	if err != nil {
		return err
	}
	data, rulesFile := filepath.Join(b.dir, "large.db"), filepath.Join(b.dir, "rules.yaml")
	if err := os.WriteFile(rulesFile, text, 0o600); err != nil {
		return err
	}
	if err := b.fill(ctx, data, live); err != nil {
		return err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	console := exec.CommandContext(ctx, b.binary, "serve", "--data", data, "--rules", rulesFile, "--listen", address, "--namesrv", b.node.NameServer(), "--log-level", "error")
	console.Stdout, console.Stderr = io.Discard, os.Stderr
	started := time.Now()
	if err := console.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- console.Wait() }()
	defer func() {
		_ = console.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		<-ended
	}()
	base := "http://" + address + "/api/v1"
	for {
		if err := get(base + "/letters?tab=attention&limit=50"); err == nil {
			break
		}
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the console ended: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
	fmt.Printf("  start to first page           %9.2f s            aim < 1 s\n", time.Since(started).Seconds())

	wire := remoting.New(remoting.Options{})
	defer wire.Close()
	feeding, stop := context.WithCancel(ctx)
	var feeder sync.WaitGroup
	feeder.Go(func() { b.keepFeeding(feeding, wire) })
	defer feeder.Wait()
	defer stop()
	for _, callers := range []int{1, 8} {
		for _, q := range []struct{ name, path string }{
			{"page of 50", "/letters?tab=attention&limit=50"},
			{"page of 50, filtered", "/letters?tab=attention&limit=50&consumer_group=bench-large-3&reason=system_error"},
			{"counts (facets)", "/facets?tab=attention"},
			{"counts (summary)", "/summary"},
			{"full text, newest 50", "/letters?tab=attention&limit=50&q=%E5%BA%93%E5%AD%98"},
			{"detail", "/letters/%d"},
		} {
			p50, p99, err := measure(base, q.path, b.large, callers)
			if err != nil {
				return err
			}
			fmt.Printf("  %d caller(s)  %-22s p50 %8.2f ms   p99 %8.2f ms\n", callers, q.name, p50.Seconds()*1000, p99.Seconds()*1000)
		}
	}
	fmt.Println("  aim: a page of 50 p50 < 5 ms, p99 < 50 ms, flat with eight callers")
	rss, err := resident(console.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("  resident memory               %9.0f MB           aim < 100 MB\n", float64(rss)/1024)
	return nil
}

// fill makes the large file: ten consumer groups, and full text caught up.
func (b *bench) fill(ctx context.Context, path string, live *classifier.Live) error {
	s, err := store.Open(ctx, store.Options{Path: path, Logger: quiet()})
	if err != nil {
		return err
	}
	defer s.Close()
	running, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { _ = s.Run(running) }) // ends with its context
	defer background.Wait()
	defer stop()
	const groups, chunk = 10, 10000
	started, done := time.Now(), 0
	for from := 0; from < b.large/groups; from += chunk {
		to := min(from+chunk, b.large/groups)
		for g := range groups {
			if err := admit(ctx, s, b.arrivals(fmt.Sprintf("bench-large-%d", g), from, to, live)); err != nil {
				return err
			}
			done += to - from
		}
	}
	fmt.Printf("  %d letters stored in %.0f s\n", done, time.Since(started).Seconds())
	for {
		sum, err := s.Summary(ctx)
		if err != nil {
			return err
		}
		if sum.SearchLag == 0 {
			fmt.Printf("  full text caught up after %.0f s\n", time.Since(started).Seconds())
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// keepFeeding lets dead letters arrive, some hundred a second, until the context ends.
func (b *bench) keepFeeding(ctx context.Context, wire *remoting.Client) {
	if err := b.prepare(ctx, wire, "bench-arriving", 1); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "bench: feeding stopped:", err)
		return
	}
	for ctx.Err() == nil {
		if err := b.feed(ctx, wire, "bench-arriving", 100); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "bench: feeding stopped:", err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// measure asks the same question again and again by some callers at once.
func measure(base, path string, letters, callers int) (p50, p99 time.Duration, err error) {
	const questions = 400
	var mu sync.Mutex
	var times []time.Duration
	var errs []error
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range questions / callers {
				url := base + path
				if strings.HasSuffix(path, "/%d") {
					url = fmt.Sprintf(base+path, 1+rand.IntN(letters))
				}
				started := time.Now()
				err := get(url)
				took := time.Since(started)
				mu.Lock()
				times = append(times, took)
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return percentile(times, 0.5), percentile(times, 0.99), errors.Join(errs...)
}

func get(url string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

// resident is a process's memory in KiB, as Linux counts it.
func resident(pid int) (kib int, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kib); err == nil {
			return kib, nil
		}
	}
	return 0, errors.New("no VmRSS")
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
