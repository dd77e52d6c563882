"""Totals of crossings with Flink SQL, in one process: for trying it out, and for what one machine can do.

    pip install apache-flink==2.3.0          # Python 3.9 to 3.12, Java 11 or 17
    python run.py --kafka localhost:9092 --jar flink-sql-connector-kafka-5.0.0-2.2.jar

On a cluster, fill in the placeholders of totals.sql and give it to `sql-client.sh -f totals.sql`.
"""

from __future__ import annotations

import argparse
import string
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

HERE = Path(__file__).resolve().parent


def statements(text: str) -> list[str]:
    """The statements of a script. A statement set is one."""
    lines = [line.partition("--")[0].rstrip() for line in text.splitlines()]
    found: list[str] = []
    current: list[str] = []
    within = False
    for line in lines:
        current.append(line)
        within = within or line.strip() == "BEGIN"
        if line.endswith(";") and (not within or line.strip() == "END;"):
            found.append("\n".join(current).strip().rstrip(";"))
            current, within = [], False
    return [f"{s};" if "STATEMENT SET" in s else s for s in found]


def main() -> None:
    """Run it: for ever, or with ``--until-now`` over what the topic holds now."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="localhost:9092")
    parser.add_argument("--topic", default="crossings")
    parser.add_argument("--totals", default="totals", help="topic that the totals go to")
    parser.add_argument("--sources", default=str(HERE.parent / "sources.csv"))
    parser.add_argument("--jar", required=True, help="flink-sql-connector-kafka")
    parser.add_argument("--until-now", action="store_true")
    given = parser.parse_args()

    env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in {
        "pipeline.jars": Path(given.jar).resolve().as_uri(),
        "table.local-time-zone": "UTC",
        "table.exec.state.ttl": "1 d",  # so long is an id remembered
        "table.exec.source.idle-timeout": "60 s",  # a partition without messages (no heartbeats) does not hold up the others
        "parallelism.default": "1",
    }.items():
        env.get_config().set(name, value)
    text = string.Template((HERE / "totals.sql").read_text(encoding="utf-8").replace("${...}", "")).substitute(
        bootstrap=given.kafka,
        topic=given.topic,
        totals=given.totals,
        sources=given.sources,
        bounded="latest-offset" if given.until_now else "unbounded",
    )
    for statement in statements(text):
        result = env.execute_sql(statement)
        if "STATEMENT SET" in statement:
            result.wait()


if __name__ == "__main__":
    main()
