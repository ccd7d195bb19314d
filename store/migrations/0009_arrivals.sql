-- Which deaths arrived in an hour, as a range of death.id, and how many of them went with their letters: turns a window of
-- arrival into a range of deaths, and counts those that are still here.
ALTER TABLE hour ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hour ADD COLUMN last  INTEGER NOT NULL DEFAULT 0; -- 0: none arrived
ALTER TABLE hour ADD COLUMN gone  INTEGER NOT NULL DEFAULT 0; -- under consumer group 0 and rule 0, for the whole hour

CREATE TEMP TABLE here AS SELECT arrived/3600000 AS hour, min(id) AS first, max(id) AS last, count(*) AS n FROM death GROUP BY 1;
UPDATE hour SET first=h.first, last=h.last FROM temp.here h WHERE h.hour=hour.hour;
INSERT INTO hour SELECT a.hour, 0, 0, 0, 0, 0, a.n - coalesce(h.n, 0)
  FROM (SELECT hour, sum(n) AS n FROM hour GROUP BY hour) a LEFT JOIN temp.here h ON h.hour=a.hour WHERE a.n > coalesce(h.n, 0)
  ON CONFLICT DO UPDATE SET gone=excluded.gone;
DROP TABLE temp.here;
