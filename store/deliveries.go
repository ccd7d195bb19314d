package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"deadletteroffice/dlq"
)

const (
	maxPending  = 1000        // deliveries of one receiver that may be pending
	maxAttempts = 50          // attempts of a delivery that are kept: a receiver that is down for a day has about 150
	testLease   = time.Minute // how long a new test is left to whoever sends it at once

	waitingChunk = 100 // deliveries that are read at once
)

const deliveryColumns = "id, kind, receiver, type, state, attempts, failures, next_at, status, error, merged_into, actor, created, changed, notification"

// deliveriesWhere reads deliveries without their attempts; the clause follows FROM delivery. The numbers by which lists go
// on are returned beside them.
func deliveriesWhere(ctx context.Context, q querier, clause string, args ...any) (list []dlq.Delivery, seqs []int64, err error) {
	err = each(ctx, q, "SELECT seq, "+deliveryColumns+" FROM delivery "+clause, args, func(rows *sql.Rows) error {
		var d dlq.Delivery
		var seq, created, changed int64
		var next sql.NullInt64
		var notification []byte
		err := rows.Scan(&seq, &d.ID, &d.Kind, &d.Receiver, &d.Type, &d.State, &d.Attempts, &d.Failures, &next, &d.Status, &d.Error,
			&d.MergedInto, &d.Actor, &created, &changed, &notification)
		if err != nil {
			return err
		}
		d.NextAt, d.CreatedAt, d.ChangedAt = optInstant(next), instant(created), instant(changed)
		list, seqs = append(list, d), append(seqs, seq)
		return json.Unmarshal(notification, &list[len(list)-1].Notification)
	})
	return list, seqs, err
}

// readyDelivery is a new delivery made ready outside the transaction.
type readyDelivery struct {
	*dlq.Delivery
	notification string
	alerts       []string
}

func prepareDelivery(d *dlq.Delivery) (readyDelivery, error) {
	text, err := jsonText(&d.Notification)
	return readyDelivery{d, text, alertsOf(&d.Notification)}, err
}

