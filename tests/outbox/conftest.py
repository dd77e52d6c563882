"""An outbox in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from countline import outbox
from countline.config import OutboxConfig
from countline.outbox import Outbox

Opener = Callable[..., Outbox]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


@pytest.fixture
def opener(path: Path) -> Iterator[Opener]:
    """Opens the outbox of this test; what is open at the end is closed."""
    opened: list[Outbox] = []

    def make(*outputs: str, memory: bool = False, live: bool = False, **options: Any) -> Outbox:
        clocks = {k: options.pop(k) for k in ("clock", "steady") if k in options}
        config = OutboxConfig(**options)
        box = outbox.open(config, None if memory else path, outputs or ("a",), live=live, **clocks)
        opened.append(box)
        return box

    yield make
    for box in opened:
        box.close()
