package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"deadletteroffice/dlq"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// MaxAnswer is how much of an answer's body is read, in bytes.
	MaxAnswer = 64 << 10
	// DefaultTimeout is how long a call may take that names no time.
	DefaultTimeout = 15 * time.Second
	// MaxTimeout is the longest that any call may take.
	MaxTimeout = 60 * time.Second
	// MinRetryAfter and MaxRetryAfter bound what an endpoint's Retry-After can ask for.
	MinRetryAfter = time.Second
	// MaxRetryAfter is the longest wait that an endpoint can ask for.
	MaxRetryAfter = 24 * time.Hour
)

// Options configures a Client. The zero value works: strict, without metrics.
type Options struct {
	UserAgent     string           // default "dead-letter-office"
	AllowLoopback bool             // let calls go to 127.0.0.0/8 and ::1; the demo needs it
	AllowEgress   []netip.Prefix   // opens parts of the ranges that are closed by default, see ParseEgress
	Own           []netip.AddrPort // listeners of this process, which are never called
	RootCAs       *x509.CertPool   // nil: those of the system
	Now           func() time.Time // nil: time.Now
	Registerer    prometheus.Registerer
}

// Client makes signed calls. It is safe for use by several goroutines.
type Client struct {
	http      *http.Client
	userAgent string
	now       func() time.Time
	metrics   *metrics
}

// New makes a Client. It opens no connection.
func New(o Options) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.UserAgent == "" {
		o.UserAgent = "dead-letter-office"
	}
	g := &guard{allowLoopback: o.AllowLoopback, allowed: o.AllowEgress, own: o.Own, local: net.InterfaceAddrs}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, ControlContext: g.control}
	return &Client{
		userAgent: o.UserAgent,
		now:       o.Now,
		metrics:   newMetrics(o.Registerer),
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:            dialer.DialContext,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
				TLSHandshakeTimeout:    5 * time.Second,
				ForceAttemptHTTP2:      true,
				DisableCompression:     true,
				MaxResponseHeaderBytes: MaxAnswer,
				MaxIdleConnsPerHost:    8,
				IdleConnTimeout:        60 * time.Second,
			},
		},
	}
}

// Close gives back the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one call.
type Request struct {
	Receiver string // whom it goes to, as rules.yaml names it; a label of the metrics
	URL      string
	ID       string // webhook-id and Idempotency-Key, the same on every attempt
	Secrets  []Secret
	Body     []byte        // JSON; these very bytes are signed
	Timeout  time.Duration // of the whole call; 0 means DefaultTimeout, and more than MaxTimeout is cut
}

// Response is an endpoint's answer, whatever its status. Of a call that had none only Address and Duration are set.
type Response struct {
	Status     int
	Body       []byte        // at most MaxAnswer bytes
	Truncated  bool          // there was more
	RetryAfter time.Duration // what Retry-After asks for, between MinRetryAfter and MaxRetryAfter; 0 when it is not there or unreadable
	Address    string        // IP that was dialled; "" when none was
	Duration   time.Duration
}

// CheckURL reports why a URL cannot be called: it must be http or https, name a host, and have neither a user nor a
// fragment. The error is CodeInvalid and does not repeat the URL.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return dlq.Errorf(dlq.CodeInvalid, "the URL cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return dlq.Errorf(dlq.CodeInvalid, "the URL must begin with http:// or https://")
	case u.Hostname() == "":
		return dlq.Errorf(dlq.CodeInvalid, "the URL names no host")
	case u.User != nil:
		return dlq.Errorf(dlq.CodeInvalid, "the URL must not hold a user or password; the signature says who calls")
	case u.Fragment != "":
		return dlq.Errorf(dlq.CodeInvalid, "the URL must not have a fragment (#…)")
	}
	return nil
}

// Raw is one call whose headers and body are ready.
type Raw struct {
	Receiver string // whom it goes to, as rules.yaml names it; a label of the metrics
	URL      string
	Headers  map[string]string // beside Content-Type, Accept and User-Agent, which they may replace
	Body     []byte
	Timeout  time.Duration // of the whole call; 0 means DefaultTimeout, and more than MaxTimeout is cut
}

