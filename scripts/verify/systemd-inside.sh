#!/usr/bin/env bash
# Runs inside the booted container: the steps of the page, then what a user would look at. Started by systemd.sh.
set -euo pipefail
. /verify/settings.sh
export HOME=/root PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
unit=fieldwatch.service
port=18832

say() { printf '\n-- %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*"
  systemctl --no-pager status $unit || true
  journalctl --no-pager -u $unit -n 30 -o cat || true
  exit 1
}
# wait_for SECONDS WHAT COMMAND…: polls, as systemctl itself has no way to wait for a state.
wait_for() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || fail "not within the time: $what"
    sleep 0.5
  done
  printf 'ok    %s\n' "$what"
}
check() {
  local what=$1
  shift
  "$@" >/dev/null 2>&1 || fail "$what: $*"
  printf 'ok    %s\n' "$what"
}
property() { systemctl show -P "$1" $unit; }
is() { [ "$(property "$1")" = "$2" ]; }
logged() { journalctl --no-pager -o cat -u $unit | grep -q -- "$1"; }
query() { psql -X -At "$server/$database" -c "$1"; }
as_role() { PGPASSWORD=$2 psql -X -At -v ON_ERROR_STOP=1 -h "$dbhost" -p "$dbport" -U "$1" -d $database -c "$3"; }

