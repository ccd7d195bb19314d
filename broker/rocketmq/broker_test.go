package rocketmq

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"deadletteroffice/dlq"
)

func TestResolver(t *testing.T) {
	r := NewResolver([]string{"ns1:9876", "nonsense", "ns2:9877"})
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

// The client library logs whole messages when something goes wrong; none of that gets into our log. Nor does a log that
// people read get what the library goes on about.
func TestClientLogIsDiscreetAndQuiet(t *testing.T) {
	var buf, calm lockedBuffer
	c := clientLog{slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))}
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
	c = clientLog{slog.New(slog.NewTextHandler(&calm, nil))}
	c.Warning("once more", fields)
	c.Error("once more", fields)
	if c.Fatal("the end", fields); strings.Contains(calm.String(), "once more") || has(calm.String(), "the end") != "" {
		t.Error(calm.String())
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
