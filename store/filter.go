package store

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// dimension is how a filter asks for one of the properties that letters are counted by.
type dimension struct {
	column string
	kind   wordKind
	index  string // index on (column, tab, seq); "" for none
	own    string // column of the text where the word is that of all others; "" for a kind that is not limited
	wanted func(*dlq.Filter) []string
	clear  func(*dlq.Filter)
}

var dimensions = [dimCount]dimension{
	dimGroup:    {"consumer_group", wordConsumerGroup, "letter_consumer_group", "", func(f *dlq.Filter) []string { return f.ConsumerGroups }, func(f *dlq.Filter) { f.ConsumerGroups = nil }},
	dimTopic:    {"topic", wordTopic, "letter_topic", "own_topic", func(f *dlq.Filter) []string { return f.Topics }, func(f *dlq.Filter) { f.Topics = nil }},
	dimReason:   {"reason", wordReason, "letter_reason", "own_reason", func(f *dlq.Filter) []string { return f.Reasons }, func(f *dlq.Filter) { f.Reasons = nil }},
	dimOrigin:   {"origin", wordOrigin, "", "", func(f *dlq.Filter) []string { return texts(f.Origins) }, func(f *dlq.Filter) { f.Origins = nil }},
	dimRule:     {"rule", wordRule, "", "", func(f *dlq.Filter) []string { return f.Rules }, func(f *dlq.Filter) { f.Rules = nil }},
	dimRoute:    {"route", wordRoute, "", "", func(f *dlq.Filter) []string { return texts(f.Routes) }, func(f *dlq.Filter) { f.Routes = nil }},
	dimSeverity: {"severity", wordSeverity, "", "", func(f *dlq.Filter) []string { return texts(f.Severities) }, func(f *dlq.Filter) { f.Severities = nil }},
}

// wish is a filter in the terms of the tables.
type wish struct {
	none    bool    // nothing can match
	counted bool    // tally can count it exactly: none of the fields at the end is asked for
	tabs    []int64 // never empty
	states  []int64 // nil: every state of the tabs
	dims    [dimCount][]int64
	own     cond // of letters under the word of all others those with certain texts of their own

	flags                          int64
	owners, fingerprints, outcomes []int64
	diedAfter, diedBefore          *int64 // from, and to without it
	arrivedAfter, arrivedBefore    *int64 // likewise
	text                           string
}

// inStates says by state whether the wish takes it.
func (w *wish) inStates() (in [stateCount]bool) {
	for code := range in {
		in[code] = slices.Contains(w.tabs, tabOf(int64(code))) && (w.states == nil || slices.Contains(w.states, int64(code)))
	}
	return in
}

func (w *wish) inDim(i int, k *tallyKey) bool {
	return w.dims[i] == nil || slices.Contains(w.dims[i], k.dims[i])
}

// inDims reports whether a row of tally passes in every dimension.
func (w *wish) inDims(k *tallyKey) bool {
	for i := range w.dims {
		if !w.inDim(i, k) {
			return false
		}
	}
	return true
}

// compile turns a filter into a wish. A value that no letter ever had makes its field match nothing.
func (m *memory) compile(f *dlq.Filter) *wish {
	m.mu.RLock()
	defer m.mu.RUnlock()
	w := &wish{text: strings.TrimSpace(f.Query)}
	w.counted = w.text == "" && f.DiedAfter == nil && f.DiedBefore == nil && f.ArrivedAfter == nil && f.ArrivedBefore == nil &&
		len(f.Flags)+len(f.Owners)+len(f.Fingerprints)+len(f.Outcomes) == 0
	choose := func(kind wordKind, values []string) []int64 {
		if len(values) == 0 {
			return nil
		}
		ids := m.known(kind, values)
		w.none = w.none || len(ids) == 0
		return ids
	}
	for i, d := range dimensions {
		values := d.wanted(f)
		if other, ok := m.ids[word{d.kind, dlq.OtherValues}]; ok && d.own != "" {
			values = m.withOther(w, d, other, values)
		}
		w.dims[i] = choose(d.kind, values)
	}
	w.owners = choose(wordOwner, f.Owners)
	w.outcomes = choose(wordOutcome, texts(f.Outcomes))
	for _, text := range f.Fingerprints {
		if n, err := fingerprintNumber(text); err == nil { // another text is nobody's fingerprint
			w.fingerprints = append(w.fingerprints, n)
		}
	}
	w.none = w.none || len(f.Fingerprints) > 0 && w.fingerprints == nil
	w.flags = flagBits(f.Flags)
	w.none = w.none || len(f.Flags) > 0 && w.flags == 0
	w.diedAfter, w.diedBefore = millis(f.DiedAfter), millis(f.DiedBefore)
	w.arrivedAfter, w.arrivedBefore = millis(f.ArrivedAfter), millis(f.ArrivedBefore)
	w.compileStates(f)
	return w
}

func millis(at *time.Time) *int64 {
	if at == nil {
		return nil
	}
	ms := at.UnixMilli()
	return &ms
}

// withOther lets a filter reach the letters of texts that are not in the dictionary because there were too many.
func (m *memory) withOther(w *wish, d dimension, other int64, values []string) []string {
	unknown := slices.DeleteFunc(slices.Clone(values), func(text string) bool {
		_, known := m.ids[word{d.kind, text}]
		return known || text == ""
	})
	if len(unknown) == 0 || slices.Contains(values, dlq.OtherValues) {
		return values
	}
	args := []any{other}
	for _, text := range unknown {
		args = append(args, text)
	}
	w.own.and("(+l."+d.column+"<>? OR l."+d.own+" IN ("+marks(len(unknown))+"))", args...)
	w.counted = false
	return append(slices.Clone(values), dlq.OtherValues)
}

