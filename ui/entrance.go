package ui

import (
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// guesses counts how often an address sent a wrong token. Beyond ten in a minute wrong ones are answered with 429, and what
// is not of the form of our tokens is not looked at any more: those cannot be guessed, but a token file may hold the hash of a
// weak one. A token of our making gets in whatever others sent from the same address, which may be a proxy's.
type guesses struct {
	now func() time.Time

	mu   sync.Mutex
	from map[netip.Prefix]guessed
}

type guessed struct {
	since time.Time
	wrong int
}

const (
	guessesMax    = 10
	guessesWindow = time.Minute
)

// wait returns how long the address has to wait before its next try; 0 for not at all.
func (g *guesses) wait(address netip.Prefix) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	have := g.from[address]
	if have.wrong < guessesMax {
		return 0
	}
	return max(0, have.since.Add(guessesWindow).Sub(g.now()))
}

func (g *guesses) failed(address netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if g.from == nil || len(g.from) > 100_000 {
		g.from = map[netip.Prefix]guessed{}
	}
	have := g.from[address]
	if now.Sub(have.since) >= guessesWindow {
		have = guessed{since: now}
	}
	have.wrong++
	g.from[address] = have
}

// proxies are the addresses of proxies whose X-Forwarded-For is believed.
type proxies []netip.Prefix

// client returns the address that a request comes from: the peer of the connection, or, when that is a trusted proxy, the
// last address of X-Forwarded-For that is not one. What stands before it could be written by anybody.
func (p proxies) client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if len(p) == 0 || !p.trusts(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if _, err := netip.ParseAddr(strings.Trim(hop, "[]")); err != nil {
			return host // the proxy that is nearest to it wrote something else
		}
		if host = strings.Trim(hop, "[]"); !p.trusts(host) {
			return host
		}
	}
	return host
}

func (p proxies) trusts(host string) bool {
	ip, err := netip.ParseAddr(host)
	ip = ip.Unmap().WithZone("")
	return err == nil && slices.ContainsFunc(p, func(one netip.Prefix) bool { return one.Contains(ip) })
}

// networkOf is the address as one that guesses are counted by. An IPv6 host has a whole /64.
func networkOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}

// entrance is the log-in: it finds out who asks.
type entrance struct {
	tokens   *tokenFile // nil: no log-in, everybody on loopback is an admin
	proxies  proxies
	sessions sessions
	guesses  guesses
	uses     uses
	now      func() time.Time
	secure   bool // people come by https
}

func (e *entrance) cookieName() string {
	if e.secure {
		return "__Host-dlq_session"
	}
	return "dlq_session"
}

// who returns the caller of a request. A wrong token is an error, none at all is nobody.
func (e *entrance) who(r *http.Request) (caller, error) {
	if e.tokens == nil {
		return localCaller, nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, text, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return caller{}, dlq.Errorf(dlq.CodeUnauthorized, "the header Authorization does not begin with Bearer")
		}
		t, err := e.try(r, strings.TrimSpace(text))
		return callerOf(t), err
	}
	cookie, err := r.Cookie(e.cookieName())
	if err != nil {
		return caller{}, nil
	}
	in, ok := e.sessions.find(cookie.Value)
	if !ok {
		return caller{}, nil
	}
	t, err := e.tokens.findSum(in.token, e.now())
	if err != nil {
		e.sessions.end(cookie.Value)
		return caller{}, nil
	}
	e.uses.note(t.SHA256, e.now(), e.proxies.client(r))
	who := callerOf(t)
	who.session = in.id
	return who, nil
}

// try looks for the token of this text. Errors are CodeUnauthorized, CodeRateLimited after too many wrong ones, and
// CodeUnavailable while the token file is refused.
func (e *entrance) try(r *http.Request, text string) (Token, error) {
	address := e.proxies.client(r)
	wait := e.guesses.wait(networkOf(address))
	var wrong error
	if wait == 0 || ofOurForm(text) {
		t, err := e.tokens.find(text, e.now())
		if err == nil {
			e.uses.note(t.SHA256, e.now(), address)
			return t, nil
		}
		if dlq.CodeOf(err) != dlq.CodeUnauthorized {
			return Token{}, err
		}
		wrong = err
	}
	if wait > 0 {
		seconds := strconv.Itoa(int((wait + time.Second - 1) / time.Second))
		return Token{}, &dlq.Error{Code: dlq.CodeRateLimited, Message: "too many wrong tokens came from this address",
			Hint: "try again in " + seconds + " seconds", Params: map[string]string{"retry_after": seconds}}
	}
	e.guesses.failed(networkOf(address))
	return Token{}, wrong
}

// uses knows when each token was used last, since the console started.
type uses struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]use
}

type use struct {
	at      time.Time
	address string
}

func (u *uses) note(token [sha256.Size]byte, at time.Time, address string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of == nil {
		u.of = map[[sha256.Size]byte]use{}
	}
	u.of[token] = use{at, address}
}

// last returns the newest use; the zero use is none.
func (u *uses) last(token [sha256.Size]byte) use {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.of[token]
}
