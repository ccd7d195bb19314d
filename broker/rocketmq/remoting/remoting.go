// Package remoting speaks RocketMQ's remoting protocol to name servers and brokers: the framed request and
// answer exchange, ACL signatures, TLS, and one typed call for each request code that the office needs and
// that the published Go client does not offer.
//
// A [Client] keeps one connection for each address and sends any number of requests over it at once; answers
// are matched by their opaque number. It never sends heartbeats and never joins a consumer group, so what it
// asks leaves no trace in the cluster.
//
// The typed calls take the address of the node that shall answer. Calls to name servers accept several
// addresses separated by semicolons and use the first one that answers and knows a broker.
package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	defaultDialTimeout = 5 * time.Second
	defaultMaxFrame    = 32 << 20
	// maxIdle keeps clear of the 120 s after which servers close an idle connection (NettyServerConfig
	// .serverChannelMaxIdleTimeSeconds): a request written into that close would be lost without a trace.
	maxIdle = 60 * time.Second
)

// Options says how a Client connects. The zero value is usable.
type Options struct {
	// Credentials sign every request if AccessKey is set.
	Credentials Credentials
	// TLS, if not nil, is used for every connection, to name servers too. ServerName may stay empty.
	TLS *tls.Config
	// DialTimeout bounds connecting, the TLS handshake included. Default 5 s.
	DialTimeout time.Duration
	// MaxFrame is the largest answer accepted, in bytes. Default 32 MiB; servers send at most 16 MiB by default.
	MaxFrame int
	// Count, if not nil, is told the code of every request before it is sent. It must not block.
	Count func(code int)
	// Gate, if not nil, is asked before each request whether it may go to addr; an error ends the request as *[Unsent]. It
	// must not block.
	Gate func(ctx context.Context, addr string) error
	// Logger gets connection events at debug level; bodies and secrets are never logged. Default: silence.
	Logger *slog.Logger
}

// Client sends requests to any number of name servers and brokers. It is safe for concurrent use.
type Client struct {
	opt    Options
	log    *slog.Logger
	now    func() time.Time
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[string]*slot
	empty  map[string]bool // name servers that knew no broker when they were asked last
}

// slot is the place of one address's connection: being dialled until ready is closed, then conn or err.
type slot struct {
	ready chan struct{}
	conn  *conn
	err   error
}

// New returns a Client. It connects on the first request to an address, not before.
func New(opt Options) *Client {
	if opt.DialTimeout <= 0 {
		opt.DialTimeout = defaultDialTimeout
	}
	if opt.MaxFrame <= 0 {
		opt.MaxFrame = defaultMaxFrame
	}
	log := opt.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{opt: opt, log: log, now: time.Now, ctx: ctx, cancel: cancel, conns: map[string]*slot{}, empty: map[string]bool{}}
}

// Close closes all connections and waits for their goroutines. Requests under way fail; later ones fail with
// net.ErrClosed. It may be called more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	slots := c.conns
	c.conns = map[string]*slot{}
	c.mu.Unlock()
	c.cancel()
	for _, s := range slots {
		<-s.ready
		if s.conn != nil {
			s.conn.fail(net.ErrClosed)
		}
	}
	c.wg.Wait()
	return nil
}

// Do sends req to addr ("host:port") and waits for the answer with the same opaque number. The request is not
// modified; its Opaque is chosen here, and a Version of 0 becomes [Version].
//
// The error tells what is known of the request: *[Unsent] (perhaps wrapping *[DialError]) when the peer cannot
// have seen it whole, *[NoAnswer] when it was written and the connection or the context ended before an answer
// came. An answer whose code is not 0 is no error of Do; see [Command.Err].
func (c *Client) Do(ctx context.Context, addr string, req *Command) (*Command, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Unsent{Addr: addr, Err: err}
	}
	if c.opt.Gate != nil {
		if err := c.opt.Gate(ctx, addr); err != nil {
			return nil, &Unsent{Addr: addr, Err: err}
		}
	}
	if c.opt.Count != nil {
		c.opt.Count(req.Code)
	}
	out := req.forSending()
	c.opt.Credentials.sign(out)
	cn, err := c.connection(ctx, addr)
	if err != nil {
		return nil, &Unsent{Addr: addr, Err: err}
	}
	return cn.roundTrip(ctx, out)
}

// call is Do for the typed calls: an answer whose code is neither 0 nor one of also becomes an error.
func (c *Client) call(ctx context.Context, addr string, req *Command, also ...int) (*Command, error) {
	ans, err := c.Do(ctx, addr, req)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", requestName(req.Code), err)
	}
	for _, code := range also {
		if ans.Code == code {
			return ans, nil
		}
	}
	if err := ans.Err(); err != nil {
		return nil, fmt.Errorf("request %s to %s: %w", requestName(req.Code), addr, err)
	}
	return ans, nil
}

// connection returns a live connection to addr, dialling if there is none. Callers that want the same address
// share one dial, which goes on when the caller who started it gives up.
func (c *Client) connection(ctx context.Context, addr string) (*conn, error) {
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, net.ErrClosed
		}
		s := c.conns[addr]
		if s == nil {
			s = &slot{ready: make(chan struct{})}
			c.conns[addr] = s
			c.wg.Add(1)
			go func() {
				defer c.wg.Done()
				c.dial(addr, s)
			}()
		}
		c.mu.Unlock()

		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if s.err != nil {
			return nil, s.err
		}
		if s.conn.usable(c.now(), maxIdle) {
			return s.conn, nil
		}
		c.forget(addr, s)
	}
}

func (c *Client) forget(addr string, s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns[addr] == s {
		delete(c.conns, addr)
	}
}

func (c *Client) dial(addr string, s *slot) {
	defer close(s.ready)
	ctx, cancel := context.WithTimeout(c.ctx, c.opt.DialTimeout)
	defer cancel()
	nc, err := c.dialNet(ctx, addr)
	if err != nil {
		s.err = &DialError{Addr: addr, Err: err}
		c.forget(addr, s)
		c.log.Debug("connecting failed", "addr", addr, "error", err)
		return
	}
	c.log.Debug("connected", "addr", addr, "local", nc.LocalAddr().String())
	s.conn = newConn(addr, nc, c.now())
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		err := s.conn.readLoop(c.opt.MaxFrame, c.now)
		s.conn.fail(err)
		c.forget(addr, s)
		if !errors.Is(err, net.ErrClosed) {
			c.log.Debug("connection ended", "addr", addr, "error", err)
		}
	}()
}

func (c *Client) dialNet(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil || c.opt.TLS == nil {
		return nc, err
	}
	cfg := c.opt.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(addr)
	}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}
