-- Which file this is, as the console that opened it last saw it: a copy differs in them.
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
