-- The rights of fieldwatch_ingest, for a database where sql/roles/roles.sql was run before there were tables: default
-- privileges know no single tables. Roles belong to the whole server, so that their existence alone says nothing of this
-- database; that roles.sql was run here shows in the default privileges of the dashboard.
DO $$
DECLARE
  relation text;
BEGIN
  IF to_regrole('fieldwatch_ingest') IS NULL OR NOT EXISTS (
    SELECT FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a
    WHERE d.defaclrole = to_regrole(quote_ident(current_user)) AND a.grantee = to_regrole('fieldwatch_dashboard')
  ) THEN
    RETURN;
  END IF;
  FOREACH relation IN ARRAY ARRAY['sensors', 'metrics', 'sensor_readings', 'sensor_metrics', 'dead_letters'] LOOP
    EXECUTE format('GRANT SELECT, INSERT ON %I TO fieldwatch_ingest', relation);
  END LOOP;
END $$;
