package replay_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// program is the real consumer of the broker package's tests, built once and without the race detector, which the client
// library does not pass.
var program struct {
	sync.Once
	dir, file string
	err       error
}

func consumerProgram() (string, error) {
	p := &program
	p.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "consumer-"); p.err != nil {
			return
		}
		p.file = filepath.Join(p.dir, "consumer")
		if out, err := exec.Command("go", "build", "-o", p.file, "../broker/rocketmq/testdata/consumer").CombinedOutput(); err != nil {
			p.err = fmt.Errorf("build the consumer: %w\n%s", err, out)
		}
	})
	return p.file, p.err
}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil && runtime.GOMAXPROCS(0) < 4 {
		f.Value.Set("4") // tests on real brokers wait most of the time
	}
	code := node.Main(m)
	if program.dir != "" {
		os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

// market is a topic with one consumer group of a real broker, and a real consumer of the Go client in a process of its
// own, which fails everything until it is healed.
type market struct {
	t            *testing.T
	n            *node.Node
	wire         *remoting.Client
	topic, group string
	orderly      bool
	program      func() *exec.Cmd // another consumer than the Go one; nil for that

	consumer *exec.Cmd // nil while nobody is connected
	say      io.WriteCloser
	ended    chan struct{}

	mu    sync.Mutex
	heard []delivery
}

// delivery is one message that the listener got.
type delivery struct {
	Started    bool              `json:"started"`
	Topic      string            `json:"topic"`
	Attempts   int               `json:"attempts"`
	Body       string            `json:"body"`
	Properties map[string]string `json:"properties"`
}

// newMarket prepares topic, group and retry topic; consumers come with connect.
func newMarket(t *testing.T, n *node.Node, orderly bool) *market {
	t.Helper()
	suffix := fmt.Sprintf("%x", time.Now().UnixNano())
	m := &market{t: t, n: n, wire: remoting.New(remoting.Options{}), topic: "orders_" + suffix, group: "pay_" + suffix, orderly: orderly}
	t.Cleanup(func() { m.wire.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, topic := range []string{m.topic, dlq.RetryPrefix + m.group} {
		if err := m.wire.UpdateTopic(ctx, n.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.wire.UpdateSubscriptionGroup(ctx, n.BrokerAddr(), remoting.SubscriptionGroup{Name: m.group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 1}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *market) connect() {
	m.t.Helper()
	if m.program == nil {
		file, err := consumerProgram()
		if err != nil {
			m.t.Fatal(err)
		}
		m.program = func() *exec.Cmd {
			return exec.Command(file, "-namesrv", m.n.NameServer(), "-group", m.group, "-topic", m.topic, fmt.Sprintf("-orderly=%v", m.orderly))
		}
	}
	c := m.program()
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if m.say, err = c.StdinPipe(); err != nil {
		m.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.consumer = c
	m.t.Cleanup(m.disconnect)
	started, ended := make(chan struct{}), make(chan struct{})
	m.ended = ended
	go func() {
		defer close(ended)
		for lines := json.NewDecoder(out); ; {
			var d delivery
			if lines.Decode(&d) != nil {
				return
			}
			if d.Started {
				close(started)
				continue
			}
			m.mu.Lock()
			m.heard = append(m.heard, d)
			m.mu.Unlock()
		}
	}()
	select {
	case <-started:
	case <-ended:
		m.t.Fatal("the consumer did not start")
	}
}

// disconnect ends the consumer in an orderly way.
func (m *market) disconnect() {
	if m.consumer == nil {
		return
	}
	m.say.Close()
	<-m.ended
	if err := m.consumer.Wait(); err != nil {
		m.t.Error(err)
	}
	m.consumer = nil
}

func (m *market) heal() {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.say, "well"); err != nil {
		m.t.Fatal(err)
	}
}

// delivered are the deliveries of one replay.
func (m *market) delivered(replayID string) (out []delivery) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.heard {
		if d.Properties[dlq.PropReplayID] == replayID {
			out = append(out, d)
		}
	}
	return out
}

func (m *market) produce(body string, properties map[string]string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	properties[dlq.PropUniqueKey] = fmt.Sprintf("%032X", time.Now().UnixNano())
	if _, err := m.wire.SendMessage(ctx, m.n.BrokerAddr(), remoting.SendRequest{ProducerGroup: "market", Topic: m.topic, Body: []byte(body), Properties: properties}); err != nil {
		m.t.Fatal(err)
	}
}
