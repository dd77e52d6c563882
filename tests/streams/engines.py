"""Stream engines for the tests of `examples/streams`.

``PYTHONPATH=tests python tests/streams/engines.py`` fetches what is missing (2 GB); the tests only use what is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from environments import Environments

_HERE = Path(__file__).resolve().parent
ENGINES = Environments("streams", _HERE, ("flink", "quix", "tables"))
python = ENGINES.python
_CONNECTOR = "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"
JAR = ENGINES.cache / "flink-sql-connector-kafka-5.0.0-2.2.jar"


def missing(engine: str) -> str:
    """Why an engine cannot be used here; '' if it can."""
    if os.environ.get("COUNTLINE_SKIP_STREAMS"):
        return "COUNTLINE_SKIP_STREAMS is set"
    if not python(engine).exists():
        return f"{engine} is not installed: `make test-streams` fetches it"
    if engine == "flink" and shutil.which("java") is None:
        return "Flink needs Java 17, which is not installed"
    if engine == "flink" and not JAR.exists():
        return "Flink's connector for Kafka is not there: `make test-streams` fetches it"
    return ""


def fetch_connector(engine: str) -> None:
    """What Flink needs beside its packages. Raises CalledProcessError."""
    if engine == "flink" and not JAR.exists():
        to = [f"-Dartifact={_CONNECTOR}", f"-DoutputDirectory={ENGINES.cache}"]
        subprocess.run(
            ["mvn", "-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy", *to], check=True
        )


if __name__ == "__main__":
    sys.exit(ENGINES.fetch_all(fetch_connector))
