package ui

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

const (
	sessionLife      = 12 * time.Hour
	sessionsPerToken = 20 // a further log-in ends the one of the same token that was not used for longest
)

// sessions are the log-ins of browsers. They live in memory and hold only the SHA-256 of what a cookie carries, so that
// neither the database nor a memory dump lets anybody in. A restart asks everybody to log in again. A session ends with its token.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	open map[[sha256.Size]byte]*session
}

type session struct {
	id      string // names it in lists; nobody gets in by it
	token   [sha256.Size]byte
	name    string // of the token
	role    Role
	address string // that the log-in came from
	since   time.Time
	used    time.Time
	ends    time.Time
}

// begin makes a session of a token; secret is what the cookie carries.
func (s *sessions) begin(token Token, address string) (secret string, ends time.Time) {
	secret = rand.Text() // 128 bits and more, see crypto/rand
	now := s.now()
	ends = now.Add(sessionLife)
	if !token.Expires.IsZero() && token.Expires.Before(ends) {
		ends = token.Expires
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[[sha256.Size]byte]*session{}
	}
	for n, oldest := s.ofToken(token, now); n >= sessionsPerToken; n, oldest = s.ofToken(token, now) {
		delete(s.open, oldest)
	}
	s.open[sha256.Sum256([]byte(secret))] = &session{id: rand.Text()[:16], token: token.SHA256, name: token.Name, role: token.Role,
		address: address, since: now, used: now, ends: ends}
	return secret, ends
}

// ofToken counts the sessions of a token, and forgets all that are over. s.mu is held.
func (s *sessions) ofToken(token Token, now time.Time) (n int, oldest [sha256.Size]byte) {
	var used time.Time
	for k, one := range s.open {
		if !now.Before(one.ends) {
			delete(s.open, k)
			continue
		}
		if one.token != token.SHA256 {
			continue
		}
		if n++; n == 1 || one.used.Before(used) {
			oldest, used = k, one.used
		}
	}
	return n, oldest
}

// find returns the session of what a cookie carries, as it is now that it is used.
func (s *sessions) find(secret string) (session, bool) {
	key := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.open[key]
	if !ok {
		return session{}, false
	}
	now := s.now()
	if !now.Before(have.ends) {
		delete(s.open, key)
		return session{}, false
	}
	have.used = now
	return *have, true
}

func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(secret)))
}

// endByID ends the session of this id, and reports whether there was one.
func (s *sessions) endByID(id string) (ended session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, one := range s.open {
		if one.id == id {
			delete(s.open, k)
			return *one, true
		}
	}
	return session{}, false
}

// keep ends all sessions whose token is not good any more.
func (s *sessions) keep(good func(token [sha256.Size]byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, one := range s.open {
		if !good(one.token) {
			delete(s.open, k)
		}
	}
}

// list returns the sessions that are not over, those used last first.
func (s *sessions) list() []session {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var out []session
	for _, one := range s.open {
		if now.Before(one.ends) {
			out = append(out, *one)
		}
	}
	slices.SortFunc(out, func(a, b session) int { return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.id, b.id)) })
	return out
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
	if code := dlq.CodeOf(err); err != nil && code != dlq.CodeUnauthorized && code != dlq.CodeUnavailable {
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
	address := s.entrance.proxies.client(c.Request())
	t, err := s.entrance.try(c.Request(), req.Token)
	if err != nil {
		s.Logger.Warn("log-in refused", "address", address, "code", dlq.CodeOf(err))
		return err
	}
	secret, ends := s.entrance.sessions.begin(t, address)
	s.setCookie(c, secret, ends)
	s.Logger.Info("logged in", "actor", t.Name, "role", t.Role, "address", address)
	return writeJSON(c, http.StatusOK, s.entrance.session(callerOf(t)))
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
		after = localCaller
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
