package dlq

import "time"

// OperationKind is what an operation does to each of its letters.
type OperationKind string

// The kinds of operation.
const (
	OperationReplay  OperationKind = "replay"
	OperationDiscard OperationKind = "discard"
	OperationRestore OperationKind = "restore"
	OperationRoute   OperationKind = "route" // send down another route
	OperationResolve OperationKind = "resolve"
)

// Trigger is what an operation of a kind does to a letter.
func (k OperationKind) Trigger() Trigger {
	switch k {
	case OperationReplay:
		return TriggerClaim
	case OperationDiscard:
		return TriggerDiscard
	case OperationRestore:
		return TriggerRestore
	case OperationResolve:
		return TriggerResolve
	default:
		return TriggerReclassify
	}
}

// OperationKinds lists the kinds.
var OperationKinds = []OperationKind{OperationReplay, OperationDiscard, OperationRestore, OperationRoute, OperationResolve}

// OperationState is where an operation stands.
type OperationState string

// The states of an operation: draft → queued → canary → running ⇄ paused → settling → settled. How it left the part in
// which it acts is its OperationEnd.
const (
	OperationDraft    OperationState = "draft"    // counted and frozen; nothing has happened
	OperationQueued   OperationState = "queued"   // started; it begins at HoldUntil, and can be undone until then
	OperationCanary   OperationState = "canary"   // the first letters are sent, or their outcomes waited for
	OperationRunning  OperationState = "running"  // acting on letter after letter
	OperationPaused   OperationState = "paused"   // Cause says why
	OperationSettling OperationState = "settling" // acts no more; outcomes are still open
	OperationSettled  OperationState = "settled"  // every letter has its outcome
)

// OperationStates lists the states in the order of an operation's way.
var OperationStates = []OperationState{OperationDraft, OperationQueued, OperationCanary, OperationRunning, OperationPaused, OperationSettling, OperationSettled}

// Acts reports whether an operation in this state may still act on letters, now or when it is resumed.
func (s OperationState) Acts() bool {
	switch s {
	case OperationQueued, OperationCanary, OperationRunning, OperationPaused:
		return true
	default:
		return false
	}
}

// OperationEnd says how an operation stopped acting.
type OperationEnd string

// How an operation stops acting. What was done is not taken back by any of them.
const (
	EndNone      OperationEnd = ""
	EndCompleted OperationEnd = "completed" // it came to its last letter
	EndCancelled OperationEnd = "cancelled" // a person called it off; what was sent stays sent
	EndFailed    OperationEnd = "failed"    // it could not go on; Because says why
)

// PauseCause says why an operation is paused.
type PauseCause string

// Why an operation is paused.
const (
	PauseByHand  PauseCause = "by_hand"
	PauseBreaker PauseCause = "breaker" // too many of the last replays failed again; Because names the failure group
	PauseCanary  PauseCause = "canary"  // the canary failed; Because names the failure group
	PauseWindow  PauseCause = "window"  // outside its replay window; it goes on by itself
	PauseStop    PauseCause = "stop"    // the global stop was pulled; a person resumes it
)

// ItemState is what became of one letter of an operation.
type ItemState string

// The states of an item. Of a replay, pending to unknown follow the outcome of the replay; the other kinds know only
// pending, skipped and done.
const (
	ItemPending     ItemState = "pending"
	ItemSending     ItemState = "sending"
	ItemWaiting     ItemState = "waiting"
	ItemConfirmed   ItemState = "confirmed"
	ItemAssumed     ItemState = "assumed"
	ItemFailedAgain ItemState = "failed_again"
	ItemSendFailed  ItemState = "send_failed"
	ItemUnknown     ItemState = "unknown"
	ItemSkipped     ItemState = "skipped" // OperationItem.Detail says why
	ItemDone        ItemState = "done"
)

// ItemStates lists the states of items; their order is the code in the store: append only.
var ItemStates = []ItemState{ItemPending, ItemSending, ItemWaiting, ItemConfirmed, ItemAssumed, ItemFailedAgain, ItemSendFailed, ItemUnknown, ItemSkipped, ItemDone}

