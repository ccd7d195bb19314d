// Package alerts watches over the letters: signals are measured, rules in rules.yaml say which of them matter, receivers
// are told.
package alerts