// Call signs the request and sends it once, as Send does.
func (c *Client) Call(ctx context.Context, r Request) (Response, error) {
	at := c.now()
	return c.Send(ctx, Raw{Receiver: r.Receiver, URL: r.URL, Body: r.Body, Timeout: r.Timeout, Headers: map[string]string{
		"Idempotency-Key": r.ID,
		HeaderID:          r.ID,
		HeaderTimestamp:   strconv.FormatInt(at.Unix(), 10),
		HeaderSignature:   Sign(r.ID, at, r.Body, r.Secrets),
	}})
}

// Send posts the body once and returns whatever is answered: a status of 500 or 302 is an answer, not an error. Errors
// are CodeInvalid (URL), CodeRefused (the guard), or CodeUnavailable (no answer in time, or none at all), with a sentence
// that is safe to show.
func (c *Client) Send(ctx context.Context, r Raw) (Response, error) {
	if err := CheckURL(r.URL); err != nil {
		return Response{}, err
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	timeout = min(timeout, MaxTimeout)
	started := c.now()
	res, err := c.do(ctx, r, timeout)
	res.Duration = c.now().Sub(started)
	if err != nil {
		err = describe(err, r.URL, timeout)
	}
	c.metrics.observe(r.Receiver, outcomeOf(ctx, res, err), res.Duration)
	return res, err
}

func (c *Client) do(ctx context.Context, r Raw, timeout time.Duration) (res Response, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var dialled atomic.Value
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart: func(_, address string) { dialled.Store(address) },
		GotConn:      func(i httptrace.GotConnInfo) { dialled.Store(i.Conn.RemoteAddr().String()) },
	})
	defer func() {
		if s, ok := dialled.Load().(string); ok {
			if host, _, cut := net.SplitHostPort(s); cut == nil {
				res.Address = host
			}
		}
	}()

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return res, err
	}
	// Without it net/http cannot send the body twice. With it, it repeats by itself a request with an Idempotency-Key whose
	// reused connection was cut without an answer (Request.isReplayable): a try that nobody numbers, logs or paces.
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}

	answer, err := c.http.Do(req)
	if err != nil {
		return res, err
	}
	defer answer.Body.Close()
	res.Status = answer.StatusCode
	res.RetryAfter = retryAfter(answer.Header.Get("Retry-After"), c.now())
	res.Body, err = io.ReadAll(io.LimitReader(answer.Body, MaxAnswer+1))
	if err != nil {
		// Half an answer says nothing: whoever asks must not act on its status.
		return Response{}, err
	}
	if len(res.Body) > MaxAnswer {
		res.Body, res.Truncated = res.Body[:MaxAnswer], true
	}
	return res, nil
}

// retryAfter reads both forms of the header: seconds, or an HTTP date.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		if seconds < 0 {
			return 0
		}
		wait = time.Duration(min(seconds, int64(MaxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	} else {
		return 0
	}
	return min(max(wait, MinRetryAfter), MaxRetryAfter)
}

// describe turns a failure of the HTTP client into a sentence for a person. The url.Error around it holds the whole URL
// and is taken off.
func describe(err error, address string, timeout time.Duration) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	where := redact(address)
	var blocked *blockedError
	var unresolved *net.DNSError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &blocked):
		return dlq.Errorf(dlq.CodeRefused, "%s is not called: %s", where, blocked.what)
	case errors.Is(err, context.Canceled):
		return dlq.Errorf(dlq.CodeUnavailable, "the call to %s was broken off: %w", where, err)
	case isTimeout(err):
		return dlq.Errorf(dlq.CodeUnavailable, "%s did not answer within %s: %w", where, dlq.Duration(timeout), err)
	case errors.As(err, &unresolved):
		return dlq.Errorf(dlq.CodeUnavailable, "the name in %s cannot be resolved: %w", where, err)
	case errors.As(err, &untrusted):
		return dlq.Errorf(dlq.CodeUnavailable, "the certificate of %s is not trusted: %w", where, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return dlq.Errorf(dlq.CodeUnavailable, "nothing listens at %s: %w", where, err)
	default:
		return dlq.Errorf(dlq.CodeUnavailable, "%s gave no whole answer: %w", where, err)
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// redact keeps the scheme and the host of a URL: the rest may hold tokens.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the endpoint"
	}
	return u.Scheme + "://" + u.Host
}
