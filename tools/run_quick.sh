#!/usr/bin/env bash
# A first answer within two minutes: the pure core, configuration, messages, the outbox's parts, one run end to end and one output
# (Kafka, against the embedded broker). `make test` is what counts. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=(
  tests/analytics_exact/test_exact_vectors.py tests/analytics_native tests/config tests/messages tests/messages_deepstream
  tests/outbox/test_outbox_parts.py tests/outbox/test_outbox_queue.py tests/outputs/test_shared.py tests/pipeline tests/recipe
  tests/record/test_record_tracks.py tests/track
  tests/e2e/test_main_job.py::test_two_runs_over_a_file_give_the_same_messages
  tests/kafka/test_kafka_contract.py::TestEmbeddedBroker
)
exec .venv/bin/python -m pytest -n "$(nproc)" --deselect tests/messages/test_registry_server.py "${tests[@]}" "$@"
