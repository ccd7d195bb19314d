// Package alerts watches over the letters: signals are measured, rules in rules.yaml say which of them matter, receivers
// are told.
//
// One evaluation is a turn: a pure function of the stored state, the rules, what was measured, the silences and the time.
// What it changes is one step, and the store keeps it in one transaction: how each alert stands, what each receiver was
// told last, what happened, and the deliveries that tell it. So a process that dies at any moment forgets nothing and
// tells nothing twice; webhook.Outbox sends what stands there.
//
// What could not be measured changes nothing: an alert neither begins nor ends because a broker or the disk was slow.
package alerts
