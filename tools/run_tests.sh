#!/usr/bin/env bash
# All tests, in two processes side by side: those of real servers mostly wait, the others mostly compute. Fails if either does.
set -u
cd "$(dirname "$0")/.."
python=.venv/bin/python
servers=(tests/kafka tests/outputs)
log=$(mktemp)
"$python" -m pytest "${servers[@]}" >"$log" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null; rm -f "$log"' EXIT
"$python" -m pytest "${servers[@]/#/--ignore=}" "$@"
first=$?
wait "$beside"
second=$?
echo "== ${servers[*]}"
cat "$log"
[ "$first" -eq 0 ] && [ "$second" -eq 0 ]