authority=${server#*@}
dbhost=${authority%%:*} dbport=${authority##*:}

say 'step: program'
(bash -euxc "$(grep -v '^git clone' /verify/program.sh | sed '1i cd /opt/fieldwatch')") 2>&1 | tail -n 4
check 'the program is on the path and has a build' bash -c 'fieldwatch --version | grep -E "\+[gh]"'

say 'step: configuration, and the edit that the page asks for'
bash -euxc "$(cat /verify/configuration.sh)"
sed -i -e "s|^  url: mqtts://.*|  url: mqtt://127.0.0.1:$port|" \
  -e "s|^  url: postgres://.*|  url: postgres://fieldwatch_owner@$dbhost:$dbport/$database|" \
  -e '/^  tls:/d' -e '/ca_file:/d' /etc/fieldwatch/fieldwatch.yaml
# The container shares the network of the host.
printf 'FIELDWATCH_HTTP_PORT=19464\n' >/etc/fieldwatch/environment

say 'step: secrets'
bash -euxc "$(cat /verify/secrets.sh)"
check 'secrets are for root alone' test "$(stat -c '%a %U' /etc/fieldwatch/database-password /etc/fieldwatch/mqtt-password | sort -u)" = '600 root'

say 'a broker that asks for a password'
mosquitto_passwd -c -b /etc/mosquitto/passwords fieldwatch "$(cat /etc/fieldwatch/mqtt-password)"
chown mosquitto /etc/mosquitto/passwords
printf 'listener %s 127.0.0.1\nallow_anonymous false\npassword_file /etc/mosquitto/passwords\nuser mosquitto\n' $port >/etc/mosquitto/verify.conf
systemd-run --quiet --unit=verify-broker mosquitto -c /etc/mosquitto/verify.conf
publish() { mosquitto_pub -h 127.0.0.1 -p $port -u fieldwatch -P "$(cat /etc/fieldwatch/mqtt-password)" -q 1 "$@"; }
wait_for 10 'the broker answers' publish -t verify -m 1

say 'step: roles'
PGHOST=$dbhost PGPORT=$dbport PGUSER=postgres PGDATABASE=$database PGPASSWORD=$(sed -E 's|.*://[^:]*:([^@]*)@.*|\1|' <<<"$server") \
  bash -euxc "$(cat /verify/roles.sh)"
query "ALTER ROLE fieldwatch_ingest PASSWORD 'in'; ALTER ROLE fieldwatch_dashboard PASSWORD 'dash'"

say 'before the migration the daemon says what is missing'
install -m 644 /opt/fieldwatch/systemd/fieldwatch.service /etc/systemd/system/
systemctl daemon-reload
systemctl start --no-block $unit
wait_for 30 'SCHEMA_PENDING, and systemd tries again' logged SCHEMA_PENDING
systemctl stop $unit

say 'step: migrate'
bash -euxc "$(cat /verify/migrate.sh)"

say 'step: start'
systemctl reset-failed $unit || true
bash -euxc "$(cat /verify/start.sh)"
check 'active, and its status line' bash -c "systemctl is-active $unit && systemctl show -P StatusText $unit | grep running"
check 'READY came from the daemon' is Type notify
pid=$(property MainPID)
check 'runs as its own user' test "$(stat -c %U /proc/"$pid")" = fieldwatch
check 'the passwords come as credentials' bash -c "tr '\\0' '\\n' </proc/$pid/environ | grep PASSWORD_FILE=/run/credentials/"
check 'the files of root are closed to that user' bash -c '! setpriv --reuid=fieldwatch --regid=fieldwatch --clear-groups cat /etc/fieldwatch/database-password'
check 'state is for that user alone' test "$(find /var/lib/fieldwatch ! -perm 700 ! -perm 600 | wc -l)" = 0
check 'memory is bounded' bash -c "systemctl show -P MemoryMax $unit | grep -E '^[0-9]+$'"
check 'no superuser' test "$(query "SELECT rolsuper FROM pg_roles WHERE rolname = 'fieldwatch_owner'")" = f

say 'a message becomes a row; the other roles have their rights, granted before the tables were there'
publish -t plant/hall/a1/readings -m '{"temperature": 21.5}'
stored() { [ "$(query 'SELECT count(*) FROM sensor_readings')" = "$1" ]; }
wait_for 20 'the reading is stored' stored 1
check 'dashboard reads' as_role fieldwatch_dashboard dash 'SELECT * FROM sensor_readings, sensor_hourly_agg, sensor_alerts LIMIT 1'
check 'ingest adds' as_role fieldwatch_ingest in "INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES (now() - INTERVAL '1 hour', 1, 3) ON CONFLICT (sensor_id, time) DO NOTHING"
check 'dashboard writes nothing' bash -c "! PGPASSWORD=dash psql -X -h $dbhost -p $dbport -U fieldwatch_dashboard -d $database -c 'DELETE FROM sensor_readings'"

say 'reload'
sed -i 's|^  - topic: plant/.*|  - topic: site/{location}/{device}/readings|' /etc/fieldwatch/fieldwatch.yaml
check 'systemctl reload' systemctl reload $unit
wait_for 20 'the new routes are in effect' logged 'configuration reloaded'
check 'the same process' is MainPID "$pid"
publish -t site/hall/a2/readings -m '{"temperature": 22}'
wait_for 20 'a message of the new route is stored' stored 3

say 'stop and start'
check 'systemctl stop' systemctl stop $unit
check 'ended in order, exit code 0' is Result success
check 'and says so' logged '"msg":"stopped"'
check 'systemctl start' systemctl start $unit
check 'systemctl restart' systemctl restart $unit
check 'active again' systemctl is-active $unit

say 'a kill: systemd starts it again'
pid=$(property MainPID)
kill -9 "$pid"
restarted() { [ "$(property MainPID)" != "$pid" ] && [ "$(property MainPID)" != 0 ] && [ "$(property ActiveState)" = active ]; }
wait_for 60 'restarted' restarted

say 'a daemon whose event loop hangs: the watchdog'
pid=$(property MainPID)
kill -STOP "$pid"
wait_for 120 'restarted by the watchdog' restarted
journalctl --no-pager -u $unit | grep -qi 'watchdog timeout' || fail 'no watchdog in the journal'
printf 'ok    the journal says so\n'

say 'a faulty configuration is not tried again'
cp /etc/fieldwatch/fieldwatch.yaml /tmp/good.yaml
echo 'mqqt: {}' >>/etc/fieldwatch/fieldwatch.yaml
systemctl restart $unit && fail 'started with a fault'
check 'failed, with exit code 2' is ExecMainStatus 2
sleep 6
check 'and stays so' is ActiveState failed
cp /tmp/good.yaml /etc/fieldwatch/fieldwatch.yaml
check 'with the fault corrected it starts' systemctl start $unit

say 'the rating'
systemd-analyze security --no-pager $unit | tail -n 1
systemctl stop $unit
echo ok >/verify/result
