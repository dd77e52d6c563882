"""What ``countline check`` asks of every server: can it be reached at all, and does it take a message?"""

from __future__ import annotations

import asyncio
import socket

from countline.outputs.base.errors import explain
from countline.protocols import Check
from countline.types import Message

__all__ = ["check_dns", "check_message", "check_tcp"]


def check_message() -> Message:
    """What ``check(send=True)`` sends."""
    return Message(id="countline-check", value=b'{"countline":"check"}', definition="check")


async def check_dns(host: str) -> Check:
    """Can the name be resolved?"""
    subject = f"name {host}"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Check(
            subject, False, f"{host} cannot be resolved", "check the spelling of the host and the DNS of this machine"
        )
    return Check(subject, True, ", ".join(dict.fromkeys(str(info[4][0]) for info in found)))


async def check_tcp(host: str, port: int) -> Check:
    """Does somebody listen there?"""
    subject = f"port {host}:{port}"
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        fault = explain(error, f"{host}:{port}")
        return Check(subject, False, fault.what, fault.fix or "check host and port")
    writer.close()
    return Check(subject, True, "open")
