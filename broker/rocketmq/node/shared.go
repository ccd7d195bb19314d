package node

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shared are the nodes of this test process, one for each version. They are the one thing here that outlives a
// test, which is their purpose: a start costs seconds and tests tell each other apart by their topics.
var shared struct {
	sync.Mutex
	nodes map[string]*started
}

type started struct {
	once sync.Once
	node *Node
	err  error
}

// SideBySide lets four parallel tests run at once on small machines too: tests on real brokers wait most of the time. It is
// for a package's TestMain, before Main.
func SideBySide() {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil && runtime.GOMAXPROCS(0) < 4 {
		f.Value.Set("4")
	}
}

// Main is for a package's TestMain: os.Exit(node.Main(m)). It runs the tests, stops what Shared started, also on Ctrl-C,
// and deletes what Consume built.
func Main(m *testing.M) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	done := make(chan int, 1)
	go func() { done <- m.Run() }()
	code := 1
	select {
	case code = <-done:
	case <-ctx.Done():
	}
	if err := program.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "deleting the test consumer:", err)
	}
	shared.Lock()
	defer shared.Unlock()
	for version, s := range shared.nodes {
		s.once.Do(func() {})
		if s.node == nil {
			continue
		}
		if err := s.node.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping RocketMQ", version+":", err)
			code = 1
		}
	}
	return code
}

// Shared returns this test process's node of a version with short delay levels and starts it if no test has yet.
// Tests that kill or reconfigure a broker start their own instead. The package's TestMain must call Main.
func Shared(tb testing.TB, version string) *Node {
	tb.Helper()
	shared.Lock()
	if shared.nodes == nil {
		shared.nodes = map[string]*started{}
	}
	s := shared.nodes[version]
	if s == nil {
		s = &started{}
		shared.nodes[version] = s
	}
	shared.Unlock()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		s.node, s.err = Start(ctx, Options{Version: version, DelayLevels: ShortDelays})
	})
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.node
}

// Own starts a node for one test and stops it when the test ends.
func Own(tb testing.TB, opt Options) *Node {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	n, err := Start(ctx, opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := n.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return n
}
