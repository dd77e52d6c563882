#!/usr/bin/env bash
# Every benchmark, one after the other. One that cannot run on this machine says why and ends with 3: that is no failure. The others go
# on where one fails; what failed is named at the end, and the exit code is 1 then.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
export ORT_DISABLE_TELEMETRY=1
# Programs that benchmarks start, and one that needs clips which no package ships.
parts=" cameras gpu_clips gpu_model gpu_worker peers focus "
failed=() absent=()
for script in benchmarks/*.py; do
  name=$(basename "$script" .py)
  if [[ $parts == *" $name "* ]] || ! grep -q __main__ "$script"; then continue; fi
  echo "== $script"
  "$python" "$script"
  case $? in
    0) ;;
    3) absent+=("$name") ;;
    130) exit 130 ;;
    *) failed+=("$name") ;;
  esac
done
[ ${#absent[@]} -eq 0 ] || echo "cannot run here: ${absent[*]}"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
