"""What outputs are built on; public, for outputs of other distributions as for countline's own.

An output needs no base class, only the methods of :class:`countline.protocols.Output`. Two bases do the common part:

* :class:`BufferedOutput` for what is local or has a blocking client: files, databases, a library that returns when the
  server has the messages. A subclass writes a batch.
* :class:`AsyncOutput` for servers with an asyncio client: it connects, reconnects and watches over what waits for an
  answer. A subclass says how to talk.

The rest stands alone: options that outputs have in common (:class:`NetworkConfig`, :class:`OrderedConfig`, ``Host``,
``Port``, ``Secret``, ``Tls``), the in-flight tracker, the order of keys, back-off, errors in words, a message as one line.
Names are imported when they are first used, so that reading a configuration needs no event loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from countline.config.base import OutputConfig
    from countline.outputs.base.async_output import AsyncOutput
    from countline.outputs.base.backoff import Backoff
    from countline.outputs.base.buffered import BufferedOutput
    from countline.outputs.base.checks import check_dns, check_message, check_tcp
    from countline.outputs.base.envelopes import as_line, envelope, is_json, rfc3339
    from countline.outputs.base.errors import PERMISSION, OutputFault, describe, explain
    from countline.outputs.base.fitness import UNFIT, unfit
    from countline.outputs.base.in_flight import InFlight
    from countline.outputs.base.key_order import KeyOrder
    from countline.outputs.base.options import (
        Host,
        HttpsTls,
        NetworkConfig,
        OrderedConfig,
        Port,
        Secret,
        Tls,
        TlsConfig,
        get_secret,
        names_in_braces,
    )
    from countline.outputs.base.text import header_safe, headers_json, readable, shown
    from countline.outputs.base.tls import make_ssl_context

__all__ = [
    "PERMISSION",
    "UNFIT",
    "AsyncOutput",
    "Backoff",
    "BufferedOutput",
    "Host",
    "HttpsTls",
    "InFlight",
    "KeyOrder",
    "NetworkConfig",
    "OrderedConfig",
    "OutputConfig",
    "OutputFault",
    "Port",
    "Secret",
    "Tls",
    "TlsConfig",
    "as_line",
    "check_dns",
    "check_message",
    "check_tcp",
    "describe",
    "envelope",
    "explain",
    "get_secret",
    "header_safe",
    "headers_json",
    "is_json",
    "make_ssl_context",
    "names_in_braces",
    "readable",
    "rfc3339",
    "shown",
    "unfit",
]

_MODULES = {
    "async_output": ("AsyncOutput",),
    "backoff": ("Backoff",),
    "buffered": ("BufferedOutput",),
    "envelopes": ("as_line", "envelope", "is_json", "rfc3339"),
    "checks": ("check_dns", "check_message", "check_tcp"),
    "errors": ("PERMISSION", "OutputFault", "describe", "explain"),
    "fitness": ("UNFIT", "unfit"),
    "in_flight": ("InFlight",),
    "key_order": ("KeyOrder",),
    "options": (
        "Host", "HttpsTls", "NetworkConfig", "OrderedConfig", "Port", "Secret", "Tls", "TlsConfig", "get_secret", "names_in_braces",
    ),
    "text": ("header_safe", "headers_json", "readable", "shown"),
    "tls": ("make_ssl_context",),
}  # fmt: skip
_HOME = {name: f"countline.outputs.base.{module}" for module, names in _MODULES.items() for name in names}
_HOME["OutputConfig"] = "countline.config.base"


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'countline.outputs.base' has no attribute '{name}'")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
