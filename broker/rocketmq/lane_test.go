package rocketmq

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"deadletteroffice/dlq"
)

// stubPuller stands for the client library's pull consumer.
type stubPuller struct {
	pullFrom func(queue *primitive.MessageQueue, offset int64, numbers int) (*primitive.PullResult, error)
}

func (s stubPuller) PullFrom(_ context.Context, queue *primitive.MessageQueue, offset int64, numbers int) (*primitive.PullResult, error) {
	return s.pullFrom(queue, offset, numbers)
}

func laneWith(p stubPuller) *lane {
	l := newLane(Options{}, nil, slog.New(slog.DiscardHandler))
	l.puller = p
	close(l.parked)
	return l
}

func pulled(body []byte) (*primitive.PullResult, error) {
	r := &primitive.PullResult{Status: primitive.PullFound, NextBeginOffset: 8, MinOffset: 1, MaxOffset: 9}
	r.SetBody(body)
	return r, nil
}

// record is one message as it stands in answers, with offset 7 and the body "hello".
func record() []byte {
	b := []byte{0, 0, 0, 0, 0xda, 0xa3, 0x20, 0xa7}
	b = append(b, make([]byte, 4+4+4)...)           // crc, queue, flag
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 7)           // queue offset
	b = append(b, make([]byte, 8+4+8+8+8+8+4+8)...) // physical offset, sysFlag, born, host, stored, host, reconsumed, prepared
	b = append(b, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o')
	b = append(b, 1, 't', 0, 0)
	b[3] = byte(len(b))
	return b
}

func TestLane(t *testing.T) {
	for name, c := range map[string]struct {
		result func() (*primitive.PullResult, error)
		ok     bool
	}{
		"messages":   {func() (*primitive.PullResult, error) { return pulled(record()) }, true},
		"no message": {func() (*primitive.PullResult, error) { return pulled(nil) }, false},
		"garbage":    {func() (*primitive.PullResult, error) { return pulled([]byte("garbage")) }, false},
		"not found": {func() (*primitive.PullResult, error) {
			return &primitive.PullResult{Status: primitive.PullNoNewMsg}, nil
		}, false},
		"offset moved": {func() (*primitive.PullResult, error) {
			return &primitive.PullResult{Status: primitive.PullOffsetIllegal}, nil
		}, false},
		"error": {func() (*primitive.PullResult, error) { return nil, errors.New("broker can not found") }, false},
		"panic": {func() (*primitive.PullResult, error) { panic("slice bounds out of range") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := laneWith(stubPuller{func(q *primitive.MessageQueue, offset int64, n int) (*primitive.PullResult, error) {
				if q.Topic != queueA.Topic || q.BrokerName != queueA.Broker || q.QueueId != queueA.Number || offset != 7 || n != 3 {
					t.Errorf("asked for %v from %d, %d", q, offset, n)
				}
				return c.result()
			}})
			for range 2 { // the lane is free again whatever happened
				p, ok := l.pull(t.Context(), queueA, 7, 3)
				if ok != c.ok || ok && (len(p.messages) != 1 || p.messages[0].QueueOffset != 7 || string(p.messages[0].Body) != "hello" || p.next != 8 || p.max != 9) {
					t.Errorf("%+v, %t", p, ok)
				}
			}
		})
	}
	long := queueA
	long.Topic = strings.Repeat("x", 128)
	l := laneWith(stubPuller{})
	if _, ok := l.pull(t.Context(), long, 7, 3); ok {
		t.Error("a topic that the client library cannot decode is pulled by it")
	}
}

// A pull that hangs holds up neither its own queue for long nor any other at all.
func TestLaneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		l := laneWith(stubPuller{func(*primitive.MessageQueue, int64, int) (*primitive.PullResult, error) {
			<-hang
			return pulled(record())
		}})
		begin := time.Now()
		if _, ok := l.pull(t.Context(), queueA, 7, 3); ok || time.Since(begin) != lanePatience {
			t.Errorf("%t after %s", ok, time.Since(begin))
		}
		if _, ok := l.pull(t.Context(), queueA, 7, 3); ok || time.Since(begin) != lanePatience {
			t.Errorf("%t after %s: a busy lane is waited for", ok, time.Since(begin))
		}
		l.close() // with a pull under way, rebalancing stays parked
		select {
		case <-l.resume:
			t.Error("rebalancing goes on while a pull is under way")
		default:
		}
		close(hang)
	})
}