// newDeliveries inserts deliveries, after making sure that none of them is there.
func (t *tx) newDeliveries(list []readyDelivery) error {
	for _, d := range list {
		have, err := t.standing(d.ID)
		if err != nil {
			return err
		}
		if have != nil {
			return dlq.Errorf(dlq.CodeConflict, "the delivery %s was stored before", d.ID)
		}
	}
	for _, d := range list {
		if err := t.insertDelivery(d); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) insertDelivery(d readyDelivery) error {
	created := d.CreatedAt
	if created.IsZero() {
		created = t.at
	}
	_, err := t.exec(`INSERT INTO delivery(id, kind, receiver, type, state, reason, attempts, failures, next_at, status, error, merged_into, actor, created, changed, notification)
		VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		d.ID, string(d.Kind), d.Receiver, d.Type, string(d.State), string(d.Notification.Reason), d.Attempts, d.Failures, optMillis(d.NextAt), d.Status, d.Error,
		d.MergedInto, d.Actor, created.UnixMilli(), t.now, d.notification)
	if err != nil {
		return err
	}
	t.countPending(d.Receiver, "", d.State)
	for _, alert := range d.alerts {
		if _, err := t.exec("INSERT INTO delivery_alert(alert, delivery) SELECT ?, seq FROM delivery WHERE id=?", alert, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// countPending notes that a delivery goes from one state to another.
func (t *tx) countPending(receiver string, from, to dlq.DeliveryState) {
	if from == dlq.DeliveryPending {
		t.pending[receiver]--
	}
	if to == dlq.DeliveryPending {
		t.pending[receiver]++
	}
}

// dropOldest drops what is too much for the receivers of new deliveries. What they wait for is over by then.
func (t *tx) dropOldest(added []readyDelivery) error {
	seen := map[string]bool{}
	for _, d := range added {
		if seen[d.Receiver] {
			continue
		}
		seen[d.Receiver] = true
		over := t.s.mem.pending[d.Receiver] + t.pending[d.Receiver] - maxPending
		if over <= 0 {
			continue
		}
		list, seqs, err := deliveriesWhere(context.Background(), t, "INDEXED BY delivery_pending WHERE state='pending' AND receiver=? ORDER BY seq LIMIT ?", d.Receiver, over)
		if err != nil {
			return err
		}
		for i := range list {
			if err := t.drop(&list[i], seqs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) drop(d *dlq.Delivery, seq int64) error {
	sentence := "dropped, because more than " + strconv.Itoa(maxPending) + " newer ones wait for the receiver"
	if _, err := t.exec("UPDATE delivery SET state='dropped', next_at=NULL, error=?, changed=max(?, changed+1) WHERE seq=?", sentence, t.now, seq); err != nil {
		return err
	}
	t.countPending(d.Receiver, d.State, dlq.DeliveryDropped)
	t.dropped[d.Receiver]++
	for i := range d.Notification.Alerts {
		a := &d.Notification.Alerts[i]
		err := t.addAlertEvent(&dlq.AlertEvent{AlertID: a.ID, Rule: a.Rule, Kind: dlq.AlertEventHeldBack, Value: a.Value, Receiver: d.Receiver, DeliveryID: d.ID, Detail: "queue_full"})
		if err != nil {
			return err
		}
	}
	return nil
}

// standing is what decides whether a delivery may be changed.
type standing struct {
	seq, changed int64
	receiver     string
	state        dlq.DeliveryState
}

// standing returns nil when there is no such delivery.
func (t *tx) standing(id string) (have *standing, err error) {
	err = each(context.Background(), t, "SELECT seq, changed, receiver, state FROM delivery WHERE id=?", []any{id}, func(rows *sql.Rows) error {
		have = &standing{}
		return rows.Scan(&have.seq, &have.changed, &have.receiver, &have.state)
	})
	return have, err
}

// AddDelivery stores a new delivery that a person asked for, as a test. One that is pending without a NextAt is left alone
// for a minute, since whoever makes it sends it at once; only when the process dies in between does it wait for the
// outbox. The error is CodeConflict when its ID was used before.
func (s *Store) AddDelivery(ctx context.Context, d dlq.Delivery) error {
	ready, err := prepareDelivery(&d)
	if err != nil {
		return err
	}
	return s.do(ctx, lanePeople, func(t *tx) error {
		if d.State == dlq.DeliveryPending && d.NextAt == nil {
			next := t.at.Add(testLease)
			d.NextAt = &next
		}
		if err := t.newDeliveries([]readyDelivery{ready}); err != nil {
			return err
		}
		return t.dropOldest([]readyDelivery{ready})
	})
}

// Deliveries returns a page of the deliveries that a filter chooses, newest first, without their attempts. The cursor is ""
// for the first page, then DeliveryPage.Next of the page before; any other is CodeInvalid. The limit is between 1 and
// 500; 0 or less stands for 50.
func (s *Store) Deliveries(ctx context.Context, f dlq.DeliveryFilter, cursor string, limit int) (dlq.DeliveryPage, error) {
	page := dlq.DeliveryPage{Items: []dlq.Delivery{}}
	// SQLite takes the index that leads straight to the rows only when it is told, and the other would read every notification.
	number, from := "seq", "delivery INDEXED BY delivery_list WHERE seq>0"
	var args []any
	if f.AlertID != "" {
		number, from = "a.delivery", "delivery_alert a CROSS JOIN delivery ON seq=a.delivery WHERE a.alert=?"
		args = append(args, f.AlertID)
	}
	if cursor != "" {
		below, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || below <= 0 {
			return page, dlq.Errorf(dlq.CodeInvalid, "the cursor is damaged").WithHint("begin at the first page, without a cursor")
		}
		from += " AND " + number + "<?"
		args = append(args, below)
	}
	if f.Receiver != "" {
		from += " AND receiver=?"
		args = append(args, f.Receiver)
	}
	if len(f.States) > 0 {
		from += " AND state IN (" + marks(len(f.States)) + ")"
		for _, state := range f.States {
			args = append(args, string(state))
		}
	}
	limit = pageSize(limit)
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		list, seqs, err := deliveriesWhere(ctx, q, "WHERE seq IN (SELECT seq FROM "+from+" ORDER BY "+number+" DESC LIMIT ?) ORDER BY seq DESC", append(args, limit+1)...)
		if err != nil {
			return err
		}
		if len(list) > limit {
			list = list[:limit]
			page.Next = strconv.FormatInt(seqs[limit-1], 10)
		}
		page.Items = orEmpty(list)
		return nil
	})
	return page, err
}

// Delivery returns one delivery with its newest attempts, 50 at most; the error is CodeNotFound when there is none.
func (s *Store) Delivery(ctx context.Context, id string) (d dlq.Delivery, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, q querier) error {
		list, seqs, err := deliveriesWhere(ctx, q, "WHERE id=?", id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return noDelivery(id)
		}
		d = list[0]
		return addDeliveryLog(ctx, q, seqs[0], &d)
	})
	return d, err
}

func noDelivery(id string) *dlq.Error {
	return dlq.Errorf(dlq.CodeNotFound, "there is no delivery %q", id).WithHint("deliveries are deleted after a while")
}

func addDeliveryLog(ctx context.Context, q querier, seq int64, d *dlq.Delivery) error {
	query := "SELECT number, by_hand, at, duration, url, headers, request, status, answer, error, address FROM delivery_attempt WHERE delivery=? ORDER BY number DESC LIMIT ?"
	return each(ctx, q, query, []any{seq, maxAttempts}, func(rows *sql.Rows) error {
		a := dlq.DeliveryAttempt{DeliveryID: d.ID}
		var at int64
		var headers []byte
		if err := rows.Scan(&a.Number, &a.ByHand, &at, &a.Duration, &a.URL, &headers, &a.Request, &a.Status, &a.Answer, &a.Error, &a.Address); err != nil {
			return err
		}
		a.At = instant(at)
		d.Log = append(d.Log, a)
		return json.Unmarshal(headers, &d.Log[len(d.Log)-1].Headers)
	})
}

// WaitingDeliveries returns the pending deliveries of all receivers without their attempts, those of one receiver together
// and oldest first, at most 1 000 of each.
func (s *Store) WaitingDeliveries(ctx context.Context) ([]dlq.Delivery, error) {
	s.mem.mu.RLock()
	receivers := slices.Sorted(maps.Keys(s.mem.pending))
	s.mem.mu.RUnlock()
	all := []dlq.Delivery{}
	for _, receiver := range receivers {
		for last, read := int64(0), 0; read < maxPending; {
			var list []dlq.Delivery
			var seqs []int64
			err := s.read(ctx, func(ctx context.Context, q querier) (err error) {
				clause := "INDEXED BY delivery_pending WHERE state='pending' AND receiver=? AND seq>? ORDER BY seq LIMIT ?"
				list, seqs, err = deliveriesWhere(ctx, q, clause, receiver, last, waitingChunk)
				return err
			})
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
			if len(list) < waitingChunk {
				break
			}
			last, read = seqs[len(seqs)-1], read+len(list)
		}
	}
	return all, nil
}

// SaveDelivery writes how a delivery stands now and, unless it is nil, the attempt that led to it. Its notification, its
// receiver and when it was made stay what they were. The error is CodeConflict when it has changed since ChangedAt, which
// is when it was read, and CodeNotFound when retention has deleted it.
func (s *Store) SaveDelivery(ctx context.Context, d dlq.Delivery, attempt *dlq.DeliveryAttempt) error {
	return s.do(ctx, lanePeople, func(t *tx) error {
		have, err := t.standing(d.ID)
		switch {
		case err != nil:
			return err
		case have == nil:
			return noDelivery(d.ID)
		case have.changed != d.ChangedAt.UnixMilli():
			return dlq.Errorf(dlq.CodeConflict, "the delivery %s has changed in the meantime; it is %s now", d.ID, have.state)
		}
		_, err = t.exec("UPDATE delivery SET state=?, attempts=?, failures=?, next_at=?, status=?, error=?, merged_into=?, actor=?, changed=? WHERE seq=?",
			string(d.State), d.Attempts, d.Failures, optMillis(d.NextAt), d.Status, d.Error, d.MergedInto, d.Actor, max(t.now, have.changed+1), have.seq)
		if err != nil {
			return err
		}
		t.countPending(have.receiver, have.state, d.State)
		if attempt == nil {
			return nil
		}
		return t.addDeliveryAttempt(have.seq, attempt)
	})
}

func (t *tx) addDeliveryAttempt(delivery int64, a *dlq.DeliveryAttempt) error {
	headers, err := jsonText(a.Headers)
	if err != nil {
		return err
	}
	_, err = t.exec(`REPLACE INTO delivery_attempt(delivery, number, by_hand, at, duration, url, headers, request, status, answer, error, address)
		VALUES(?,?,?,?,?,?,?,?,?,?,?,?)`,
		delivery, a.Number, a.ByHand, a.At.UnixMilli(), int64(a.Duration), a.URL, headers, a.Request, a.Status, a.Answer, a.Error, a.Address)
	if err != nil {
		return err
	}
	_, err = t.exec("DELETE FROM delivery_attempt WHERE delivery=? AND number<=?", delivery, a.Number-maxAttempts)
	return err
}

// MergeDeliveries stores a new pending delivery that says what others said, and marks those as merged into it. The error is
// CodeConflict, and then nothing is changed, when its ID was used before or one of the others is no longer pending.
func (s *Store) MergeDeliveries(ctx context.Context, into dlq.Delivery, merged []string) error {
	ready, err := prepareDelivery(&into)
	if err != nil {
		return err
	}
	return s.do(ctx, lanePeople, func(t *tx) error {
		for _, id := range merged {
			have, err := t.standing(id)
			switch {
			case err != nil:
				return err
			case have == nil:
				return noDelivery(id)
			case have.state != dlq.DeliveryPending || have.receiver != into.Receiver:
				return dlq.Errorf(dlq.CodeConflict, "the delivery %s is %s and cannot be merged", id, have.state)
			}
		}
		if err := t.newDeliveries([]readyDelivery{ready}); err != nil {
			return err
		}
		for _, id := range merged {
			_, err := t.exec("UPDATE delivery SET state='merged', next_at=NULL, merged_into=?, changed=max(?, changed+1) WHERE id=?", into.ID, t.now, id)
			if err != nil {
				return err
			}
			t.countPending(into.Receiver, dlq.DeliveryPending, dlq.DeliveryMerged)
		}
		return nil
	})
}
