// Package webhook makes outgoing HTTP calls to addresses that a rules file names, signed by Standard Webhooks 1.0
// (https://www.standardwebhooks.com).
//
// Such an address is a setting, and what answers there is foreign. So a call never follows a redirect, keeps no cookie,
// uses no proxy of the environment, reads at most 64 KiB of the answer, never unpacks it, and ends within its time. A
// guard looks at the address that is really dialled, after the name was resolved: the metadata services of clouds, link-local and
// multicast addresses are refused always, this console's own listener too, and loopback unless it is allowed. Private
// networks are allowed: that is where an operations console has its partners.
//
// The Outbox brings what the store holds for receivers of alerts to them, whatever their format: at least once, in order, a
// slow one delaying nobody else, each attempt in a log.
//
// No error, no metric and no log names more of a URL than its scheme and host, for paths and queries often hold tokens.
package webhook
