package dlq

import "time"

// ProbeVerdict is what a consumer's listener answered to a probe.
type ProbeVerdict string

// The verdicts of a probe.
const (
	ProbeSuccess   ProbeVerdict = "success"   // it has consumed the message
	ProbeLater     ProbeVerdict = "later"     // it failed and would be tried again
	ProbeException ProbeVerdict = "exception" // it threw; Text says what
	ProbeNull      ProbeVerdict = "null"      // it returned nothing
	ProbeTimeout   ProbeVerdict = "timeout"   // the broker gave up after ten seconds: it may have run, and may still run
)

// ProbeRequest is the wish to run a letter's listener now, on one connected client.
type ProbeRequest struct {
	LetterID int64  `json:"-"`
	Version  int64  `json:"version"`
	ClientID string `json:"client_id"` // "": the first that can be asked
	Note     string `json:"note"`
	Actor    string `json:"-"`
}

// Probe is what one probe found.
type Probe struct {
	LetterID int64        `json:"letter_id,string"`
	At       time.Time    `json:"at"`
	Actor    string       `json:"actor"`
	Note     string       `json:"note,omitempty"`
	ClientID string       `json:"client_id"`
	Language string       `json:"language,omitempty"`
	Verdict  ProbeVerdict `json:"verdict"`
	Text     string       `json:"text,omitempty"`    // the exception's summary, where the client tells it
	Reason   string       `json:"reason,omitempty"`  // the exception's class, or its first words: what becomes the letter's reason
	Spent    Duration     `json:"spent"`             // in the listener, as the client measured it; else the whole request
	Trusted  bool         `json:"trusted"`           // false: this kind of client answers success also when it failed
	OnDead   bool         `json:"on_dead,omitempty"` // the dead copy was used: the listener saw the topic %DLQ%<group>
}

// ProbeAnswer is what a broker brings back from one client.
type ProbeAnswer struct {
	ClientID string
	Language string
	Verdict  ProbeVerdict
	Text     string
	Spent    time.Duration
	Trusted  bool
	OnDead   bool
}
