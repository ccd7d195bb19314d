-- The dictionary takes a limited number of the texts that anybody can write into a message. The word of any other is the one
-- that stands for all others, and the letter keeps the text here; else these are ''.
ALTER TABLE letter ADD COLUMN own_reason   TEXT NOT NULL DEFAULT '';
ALTER TABLE letter ADD COLUMN own_business TEXT NOT NULL DEFAULT '';
ALTER TABLE letter ADD COLUMN own_topic    TEXT NOT NULL DEFAULT '';