func TestResolver(t *testing.T) {
	r := newResolver([]string{"ns1:9876", "nonsense", "ns2:9877"})
	away := false
	r.lookup = func(_ context.Context, host string) ([]string, error) {
		switch {
		case away:
			return nil, errors.New("no such host")
		case host == "ns1":
			return []string{"10.0.0.1", "::1"}, nil
		}
		return nil, errors.New("no such host")
	}
	const want = "10.0.0.1:9876 [::1]:9876"
	if got := strings.Join(r.Resolve(), " "); got != want {
		t.Errorf("%q", got)
	}
	away = true
	if got := strings.Join(r.Resolve(), " "); got != want {
		t.Errorf("while no name resolves: %q", got)
	}
	if !strings.Contains(r.Description(), "ns2:9877") {
		t.Error(r.Description())
	}
}

// The client library logs whole messages when something goes wrong; none of that gets into our log.
func TestClientLogHidesMessages(t *testing.T) {
	var buf lockedBuffer
	c := clientLog{slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	fields := map[string]any{
		rlog.LogKeyMessages: []*primitive.MessageExt{{Message: primitive.Message{Body: []byte("SECRET")}}},
		"message":           "SECRET", "PullRequest": struct{ Body string }{"SECRET"}, "body": "SECRET",
		rlog.LogKeyTopic: "orders", rlog.LogKeyUnderlayError: errors.New("refused"), "n": 3,
	}
	c.Warning("failed", fields)
	c.Error("failed", fields)
	c.Fatal("failed", fields)
	out := buf.String()
	if strings.Contains(out, "SECRET") || has(out, "topic=orders", "refused", "n=3") != "" {
		t.Error(out)
	}
	c.Info("chatter", fields)
	c.Debug("chatter", fields)
	if strings.Contains(buf.String(), "chatter") {
		t.Error("the library's own housekeeping is logged")
	}
}

func TestNew(t *testing.T) {
	for _, names := range [][]string{nil, {""}, {"localhost"}, {":9876"}, {"ns1:9876;ns2"}} {
		if _, err := New(Options{NameServers: names}); dlq.CodeOf(err) != dlq.CodeInvalid {
			t.Errorf("name servers %q: %v", names, err)
		}
	}
	b, err := New(Options{NameServers: []string{"ns1:9876;ns2:9876", "http://ns3:9876"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if st := b.Status(); strings.Join(st.NameServers, " ") != "ns1:9876 ns2:9876 ns3:9876" || st.Reachable || st.Since != nil {
		t.Errorf("status %+v", st)
	}
}

// Without a cluster every question is answered at once that nobody answers.
func TestNobodyAnswers(t *testing.T) {
	b, err := New(Options{NameServers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx := t.Context()
	_, topicsErr := b.Topics(ctx)
	_, groupErr := b.Group(ctx, "g", nil)
	_, capsErr := b.Capabilities(ctx, "")
	_, _, subsErr := b.Subscribers(ctx, "t")
	_, lookErr := b.Look(ctx, dlq.Replay{})
	_, result, sendErr := b.Send(ctx, dlq.SendRequest{Replay: dlq.Replay{Door: dlq.DoorRetry}})
	for what, err := range map[string]error{
		"topics": topicsErr, "group": groupErr, "capabilities": capsErr, "subscribers": subsErr, "look": lookErr, "send": sendErr, "repair": b.Repair(ctx, "%DLQ%g"),
	} {
		if dlq.CodeOf(err) != dlq.CodeUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	if result != dlq.NotSent {
		t.Errorf("send: %s", result)
	}
	if st := b.Status(); st.Reachable || st.Since == nil || has(st.Error, "no name server answers (127.0.0.1:1)") != "" {
		t.Errorf("status %+v", st)
	}
}
