package dlq

import "time"

// CallState is where a compensation call stands.
type CallState string

// The states of a call.
const (
	CallPending   CallState = "pending"  // to be made at NextAt; while it is being made that is when it counts as lost
	CallAnswered  CallState = "answered" // the endpoint gave a verdict
	CallUsedUp    CallState = "used_up"  // every attempt failed
	CallBroken    CallState = "broken"   // the endpoint's answer breaks the contract
	CallCancelled CallState = "cancelled"
)

// CallVerdict is what a compensation endpoint decides.
type CallVerdict string

// The verdicts of a compensation endpoint.
const (
	CallDone        CallVerdict = "done"        // nothing to do, or done already: the letter is resolved
	CallCompensated CallVerdict = "compensated" // undone or settled: the letter is resolved; refs say where
	CallReplay      CallVerdict = "replay"      // give the message back to its consumer group
	CallRetry       CallVerdict = "retry"       // ask again later
	CallManual      CallVerdict = "manual"      // a person is needed
)

// Call is one question to a compensation endpoint about one letter, with all its attempts. Its ID is the webhook-id of
// every attempt: the endpoint must be idempotent on it.
type Call struct {
	ID        string      `json:"id"`
	LetterID  int64       `json:"letter_id,string"`
	Name      string      `json:"name"` // of the compensation in rules.yaml
	State     CallState   `json:"state"`
	Attempts  int         `json:"attempts"` // requests made, whatever came of them
	Failures  int         `json:"-"`        // of these, how many brought no usable answer; counted from the log, against the compensation's max
	Broken    int         `json:"-"`        // of these, how many answers broke the contract; counted from the log
	NextAt    *time.Time  `json:"next_at,omitempty"`
	Verdict   CallVerdict `json:"verdict,omitempty"`
	Reason    string      `json:"reason,omitempty"` // what the endpoint says
	Refs      []CallRef   `json:"refs,omitempty"`
	Error     string      `json:"error,omitempty"` // public sentence of the last failure
	CreatedAt time.Time   `json:"created_at"`
	ChangedAt time.Time   `json:"changed_at"`
	Log       []Attempt   `json:"log,omitempty"` // newest first
}

// CallRef points at what a compensation made: a refund, a cancelled order.
type CallRef struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	URL  string `json:"url,omitempty"`
}

// Attempt is one outgoing HTTP request and its answer. Bodies of messages and secrets are not in it.
type Attempt struct {
	CallID   string    `json:"call_id"`
	Number   int       `json:"number"`
	At       time.Time `json:"at"`
	Duration Duration  `json:"duration"`
	Status   int       `json:"status"`           // HTTP status; 0 when there was no answer
	Answer   string    `json:"answer,omitempty"` // first 16 KiB of the answer's body
	Error    string    `json:"error,omitempty"`
	Address  string    `json:"address,omitempty"` // IP that was dialled
}
