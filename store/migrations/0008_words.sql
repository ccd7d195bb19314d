-- Full text knows more of a letter now: tags, values of properties, consumer group, topic, bodies in other charsets, and texts in
-- binary and compressed ones. The letters up to this death were taught without these and are taught again in the background.
INSERT INTO number SELECT 'stale', value FROM number WHERE name='search';
