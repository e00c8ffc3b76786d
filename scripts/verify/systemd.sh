#!/usr/bin/env bash
# npm run verify:systemd: runs the steps of docs/operations.md, "As a systemd service", in a Debian that boots under systemd-nspawn, and looks
# at what systemd makes of the unit. Everything happens in a folder below VERIFY_CACHE; the network is the host's.
#
# Needs root, Debian's debootstrap, systemd-container and postgresql-client, npm with its registry, and
#   VERIFY_DATABASE_URL   a superuser's URL of a TimescaleDB server without a database: postgres://postgres:…@127.0.0.1:5432
# on which it makes and drops the database fieldwatch_verify and the roles of sql/roles/roles.sql (which must not exist there).
# VERIFY_CACHE (/var/cache/fieldwatch-verify), VERIFY_SUITE (bookworm), VERIFY_NODE (22), DEBIAN_MIRROR (of this machine's apt).
. "$(dirname "$0")/common.sh"
need debootstrap debootstrap systemd-nspawn systemd-container psql postgresql-client npm npm git git
server=${VERIFY_DATABASE_URL:?a superuser URL of a TimescaleDB server, without a database}
database=fieldwatch_verify
page=$root/docs/operations.md

admin() { psql -X -q -At -v ON_ERROR_STOP=1 "$server/postgres" "$@"; }
roles="'fieldwatch_owner', 'fieldwatch_ingest', 'fieldwatch_dashboard'"
[ "$(admin -c "SELECT count(*) FROM pg_roles WHERE rolname IN ($roles)")" = 0 ] ||
  die 'roles of fieldwatch exist on that server already: use one of its own'

base_tree
tree=$cache/systemd
clean() {
  admin -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" || true
  admin -c 'DROP ROLE IF EXISTS fieldwatch_owner, fieldwatch_ingest, fieldwatch_dashboard' || true
}
trap clean EXIT
admin -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "CREATE DATABASE $database"

say 'a fresh tree, with this checkout in the place of the clone'
rm -rf "$tree"
cp -a --reflink=auto "$base" "$tree"
git clone --quiet --no-hardlinks "file://$root" "$tree/opt/fieldwatch"
mkdir -p "$tree/verify" "$tree/var/log/journal"
for name in program configuration secrets roles migrate start; do
  step "$page" "systemd-$name" >"$tree/verify/$name.sh"
done
cp "$root/scripts/verify/systemd-inside.sh" "$tree/verify/inside.sh"
{
  printf 'server=%q\ndatabase=%q\n' "$server" "$database"
  printf 'export NODE_EXTRA_CA_CERTS=%q\n' "$trusted"
  printf 'export NPM_CONFIG_REGISTRY=%q\n' "$(npm config get registry)"
} >"$tree/verify/settings.sh"
cat >"$tree/etc/systemd/system/verify.service" <<'UNIT'
[Unit]
After=multi-user.target network.target
[Service]
Type=oneshot
ExecStart=/bin/bash /verify/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=append:/verify/log
StandardError=append:/verify/log
UNIT
mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
ln -s ../verify.service "$tree/etc/systemd/system/multi-user.target.wants/verify.service"
# Debian starts a broker of its own, on the port of every broker.
ln -s /dev/null "$tree/etc/systemd/system/mosquitto.service"

say 'booting it'
touch "$tree/verify/log"
tail -n +1 -f "$tree/verify/log" &
follow=$!
# nspawn wants a tmpfs of its own where the host has none on /run.
unshare --mount bash -c '
  mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn
  exec timeout 900 systemd-nspawn --quiet --directory="$0" --boot --register=no --keep-unit --console=pipe' \
  "$tree" </dev/null >"$cache/systemd-boot.log" 2>&1 || true
sleep 1
kill "$follow"
[ "$(cat "$tree/verify/result" 2>/dev/null)" = ok ] || die "FAILED: see $tree/verify/log, and journalctl -D $tree/var/log/journal"
say 'verify:systemd: all is as documented'
