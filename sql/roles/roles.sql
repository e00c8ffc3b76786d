-- Roles with least privilege: run once per database, as a superuser, before or after the first start of the daemon:
--
--   psql -X -v ON_ERROR_STOP=1 -d fieldwatch -f sql/roles/roles.sql
--
-- The roles are made without a password, and so cannot log in yet: sql/roles/password.sh sets that of the owner, which database.url
-- names, and `\password fieldwatch_dashboard` in psql that of another. May be run again at any time. Nothing else ever
-- needs a superuser, save starting TimescaleDB's background workers after they were stopped, and settings of the server.

CREATE EXTENSION IF NOT EXISTS timescaledb;

DO $$
DECLARE
  role text;
BEGIN
  -- The owner of tables and policies must be able to log in: background workers act in its name, and TimescaleDB refuses
  -- to start a job whose owner may not ("permission denied to start background process as role").
  FOREACH role IN ARRAY ARRAY['fieldwatch_owner', 'fieldwatch_ingest', 'fieldwatch_dashboard'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
    END IF;
  END LOOP;
END $$;

-- Every role may connect, and the two that write may make temporary tables, where PUBLIC may not any more.
DO $$
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO fieldwatch_owner, fieldwatch_ingest, fieldwatch_dashboard', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO fieldwatch_owner, fieldwatch_ingest', current_database());
END $$;

-- fieldwatch_owner: the daemon. Creates the schema, writes, and manages policies: altering or running a job, dropping,
-- compressing and refreshing all ask for the owner.
GRANT USAGE, CREATE ON SCHEMA public TO fieldwatch_owner;

-- fieldwatch_ingest: programs that only add readings. SELECT besides INSERT, because ON CONFLICT (columns) and
-- CREATE TEMP TABLE (LIKE ...) read the table. On whole tables: a SELECT on single columns fails once a hypertable has a
-- columnstore.
GRANT USAGE ON SCHEMA public TO fieldwatch_ingest;

-- fieldwatch_dashboard: reads everything, writes nothing.
GRANT USAGE ON SCHEMA public TO fieldwatch_dashboard;

-- What the owner will create (the rights of fieldwatch_ingest, on single tables, come with the migrations); and what is there
-- already.
ALTER DEFAULT PRIVILEGES FOR ROLE fieldwatch_owner IN SCHEMA public GRANT SELECT ON TABLES TO fieldwatch_dashboard;
DO $$
DECLARE
  relation text;
BEGIN
  FOR relation IN
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
      AND (relowner = 'fieldwatch_owner'::regrole OR relname IN ('sensors', 'metrics', 'sensor_readings', 'sensor_metrics',
        'sensor_alerts', 'alert_state', 'system_alerts', 'dead_letters', 'app_metrics', 'sensor_hourly_agg', 'sensor_daily_agg',
        'sensor_metrics_hourly_agg', 'sensor_metrics_daily_agg'))
  LOOP
    EXECUTE format('GRANT SELECT ON public.%I TO fieldwatch_dashboard', relation);
  END LOOP;
  FOREACH relation IN ARRAY ARRAY['sensors', 'metrics', 'sensor_readings', 'sensor_metrics', 'dead_letters'] LOOP
    IF to_regclass('public.' || relation) IS NOT NULL THEN
      EXECUTE format('GRANT SELECT, INSERT ON public.%I TO fieldwatch_ingest', relation);
    END IF;
  END LOOP;
END $$;
