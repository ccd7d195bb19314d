package dlq

import (
	"strconv"
	"time"
)

// Letter is one dead message of one consumer group: the thing people work on. It survives its replays: when the
// replayed message dies again, the same letter is reopened with one more death.
type Letter struct {
	ID      int64 `json:"id,string"`
	Version int64 `json:"version"` // rises with every change; a write names the version that it saw

	State      State      `json:"state"`
	Resolution Resolution `json:"resolution,omitempty"` // only when resolved
	Route      Route      `json:"route"`
	Hold       Hold       `json:"hold,omitempty"` // why the route is not acted on by itself
	Severity   Severity   `json:"severity"`
	Flags      []Flag     `json:"flags"`
	Owner      string     `json:"owner,omitempty"`
	Runbook    string     `json:"runbook,omitempty"`
	Labels     []string   `json:"labels,omitempty"`

	Reason       string       `json:"reason"` // "unknown" when nobody says
	ReasonText   string       `json:"reason_text,omitempty"`
	ReasonOrigin ReasonOrigin `json:"reason_origin"`
	ReasonField  string       `json:"reason_field,omitempty"`        // which source answered, as rules.yaml names it
	Fingerprint  string       `json:"fingerprint"`                   // 16 hex digits of the reason and its masked text
	ReasonDeath  int64        `json:"reason_death,string,omitempty"` // id of the earlier death that gave the reason, where the newest one does not say why; else left out
	Business     string       `json:"business,omitempty"`
	Envelope     string       `json:"envelope,omitempty"` // name of the envelope that wraps the body, "" for none

	Cluster         string   `json:"cluster"`
	ConsumerGroup   string   `json:"consumer_group"`
	Topic           string   `json:"topic"`                       // original topic; "" when it cannot be told
	DLQTopic        string   `json:"dlq_topic"`                   // %DLQ%<consumer group>
	Broker          string   `json:"broker"`                      // broker that has the newest dead copy
	MessageID       string   `json:"message_id"`                  // offset id of the newest dead copy
	OriginMessageID string   `json:"origin_message_id,omitempty"` // property ORIGIN_MESSAGE_ID: an offset id or, for Java orderly consumers, a UNIQ_KEY
	UniqueKey       string   `json:"unique_key,omitempty"`        // property UNIQ_KEY
	Keys            []string `json:"keys,omitempty"`
	Tags            string   `json:"tags,omitempty"`

	Attempts   int    `json:"attempts"`              // reconsumeTimes of the newest dead copy
	RetryCount *int64 `json:"retry_count,omitempty"` // what the body says of itself
	Deaths     int    `json:"deaths"`                // arrivals in the DLQ
	Replays    int    `json:"replays"`               // how often this console gave it back, not counting sends that surely did not happen
	Size       int    `json:"size"`                  // bytes of the body as stored

	BornAt    time.Time  `json:"born_at"`    // when the message was produced (for Java orderly consumers: when it died)
	DiedAt    time.Time  `json:"died_at"`    // when the newest dead copy was stored by the broker
	ArrivedAt time.Time  `json:"arrived_at"` // when this console stored the newest dead copy
	ChangedAt time.Time  `json:"changed_at"`
	BornRaw   int64      `json:"born_raw,omitempty,string"` // milliseconds since 1970 as the message has them, where they are not born_at: before 1970 or after 9999
	DiedRaw   int64      `json:"died_raw,omitempty,string"` // the same for died_at
	DueAt     *time.Time `json:"due_at,omitempty"`          // next step of a scheduled, snoozed or compensating letter
	ExpiresAt *time.Time `json:"expires_at,omitempty"`      // when retention deletes a resolved or discarded letter

	Rule        string `json:"rule"`
	RuleVersion int64  `json:"rule_version"` // 0: no rules were in force
}

// Title is what a person calls the letter: its first key, else its UNIQ_KEY, else the id of the dead copy.
func (l *Letter) Title() string {
	switch {
	case len(l.Keys) > 0:
		return l.Keys[0]
	case l.UniqueKey != "":
		return l.UniqueKey
	default:
		return l.MessageID
	}
}

// HasFlag reports whether the letter carries the flag.
func (l *Letter) HasFlag(f Flag) bool {
	for _, have := range l.Flags {
		if have == f {
			return true
		}
	}
	return false
}

