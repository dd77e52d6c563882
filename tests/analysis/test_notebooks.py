"""The notebooks of examples/ run as they are, and show what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FIGURES = {"recorded_tracks": 4, "recipe": 2}
"""Figures that each shows at least."""
COUNTS = {"recorded_tracks": "totals()", "recipe": '["lines"]["straight"]'}
"""What stands in cells whose texts come out the same whenever they are run."""


def shown(notebook: Any) -> list[tuple[str, ...]]:
    """Kinds of output of each cell of code."""
    return [
        tuple(sorted({kind for output in cell.outputs for kind in output.get("data", {output.output_type: 0})}))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def results(notebook: Any, source: str) -> list[Any]:
    """Texts of the results of cells with ``source``."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and source in cell.source]
    return [o.data["text/plain"] for cell in cells for o in cell.outputs if o.output_type == "execute_result"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_again_what_it_holds(path: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(fresh, timeout=170, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert shown(fresh) == shown(kept)
    assert sum("image/png" in kinds for kinds in shown(kept)) >= FIGURES[path.stem]
    counts = results(kept, COUNTS[path.stem])
    assert counts
    assert counts == results(fresh, COUNTS[path.stem])  # and counts the same


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_holds_tells_nothing_of_the_machine_that_ran_it(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    texts = re.sub(r'"image/png": "[^"]*"', "", json.dumps(outputs))
    assert not re.search(r"(?<![\w.])/(home|root|tmp|usr|var|work|opt|Users)/|127\.0\.0\.1:\d|[A-Z]:\\\\", texts)
    assert {"kernelspec"} >= set(notebook["metadata"]) - {"language_info"}
