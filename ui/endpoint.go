package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
)

// none is the request of a call that takes nothing.
type none struct{}

// items is the answer of a call that lists everything there is.
type items[T any] struct {
	Items []T `json:"items"`
}

// read makes a handler of a function that changes nothing.
func read[Request, Answer any](s *Server, f func(context.Context, *Request) (Answer, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		var req Request
		if _, err := bind(c, &req, s.Now()); err != nil {
			return err
		}
		answer, err := f(c.Request().Context(), &req)
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, answer)
	}
}

const (
	writeTimeout = time.Minute     // for one write
	bulkTimeout  = 5 * time.Minute // for acts on selections
	answerTime   = 10 * time.Second
)

// write makes a handler of a function that changes something. What a person asked for is done to its end even if the
// connection breaks, within the limit; with an Idempotency-Key it is done once.
func write[Request, Answer any](s *Server, limit time.Duration, f func(context.Context, *Request) (Answer, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		var req Request
		body, err := bind(c, &req, s.Now())
		if err != nil {
			return err
		}
		if limit > writeTimeout {
			// Not every writer has deadlines; one without is not cut off either.
			_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(limit + answerTime))
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), limit)
		defer cancel()
		status, text, err := s.once.do(ctx, s.Store, c.Request(), body, s.Now, func() (int, []byte, error) {
			answer, err := f(ctx, &req)
			if err != nil {
				return 0, nil, err
			}
			status := http.StatusOK
			if own, ok := any(answer).(statusOwner); ok {
				status = own.status()
			}
			text, err := encode(answer)
			return status, text, err
		})
		if text == nil {
			return err
		}
		if err != nil { // it was done; only the memory of it failed
			s.Logger.Warn("answer under an idempotency key not kept", "request_id", requestID(c), "error", err)
		}
		return writeText(c, status, "application/json", text)
	}
}

// statusOwner is an answer that knows its HTTP status; that of all others is 200.
type statusOwner interface {
	status() int
}

// Memory keeps the answers of writes that name an Idempotency-Key.
type Memory interface {
	Remembered(ctx context.Context, key string) (dlq.Remembered, bool, error)
	Remember(ctx context.Context, r dlq.Remembered) error
}

// onceKeeper makes repeated writes the same write.
type onceKeeper struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // keys whose write is under way
}

// do runs the write unless the same was done before under the request's key; then it returns the answer of then. Only
// answers of writes that were done are kept: one that failed changed nothing and may be repeated. text is nil when it was not done.
func (o *onceKeeper) do(ctx context.Context, memory Memory, r *http.Request, body []byte, now func() time.Time, run func() (int, []byte, error)) (status int, text []byte, err error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return run()
	}
	if len(key) > 128 || strings.IndexFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) >= 0 {
		return 0, nil, dlq.Errorf(dlq.CodeInvalid, "the header Idempotency-Key is not 1 to 128 printable ASCII characters")
	}
	who := actor(ctx)
	request := fmt.Sprintf("%s %s %s %x", who, r.Method, r.URL.EscapedPath(), sha256.Sum256(bytes.TrimSpace(body)))
	key = who + "/" + key

	release, err := o.claim(ctx, key)
	if err != nil {
		return 0, nil, err
	}
	defer release()
	have, ok, err := memory.Remembered(ctx, key)
	switch {
	case err != nil:
		return 0, nil, err
	case ok && have.Request != request:
		return 0, nil, dlq.Errorf(dlq.CodeRefused, "this Idempotency-Key was used for another request").WithHint("use a fresh key for each write")
	case ok:
		return have.Status, have.Answer, nil
	}
	if status, text, err = run(); err != nil {
		return 0, nil, err
	}
	return status, text, memory.Remember(ctx, dlq.Remembered{Key: key, Request: request, Status: status, Answer: text, At: now().UTC()})
}

// claim waits until no other write runs under the key.
func (o *onceKeeper) claim(ctx context.Context, key string) (release func(), err error) {
	for {
		o.mu.Lock()
		other, taken := o.busy[key]
		if !taken {
			if o.busy == nil {
				o.busy = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			o.busy[key] = mine
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				delete(o.busy, key)
				close(mine)
			}, nil
		}
		o.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the write under the same key: %w", ctx.Err())
		}
	}
}
