#!/usr/bin/env bash
# Builds countline-kernels into build/wheels and installs it into .venv. Needs Rust (https://rustup.rs) of the version that
# kernels/Cargo.toml names. With --if-possible, what is missing is said and is no error: everything runs without the kernel, and
# tests of it are skipped by name. What does not compile is an error either way.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/build/cargo}"
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' kernels/Cargo.toml)

missing() {
  echo "the compiled kernel is not built: $1"
  if [ "${2:-}" = --if-possible ]; then exit 0; fi
  exit 1
}

command -v cargo > /dev/null || missing "there is no cargo (https://rustup.rs)" "$@"
found=$(cargo --version | cut -d ' ' -f 2)
[ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
  missing "cargo is $found, $wanted or newer is needed" "$@"

# The lock file names where crates come from, which is each machine's own; the versions are those of pins.txt.
pinned() {
  local lock=kernels/Cargo.lock
  if [ -f "$lock" ] && [ "$lock" -nt kernels/pins.txt ] && [ "$lock" -nt kernels/Cargo.toml ]; then return 0; fi
  cargo generate-lockfile --quiet --manifest-path kernels/Cargo.toml || return 1
  while read -r name version; do
    cargo update --quiet --manifest-path kernels/Cargo.toml --package "$name" --precise "$version" || return 1
  done < <(grep -v '^#' kernels/pins.txt)
}
pinned && cargo fetch --quiet --locked --manifest-path kernels/Cargo.toml || missing "its crates cannot be fetched" "$@"

"$python" -c 'import maturin' 2> /dev/null ||
  "$python" -m pip --disable-pip-version-check install -q -c constraints.txt maturin
rm -rf build/wheels
"$python" -m maturin build --quiet --release --locked --manifest-path kernels/Cargo.toml --out build/wheels
"$python" -m pip --disable-pip-version-check install -q --no-deps --force-reinstall build/wheels/countline_kernels-*.whl
"$python" -c 'from countline.kernels import find; print("rules and tracks run by:", find().description)'
