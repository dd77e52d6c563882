"""For the tests of those who extend countline: what every output promises, as tests; a source and a detector that need neither
camera nor model.

>>> from countline.testing import Scene, Walk
>>> scene = Scene([Walk((0.2, 0.9), (0.8, 0.9))], seconds=2.0)
>>> found = scene.detector().detect(list(scene.source("entrance")))
>>> sum(map(len, found))
20

:class:`OutputContract` needs pytest (``pip install 'countline[testing]'``); the rest does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from countline.errors import MissingExtra

if TYPE_CHECKING:
    from countline.testing.output_contract import OutputContract, Read
    from countline.testing.ports import free_port
    from countline.testing.scene import Scene, SceneDetector, SceneSource, Walk
    from countline.testing.sender import Deadline, Received, Sender, Server, entries, from_envelope
    from countline.testing.servers import ClearTextProxy, SilentServer

__all__ = [
    "ClearTextProxy",
    "Deadline",
    "OutputContract",
    "Read",
    "Received",
    "Scene",
    "SceneDetector",
    "SceneSource",
    "Sender",
    "Server",
    "SilentServer",
    "Walk",
    "entries",
    "free_port",
    "from_envelope",
]

_CONTRACT = ("countline.testing.output_contract", "countline.testing.unkind_servers")
_HOME = {
    **dict.fromkeys(("OutputContract", "Read"), "output_contract"),
    "free_port": "ports",
    **dict.fromkeys(("Scene", "SceneDetector", "SceneSource", "Walk"), "scene"),
    **dict.fromkeys(("Deadline", "Received", "Sender", "Server", "entries", "from_envelope"), "sender"),
    **dict.fromkeys(("ClearTextProxy", "SilentServer"), "servers"),
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'countline.testing' has no attribute '{name}'")
    if home == "output_contract":
        _explain_asserts()
    value = getattr(importlib.import_module(f"countline.testing.{home}"), name)
    globals()[name] = value
    return value


def _explain_asserts() -> None:
    """Asserts of the contract are explained as those of a test module are. Raises MissingExtra without pytest."""
    try:
        import pytest
    except ImportError:
        raise MissingExtra("pytest", "testing", what_for="the contract of outputs") from None
    pytest.register_assert_rewrite(*_CONTRACT)


def __dir__() -> list[str]:
    return sorted(__all__)
