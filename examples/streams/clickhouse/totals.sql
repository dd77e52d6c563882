-- Totals of crossings with ClickHouse. The tables `crossings_queue`, `crossings` and `crossings_consumer` are what
-- `countline schema --message crossings --clickhouse countline.yaml` prints: the server reads the topic by itself.
-- `FINAL` shows each id once, also before the server has merged its parts. The watermark plays no part: what came late is there.

CREATE VIEW totals AS
SELECT 'tumbling' AS name, camera AS who, direction, toStartOfInterval(at, INTERVAL 10 SECOND) AS window_start, count() AS crossings
FROM crossings FINAL WHERE kind = 'crossing'
GROUP BY camera, direction, window_start
UNION ALL
SELECT 'hopping', camera, direction, arrayJoin([0, 5, 10, 15]) * -1 + toStartOfInterval(at, INTERVAL 5 SECOND) AS window_start, count()
FROM crossings FINAL WHERE kind = 'crossing'
GROUP BY camera, direction, window_start
UNION ALL
SELECT 'session', camera, '', toDateTime(min(at), 'UTC') AS window_start, count()
FROM (
  SELECT *, sum(begins) OVER (PARTITION BY camera ORDER BY at, message_id) AS session
  FROM (
    SELECT *, at > lagInFrame(at) OVER (PARTITION BY camera ORDER BY at, message_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
      + INTERVAL 4 SECOND AS begins
    FROM crossings FINAL WHERE kind = 'crossing'
  )
)
GROUP BY camera, session;
