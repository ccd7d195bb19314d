CREATE TABLE alert(
  id       TEXT NOT NULL,
  since    INTEGER NOT NULL, -- when the condition began to hold: one row for each time that the alert fired
  in_book  INTEGER NOT NULL, -- 1 while the alert engine goes on with it
  resolved INTEGER,
  alert    TEXT NOT NULL,    -- JSON
  PRIMARY KEY(id, since)
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
CREATE TABLE alert_group(
  receiver TEXT PRIMARY KEY,
  told     TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE attempt(
  call     TEXT NOT NULL REFERENCES call(id) DEFERRABLE INITIALLY DEFERRED,
  number   INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  status   INTEGER NOT NULL,
  answer   TEXT NOT NULL,
  error    TEXT NOT NULL,
  address  TEXT NOT NULL,
  PRIMARY KEY(call, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE automation(
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  is_on   INTEGER NOT NULL,
  stopped INTEGER NOT NULL,
  since   INTEGER,
  changed INTEGER,
  actor   TEXT NOT NULL,
  note    TEXT NOT NULL,
  version INTEGER NOT NULL
) STRICT;
CREATE TABLE body(
  letter     INTEGER PRIMARY KEY REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  state      INTEGER NOT NULL, -- word
  topic      INTEGER NOT NULL, -- word: original topic as the broker's properties tell it
  store_host INTEGER NOT NULL, -- word
  born_host  TEXT NOT NULL,
  sys_flag   INTEGER NOT NULL,
  flag       INTEGER NOT NULL,
  orderly    INTEGER NOT NULL,
  properties BLOB NOT NULL,    -- name and value by turns, each behind its length
  body       BLOB
) STRICT;
CREATE TABLE call(
  id       TEXT PRIMARY KEY,
  letter   INTEGER NOT NULL REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  name     TEXT NOT NULL,
  state    TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_at  INTEGER,
  verdict  TEXT NOT NULL,
  reason   TEXT NOT NULL,
  refs     TEXT NOT NULL, -- JSON array
  error    TEXT NOT NULL,
  created  INTEGER NOT NULL,
  changed  INTEGER NOT NULL
) STRICT;
CREATE TABLE death(
  id         INTEGER PRIMARY KEY,
  letter     INTEGER NOT NULL REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  queue      INTEGER NOT NULL REFERENCES queue(id),
  epoch      INTEGER NOT NULL,
  offset     INTEGER NOT NULL,
  stored     INTEGER NOT NULL,
  phys       INTEGER NOT NULL, -- offset in the broker's commit log
  attempts   INTEGER NOT NULL,
  arrived    INTEGER NOT NULL,
  is_foreign INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  replay     TEXT              -- replay.id
) STRICT;
CREATE TABLE death_reason(
  letter       INTEGER REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  death        INTEGER,
  origin       INTEGER NOT NULL, -- word
  field        INTEGER NOT NULL, -- word
  fingerprint  INTEGER NOT NULL, -- its 16 hex digits as a number
  rule         INTEGER NOT NULL, -- word
  rule_version INTEGER NOT NULL,
  verdict      INTEGER NOT NULL, -- word
  reason       TEXT NOT NULL,    -- no word: it may be no letter's any more, and words of such reasons are let go
  reason_text  TEXT NOT NULL,
  PRIMARY KEY(letter, death)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE delivery_alert(
  alert    TEXT NOT NULL,
  delivery INTEGER NOT NULL REFERENCES delivery(seq) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY(alert, delivery)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE event(
  id     INTEGER PRIMARY KEY,
  letter INTEGER NOT NULL REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  at     INTEGER NOT NULL,
  kind   INTEGER NOT NULL, -- word
  actor  INTEGER NOT NULL, -- word
  rule   INTEGER NOT NULL, -- word
  replay TEXT,
  note   TEXT,
  detail TEXT              -- JSON object of texts
) STRICT;
CREATE TABLE gap(
  id    INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL REFERENCES queue(id),
  kind  TEXT NOT NULL,
  first INTEGER NOT NULL,
  next  INTEGER NOT NULL, -- first offset after the gap
  n     INTEGER NOT NULL,
  at    INTEGER NOT NULL
) STRICT;
CREATE TABLE hour(
  hour           INTEGER, -- hours since 1970
  consumer_group INTEGER, -- word
  rule           INTEGER, -- word
  n              INTEGER NOT NULL, first INTEGER NOT NULL DEFAULT 0, last  INTEGER NOT NULL DEFAULT 0, gone  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(hour, consumer_group, rule)
) STRICT, WITHOUT ROWID;
CREATE TABLE instance(
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  id      TEXT NOT NULL,    -- 128 random bits, new with each file that a person confirmed
  inode   TEXT NOT NULL,    -- decimal
  born    INTEGER NOT NULL, -- when the inode was made, nanoseconds since 1970; 0 where the file system does not say
  machine TEXT NOT NULL,    -- '' where it has no id
  host    TEXT NOT NULL,
  path    TEXT NOT NULL,
  at      INTEGER NOT NULL
) STRICT;
CREATE TABLE key(
  bucket INTEGER,
  hash   INTEGER,
  letter INTEGER,
  PRIMARY KEY(bucket, hash, letter)
) STRICT, WITHOUT ROWID;
CREATE TABLE letter(
  id              INTEGER PRIMARY KEY,
  seq             INTEGER NOT NULL, -- id of its newest death: the order of every list
  tab             INTEGER NOT NULL, -- derived from state; lists are indexed by it, so that steps inside a tab move no list index
  state           INTEGER NOT NULL,
  resolution      INTEGER NOT NULL, -- word
  route           INTEGER NOT NULL, -- word
  hold            INTEGER NOT NULL, -- word
  severity        INTEGER NOT NULL, -- word
  flags           INTEGER NOT NULL, -- bits
  owner           INTEGER NOT NULL, -- word
  reason          INTEGER NOT NULL, -- word
  origin          INTEGER NOT NULL, -- word
  field           INTEGER NOT NULL, -- word
  fingerprint     INTEGER NOT NULL, -- its 16 hex digits as a number
  business        INTEGER NOT NULL, -- word
  envelope        INTEGER NOT NULL, -- word
  queue           INTEGER NOT NULL REFERENCES queue(id), -- of the newest death
  cluster         INTEGER NOT NULL, -- word
  consumer_group  INTEGER NOT NULL, -- word
  topic           INTEGER NOT NULL, -- word
  rule            INTEGER NOT NULL, -- word
  rule_version    INTEGER NOT NULL,
  verdict         INTEGER NOT NULL, -- word: the whole verdict as JSON, the same for all letters of one rule of one version
  judged_at       INTEGER NOT NULL,
  judged_deaths   INTEGER NOT NULL,
  judged_replays  INTEGER NOT NULL,
  attempts        INTEGER NOT NULL,
  retry_count     INTEGER,
  deaths          INTEGER NOT NULL,
  replays         INTEGER NOT NULL,
  outcome         INTEGER NOT NULL, -- word: of the newest replay
  size            INTEGER NOT NULL,
  born            INTEGER NOT NULL,
  died            INTEGER NOT NULL,
  arrived         INTEGER NOT NULL,
  changed         INTEGER NOT NULL,
  due_at          INTEGER,
  expires         INTEGER,
  version         INTEGER NOT NULL,
  origin_id       TEXT NOT NULL,
  uniq_key        TEXT NOT NULL,
  keys            TEXT NOT NULL,    -- the property KEYS as it was
  tags            TEXT NOT NULL,
  reason_text     TEXT NOT NULL
, own_reason   TEXT NOT NULL DEFAULT '', own_business TEXT NOT NULL DEFAULT '', own_topic    TEXT NOT NULL DEFAULT '', reason_death INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE number(
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE TABLE operation_count(
  operation INTEGER,
  state     INTEGER,
  n         INTEGER NOT NULL,
  PRIMARY KEY(operation, state)
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
CREATE TABLE operation_gone(
  operation INTEGER PRIMARY KEY
) STRICT;
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
CREATE TABLE operation_slot(
  operation INTEGER,
  slot      INTEGER, -- five seconds each, since 1970
  state     INTEGER,
  n         INTEGER NOT NULL,
  PRIMARY KEY(operation, slot, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE queue(
  id          INTEGER PRIMARY KEY,
  cluster     INTEGER NOT NULL, -- word
  broker      INTEGER NOT NULL, -- word
  topic       INTEGER NOT NULL, -- word
  number      INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  changed     INTEGER NOT NULL,
  UNIQUE(cluster, broker, topic, number)
) STRICT;
CREATE TABLE remembered(
  key     TEXT PRIMARY KEY,
  request TEXT NOT NULL,
  status  INTEGER NOT NULL,
  answer  BLOB NOT NULL,
  at      INTEGER NOT NULL
) STRICT;
CREATE TABLE replay(
  id               TEXT PRIMARY KEY,
  letter           INTEGER NOT NULL REFERENCES letter(id) DEFERRABLE INITIALLY DEFERRED,
  number           INTEGER NOT NULL,
  door             TEXT NOT NULL,
  why              TEXT NOT NULL,
  cluster          TEXT NOT NULL,
  consumer_group   TEXT NOT NULL,
  target           TEXT NOT NULL,
  topic            TEXT NOT NULL,
  unique_key       TEXT NOT NULL,
  as_new           INTEGER NOT NULL,
  delay            INTEGER NOT NULL,
  delay_level      INTEGER NOT NULL,
  deliver_at       INTEGER,
  automatic        INTEGER NOT NULL,
  actor            TEXT NOT NULL,
  note             TEXT NOT NULL,
  intended_at      INTEGER NOT NULL,
  sent_at          INTEGER,
  seen_at          INTEGER,
  settled_at       INTEGER,
  outcome          TEXT NOT NULL,
  detail           TEXT NOT NULL,
  error            TEXT NOT NULL,
  broker           TEXT NOT NULL,
  address          TEXT NOT NULL,
  queue            INTEGER NOT NULL,
  offset           INTEGER NOT NULL,
  message_id       TEXT NOT NULL,
  weak             INTEGER NOT NULL,
  dead_phys_offset INTEGER NOT NULL,
  dead_attempts    INTEGER NOT NULL,
  next_look        INTEGER,
  looks            INTEGER NOT NULL,
  online_for       INTEGER NOT NULL
, operation   INTEGER NOT NULL DEFAULT 0, target_kind TEXT NOT NULL DEFAULT '', edit        INTEGER NOT NULL DEFAULT 0, transformed INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE report(
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  consumer_group TEXT NOT NULL,
  message_id     TEXT NOT NULL,
  unique_key     TEXT NOT NULL,
  key            TEXT NOT NULL,
  reason         TEXT NOT NULL,
  reason_text    TEXT NOT NULL,
  reporter       TEXT NOT NULL,
  at             INTEGER NOT NULL
, bound INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE report_key(
  hash   INTEGER, -- of the consumer group and one of the report's ids
  report INTEGER REFERENCES report(id) ON DELETE CASCADE,
  PRIMARY KEY(hash, report)
) STRICT, WITHOUT ROWID;
CREATE TABLE rule_version(
  version INTEGER PRIMARY KEY,
  sha256  TEXT NOT NULL,
  text    TEXT NOT NULL,
  author  TEXT NOT NULL,
  note    TEXT NOT NULL,
  at      INTEGER NOT NULL
) STRICT;
CREATE VIRTUAL TABLE search USING fts5(text, content='', contentless_delete=1, detail=none, tokenize='ascii');
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
CREATE TABLE span(
  hour  INTEGER PRIMARY KEY, -- hours since 1970, of the death
  first INTEGER NOT NULL,
  last  INTEGER NOT NULL
) STRICT;
CREATE TABLE tally(
  cluster        INTEGER, -- word
  consumer_group INTEGER, -- word
  topic          INTEGER, -- word
  reason         INTEGER, -- word
  origin         INTEGER, -- word
  rule           INTEGER, -- word
  route          INTEGER, -- word
  severity       INTEGER, -- word
  state          INTEGER,
  n              INTEGER NOT NULL,
  PRIMARY KEY(cluster, consumer_group, topic, reason, origin, rule, route, severity, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE word(
  id   INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  text TEXT NOT NULL,
  UNIQUE(kind, text)
) STRICT;
CREATE UNIQUE INDEX alert_book ON alert(id) WHERE in_book = 1;
CREATE INDEX alert_event_alert ON alert_event(alert, id);
CREATE INDEX alert_event_at ON alert_event(at);
CREATE INDEX alert_resolved ON alert(resolved) WHERE resolved IS NOT NULL;
CREATE INDEX call_due ON call(coalesce(next_at, 0)) WHERE state = 'pending';
CREATE INDEX call_letter ON call(letter);
CREATE INDEX death_letter ON death(letter);
CREATE UNIQUE INDEX death_position ON death(queue, offset, stored);
CREATE INDEX delivery_alert_delivery ON delivery_alert(delivery);
CREATE INDEX delivery_created ON delivery(created);
CREATE INDEX delivery_list ON delivery(seq, receiver, state);
CREATE INDEX delivery_pending ON delivery(receiver, seq) WHERE state = 'pending';
CREATE INDEX delivery_repeat ON delivery(created) WHERE reason = 'repeat' AND state IN ('sent', 'merged') AND type = 'alertmanager';
CREATE INDEX event_letter ON event(letter);
CREATE INDEX letter_consumer_group ON letter(consumer_group, tab, seq);
CREATE INDEX letter_due            ON letter(state, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX letter_expires        ON letter(expires) WHERE expires IS NOT NULL;
CREATE INDEX letter_fingerprint    ON letter(fingerprint, tab, seq);
CREATE INDEX letter_flags          ON letter(tab, seq) WHERE flags <> 0;
CREATE INDEX letter_open           ON letter(consumer_group, died) WHERE state = 0;
CREATE INDEX letter_owner          ON letter(owner, tab, seq) WHERE owner <> 0;
CREATE INDEX letter_reason         ON letter(reason, tab, seq);
CREATE INDEX letter_tab            ON letter(tab, seq);
CREATE INDEX letter_topic          ON letter(topic, tab, seq);
CREATE INDEX operation_active  ON operation(number) WHERE state NOT IN ('draft', 'settled');
CREATE INDEX operation_draft   ON operation(changed) WHERE state = 'draft';
CREATE INDEX operation_event_operation ON operation_event(operation, id);
CREATE INDEX operation_item_pending ON operation_item(operation, consumer_group, position) WHERE state = 0;
CREATE INDEX operation_item_state   ON operation_item(operation, state, position);
CREATE INDEX operation_list    ON operation(number, state, kind, actor);
CREATE INDEX operation_settled ON operation(settled) WHERE state = 'settled';
CREATE INDEX remembered_at ON remembered(at);
CREATE INDEX replay_back ON replay(unique_key) WHERE door = 'C';
CREATE UNIQUE INDEX replay_letter ON replay(letter, number);
CREATE INDEX replay_open ON replay(outcome, next_look) WHERE outcome IN ('sending', 'waiting');
CREATE INDEX replay_operation ON replay(operation, settled_at) WHERE operation <> 0 AND settled_at IS NOT NULL;
CREATE INDEX replay_settled ON replay(settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX report_at ON report(at);
CREATE INDEX report_key_report ON report_key(report);
