package ui

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// CheckListen refuses to listen beyond loopback without tokens, since everybody who reaches the console without a
// log-in is an admin. The error is CodeInvalid.
func CheckListen(addr string, tokens bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return dlq.Errorf(dlq.CodeInvalid, "the listen address %q is not host:port: %w", addr, err).WithHint("for example 127.0.0.1:8642")
	}
	if tokens || isLoopback(host) {
		return nil
	}
	return dlq.Errorf(dlq.CodeInvalid, "the address %s can be reached from other machines, and there is no token file", addr).
		WithHint("listen on 127.0.0.1, or name a token file with --tokens; \"dlq token new NAME --role admin\" makes its lines")
}

// CheckPublic refuses a public URL without tokens: it is the address of a proxy, and whoever reaches that is an admin. One
// that names this machine itself is fine. The error is CodeInvalid.
func CheckPublic(public *url.URL, tokens bool) error {
	if tokens || isLoopback(public.Hostname()) {
		return nil
	}
	return dlq.Errorf(dlq.CodeInvalid, "people shall come by %s, and there is no token file, so everybody who does would be an admin", public).
		WithHint("name a token file with --tokens; \"dlq token new NAME --role admin\" makes its lines")
}

func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// gate refuses requests that a foreign page makes a browser send: those under a host name that is not ours (DNS
// rebinding) and writes from another origin.
type gate struct {
	hosts   map[string]bool // names by which the console may be called, beside loopback
	anyAddr bool            // every address of the machine is listened on: the one that was reached may be named
	tokens  bool
	cross   *http.CrossOriginProtection
}

func newGate(listen string, public *url.URL, tokens bool) (*gate, error) {
	g := &gate{hosts: map[string]bool{}, tokens: tokens, cross: http.NewCrossOriginProtection()}
	if listen != "" {
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the listen address %q is not host:port: %w", listen, err)
		}
		ip, err := netip.ParseAddr(host)
		if g.anyAddr = host == "" || err == nil && ip.IsUnspecified(); !g.anyAddr {
			g.hosts[strings.ToLower(host)] = true
		}
	}
	if public != nil {
		g.hosts[strings.ToLower(public.Hostname())] = true
		if err := g.cross.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the public URL has no usable origin: %w", err)
		}
	}
	return g, nil
}

// check refuses a foreign Host, a foreign Origin, and writes across sites.
func (g *gate) check(r *http.Request) error {
	// A scraper may know the console by a name of its own. A page that came by DNS rebinding may send this header too, but
	// it has no token, and our cookies do not go with a foreign name.
	bearer := g.tokens && r.Header.Get("Authorization") != ""
	if !bearer && !g.knows(r, hostname(r.Host)) {
		return dlq.Errorf(dlq.CodeForbidden, "this console is not called %q", cut(r.Host, 100)).
			WithHint("open it under its own address, or start it with --public-url set to the address that people use")
	}
	if origin := r.Header.Get("Origin"); origin != "" && strings.HasPrefix(r.URL.Path, "/api/") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !g.knows(r, u.Hostname()) {
			return dlq.Errorf(dlq.CodeForbidden, "requests from pages of another site are refused").
				WithHint("if people open this console under another address, start it with --public-url")
		}
	}
	if err := g.cross.Check(r); err != nil {
		return dlq.Errorf(dlq.CodeForbidden, "writes from pages of another site are refused: %w", err).
			WithHint("if a proxy changes the header Host, start the console with --public-url")
	}
	return nil
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func (g *gate) knows(r *http.Request, host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if isLoopback(host) || g.hosts[host] {
		return true
	}
	if !g.anyAddr {
		return false
	}
	// Only a name can be rebound; an address is what it says.
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	tcp, ok := local.(*net.TCPAddr)
	ip := net.ParseIP(host)
	return ok && ip != nil && ip.Equal(tcp.IP)
}

// guard is the middleware of the gate. Health checks come under any name and say nothing.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if p := c.Path(); p == "/healthz" || p == "/readyz" {
			return next(c)
		}
		if err := s.gate.check(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// contentPolicy lets the page run its own files and nothing else: whatever a message carries stays text.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func (s *Server) secured(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		if s.Certificate != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		return next(c)
	}
}
