"""Login and TLS for NATS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from countline.errors import MissingExtra, OutputError
from countline.outputs.base.errors import OutputFault
from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context
from countline.outputs.nats.config import Config

__all__ = ["connection_options", "secure_client"]


def connection_options(config: Config) -> dict[str, Any]:
    """Arguments of ``nats.connect``. Raises OutputError for files that cannot be used."""
    where = f"output '{config.name}'"
    host = f"[{config.host}]" if ":" in config.host else config.host
    options: dict[str, Any] = {"servers": f"nats://{host}:{config.port}", "name": "countline"}
    if config.username is not None:
        options |= {"user": config.username, "password": get_secret(config.password) or ""}
    if config.token is not None:
        options["token"] = get_secret(config.token)
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
            seed = get_secret(config.nkey) or ""
            try:
                nkeys.from_seed(seed.encode())
            except Exception:  # the library has a class for each kind of fault, and binascii's come through
                raise OutputError("nkey is not a seed", where=where, fix="give the line that begins with SU") from None
            options["nkeys_seed_str"] = seed
    if config.tls is not None:
        options |= {"tls": make_ssl_context(config.tls, where=where), "tls_hostname": config.host}
    return options


def secure_client(config: Config) -> Any:
    """A client of the library, not connected. With TLS configured it cannot write a byte in clear: the library itself would log in
    unencrypted to any server (or anybody in between) that says it does not require TLS."""
    from nats.aio.client import Client

    client = Client()
    if config.tls is not None:
        client._transport = _tls_transport(f"{config.host}:{config.port}")  # the library has no public way in
    return client


def _tls_transport(where: str) -> Any:
    from nats.aio.transport import TcpTransport

    class TlsTransport(TcpTransport):  # type: ignore[misc]
        """Reads the greeting in clear, as the protocol has it, and writes on this very connection only what TLS carries."""

        encrypted = False

        def __bool__(self) -> bool:
            return True  # else the library puts a transport of its own in its place

        async def connect(self, *args: Any, **options: Any) -> None:
            self.encrypted = False
            await super().connect(*args, **options)

        async def connect_tls(self, *args: Any, **options: Any) -> None:
            reader = self._bare_io_reader
            if reader is not None and reader._buffer:
                raise OutputFault(
                    f"{where} goes on in clear where TLS begins", "look who stands between: this is an attack"
                )
            await super().connect_tls(*args, **options)
            self.encrypted = True

        def write(self, payload: bytes) -> None:
            self._demand_tls()
            super().write(payload)

        def writelines(self, payload: list[bytes]) -> None:
            self._demand_tls()
            super().writelines(payload)

        async def drain(self) -> None:
            if self._io_writer is not None:
                await super().drain()

        def _demand_tls(self) -> None:
            if not self.encrypted:
                raise OutputFault(f"{where} does not require TLS", "switch TLS on in the server, or remove tls here")

    return TlsTransport()
