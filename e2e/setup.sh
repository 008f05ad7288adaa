#!/usr/bin/env bash
# Makes the foreign programs of the end-to-end tests available and says what it installs.
#
#   e2e/setup.sh all                  everything below
#   e2e/setup.sh PART...              parts: tmux irssi weechat protoc python synapse postgres
#   e2e/setup.sh venv NAME REQ...     Python environment .cache/NAME with these requirements
#
# Debian packages are installed only when missing, and only by root with apt-get. Python packages come from the package
# index into .cache. It may be called at any time and by several processes at once: what is there is left alone.
# Exit status: 0 all there, 3 a part is missing and cannot be installed here, other: an installation failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
synapse_version=1.163.2

# One at a time. -o closes the lock's descriptor before the command, so that nothing started below keeps it.
if [ -z "${E2E_SETUP_LOCKED:-}" ] && command -v flock >/dev/null; then
  mkdir -p .cache
  E2E_SETUP_LOCKED=1 exec flock -o .cache/setup.lock bash e2e/setup.sh "$@"
fi

missing() {
  echo "e2e/setup.sh: $*" >&2
  exit 3
}

# debian PACKAGE: installs a Debian package, or tells what is missing.
debian() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    missing "Debian package $1 is missing; install it (apt-get install $1) and run again"
  fi
  echo "e2e/setup.sh: installing Debian package $1" >&2
  local install=(apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold "$1")
  export DEBIAN_FRONTEND=noninteractive
  "${install[@]}" </dev/null >&2 || { apt-get update -q </dev/null >&2 && "${install[@]}" </dev/null >&2; }
}

# program NAME PACKAGE: the program NAME is there, from the Debian package PACKAGE if need be.
program() {
  command -v "$1" >/dev/null || debian "$2"
  command -v "$1" >/dev/null || missing "program $1 is missing although package $2 is installed"
}

# weechat_typing: the plugin that shows who types, which Debian keeps in a package of its own.
weechat_typing() {
  local found
  for found in /usr/lib/*/weechat/plugins/typing.so /usr/lib/weechat/plugins/typing.so /opt/homebrew/lib/weechat/plugins/typing.so; do
    [ ! -e "$found" ] || return 0
  done
  debian weechat-plugins
}

# find_python prints a Python of at least 3.10 that can make virtual environments.
find_python() {
  local python
  for python in "${PYTHON:-python3}" /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

python() {
  find_python >/dev/null || debian python3-venv
  find_python >/dev/null || missing "no Python of version 3.10 or later with the module venv"
}

# venv NAME REQUIREMENT...: .cache/NAME holds exactly these requirements.
venv() {
  local dir=.cache/$1 wanted="${*:2}"
  if [ "$(cat "$dir/.requirements" 2>/dev/null)" = "$wanted" ] && "$dir/bin/python" -c '' 2>/dev/null; then
    return 0
  fi
  python
  echo "e2e/setup.sh: making $dir with $wanted" >&2
  rm -rf "$dir"
  "$(find_python)" -m venv "$dir"
  "$dir/bin/python" -m pip install -q --disable-pip-version-check "${@:2}" </dev/null >&2
  echo "$wanted" >"$dir/.requirements"
}

# postgres: the programs of a PostgreSQL server, which Debian keeps outside of PATH. The package must start no server.
postgres() {
  if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      mkdir -p /etc/postgresql-common
      echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    debian postgresql
  fi
}

part() {
  case $1 in
    tmux) program tmux tmux ;;
    irssi) program irssi irssi ;;
    weechat) program weechat weechat-curses; weechat_typing ;;
    protoc) program protoc protobuf-compiler ;;
    python) python ;;
    synapse) venv synapse-venv "matrix-synapse==$synapse_version" ;;
    postgres) postgres ;;
    all) for p in tmux irssi weechat protoc python synapse postgres; do part "$p"; done ;;
    *) echo "e2e/setup.sh: unknown part $1" >&2; exit 2 ;;
  esac
}

[ $# -gt 0 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
if [ "$1" = venv ]; then
  venv "${@:2}"
else
  for p in "$@"; do part "$p"; done
fi
