"""What a client library's exception means for the user: what happened, and what to do."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Iterable, Iterator

from countline.outputs.base.text import shown
from countline.redaction import redact

__all__ = ["PERMISSION", "OutputFault", "describe", "explain"]


class OutputFault(Exception):
    """A failure whose meaning is known already."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


PERMISSION = "give the user the right to write there, or use another user"


def describe(text: str, secrets: Iterable[str | None]) -> str:
    """What goes out of an output as words: without secrets, on one line, of bounded length, and with whatever a server has
    put into its answer (escape sequences, control characters) made visible."""
    return shown(redact(text, *secrets), 600)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps, outermost first."""
    queue, seen = [error], set()
    while queue:
        one = queue.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [*getattr(one, "exceptions", ()), one.__cause__, one.__context__]
        inner += [arg for arg in one.args if isinstance(arg, BaseException)]
        inner += [i for arg in one.args if isinstance(arg, (list, tuple)) for i in arg]
        inner.append(getattr(one, "exception", None) if not callable(getattr(one, "exception", None)) else None)
        queue += [i for i in inner if isinstance(i, BaseException)]


def explain(error: BaseException, where: str = "the server") -> OutputFault:
    """An OutputFault for an exception of a client library; ``where`` is ``host:port``."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, OutputFault):
            return one
    for one in chain:
        known = _known(one, where)
        if known is not None:
            return known
    if any(isinstance(one, (TimeoutError, asyncio.TimeoutError, socket.timeout)) for one in chain):
        return OutputFault(f"no answer from {where}", "check that the server is up and no firewall stands between")
    for one in chain:
        text = re.sub(r"\[Errno -?\d+\]\s*", "", " ".join(str(one).split()))
        if any(c.isalpha() for c in text):
            return OutputFault(redact(text)[:300])  # a secret that was cut is harder to know
    return OutputFault(f"{where}: {type(error).__name__}")


def _known(error: BaseException, where: str) -> OutputFault | None:
    if isinstance(error, socket.gaierror):
        return OutputFault(
            f"the host name of {where} cannot be resolved", "check the spelling of the host and the DNS of this machine"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return OutputFault(
            f"the certificate of {where} is not trusted: {error.verify_message or error.reason}",
            "set tls.ca to the certificate authority's PEM file; host must be a name in the certificate",
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return OutputFault(
            f"TLS with {where} failed: {error.reason or 'unknown reason'}",
            "check that the port speaks TLS, and the tls options",
        )
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, OSError) and number is None:
        match = re.search(r"Errno (\d+)", str(error))
        number = int(match[1]) if match else None
    if isinstance(error, ConnectionRefusedError) or number == errno.ECONNREFUSED:
        return OutputFault(f"connection refused: nobody listens at {where}", "start the server, or check host and port")
    if isinstance(error, (ConnectionError, EOFError, ssl.SSLEOFError)):
        return OutputFault(
            f"{where} closed the connection", "check the server's log; TLS on one side only also looks like this"
        )
    if number is not None and not isinstance(error, TimeoutError):
        return OutputFault(f"{where}: {os.strerror(number)}", "check host, port and network")
    return None
