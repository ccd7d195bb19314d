package store

import (
	"cmp"
	"context"
	"database/sql"

	"deadletteroffice/dlq"
)

// cause is what a letter's row says of the death that gave its reason.
func (t *tx) cause(r *row) *dlq.Cause {
	return &dlq.Cause{
		Death: cmp.Or(r.reasonDeath, r.seq), Reason: cmp.Or(r.ownReason, t.text(r.reason)), Text: r.reasonText,
		Origin: dlq.ReasonOrigin(t.text(r.origin)), Field: t.text(r.field), Fingerprint: fingerprintText(r.fingerprint),
	}
}

// causeNumbers is how a cause's origin, field and fingerprint are written down.
func (t *tx) causeNumbers(c *dlq.Cause) (origin, field, print int64, err error) {
	if print, err = fingerprintNumber(c.Fingerprint); err != nil {
		return 0, 0, 0, err
	}
	return origin, field, print, t.words(wordInto{&origin, wordOrigin, string(c.Origin)}, wordInto{&field, wordField, c.Field})
}

// keepReason writes down what a death says of itself, with the verdict of its letter.
func (t *tx) keepReason(r *row, c *dlq.Cause) error {
	origin, field, print, err := t.causeNumbers(c)
	if err != nil {
		return err
	}
	_, err = t.exec(`REPLACE INTO death_reason(letter, death, origin, field, fingerprint, rule, rule_version, verdict, reason, reason_text)
		VALUES(?,?,?,?,?,?,?,?,?,?)`,
		r.id, c.Death, origin, field, print, r.rule, r.ruleVersion, r.verdict, c.Reason, c.Text)
	return err
}

// setReasonDeath notes whose reason a letter has after it was judged, and keeps what its newest death says itself.
func (t *tx) setReasonDeath(r, before *row, f *dlq.Facts) error {
	if f.Own != nil {
		r.reasonDeath = f.ReasonDeath
		if r.reasonDeath == 0 && before != nil {
			r.reasonDeath = cmp.Or(before.reasonDeath, before.seq)
		}
		own := *f.Own
		own.Death = r.seq
		return t.keepReason(r, &own)
	}
	stale := r.reasonDeath != 0 && before != nil && before.seq == r.seq // the letter speaks for the newest death again
	r.reasonDeath = 0
	if !stale {
		return nil
	}
	_, err := t.exec("DELETE FROM death_reason WHERE letter=? AND death=?", r.id, r.seq)
	return err
}

// learnEarlier takes over what became known of an earlier death of a letter. The verdict of then stays.
func (t *tx) learnEarlier(r *row, c *dlq.Cause) error {
	origin, field, print, err := t.causeNumbers(c)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO death_reason(letter, death, origin, field, fingerprint, rule, rule_version, verdict, reason, reason_text)
		SELECT letter, id, ?, ?, ?, 0, 0, 0, ?, ? FROM death WHERE id=? AND letter=?
		ON CONFLICT DO UPDATE SET origin=excluded.origin, field=excluded.field, fingerprint=excluded.fingerprint, reason=excluded.reason, reason_text=excluded.reason_text`,
		origin, field, print, c.Reason, c.Text, c.Death, r.id)
	return err
}

// addReasons says of the deaths of a letter, newest first, why they happened.
func (s *Store) addReasons(ctx context.Context, q querier, r *row, deaths []dlq.Death) error {
	kept := map[int64]dlq.DeathReason{}
	err := each(ctx, q, "SELECT death, origin, field, fingerprint, rule, rule_version, verdict, reason, reason_text FROM death_reason WHERE letter=? ORDER BY death DESC LIMIT ?",
		[]any{r.id, maxHistory}, func(rows *sql.Rows) error {
			var death, origin, field, print, rule, verdict int64
			var d dlq.DeathReason
			if err := rows.Scan(&death, &origin, &field, &print, &rule, &d.RuleVersion, &verdict, &d.Reason, &d.ReasonText); err != nil {
				return err
			}
			d.ReasonOrigin, d.ReasonField, d.Fingerprint = dlq.ReasonOrigin(s.mem.textOf(origin)), s.mem.textOf(field), fingerprintText(print)
			d.Rule = s.mem.textOf(rule)
			s.mem.mu.RLock()
			d.Route, d.Severity = s.mem.verdicts[verdict].Route, s.mem.verdicts[verdict].Severity
			s.mem.mu.RUnlock()
			kept[death] = d
			return nil
		})
	if err != nil {
		return err
	}
	l := s.mem.nouns([]*row{r})[0]
	for i := range deaths {
		d := &deaths[i]
		d.DeathReason = kept[d.ID]
		if d.ID == r.seq && r.reasonDeath == 0 {
			d.DeathReason = dlq.DeathReason{
				Reason: l.Reason, ReasonText: l.ReasonText, ReasonOrigin: l.ReasonOrigin, ReasonField: l.ReasonField, Fingerprint: l.Fingerprint,
				Route: l.Route, Severity: l.Severity, Rule: l.Rule, RuleVersion: l.RuleVersion,
			}
		}
	}
	return nil
}

// knownCause is what a letter hands on to its next death: its reason, where that is known.
func (m *memory) knownCause(r *row) *dlq.Cause {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c := &dlq.Cause{
		Death: cmp.Or(r.reasonDeath, r.seq), Reason: cmp.Or(r.ownReason, m.text(r.reason)), Text: r.reasonText,
		Origin: dlq.ReasonOrigin(m.text(r.origin)), Field: m.text(r.field), Fingerprint: fingerprintText(r.fingerprint),
	}
	if !c.Known() {
		return nil
	}
	return c
}

// earlierCauses returns by letter the newest known reason among the deaths before the newest one.
func (s *Store) earlierCauses(ctx context.Context, q querier, letters []int64) (map[int64]*dlq.Cause, error) {
	found := map[int64]*dlq.Cause{}
	err := inChunks(anys(letters), func(part []any) error {
		query := `SELECT d.letter, d.death, d.origin, d.field, d.fingerprint, d.reason, d.reason_text FROM death_reason d
			JOIN letter l ON l.id=d.letter AND d.death<l.seq WHERE d.letter IN (` + marks(len(part)) + ") ORDER BY d.letter, d.death"
		return each(ctx, q, query, part, func(rows *sql.Rows) error {
			var letter, origin, field, print int64
			c := &dlq.Cause{}
			err := rows.Scan(&letter, &c.Death, &origin, &field, &print, &c.Reason, &c.Text)
			c.Origin, c.Field, c.Fingerprint = dlq.ReasonOrigin(s.mem.textOf(origin)), s.mem.textOf(field), fingerprintText(print)
			if c.Known() {
				found[letter] = c
			}
			return err
		})
	})
	return found, err
}
