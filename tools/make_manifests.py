"""Makes deploy/kubernetes from the chart: ``python tools/make_manifests.py`` (needs helm: ``make helm``).

Each manifest names the chart that it is made of by a digest, so that ``--check`` tells without Helm whether it is still true.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "countline"
KUBERNETES = ROOT / "deploy" / "kubernetes"
MADE = {"shards": "shards", "workers": "workers", "workers-keda": "keda"}
"""Manifest, and the values in the chart's folder ci that it is made of."""
_HELMS = re.compile(r"^ *(?:helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: Helm)\n", re.M)
"""Labels by which Helm knows its own."""
SHIPPED = {"countline.rules.yml": "prometheus", "countline.json": "grafana"}
"""Files of the chart, and the folder of deploy/ whose copy they are."""


def helm() -> str | None:
    """Path of Helm; None if there is none."""
    own = ROOT / ".cache" / "deploy" / "bin" / "helm"
    return str(own) if own.exists() else shutil.which("helm")


def digest(values: Path) -> str:
    """Of all that a manifest is made of."""
    made = hashlib.sha256()
    parts = [path for path in CHART.rglob("*") if path.is_file() and "ci" not in path.relative_to(CHART).parts]
    for path in [*sorted(parts), values]:
        content = path.read_bytes()
        made.update(f"{path.relative_to(CHART).as_posix()}\0{len(content)}\0".encode() + content)
    return made.hexdigest()[:16]


def head(name: str) -> str:
    """First lines of a manifest."""
    values = CHART / "ci" / f"{MADE[name]}-values.yaml"
    return (
        f"# Made by tools/make_manifests.py from deploy/helm/countline and its ci/{values.name}; chart {digest(values)}.\n"
        "# Change addresses, lines and the image to yours, or install the chart: docs/deploy.md.\n"
    )


def render(name: str, program: str) -> str:
    """The manifest. Raises CalledProcessError with what Helm says."""
    values = CHART / "ci" / f"{MADE[name]}-values.yaml"
    command = [program, "template", "countline", str(CHART), "--values", str(values), "--namespace", "counts"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return head(name) + _HELMS.sub("", done.stdout)


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 if something is not true any more"
    )
    check = parser.parse_args().check
    if check:
        stale = [name for name in MADE if not _is_of_the_chart(name)]
        for name in stale:
            print(f"deploy/kubernetes/{name}.yaml is of another chart: run tools/make_manifests.py", file=sys.stderr)
        return 1 if stale else 0
    program = helm()
    if program is None:
        print("there is no helm: `make helm` builds it", file=sys.stderr)
        return 2
    for file, folder in SHIPPED.items():
        shutil.copyfile(ROOT / "deploy" / folder / file, CHART / "files" / file)
    KUBERNETES.mkdir(exist_ok=True)
    for name in MADE:
        try:
            text = render(name, program)
        except subprocess.CalledProcessError as error:
            print(error.stderr, file=sys.stderr)
            return 1
        (KUBERNETES / f"{name}.yaml").write_text(text, encoding="utf-8")
    return 0


def _is_of_the_chart(name: str) -> bool:
    path = KUBERNETES / f"{name}.yaml"
    return path.exists() and path.read_text(encoding="utf-8").startswith(head(name))


if __name__ == "__main__":
    sys.exit(main())
