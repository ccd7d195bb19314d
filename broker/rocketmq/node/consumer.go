package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Consumer is a real consumer in a process of its own. It fails every message until it is told to be well.
type Consumer struct {
	tb    testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	heeds chan struct{} // it does as it was told last
	ended chan struct{} // closed when its output ends
	shot  bool          // it was killed
	stop  func()

	mu    sync.Mutex
	heard []Delivery
}

// Delivery is one message that a consumer's listener got.
type Delivery struct {
	Topic      string            `json:"topic"`
	Attempts   int               `json:"attempts"` // reconsumeTimes
	Body       string            `json:"body"`
	Properties map[string]string `json:"properties"`
	At         time.Time         `json:"-"`
}

// Consume starts a push consumer of the Go client and waits until it is connected. flags are those of the program
// testdata/consumer beside this package. It ends with the test. The package's TestMain must call Main.
func (n *Node) Consume(tb testing.TB, group, topic string, flags ...string) *Consumer {
	tb.Helper()
	program.once.Do(program.build)
	if program.err != nil {
		tb.Fatal(program.err)
	}
	return Follow(tb, exec.Command(program.file, append([]string{"-namesrv", n.NameServer(), "-group", group, "-topic", topic}, flags...)...))
}

// Follow starts another program that speaks like that consumer: it writes {"started":true} when it is connected and a
// Delivery for each message, one JSON object a line; it reads "sick" and "well", does so, and writes {"heeds":true}; and it
// ends with its input.
func Follow(tb testing.TB, cmd *exec.Cmd) *Consumer {
	tb.Helper()
	c := &Consumer{tb: tb, cmd: cmd, heeds: make(chan struct{}, 1), ended: make(chan struct{})}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	c.stop = sync.OnceFunc(func() {
		c.in.Close()
		<-c.ended
		if err := cmd.Wait(); err != nil && !c.shot {
			tb.Errorf("the consumer ended with %v", err)
		}
		if tb.Failed() && errs.Len() > 0 {
			tb.Logf("consumer:\n%s", &errs)
		}
	})
	tb.Cleanup(c.stop)
	started := make(chan struct{})
	go c.listen(out, started)
	select {
	case <-started:
	case <-c.ended:
		tb.Fatal("the consumer did not start")
	}
	return c
}

func (c *Consumer) listen(out io.Reader, started chan<- struct{}) {
	defer close(c.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line struct {
			Started bool `json:"started"`
			Heeds   bool `json:"heeds"`
			Delivery
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // clients for Java write status lines of their log to the output
		}
		switch {
		case line.Started:
			close(started)
			continue
		case line.Heeds:
			c.heeds <- struct{}{}
			continue
		}
		line.At = time.Now()
		c.mu.Lock()
		c.heard = append(c.heard, line.Delivery)
		c.mu.Unlock()
	}
}

// Say tells the consumer to be "sick" or "well" and waits until it is.
func (c *Consumer) Say(line string) {
	c.tb.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.tb.Fatal(err)
	}
	select {
	case <-c.heeds:
	case <-c.ended:
		c.tb.Fatalf("the consumer ended before it was %s", line)
	}
}

// Stop ends the consumer in an orderly way, as the end of the test does. It may be called more than once.
func (c *Consumer) Stop() { c.stop() }

// Kill ends the consumer as kill -9 does.
func (c *Consumer) Kill() {
	c.tb.Helper()
	c.shot = true
	if err := c.cmd.Process.Kill(); err != nil {
		c.tb.Fatal(err)
	}
	c.stop()
}

// Heard returns the deliveries so far that match, oldest first.
func (c *Consumer) Heard(match func(Delivery) bool) (out []Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.heard {
		if match(d) {
			out = append(out, d)
		}
	}
	return out
}

// program is the consumer of the Go client, built once for all tests of this process and without the race detector, which
// the client library does not pass.
var program goConsumer

type goConsumer struct {
	once      sync.Once
	dir, file string
	err       error
}

func (p *goConsumer) build() {
	if p.dir, p.err = os.MkdirTemp("", "consumer-"); p.err != nil {
		return
	}
	p.file = filepath.Join(p.dir, "consumer")
	if out, err := exec.Command("go", "build", "-o", p.file, "deadletteroffice/broker/rocketmq/testdata/consumer").CombinedOutput(); err != nil {
		p.err = fmt.Errorf("build the consumer: %w\n%s", err, out)
	}
}

// remove deletes what was built. Nobody may build any more.
func (p *goConsumer) remove() error {
	p.once.Do(func() {})
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}