// compileStates always names tabs, because every list index asks for them before seq.
func (w *wish) compileStates(f *dlq.Filter) {
	covered := true
	for i, tab := range dlq.Tabs {
		if f.Tab != "" && f.Tab != tab {
			continue
		}
		wanted := 0
		all := 0
		for code, state := range dlq.States {
			if state.Tab() != tab {
				continue
			}
			all++
			if len(f.States) == 0 || slices.Contains(f.States, state) {
				wanted++
				w.states = append(w.states, int64(code))
			}
		}
		if wanted > 0 {
			w.tabs = append(w.tabs, int64(i))
			covered = covered && wanted == all
		}
	}
	if covered {
		w.states = nil
	}
	w.none = w.none || len(w.tabs) == 0
}

// cond is a piece of a WHERE clause with its arguments.
type cond struct {
	text string
	args []any
}

// and appends a condition.
func (c *cond) and(text string, args ...any) {
	if c.text != "" {
		c.text += " AND "
	}
	c.text += text
	c.args = append(c.args, args...)
}

// in appends "column is one of". One value is written as =, which every plan understands best.
func (c *cond) in(column string, values []int64) {
	if len(values) == 1 {
		c.and(column+"=?", values[0])
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	c.and(column+" IN ("+marks(len(values))+")", args...)
}

// conditions returns all that the wish asks of a letter but tabs and text, leaving out what the index has settled.
func (w *wish) conditions(settled string) (c cond) {
	add := func(column string, values []int64) {
		if values != nil && column != settled {
			c.in("+l."+column, values)
		}
	}
	add("state", w.states)
	for i, d := range dimensions {
		add(d.column, w.dims[i])
	}
	if w.own.text != "" {
		c.and(w.own.text, w.own.args...)
	}
	add("owner", w.owners)
	add("fingerprint", w.fingerprints)
	add("outcome", w.outcomes)
	if w.flags != 0 {
		c.and("l.flags & ? <> 0", w.flags)
	}
	if w.diedAfter != nil {
		c.and("+l.died>=?", *w.diedAfter)
	}
	if w.diedBefore != nil {
		c.and("+l.died<?", *w.diedBefore)
	}
	if w.windowed() && settled != "arrived" {
		in := w.arrivedIn()
		c.and("EXISTS (SELECT 1 FROM death d WHERE d.letter=l.id AND "+in.text+")", in.args...)
	}
	return c
}

// cursor is where the next page of one filter begins.
type cursor struct {
	seq    int64 // only letters below it; 0 at the start
	total  dlq.Count
	deaths *dlq.Count
}

const cursorSize = 8 + 8 + 8 + 1 + 8 + 1

// text makes a cursor that only the same filter accepts.
func (c cursor) text(f *dlq.Filter) string {
	b := make([]byte, 0, cursorSize)
	b = binary.BigEndian.AppendUint64(b, filterHash(f))
	b = binary.BigEndian.AppendUint64(b, uint64(c.seq))
	b = binary.BigEndian.AppendUint64(b, uint64(c.total.Count))
	b = append(b, exactByte(&c.total))
	deaths := c.deaths
	if deaths == nil {
		deaths = &dlq.Count{Count: -1}
	}
	b = binary.BigEndian.AppendUint64(b, uint64(deaths.Count))
	return base64.RawURLEncoding.EncodeToString(append(b, exactByte(deaths)))
}

func exactByte(c *dlq.Count) byte {
	if c.Exact {
		return 1
	}
	return 0
}

func readCursor(text string, f *dlq.Filter) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != cursorSize || binary.BigEndian.Uint64(b) != filterHash(f) || b[24] > 1 || b[33] > 1 {
		return c, dlq.Errorf(dlq.CodeInvalid, "the cursor does not belong to this filter").WithHint("begin at the first page, without a cursor")
	}
	c.seq, c.total.Count, c.total.Exact = int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:])), b[24] == 1
	if n := int64(binary.BigEndian.Uint64(b[25:])); n >= 0 {
		c.deaths = &dlq.Count{Count: n, Exact: b[33] == 1}
	}
	if c.seq <= 0 || c.total.Count < 0 {
		return c, dlq.Errorf(dlq.CodeInvalid, "the cursor is damaged").WithHint("begin at the first page, without a cursor")
	}
	return c, nil
}

// filterHash is the same for filters that choose the same, in whatever order their values are written.
func filterHash(f *dlq.Filter) uint64 {
	sorted := *f
	sorted.States, sorted.Origins, sorted.Routes = ordered(f.States), ordered(f.Origins), ordered(f.Routes)
	sorted.Severities, sorted.Flags, sorted.Outcomes = ordered(f.Severities), ordered(f.Flags), ordered(f.Outcomes)
	for _, list := range []*[]string{&sorted.ConsumerGroups, &sorted.Topics, &sorted.Reasons, &sorted.Rules, &sorted.Owners, &sorted.Fingerprints} {
		*list = ordered(*list)
	}
	h := fnv.New64a()
	if err := json.NewEncoder(h).Encode(sorted); err != nil {
		panic("a filter of texts and times cannot be written as JSON: " + err.Error())
	}
	return h.Sum64()
}

func ordered[T ~string](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// letterIDOf returns the id that a text writes, 0 for none.
func letterIDOf(text string) int64 {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}
