package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// row is a letter as the table has it.
type row struct {
	id, seq                                                int64
	state, resolution, route, hold, severity, flags, owner int64
	reason, origin, field, fingerprint, business, envelope int64
	queue, cluster, group, topic                           int64
	rule, ruleVersion, verdict                             int64
	judgedAt, judgedDeaths, judgedReplays                  int64
	attempts, deaths, replays, outcome, size, version      int64
	born, died, arrived, changed                           int64
	retryCount, due, expires                               sql.NullInt64
	originID, uniqueKey, keys, tags, reasonText            string
	ownReason, ownBusiness, ownTopic                       string // "" where the word says it
	reasonDeath                                            int64  // 0 where the newest death gave the reason
	messageID                                              string // of its newest death; only read
}

// letterColumns names the columns of letter in the order of row.values and, with messageID behind them, row.targets.
const letterColumns = "id, seq, tab, state, resolution, route, hold, severity, flags, owner, reason, origin, field, fingerprint, business, envelope, " +
	"queue, cluster, consumer_group, topic, rule, rule_version, verdict, judged_at, judged_deaths, judged_replays, attempts, retry_count, deaths, replays, " +
	"outcome, size, born, died, arrived, changed, due_at, expires, version, origin_id, uniq_key, keys, tags, reason_text, own_reason, own_business, own_topic, reason_death"

// selectLetter reads whole rows; a WHERE clause on l follows.
const selectLetter = "SELECT " + letterColumns + ", (SELECT message_id FROM death WHERE death.id = l.seq) FROM letter l "

func (r *row) values() []any {
	return []any{r.id, r.seq, r.tab(), r.state, r.resolution, r.route, r.hold, r.severity, r.flags, r.owner, r.reason, r.origin, r.field, r.fingerprint, r.business, r.envelope,
		r.queue, r.cluster, r.group, r.topic, r.rule, r.ruleVersion, r.verdict, r.judgedAt, r.judgedDeaths, r.judgedReplays, r.attempts, r.retryCount, r.deaths, r.replays,
		r.outcome, r.size, r.born, r.died, r.arrived, r.changed, r.due, r.expires, r.version, r.originID, r.uniqueKey, r.keys, r.tags, r.reasonText,
		r.ownReason, r.ownBusiness, r.ownTopic, r.reasonDeath}
}

func (r *row) scan(rows *sql.Rows) error {
	var tab int64 // follows from the state
	return rows.Scan(&r.id, &r.seq, &tab, &r.state, &r.resolution, &r.route, &r.hold, &r.severity, &r.flags, &r.owner, &r.reason, &r.origin, &r.field, &r.fingerprint, &r.business, &r.envelope,
		&r.queue, &r.cluster, &r.group, &r.topic, &r.rule, &r.ruleVersion, &r.verdict, &r.judgedAt, &r.judgedDeaths, &r.judgedReplays, &r.attempts, &r.retryCount, &r.deaths, &r.replays,
		&r.outcome, &r.size, &r.born, &r.died, &r.arrived, &r.changed, &r.due, &r.expires, &r.version, &r.originID, &r.uniqueKey, &r.keys, &r.tags, &r.reasonText,
		&r.ownReason, &r.ownBusiness, &r.ownTopic, &r.reasonDeath, &r.messageID)
}

// The statements that write rows, made from the one list of columns.
var (
	insertLetter = "INSERT INTO letter(" + letterColumns + ") VALUES(" + marks(strings.Count(letterColumns, ",")+1) + ")"
	updateLetter = "UPDATE letter SET " + strings.ReplaceAll(letterColumns, ",", "=?,") + "=? WHERE id=?"
)

// A step changes only these, and tab where it changes: an index whose columns are not named is not touched.
const stepColumns = "state=?, resolution=?, route=?, hold=?, severity=?, flags=?, owner=?, outcome=?, replays=?, version=?, changed=?, due_at=?, expires=?"

func (t *tx) insert(r *row) error {
	_, err := t.exec(insertLetter, r.values()...)
	return err
}

// update writes every column.
func (t *tx) update(r *row) error {
	t.written(r)
	_, err := t.exec(updateLetter, append(r.values(), r.id)...)
	return err
}

