"""Address, login and TLS for PostgreSQL."""

from __future__ import annotations

from typing import Any

from countline.errors import OutputError
from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context
from countline.outputs.sql.config import Config

__all__ = ["connection_options"]


def connection_options(config: Config) -> dict[str, Any]:
    """Arguments of ``psycopg.AsyncConnection.connect``. Raises OutputError for a url or certificate of no use."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    where = f"output '{config.name}'"
    try:
        options: dict[str, Any] = dict(conninfo_to_dict(config.url.get_secret_value()))
    except psycopg.ProgrammingError:
        # Its own words quote parts of it.
        raise OutputError("the url cannot be read", where=where, fix="postgresql://user@host:port/database") from None
    if config.password is not None:
        options["password"] = get_secret(config.password)
    options.setdefault("host", "localhost")
    options.setdefault("port", "5432")
    options.setdefault("application_name", "countline")
    options["connect_timeout"] = max(2, int(config.connect_timeout))
    if config.tls is not None:
        tls = config.tls
        make_ssl_context(tls, where=where)  # says which file cannot be used, before libpq does
        options |= {"sslmode": "verify-full" if tls.verify else "require"}
        if tls.verify:
            options["sslrootcert"] = tls.ca or "system"
        if tls.cert:
            options |= {"sslcert": tls.cert, "sslkey": tls.key or tls.cert}
        if tls.key_password is not None:
            options["sslpassword"] = get_secret(tls.key_password)
    return options
