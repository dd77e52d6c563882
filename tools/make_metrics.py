"""Writes the table of metrics in docs/metrics.md from the one in the code.

python tools/make_metrics.py            # write
python tools/make_metrics.py --check    # exit code 1 if the table is not up to date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from countline.observe.metrics import FAMILIES, Family

TARGET = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
BEGIN, END = "<!-- made by tools/make_metrics.py from countline.observe.metrics -->\n", "<!-- end -->\n"
KINDS = {"counter": "counter", "gauge": "gauge", "histogram": "histogram", "state": "state set", "info": "info"}


def row(family: Family) -> str:
    """One line of the table."""
    labels = list(family.labels) + ([family.base] if family.kind == "state" else [])
    shown = ", ".join(f"`{label}`" for label in labels)
    return f"| `{family.prometheus}` | {KINDS[family.kind]} | {shown} | {family.help} | `{family.name}` |"


def table() -> str:
    """All families."""
    head = ["| Prometheus | kind | labels | what | OpenTelemetry |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(row, FAMILIES)]) + "\n"


def main() -> int:
    """Write the table, or say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = TARGET.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if parser.parse_args().check:
        if made != text:
            print(f"{TARGET} is not up to date: run tools/make_metrics.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