// Why a letter of an operation is skipped, in OperationItem.Detail and OperationPreview.Skipped. Beside these there are
// SkipState of the letter's state, and the codes of shut doors.
const (
	SkipQuarantined = "quarantined"
	SkipStale       = "stale"          // older than the limit of its topic
	SkipChanged     = "changed"        // somebody else acted on it meanwhile
	SkipGone        = "gone"           // retention has deleted it
	SkipTransform   = "transform"      // the transform cannot be applied to its body
	SkipEarlier     = "earlier_failed" // order is kept, and a letter before it with the same sharding key was not delivered
	SkipCancelled   = "cancelled"      // the operation was called off before its turn
	SkipRefused     = "refused"
	SkipGivenUp     = "given_up"    // a person gave it up while it waited
	SkipBrokerAway  = "broker_away" // only its broker could give it back, and that stayed away
)

// WaitsBroker is what letters wait for that only a broker which is away could give back, in Operation.WaitsFor.
const WaitsBroker = "broker_away"

// SkipState is why a letter is skipped that an operation cannot act on in the state in which it is.
func SkipState(s State) string { return "state_" + string(s) }

// Operation is one bulk act on a frozen list of letters.
type Operation struct {
	ID      string            `json:"id"`     // chosen by the client, or made: 1 to 64 letters, digits, - and _, with at least one that is no digit
	Number  int64             `json:"number"` // short name; the API takes it in place of the id
	Version int64             `json:"version"`
	Kind    OperationKind     `json:"kind"`
	State   OperationState    `json:"state"`
	End     OperationEnd      `json:"end,omitempty"`
	Cause   PauseCause        `json:"cause,omitempty"`        // with paused
	Because map[string]string `json:"cause_detail,omitempty"` // of a pause or a failure: fingerprint, reason, failed, of, limit, error …
	Resume  OperationState    `json:"-"`                      // with paused: the state it goes on in

	Actor string `json:"actor"`
	Note  string `json:"note"`            // why
	Query string `json:"query,omitempty"` // the filter as typed: the query string of the list of letters; "" for a selection

	Spec    OperationSpec       `json:"spec"`
	Letters int64               `json:"letters"` // in the frozen list
	Counts  map[ItemState]int64 `json:"counts"`  // all states, also those with 0; they add up to Letters
	Preview *OperationPreview   `json:"preview,omitempty"`
	Drift   *OperationDrift     `json:"drift,omitempty"` // found at the start, or now while it is a draft

	CanaryLetters int64      `json:"canary_letters"` // how many letters are the canary; 0 for none
	CreatedAt     time.Time  `json:"created_at"`
	HoldUntil     *time.Time `json:"hold_until,omitempty"` // with queued: when it begins
	StartedAt     *time.Time `json:"started_at,omitempty"`
	ResumedAt     *time.Time `json:"resumed_at,omitempty"` // since when the brake counts
	EndedAt       *time.Time `json:"ended_at,omitempty"`
	SettledAt     *time.Time `json:"settled_at,omitempty"`
	ChangedAt     time.Time  `json:"changed_at"`

	// As it is now; not stored.
	Rate      float64    `json:"rate"`                 // letters acted on per second, over the last ten seconds
	DoneAt    *time.Time `json:"done_at,omitempty"`    // when it will come to its last letter at that rate
	OpensAt   *time.Time `json:"opens_at,omitempty"`   // paused by its window: when that opens
	WaitsFor  string     `json:"waits_for,omitempty"`  // "broker_away", "disk_full", "canary": running, and waiting for this
	NextLimit float64    `json:"pace_limit,omitempty"` // letters per second and consumer group that the pace allows at this moment of its ramp
}

