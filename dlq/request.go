package dlq

import "time"

// ReplayRequest is the wish to give a letter back.
type ReplayRequest struct {
	LetterID  int64      `json:"-"`
	Version   int64      `json:"version"`              // the letter's version that was seen; 0 only for automation
	Door      Door       `json:"door,omitempty"`       // "": the console chooses
	Delay     Duration   `json:"delay,omitempty"`      // asked of the broker
	DeliverAt *time.Time `json:"deliver_at,omitempty"` // exact time; only where the broker has timers
	AsNew     bool       `json:"as_new,omitempty"`     // with a fresh UNIQ_KEY
	Target    Target     `json:"target,omitzero"`      // to whom; zero for the failed consumer group
	Edit      int        `json:"edit,omitempty"`       // number of the edit that is sent; 0 for the original
	Note      string     `json:"note,omitempty"`
	Actor     string     `json:"-"`
	Automatic bool       `json:"-"`
	Anywhere  bool       `json:"-"` // the caller may send beyond the failed consumer group and its replay_targets
}

// DoorOption is one door with what going through it would do to one letter.
type DoorOption struct {
	Door      Door     `json:"door"`
	Allowed   bool     `json:"allowed"`
	Why       string   `json:"why"`              // stable code: why it is the default, or why it is refused
	Warnings  []string `json:"warnings"`         // stable codes
	Target    string   `json:"target"`           // topic that it would be sent to
	Receivers []string `json:"receivers"`        // consumer groups that would get it
	Complete  bool     `json:"complete"`         // the list of receivers is known to be whole
	Delays    bool     `json:"delays"`           // takes a delay level
	Timer     bool     `json:"timer"`            // takes any delay
	NewKey    bool     `json:"new_key"`          // may be sent with a fresh UNIQ_KEY
	Broker    string   `json:"broker,omitempty"` // broker that would take it, where that is known before the send
}

// DelayOption is one delay level of the broker that would take the replay.
type DelayOption struct {
	Level int      `json:"level"`
	Delay Duration `json:"delay"`
}

// ReplayOptions is everything a person should know before a replay.
type ReplayOptions struct {
	LetterID      int64         `json:"letter_id,string"`
	Version       int64         `json:"version"`
	Allowed       bool          `json:"allowed"`       // the letter's state allows a replay
	Why           string        `json:"why,omitempty"` // stable code of why not
	Default       Door          `json:"default"`       // "" when every door is refused
	Doors         []DoorOption  `json:"doors"`
	Levels        []DelayOption `json:"levels"`
	Timer         bool          `json:"timer"`
	TimerMax      Duration      `json:"timer_max,omitempty"`
	DefaultDelay  Duration      `json:"default_delay"` // a sensible delay, 0 for at once
	Group         GroupInfo     `json:"group"`
	Broker        Capabilities  `json:"broker"`
	SameLast5m    int64         `json:"same_last_5m"`              // deaths with the same fingerprint in the last five minutes
	ConfirmedAt   *time.Time    `json:"confirmed_at,omitempty"`    // an earlier replay of this letter was confirmed
	DeadCopyUntil *time.Time    `json:"dead_copy_until,omitempty"` // the dead copy is at the broker until about then; door C needs it
	Unwraps       bool          `json:"unwraps"`                   // the message inside the envelope is sent, not the envelope
	BrokerError   string        `json:"broker_error,omitempty"`    // public sentence: no broker could be asked
	BrokersAway   []string      `json:"brokers_away,omitempty"`    // brokers that do not answer, by name: what only they could tell is not in this answer
	HolderError   string        `json:"holder_error,omitempty"`    // public sentence: how the broker that has the dead copy is away
}
