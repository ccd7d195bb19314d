-- Operations: acts on frozen lists of letters, and what became of each letter. Nested values are JSON: they are read and
-- written whole.
CREATE TABLE operation(
  number         INTEGER PRIMARY KEY AUTOINCREMENT, -- no number is given twice, although drafts go away
  id             TEXT NOT NULL UNIQUE,
  version        INTEGER NOT NULL,
  kind           TEXT NOT NULL,
  state          TEXT NOT NULL,
  ending         TEXT NOT NULL,
  cause          TEXT NOT NULL,
  because        TEXT NOT NULL, -- JSON
  resume         TEXT NOT NULL,
  actor          TEXT NOT NULL,
  note           TEXT NOT NULL,
  query          TEXT NOT NULL,
  letters        INTEGER NOT NULL, -- in its list
  frozen         INTEGER NOT NULL, -- the newest death when letters were last chosen: what died later has arrived since
  canary_letters INTEGER NOT NULL,
  created        INTEGER NOT NULL,
  hold_until     INTEGER,
  started        INTEGER,
  resumed        INTEGER,
  ended          INTEGER,
  settled        INTEGER,
  changed        INTEGER NOT NULL,
  spec           TEXT NOT NULL, -- JSON
  drift          TEXT,          -- JSON
  preview        TEXT,          -- JSON
  pick           TEXT           -- JSON: how the letters were chosen
) STRICT;
CREATE INDEX operation_list    ON operation(number, state, kind, actor); -- filters look at this in place of the long rows
CREATE INDEX operation_active  ON operation(number) WHERE state NOT IN ('draft', 'settled');
CREATE INDEX operation_draft   ON operation(changed) WHERE state = 'draft';
CREATE INDEX operation_settled ON operation(settled) WHERE state = 'settled';

-- The list of an operation. It outlives the letters: no reference.
CREATE TABLE operation_item(
  operation      INTEGER,
  letter         INTEGER,
  position       INTEGER NOT NULL, -- from 0, without holes
  consumer_group INTEGER NOT NULL, -- word
  was            INTEGER NOT NULL, -- state of the letter when it was put on the list
  state          INTEGER NOT NULL, -- place in dlq.ItemStates
  tries          INTEGER NOT NULL,
  changed        INTEGER,
  detail         TEXT NOT NULL,    -- why it was skipped
  PRIMARY KEY(operation, letter)
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_item_pending ON operation_item(operation, consumer_group, position) WHERE state = 0;
CREATE INDEX operation_item_state   ON operation_item(operation, state, position);

-- Exact counts of items, moved by the transaction that moves the items.
CREATE TABLE operation_count(
  operation INTEGER,
  state     INTEGER,
  n         INTEGER NOT NULL,
  PRIMARY KEY(operation, state)
) STRICT, WITHOUT ROWID;

-- How many items came into a state in each five seconds.
CREATE TABLE operation_slot(
  operation INTEGER,
  slot      INTEGER, -- five seconds each, since 1970
  state     INTEGER,
  n         INTEGER NOT NULL,
  PRIMARY KEY(operation, slot, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE operation_event(
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  operation INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  actor     TEXT NOT NULL,
  note      TEXT NOT NULL,
  detail    TEXT NOT NULL -- JSON
) STRICT;
CREATE INDEX operation_event_operation ON operation_event(operation, id);

-- Operations that were deleted, of which items are still to be deleted.
CREATE TABLE operation_gone(
  operation INTEGER PRIMARY KEY
) STRICT;

-- Changed versions of messages.
CREATE TABLE edit(
  letter     INTEGER NOT NULL REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  number     INTEGER NOT NULL,
  base       INTEGER NOT NULL,
  deaths     INTEGER NOT NULL,
  author     TEXT NOT NULL,
  note       TEXT NOT NULL,
  at         INTEGER NOT NULL,
  properties BLOB NOT NULL, -- that differ, as in body
  removed    BLOB NOT NULL, -- names of those that are gone, in the same way, with empty values
  body       BLOB,
  UNIQUE(letter, number)
) STRICT;

ALTER TABLE replay ADD COLUMN operation   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replay ADD COLUMN target_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE replay ADD COLUMN edit        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replay ADD COLUMN transformed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX replay_operation ON replay(operation, settled_at) WHERE operation <> 0 AND settled_at IS NOT NULL;