// OperationSpec is how an operation acts.
type OperationSpec struct {
	Replay *ReplaySpec   `json:"replay,omitempty"` // for replay alone
	Route  Route         `json:"route,omitempty"`  // for route alone; "" judges anew by the rules in force
	Pace   Pace          `json:"pace"`
	Canary Canary        `json:"canary"`
	Brake  Brake         `json:"brake"`
	Window *ReplayWindow `json:"window,omitempty"`
	Hold   Duration      `json:"hold,omitempty"` // between start and begin, for undo; at most 1 m
}

// ReplaySpec is how the letters of an operation are given back.
type ReplaySpec struct {
	Door      Door       `json:"door,omitempty"` // "": the console chooses for each letter
	Target    Target     `json:"target"`
	AsNew     bool       `json:"as_new,omitempty"`
	Delay     Duration   `json:"delay,omitempty"`
	DeliverAt *time.Time `json:"deliver_at,omitempty"`
	Spread    Duration   `json:"spread,omitempty"`     // the sends are spread evenly over this time
	KeepOrder bool       `json:"keep_order,omitempty"` // letters with the same sharding key go in the order in which they were born

	Transform          []TransformStep `json:"transform,omitempty"`
	IncludeQuarantined bool            `json:"include_quarantined,omitempty"`
	IncludeStale       bool            `json:"include_stale,omitempty"`
	Anywhere           bool            `json:"anywhere,omitempty"` // an admin chose the way: it may lead beyond the failed consumer group and its replay_targets
}

// ReplayTargets are the topics and consumer groups to which operators may send the letters of one consumer group, besides
// that group itself: its replay_targets in rules.yaml.
type ReplayTargets struct {
	Topics         []string
	ConsumerGroups []string
}

// TargetKind says to whom a replay goes.
type TargetKind string

// The targets of a replay.
const (
	TargetGroup      TargetKind = ""            // the failed consumer group only, where a door allows it
	TargetTopic      TargetKind = "topic"       // the original topic: every subscribed consumer group
	TargetOtherTopic TargetKind = "other_topic" // another topic, which must exist
	TargetOtherGroup TargetKind = "other_group" // another consumer group, which must exist
)

// TargetKinds lists the targets.
var TargetKinds = []TargetKind{TargetGroup, TargetTopic, TargetOtherTopic, TargetOtherGroup}

// Target is to whom a replay goes.
type Target struct {
	Kind TargetKind `json:"kind,omitempty"`
	Name string     `json:"name,omitempty"` // of the other topic or consumer group

	// Topic is the one under which a consumer group shall get the message, where its original one is not known, or not meant.
	Topic string `json:"topic,omitempty"`
}

// Pace is how fast an operation acts.
type Pace struct {
	Rate        float64  `json:"rate"`        // letters per second and consumer group; 0 for no limit
	RampUp      Duration `json:"ramp_up"`     // time over which the rate rises from a tenth to the whole
	Concurrency int      `json:"concurrency"` // sends under way at once, 1 to 16; 0 for 16
}

// Canary is how many letters go first. The greater of both counts; zero values mean no canary.
type Canary struct {
	Letters int64   `json:"letters"`
	Percent float64 `json:"percent"`
}

// Brake pauses an operation when more than Above percent of its last Of outcomes are "failed again". It also judges the
// canary. Of 0 switches it off.
type Brake struct {
	Of    int     `json:"of"`    // at most 1 000
	Above float64 `json:"above"` // percent, 0 to 100
}

// ReplayWindow is the time of day in which an operation acts. To may be earlier than From: over midnight.
type ReplayWindow struct {
	From string `json:"from"`           // as 02:00
	To   string `json:"to"`             // as 05:00
	Zone string `json:"zone,omitempty"` // IANA name; "" for the console's zone
}

// TransformStep is one change of each message of an operation. Paths are JSON Pointers (RFC 6901).
type TransformStep struct {
	Do    TransformDo `json:"do"`
	Path  string      `json:"path,omitempty"`  // for set, remove, rename
	To    string      `json:"to,omitempty"`    // for rename: the new path
	Value string      `json:"value,omitempty"` // for set: JSON; for set_property: text
	Name  string      `json:"name,omitempty"`  // for set_property, remove_property
}

