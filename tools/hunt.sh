#!/usr/bin/env bash
# Property tests and trials of numbered seeds, with other examples in every round, to find faults that the steady examples of
# `make test` do not reach. hunt.sh [ROUNDS] [pytest's arguments]; a fault is printed with the smallest example and its round's seed.
set -u
cd "$(dirname "$0")/.."
rounds=3
[[ ${1:-} =~ ^[0-9]+$ ]] && { rounds=$1; shift; }
failed=0
for ((round = 1; round <= rounds; round++)); do
  seed=$((RANDOM * 32768 + RANDOM))
  echo "== round $round of $rounds; again with: HYPOTHESIS_PROFILE=random COUNTLINE_FUZZ_FIRST=$seed pytest TEST --hypothesis-seed=$seed"
  HYPOTHESIS_PROFILE=random COUNTLINE_FUZZ_FIRST=$seed .venv/bin/python -m pytest -n "$(nproc)" -m "hypothesis or seeded" \
    --timeout=900 --hypothesis-seed="$seed" "$@" || failed=1
done
exit "$failed"
