package remoting

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
)

// TestBrokerStopsAndComesBack pauses, kills and restarts a real broker under one client.
func TestBrokerStopsAndComesBack(t *testing.T) {
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			n := node.Own(t, node.Options{Version: version})
			c := client(t, Options{})
			broker, topic := n.BrokerAddr(), newTopic(ctx, t, c, n)
			send := func(limit time.Duration) error {
				ctx, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				_, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte("x")})
				return err
			}

			if err := n.PauseBroker(ctx); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := send(300 * time.Millisecond); !errors.As(err, new(*NoAnswer)) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("paused: %v", err)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("the context ended after 300 ms, the call after %s", d)
			}
			if err := n.ResumeBroker(ctx); err != nil {
				t.Fatal(err)
			}
			if err := send(30 * time.Second); err != nil {
				t.Errorf("resumed: %v", err)
			}

			held := make(chan error, 1)
			go func() {
				at, err := c.MaxOffset(ctx, broker, topic, 1)
				if err == nil {
					_, err = c.Pull(ctx, broker, PullRequest{Group: "office", Topic: topic, Queue: 1, Offset: at, Suspend: 20 * time.Second})
				}
				held <- err
			}()
			eventually(t, ctx, "a held pull", func() error { return c.waiting(broker) })
			if err := n.KillBroker(ctx); err != nil {
				t.Fatal(err)
			}
			if err := <-held; !errors.As(err, new(*NoAnswer)) {
				t.Errorf("killed under a held request: %v", err)
			}
			if err := send(5 * time.Second); !errors.As(err, new(*Unsent)) {
				t.Errorf("killed: %v", err)
			}
			if err := n.StartBroker(ctx); err != nil {
				t.Fatal(err)
			}
			eventually(t, ctx, "a send after the restart", func() error { return send(5 * time.Second) })

			// The pause ended in doubt: that send may or may not be there. The other two surely are.
			eventually(t, ctx, "the count", func() error {
				got, err := c.MaxOffset(ctx, broker, topic, 0)
				if err != nil || got < 2 || got > 3 {
					return fmt.Errorf("%d messages, %w", got, err)
				}
				return nil
			})
		})
	}
}

// waiting returns nil while a request to addr waits for its answer.
func (c *Client) waiting(addr string) error {
	c.mu.Lock()
	s := c.conns[addr]
	c.mu.Unlock()
	if s == nil || s.conn == nil {
		return errors.New("no connection")
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if len(s.conn.pending) == 0 {
		return errors.New("nothing waits")
	}
	return nil
}

func TestACL(t *testing.T) {
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			right := Credentials{AccessKey: "deadletters", SecretKey: "correct-horse"}
			n := node.Own(t, node.Options{Version: version, AccessKey: right.AccessKey, SecretKey: right.SecretKey})
			broker := n.BrokerAddr()
			refused := map[string]int{node.V4: AnswerSystemError, node.V5: AnswerNoPermission}[version]
			for name, cred := range map[string]Credentials{
				"nobody": {}, "wrong secret": {AccessKey: right.AccessKey, SecretKey: "battery-staple"}, "wrong account": {AccessKey: "somebody-else", SecretKey: right.SecretKey},
			} {
				_, err := client(t, Options{Credentials: cred}).SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: "TBW102", Body: []byte("x")})
				if !IsCode(err, refused) {
					t.Errorf("%s: %v", name, err)
				}
			}
			c := client(t, Options{Credentials: right})
			topic := newTopic(ctx, t, c, n)
			key := unique("U")
			if _, err := c.SendMessage(ctx, broker, SendRequest{ProducerGroup: "p", Topic: topic, Body: []byte("订单"), Properties: map[string]string{"UNIQ_KEY": key}}); err != nil {
				t.Fatal(err)
			}
			eventually(t, ctx, "query by unique key", func() error { // its extra field must stay out of the signature
				msgs, err := c.QueryMessage(ctx, broker, MessageQuery{Topic: topic, Key: key, Unique: true})
				if err == nil && len(msgs) != 1 {
					err = fmt.Errorf("%d messages", len(msgs))
				}
				return err
			})
			if _, err := c.Pull(ctx, broker, PullRequest{Group: "office", Topic: topic}); err != nil {
				t.Errorf("pull: %v", err)
			}
			if _, err := c.BrokerConfig(ctx, broker); err != nil {
				t.Errorf("broker config: %v", err)
			}
		})
	}
}
