package remoting

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func client(t *testing.T, opt Options) *Client {
	t.Helper()
	c := New(opt)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func echo(req *Command, answer func(*Command)) {
	answer(&Command{Ext: req.Ext, Body: req.Body, Remark: strconv.Itoa(req.Code)})
}

func TestManyRequestsShareOneConnection(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := serve(t, func(req *Command, answer func(*Command)) {
		go func() { // answers overtake one another
			n, _ := strconv.Atoi(req.Ext["n"])
			time.Sleep(time.Duration(n%7) * time.Millisecond)
			echo(req, answer)
		}()
	})
	defer s.stop()
	c := New(Options{})
	defer c.Close()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			n := strconv.Itoa(i)
			ans, err := c.Do(t.Context(), s.addr(), &Command{Code: 1, Ext: map[string]string{"n": n}, Body: []byte(n)})
			if err != nil || ans.Ext["n"] != n || string(ans.Body) != n {
				t.Errorf("request %s got %+v, %v", n, ans, err)
			}
		})
	}
	wg.Wait()
	if got := s.accepted(); got != 1 {
		t.Errorf("%d connections", got)
	}
}

func TestRequestIsNotModified(t *testing.T) {
	s := serve(t, echo)
	c := client(t, Options{Credentials: Credentials{AccessKey: "ak", SecretKey: "sk"}})
	req := &Command{Code: 5, Ext: map[string]string{"a": "b"}}
	ans, err := c.Do(t.Context(), s.addr(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(req.Ext) != 1 || req.Opaque != 0 || req.Version != 0 {
		t.Errorf("the request became %+v", req)
	}
	if ans.Ext["Signature"] == "" || ans.Ext["AccessKey"] != "ak" {
		t.Errorf("not signed: %v", ans.Ext)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	s := serve(t, echo)
	var codes []int
	c := client(t, Options{Count: func(code int) { codes = append(codes, code) }})
	for _, code := range []int{RequestTopicList, 5} {
		if _, err := c.Do(t.Context(), s.addr(), &Command{Code: code}); err != nil {
			t.Fatal(err)
		}
	}
	if len(codes) != 2 || RequestName(codes[0]) != "topic list" || RequestName(codes[1]) != "" {
		t.Errorf("counted %v", codes)
	}
}

func TestNothingThereIsUnsent(t *testing.T) {
	c := client(t, Options{DialTimeout: 300 * time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().String()
	l.Close()
	for name, addr := range map[string]string{"refused": refused, "no such host": "no-such-host.invalid:1", "not an address": "nonsense", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Do(t.Context(), addr, &Command{Code: 1})
			var unsent *Unsent
			var dial *DialError
			if !errors.As(err, &unsent) || !errors.As(err, &dial) || unsent.Addr != addr {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestContextEndsEveryStage(t *testing.T) {
	silent := serve(t, func(*Command, func(*Command)) {})
	t.Run("before anything", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client(t, Options{}).Do(ctx, silent.addr(), &Command{Code: 1})
		if !errors.As(err, new(*Unsent)) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("while dialling", func(t *testing.T) {
		c := client(t, Options{DialTimeout: 30 * time.Second})
		stuck := &slot{ready: make(chan struct{})}
		c.conns["stuck:1"] = stuck
		t.Cleanup(func() { close(stuck.ready) })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := c.Do(ctx, "stuck:1", &Command{Code: 1})
		if !errors.As(err, new(*Unsent)) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
	t.Run("while waiting for the answer", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := client(t, Options{}).Do(ctx, silent.addr(), &Command{Code: 1})
		if !errors.As(err, new(*NoAnswer)) || errors.As(err, new(*Unsent)) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %s", d)
		}
	})
	t.Run("while writing to a peer that does not read", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := client(t, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err = c.Do(ctx, l.Addr().String(), &Command{Code: 1, Body: make([]byte, 64<<20)})
		if !errors.As(err, new(*Unsent)) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestCancelledRequestLeavesTheConnectionUsable(t *testing.T) {
	s := serve(t, func(req *Command, answer func(*Command)) {
		if req.Code != 99 {
			echo(req, answer)
		}
	})
	c := client(t, Options{})
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := c.Do(ctx, s.addr(), &Command{Code: 99}); err == nil {
			t.Fatal("an answer to a request that is never answered")
		}
		cancel()
		if _, err := c.Do(t.Context(), s.addr(), &Command{Code: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.accepted(); got != 1 {
		t.Errorf("%d connections", got)
	}
}

func TestLostConnectionIsNoAnswerAndThenRedialled(t *testing.T) {
	arrived := make(chan struct{})
	s := serve(t, func(req *Command, answer func(*Command)) {
		if req.Code == 99 {
			close(arrived)
			return
		}
		echo(req, answer)
	})
	c := client(t, Options{})
	failed := make(chan error)
	go func() {
		_, err := c.Do(t.Context(), s.addr(), &Command{Code: 99})
		failed <- err
	}()
	<-arrived
	s.cut()
	if err := <-failed; !errors.As(err, new(*NoAnswer)) {
		t.Errorf("%v", err)
	}
	if _, err := c.Do(t.Context(), s.addr(), &Command{Code: 1}); err != nil {
		t.Errorf("after the loss: %v", err)
	}
	if got := s.accepted(); got != 2 {
		t.Errorf("%d connections", got)
	}
}

func TestIdleConnectionIsReplaced(t *testing.T) {
	s := serve(t, echo)
	c := client(t, Options{})
	var skew atomic.Int64
	c.now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	for i, step := range []time.Duration{0, maxIdle / 2, 3 * maxIdle} {
		skew.Store(int64(step))
		if _, err := c.Do(t.Context(), s.addr(), &Command{Code: 1}); err != nil {
			t.Fatal(err)
		}
		if got, want := s.accepted(), []int{1, 1, 2}[i]; got != want {
			t.Errorf("after %s: %d connections, want %d", step, got, want)
		}
	}
}

func TestCloseEndsWaitingRequests(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	arrived := make(chan struct{})
	s := serve(t, func(*Command, func(*Command)) { close(arrived) })
	defer s.stop()
	c := New(Options{})
	failed := make(chan error)
	go func() {
		_, err := c.Do(context.Background(), s.addr(), &Command{Code: 1})
		failed <- err
	}()
	<-arrived
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) || !errors.As(err, new(*NoAnswer)) {
		t.Errorf("%v", err)
	}
	if _, err := c.Do(context.Background(), s.addr(), &Command{Code: 1}); !errors.Is(err, net.ErrClosed) || !errors.As(err, new(*Unsent)) {
		t.Errorf("after Close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestAnswerLargerThanAllowedEndsTheConnection(t *testing.T) {
	s := serve(t, func(req *Command, answer func(*Command)) { answer(&Command{Body: make([]byte, 2000)}) })
	_, err := client(t, Options{MaxFrame: 1000}).Do(t.Context(), s.addr(), &Command{Code: 1})
	if !errors.As(err, new(*NoAnswer)) || !strings.Contains(err.Error(), "frame of") {
		t.Errorf("%v", err)
	}
}

func TestErrorAnswer(t *testing.T) {
	s := serve(t, func(req *Command, answer func(*Command)) {
		answer(&Command{Code: AnswerTopicMissing, Remark: "no route"})
	})
	c := client(t, Options{})
	ans, err := c.Do(t.Context(), s.addr(), &Command{Code: RequestRoute})
	if err != nil {
		t.Fatalf("Do: %v", err)
	}
	var re *ResponseError
	if !errors.As(ans.Err(), &re) || re.Code != AnswerTopicMissing || re.Remark != "no route" {
		t.Errorf("Err: %v", ans.Err())
	}
	if _, err := c.Route(t.Context(), s.addr(), "T"); !IsCode(err, AnswerSystemError, AnswerTopicMissing) || IsCode(err, AnswerSystemError) || IsCode(nil, 0) {
		t.Errorf("Route: %v", err)
	}
}

func TestNextNameServerIsAsked(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	silent := serve(t, func(*Command, func(*Command)) {})
	good := serve(t, func(req *Command, answer func(*Command)) { answer(&Command{Body: []byte(`{"topicList":["b","a"]}`)}) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	c := client(t, Options{})
	got, err := c.TopicList(ctx, dead.Addr().String()+";"+silent.addr()+", http://"+good.addr())
	if err != nil || strings.Join(got, " ") != "a b" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.TopicList(ctx, " ; "); err == nil {
		t.Error("no address at all passed")
	}
	if _, err := c.TopicList(ctx, dead.Addr().String()); !errors.As(err, new(*DialError)) {
		t.Errorf("%v", err)
	}
}

// A name server that knows no broker does not answer for those that do, neither of brokers nor of topics.
func TestEmptyNameServersHideNothing(t *testing.T) {
	empty := serve(t, func(req *Command, answer func(*Command)) {
		switch req.Code {
		case RequestClusterInfo:
			answer(&Command{Body: []byte(`{"brokerAddrTable":{},"clusterAddrTable":{}}`)})
		case RequestTopicList:
			answer(&Command{Body: []byte(`{"topicList":[]}`)})
		default:
			answer(&Command{Code: AnswerTopicMissing, Remark: "No topic route info"})
		}
	})
	full := serve(t, func(req *Command, answer func(*Command)) {
		switch req.Code {
		case RequestClusterInfo:
			answer(&Command{Body: []byte(`{"brokerAddrTable":{"a":{"cluster":"c","brokerName":"a","brokerAddrs":{0:"127.0.0.1:1"}}},"clusterAddrTable":{"c":["a"]}}`)})
		case RequestTopicList:
			answer(&Command{Body: []byte(`{"topicList":["orders"]}`)})
		default:
			answer(&Command{Body: []byte(`{"queueDatas":[{"brokerName":"a","readQueueNums":1,"writeQueueNums":1,"perm":6}]}`)})
		}
	})
	c, ctx := client(t, Options{}), t.Context()
	for _, names := range []string{empty.addr() + ";" + full.addr(), full.addr() + ";" + empty.addr()} {
		info, err := c.ClusterInfo(ctx, names)
		if err != nil || info.Brokers["a"].Master() != "127.0.0.1:1" {
			t.Errorf("%+v, %v", info, err)
		}
		topics, err := c.TopicList(ctx, names)
		if err != nil || len(topics) != 1 {
			t.Errorf("topics %v, %v", topics, err)
		}
		if route, err := c.Route(ctx, names, "orders"); err != nil || len(route.Queues) != 1 {
			t.Errorf("route %+v, %v", route, err)
		}
	}
	if got := c.Knowing([]string{empty.addr(), full.addr()}); len(got) != 1 || got[0] != full.addr() {
		t.Errorf("knowing: %v", got)
	}
	if info, err := c.ClusterInfo(ctx, empty.addr()); err != nil || len(info.Brokers) != 0 {
		t.Errorf("the empty one alone: %+v, %v", info, err)
	}
}

func TestMalformedAnswersAreErrors(t *testing.T) {
	for name, body := range map[string]string{"empty": "", "no JSON": "nonsense", "cut": `{"topicList":["a"`, "other type": `{"topicList":7,"table":7,"offsetTable":7,"brokerDatas":7,"brokerAddrTable":7,"connectionSet":7,"consumerIdList":7,"groupList":7,"subscriptionGroupTable":7,"properties":7,"order":7,"perm":"x"}`} {
		s := serve(t, func(req *Command, answer func(*Command)) { answer(&Command{Body: []byte(body)}) })
		c := client(t, Options{})
		ctx, a := t.Context(), s.addr()
		for call, ask := range map[string]func() error{
			"Route":               func() error { _, err := c.Route(ctx, a, "T"); return err },
			"ClusterInfo":         func() error { _, err := c.ClusterInfo(ctx, a); return err },
			"TopicList":           func() error { _, err := c.TopicList(ctx, a); return err },
			"TopicStats":          func() error { _, err := c.TopicStats(ctx, a, "T"); return err },
			"TopicConfig":         func() error { _, err := c.TopicConfig(ctx, a, "T"); return err },
			"TopicConsumers":      func() error { _, err := c.TopicConsumers(ctx, a, "T"); return err },
			"ConsumeStats":        func() error { _, err := c.ConsumeStats(ctx, a, "G", ""); return err },
			"ConsumerConnection":  func() error { _, err := c.ConsumerConnection(ctx, a, "G"); return err },
			"ConsumerIDs":         func() error { _, err := c.ConsumerIDs(ctx, a, "G"); return err },
			"ConsumerRunningInfo": func() error { _, err := c.ConsumerRunningInfo(ctx, a, "G", "id", false); return err },
			"SubscriptionGroups":  func() error { _, err := c.SubscriptionGroups(ctx, a); return err },
			"BrokerRuntimeInfo":   func() error { _, err := c.BrokerRuntimeInfo(ctx, a); return err },
			"ConsumeDirectly":     func() error { _, err := c.ConsumeDirectly(ctx, a, DirectRequest{}); return err },
			"ViewMessage":         func() error { _, err := c.ViewMessage(ctx, a, "", 0); return err },
			"SendMessage":         func() error { _, err := c.SendMessage(ctx, a, SendRequest{}); return err },
			"Pull":                func() error { _, err := c.Pull(ctx, a, PullRequest{}); return err },
			"MaxOffset":           func() error { _, err := c.MaxOffset(ctx, a, "T", 0); return err },
			"QueryConsumerOffset": func() error { _, _, err := c.QueryConsumerOffset(ctx, a, "G", "T", 0); return err },
		} {
			if err := ask(); err == nil {
				t.Errorf("%s: %s took it", name, call)
			}
		}
	}
}

func TestDirectResultNames(t *testing.T) {
	for in, want := range map[string]string{`"CR_LATER"`: "CR_LATER", "0": "CR_SUCCESS", "4": "CR_THROW_EXCEPTION", "5": "CR_RETURN_NULL", "9": "9"} {
		s := serve(t, func(req *Command, answer func(*Command)) {
			answer(&Command{Remark: "not set any response code", Body: []byte(`{"autoCommit":true,"consumeResult":` + in + `,"order":false,"spentTimeMills":12}`)})
		})
		got, err := client(t, Options{}).ConsumeDirectly(t.Context(), s.addr(), DirectRequest{})
		if err != nil || got != (DirectResult{AutoCommit: true, Result: want, Spent: 12 * time.Millisecond}) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
}

// What no frame can carry never looks like a peer that is away.
func TestUnencodablePropertiesAreMalformed(t *testing.T) {
	_, err := client(t, Options{}).SendMessage(t.Context(), "127.0.0.1:1", SendRequest{Properties: map[string]string{"a": "\x02"}})
	var property *PropertyError
	if !errors.As(err, new(*Malformed)) || errors.As(err, new(*Unsent)) || !errors.As(err, &property) || property.Name != "a" {
		t.Errorf("%v", err)
	}
}
