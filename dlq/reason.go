package dlq

import "time"

// ReasonOrigin says who gave the reason of a death.
type ReasonOrigin string

// Where a reason can come from.
const (
	OriginProperty ReasonOrigin = "property" // a user property of the message
	OriginBody     ReasonOrigin = "body"     // a field of the body
	OriginEnvelope ReasonOrigin = "envelope" // a field of an envelope that wraps the message
	OriginReport   ReasonOrigin = "report"   // an application told us by POST /api/v1/reports
	// OriginUnboundReport is a report by a token that is not bound to consumer groups: it is shown, and starts nothing.
	OriginUnboundReport ReasonOrigin = "unbound_report"
	OriginProbe         ReasonOrigin = "probe"  // one consumer was asked to run its listener
	OriginBroker        ReasonOrigin = "broker" // only what the broker knows: attempts used up, or rejected at once
	OriginUnknown       ReasonOrigin = "unknown"
)

// ReasonOrigins lists the origins.
var ReasonOrigins = []ReasonOrigin{OriginProperty, OriginBody, OriginEnvelope, OriginReport, OriginUnboundReport, OriginProbe, OriginBroker, OriginUnknown}

// ReasonUnknown is the reason of a letter of which nobody says why it died.
const ReasonUnknown = "unknown"

// The two reasons that the broker itself can give. RocketMQ stores no failure text on a dead letter; all it tells is
// whether the retries ran out.
const (
	ReasonRetriesExhausted = "retries_exhausted" // the consumer failed it as often as its limit allows
	ReasonRejected         = "rejected"          // the consumer sent it to the DLQ at once
)

// Facts are what is known of a letter when rules judge it.
type Facts struct {
	Reason      string // ReasonUnknown when no source answers
	ReasonText  string
	Origin      ReasonOrigin
	Field       string // the source that answered, as rules.yaml names it
	Business    string
	Envelope    string // name of the envelope that matched, or ""
	Topic       string // original topic, taken from the envelope where there is one
	RetryCount  *int64 // what the body says of itself
	Fingerprint string // 16 hex digits

	Own         *Cause `json:",omitempty"` // what the newest death itself says, where the reason above is an earlier death's; nil where it is its own
	Unbound     bool   `json:",omitempty"` // without an unbound report another rule would decide, or the same one without a known reason
	ReasonDeath int64  `json:",omitempty"` // with Own: id of the death that gave the reason; 0 for the one before the newest
}

// Cause is why one death happened, as far as that death itself tells.
type Cause struct {
	Death       int64 // id of the death; 0 where it does not matter or is not stored yet
	Reason      string
	Text        string
	Origin      ReasonOrigin
	Field       string
	Fingerprint string
}

// Known reports whether somebody who could know gave the reason. What the broker itself tells is a guess.
func (c *Cause) Known() bool {
	return c != nil && (!guessed(c.Origin) || c.Origin == OriginUnboundReport)
}

// Inherited reports whether the reason is an earlier death's, because the newest one does not say why.
func (f Facts) Inherited() bool { return f.Own != nil }

// Guessed reports whether nobody who could know has given the reason. A guessed reason never steers an automatic replay.
func (f Facts) Guessed() bool { return f.Unbound || guessed(f.Origin) }

func guessed(o ReasonOrigin) bool {
	return o == OriginBroker || o == OriginUnknown || o == OriginUnboundReport || o == ""
}

// Report is what an application tells of a failure: which message of which consumer group, and why.
type Report struct {
	ID            int64     `json:"id,string"`
	ConsumerGroup string    `json:"consumer_group"`
	MessageID     string    `json:"message_id,omitempty"` // offset id (of the original or of the dead copy) or UNIQ_KEY
	UniqueKey     string    `json:"unique_key,omitempty"`
	Key           string    `json:"key,omitempty"` // one of the message's KEYS
	Reason        string    `json:"reason"`
	ReasonText    string    `json:"reason_text,omitempty"`
	Reporter      string    `json:"reporter,omitempty"` // actor that reported
	At            time.Time `json:"at"`
	// Bound says that the reporter may speak for the consumer group: its token names it, or may replay its letters anyway.
	Bound bool `json:"bound"`
}

// Origin is the origin of a reason that the report gives.
func (r *Report) Origin() ReasonOrigin {
	if r.Bound {
		return OriginReport
	}
	return OriginUnboundReport
}
