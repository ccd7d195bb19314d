package ui

import (
	"context"
	"errors"
	"net/http"
	"syscall"

	"github.com/labstack/echo/v4"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook"
)

// Problem is an error as the API writes it: RFC 9457 with a stable code.
type Problem struct {
	Type        string            `json:"type"`
	Title       string            `json:"title"`
	Status      int               `json:"status"`
	Code        dlq.Code          `json:"code"`
	Detail      string            `json:"detail"`
	Hint        string            `json:"hint,omitempty"`
	Params      map[string]string `json:"params,omitempty"`
	Letter      *dlq.Letter       `json:"letter,omitempty"`      // the present letter, when somebody else changed it
	Operation   *dlq.Operation    `json:"operation,omitempty"`   // the present operation, when somebody else changed it
	Diagnostics []dlq.Diagnostic  `json:"diagnostics,omitempty"` // of a text of rules.yaml
	Rules       *RulesNow         `json:"rules,omitempty"`       // the present file, when somebody else changed it
	RequestID   string            `json:"request_id"`
}

// statuses is the one place that turns codes into HTTP statuses.
var statuses = map[dlq.Code]int{
	dlq.CodeInvalid:      http.StatusBadRequest,
	dlq.CodeUnauthorized: http.StatusUnauthorized,
	dlq.CodeForbidden:    http.StatusForbidden,
	dlq.CodeNotFound:     http.StatusNotFound,
	dlq.CodeConflict:     http.StatusConflict,
	dlq.CodeTooLarge:     http.StatusRequestEntityTooLarge,
	dlq.CodeRefused:      http.StatusUnprocessableEntity,
	dlq.CodeNotSupported: http.StatusUnprocessableEntity,
	dlq.CodeRateLimited:  http.StatusTooManyRequests,
	dlq.CodeUnavailable:  http.StatusServiceUnavailable,
	dlq.CodeInternal:     http.StatusInternalServerError,
}

// letterError is an error that shows the present letter.
type letterError struct {
	error
	letter dlq.Letter
}

func (e letterError) Unwrap() error { return e.error }

// operationError is an error that shows the present operation.
type operationError struct {
	error
	operation dlq.Operation
}

func (e operationError) Unwrap() error { return e.error }

// rulesError is an error that shows the present rules file.
type rulesError struct {
	error
	rules RulesNow
}

func (e rulesError) Unwrap() error { return e.error }

// problemOf says what a person may know of an error.
func problemOf(err error, requestID string) Problem {
	p := Problem{Type: "about:blank", Code: dlq.CodeInternal, Detail: "Internal error",
		Hint: "the log of the console has the cause under the request id", RequestID: requestID}
	var known *dlq.Error
	var routed *echo.HTTPError
	switch {
	case errors.As(err, &known):
		if _, ok := statuses[known.Code]; ok && known.Code != dlq.CodeInternal {
			p.Code, p.Detail, p.Hint, p.Params = known.Code, known.Message, known.Hint, known.Params
		}
	case errors.Is(err, context.DeadlineExceeded):
		p.Code, p.Detail, p.Hint = dlq.CodeUnavailable, "it took too long", "try again; if it was a write, look first whether it was done"
	case errors.As(err, &routed) && routed.Code == http.StatusMethodNotAllowed:
		p.Code, p.Detail, p.Hint = dlq.CodeInvalid, "this address does not take this method", "the calls are described at "+apiBase+"/openapi.yaml"
	case errors.As(err, &routed) && routed.Code < http.StatusInternalServerError:
		p.Code, p.Detail, p.Hint = dlq.CodeNotFound, "there is nothing at this address", "the calls are described at "+apiBase+"/openapi.yaml"
	}
	p.Status = statuses[p.Code]
	if routed != nil && routed.Code == http.StatusMethodNotAllowed && known == nil {
		p.Status = routed.Code
	}
	p.Title = http.StatusText(p.Status)
	if shown := (letterError{}); errors.As(err, &shown) {
		p.Letter = &shown.letter
	}
	if shown := (operationError{}); errors.As(err, &shown) {
		p.Operation = &shown.operation
	}
	if shown := (rulesError{}); errors.As(err, &shown) {
		p.Rules = &shown.rules
	}
	if wrong := new(rulebook.InvalidError); errors.As(err, &wrong) {
		p.Diagnostics = wrong.Diagnostics
	}
	return p
}

// fail answers with an error, and logs it when it is ours or the world's.
func (s *Server) fail(err error, c echo.Context) {
	id := requestID(c)
	if errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		s.Logger.Debug("caller went away", "request_id", id, "route", c.Path())
		return
	}
	if errors.Is(err, echo.ErrMethodNotAllowed) && c.Path() == anyPath {
		err = echo.ErrNotFound // only the page is there, for those who read
	}
	p := problemOf(err, id)
	switch p.Code {
	case dlq.CodeInternal:
		s.Logger.Error("request failed", "request_id", id, "method", c.Request().Method, "route", c.Path(), "actor", actor(c.Request().Context()), "error", err)
	case dlq.CodeUnavailable:
		s.Logger.Warn("request failed", "request_id", id, "method", c.Request().Method, "route", c.Path(), "actor", actor(c.Request().Context()), "error", err)
	}
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	switch p.Code {
	case dlq.CodeUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="dead letter office"`)
	case dlq.CodeRateLimited:
		header.Set("Retry-After", p.Params["retry_after"])
	case dlq.CodeUnavailable:
		header.Set("Retry-After", "2")
	}
	if err := writeJSONAs(c, p.Status, "application/problem+json", p); err != nil && !errors.Is(err, syscall.EPIPE) {
		s.Logger.Debug("answer not written", "request_id", id, "error", err)
	}
}
