package dlq

import "time"

// Filter chooses letters. Within one field the values are "any of"; fields are joined by "and". The zero Filter takes all.
type Filter struct {
	Tab            Tab
	States         []State
	ConsumerGroups []string
	Topics         []string
	Reasons        []string
	Origins        []ReasonOrigin
	Rules          []string
	Routes         []Route
	Severities     []Severity
	Flags          []Flag
	Owners         []string
	Fingerprints   []string
	Outcomes       []Outcome // of the newest replay
	DiedAfter      *time.Time
	DiedBefore     *time.Time
	ArrivedAfter   *time.Time // with ArrivedBefore: a death of the letter, not always the newest, was read in this window
	ArrivedBefore  *time.Time
	Query          string // full text over keys, reason, body; also an id, a UNIQ_KEY or a key as a whole
}

// Count is a number of letters or deaths and whether it is exact. A capped count prints with a plus, "10 000+".
type Count struct {
	Count int64 `json:"count"`
	Exact bool  `json:"exact"`
}

// Page is one page of a list, newest first.
type Page struct {
	Items     []Letter `json:"items"`
	Next      string   `json:"next,omitempty"` // cursor of the next page; "" at the end
	Total     Count    `json:"total"`
	Deaths    *Count   `json:"deaths,omitempty"`     // of a filter with a window of arrival and no text: the deaths of these letters in it
	Examined  int      `json:"examined,omitempty"`   // when a cap on what is examined bent the result: how many of the newest were looked at
	SearchLag int64    `json:"search_lag,omitempty"` // letters that full text does not know yet
}

// Facet is one value of a field and how many letters of the current filter have it.
type Facet struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// OtherValues stands, as a facet's value and in a filter, for all reasons, and for all topics, of which there are too many to
// be told apart. The letters themselves keep their own.
const OtherValues = "(other)"

// Facets are the counts beside the list. Each facet is counted under all filters but its own.
type Facets struct {
	Tabs           map[Tab]int64 `json:"tabs"`
	ConsumerGroups []Facet       `json:"consumer_groups"`
	Topics         []Facet       `json:"topics"`
	Reasons        []Facet       `json:"reasons"`
	Rules          []Facet       `json:"rules"`
	Routes         []Facet       `json:"routes"`
	Exact          bool          `json:"exact"`              // false: there are so many letters that only the newest were looked at
	Examined       int           `json:"examined,omitempty"` // how many, of each tab or of what the text finds; left out when exact
}

// Summary is the state of the whole in one look.
type Summary struct {
	Tabs            map[Tab]int64   `json:"tabs"`
	States          map[State]int64 `json:"states"`
	OldestOpen      *time.Time      `json:"oldest_open,omitempty"` // DiedAt of the oldest open letter
	Arrived24h      int64           `json:"arrived_24h"`           // deaths of letters that are kept
	ArrivedHours    []int64         `json:"arrived_hours"`         // by hour, oldest first, 24 of them
	Unread          int64           `json:"unread"`                // dead messages at the broker not yet read
	UnreadExpiresAt *time.Time      `json:"unread_expires_at,omitempty"`
	Gaps            int64           `json:"gaps"`
	SearchLag       int64           `json:"search_lag"`
	Letters         int64           `json:"letters"`
	LastEvent       int64           `json:"last_event,string"`
}
