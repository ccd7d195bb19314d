package dlq

import "slices"

// State is where a letter stands.
type State string

// The states of a letter. The zero value "" is a letter that does not exist yet.
const (
	StateOpen         State = "open"         // a person is needed
	StateSnoozed      State = "snoozed"      // put off by a person until a time
	StateScheduled    State = "scheduled"    // the console will replay it at DueAt
	StateSending      State = "sending"      // an intent is written; the send is under way or its result unknown
	StateAwaiting     State = "awaiting"     // the broker has the replay; its outcome is not known yet
	StateCompensating State = "compensating" // a compensation endpoint is being asked
	StateResolved     State = "resolved"     // done; Resolution says how
	StateDiscarded    State = "discarded"    // given up by a person or a rule, with a note
)

// States lists every state in the order of a letter's way.
var States = []State{StateOpen, StateSnoozed, StateScheduled, StateSending, StateAwaiting, StateCompensating, StateResolved, StateDiscarded}

// Tab is a coarse state: the five tabs of the list.
type Tab string

// The tabs.
const (
	TabAttention Tab = "attention" // open
	TabInFlight  Tab = "in_flight" // scheduled, sending, awaiting, compensating
	TabSnoozed   Tab = "snoozed"
	TabResolved  Tab = "resolved"
	TabDiscarded Tab = "discarded"
)

// Tabs lists the tabs in the order in which they are shown.
var Tabs = []Tab{TabAttention, TabInFlight, TabSnoozed, TabResolved, TabDiscarded}

// Tab returns the tab that shows letters of this state.
func (s State) Tab() Tab {
	switch s {
	case StateOpen:
		return TabAttention
	case StateSnoozed:
		return TabSnoozed
	case StateResolved:
		return TabResolved
	case StateDiscarded:
		return TabDiscarded
	default:
		return TabInFlight
	}
}

// Trigger is what moves a letter.
type Trigger string

// The triggers of the transition table.
const (
	TriggerArrive      Trigger = "arrive"      // a first death
	TriggerDie         Trigger = "die"         // one more death of a letter that exists
	TriggerPlan        Trigger = "plan"        // a replay is planned at a time
	TriggerCancel      Trigger = "cancel"      // a planned replay is called off
	TriggerSnooze      Trigger = "snooze"      // put off
	TriggerWake        Trigger = "wake"        // a snooze ends
	TriggerClaim       Trigger = "claim"       // taken for a replay; the intent is written in the same transaction
	TriggerSent        Trigger = "sent"        // the broker accepted the replay
	TriggerNotSent     Trigger = "not_sent"    // the replay surely did not reach the broker
	TriggerFound       Trigger = "found"       // a send that could not be decided was found at the broker after all
	TriggerUndecided   Trigger = "undecided"   // whether it was sent cannot be found out
	TriggerSettle      Trigger = "settle"      // confirmed or assumed
	TriggerLost        Trigger = "lost"        // the evidence expired before an outcome was found
	TriggerCompensated Trigger = "compensated" // the endpoint says done or compensated
	TriggerAskReplay   Trigger = "ask_replay"  // the endpoint says replay
	TriggerAskAgain    Trigger = "ask_again"   // the endpoint says retry, or did not answer: it is asked later
	TriggerAskPerson   Trigger = "ask_person"  // the endpoint says manual, attempts are used up, or its answer breaks the contract
	TriggerResolve     Trigger = "resolve"     // resolved by hand, with a note
	TriggerDiscard     Trigger = "discard"     // discarded, with a note
	TriggerRestore     Trigger = "restore"     // taken back into work
	TriggerReclassify  Trigger = "reclassify"  // a report or a person gave an open letter another verdict
	TriggerEdit        Trigger = "edit"        // an attribute changes (owner, note, flags): the state stays
)

var everywhere = States

// transitions is the one table of what may happen to a letter: trigger -> from -> to.
var transitions = map[Trigger]struct{ from, to []State }{
	TriggerArrive:      {[]State{""}, []State{StateOpen, StateScheduled, StateCompensating, StateDiscarded}},
	TriggerDie:         {everywhere, []State{StateOpen, StateScheduled, StateCompensating, StateDiscarded}},
	TriggerPlan:        {[]State{StateOpen, StateSnoozed}, []State{StateScheduled}},
	TriggerCancel:      {[]State{StateScheduled, StateCompensating}, []State{StateOpen}},
	TriggerSnooze:      {[]State{StateOpen}, []State{StateSnoozed}},
	TriggerWake:        {[]State{StateSnoozed}, []State{StateOpen}},
	TriggerClaim:       {[]State{StateOpen, StateSnoozed, StateScheduled}, []State{StateSending}},
	TriggerSent:        {[]State{StateSending}, []State{StateAwaiting}},
	TriggerNotSent:     {[]State{StateSending}, []State{StateOpen, StateScheduled}},
	TriggerFound:       {[]State{StateOpen, StateSnoozed, StateScheduled}, []State{StateAwaiting}},
	TriggerUndecided:   {[]State{StateSending}, []State{StateOpen}},
	TriggerSettle:      {[]State{StateAwaiting}, []State{StateResolved}},
	TriggerLost:        {[]State{StateAwaiting}, []State{StateOpen}},
	TriggerCompensated: {[]State{StateCompensating}, []State{StateResolved}},
	TriggerAskReplay:   {[]State{StateCompensating}, []State{StateScheduled}},
	TriggerAskAgain:    {[]State{StateCompensating}, []State{StateCompensating}},
	TriggerAskPerson:   {[]State{StateCompensating}, []State{StateOpen}},
	TriggerResolve:     {[]State{StateOpen, StateSnoozed, StateScheduled}, []State{StateResolved}},
	TriggerDiscard:     {[]State{StateOpen, StateSnoozed, StateScheduled}, []State{StateDiscarded}},
	TriggerRestore:     {[]State{StateResolved, StateDiscarded}, []State{StateOpen}},
	TriggerReclassify:  {[]State{StateOpen}, []State{StateOpen, StateScheduled, StateCompensating, StateDiscarded}},
	TriggerEdit:        {everywhere, everywhere},
}

