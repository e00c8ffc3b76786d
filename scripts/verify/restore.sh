#!/usr/bin/env bash
# npm run verify:restore: dumps a database of fieldwatch, drops it with its roles, restores it by the steps of docs/operations.md, and compares rows,
# aggregates, policies, compression and rights; then verifies the policies as the owner, who is no superuser.
#
# Needs a built checkout (npm run build), psql, pg_dump and pg_restore of the server's version or newer, and
#   VERIFY_DATABASE_URL   a superuser's URL of a TimescaleDB server without a database: postgres://postgres:…@127.0.0.1:5432
# on which it makes and drops the database fieldwatch_verify_restore and the roles of sql/roles/roles.sql (which must not exist there).
. "$(dirname "$0")/common.sh"
server=${VERIFY_DATABASE_URL:?a superuser URL of a TimescaleDB server, without a database}
database=fieldwatch_verify_restore
page=$root/docs/operations.md
for program in psql pg_dump pg_restore createdb; do command -v $program >/dev/null || die "needs $program"; done
[ -e "$root/dist/main.js" ] || die 'needs a built checkout: npm run build'
cd "$root"

authority=${server#*@}
credentials=${server#*://}
credentials=${credentials%%@*}
export PGHOST=${authority%%:*} PGPORT=${authority##*:} PGUSER=${credentials%%:*} PGPASSWORD=${credentials#*:}
export PGOPTIONS='-c client_min_messages=warning'
admin() { psql -X -q -At -v ON_ERROR_STOP=1 -d postgres "$@"; }
query() { psql -X -q -At -v ON_ERROR_STOP=1 -d $database "$@"; }
documented() { bash -euxc "$(step "$page" "$1" | sed -E "s/(-d|createdb) fieldwatch/\1 $database/; s|fieldwatch\.dump|$work/dump|")"; }
owner() { node dist/main.js "$@" -c "$work/fieldwatch.yaml"; }

[ "$(admin -c "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'fieldwatch\_%'")" = 0 ] ||
  die 'roles of fieldwatch exist on that server already: use one of its own'
work=$(mktemp -d)
drop() {
  admin -c "DROP DATABASE IF EXISTS $database WITH (FORCE)"
  admin -c 'DROP ROLE IF EXISTS fieldwatch_owner, fieldwatch_ingest, fieldwatch_dashboard'
}
trap 'drop || true; rm -rf "$work"' EXIT

(umask 077 && openssl rand -hex 24 >"$work/password")
cat >"$work/fieldwatch.yaml" <<YAML
database: { url: "postgres://fieldwatch_owner@$PGHOST:$PGPORT/$database", password_file: $work/password }
routes: [{ topic: "s/{device}", codec: json }]
state_dir: $work/state
YAML
set_password() { PGDATABASE=$database OWNER_PASSWORD_FILE=$work/password sh sql/roles/password.sh; }

say 'a database with history'
admin -c "CREATE DATABASE $database"
query -f sql/roles/roles.sql
set_password
owner migrate
query <<'SQL'
SET ROLE fieldwatch_owner;
INSERT INTO sensors (key) SELECT 'sensor-' || n FROM generate_series(1, 20) n;
INSERT INTO sensor_readings (time, sensor_id, temperature, humidity)
  SELECT t, n, 20 + n % 7, 40 + n FROM generate_series(now() - INTERVAL '40 days', now(), INTERVAL '10 minutes') t, generate_series(1, 20) n;
INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold) VALUES (now(), 1, 'temperature_high', 'kept', 45, 40);
CALL refresh_continuous_aggregate('sensor_hourly_agg', NULL, now() - INTERVAL '1 hour');
CALL refresh_continuous_aggregate('sensor_daily_agg', NULL, now() - INTERVAL '1 day');
SQL
for job in $(query -c "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name IN ('policy_compression', 'policy_retention') ORDER BY 1"); do
  query -c "CALL run_job($job)"
done

# What must be the same afterwards. Not the ids of jobs and chunks; and of the aggregates what the policies do not refresh meanwhile.
cutoff=$(query -c "SELECT date_trunc('day', now()) - INTERVAL '10 days'")
fingerprint() {
  query -v cutoff="$cutoff" <<'SQL'
SELECT 'readings', count(*), md5(string_agg(r::text, ',' ORDER BY time, sensor_id)) FROM sensor_readings r;
SELECT 'hourly', count(*), md5(string_agg(a::text, ',' ORDER BY a::text)) FROM sensor_hourly_agg a WHERE hour < :'cutoff';
SELECT 'daily', count(*), md5(string_agg(a::text, ',' ORDER BY a::text)) FROM sensor_daily_agg a WHERE day < :'cutoff';
SELECT 'alerts', count(*), md5(string_agg(a::text, ',' ORDER BY a::text)) FROM sensor_alerts a;
SELECT 'migrations', count(*), md5(string_agg(version || checksum, ',' ORDER BY version)) FROM schema_migrations;
SELECT 'chunks', hypertable_name, is_compressed, count(*) FROM timescaledb_information.chunks
  WHERE hypertable_schema = 'public' GROUP BY 2, 3 ORDER BY 2, 3;
SELECT 'job', proc_name, owner, schedule_interval, scheduled, hypertable_name, config - 'mat_hypertable_id' - 'hypertable_id'
  FROM timescaledb_information.jobs WHERE owner = 'fieldwatch_owner'::regrole ORDER BY proc_name, hypertable_name, config::text;
SELECT 'rights', relname, relowner::regrole, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname;
SQL
}
fingerprint >"$work/before"
cat "$work/before" | cut -c -150

say 'step: backup'
documented backup
drop

say 'step: restore'
documented restore
set_password

say 'the same as before'
fingerprint >"$work/after"
diff "$work/before" "$work/after" || die 'FAILED: the restored database differs'
printf 'ok    rows, aggregates, chunks, policies and rights\n'
# Policies that never ran since the restore are no fault, and nothing else may be found.
owner policies verify || die 'FAILED: a finding on the restored database'
query -c "SET ROLE fieldwatch_owner; INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() + INTERVAL '1 second', 1, 1)"
rows=$(query -c 'SELECT count(*) FROM sensor_readings')
[ "$rows" = $(($(sed -n 's/^readings|\([0-9]*\)|.*/\1/p' "$work/before") + 1)) ] || die 'FAILED: a new row is not visible'
printf 'ok    the owner verifies, and new rows are visible\n'
say 'verify:restore: the steps restore what was dumped'
