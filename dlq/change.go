package dlq

import (
	"path"
	"time"
)

// Change is one step of one letter. The store applies it in a transaction: it checks the version, asks the transition
// table, moves the letter, its counts, its due work and its replay, and appends the event.
type Change struct {
	LetterID int64
	Version  int64 // the version that was seen; 0 for "whatever it is now"
	Trigger  Trigger
	To       State

	Resolution Resolution // with To resolved
	Hold       *Hold      // nil: leave
	Route      Route      // "": leave
	Severity   Severity   // "": leave
	Owner      *string    // nil: leave
	AddFlags   []Flag
	DropFlags  []Flag
	DueAt      *time.Time // when scheduled, snoozed or compensating: the next step; cleared by every other state
	Verdict    *Verdict   // with a new verdict; Facts must be set too
	Facts      *Facts
	Earlier    *Cause // what became known of an earlier death, by its Death; nil for nothing

	Replay      *Replay // with TriggerClaim: the intent to insert; else the replay to update, by its ID
	Operation   int64   // its item becomes done with this change; a change with a replay has Replay.Operation instead
	CountReplay int     // +1 with a claim, -1 when it surely was not sent
	Call        *Call   // the compensation call to insert or update, by its ID

	Event Event // LetterID, ID and At are filled by the store; a zero Kind appends none
}

// Arrival is one dead message with what the classifier made of it, ready to be stored.
type Arrival struct {
	Message DeadMessage
	Facts   Facts
	Verdict Verdict
	Plan    Plan
	Join    *Join // the letter that it belongs to; nil for a new letter
	Foreign bool  // it carries a replay id that this console never wrote

	ReportsSeen int64 // Known.ReportsSeen as it was given; 0 does not check for reports that came in between
}

// Plan is what shall happen to an arriving letter: its state, why it is held if it is, and when the next step is due.
type Plan struct {
	State State
	Hold  Hold
	DueAt *time.Time
	Flags []Flag // to add
	Call  *Call  // with compensating: the call to be made
}

// Join ties an arrival to the letter whose replay died.
type Join struct {
	LetterID int64
	ReplayID string
}

// AdmitBatch is one queue's batch, judged, ready for the store.
type AdmitBatch struct {
	Queue    Queue
	Epoch    int64
	From     int64
	Next     int64
	Gap      *Gap
	Arrivals []Arrival
}

// Known is what the store knows that bears on an arriving message.
type Known struct {
	Letter  *Letter // the letter that it joins; nil for none
	Replay  *Replay // the replay that died
	Report  *Report // newest report about it; nil for none
	Earlier *Cause  // the newest known reason of the letter that it joins; nil for none
	Foreign bool    // it carries a replay id that is not ours

	ReportsSeen int64 // which reports were looked at; goes into the Arrival, so that one that comes in between is not missed
}

// Automation is the persisted switch that lets the console act without a person.
type Automation struct {
	On        bool       `json:"on"`
	Stopped   bool       `json:"stopped"`         // the global stop: no automatic and no bulk send
	Since     *time.Time `json:"since,omitempty"` // when it was switched on: only letters that die later act
	ChangedAt *time.Time `json:"changed_at,omitempty"`
	Actor     string     `json:"actor,omitempty"`
	Note      string     `json:"note,omitempty"`
	Version   int64      `json:"version"`
}

// AutomationPolicy is the automation section of rules.yaml.
type AutomationPolicy struct {
	MaxAge     Duration     `json:"max_age"`               // letters that died earlier never act by themselves
	Rate       float64      `json:"rate"`                  // automatic sends per second and consumer group
	Quarantine int          `json:"quarantine_after"`      // a letter that failed again so often is quarantined; 0 for never
	Stale      []StaleLimit `json:"stale_after,omitempty"` // by topic; the first that matches counts
}

// StaleLimit is the age above which the letters of some topics need a second look before they are given back.
type StaleLimit struct {
	Topic string   `json:"topic"` // a name, or a pattern with * and ?
	After Duration `json:"after"`
}

// IsStale reports whether a message is older than the limit of its topic at a time: as old as its producer says, where that is
// possible, and not as its newest death.
func (p AutomationPolicy) IsStale(topic string, born, died, at time.Time) bool {
	if born.IsZero() || born.After(died) {
		born = died
	}
	for _, l := range p.Stale {
		if ok, err := path.Match(l.Topic, topic); err == nil && ok || l.Topic == topic {
			return l.After > 0 && at.Sub(born) > time.Duration(l.After)
		}
	}
	return false
}
