package remoting

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// conn is one connection: writes one at a time, reads in one goroutine, answers matched by opaque number.
type conn struct {
	addr  string
	nc    net.Conn
	write chan struct{} // holds one token while nobody writes

	mu       sync.Mutex
	opaque   int32
	pending  map[int32]chan *Command
	lastUsed time.Time
	err      error         // why the connection ended
	done     chan struct{} // closed once err is set
}

func newConn(addr string, nc net.Conn, now time.Time) *conn {
	c := &conn{addr: addr, nc: nc, write: make(chan struct{}, 1), pending: map[int32]chan *Command{}, lastUsed: now, done: make(chan struct{})}
	c.write <- struct{}{}
	return c
}

// usable says whether a new request may use the connection, and ends it when it has been idle for too long.
func (c *conn) usable(now time.Time, idle time.Duration) bool {
	c.mu.Lock()
	dead := c.err != nil
	stale := !dead && len(c.pending) == 0 && now.Sub(c.lastUsed) > idle
	if !dead && !stale {
		c.lastUsed = now
	}
	c.mu.Unlock()
	if stale {
		c.fail(errors.New("idle for too long"))
	}
	return !dead && !stale
}

// fail ends the connection once; every waiting request learns of it.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	c.nc.Close()
}

func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *conn) roundTrip(ctx context.Context, req *Command) (*Command, error) {
	answer := make(chan *Command, 1)
	c.mu.Lock()
	c.opaque++
	req.Opaque = c.opaque
	c.pending[req.Opaque] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pending, req.Opaque)
		c.mu.Unlock()
	}()

	frame, err := encodeFrame(req)
	if err != nil {
		return nil, &Malformed{Err: err}
	}
	if err := c.send(ctx, frame); err != nil {
		return nil, &Unsent{Addr: c.addr, Err: err}
	}
	select {
	case ans := <-answer:
		return ans, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.done:
		err = c.cause()
	}
	select { // the answer may have come at the same moment
	case ans := <-answer:
		return ans, nil
	default:
		return nil, &NoAnswer{Addr: c.addr, Err: err}
	}
}

// send writes one frame whole or ends the connection. An error means that the peer lacks at least the last
// byte of the frame, hence cannot act on it: net.Conn.Write reports an error only for an incomplete write.
func (c *conn) send(ctx context.Context, frame []byte) error {
	select {
	case <-c.write:
		defer func() { c.write <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.cause()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		c.nc.SetWriteDeadline(time.Unix(1, 0))
	})
	_, err := c.nc.Write(frame)
	if !stop() {
		<-interrupted
		c.nc.SetWriteDeadline(time.Time{})
	}
	if err == nil {
		return nil
	}
	c.fail(err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// readLoop hands answers to those who wait for them until reading fails. Requests of the server (a broker may
// ask clients it knows from heartbeats, which this client never sends) are passed over.
func (c *conn) readLoop(maxFrame int, now func() time.Time) error {
	r := bufio.NewReaderSize(c.nc, 32<<10)
	for {
		cmd, err := readFrame(r, maxFrame)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.lastUsed = now()
		ch := c.pending[cmd.Opaque]
		c.mu.Unlock()
		if ch == nil || cmd.Flag&flagAnswer == 0 {
			continue
		}
		select {
		case ch <- cmd:
		default: // a second answer to one request
		}
	}
}
