package dlq

import "time"

// Edit is one changed version of a letter's message. The stored original never changes. It belongs to the dead copy that
// it was made from: after another death it cannot be sent any more.
type Edit struct {
	LetterID int64             `json:"letter_id,string"`
	Number   int               `json:"number"` // 1 for the letter's first
	Base     int               `json:"base"`   // number of the edit that it goes on from; 0 for the original
	Deaths   int               `json:"deaths"` // the letter's deaths when it was made
	Author   string            `json:"author"`
	Note     string            `json:"note"`
	At       time.Time         `json:"at"`
	Body     []byte            `json:"body"`   // base64 in JSON
	Set      map[string]string `json:"set"`    // properties that differ from the original's, after the change
	Remove   []string          `json:"remove"` // properties of the original that are gone
	Charset  string            `json:"-"`      // of an edit that is to be kept: Body is UTF-8 and shall be written in this charset; "" keeps its bytes
}

// Editable is a letter's message as an editor opens it.
type Editable struct {
	LetterID   int64              `json:"letter_id,string"`
	Version    int64              `json:"version"` // of the letter
	Deaths     int                `json:"deaths"`
	Body       []byte             `json:"body"`       // as the consumer shall see it: out of its envelope; base64 in JSON
	Charset    string             `json:"charset"`    // in which the body is written, as far as can be told; "" for no text
	Transcript bool               `json:"transcript"` // Body, and that of every edit, is a text in UTF-8 to be written in Charset again
	Undecoded  bool               `json:"undecoded"`  // still compressed: the body cannot be edited
	Properties []EditableProperty `json:"properties"`
	Edits      []Edit             `json:"edits"` // newest first
}

// EditableProperty is one property of a message.
type EditableProperty struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Locked    bool   `json:"locked"`    // RocketMQ's or this console's own: it cannot be changed
	Stripped  bool   `json:"stripped"`  // it belongs to the journey that is over and is not sent
	Sensitive bool   `json:"sensitive"` // its name looks like a secret's
}
