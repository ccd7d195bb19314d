-- Whether the reporter may speak for the consumer group. What was reported before is not known to be bound.
ALTER TABLE report ADD COLUMN bound INTEGER NOT NULL DEFAULT 0;
