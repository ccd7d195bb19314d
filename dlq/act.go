package dlq

import "time"

// Act is what a person does to one letter. Which act it is, is the method that takes it.
type Act struct {
	LetterID int64
	Version  int64 // the letter's version that was seen; 0 for "whatever it is now"
	Actor    string
	Note     string     // why; discard, resolve and note ask for it
	Until    *time.Time // for snooze: when it wakes
	Route    Route      // for reroute

	Operation  int64      // number of the operation that it belongs to; 0 for none
	Resolution Resolution // for resolve: "" for by hand; confirmed only after a probe that was a success
}

// ActResult is what an act on a selection did to one letter: the letter after it, or why nothing happened.
type ActResult struct {
	LetterID int64
	Letter   Letter
	Err      error // nil when it was done
}

// ReportResult says which letters one report concerns. None is no error: the letter may arrive later.
type ReportResult struct {
	Matched []int64 // ids of letters
}

// Remembered is the answer of a write that named an idempotency key, kept so that the same write is answered alike.
type Remembered struct {
	Key     string
	Request string // who asked for what: actor, method, path and the SHA-256 of the body
	Status  int    // HTTP status of the answer
	Answer  []byte // JSON
	At      time.Time
}
