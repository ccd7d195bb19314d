package store

// The dimensions that letters are counted by, beside cluster and state.
const (
	dimGroup = iota
	dimTopic
	dimReason
	dimOrigin
	dimRule
	dimRoute
	dimSeverity
	dimCount
)

// tallyKey is one combination of what letters are counted by: words, and the state.
type tallyKey struct {
	cluster int64
	dims    [dimCount]int64
	state   int64
}

// values are the columns of the table tally before n.
func (k *tallyKey) values() []any {
	d := &k.dims
	return []any{k.cluster, d[dimGroup], d[dimTopic], d[dimReason], d[dimOrigin], d[dimRule], d[dimRoute], d[dimSeverity], k.state}
}

// targets are values to scan into.
func (k *tallyKey) targets() []any {
	d := &k.dims
	return []any{&k.cluster, &d[dimGroup], &d[dimTopic], &d[dimReason], &d[dimOrigin], &d[dimRule], &d[dimRoute], &d[dimSeverity], &k.state}
}

type tallyRow struct {
	tallyKey
	n int64
}

// tally is the table of counts in memory. Every list goes through its rows, so they stand in a slice.
type tally struct {
	rows   []tallyRow
	at     map[tallyKey]int // place in rows
	states [stateCount]int64
}

func newTally() *tally { return &tally{at: map[tallyKey]int{}} }

func (t *tally) get(k tallyKey) int64 {
	if i, ok := t.at[k]; ok {
		return t.rows[i].n
	}
	return 0
}

// add changes a count; a row that comes to nothing is taken out.
func (t *tally) add(k tallyKey, n int64) {
	if n == 0 {
		return
	}
	t.states[k.state] += n
	i, ok := t.at[k]
	if !ok {
		t.at[k] = len(t.rows)
		t.rows = append(t.rows, tallyRow{k, n})
		return
	}
	if t.rows[i].n += n; t.rows[i].n != 0 {
		return
	}
	last := len(t.rows) - 1
	t.rows[i] = t.rows[last]
	t.at[t.rows[i].tallyKey] = i
	t.rows = t.rows[:last]
	delete(t.at, k)
}