// step writes what a change of state can change.
func (t *tx) step(r *row, tabMoves bool) error {
	t.written(r)
	args := []any{r.state, r.resolution, r.route, r.hold, r.severity, r.flags, r.owner, r.outcome, r.replays, r.version, r.changed, r.due, r.expires}
	query := "UPDATE letter SET " + stepColumns + " WHERE id=?"
	if tabMoves {
		query = "UPDATE letter SET " + stepColumns + ", tab=? WHERE id=?"
		args = append(args, r.tab())
	}
	_, err := t.exec(query, append(args, r.id)...)
	return err
}

// row reads one letter for writing; nil when there is none. The row must not be changed, only a copy of it.
func (t *tx) row(id int64) (*row, error) {
	if r, known := t.knownRow(id); known {
		return r, nil
	}
	var found *row
	err := each(context.Background(), t, selectLetter+"WHERE id=?", []any{id}, func(rows *sql.Rows) error {
		found = &row{}
		return found.scan(rows)
	})
	return found, err
}

func (r *row) tab() int64 { return tabOf(r.state) }

func tabOf(state int64) int64 { return int64(slices.Index(dlq.Tabs, dlq.States[state].Tab())) }

// A state is stored as its place in dlq.States, of which there are so many.
const stateCount = 8

func stateCode(s dlq.State) int64 { return int64(slices.Index(dlq.States, s)) }

func (r *row) is(s dlq.State) bool { return dlq.States[r.state] == s }

func (r *row) tallyKey() tallyKey {
	return tallyKey{r.cluster, [dimCount]int64{dimGroup: r.group, dimTopic: r.topic, dimReason: r.reason, dimOrigin: r.origin, dimRule: r.rule, dimRoute: r.route, dimSeverity: r.severity}, r.state}
}

// judged is a verdict with its facts, made ready outside the transaction.
type judged struct {
	facts       *dlq.Facts
	verdict     *dlq.Verdict
	text        string // the verdict as JSON
	fingerprint int64
}

func newJudged(f *dlq.Facts, v *dlq.Verdict) (*judged, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing a verdict: %w", err)
	}
	number, err := fingerprintNumber(f.Fingerprint)
	return &judged{f, v, string(text), number}, err
}

// setVerdict takes over what the classifier says. before is the letter as it was, nil for a new one.
func (t *tx) setVerdict(r, before *row, j *judged) error {
	f, v := j.facts, j.verdict
	owner := r.owner
	err := t.words(
		wordInto{&r.route, wordRoute, string(v.Route)}, wordInto{&r.severity, wordSeverity, string(v.Severity)},
		wordInto{&r.owner, wordOwner, v.Owner}, wordInto{&r.rule, wordRule, v.Rule}, wordInto{&r.verdict, wordVerdict, j.text},
		wordInto{&r.reason, wordReason, f.Reason}, wordInto{&r.origin, wordOrigin, string(f.Origin)}, wordInto{&r.field, wordField, f.Field},
		wordInto{&r.business, wordBusiness, f.Business}, wordInto{&r.envelope, wordEnvelope, f.Envelope}, wordInto{&r.topic, wordTopic, f.Topic})
	if err != nil {
		return err
	}
	r.ownReason, r.ownBusiness, r.ownTopic = t.own(r.reason, f.Reason), t.own(r.business, f.Business), t.own(r.topic, f.Topic)
	if owner != 0 {
		r.owner = owner // who has taken a letter keeps it
	}
	r.fingerprint = j.fingerprint
	r.ruleVersion, r.reasonText = v.RuleVersion, f.ReasonText
	r.retryCount = sql.NullInt64{}
	if f.RetryCount != nil {
		r.retryCount = sql.NullInt64{Int64: *f.RetryCount, Valid: true}
	}
	r.judgedAt, r.judgedDeaths, r.judgedReplays = t.now, r.deaths, r.replays
	return t.setReasonDeath(r, before, f)
}

// fingerprintNumber reads 16 hex digits; "" is 0.
func fingerprintNumber(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 {
		return 0, dlq.Errorf(dlq.CodeInvalid, "a fingerprint has 16 hex digits")
	}
	return int64(n), nil
}

func fingerprintText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", uint64(n))
}