// TransformDo is what a step does.
type TransformDo string

// What a transform can do.
const (
	TransformSet            TransformDo = "set"
	TransformRemove         TransformDo = "remove"
	TransformRename         TransformDo = "rename"
	TransformSetProperty    TransformDo = "set_property"
	TransformRemoveProperty TransformDo = "remove_property"
)

// TransformSample shows what a transform does to one letter.
type TransformSample struct {
	LetterID   int64             `json:"letter_id,string"`
	Title      string            `json:"title"`
	Before     string            `json:"before"` // body as text; cut after 64 KiB
	After      string            `json:"after"`
	Cut        bool              `json:"cut,omitempty"`
	Properties map[string]string `json:"properties"`      // those that change, after the change; "" for removed
	Error      string            `json:"error,omitempty"` // public sentence: the letter would be skipped
}

// OperationPreview is what an operation would do, found out before it starts.
type OperationPreview struct {
	At         time.Time        `json:"at"`
	Letters    int64            `json:"letters"`
	Eligible   int64            `json:"eligible"` // would be acted on
	Skipped    map[string]int64 `json:"skipped"`  // would be skipped, by why
	Groups     []Facet          `json:"consumer_groups"`
	Topics     []Facet          `json:"topics"`
	Reasons    []Facet          `json:"reasons"`
	Routes     []Facet          `json:"routes"`
	OldestDied *time.Time       `json:"oldest_died,omitempty"`
	NewestDied *time.Time       `json:"newest_died,omitempty"`

	NearExpiry     int64 `json:"near_expiry"`     // whose dead copy the broker may delete within six hours; or the letter itself, resolved or discarded, by our retention
	ReplayedBefore int64 `json:"replayed_before"` // at least once
	FailedAgain    int64 `json:"failed_again"`    // died again after a replay
	Quarantined    int64 `json:"quarantined"`
	Stale          int64 `json:"stale"` // older than the limit of their topic

	// What is found out letter by letter is found out of the first Examined letters.
	Examined   int64         `json:"examined"`
	Duplicates int64         `json:"duplicates"` // the same consumer group confirmed a message with the same key later
	OrderRisk  int64         `json:"order_risk"` // they carry a sharding key: what followed them under that key has been let through already
	Doors      []DoorPreview `json:"doors"`

	Consumers []ConsumerPreview `json:"consumers"` // is the cause gone?
	Causes    []CausePreview    `json:"causes"`    // the most frequent failure groups, ten at most

	Samples          []TransformSample `json:"samples,omitempty"`
	TransformErrors  int64             `json:"transform_errors"` // of the first Examined
	BrokerError      string            `json:"broker_error,omitempty"`
	SendsPerSecond   float64           `json:"sends_per_second,omitempty"` // what the pace allows, over all consumer groups
	DurationEstimate Duration          `json:"duration_estimate,omitempty"`
}

// DoorPreview is one way back, and how many of the examined letters would take it.
type DoorPreview struct {
	ConsumerGroup string   `json:"consumer_group"`
	Door          Door     `json:"door,omitempty"` // "" when every door is shut
	Why           string   `json:"why"`
	Target        string   `json:"target,omitempty"`
	Receivers     []string `json:"receivers"`
	Complete      bool     `json:"complete"`
	Warnings      []string `json:"warnings"`
	Letters       int64    `json:"letters"`
}

// ConsumerPreview is how a consumer group of an operation stands now.
type ConsumerPreview struct {
	Letters int64     `json:"letters"`
	Group   GroupInfo `json:"group"`
	Error   string    `json:"error,omitempty"` // public sentence: it could not be asked
}

