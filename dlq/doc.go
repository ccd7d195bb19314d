// Package dlq holds the nouns of the dead letter office: letters and their deaths, reasons, verdicts, replays and their
// outcomes, events, filters, and what a RocketMQ cluster can say about itself.
//
// It imports the standard library only. Every other package imports it, and none of them needs another to speak about
// a letter. The JSON tags are those of the REST API and of what the store keeps as JSON.
package dlq
