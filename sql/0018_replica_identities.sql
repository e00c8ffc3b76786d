-- A publication of another program (FOR ALL TABLES, as a logical upgrade or a change feed makes it) that publishes updates
-- and deletes makes PostgreSQL refuse both on every table without a replica identity: refreshes, alerts that end and readings that are
-- merged would fail. A primary key is such an identity; the hypertables and the tables of aggregates have none. FULL costs
-- nothing unless wal_level is logical, and chunks to come take it over. An identity that was chosen by hand stays.
DO $$
DECLARE
  relation regclass;
BEGIN
  FOR relation IN
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = current_schema()
       AND c.relname IN ('sensor_readings', 'sensor_metrics', 'sensor_alerts', 'dead_letters', 'app_metrics')
       AND c.relkind = 'r' AND c.relreplident = 'd'
    UNION ALL
    SELECT c.oid FROM timescaledb_information.continuous_aggregates a
      JOIN pg_namespace n ON n.nspname = a.materialization_hypertable_schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.materialization_hypertable_name
     WHERE a.view_schema = current_schema() AND a.view_name IN ('sensor_hourly_agg', 'sensor_daily_agg')
       AND c.relreplident = 'd'
  LOOP
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', relation);
  END LOOP;
END $$;
