package alerts

import "deadletteroffice/dlq"

// signal is something that can be watched.
type signal struct {
	name   string
	unit   dlq.AlertUnit
	below  bool     // it matters when it falls below the threshold
	labels []string // by which it can be told apart
}

// The signals' names, as rules.yaml writes them.
const (
	signalOpen         = "open_letters"
	signalArrivals     = "arrivals_per_minute"
	signalOldest       = "oldest_open_age"
	signalExpiry       = "expiry"
	signalFailedAgain  = "failed_again_ratio"
	signalUnclassified = "unclassified_ratio"
	signalStalled      = "intake_stalled"
	signalUnreachable  = "broker_unreachable"
	signalRefused      = "rules_refused"
	signalDisk         = "disk"
)

var (
	letterLabels = []string{labelCluster, labelGroup, labelTopic, labelReason}
	groupLabels  = []string{labelCluster, labelGroup}
)

// The labels by which signals can be told apart.
const (
	labelCluster = "cluster"
	labelGroup   = "consumer_group"
	labelTopic   = "topic"
	labelReason  = "reason"
)

// signals are all signals, in the order in which the docs list them.
var signals = []signal{
	{name: signalOpen, unit: dlq.UnitCount, labels: letterLabels},
	{name: signalArrivals, unit: dlq.UnitCount, labels: letterLabels},
	{name: signalOldest, unit: dlq.UnitDuration, labels: letterLabels},
	{name: signalExpiry, unit: dlq.UnitDuration, below: true, labels: groupLabels},
	{name: signalFailedAgain, unit: dlq.UnitRatio, labels: groupLabels},
	{name: signalUnclassified, unit: dlq.UnitRatio, labels: groupLabels},
	{name: signalStalled, unit: dlq.UnitFlag, labels: groupLabels},
	{name: signalUnreachable, unit: dlq.UnitFlag, labels: []string{labelCluster}},
	{name: signalRefused, unit: dlq.UnitFlag},
	{name: signalDisk, unit: dlq.UnitRatio},
}

func signalNames() []string {
	out := make([]string, len(signals))
	for i, s := range signals {
		out[i] = s.name
	}
	return out
}
