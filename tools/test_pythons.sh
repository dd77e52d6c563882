#!/usr/bin/env bash
# Run the tests of the pure rooms, and the main job end to end, on every Python 3.10+ of this machine but the one of .venv.
# Environments are kept in .cache/pythons. Prints which Pythons were tested, and which were not found.
set -euo pipefail
cd "$(dirname "$0")/.."
main=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
tests=(tests/config tests/analytics_exact tests/analytics_native tests/messages tests/messages_deepstream tests/track tests/e2e/test_main_job.py)
tested=() absent=()
find_python() {
  local version=$1 candidate
  for candidate in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}
for version in 3.10 3.11 3.12 3.13 3.14; do
  [ "$version" = "$main" ] && continue
  python=$(find_python "$version")
  if [ -z "$python" ]; then
    absent+=("$version")
    continue
  fi
  env=.cache/pythons/$version
  stamp=$env/.installed
  if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ constraints.txt -nt "$stamp" ]; then
    "$python" -m venv "$env"
    "$env/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,build]'
    touch "$stamp"
  fi
  echo "== Python $version"
  "$env/bin/python" -m pytest "${tests[@]}"
  tested+=("$version")
done
echo "tested on Python: $main (make test) ${tested[*]:-}; not on this machine: ${absent[*]:-none}"
