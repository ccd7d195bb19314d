package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"deadletteroffice/dlq"
)

// wordKind keeps texts of different meaning apart. The numbers are in the file: append only.
type wordKind int64

const (
	wordCluster wordKind = iota + 1
	wordBroker
	wordDLQTopic
	wordConsumerGroup
	wordTopic
	wordReason
	wordOrigin
	wordField
	wordBusiness
	wordEnvelope
	wordRule
	wordRoute
	wordSeverity
	wordOwner
	wordHold
	wordResolution
	wordOutcome
	wordVerdict
	wordBodyState
	wordHost
	wordEventKind
	wordActor
)

type word struct {
	kind wordKind
	text string
}

// What a message says of itself anybody can write, and a producer that writes a reason of its own into every message would
// make memory, the file and every look at the counts grow for ever. So of these kinds only so many texts become words, and
// only short ones: all others share the word dlq.OtherValues, and the letter keeps its text in a column of its own.
const (
	maxReasons    = 1000
	maxBusinesses = 1000
	maxTopics     = 5000 // most are those of the cluster, but an envelope may name any
	maxWord       = 512  // bytes
)

// limit returns how many words of a kind there may be; 0 for a kind that is not limited.
func (k wordKind) limit() int {
	switch k {
	case wordReason:
		return maxReasons
	case wordBusiness:
		return maxBusinesses
	case wordTopic:
		return maxTopics
	}
	return 0
}

// loadWords reads the dictionary without the reasons that no letter has any more: they would keep new ones out of it.
func (m *memory) loadWords(ctx context.Context, c *sql.Conn) error {
	if _, err := c.ExecContext(ctx, "DELETE FROM word WHERE kind=? AND id NOT IN (SELECT reason FROM tally)", wordReason); err != nil {
		return err
	}
	return each(ctx, c, "SELECT id, kind, text FROM word ORDER BY id", nil, func(rows *sql.Rows) error {
		var id int64
		var w word
		if err := rows.Scan(&id, &w.kind, &w.text); err != nil {
			return err
		}
		return m.addWord(id, w)
	})
}

// addWord takes over a word with a higher id than any before it.
func (m *memory) addWord(id int64, w word) error {
	m.ids[w] = id
	m.texts = append(m.texts, make([]string, id+1-int64(len(m.texts)))...)
	m.texts[id] = w.text
	m.kinds[w.kind]++
	if w.kind == wordVerdict {
		var v dlq.Verdict
		if err := json.Unmarshal([]byte(w.text), &v); err != nil {
			return fmt.Errorf("reading a stored verdict: %w", err)
		}
		m.verdicts[id] = v
	}
	return nil
}

// word returns the id of a text and makes it one if it is new; of a limited kind it may be that of dlq.OtherValues.
func (t *tx) word(kind wordKind, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	w := word{kind, text}
	if id, ok := t.s.mem.ids[w]; ok {
		return id, nil
	}
	if id, ok := t.ids[w]; ok {
		return id, nil
	}
	if limit := kind.limit(); limit > 0 && text != dlq.OtherValues && (len(text) > maxWord || t.s.mem.kinds[kind]+t.kinds[kind] >= limit) {
		return t.word(kind, dlq.OtherValues)
	}
	id := int64(len(t.s.mem.texts) + len(t.fresh))
	if _, err := t.exec("INSERT INTO word(id, kind, text) VALUES(?,?,?)", id, kind, text); err != nil {
		return 0, err
	}
	t.ids[w] = id
	t.fresh = append(t.fresh, w)
	t.kinds[kind]++
	return id, nil
}

// words fills many ids at once.
func (t *tx) words(list ...wordInto) error {
	for _, w := range list {
		id, err := t.word(w.kind, w.text)
		if err != nil {
			return err
		}
		*w.into = id
	}
	return nil
}

type wordInto struct {
	into *int64
	kind wordKind
	text string
}

// text returns the text of a word that is committed or new in this transaction.
func (t *tx) text(id int64) string {
	if known := len(t.s.mem.texts); id >= int64(known) {
		return t.fresh[id-int64(known)].text
	}
	return t.s.mem.texts[id]
}

// own returns what a row keeps of a text beside its word: all of it where the word is the one of all others.
func (t *tx) own(id int64, text string) string {
	if text == "" || t.text(id) == text {
		return ""
	}
	return text
}
