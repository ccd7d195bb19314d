package remoting

import (
	"errors"
	"fmt"
)

// Unsent says that the request cannot have taken effect: it never left whole. Sending it again is safe.
type Unsent struct {
	Addr string
	Err  error
}

func (e *Unsent) Error() string { return fmt.Sprintf("not sent to %s: %v", e.Addr, e.Err) }

// Unwrap returns the cause: a *DialError, the context's error, or what writing said.
func (e *Unsent) Unwrap() error { return e.Err }

// Malformed says that a request cannot be put into a frame, whoever it is for and whenever: nothing was sent.
type Malformed struct {
	Err error
}

func (e *Malformed) Error() string { return fmt.Sprintf("cannot be sent: %v", e.Err) }

// Unwrap returns what is wrong with it: a *[PropertyError], or what the encoder said.
func (e *Malformed) Unwrap() error { return e.Err }

// PropertyError says which property of a message cannot be sent, and why.
type PropertyError struct {
	Name string
	Why  string // a clause about the property
}

func (e *PropertyError) Error() string { return fmt.Sprintf("property %q: %s", e.Name, e.Why) }

// NoAnswer says that the request was written whole but no answer came; it may have taken effect.
type NoAnswer struct {
	Addr string
	Err  error
}

func (e *NoAnswer) Error() string { return fmt.Sprintf("sent to %s, no answer: %v", e.Addr, e.Err) }

// Unwrap returns the cause: the context's error or why the connection ended.
func (e *NoAnswer) Unwrap() error { return e.Err }

// DialError says that no connection could be made: name not found, refused, timed out, or TLS failed.
type DialError struct {
	Addr string
	Err  error
}

func (e *DialError) Error() string { return fmt.Sprintf("connect to %s: %v", e.Addr, e.Err) }

// Unwrap returns what the dialer said.
func (e *DialError) Unwrap() error { return e.Err }

// ResponseError is an answer whose code is not 0.
type ResponseError struct {
	Code   int
	Remark string
}

func (e *ResponseError) Error() string {
	if e.Remark == "" {
		return fmt.Sprintf("answer code %d", e.Code)
	}
	return fmt.Sprintf("answer code %d: %s", e.Code, e.Remark)
}

// IsCode says whether err is, or wraps, an answer with one of the given codes.
func IsCode(err error, codes ...int) bool {
	var re *ResponseError
	if !errors.As(err, &re) {
		return false
	}
	for _, code := range codes {
		if re.Code == code {
			return true
		}
	}
	return false
}
