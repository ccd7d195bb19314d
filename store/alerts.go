package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"deadletteroffice/dlq"
)

// AlertBook returns the whole state of the alert engine, as the steps that were saved have left it.
func (s *Store) AlertBook(ctx context.Context) (b dlq.AlertBook, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		if b.Alerts, err = alertsWhere(ctx, q, "INDEXED BY alert_book WHERE in_book=1 ORDER BY id"); err != nil {
			return err
		}
		err := each(ctx, q, "SELECT told FROM alert_group ORDER BY receiver", nil, func(rows *sql.Rows) error {
			var g dlq.AlertGroup
			err := scanJSON(rows, &g)
			b.Groups = append(b.Groups, g)
			return err
		})
		if err != nil {
			return err
		}
		return each(ctx, q, "SELECT value FROM number WHERE name='alerts' AND value<>0", nil, func(rows *sql.Rows) error {
			var at sql.NullInt64
			err := rows.Scan(&at)
			b.EvaluatedAt = optInstant(at)
			return err
		})
	})
	return b, err
}

// alertsWhere reads alerts; the clause follows FROM alert.
func alertsWhere(ctx context.Context, q querier, clause string, args ...any) (list []dlq.Alert, err error) {
	err = each(ctx, q, "SELECT alert FROM alert "+clause, args, func(rows *sql.Rows) error {
		var a dlq.Alert
		err := scanJSON(rows, &a)
		list = append(list, a)
		return err
	})
	return list, err
}

// scanJSON reads a row of one column of JSON.
func scanJSON(rows *sql.Rows, into any) error {
	var text []byte
	if err := rows.Scan(&text); err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// SaveAlerts stores what one evaluation changed, in one transaction or, with an error, not at all. An alert that is both
// in Alerts and in Gone leaves the book when it is resolved; else Gone means the one that it takes the place of. An
// AlertGroup without anything told, waiting or sent is taken out.
//
// When more than 1 000 deliveries of a receiver would be pending, the oldest are dropped and each alert in them gets an
// event held_back with the detail queue_full. The error is CodeUnavailable while the disk is full, and CodeConflict when
// a delivery's ID was used before.
func (s *Store) SaveAlerts(ctx context.Context, step dlq.AlertStep) error {
	ready, err := prepareStep(&step)
	if err != nil {
		return err
	}
	return s.do(ctx, lanePeople, func(t *tx) error { return t.saveAlerts(&step, ready) })
}

// readyStep is the JSON of a step, made outside the transaction.
type readyStep struct {
	alerts, groups []string
	deliveries     []readyDelivery
}

func prepareStep(step *dlq.AlertStep) (ready readyStep, err error) {
	for i := range step.Alerts {
		text, err := jsonText(&step.Alerts[i])
		if err != nil {
			return ready, err
		}
		ready.alerts = append(ready.alerts, text)
	}
	for i := range step.Groups {
		text, err := jsonText(&step.Groups[i])
		if err != nil {
			return ready, err
		}
		ready.groups = append(ready.groups, text)
	}
	for i := range step.Deliveries {
		d, err := prepareDelivery(&step.Deliveries[i])
		if err != nil {
			return ready, err
		}
		ready.deliveries = append(ready.deliveries, d)
	}
	return ready, nil
}

// jsonText fails for numbers that JSON does not have.
func jsonText(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", dlq.Errorf(dlq.CodeInvalid, "an alert cannot be written as JSON: %w", err)
	}
	return string(text), nil
}

func (t *tx) saveAlerts(step *dlq.AlertStep, ready readyStep) error {
	if err := t.newDeliveries(ready.deliveries); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE number SET value=? WHERE name='alerts'", step.At.UnixMilli()); err != nil {
		return err
	}
	replaced := map[string]bool{}
	for i := range step.Alerts {
		a := &step.Alerts[i]
		if err := t.putAlert(a, ready.alerts[i]); err != nil {
			return err
		}
		replaced[a.ID] = a.State != dlq.AlertResolved
	}
	for _, id := range step.Gone {
		if replaced[id] {
			continue
		}
		if err := t.leaveBook(id, -1); err != nil {
			return err
		}
	}
	for i := range step.Groups {
		if err := t.putGroup(&step.Groups[i], ready.groups[i]); err != nil {
			return err
		}
	}
	for i := range step.Events {
		if err := t.addAlertEvent(&step.Events[i]); err != nil {
			return err
		}
	}
	return t.dropOldest(ready.deliveries)
}

