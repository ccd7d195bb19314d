package dlq

import (
	"cmp"
	"crypto/rand"
	"slices"
	"time"
)

// AlertState is where an alert stands. An alert whose condition never held has no state: it does not exist.
type AlertState string

// The states of an alert.
const (
	AlertPending  AlertState = "pending"  // the condition holds, but not yet for as long as `for` asks
	AlertFiring   AlertState = "firing"   // it held that long; it goes on firing until the condition was false for keep_firing_for
	AlertResolved AlertState = "resolved" // it fired and is over
)

// NewDeliveryID makes an id for a delivery, of 128 random bits and more.
func NewDeliveryID() string { return "dlv_" + rand.Text() }

// AlertSeverity is how urgent an alert is.
type AlertSeverity string

// The severities of alerts, most urgent first.
const (
	AlertCritical AlertSeverity = "critical"
	AlertWarning  AlertSeverity = "warning"
	AlertInfo     AlertSeverity = "info"
)

// AlertSeverities lists the severities, most urgent first.
var AlertSeverities = []AlertSeverity{AlertCritical, AlertWarning, AlertInfo}

// ByUrgency is the order in which alerts are shown and told: firing ones first, then the most urgent, then the oldest.
func ByUrgency(a, b *Alert) int {
	rank := func(a *Alert) int {
		n := slices.Index(AlertSeverities, a.Severity)
		if a.State != AlertFiring {
			n += len(AlertSeverities)
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.ActiveSince.Compare(b.ActiveSince), cmp.Compare(a.ID, b.ID))
}

// AlertUnit says how the value and the threshold of a signal are read.
type AlertUnit string

// The units of signals.
const (
	UnitCount    AlertUnit = "count"    // letters
	UnitRatio    AlertUnit = "ratio"    // 0 to 1
	UnitDuration AlertUnit = "duration" // seconds
	UnitFlag     AlertUnit = "flag"     // 0 or 1; it has no threshold
)

// Alert is one instance of an alert rule: the rule, and the labels for which its condition holds. A new firing of the
// same instance has the same ID and a later ActiveSince.
type Alert struct {
	ID          string            `json:"id"` // 16 hex digits, made of the rule's name and the labels of `by` alone: an edited threshold is the same alert
	Rule        string            `json:"rule"`
	Signal      string            `json:"signal"`
	State       AlertState        `json:"state"`
	Severity    AlertSeverity     `json:"severity"`
	Labels      map[string]string `json:"labels"` // those of `by` with their values, then the rule's own
	Annotations map[string]string `json:"annotations"`
	Receivers   []string          `json:"receivers"`
	Unit        AlertUnit         `json:"unit"`
	Value       float64           `json:"value"` // newest value
	Threshold   float64           `json:"threshold"`
	Below       bool              `json:"below"`        // it matters when the value is below the threshold
	ActiveSince time.Time         `json:"active_since"` // since when the condition holds
	HeldAt      time.Time         `json:"held_at"`      // when the condition held last
	FiredAt     *time.Time        `json:"fired_at,omitempty"`
	ResolvedAt  *time.Time        `json:"resolved_at,omitempty"`
	SilenceID   string            `json:"silence_id,omitempty"` // the silence that holds it back now; "" for none
	RuleVersion int64             `json:"rule_version"`
	Reasons     []Facet           `json:"reasons,omitempty"` // the most frequent reasons of the letters that it is about, at most three

	Where map[string][]string `json:"where,omitempty"` // what the rule chooses letters by: label to values, any of them
}

// AlertEventKind says what happened to an alert.
type AlertEventKind string

// The kinds of alert event. Every firing is followed by notified, silenced or held_back for each of its receivers.
const (
	AlertEventPending  AlertEventKind = "pending"
	AlertEventFiring   AlertEventKind = "firing"
	AlertEventResolved AlertEventKind = "resolved"
	AlertEventDropped  AlertEventKind = "dropped"   // pending, and the condition held no longer; or its rule was taken out of the file
	AlertEventNotified AlertEventKind = "notified"  // a delivery to Receiver was written
	AlertEventSilenced AlertEventKind = "silenced"  // Receiver was not told because of SilenceID
	AlertEventHeldBack AlertEventKind = "held_back" // Receiver was not told; Detail says why
)

// AlertEvent is one thing that happened to an alert.
type AlertEvent struct {
	ID         int64          `json:"id,string"`
	AlertID    string         `json:"alert_id"`
	Rule       string         `json:"rule"`
	Kind       AlertEventKind `json:"kind"`
	At         time.Time      `json:"at"`
	Value      float64        `json:"value"`
	Receiver   string         `json:"receiver,omitempty"`
	DeliveryID string         `json:"delivery_id,omitempty"`
	SilenceID  string         `json:"silence_id,omitempty"`
	Detail     string         `json:"detail,omitempty"` // a stable code: receiver_missing, receiver_disabled, resolved_before_told, …
}

// AlertGroup is what one receiver was told last, so that one incident is one message. There is one for each receiver.
type AlertGroup struct {
	Receiver string                `json:"receiver"`
	Told     map[string]AlertState `json:"told"`              // alert id to the state that was told last; resolved ones are taken out after they were told
	Waiting  map[string]time.Time  `json:"waiting,omitempty"` // alert id to since when its news waits to be told
	SentAt   *time.Time            `json:"sent_at,omitempty"` // when the last delivery was written
}

// AlertBook is the whole persisted state of the alert engine.
type AlertBook struct {
	EvaluatedAt *time.Time // when the conditions were looked at last; nil for never
	Alerts      []Alert    // pending and firing ones, and resolved ones that some receiver has still to be told of
	Groups      []AlertGroup
}

// AlertStep is what one evaluation changed. It is stored as one transaction, or not at all.
type AlertStep struct {
	At         time.Time
	Alerts     []Alert      // new or changed
	Gone       []string     // ids of alerts that ended without firing, or are over and told: they leave the book, their events stay
	Groups     []AlertGroup // new or changed
	Events     []AlertEvent // in order; their IDs are given by the store
	Deliveries []Delivery   // new, pending
}

// Silence holds back the notifications of some alerts for a time. The alerts go on and are shown.
type Silence struct {
	ID        string              `json:"id"`       // sil_ and 26 characters
	Matchers  map[string][]string `json:"matchers"` // label to values, any of them; "rule" and "severity" are labels too; all labels must match
	StartsAt  time.Time           `json:"starts_at"`
	EndsAt    time.Time           `json:"ends_at"`
	Author    string              `json:"author"`
	Note      string              `json:"note"`
	CreatedAt time.Time           `json:"created_at"`
	EndedBy   string              `json:"ended_by,omitempty"` // who ended it before its time
}

// Matches reports whether the silence holds an alert back at an instant.
func (s *Silence) Matches(a *Alert, at time.Time) bool {
	if at.Before(s.StartsAt) || !at.Before(s.EndsAt) || len(s.Matchers) == 0 {
		return false
	}
	for label, values := range s.Matchers {
		have := a.Labels[label]
		switch label {
		case "rule":
			have = a.Rule
		case "severity":
			have = string(a.Severity)
		}
		if !slices.Contains(values, have) {
			return false
		}
	}
	return true
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // to be sent at NextAt
	DeliverySent      DeliveryState = "sent"      // the receiver took it
	DeliveryFailed    DeliveryState = "failed"    // the receiver refuses it, or did not answer for a day
	DeliveryMerged    DeliveryState = "merged"    // what it says is in a later one, MergedInto
	DeliveryDropped   DeliveryState = "dropped"   // too many were waiting for the receiver
	DeliveryCancelled DeliveryState = "cancelled" // its receiver is no longer in the file
)

// DeliveryKind says what a delivery is for.
type DeliveryKind string

// The kinds of delivery.
const (
	DeliveryAlert DeliveryKind = "alert"
	DeliveryTest  DeliveryKind = "test"
)

// NotificationReason says why a receiver is told something now.
type NotificationReason string

// The reasons of notifications.
const (
	NotifyFirst    NotificationReason = "first"    // nothing was firing before
	NotifyNew      NotificationReason = "new"      // more alerts fire
	NotifyResolved NotificationReason = "resolved" // some or all are over
	NotifyRepeat   NotificationReason = "repeat"   // still firing
	NotifyDigest   NotificationReason = "digest"   // several that could not be sent, as one
	NotifyTest     NotificationReason = "test"     // a person pressed the button
)

// Notification is what a receiver is told, in no receiver's format. It holds no message body, key or property.
type Notification struct {
	Reason NotificationReason `json:"reason"`
	At     time.Time          `json:"at"`
	Alerts []Alert            `json:"alerts"`         // firing ones first, most urgent first
	More   int                `json:"more,omitempty"` // alerts that were left out
}

// Firing returns how many of the alerts fire.
func (n *Notification) Firing() int {
	firing := 0
	for i := range n.Alerts {
		if n.Alerts[i].State == AlertFiring {
			firing++
		}
	}
	return firing
}

// Delivery is one notification on its way to one receiver. Its ID is the webhook-id of every attempt, also after a
// restart and when a person sends it again: receivers are idempotent on it.
type Delivery struct {
	ID           string            `json:"id"` // dlv_ and 26 characters
	Kind         DeliveryKind      `json:"kind"`
	Receiver     string            `json:"receiver"`
	Type         string            `json:"type"` // of the receiver when it was written: webhook, dingtalk, …
	State        DeliveryState     `json:"state"`
	Notification Notification      `json:"notification"`
	Attempts     int               `json:"attempts"`
	Failures     int               `json:"failures"` // in a row, since it was written or sent again
	NextAt       *time.Time        `json:"next_at,omitempty"`
	Status       int               `json:"status,omitempty"` // HTTP status of the last attempt
	Error        string            `json:"error,omitempty"`  // public sentence of the last failure
	MergedInto   string            `json:"merged_into,omitempty"`
	Actor        string            `json:"actor,omitempty"` // who asked for a test or a re-send
	CreatedAt    time.Time         `json:"created_at"`
	ChangedAt    time.Time         `json:"changed_at"`
	Log          []DeliveryAttempt `json:"log,omitempty"` // newest first; only where one delivery is shown
}

// DeliveryAttempt is one outgoing request of a delivery and its answer. Secrets are blacked out in it.
type DeliveryAttempt struct {
	DeliveryID string            `json:"delivery_id"`
	Number     int               `json:"number"`
	ByHand     bool              `json:"by_hand,omitempty"` // a person pressed test or send again
	At         time.Time         `json:"at"`
	Duration   Duration          `json:"duration"`
	URL        string            `json:"url"` // scheme and host; what follows may be secret
	Headers    map[string]string `json:"headers,omitempty"`
	Request    string            `json:"request,omitempty"` // first 16 KiB of the body that was sent
	Status     int               `json:"status"`            // 0 when there was no answer
	Answer     string            `json:"answer,omitempty"`  // first 16 KiB
	Error      string            `json:"error,omitempty"`
	Address    string            `json:"address,omitempty"` // IP that was dialled
}

// DeliveryFilter chooses deliveries. Empty fields choose all.
type DeliveryFilter struct {
	Receiver string
	States   []DeliveryState
	AlertID  string
}

// DeliveryPage is one page of deliveries, newest first.
type DeliveryPage struct {
	Items []Delivery `json:"items"`
	Next  string     `json:"next,omitempty"` // cursor of the next page; "" at the end
}

// AlertRule is one rule of the section alerts that is in force, with what the newest look at it found. Values beside the
// threshold say why it fires, or why it does not.
type AlertRule struct {
	Name          string              `json:"name"`
	Signal        string              `json:"signal"`
	Unit          AlertUnit           `json:"unit"`
	Below         bool                `json:"below"` // it matters when a value is below the threshold
	Threshold     float64             `json:"threshold"`
	For           Duration            `json:"for"`
	KeepFiringFor Duration            `json:"keep_firing_for"`
	Severity      AlertSeverity       `json:"severity"`
	By            []string            `json:"by"`
	Where         map[string][]string `json:"where"`
	Labels        map[string]string   `json:"labels,omitempty"` // which the rule gives its alerts, beside those of `by`
	Receivers     []string            `json:"receivers"`
	Off           bool                `json:"off"`                    // kept in the file, but not looked at
	Line          int                 `json:"line"`                   // in rules.yaml, from 1
	EvaluatedAt   *time.Time          `json:"evaluated_at,omitempty"` // nil when it was not looked at yet
	Error         string              `json:"error,omitempty"`        // public sentence: why its signal could not be measured
	Values        []AlertValue        `json:"values"`                 // those nearest to firing first, at most 50
	MoreValues    int                 `json:"more_values,omitempty"`  // values that were left out
}

// AlertValue is the newest value of one instance of a rule.
type AlertValue struct {
	Labels map[string]string `json:"labels"` // those of `by`
	Value  float64           `json:"value"`
	State  AlertState        `json:"state"` // pending or firing; "" when the condition does not hold
}

// Receiver is one entry of the section receivers, without what is secret in it.
type Receiver struct {
	Name      string `json:"name"`
	Type      string `json:"type"`               // webhook, alertmanager, dingtalk, feishu, wecom or slack
	Format    string `json:"format"`             // of a webhook: alertmanager, or "" for its own JSON
	Locale    string `json:"locale"`             // en, zh or both
	Host      string `json:"host"`               // scheme and host; what follows may be secret. "" when the URL is not known
	PerMinute int    `json:"per_minute"`         // messages at most; 0 for any number
	Signed    bool   `json:"signed"`             // what it is told is signed with a secret of its own
	Disabled  string `json:"disabled,omitempty"` // public sentence: why it cannot be told anything; "" when it can
	Needs     string `json:"needs,omitempty"`    // what to set so that it can, as rules.yaml writes it: env:NAME or file:PATH
}

// LetterSignal is what alerts watch of the letters that share cluster, consumer group, topic and reason.
type LetterSignal struct {
	Cluster, ConsumerGroup, Topic, Reason string

	Open       int64 // open letters now
	LastMinute int64 // arrivals in the last 60 seconds
	LastHour   int64 // arrivals in the last 60 minutes
}

// ReplaySignal is what became of the replays of one consumer group that were settled in the last hour.
type ReplaySignal struct {
	Cluster, ConsumerGroup string

	Settled     int64 // confirmed, assumed or failed again
	FailedAgain int64
}

// OldestOpen is when the oldest open letter that has some labels died.
type OldestOpen struct {
	Labels map[string]string
	DiedAt time.Time
}
