#!/usr/bin/env bash
# npm run verify:failover: a daemon with two hosts, under load. The primary is killed and its standby promoted, once with synchronous and once with
# asynchronous replication that is behind; then the former primary comes back as it was. Rows are counted, and compared with what the daemon says.
#
# Needs a built checkout (npm run build), mosquitto, curl, and a PostgreSQL server with TimescaleDB, as root or as a user that may run it:
# VERIFY_PG_BINDIR (of pg_config), VERIFY_PG_USER (postgres), VERIFY_RATE (500 messages a second).
. "$(dirname "$0")/common.sh"
bin=${VERIFY_PG_BINDIR:-$(pg_config --bindir 2>/dev/null || true)}
user=${VERIFY_PG_USER:-postgres}
rate=${VERIFY_RATE:-500}
[ -x "$bin/initdb" ] || die 'needs the programs of a PostgreSQL server: VERIFY_PG_BINDIR'
for program in mosquitto curl psql; do command -v "$program" >/dev/null || die "needs $program"; done
[ -e "$root/dist/main.js" ] || die 'needs a built checkout: npm run build'

work=$(mktemp -d)
primary=15491 standby=15492 broker=18931 http=19931
export PGPASSWORD=verify-failover
as_server() { if [ "$(id -u)" = 0 ]; then su "$user" -s /bin/bash -c "PGPASSWORD=$PGPASSWORD $*"; else bash -c "$*"; fi; }
sql() { psql -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U postgres -d "$2" -c "$3"; }
children=()
clean() {
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  for name in primary standby; do as_server "$bin/pg_ctl -D $work/$name -m immediate stop" >/dev/null 2>&1 || true; done
  rm -rf "$work"
}
trap clean EXIT
if [ "$(id -u)" = 0 ]; then chown "$user" "$work"; fi
chmod 755 "$work"

# until_true SECONDS WHAT COMMAND …
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || die "FAILED: $what"
    sleep 0.2
  done
}
ready() { curl -s "127.0.0.1:$http/readyz" | grep -q '"name":"database","status":"ok"'; }
drained() { curl -s "127.0.0.1:$http/readyz" | grep -q '"name":"spool","status":"ok"' && [ -s "$work/published" ]; }
count() { sql "$1" fw 'SELECT count(*) FROM sensor_readings'; }
metric() { curl -s "127.0.0.1:$http/metrics" | sed -n "s/^$1 //p"; }

