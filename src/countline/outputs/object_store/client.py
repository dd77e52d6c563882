"""The store itself: address, login, TLS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from countline.errors import MissingExtra, OutputError
from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context
from countline.outputs.object_store.config import Config
from countline.redaction import redact

__all__ = ["address", "open_store", "secrets_of"]


def secrets_of(config: Config) -> tuple[str, ...]:
    """All that must not be shown. Short options (true, AES256) are no secrets, and would blank out words."""
    found = [get_secret(s) for s in (config.access_key, config.secret_key, config.session_token, config.proxy)]
    if config.proxy is not None:
        found.append(urlsplit(get_secret(config.proxy) or "").password)
    found += [value for s in config.options.values() if len(value := s.get_secret_value()) >= 8]
    sas = get_secret(config.options.get("sas_key"))
    found += parse_qs((sas or "").lstrip("?")).get("sig", [])
    return tuple(s for s in found if s)


def _endpoint(config: Config) -> str | None:
    """The address to talk to, from the configuration or, as the library does, from the environment."""
    if config.endpoint is not None or config.scheme != "s3":
        return config.endpoint
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def address(config: Config) -> tuple[str, int]:
    """Host and port to look at when something is wrong: those of the proxy where one is configured; (folder, 0) for one."""
    if config.scheme == "file":
        return unquote(urlsplit(config.url).path), 0
    url = get_secret(config.proxy) or _endpoint(config)
    if url is None:
        if config.scheme == "s3":
            region = config.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            return f"s3.{region or 'us-east-1'}.amazonaws.com", 443
        if config.scheme == "gs":
            return "storage.googleapis.com", 443
        account_name = config.options.get("account_name")
        account = get_secret(account_name) or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "account")
        return f"{account}.blob.core.windows.net", 443
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def open_store(config: Config) -> Any:
    """A store of the library; nothing is connected yet. Raises OutputError, MissingExtra."""
    where = f"output '{config.name}'"
    try:
        from obstore.store import LocalStore, from_url
    except ImportError:
        raise MissingExtra("obstore", "object-store", what_for=f"{where} (object store)") from None
    try:
        if config.scheme == "file":
            return LocalStore(address(config)[0], mkdir=True)
        return from_url(
            config.url,
            config=_store_options(config),
            client_options=_client_options(config, where),
            retry_config={"max_retries": 0},  # the sender tries again, and says why
        )
    except OutputError:
        raise
    except Exception as error:  # the library has a class for each kind of fault
        text = redact(str(error).split("\n\nDebug source")[0], *secrets_of(config))
        fix = "check url, endpoint, the login and options"
        raise OutputError(f"the store cannot be used: {text}", where=where, fix=fix) from None


def _store_options(config: Config) -> dict[str, Any]:
    fields = {
        "access_key_id": get_secret(config.access_key),
        "secret_access_key": get_secret(config.secret_key),
        "session_token": get_secret(config.session_token),
        "region": config.region,
        "base_url" if config.scheme == "gs" else "endpoint": config.endpoint,
    }
    options = {name: secret.get_secret_value() for name, secret in config.options.items()}
    return {name: value for name, value in fields.items() if value is not None} | options


def _client_options(config: Config, where: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "user_agent": "countline",
        "connect_timeout": f"{round(config.connect_timeout * 1000)}ms",
        "timeout": f"{round(config.timeout * 1000)}ms",
    }
    if (_endpoint(config) or "").startswith("http://"):
        if "tls" in config.model_fields_set:
            fix = "set it to https://, or leave tls out"
            raise OutputError("AWS_ENDPOINT_URL is an http:// address, and tls is set", where=where, fix=fix)
        options["allow_http"] = True
    if config.proxy is not None:
        options["proxy_url"] = get_secret(config.proxy)
    if not config.tls.verify:
        options["allow_invalid_certificates"] = True
    if config.tls.ca is not None:
        make_ssl_context(config.tls, where=where)  # says in words what is wrong with the file
        options["root_certificate"] = Path(config.tls.ca).read_text(encoding="utf-8", errors="replace")
    return options
