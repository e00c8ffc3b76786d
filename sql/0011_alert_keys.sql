-- An alert is (sensor, metric, kind, side). Its type is a label: flow_rate_high may be the rate of flow and a threshold of
-- flow_rate, and both may be open at once.

-- What the type of an alert stands for. Only a rate is in doubt: with a metric of the name of the whole it is a threshold of that.
CREATE FUNCTION pg_temp.alert_key(alert_type text, OUT metric text, OUT kind text, OUT side text)
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN t.kind = 'threshold' THEN regexp_replace(alert_type, '_(high|low)$', '')
              ELSE regexp_replace(alert_type, '_(rate_high|rate_low|anomaly|no_data)$', '') END,
         t.kind,
         CASE WHEN t.kind = 'anomaly' THEN 'both' WHEN alert_type ~ '_low$' THEN 'low' ELSE 'high' END
    FROM (SELECT CASE
      WHEN alert_type ~ '_no_data$' THEN 'no_data'
      WHEN alert_type ~ '_anomaly$' THEN 'anomaly'
      WHEN alert_type ~ '_rate_(high|low)$'
       AND NOT EXISTS (SELECT FROM metrics WHERE name = regexp_replace(alert_type, '_(high|low)$', '')) THEN 'rate'
      ELSE 'threshold' END AS kind) t
$$;

ALTER TABLE alert_state ADD COLUMN metric text, ADD COLUMN kind text, ADD COLUMN side text;
-- The state knows its metric, and with it what the rest of the type says.
UPDATE alert_state s SET
  metric = coalesce(s.detail ->> 'metric', k.metric),
  kind = CASE WHEN s.detail ->> 'metric' IS NULL THEN k.kind ELSE
    CASE substr(s.alert_type, length(s.detail ->> 'metric') + 2)
      WHEN 'rate_high' THEN 'rate' WHEN 'rate_low' THEN 'rate' WHEN 'anomaly' THEN 'anomaly' WHEN 'no_data' THEN 'no_data'
      ELSE 'threshold' END END,
  side = k.side,
  detail = s.detail - 'metric'
FROM alert_state t, pg_temp.alert_key(t.alert_type) k
WHERE t.sensor_id = s.sensor_id AND t.alert_type = s.alert_type;
ALTER TABLE alert_state DROP CONSTRAINT alert_state_pkey;
ALTER TABLE alert_state
  ALTER COLUMN metric SET NOT NULL, ALTER COLUMN kind SET NOT NULL, ALTER COLUMN side SET NOT NULL,
  ADD PRIMARY KEY (sensor_id, metric, kind, side);

-- Without a key: rows of an operator's own INSERT.
ALTER TABLE sensor_alerts ADD COLUMN metric text;
ALTER TABLE sensor_alerts ADD COLUMN kind text;
ALTER TABLE sensor_alerts ADD COLUMN side text;
UPDATE sensor_alerts a SET metric = k.metric, kind = k.kind, side = k.side
  FROM (SELECT t.alert_type, (pg_temp.alert_key(t.alert_type)).* FROM (SELECT DISTINCT alert_type FROM sensor_alerts) t) k
 WHERE k.alert_type = a.alert_type AND a.alert_id IS NOT NULL;
-- Open ones go by their states.
UPDATE sensor_alerts a SET metric = s.metric, kind = s.kind, side = s.side
  FROM alert_state s WHERE s.alert_id = a.alert_id AND (a.metric, a.kind) IS DISTINCT FROM (s.metric, s.kind);

-- The same alert raised twice (redelivery, replay) is one row; also the point lookup of the closing UPDATE.
CREATE UNIQUE INDEX sensor_alerts_identity ON sensor_alerts (sensor_id, time DESC, metric, kind, side);
DROP INDEX sensor_alerts_key;
ALTER INDEX sensor_alerts_identity RENAME TO sensor_alerts_key;
DROP FUNCTION pg_temp.alert_key(text);