// noun makes the noun of a row. The caller holds the lock of memory. Labels are shared between letters: read only.
func (m *memory) noun(r *row) dlq.Letter {
	q, v := m.queues[r.queue], m.verdicts[r.verdict]
	l := dlq.Letter{
		ID: r.id, Version: r.version,
		State: dlq.States[r.state], Resolution: dlq.Resolution(m.text(r.resolution)), Route: dlq.Route(m.text(r.route)), Hold: dlq.Hold(m.text(r.hold)),
		Severity: dlq.Severity(m.text(r.severity)), Flags: flagsOf(r.flags), Owner: m.text(r.owner), Runbook: v.Runbook, Labels: v.Labels,
		Reason: cmp.Or(r.ownReason, m.text(r.reason)), ReasonText: r.reasonText, ReasonOrigin: dlq.ReasonOrigin(m.text(r.origin)), ReasonField: m.text(r.field),
		Fingerprint: fingerprintText(r.fingerprint), ReasonDeath: r.reasonDeath, Business: cmp.Or(r.ownBusiness, m.text(r.business)), Envelope: m.text(r.envelope),
		Cluster: m.text(r.cluster), ConsumerGroup: m.text(r.group), Topic: cmp.Or(r.ownTopic, m.text(r.topic)), DLQTopic: q.Topic, Broker: q.Broker,
		MessageID: r.messageID, OriginMessageID: r.originID, UniqueKey: r.uniqueKey, Keys: strings.Fields(r.keys), Tags: r.tags,
		Attempts: int(r.attempts), Deaths: int(r.deaths), Replays: int(r.replays), Size: int(r.size),
		ArrivedAt: instant(r.arrived), ChangedAt: instant(r.changed),
		DueAt: optInstant(r.due), ExpiresAt: optInstant(r.expires),
		Rule: m.text(r.rule), RuleVersion: r.ruleVersion,
	}
	l.BornAt, l.BornRaw = dlq.Instant(r.born)
	l.DiedAt, l.DiedRaw = dlq.Instant(r.died)
	if r.retryCount.Valid {
		l.RetryCount = &r.retryCount.Int64
	}
	return l
}

// nouns makes the nouns of many rows.
func (m *memory) nouns(rows []*row) []dlq.Letter {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]dlq.Letter, len(rows))
	for i, r := range rows {
		out[i] = m.noun(r)
	}
	return out
}

// A flag is stored as the bit of its place in dlq.Flags.
func flagBits(flags []dlq.Flag) int64 {
	var bits int64
	for _, f := range flags {
		if i := slices.Index(dlq.Flags, f); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}

func flagsOf(bits int64) []dlq.Flag {
	flags := []dlq.Flag{}
	for i, f := range dlq.Flags {
		if bits&(1<<i) != 0 {
			flags = append(flags, f)
		}
	}
	return flags
}

// instant is never one that JSON cannot write: a single such value would take every list with it that it stands in.
func instant(ms int64) time.Time {
	at, _ := dlq.Instant(ms)
	return at
}

func optInstant(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := instant(ms.Int64)
	return &t
}

func optMillis(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

// packProperties writes names and values by turns, each behind its length, sorted by name. JSON would bend bytes that
// are not UTF-8, and properties go back to the broker as they came.
func packProperties(p map[string]string) []byte {
	out := []byte{}
	for _, k := range sortedKeys(p) {
		for _, s := range [2]string{k, p[k]} {
			out = binary.AppendUvarint(out, uint64(len(s)))
			out = append(out, s...)
		}
	}
	return out
}

func unpackProperties(b []byte) (map[string]string, error) {
	p := map[string]string{}
	next := func() (string, bool) {
		n, used := binary.Uvarint(b)
		if used <= 0 || uint64(len(b)-used) < n {
			return "", false
		}
		s := string(b[used : used+int(n)])
		b = b[used+int(n):]
		return s, true
	}
	for len(b) > 0 {
		k, ok := next()
		v, ok2 := next()
		if !ok || !ok2 {
			return nil, errors.New("the stored properties are damaged")
		}
		p[k] = v
	}
	return p, nil
}

func detailJSON(detail map[string]string) (any, error) {
	if len(detail) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(detail)
	if err != nil {
		return nil, fmt.Errorf("writing the detail of an event: %w", err)
	}
	return string(b), nil
}

// marks returns n question marks with commas between.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }
