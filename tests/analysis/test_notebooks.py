"""The notebooks of examples/ run as they are, and show what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


def shown(notebook: Any) -> list[tuple[str, ...]]:
    """Kinds of output of each cell of code."""
    return [
        tuple(sorted({kind for output in cell.outputs for kind in output.get("data", {output.output_type: 0})}))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_again_what_it_holds(path: Path, tmp_path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(fresh, timeout=170, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert shown(fresh) == shown(kept)
    assert sum("image/png" in kinds for kinds in shown(kept)) >= 4
    texts = [
        [output.get("text") or output.data.get("text/plain") for output in cell.outputs]
        for notebook in (kept, fresh)
        for cell in notebook.cells
        if cell.cell_type == "code" and "totals()" in cell.source
    ]
    assert texts[0] == texts[1]  # and counts the same
