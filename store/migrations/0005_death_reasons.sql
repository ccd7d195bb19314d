-- What each death says of itself. The letter speaks for its newest death, so that one has a row here only where the letter
-- shows an earlier death's reason; every other death has one since its letter died again. Deaths before this script that
-- are not the newest of their letters have none: what they said was not kept.
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

-- The death that gave the letter's reason where that is not the newest one, else 0.
ALTER TABLE letter ADD COLUMN reason_death INTEGER NOT NULL DEFAULT 0;