func (t *tx) putAlert(a *dlq.Alert, text string) error {
	since := a.ActiveSince.UnixMilli()
	if err := t.leaveBook(a.ID, since); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO alert(id, since, in_book, resolved, alert)
		VALUES(?,?,1,?,?)
		ON CONFLICT DO UPDATE SET in_book=1, resolved=excluded.resolved, alert=excluded.alert`,
		a.ID, since, optMillis(a.ResolvedAt), text)
	return err
}

// leaveBook takes an alert out of the book unless it began at that time. If it fired it stays in the history.
func (t *tx) leaveBook(id string, unless int64) error {
	if _, err := t.exec("DELETE FROM alert WHERE id=? AND since<>? AND in_book=1 AND resolved IS NULL", id, unless); err != nil {
		return err
	}
	_, err := t.exec("UPDATE alert SET in_book=0 WHERE id=? AND since<>? AND in_book=1", id, unless)
	return err
}

func (t *tx) putGroup(g *dlq.AlertGroup, text string) error {
	if len(g.Told)+len(g.Waiting) == 0 && g.SentAt == nil {
		_, err := t.exec("DELETE FROM alert_group WHERE receiver=?", g.Receiver)
		return err
	}
	_, err := t.exec("REPLACE INTO alert_group(receiver, told) VALUES(?,?)", g.Receiver, text)
	return err
}

func (t *tx) addAlertEvent(e *dlq.AlertEvent) error {
	at := e.At
	if at.IsZero() {
		at = t.at
	}
	_, err := t.exec("INSERT INTO alert_event(alert, rule, kind, at, value, receiver, delivery, silence, detail) VALUES(?,?,?,?,?,?,?,?,?)",
		e.AlertID, e.Rule, string(e.Kind), at.UnixMilli(), e.Value, e.Receiver, e.DeliveryID, e.SilenceID, e.Detail)
	return err
}

// AlertHistory returns alerts that fired and are over, those that ended last first. The limit is between 1 and 500; 0 or
// less stands for 50. They are kept for the store's retention.
func (s *Store) AlertHistory(ctx context.Context, limit int) (list []dlq.Alert, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = alertsWhere(ctx, q, "INDEXED BY alert_resolved WHERE resolved IS NOT NULL ORDER BY resolved DESC LIMIT ?", pageSize(limit))
		return err
	})
	return orEmpty(list), err
}

// AlertEvents returns what happened to one alert, or to all for "", newest first: the events with an ID below before, or
// the newest for 0. The limit is between 1 and 500; 0 or less stands for 50.
func (s *Store) AlertEvents(ctx context.Context, alertID string, before int64, limit int) (list []dlq.AlertEvent, err error) {
	var c cond
	if alertID != "" {
		c.and("alert=?", alertID)
	}
	if before > 0 {
		c.and("id<?", before)
	}
	where := ""
	if c.text != "" {
		where = " WHERE " + c.text
	}
	query := "SELECT id, alert, rule, kind, at, value, receiver, delivery, silence, detail FROM alert_event" + where + " ORDER BY id DESC LIMIT ?"
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		return each(ctx, q, query, append(c.args, pageSize(limit)), func(rows *sql.Rows) error {
			var e dlq.AlertEvent
			var at int64
			err := rows.Scan(&e.ID, &e.AlertID, &e.Rule, &e.Kind, &at, &e.Value, &e.Receiver, &e.DeliveryID, &e.SilenceID, &e.Detail)
			e.At = instant(at)
			list = append(list, e)
			return err
		})
	})
	return orEmpty(list), err
}

// alertsOf returns the ids of the alerts that a notification tells of.
func alertsOf(n *dlq.Notification) []string {
	var ids []string
	for i := range n.Alerts {
		ids = append(ids, n.Alerts[i].ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
