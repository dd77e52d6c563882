-- Totals of crossings with DuckDB, over what was recorded of the topic:
--
--     countline consume crossings --kafka localhost:9092 --json --idle 5 > crossings.jsonl
--     duckdb < totals.sql
--
-- Whatever came late is there, so nothing is left out; run it again as often as you like.

CREATE OR REPLACE TABLE crossings AS
SELECT DISTINCT ON (id) *                                     -- each id once
FROM (
  SELECT
    headers ->> 'id' AS id,
    (value ->> 'at')::TIMESTAMPTZ AS moment,
    value ->> 'camera' AS camera,
    value ->> 'line' AS line,
    value ->> 'direction' AS direction,
    value ->> 'class' AS class
  FROM read_json('crossings.jsonl', format = 'newline_delimited', columns = {headers: 'JSON', value: 'JSON'})
  WHERE value ->> 'kind' = 'crossing'
);

CREATE OR REPLACE TABLE sources AS
FROM read_csv('sources.csv', header = false, columns = {camera: 'VARCHAR', site: 'VARCHAR'});

CREATE OR REPLACE TABLE totals AS
SELECT 'tumbling' AS name, camera AS who, direction, time_bucket(INTERVAL 10 SECONDS, moment) AS window_start, count(*) AS crossings
FROM crossings GROUP BY ALL
UNION ALL
SELECT 'hopping', camera, direction, time_bucket(INTERVAL 5 SECONDS, moment) - INTERVAL (5 * step) SECONDS, count(*)
FROM crossings, range(4) AS steps(step) GROUP BY ALL         -- each lies in four windows of 20 s, one every 5 s
UNION ALL
SELECT 'session', camera, '', min(moment), count(*)
FROM (
  SELECT *, sum(begins) OVER (PARTITION BY camera ORDER BY moment, id) AS session
  FROM (
    SELECT *, (moment - lag(moment) OVER (PARTITION BY camera ORDER BY moment, id) <= INTERVAL 4 SECONDS IS NOT TRUE)::INT AS begins
    FROM crossings
  )
) GROUP BY camera, session
UNION ALL
SELECT 'site', site, direction, time_bucket(INTERVAL 10 SECONDS, moment), count(*)
FROM crossings JOIN sources USING (camera) GROUP BY ALL;
