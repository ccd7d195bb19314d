package store

import (
	"context"
	"database/sql"

	"deadletteroffice/dlq"
)

// AddRuleVersion keeps a text of rules.yaml that came into force and returns its number. A text whose SHA-256 is that of
// the newest version is that version. A zero At is now.
func (s *Store) AddRuleVersion(ctx context.Context, v dlq.RuleVersion) (number int64, err error) {
	err = s.do(ctx, lanePeople, func(t *tx) error {
		newest, err := ruleVersions(context.Background(), t, "ORDER BY version DESC LIMIT 1")
		if err != nil {
			return err
		}
		number = 1
		if len(newest) > 0 {
			if number = newest[0].Version; newest[0].SHA256 == v.SHA256 {
				return nil
			}
			number++
		}
		at := v.At
		if at.IsZero() {
			at = t.at
		}
		_, err = t.exec(`INSERT INTO rule_version(version, sha256, text, author, note, at)
			VALUES(?,?,?,?,?,?)`, number, v.SHA256, v.Text, v.Author, v.Note, at.UnixMilli())
		return err
	})
	return number, err
}

func ruleVersions(ctx context.Context, q querier, clause string, args ...any) (list []dlq.RuleVersion, err error) {
	query := `SELECT version, sha256, text, author, note, at,
		coalesce((SELECT max(o.version) FROM rule_version o WHERE o.version<v.version AND o.sha256=v.sha256), 0) FROM rule_version v `
	err = each(ctx, q, query+clause, args, func(rows *sql.Rows) error {
		var v dlq.RuleVersion
		var at int64
		err := rows.Scan(&v.Version, &v.SHA256, &v.Text, &v.Author, &v.Note, &at, &v.Reverts)
		v.At = instant(at)
		list = append(list, v)
		return err
	})
	return list, err
}

// RewriteRuleTexts puts what f makes of the text of each version of the rules in its place. What stood there is wiped from
// the file: it may have been a secret.
func (s *Store) RewriteRuleTexts(ctx context.Context, f func(text string) string) error {
	changed := map[int64]string{}
	for version := int64(1); ; version++ { // numbers have no gaps
		v, err := s.RuleVersion(ctx, version)
		if dlq.CodeOf(err) == dlq.CodeNotFound {
			break
		}
		if err != nil {
			return err
		}
		if text := f(v.Text); text != v.Text {
			changed[version] = text
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return s.do(ctx, lanePeople, func(t *tx) error {
		if _, err := t.exec("PRAGMA secure_delete=ON"); err != nil {
			return err
		}
		for version, text := range changed {
			if _, err := t.exec("UPDATE rule_version SET text=? WHERE version=?", text, version); err != nil {
				return err
			}
		}
		return nil
	})
}

// RuleVersion returns one version of the rules with its text; the error is CodeNotFound when there is none.
func (s *Store) RuleVersion(ctx context.Context, version int64) (dlq.RuleVersion, error) {
	return s.oneRuleVersion(ctx, "WHERE version=?", version)
}

// LatestRuleVersion returns the newest version of the rules; the error is CodeNotFound when there was never one.
func (s *Store) LatestRuleVersion(ctx context.Context) (dlq.RuleVersion, error) {
	return s.oneRuleVersion(ctx, "ORDER BY version DESC LIMIT 1")
}

func (s *Store) oneRuleVersion(ctx context.Context, clause string, args ...any) (v dlq.RuleVersion, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		list, err := ruleVersions(ctx, q, clause, args...)
		if err == nil && len(list) == 0 {
			err = dlq.Errorf(dlq.CodeNotFound, "there is no such version of the rules")
		}
		if err == nil {
			v = list[0]
		}
		return err
	})
	return v, err
}

// RuleVersions returns versions of the rules without their texts, newest first: those before a version, or the newest for
// before 0.
func (s *Store) RuleVersions(ctx context.Context, before int64, limit int) (list []dlq.RuleVersion, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = ruleVersions(ctx, q, "WHERE ?1=0 OR version<?1 ORDER BY version DESC LIMIT ?2", before, limit)
		for i := range list {
			list[i].Text = ""
		}
		return err
	})
	return orEmpty(list), err
}

