package dlq

import "time"

// EventKind says what happened to a letter.
type EventKind string

// The kinds of event.
const (
	EventArrived       EventKind = "arrived"
	EventDiedAgain     EventKind = "died_again"
	EventScheduled     EventKind = "scheduled"
	EventCancelled     EventKind = "cancelled"
	EventIntended      EventKind = "intended"
	EventSent          EventKind = "sent"
	EventSendFailed    EventKind = "send_failed"
	EventSendUnknown   EventKind = "send_unknown"
	EventDelivered     EventKind = "delivered"
	EventConfirmed     EventKind = "confirmed"
	EventAssumed       EventKind = "assumed"
	EventOutcomeLost   EventKind = "outcome_unknown"
	EventCompensating  EventKind = "compensating"
	EventCallAnswered  EventKind = "call_answered"
	EventCompensated   EventKind = "compensated"
	EventResolved      EventKind = "resolved"
	EventDiscarded     EventKind = "discarded"
	EventRestored      EventKind = "restored"
	EventSnoozed       EventKind = "snoozed"
	EventWoke          EventKind = "woke"
	EventTaken         EventKind = "taken"
	EventReleased      EventKind = "released"
	EventNoted         EventKind = "noted"
	EventReported      EventKind = "reported"
	EventReclassified  EventKind = "reclassified"
	EventEdited        EventKind = "edited"
	EventProbed        EventKind = "probed"
	EventQuarantined   EventKind = "quarantined"
	EventUnquarantined EventKind = "unquarantined"
)

// The actors that are not people.
const (
	ActorLocal      = "local"      // a person, while no tokens are in use
	ActorAutomation = "automation" // rules, while automation is on
	ActorTracker    = "tracker"    // the finder of outcomes
	ActorIntake     = "intake"
	ActorConsole    = "console" // this console, when it switches its automation off for another one
)

// Event is one thing that happened to a letter: who, what, when, under which rule.
type Event struct {
	ID       int64             `json:"id,string"`
	LetterID int64             `json:"letter_id,string"`
	At       time.Time         `json:"at"`
	Kind     EventKind         `json:"kind"`
	Actor    string            `json:"actor"`
	ReplayID string            `json:"replay_id,omitempty"`
	Rule     string            `json:"rule,omitempty"`
	Note     string            `json:"note,omitempty"`   // what a person wrote
	Detail   map[string]string `json:"detail,omitempty"` // small, for the page to put into words

	// After the event, for those who follow the stream; not stored.
	State         State  `json:"state,omitempty"`
	From          State  `json:"from,omitempty"`
	ConsumerGroup string `json:"consumer_group,omitempty"`
}
