package rocketmq

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

func TestMain(m *testing.M) {
	node.SideBySide()
	os.Exit(node.Main(m))
}

// desk is a store in memory that keeps to the contract of Intake: positions move only from where they are.
type desk struct {
	mu      sync.Mutex
	pos     map[dlq.Queue]dlq.QueuePosition
	letters map[dlq.Queue][]dlq.DeadMessage
	gaps    []dlq.Gap
	out     map[dlq.Queue]int           // Accepts that are outstanding
	last    map[dlq.Queue]chan struct{} // closed when the newest Accept is stored or refused
	fault   error                       // refuses everything
	delay   time.Duration
	problem string // a breach of the contract
}

func newDesk() *desk {
	return &desk{pos: map[dlq.Queue]dlq.QueuePosition{}, letters: map[dlq.Queue][]dlq.DeadMessage{}, out: map[dlq.Queue]int{}, last: map[dlq.Queue]chan struct{}{}}
}

func (d *desk) Position(_ context.Context, q dlq.Queue) (dlq.QueuePosition, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.pos[q]
	return p, ok, nil
}

func (d *desk) Accept(_ context.Context, batches []dlq.Batch) <-chan error {
	done := make(chan error, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	q := batches[0].Queue
	d.out[q]++
	if at, known := d.pos[q]; d.out[q] > maxAccepts || d.out[q] > 1 && (!known || at.Epoch != batches[0].Epoch) {
		d.problem = "too many Accepts of one queue are outstanding"
	}
	delay, before, end := d.delay, d.last[q], make(chan struct{})
	d.last[q] = end
	go func() {
		time.Sleep(delay)
		if before != nil {
			<-before
		}
		defer close(end)
		done <- d.store(batches)
	}()
	return done
}

func (d *desk) store(batches []dlq.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := batches[0].Queue
	d.out[q]--
	if d.fault != nil {
		return d.fault
	}
	for _, b := range batches {
		if b.Queue != q {
			d.problem = "one Accept with batches of two queues"
		}
		at, known := d.pos[q]
		restart := b.Gap != nil && b.Gap.Kind == dlq.GapTruncated && b.Epoch == at.Epoch+1
		if known && (b.From != at.Next || b.Epoch != at.Epoch && !restart) {
			return dlq.Errorf(dlq.CodeConflict, "batch from %d/%d, stored %d/%d", b.Epoch, b.From, at.Epoch, at.Next)
		}
		if b.Gap != nil {
			d.gaps = append(d.gaps, *b.Gap)
		}
		last := at.LastStored
		for _, m := range b.Messages {
			last = m.StoredAt
			if !slices.ContainsFunc(d.letters[q], func(have dlq.DeadMessage) bool { return have.Offset == m.Offset && have.StoredAt.Equal(m.StoredAt) }) {
				d.letters[q] = append(d.letters[q], m)
			}
		}
		if restart || len(b.Messages) == 0 {
			last = time.Time{}
		}
		d.pos[q] = dlq.QueuePosition{Queue: q, Epoch: b.Epoch, Next: b.Next, LastStored: last}
	}
	return nil
}

// of returns the letters of one topic, in order.
func (d *desk) of(topic string) []dlq.DeadMessage {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []dlq.DeadMessage
	for q, list := range d.letters {
		if q.Topic == topic {
			out = append(out, list...)
		}
	}
	slices.SortFunc(out, func(x, y dlq.DeadMessage) int { return cmp.Compare(x.Offset, y.Offset) })
	return out
}

func (d *desk) check(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.problem != "" {
		t.Error(d.problem)
	}
}

// eventually polls until f returns "" and fails with what it returned last.
func eventually(t *testing.T, limit time.Duration, f func() string) {
	t.Helper()
	limit *= 2 // those of the tests are of a machine that does nothing else
	end := time.Now().Add(limit)
	for {
		problem := f()
		if problem == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %s: %s", limit, problem)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// names makes topics and groups that no other test uses.
func unique(prefix string) string {
	return fmt.Sprintf("%s_%x", prefix, time.Now().UnixNano())
}

// testLog shows the log of a test that failed.
func testLog(t *testing.T) *slog.Logger {
	var buf lockedBuffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("log:\n" + buf.String())
		}
	})
	return slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func open(t *testing.T, n *node.Node, change ...func(*Options)) *Broker {
	t.Helper()
	o := Options{NameServers: []string{n.NameServer()}, Logger: testLog(t), DiscoveryInterval: time.Second}
	for _, f := range change {
		f(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// start runs the broker's Run until the test ends, or stop is called.
func start(t *testing.T, b *Broker, in Intake) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, in) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// bench is a set of own frames that make a broker hold what a test needs.
type bench struct {
	t    *testing.T
	n    *node.Node
	wire *remoting.Client
}

func newBench(t *testing.T, n *node.Node) *bench {
	w := remoting.New(remoting.Options{})
	t.Cleanup(func() { w.Close() })
	return &bench{t: t, n: n, wire: w}
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

// topic creates a topic, or changes it.
func (b *bench) topic(name string, queues, perm int) {
	b.t.Helper()
	if err := b.wire.UpdateTopic(b.ctx(), b.n.BrokerAddr(), remoting.TopicConfig{Name: name, ReadQueues: queues, WriteQueues: queues, Perm: perm}); err != nil {
		b.t.Fatal(err)
	}
}

// group creates a consumer group, its retry topic and its limit.
func (b *bench) group(name string, retries int) {
	b.t.Helper()
	err := b.wire.UpdateSubscriptionGroup(b.ctx(), b.n.BrokerAddr(), remoting.SubscriptionGroup{Name: name, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: retries})
	if err != nil {
		b.t.Fatal(err)
	}
	b.topic(dlq.RetryPrefix+name, 1, 6)
}

// put stores a message as it is, dead-letter topics included.
func (b *bench) put(topic, body string, props map[string]string) remoting.SendResult {
	b.t.Helper()
	return b.putRaw(topic, []byte(body), 0, props)
}

func (b *bench) putRaw(topic string, body []byte, sysFlag int32, props map[string]string) remoting.SendResult {
	b.t.Helper()
	var res remoting.SendResult
	eventually(b.t, 10*time.Second, func() string {
		var err error
		res, err = b.wire.SendMessage(b.ctx(), b.n.BrokerAddr(), remoting.SendRequest{
			ProducerGroup: "bench", Topic: topic, SysFlag: sysFlag, Properties: props, Body: body,
		})
		if remoting.IsCode(err, remoting.AnswerBusy, remoting.AnswerServiceUnavailable) {
			return err.Error()
		}
		if err != nil {
			b.t.Fatal(err)
		}
		return ""
	})
	return res
}

// consumeInJava starts a consumer of the Java client of the node's own version; kind is concurrent, orderly or pop. It
// needs a JDK, because the program is a source file.
func consumeInJava(t *testing.T, n *node.Node, group, topic, kind string) *node.Consumer {
	t.Helper()
	jars, err := n.Jars(t.Context(), n.Version())
	if err != nil {
		t.Fatal(err)
	}
	return node.Follow(t, exec.Command("java", "-Xmx128m", "-Drocketmq.client.logRoot="+t.TempDir(), "-cp", jars, filepath.Join("testdata", "Consumer.java"), n.NameServer(), group, topic, kind))
}

var errRefused = errors.New("the disk is full")

func has(text string, parts ...string) string {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return fmt.Sprintf("%q is not in %q", p, text)
		}
	}
	return ""
}

// onBoth runs a test on the shared node of each version. Such tests wait most of the time, so they run beside others.
func onBoth(t *testing.T, f func(t *testing.T, n *node.Node)) {
	t.Parallel()
	for _, v := range node.Versions() {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			f(t, node.Shared(t, v))
		})
	}
}

// onOwn runs a test on a node of its own of each version.
func onOwn(t *testing.T, o node.Options, f func(t *testing.T, n *node.Node)) {
	t.Parallel()
	for _, v := range node.Versions() {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			o := o
			o.Version, o.DelayLevels = v, node.ShortDelays
			f(t, node.Own(t, o))
		})
	}
}
