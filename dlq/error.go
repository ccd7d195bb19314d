package dlq

import (
	"errors"
	"fmt"
)

// Code says what kind of error a person or a program is looking at. Codes are stable: the page translates them and
// scripts test them.
type Code string

// The codes of errors that leave the process.
const (
	CodeInvalid      Code = "invalid"       // the input is wrong; repeating it does not help
	CodeNotFound     Code = "not_found"     // no such letter, topic, rule, …
	CodeConflict     Code = "conflict"      // somebody else changed it in between; look again
	CodeRefused      Code = "refused"       // understood, but it would lose or harm a message, or the state forbids it
	CodeUnauthorized Code = "unauthorized"  // log-in missing or wrong
	CodeForbidden    Code = "forbidden"     // logged in, but the role does not allow it
	CodeUnavailable  Code = "unavailable"   // the broker, or the disk, does not answer now; trying later may help
	CodeTooLarge     Code = "too_large"     // the input is over a limit that the message names
	CodeInternal     Code = "internal"      // our fault
	CodeRateLimited  Code = "rate_limited"  // too many calls
	CodeNotSupported Code = "not_supported" // this broker or consumer group cannot do it
)

// Error is an error that a person may see: what happened, to what, and what to do next. Err is the cause for the log
// and is never shown. Neither Message nor Hint may hold a secret or a message body.
type Error struct {
	Code    Code
	Message string            // one public sentence: what happened, to what
	Hint    string            // what to do next; may be empty
	Params  map[string]string // values that a translation of the message needs; may be nil
	Err     error             // hidden cause; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the hidden cause.
func (e *Error) Unwrap() error { return e.Err }

// Unexpected is what a person reads of an error that nobody foresaw.
const Unexpected = "something unexpected went wrong; see the log"

// SentenceOf is what a person may read of an error: the sentence of the first Error in the chain, else the given one.
func SentenceOf(err error, otherwise string) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return otherwise
}

// WhyDiskFull is the parameter "why" of an error that the data folder's disk is the cause of, and not a broker.
const WhyDiskFull = "disk_full"

// WhyOf returns the parameter "why" of an Error in the chain of err, "" for none.
func WhyOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Params["why"]
	}
	return ""
}

// Errorf makes an Error. A %w verb keeps its cause hidden from the person and visible to errors.Is; the public sentence
// is the format up to the first ": %w".
func Errorf(code Code, format string, args ...any) *Error {
	full := fmt.Errorf(format, args...)
	cause := errors.Unwrap(full)
	msg := full.Error()
	if cause != nil {
		if tail := ": " + cause.Error(); len(msg) > len(tail) && msg[len(msg)-len(tail):] == tail {
			msg = msg[:len(msg)-len(tail)]
		}
	}
	return &Error{Code: code, Message: msg, Err: cause}
}

// WithHint sets what to do next and returns the same error.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf returns the code of the first Error in the chain, CodeInternal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