// ParseID reads a letter's id as the API writes it. The error is CodeInvalid.
func ParseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, &Error{Code: CodeInvalid, Message: "a letter's id is a positive whole number", Err: err}
	}
	return id, nil
}

// Death is one arrival of a letter's message in a %DLQ% topic.
type Death struct {
	Position
	ID            int64     `json:"id,string"`
	MessageID     string    `json:"message_id"` // offset id of this dead copy
	PhysOffset    int64     `json:"phys_offset,string"`
	Attempts      int       `json:"attempts"`            // reconsumeTimes
	ReplayID      string    `json:"replay_id,omitempty"` // the replay that died, "" for a first death
	ArrivedAt     time.Time `json:"arrived_at"`
	ForeignReplay bool      `json:"foreign_replay,omitempty"` // it carries a replay id that this console never wrote
	DeathReason
}

// DeathReason is what one death itself says, and what the rules made of the letter then. All of it is empty for a death
// that was stored by a version of this program that kept no more than the newest.
type DeathReason struct {
	Reason       string       `json:"reason,omitempty"`
	ReasonText   string       `json:"reason_text,omitempty"`
	ReasonOrigin ReasonOrigin `json:"reason_origin,omitempty"`
	ReasonField  string       `json:"reason_field,omitempty"`
	Fingerprint  string       `json:"fingerprint,omitempty"`
	Route        Route        `json:"route,omitempty"`
	Severity     Severity     `json:"severity,omitempty"`
	Rule         string       `json:"rule,omitempty"`
	RuleVersion  int64        `json:"rule_version,omitempty"`
}

// Known reports whether somebody who could know gave the reason of this death.
func (r DeathReason) Known() bool {
	return r.Reason != "" && (!guessed(r.ReasonOrigin) || r.ReasonOrigin == OriginUnboundReport)
}

// Detail is a letter whole, as its page shows it. The body is fetched apart.
type Detail struct {
	Letter
	Properties map[string]string `json:"properties"` // of the newest dead copy, exactly as the broker stored them

	// EscapedProperties are those that are not UTF-8, by the name that they have in Properties of an API answer. There each byte
	// that is none is \xNN, in name and value, and a backslash is two.
	EscapedProperties []string `json:"escaped_properties,omitempty"`

	SysFlag    int32     `json:"sys_flag"`
	BornHost   string    `json:"born_host,omitempty"`
	StoreHost  string    `json:"store_host,omitempty"` // broker address of the newest dead copy
	BodyState  BodyState `json:"body_state"`
	History    []Death   `json:"history"`     // newest first
	ReplayList []Replay  `json:"replay_list"` // newest first
	Events     []Event   `json:"events"`      // newest first
	Calls      []Call    `json:"calls"`       // compensation calls, newest first
	Verdict    Verdict   `json:"verdict"`     // what the rules said when they judged it last
	Judged     Judgement `json:"judged"`      // when that was and what it was judged by; with the letter's facts and rule version it gives the trace again
}

// EarlierCause is the newest known reason among the deaths before the newest one; nil for none.
func (d *Detail) EarlierCause() *Cause {
	for i := 1; i < len(d.History); i++ {
		if h := &d.History[i]; h.Known() {
			return &Cause{Death: h.ID, Reason: h.Reason, Text: h.ReasonText, Origin: h.ReasonOrigin, Field: h.ReasonField, Fingerprint: h.Fingerprint}
		}
	}
	return nil
}

// OwnCause is what the newest death itself says; nil where the reason of the letter is that.
func (d *Detail) OwnCause() *Cause {
	if d.ReasonDeath == 0 || len(d.History) == 0 {
		return nil
	}
	h := &d.History[0]
	return &Cause{Death: h.ID, Reason: h.Reason, Text: h.ReasonText, Origin: h.ReasonOrigin, Field: h.ReasonField, Fingerprint: h.Fingerprint}
}

// BodyState says what the stored body is.
type BodyState string

// What became of a body on its way in.
const (
	BodyPlain     BodyState = "plain"      // as the broker had it
	BodyInflated  BodyState = "inflated"   // it was compressed and is stored decompressed
	BodyUndecoded BodyState = "undecoded"  // its compression could not be undone; the raw bytes are stored
	BodyOverLimit BodyState = "over_limit" // decompressed it is over the size limit; the raw bytes are stored
)
