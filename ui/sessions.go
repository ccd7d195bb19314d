package ui

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

const (
	sessionLife = 12 * time.Hour
	sessionsMax = 10_000
)

// sessions are the log-ins of browsers. They live in memory and hold only the SHA-256 of what a cookie carries, so that
// neither the database nor a memory dump lets anybody in. A restart asks everybody to log in again. A session ends with its token.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	open map[[sha256.Size]byte]session
}

type session struct {
	token [sha256.Size]byte
	ends  time.Time
}

func (s *sessions) begin(token Token) (id string, ends time.Time) {
	id = rand.Text() // 128 bits and more, see crypto/rand
	now := s.now()
	ends = now.Add(sessionLife)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[[sha256.Size]byte]session{}
	}
	if len(s.open) >= sessionsMax {
		for k, old := range s.open {
			if now.After(old.ends) || len(s.open) >= sessionsMax {
				delete(s.open, k)
			}
		}
	}
	s.open[sha256.Sum256([]byte(id))] = session{token.SHA256, ends}
	return id, ends
}

func (s *sessions) find(id string) (token [sha256.Size]byte, ok bool) {
	key := sha256.Sum256([]byte(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.open[key]
	if ok && !s.now().Before(have.ends) {
		delete(s.open, key)
		return token, false
	}
	return have.token, ok
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(id)))
}

// guesses limits how often one address may send a wrong token: ten times a minute. Tokens of our making cannot be
// guessed, but a token file may hold the hash of a weak one. Log-ins that stand are not touched by it.
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

// addressOf is the peer of the connection; forwarding headers are not believed. An IPv6 host has a whole /64.
func addressOf(r *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
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
	sessions sessions
	guesses  guesses
	secure   bool // the public URL is https
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
		return caller{dlq.ActorLocal, RoleAdmin}, nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, text, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return caller{}, dlq.Errorf(dlq.CodeUnauthorized, "the header Authorization does not begin with Bearer")
		}
		t, err := e.try(r, strings.TrimSpace(text))
		return caller{t.Name, t.Role}, err
	}
	if cookie, err := r.Cookie(e.cookieName()); err == nil {
		if sum, ok := e.sessions.find(cookie.Value); ok {
			if t, ok := e.tokens.findSum(sum); ok {
				return caller{t.Name, t.Role}, nil
			}
			e.sessions.end(cookie.Value)
		}
	}
	return caller{}, nil
}

func (e *entrance) try(r *http.Request, text string) (Token, error) {
	address := addressOf(r)
	if wait := e.guesses.wait(address); wait > 0 {
		seconds := strconv.Itoa(int((wait + time.Second - 1) / time.Second))
		return Token{}, &dlq.Error{Code: dlq.CodeRateLimited, Message: "too many wrong tokens came from this address",
			Hint: "try again in " + seconds + " seconds", Params: map[string]string{"retry_after": seconds}}
	}
	t, ok := e.tokens.find(text)
	if !ok {
		e.guesses.failed(address)
		return Token{}, dlq.Errorf(dlq.CodeUnauthorized, "the token is not known here").
			WithHint("check that it was copied whole; an admin can make a new one with \"dlq token new\"")
	}
	return t, nil
}

// Session is who asks, and whether a log-in is needed.
type Session struct {
	Actor string `json:"actor"`
	Role  Role   `json:"role"`
	Login string `json:"login"` // none, required or done
}

type logIn struct {
	Token string `json:"token"`
}

func (r *logIn) check(time.Time) error {
	r.Token = strings.TrimSpace(r.Token)
	if r.Token == "" || len(r.Token) > 200 {
		return dlq.Errorf(dlq.CodeInvalid, "the field \"token\" is empty or too long")
	}
	return nil
}

func (e *entrance) session(c caller) Session {
	switch {
	case e.tokens == nil:
		return Session{c.name, c.role, "none"}
	case c.role == "":
		return Session{Login: "required"}
	default:
		return Session{c.name, c.role, "done"}
	}
}

func (s *Server) getSession(c echo.Context) error {
	if _, err := bind(c, &none{}, s.Now()); err != nil {
		return err
	}
	// A cookie or a token that is not good any more is no error here: the answer is that a log-in is needed.
	who, err := s.entrance.who(c.Request())
	if err != nil && dlq.CodeOf(err) != dlq.CodeUnauthorized {
		return err
	}
	return writeJSON(c, http.StatusOK, s.entrance.session(who))
}

func (s *Server) logIn(c echo.Context) error {
	var req logIn
	if _, err := bind(c, &req, s.Now()); err != nil {
		return err
	}
	if s.entrance.tokens == nil {
		return dlq.Errorf(dlq.CodeNotSupported, "no log-in is needed: this console runs without a token file")
	}
	t, err := s.entrance.try(c.Request(), req.Token)
	if err != nil {
		s.Logger.Warn("log-in refused", "address", c.Request().RemoteAddr, "code", dlq.CodeOf(err))
		return err
	}
	id, ends := s.entrance.sessions.begin(t)
	s.setCookie(c, id, ends)
	s.Logger.Info("logged in", "actor", t.Name, "role", t.Role, "address", c.Request().RemoteAddr)
	return writeJSON(c, http.StatusOK, s.entrance.session(caller{t.Name, t.Role}))
}

func (s *Server) logOut(c echo.Context) error {
	if _, err := bind(c, &none{}, s.Now()); err != nil {
		return err
	}
	if cookie, err := c.Cookie(s.entrance.cookieName()); err == nil {
		s.entrance.sessions.end(cookie.Value)
	}
	s.setCookie(c, "", time.Unix(1, 0))
	after := caller{}
	if s.entrance.tokens == nil {
		after = caller{dlq.ActorLocal, RoleAdmin}
	}
	return writeJSON(c, http.StatusOK, s.entrance.session(after))
}

func (s *Server) setCookie(c echo.Context, id string, ends time.Time) {
	c.SetCookie(&http.Cookie{Name: s.entrance.cookieName(), Value: id, Path: "/", Expires: ends,
		HttpOnly: true, Secure: s.entrance.secure, SameSite: http.SameSiteStrictMode})
}

// authorize finds the caller of a route and checks the role.
func (s *Server) authorize(c echo.Context, need Role) (context.Context, error) {
	who, err := s.entrance.who(c.Request())
	if err == nil {
		err = allow(who, need)
	}
	return withCaller(c.Request().Context(), who), err
}