// Automation returns the switch that lets the console act without a person. On a new file it is off, with version 0.
func (s *Store) Automation(ctx context.Context) (a dlq.Automation, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		a, err = automation(ctx, q)
		return err
	})
	return a, err
}

func automation(ctx context.Context, q querier) (a dlq.Automation, err error) {
	err = each(ctx, q, "SELECT is_on, stopped, since, changed, actor, note, version FROM automation", nil, func(rows *sql.Rows) error {
		var since, changed sql.NullInt64
		err := rows.Scan(&a.On, &a.Stopped, &since, &changed, &a.Actor, &a.Note, &a.Version)
		a.Since, a.ChangedAt = optInstant(since), optInstant(changed)
		return err
	})
	return a, err
}

// SetAutomation replaces the switch, if its version is still the one that was seen, and returns it with its new version
// and the time of the change. Since is stored as given. The error is CodeConflict when somebody else was first; then the
// switch as it is now is returned with it.
func (s *Store) SetAutomation(ctx context.Context, seen int64, a dlq.Automation) (now dlq.Automation, err error) {
	if a.On || !a.Stopped {
		if err := s.refuseCopy(); err != nil {
			return a, err
		}
	}
	err = s.do(ctx, lanePeople, func(t *tx) error {
		var err error
		if now, err = automation(context.Background(), t); err != nil {
			return err
		}
		if now.Version != seen {
			return dlq.Errorf(dlq.CodeConflict, "the automation switch was changed by somebody else in the meantime").
				WithHint("look at it as it is now, then decide again")
		}
		_, err = t.exec("UPDATE automation SET is_on=?, stopped=?, since=?, changed=?, actor=?, note=?, version=?",
			a.On, a.Stopped, optMillis(a.Since), t.now, a.Actor, a.Note, seen+1)
		if err != nil {
			return err
		}
		now, err = automation(context.Background(), t)
		return err
	})
	return now, err
}

// Gaps returns the newest ranges of offsets that could not be read, newest first.
func (s *Store) Gaps(ctx context.Context, limit int) (list []dlq.Gap, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		return each(ctx, q, "SELECT id, queue, kind, first, next, n, at FROM gap ORDER BY id DESC LIMIT ?", []any{limit}, func(rows *sql.Rows) error {
			var g dlq.Gap
			var queue, at int64
			err := rows.Scan(&g.ID, &queue, &g.Kind, &g.From, &g.To, &g.Count, &at)
			g.Queue, g.At = s.mem.queueOf(queue), instant(at)
			list = append(list, g)
			return err
		})
	})
	return orEmpty(list), err
}

// Remembered returns the answer of a write that named an idempotency key; answers are kept for a day.
func (s *Store) Remembered(ctx context.Context, key string) (r dlq.Remembered, known bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		return each(ctx, q, "SELECT key, request, status, answer, at FROM remembered WHERE key=?", []any{key}, func(rows *sql.Rows) error {
			known = true
			var at int64
			err := rows.Scan(&r.Key, &r.Request, &r.Status, &r.Answer, &at)
			r.At = instant(at)
			return err
		})
	})
	return r, known, err
}

// Remember keeps the answer of a write that named an idempotency key. The error is CodeConflict when the key has an
// answer already.
func (s *Store) Remember(ctx context.Context, r dlq.Remembered) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		at := r.At
		if at.IsZero() {
			at = t.at
		}
		n, err := t.exec(`INSERT INTO remembered(key, request, status, answer, at)
			VALUES(?,?,?,?,?)
			ON CONFLICT DO NOTHING`, r.Key, r.Request, r.Status, append([]byte{}, r.Answer...), at.UnixMilli())
		if err == nil && n == 0 {
			err = dlq.Errorf(dlq.CodeConflict, "the idempotency key was used before")
		}
		return err
	})
}
