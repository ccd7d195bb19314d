-- Alerts, whom they were told to, and what holds them back. Nested values are JSON: they are read and written whole.
CREATE TABLE alert(
  id       TEXT NOT NULL,
  since    INTEGER NOT NULL, -- when the condition began to hold: one row for each time that the alert fired
  in_book  INTEGER NOT NULL, -- 1 while the alert engine goes on with it
  resolved INTEGER,
  alert    TEXT NOT NULL,    -- JSON
  PRIMARY KEY(id, since)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alert_book ON alert(id) WHERE in_book = 1;
CREATE INDEX alert_resolved ON alert(resolved) WHERE resolved IS NOT NULL;

CREATE TABLE alert_group(
  receiver TEXT PRIMARY KEY,
  told     TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_event(
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  alert    TEXT NOT NULL,
  rule     TEXT NOT NULL,
  kind     TEXT NOT NULL,
  at       INTEGER NOT NULL,
  value    REAL NOT NULL,
  receiver TEXT NOT NULL,
  delivery TEXT NOT NULL,
  silence  TEXT NOT NULL,
  detail   TEXT NOT NULL
) STRICT;
CREATE INDEX alert_event_alert ON alert_event(alert, id);
CREATE INDEX alert_event_at ON alert_event(at);

CREATE TABLE silence(
  id       TEXT PRIMARY KEY,
  matchers TEXT NOT NULL, -- JSON
  starts   INTEGER NOT NULL,
  ends     INTEGER NOT NULL,
  author   TEXT NOT NULL,
  note     TEXT NOT NULL,
  created  INTEGER NOT NULL,
  ended_by TEXT NOT NULL
) STRICT;

CREATE TABLE delivery(
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of every list
  id           TEXT NOT NULL UNIQUE,
  kind         TEXT NOT NULL,
  receiver     TEXT NOT NULL,
  type         TEXT NOT NULL,
  state        TEXT NOT NULL,
  reason       TEXT NOT NULL, -- of the notification
  attempts     INTEGER NOT NULL,
  failures     INTEGER NOT NULL,
  next_at      INTEGER,
  status       INTEGER NOT NULL,
  error        TEXT NOT NULL,
  merged_into  TEXT NOT NULL, -- delivery.id
  actor        TEXT NOT NULL,
  created      INTEGER NOT NULL,
  changed      INTEGER NOT NULL, -- rises with every change
  notification TEXT NOT NULL     -- JSON
) STRICT;
CREATE INDEX delivery_list ON delivery(seq, receiver, state); -- filters look at this in place of the long rows
CREATE INDEX delivery_pending ON delivery(receiver, seq) WHERE state = 'pending';
CREATE INDEX delivery_repeat ON delivery(created) WHERE reason = 'repeat' AND state IN ('sent', 'merged') AND type = 'alertmanager';
CREATE INDEX delivery_created ON delivery(created);

-- Which alerts a delivery tells of.
CREATE TABLE delivery_alert(
  alert    TEXT NOT NULL,
  delivery INTEGER NOT NULL REFERENCES delivery(seq) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY(alert, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_alert_delivery ON delivery_alert(delivery);

CREATE TABLE delivery_attempt(
  id       INTEGER PRIMARY KEY,
  delivery INTEGER NOT NULL REFERENCES delivery(seq) DEFERRABLE INITIALLY DEFERRED,
  number   INTEGER NOT NULL,
  by_hand  INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  url      TEXT NOT NULL, -- scheme and host
  headers  TEXT NOT NULL, -- JSON
  request  TEXT NOT NULL,
  status   INTEGER NOT NULL,
  answer   TEXT NOT NULL,
  error    TEXT NOT NULL,
  address  TEXT NOT NULL,
  UNIQUE(delivery, number)
) STRICT;

-- When the conditions of alerts were looked at last; 0 for never.
INSERT INTO number VALUES('alerts', 0);

-- The replays that were settled last, for the share of them that failed again.
CREATE INDEX replay_settled ON replay(settled_at) WHERE settled_at IS NOT NULL;
