package webhook

import (
	"time"

	"deadletteroffice/dlq"
)

// Prepared is a notification in its receiver's format, ready to be sent.
type Prepared struct {
	URL     string
	Headers map[string]string // beside those that Client.Send sets; a signature is one of them
	Body    []byte
	Timeout time.Duration // of the whole call; 0 means DefaultTimeout
	Shown   []byte        // Body with its secrets blacked out, for the log of deliveries; nil when Body holds none
}

// Ruling is what an answer means for a delivery.
type Ruling string

// The rulings.
const (
	RulingSent    Ruling = "sent"    // the receiver took it
	RulingRetry   Ruling = "retry"   // not now
	RulingRefused Ruling = "refused" // never: the same again would bring the same answer
)

// Outcome is what became of one attempt.
type Outcome struct {
	Ruling Ruling
	Wait   time.Duration // how long to wait at least before the next attempt; 0 leaves it to the back-off
	Error  string        // public sentence of what went wrong; "" when it was taken
}

// Format turns notifications into requests of their receivers and reads the answers.
type Format interface {
	// Prepare makes the request. The error is CodeNotFound when the receiver is no longer in rules.yaml, which cancels the
	// delivery; any other, as CodeRefused for a receiver whose URL is not set, makes it fail with the error's sentence.
	Prepare(d *dlq.Delivery, now time.Time) (Prepared, error)
	// Judge reads the answer, or the error that Client.Send gave in place of one.
	Judge(d *dlq.Delivery, res Response, err error) Outcome
	// PerMinute is how many messages the receiver takes in a minute; 0 for any number.
	PerMinute(receiver string) int
}