publisher='
import { writeFileSync } from "node:fs";
const mqtt = (await import(process.env.ROOT + "/node_modules/mqtt/build/index.js")).default;
const client = await mqtt.connectAsync("mqtt://127.0.0.1:" + process.env.BROKER);
const total = 20 * Number(process.env.RATE), started = Date.now(), sent = [];
while (sent.length < total) {
  const due = Math.min(total, Math.floor(((Date.now() - started) / 1000) * Number(process.env.RATE)) + 1);
  while (sent.length < due) {
    const n = sent.length;
    const body = { time: new Date(started - 3600e3 + Math.floor(n / 20) * 50).toISOString(), temperature: 20 + (n % 7) };
    sent.push(client.publishAsync("verify/d" + (n % 20), JSON.stringify(body), { qos: 1 }));
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
}
await Promise.all(sent);
writeFileSync(process.env.DONE, String(total));
await client.endAsync();'

servers() {
  as_server "$bin/pg_ctl -D $work/primary -m immediate stop; $bin/pg_ctl -D $work/standby -m immediate stop" >/dev/null 2>&1 || true
  rm -rf "$work/primary" "$work/standby"
  as_server "printf %s $PGPASSWORD >$work/password; $bin/initdb -D $work/primary -U postgres -A scram-sha-256 --pwfile $work/password -E UTF8 --locale C" >/dev/null
  as_server "cat >>$work/primary/postgresql.conf" <<C
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
port = $primary
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work'
max_locks_per_transaction = 256
C
  as_server "$bin/pg_ctl -D $work/primary -w -l $work/primary.log start" >/dev/null
  sql $primary postgres 'CREATE DATABASE fw'
  as_server "$bin/pg_basebackup -d 'host=127.0.0.1 port=$primary user=postgres password=$PGPASSWORD application_name=standby' -D $work/standby -R -C -S standby -c fast"
  as_server "sed -i 's/^port = .*/port = $standby/' $work/standby/postgresql.conf && $bin/pg_ctl -D $work/standby -w -l $work/standby.log start" >/dev/null
}

# try sync|async
try() {
  local mode=$1
  say "$mode replication"
  servers
  if [ "$mode" = sync ]; then sql $primary postgres "ALTER SYSTEM SET synchronous_standby_names = 'standby'" && sql $primary postgres 'SELECT pg_reload_conf()' >/dev/null; fi
  rm -rf "$work/state" "$work/published"
  cat >"$work/fieldwatch.yaml" <<Y
mqtt: { url: 'mqtt://127.0.0.1:$broker', client_id: verify-failover, session_expiry: 1h }
database: { url: 'postgres://postgres@127.0.0.1:$primary,127.0.0.1:$standby/fw', password: $PGPASSWORD }
routes: [{ topic: 'verify/{device}', codec: json }]
alerts: { defaults: { hysteresis: 0 } }
http: { port: $http }
log: { format: json }
state_dir: $work/state
Y
  node "$root/dist/main.js" run -c "$work/fieldwatch.yaml" >"$work/log" 2>&1 &
  local daemon=$!
  children+=("$daemon")
  until_true 60 'the daemon starts' ready
  ROOT=$root BROKER=$broker RATE=$rate DONE=$work/published node --input-type=module -e "$publisher" &
  children+=("$!")
  until_true 60 'readings are stored' eval "[ \"\$(count $primary)\" -gt $((4 * rate)) ]"
  if [ "$mode" = async ]; then
    sql $standby postgres "ALTER SYSTEM SET primary_conninfo = ''" && sql $standby postgres 'SELECT pg_reload_conf()' >/dev/null
    local behind
    behind=$(count $standby)
    until_true 60 'the standby is behind' eval "[ \"\$(count $primary)\" -gt $((behind + 2 * rate)) ]"
  fi

  local postmaster
  postmaster=$(head -1 "$work/primary/postmaster.pid")
  # shellcheck disable=SC2046 # one word each
  kill -9 "$postmaster" $(pgrep -P "$postmaster")
  as_server "$bin/pg_ctl -D $work/standby -w promote" >/dev/null
  local promoted=$SECONDS
  until_true 60 'the daemon writes to the new primary' ready
  printf 'ok    back %s s after the promotion\n' $((SECONDS - promoted))

  as_server "rm -f $work/primary/postmaster.pid $work/.s.PGSQL.$primary*; $bin/pg_ctl -D $work/primary -w -l $work/primary.log start" >/dev/null || die "FAILED: $(tail -3 "$work/primary.log")"
  local before
  before=$(count $primary)
  sql $standby fw 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()' >/dev/null
  until_true 120 'everything published is stored' drained
  [ "$(count $primary)" = "$before" ] || die 'FAILED: the former primary took writes'
  printf 'ok    the former primary is left alone\n'

  local published stored lost
  published=$(cat "$work/published")
  stored=$(count $standby)
  lost=$(metric fieldwatch_database_failover_lost_readings_total)
  printf '      %s published, %s on the new primary, reported lost %s\n' "$published" "$stored" "$lost"
  [ "$(metric fieldwatch_database_failovers_total)" = 1 ] || die 'FAILED: one failover is counted'
  if [ "$mode" = sync ]; then
    [ "$published" = "$stored" ] && [ "$lost" = 0 ] || die 'FAILED: readings that were acknowledged are lost'
    printf 'ok    nothing is lost\n'
  else
    [ "$stored" -lt "$published" ] || die 'FAILED: the standby was not behind; nothing was tried'
    # At most: the first second is counted whole.
    [ "$lost" -ge $((published - stored)) ] && [ "$lost" -le $((published - stored + 2 * rate)) ] || die 'FAILED: the report differs from what is lost'
    grep -q DB_FAILOVER_LOSS "$work/log" || die 'FAILED: the log does not say so'
    printf 'ok    what the server lost is reported\n'
  fi
  kill "$daemon"
  wait "$daemon" || die 'FAILED: the daemon does not end in order'
}

cat >"$work/mosquitto.conf" <<C
listener $broker 127.0.0.1
allow_anonymous true
max_queued_messages 0
C
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
children+=("$!")
try sync
try async
say 'all hold'