// Can reports whether the trigger may move a letter from one state to another. TriggerEdit never changes the state.
func Can(t Trigger, from, to State) bool {
	row, ok := transitions[t]
	if !ok || !slices.Contains(row.from, from) || !slices.Contains(row.to, to) {
		return false
	}
	return t != TriggerEdit || from == to
}

// MayStart reports whether the trigger applies to a letter in this state at all; the page disables buttons by it.
func MayStart(t Trigger, from State) bool { return slices.Contains(transitions[t].from, from) }

// Resolution says how a resolved letter came to be so.
type Resolution string

// How a letter was resolved.
const (
	ResolvedConfirmed   Resolution = "confirmed"   // the failed consumer group consumed the replay
	ResolvedAssumed     Resolution = "assumed"     // not decidable; the whole retry schedule passed without a return
	ResolvedByHand      Resolution = "by_hand"     // a person says so, with a note
	ResolvedCompensated Resolution = "compensated" // a compensation endpoint settled it
	ResolvedSuperseded  Resolution = "superseded"  // a newer message made it pointless
	ResolvedDuplicate   Resolution = "duplicate"   // the same message came good elsewhere
)

// Route is where a rule sends a letter.
type Route string

// The routes.
const (
	RouteRetry      Route = "retry"
	RouteManual     Route = "manual"
	RouteCompensate Route = "compensate"
	RouteDiscard    Route = "discard"
)

// Routes lists the routes.
var Routes = []Route{RouteRetry, RouteManual, RouteCompensate, RouteDiscard}

// Severity is how much a letter matters.
type Severity string

// Severities, from most to least.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high"
	SeverityNormal   Severity = "normal"
	SeverityLow      Severity = "low"
)

// Severities lists the severities, most severe first.
var Severities = []Severity{SeverityCritical, SeverityHigh, SeverityNormal, SeverityLow}

// Flag marks something that happened to a letter and that a person should see.
type Flag string

// The flags.
const (
	FlagFailedAgain       Flag = "failed_again"       // died again after a replay
	FlagRegressed         Flag = "regressed"          // died again after it was resolved or discarded
	FlagQuarantined       Flag = "quarantined"        // kept from automatic replay
	FlagPossibleDuplicate Flag = "possible_duplicate" // a send whose result could not be found out, or a send after a probe that ran
	FlagSendFailed        Flag = "send_failed"        // the last send surely did not happen
	FlagOutcomeUnknown    Flag = "outcome_unknown"    // the evidence expired before the outcome was found
	FlagEdited            Flag = "edited"             // a replay with a changed body or properties exists
)

// Flags lists the flags in the order of their bits in the store; append only.
var Flags = []Flag{FlagFailedAgain, FlagRegressed, FlagQuarantined, FlagPossibleDuplicate, FlagSendFailed, FlagOutcomeUnknown, FlagEdited}

// Hold says why the console does not act by itself on an open letter although its rule names an action.
type Hold string

// Why a letter is held for a person. "" means that the rule's route is manual.
const (
	HoldNone               Hold = ""
	HoldAutomationOff      Hold = "automation_off"       // the switch is off: the verdict is only shown
	HoldAutomationStopped  Hold = "automation_stopped"   // the global stop is on
	HoldBeforeAutomation   Hold = "before_automation"    // died before automation was switched on
	HoldTooOld             Hold = "too_old"              // died longer ago than max_age
	HoldNoReason           Hold = "no_reason"            // no known reason: a replay needs one
	HoldEarlierReason      Hold = "earlier_reason"       // only an earlier death gave a reason: nothing is done by itself without one for this death
	HoldUnboundReport      Hold = "unbound_report"       // a report by a token that is not bound to consumer groups made the difference
	HoldUnknownTopic       Hold = "unknown_topic"        // the original topic cannot be told
	HoldRetriesUsedUp      Hold = "retries_used_up"      // the rule's max replays were made
	HoldNoCompensation     Hold = "compensation_off"     // the named compensation has no URL
	HoldCompensationManual Hold = "compensation_manual"  // the endpoint asks for a person
	HoldCompensationUsedUp Hold = "compensation_used_up" // the endpoint did not answer well in all attempts
	HoldCompensationBroken Hold = "compensation_broken"  // the endpoint's answer breaks the contract
	HoldNoDoor             Hold = "no_door"              // no door leads to this consumer group without a person's choice
	HoldSendFailed         Hold = "send_failed"          // its replay was refused, or got lost on its way too often
	HoldQuarantined        Hold = "quarantined"          // it failed again too often; a person must look first
	HoldStale              Hold = "stale"                // older than the limit of its topic
)
