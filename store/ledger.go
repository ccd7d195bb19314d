package store

import (
	"context"
	"database/sql"
	"slices"

	"deadletteroffice/dlq"
)

// maxTries is how often an operation tries to send one letter while the broker is away or the console is stopped.
const maxTries = 20

// slotLength is the length in milliseconds of one slot of an operation's history.
const slotLength = 5000

// itemState names one state of the items of one operation.
type itemState struct{ operation, state int64 }

// A state of an item is stored as its place in dlq.ItemStates.
func itemCode(s dlq.ItemState) int64 { return int64(slices.Index(dlq.ItemStates, s)) }

// itemOf returns the state of an item whose replay has that outcome: they have the same names.
func itemOf(o dlq.Outcome) int64 { return itemCode(dlq.ItemState(o)) }

// moved notes that items of an operation went from one state to another.
func (t *tx) moved(operation, from, to, n int64) {
	if n == 0 || from == to {
		return
	}
	t.items[itemState{operation, from}] -= n
	t.items[itemState{operation, to}] += n
	t.entered[itemState{operation, to}] += n
}

// flushItems writes the counts of items that were summed in Go.
func (t *tx) flushItems() error {
	for k, n := range t.items {
		if n == 0 {
			continue
		}
		if _, err := t.exec(`INSERT INTO operation_count(operation, state, n)
			VALUES(?,?,?)
			ON CONFLICT DO UPDATE SET n=n+excluded.n`, k.operation, k.state, n); err != nil {
			return err
		}
	}
	for k, n := range t.entered {
		if _, err := t.exec(`INSERT INTO operation_slot(operation, slot, state, n)
			VALUES(?,?,?,?)
			ON CONFLICT DO UPDATE SET n=n+excluded.n`, k.operation, t.now/slotLength, k.state, n); err != nil {
			return err
		}
	}
	return nil
}

// moveItem moves an item from one state to another; false when it was not in the first.
func (t *tx) moveItem(operation, letter, from, to int64) (bool, error) {
	n, err := t.exec("UPDATE operation_item SET state=?, detail='', changed=? WHERE operation=? AND letter=? AND state=?", to, t.now, operation, letter, from)
	t.moved(operation, from, to, n)
	return n > 0, err
}

// takeItem takes a letter of an operation for a change that names the operation. It refuses a letter that is not pending
// there: it was skipped, or the operation was called off, after the change was made up. A refusal has written nothing.
func (t *tx) takeItem(c *dlq.Change) error {
	operation, ok, err := c.Operation, false, error(nil)
	switch {
	case c.Replay == nil && operation != 0:
		ok, err = t.moveItem(operation, c.LetterID, itemCode(dlq.ItemPending), itemCode(dlq.ItemDone))
	case c.Replay != nil && c.Trigger == dlq.TriggerClaim && c.Replay.Operation != 0:
		operation = c.Replay.Operation
		var n int64
		n, err = t.exec("UPDATE operation_item SET state=1, tries=tries+1, detail='', changed=? WHERE operation=? AND letter=? AND state=0", t.now, operation, c.LetterID)
		t.moved(operation, itemCode(dlq.ItemPending), itemCode(dlq.ItemSending), n)
		ok = n > 0
	default:
		return nil
	}
	if err == nil && !ok {
		err = dlq.Errorf(dlq.CodeConflict, "letter %d does not wait for its turn in operation %d any more", c.LetterID, operation).
			WithHint("look at the operation as it is now")
	}
	return err
}

// follow moves the item of a replay that comes from one standing to an outcome. Only the item of the operation's newest
// replay of the letter follows: that of an earlier one stands elsewhere by then.
func (t *tx) follow(from replayStanding, to dlq.Outcome, detail string) error {
	if from.operation == 0 || from.outcome == to {
		return nil
	}
	state := itemOf(to)
	if to == dlq.OutcomeSendFailed {
		var err error
		if state, err = t.afterNotSent(from, detail); err != nil {
			return err
		}
	}
	if !from.outcome.Final() {
		_, err := t.moveItem(from.operation, from.letter, itemOf(from.outcome), state)
		return err
	}
	have, _, err := t.item(from)
	if err != nil {
		return err
	}
	follows := have == itemOf(from.outcome)
	if from.outcome == dlq.OutcomeSendFailed { // it was sent after all
		follows = follows || have == itemCode(dlq.ItemPending) || have == itemCode(dlq.ItemSkipped)
	}
	if follows {
		_, err = t.moveItem(from.operation, from.letter, have, state)
	}
	return err
}

// item reads the state of a replay's item, -1 for none, and how often it was tried.
func (t *tx) item(of replayStanding) (state, tries int64, err error) {
	state = -1
	err = each(context.Background(), t, "SELECT state, tries FROM operation_item WHERE operation=? AND letter=?", []any{of.operation, of.letter}, func(rows *sql.Rows) error {
		return rows.Scan(&state, &tries)
	})
	return state, tries, err
}

// afterNotSent says what becomes of an item whose replay surely was not sent: while its operation acts it waits for
// another turn if that may help.
func (t *tx) afterNotSent(of replayStanding, detail string) (int64, error) {
	failed := itemCode(dlq.ItemSendFailed)
	if !slices.Contains(notSentYet, detail) {
		return failed, nil
	}
	_, tries, err := t.item(of)
	if err != nil || tries >= maxTries {
		return failed, err
	}
	var state dlq.OperationState
	err = each(context.Background(), t, "SELECT state FROM operation WHERE number=?", []any{of.operation}, func(rows *sql.Rows) error { return rows.Scan(&state) })
	if state.Acts() {
		return itemCode(dlq.ItemPending), err
	}
	return failed, err
}

// notSentYet are the details of replays that were not sent for a reason that goes away.
var notSentYet = []string{"unreached", "absent", "stopped"}
