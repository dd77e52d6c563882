#!/usr/bin/env bash
# All tests, in several processes: those of servers and cameras mostly wait, the others mostly compute (tests/spread.py deals them
# out). COUNTLINE_TEST_PROCESSES says how many; with two for each core and two more there is nearly always one that computes.
# Says how long it took. Arguments go to pytest.
set -u
cd "$(dirname "$0")/.."
cores=$(nproc)
processes=${COUNTLINE_TEST_PROCESSES:-$((cores * 2 < 16 ? cores * 2 + 2 : 16))}
# Tests start countline hundreds of times: it is compiled once, not at every start, whatever the image that they run in says.
unset PYTHONDONTWRITEBYTECODE
begun=$SECONDS
.venv/bin/python -m pytest -n "$processes" "$@"
code=$?
took=$((SECONDS - begun))
printf 'make test took %d min %02d s, in %d processes on %d cores\n' $((took / 60)) $((took % 60)) "$processes" "$cores"
exit "$code"
