package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/node"
)

// binary is the program as users run it, built once for the tests of this package.
var binary string

func TestMain(m *testing.M) {
	node.SideBySide()
	dir, err := os.MkdirTemp("", "dlq-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "dlq")
	if out, err := exec.Command("go", "build", "-tags", "sqlite_fts5", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		os.Exit(1)
	}
	rocketmq.BridgeClientLog(slog.New(slog.DiscardHandler)) // the client library has one logger, which nobody may change under a consumer of these tests
	status := node.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// console is one running process of the program.
type console struct {
	t       *testing.T
	command *exec.Cmd
	url     string
	output  *os.File
	exited  chan struct{}
}

// startConsole starts `dlq serve` on a data file and waits until it is ready.
func startConsole(t *testing.T, data, address string, args ...string) *console {
	t.Helper()
	c := launch(t, append([]string{"serve", "--data", data, "--listen", address, "--rules", "../../rules.yaml"}, args...)...)
	c.url = "http://" + address
	eventually(t, 30*time.Second, "the console is ready", func() error {
		select {
		case <-c.exited:
			return fmt.Errorf("the console ended: %s", c.log())
		default:
		}
		answer, err := http.Get(c.url + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", answer.Status)
		}
		return nil
	})
	return c
}

// launch starts the program. It is killed when the test ends.
func launch(t *testing.T, args ...string) *console {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, command: exec.Command(binary, args...), output: output, exited: make(chan struct{})}
	c.command.Stdout, c.command.Stderr = output, output
	c.command.Env = append(os.Environ(), "DLQ_LOG_LEVEL=info")
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.command.Wait() // its status is read from ProcessState
		close(c.exited)
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("output of dlq %s:\n%s", strings.Join(args, " "), c.log())
		}
		_ = output.Close()
	})
	return c
}

// kill is kill -9.
func (c *console) kill() {
	_ = c.command.Process.Kill() // it may have ended by itself
	<-c.exited
}

// stop is what Ctrl-C does. It returns the exit status.
func (c *console) stop() int {
	c.t.Helper()
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.exited:
	case <-time.After(40 * time.Second):
		c.t.Fatal("the console does not stop")
	}
	return c.command.ProcessState.ExitCode()
}

func (c *console) log() string {
	b, err := os.ReadFile(c.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// call makes one API call. A status of 400 and more is an error that holds the problem.
func (c *console) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func (c *console) get(path string, out any) error {
	return c.call(context.Background(), http.MethodGet, path, nil, out)
}

// eventually polls until the check is content.
func eventually(t *testing.T, patience time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
