"""Which layouts a model's outputs may have: by metadata, the operations that make the outputs, and their shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from countline.detect.layouts import FAMILIES, FORMS, Layout, cells
from countline.detect.layouts.observed import FileFacts, Output, Outputs, Shape, grid_of

__all__ = ["recognise"]


def recognise(
    shapes: Sequence[Shape],
    names: Sequence[str],
    size: tuple[int, int],
    classes: int | None,
    wanted: str,
    facts: FileFacts | None = None,
) -> list[Layout]:
    """Layouts that fit the outputs (shapes of a real run); more than one: ambiguous, none: unknown.

    ``classes`` is the number of labels where known, ``wanted`` the declared layout or 'auto'. Where the number of classes
    of a list of found objects is not known, the layout has 0.
    """
    masks = next((shape[1] for shape in shapes if len(shape) == 4 and shape[1] < min(shape[2:])), 0)
    outputs = Outputs(shapes, names, size, classes, wanted, facts or FileFacts(), masks)
    exclusive = _wanted((layout for family in FAMILIES for layout in family.exclusive(outputs)), wanted)
    if exclusive:
        return exclusive
    found = _wanted((layout for family in FAMILIES for layout in family.several(outputs)), wanted)
    for at, shape in enumerate(shapes):
        if len(shape) == 3 and not (at and found):
            found += _wanted(_single(shape, at, outputs), wanted)
    return list(dict.fromkeys(found))


def _wanted(found: Iterable[Layout], wanted: str) -> list[Layout]:
    return [layout for layout in dict.fromkeys(found) if wanted in ("auto", layout.name)]


def _single(shape: Shape, at: int, outputs: Outputs) -> list[Layout]:
    """Layouts with everything in one output of three dimensions; others beside it (masks, raw feature maps) are ignored."""
    found: list[Layout] = []
    unusual: list[Layout] = []
    for transposed, (count, channels) in ((False, shape[1:]), (True, shape[:0:-1])):
        if channels < 5:
            continue
        grid = grid_of(count, outputs.size)
        anchored = grid is not None and count == 3 * cells(outputs.size, grid)
        output = Output(at, count, channels, transposed, outputs.facts.of(outputs.names[at], channels), grid, anchored)
        for family in FAMILIES:
            for layout in family.single(output, outputs):
                (found if transposed == FORMS[layout.name].channels_first else unusual).append(layout)
    if outputs.wanted == "auto":
        # A label too few makes YOLOX of another's channels, a label too many the reverse.
        least = 2 if outputs.classes is None else 1
        unusual = [layout for layout in unusual if FORMS[layout.name].either_way >= least]
    return found or unusual
