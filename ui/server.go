// Package ui is the face of the console: the REST API, log-in, the live stream, health, metrics, and the web page.
//
// Every route stands in one table (routes.go) with its operation id and the role that it asks for; docs/openapi.yaml
// describes the same routes, and a test holds the two together. Handlers are typed functions from a request to an answer
// (endpoint.go); binding, encoding, errors, idempotency and access are the same for all. echo is used for routing alone.
//
// It is larger than other rooms because all that stands between a socket and the house is in it, and its parts (access,
// strictness, stream, page) are of no use to any other room.
package ui

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/dlq"
)

// Store is all that this package asks of the store.
type Store interface {
	Lists
	Letters
	RuleArchive
	Console
	Memory
	File
}

// Console is what the store knows beside letters.
type Console interface {
	Automation(ctx context.Context) (dlq.Automation, error)
	Gaps(ctx context.Context, limit int) ([]dlq.Gap, error)
	Ready(ctx context.Context) error
	Full() bool
}

// Deps are what a Server works with. Listen, TokenFile, PublicURL, ShopURL, Registerer, Gatherer, Logger, Now, Dist, OpenAPI
// and RulesSchema may be left out; all else must be there.
type Deps struct {
	Store   Store
	Desk    Desk
	Replays Replays

	Operations Operations
	Ledger     OperationLedger
	Cluster    Cluster
	Book       Book
	Live       Live
	Alerts     AlertStore
	Engine     AlertEngine
	Outbox     Outbox

	Listen    string // the address that is listened on, as host:port: its host is a name by which the console may be called
	TokenFile string // path of the token file; "" lets everybody on loopback in as admin
	PublicURL string // where people open the page, if not at Listen: its host and origin are allowed, https makes cookies secure
	Version   string // of the program

	// Certificate makes the page speak TLS; then cookies are secure, and browsers are told to come by https only. nil for plain HTTP.
	Certificate    *Certificate
	TrustedProxies []netip.Prefix // proxies whose X-Forwarded-For is believed

	ShopURL string // address of the demo shop, "" for none

	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer // what /metrics shows
	Logger     *slog.Logger
	Now        func() time.Time
	Dist       fs.FS  // the built page; nil for the embedded one
	OpenAPI    []byte // openapi.yaml as it is served

	RulesSchema []byte // rules.schema.json as it is served
}

// Server serves the page and the API.
type Server struct {
	Deps
	echo     *echo.Echo
	entrance *entrance
	gate     *gate
	hub      *hub
	state    *stateKeeper
	once     onceKeeper
	quotas   quotas
	compiled lastCompiled
	seats    chan struct{} // taken by those who try a text of rules
	opening  chan struct{} // taken by who has a body opened to a size of his choice
	metrics  metrics
	page     *page

	readTimeout time.Duration // for a request with its body
}

// New makes a Server. It reads the token file and the built page; a bad token file, a bad public URL, or an address that
// may not be listened on without tokens is an error of dlq.CodeInvalid.
func New(d Deps) (*Server, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Gatherer == nil {
		d.Gatherer = prometheus.NewRegistry()
	}
	if d.Dist == nil {
		d.Dist = builtPage()
	}
	if d.Listen != "" {
		if err := CheckListen(d.Listen, d.TokenFile != ""); err != nil {
			return nil, err
		}
	}
	s := &Server{Deps: d, metrics: newMetrics(d.Registerer), readTimeout: 30 * time.Second, seats: make(chan struct{}, tryingAtOnce),
		opening: make(chan struct{}, 1)}
	s.hub = newHub()
	s.state = &stateKeeper{}
	var public *url.URL
	var err error
	if d.PublicURL != "" {
		if public, err = url.Parse(d.PublicURL); err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the public URL %q is not an address such as https://dlq.example.com", d.PublicURL)
		}
	}
	if public != nil {
		if err := CheckPublic(public, d.TokenFile != ""); err != nil {
			return nil, err
		}
	}
	if s.gate, err = newGate(d.Listen, public, d.TokenFile != ""); err != nil {
		return nil, err
	}
	s.entrance = &entrance{sessions: sessions{now: d.Now}, guesses: guesses{now: d.Now}, now: d.Now, proxies: d.TrustedProxies,
		secure: d.Certificate != nil || public != nil && public.Scheme == "https"}
	if d.TokenFile != "" {
		if s.entrance.tokens, err = openTokens(d.TokenFile, d.Logger, s.tokensChanged); err != nil {
			return nil, err
		}
	}
	if s.page, err = loadPage(d.Dist); err != nil {
		return nil, err
	}
	s.echo = s.router()
	return s, nil
}

// tokensChanged ends the log-ins and the streams of those who may not come in any more. A stream of somebody who may is
// opened again by its page.
func (s *Server) tokensChanged() {
	s.entrance.sessions.keep(func(token [sha256.Size]byte) bool {
		_, err := s.entrance.tokens.findSum(token, s.Now())
		return err == nil
	})
	s.hub.disconnect()
}

// Handler returns the whole as one handler, for tests and for servers of one's own.
func (s *Server) Handler() http.Handler { return s.echo }

// Publish tells all who follow the stream what happened. It is called by the store after a commit and never blocks.
func (s *Server) Publish(events []dlq.Event) { s.hub.publish(events) }

// Serve answers on the listener until the context ends; then it ends the streams, lets calls that are under way finish for
// up to ten seconds, and returns nil. It returns an error when the listener fails.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       s.readTimeout,
		WriteTimeout:      writeTimeout + answerTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
	loops, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.followStatus(loops) })
	if s.entrance.tokens != nil {
		running.Go(func() { s.entrance.tokens.run(loops) })
	}
	failed := make(chan error, 1)
	if s.Certificate != nil {
		server.TLSConfig = s.Certificate.Config()
		go func() { failed <- server.ServeTLS(l, "", "") }()
	} else {
		go func() { failed <- server.Serve(l) }()
	}

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.hub.close()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if e := server.Shutdown(grace); e != nil {
			s.Logger.Warn("calls were cut off at the stop", "error", errors.Join(e, server.Close()))
		}
		<-failed
	}
	stop()
	s.hub.close()
	running.Wait()
	return err
}