// CausePreview is a failure group of an operation, and whether it still goes on.
type CausePreview struct {
	Fingerprint string `json:"fingerprint"`
	Reason      string `json:"reason"`
	ReasonText  string `json:"reason_text,omitempty"` // of one of its letters
	Letters     int64  `json:"letters"`
	SameLast5m  int64  `json:"same_last_5m"` // deaths with this fingerprint in the last five minutes
}

// OperationDrift is how the world moved since the list was frozen.
type OperationDrift struct {
	At      time.Time `json:"at"`
	Gone    int64     `json:"gone"`    // no longer eligible, though they were when the list was frozen
	Arrived Count     `json:"arrived"` // match the filter now, and are not in the list
}

// OperationItem is one letter of an operation.
type OperationItem struct {
	LetterID  int64      `json:"letter_id,string"`
	Position  int64      `json:"position"` // from 0
	State     ItemState  `json:"state"`
	Detail    string     `json:"detail,omitempty"` // stable code: why it was skipped, what is waited for
	Tries     int        `json:"tries"`            // intents that were written for it
	ChangedAt *time.Time `json:"changed_at,omitempty"`
	Letter    *Letter    `json:"letter,omitempty"` // nil when retention has deleted it
	Replay    *Replay    `json:"replay,omitempty"` // the newest of this operation
}

// OperationTask is an item with all that acting on it needs.
type OperationTask struct {
	LetterID int64
	Position int64
	Tries    int
	Letter   *Letter      // nil when it is gone
	Message  *DeadMessage // for replays; nil when the letter is gone
}

// OperationPoint is how many letters of an operation came into each state within one slot of time.
type OperationPoint struct {
	At     time.Time           `json:"at"` // begin of the slot
	Counts map[ItemState]int64 `json:"counts"`
}

// OperationEvent is one thing that happened to an operation: who, what, when.
type OperationEvent struct {
	ID     int64             `json:"id,string"`
	At     time.Time         `json:"at"`
	Kind   string            `json:"kind"` // created, changed, refreshed, started, began, canary_passed, paused, resumed, paced, gave_up, cancelled, completed, failed, settled
	Actor  string            `json:"actor"`
	Note   string            `json:"note,omitempty"`
	Detail map[string]string `json:"detail,omitempty"`
}

// OperationFilter chooses operations.
type OperationFilter struct {
	States []OperationState
	Kinds  []OperationKind
	Actors []string
}

// OperationPage is one page of operations, newest first.
type OperationPage struct {
	Items []Operation `json:"items"`
	Next  string      `json:"next,omitempty"`
	Total Count       `json:"total"`
}

// ItemPage is one page of an operation's items, in their order.
type ItemPage struct {
	Items []OperationItem `json:"items"`
	Next  string          `json:"next,omitempty"`
	Total Count           `json:"total"`
}

// ReplayBatch asks for some letters of one operation to be given back.
type ReplayBatch struct {
	Operation   int64
	Spec        ReplaySpec
	Actor       string
	Note        string
	Tasks       []OperationTask
	Concurrency int // sends under way at once
}

// BatchResult is what became of one task of a batch. Without Skip and Err the broker has it, or may have it.
type BatchResult struct {
	LetterID int64
	Replay   Replay // zero when no intent was written
	Skip     string // why it was skipped, a code as in OperationItem.Detail: no intent was written
	Later    bool   // it was not sent, and trying later may help: the broker is away, the console is stopped
	Away     string // broker for which alone it waits, Later being set: others of the consumer group need not; "" for none
	Err      error  // why it was not sent
}

// SettledReplay is one outcome of an operation, for its brake.
type SettledReplay struct {
	LetterID    int64
	At          time.Time
	Outcome     Outcome
	Fingerprint string
	Reason      string
}

// OperationPick chooses the letters of an operation: those of a filter, or those named, without the exceptions.
type OperationPick struct {
	Filter  *Filter `json:"filter,omitempty"`
	IDs     []int64 `json:"ids,omitempty"`
	Except  []int64 `json:"except,omitempty"`
	ByBirth bool    `json:"by_birth,omitempty"` // in the order in which the messages were produced, not in that of arrival
}
