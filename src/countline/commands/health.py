"""What ``countline health`` does. It is started every few seconds in containers, so it imports little."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from countline.addresses import split_address
from countline.errors import ConfigError
from countline.terminal import echo, visible

__all__ = ["ILL", "health_command"]

ILL = 1
"""Exit code where it is not well; as Docker's health checks want it."""
_MOST = 1 << 16


def health_command(options: Mapping[str, Any]) -> int:
    """Ask a run for its health and print the answer. Returns the exit code."""
    host, port = _address(options["address"])
    shown = f"{host}:{port}"
    try:
        status, body = _ask(host, port, "/readyz" if options["ready"] else "/healthz", options["timeout"])
        answer = json.loads(body)
        checks = {str(name): (bool(check["ok"]), str(check["detail"])) for name, check in answer["checks"].items()}
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        _say(options, f"nothing answers at {shown}: {why}; does the run have `metrics:`, or --metrics?", {})
        return ILL
    except (ValueError, KeyError, TypeError, AttributeError):
        _say(options, f"what answers at {shown} is not countline", {})
        return ILL
    well = status == 200
    wrong = "; ".join(f"{name}: {detail}" for name, (ok, detail) in checks.items() if not ok)
    details = "; ".join(f"{name}: {detail}" for name, (_, detail) in checks.items())
    _say(options, f"well ({details})" if well else f"not well: {wrong}", {"ok": well, "checks": answer["checks"]})
    return 0 if well else ILL


def _say(options: Mapping[str, Any], text: str, answer: Mapping[str, Any]) -> None:
    if options["quiet"]:
        return
    if options["as_json"]:
        echo(json.dumps(answer or {"ok": False, "error": text}))
    else:
        echo(visible(text, breaks=False))


def _address(text: str) -> tuple[str, int]:
    """Where to ask. An address that means all of this machine's is asked at loopback. Raises ConfigError."""
    if Path(text).is_file():
        from countline.config import load

        metrics = load(text).metrics
        if metrics is None:
            raise ConfigError(
                "nothing is served: it has no `metrics:`", where=text, fix="add `metrics: 127.0.0.1:9464`"
            )
        text = metrics.listen
    try:
        host, port = split_address(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no address, and no file", where="countline health", fix="give HOST:PORT or the configuration"
        ) from None
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104


def _ask(host: str, port: int, path: str, timeout: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST)
    finally:
        connection.close()
