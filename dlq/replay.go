package dlq

import "time"

// Door is a way by which a message goes back to its consumers.
type Door string

// The doors.
const (
	DoorTopic Door = "A" // original topic: every subscribed consumer group gets it
	DoorRetry Door = "B" // %RETRY%<group>: the failed consumer group only
	DoorBack  Door = "C" // request code 36 on the dead copy: the failed consumer group only, nothing can be changed
	DoorPop   Door = "P" // POP retry topic: one gRPC consumer group only
	DoorProbe Door = "D" // request code 309: one client runs it now
)

// Outcome is what became of a replay.
type Outcome string

// The outcomes.
const (
	OutcomeSending     Outcome = "sending"      // intent written, answer not known
	OutcomeWaiting     Outcome = "waiting"      // at the broker or with the consumer, undecided
	OutcomeConfirmed   Outcome = "confirmed"    // the failed consumer group consumed it
	OutcomeAssumed     Outcome = "assumed"      // not decidable; the whole retry schedule passed without a return
	OutcomeFailedAgain Outcome = "failed_again" // it is back in the DLQ
	OutcomeSendFailed  Outcome = "send_failed"  // it surely did not reach the broker
	OutcomeUnknown     Outcome = "unknown"      // the evidence expired, or whether it was sent could not be found out
)

// Final reports whether the outcome will not change by itself.
func (o Outcome) Final() bool { return o != OutcomeSending && o != OutcomeWaiting }

// Replay is one giving back of a letter. It is written before the send and settled after it.
type Replay struct {
	ID            string     `json:"id"` // 32 hex digits; travels as DLQ_REPLAY_ID
	LetterID      int64      `json:"letter_id,string"`
	Number        int        `json:"number"` // 1 for the letter's first replay
	Door          Door       `json:"door"`
	Why           string     `json:"why"` // stable code of why this door was chosen, see the replay package
	Cluster       string     `json:"cluster"`
	ConsumerGroup string     `json:"consumer_group"`
	Target        string     `json:"target"`     // topic that it is sent to
	Topic         string     `json:"topic"`      // topic under which the consumer sees it
	UniqueKey     string     `json:"unique_key"` // UNIQ_KEY that it was sent with
	AsNew         bool       `json:"as_new,omitempty"`
	Delay         Duration   `json:"delay,omitempty"`       // asked of the broker
	DelayLevel    int        `json:"delay_level,omitempty"` // level that stands for it; 0 for none or a timer
	DeliverAt     *time.Time `json:"deliver_at,omitempty"`  // when the broker will hand it over, as far as known
	Automatic     bool       `json:"automatic"`
	Operation     int64      `json:"operation,omitempty"`   // number of the operation that it belongs to; 0 for none
	TargetKind    TargetKind `json:"target_kind,omitempty"` // to whom it went, if not to the failed consumer group
	Edit          int        `json:"edit,omitempty"`        // number of the edit that was sent; 0 for the original
	Transformed   bool       `json:"transformed,omitempty"` // the operation's transform changed it
	Actor         string     `json:"actor"`
	Note          string     `json:"note,omitempty"`

	IntendedAt time.Time  `json:"intended_at"`
	SentAt     *time.Time `json:"sent_at,omitempty"`
	SeenAt     *time.Time `json:"seen_at,omitempty"` // first time that the failed consumer group was seen to have it
	SettledAt  *time.Time `json:"settled_at,omitempty"`
	Outcome    Outcome    `json:"outcome"`
	Detail     string     `json:"detail,omitempty"` // stable code of the evidence: what was seen, or what is waited for
	Error      string     `json:"error,omitempty"`  // public sentence of a failed or unknown send

	Receipt        Receipt    `json:"receipt"`
	DeadPhysOffset int64      `json:"-"`                    // physical offset of the dead copy that door C returned
	DeadAttempts   int        `json:"-"`                    // its reconsumeTimes
	NextLook       *time.Time `json:"next_look,omitempty"`  // when the tracker asks again; nil when it need not
	Looks          int        `json:"looks"`                // how often it asked
	OnlineFor      Duration   `json:"online_for,omitempty"` // how long the consumer group was seen online since the delivery, for assumed
}

// Receipt is the broker's answer to a send. With a delay it names the parked copy.
type Receipt struct {
	Broker    string `json:"broker,omitempty"` // broker name
	Address   string `json:"-"`
	Queue     int    `json:"queue"`
	Offset    int64  `json:"offset,string"`
	MessageID string `json:"message_id,omitempty"` // offset id
	Weak      bool   `json:"weak,omitempty"`       // stored on the master only: flush or slave time-out
}

// SendRequest asks a broker to take a replay.
type SendRequest struct {
	Replay     Replay
	Broker     string // broker that holds the dead copy; doors B and C use it
	StoreHost  string // its address as the dead copy names it, a fall-back
	Body       []byte
	Compress   bool              // the message came compressed and Body is not: it is to travel as SysFlag says
	Properties map[string]string // already cleaned; UNIQ_KEY and replay id set
	Flag       int32
	SysFlag    int32
	BornAt     time.Time
	TimerAt    *time.Time // exact time for the timer wheel; nil for none
}

// SendResult is the three-valued answer to "was it sent?".
type SendResult string

// Was it sent?
const (
	Sent        SendResult = "sent"
	NotSent     SendResult = "not_sent" // surely not
	SentUnknown SendResult = "unknown"
	Diverted    SendResult = "diverted" // stored, but in the DLQ: the consumer group will never get it
)

// Copy is one stored copy of a replayed message somewhere at the broker.
type Copy struct {
	Place          CopyPlace
	Broker         string
	Topic          string
	Queue          int
	Offset         int64
	MessageID      string
	StoredAt       time.Time
	ReconsumeTimes int
}

// CopyPlace says what kind of topic holds a copy.
type CopyPlace string

// Where a copy can lie.
const (
	PlaceParked CopyPlace = "parked" // in a schedule or timer topic, going to the target: not delivered yet
	PlaceTarget CopyPlace = "target" // where the replay was sent
	PlaceRetry  CopyPlace = "retry"  // failed, will be tried again (in the retry topic, or parked on its way there)
	PlaceDead   CopyPlace = "dead"   // in the DLQ again (or parked on its way there)
)

// Evidence is what a cluster can say about one replay at one moment.
type Evidence struct {
	At          time.Time
	Copies      []Copy        // all copies that carry the replay id, oldest first
	Online      bool          // the failed consumer group has a client connected
	Passed      bool          // the committed offset of the failed group is past the delivered copy, and deliveries explain how it came there
	PassedKnown bool          // false: the committed offset says nothing for this kind of group
	Taken       bool          // the committed offset is past the delivered copy, however it came there: somebody may have it
	Held        bool          // a POP consumer has the delivered copy and did not acknowledge it yet
	Acked       bool          // a POP consumer acknowledged the delivered copy
	Weighing    bool          // the offset is past it, and whether deliveries explain that is being found out
	Moved       bool          // the offset is past it, and deliveries do not explain that: somebody set it
	Filtered    bool          // the group's subscription would have dropped the copy unread
	Expired     bool          // the delivered copy's place is below the broker's minimum offset: nothing can be seen any more
	Retry       time.Duration // length of the whole retry schedule that is left for this kind of group, as far as known

	// Away are the brokers that may hold a copy and did not answer, by name: that there is none, or none newer than those in
	// Copies, is not known while there are any.
	Away []string
}
