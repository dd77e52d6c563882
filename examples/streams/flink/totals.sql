-- Totals of crossings by event time: tumbling, hopping and session windows, by camera and by site. run.py fills in ${...}.
-- The first table and the view are what `countline schema --message crossings --flink countline.yaml` prints; the watermark is wider.

CREATE TABLE crossings (
  `kind`           STRING,
  `at`             TIMESTAMP_LTZ(3),
  `camera`         STRING,
  `line`           STRING,
  `direction`      STRING,
  `class`          STRING,
  `record_headers` MAP<STRING, BYTES> METADATA FROM 'headers' VIRTUAL,
  `message_id`     AS DECODE(`record_headers`['id'], 'UTF-8'),
  `seen`           AS PROCTIME(),
  WATERMARK FOR `at` AS `at` - INTERVAL '30' SECOND     -- so late may a message be; what is later is left out
) WITH (
  'connector' = 'kafka',
  'topic' = '${topic}',
  'properties.bootstrap.servers' = '${bootstrap}',
  'properties.group.id' = 'flink-totals',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${bounded}',                   -- unbounded: for ever; latest-offset: what is there now
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

-- At least once means that a message may come twice: each id once. Heartbeats have moved the watermark, and are done with.
CREATE VIEW crossings_once AS
SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY `message_id` ORDER BY `seen`) AS `nth`
  FROM crossings
  WHERE `kind` = 'crossing'
) WHERE `nth` = 1;

CREATE TABLE sources (`camera` STRING, `site` STRING)
WITH ('connector' = 'filesystem', 'path' = '${sources}', 'format' = 'csv');

CREATE TABLE totals (
  `name`         STRING,
  `who`          STRING,
  `direction`    STRING,
  `window_start` TIMESTAMP(3),
  `window_end`   TIMESTAMP(3),
  `crossings`    BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = '${totals}',
  'properties.bootstrap.servers' = '${bootstrap}',
  'format' = 'json'
);

-- A site's total grows with each of its cameras: the newest of a key counts.
CREATE TABLE site_totals (
  `who`          STRING,
  `direction`    STRING,
  `window_start` TIMESTAMP(3),
  `window_end`   TIMESTAMP(3),
  `crossings`    BIGINT,
  PRIMARY KEY (`who`, `direction`, `window_start`, `window_end`) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = '${totals}-by-site',
  'properties.bootstrap.servers' = '${bootstrap}',
  'key.format' = 'json',
  'value.format' = 'json'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO totals
SELECT 'tumbling', `camera`, `direction`, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE crossings_once, DESCRIPTOR(`at`), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, `camera`, `direction`;

INSERT INTO totals
SELECT 'hopping', `camera`, `direction`, window_start, window_end, COUNT(*)
FROM TABLE(HOP(TABLE crossings_once, DESCRIPTOR(`at`), INTERVAL '5' SECOND, INTERVAL '20' SECOND))
GROUP BY window_start, window_end, `camera`, `direction`;

INSERT INTO totals
SELECT 'session', `camera`, '', window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE crossings_once PARTITION BY `camera`, DESCRIPTOR(`at`), INTERVAL '4' SECOND))
GROUP BY window_start, window_end, `camera`;

INSERT INTO site_totals
SELECT s.`site`, c.`direction`, c.window_start, c.window_end, SUM(c.`crossings`)
FROM (
  SELECT `camera`, `direction`, window_start, window_end, COUNT(*) AS `crossings`
  FROM TABLE(TUMBLE(TABLE crossings_once, DESCRIPTOR(`at`), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, `camera`, `direction`
) c JOIN sources s ON c.`camera` = s.`camera`
GROUP BY s.`site`, c.`direction`, c.window_start, c.window_end;

END;
