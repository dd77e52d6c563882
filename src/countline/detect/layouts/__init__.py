"""Output layouts of detection networks: which one a model has, and how its numbers become scores and boxes. Each file declares a
family of them (see :class:`countline.detect.layouts.family.Family`) and is found by standing here: no list names it.

Every decoder gives, for one frame, :class:`Raw`: scores of all cells without copying where possible, and boxes only for
the cells that are asked for; so the work after the network grows with what was found, not with the size of the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from countline.detect.layouts.base import FORMS, SLACK, Form, Layout, Raw, cells
from countline.detect.layouts.family import Family

__all__ = ["FAMILIES", "FAMILY_OF", "FORMS", "SLACK", "Family", "Form", "Layout", "Raw", "cells"]


def _families() -> list[Family]:
    names = sorted(m.name for m in iter_modules(__path__) if m.name not in ("base", "family", "observed"))
    return [import_module(f"{__name__}.{name}").FAMILY for name in names]


FAMILIES = tuple(_families())

FAMILY_OF: Mapping[str, Family] = {form.name: family for family in FAMILIES for form in family.forms}
"""The family of each layout, by its name."""
FORMS.update({form.name: form for family in FAMILIES for form in family.forms})
