"""Login and TLS for NATS."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from countline.errors import MissingExtra, OutputError
from countline.outputs._common import make_ssl_context, reveal
from countline.outputs._words import Fault
from countline.outputs.nats.config import Config

__all__ = ["connection_options", "require_tls"]


def connection_options(config: Config) -> dict[str, Any]:
    """Arguments of ``nats.connect``. Raises OutputError for files that cannot be used."""
    where = f"output '{config.name}'"
    host = f"[{config.host}]" if ":" in config.host else config.host
    options: dict[str, Any] = {"servers": f"nats://{host}:{config.port}", "name": "countline"}
    if config.username is not None:
        options |= {"user": config.username, "password": reveal(config.password) or ""}
    if config.token is not None:
        options["token"] = reveal(config.token)
    if config.creds is not None or config.nkey is not None:
        try:
            import nkeys
        except ImportError:
            raise MissingExtra("nkeys", "nats", what_for=f"{where} (NATS with an nkey)") from None
        if config.creds is not None:
            if not Path(config.creds).is_file():
                raise OutputError(f"creds: no such file: {config.creds}", where=where, fix="check the path")
            options["user_credentials"] = config.creds
        else:
            seed = reveal(config.nkey) or ""
            try:
                nkeys.from_seed(seed.encode())
            except Exception:  # the library has a class for each kind of fault, and binascii's come through
                raise OutputError("nkey is not a seed", where=where, fix="give the line that begins with SU") from None
            options["nkeys_seed_str"] = seed
    if config.tls is not None:
        options |= {"tls": make_ssl_context(config.tls, where=where), "tls_hostname": config.host}
    return options


async def require_tls(config: Config) -> None:
    """Raises OSError if nobody answers, and Fault if TLS is wanted and the server does not ask for it: the client library
    would then log in without encryption."""
    reader, writer = await asyncio.open_connection(config.host, config.port)
    try:
        line = await asyncio.wait_for(reader.readline(), config.connect_timeout)
    finally:
        writer.close()
    if not line.startswith(b"INFO "):
        raise Fault(f"{config.host}:{config.port} does not speak NATS", "check the port")
    if config.tls is not None and not json.loads(line[5:]).get("tls_required"):
        raise Fault(
            f"{config.host}:{config.port} does not require TLS", "switch TLS on in the server, or remove tls here"
        )
