"""The files of the page, from the package; read once."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from countline.view.web.answers import Refusal

__all__ = ["Files"]

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""Not those of the machine, which may know others."""


class Files:
    """All files beneath ``view/web/page``: there is nothing else that a path could lead to."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[bytes, str, str]] = {}
        self._add(Path(__file__).parent / "page", "")

    def _add(self, folder: Path, prefix: str) -> None:
        for entry in folder.iterdir() if folder.is_dir() else ():
            name = f"{prefix}{entry.name}"
            if entry.is_dir():
                self._add(entry, name + "/")
            elif not entry.name.startswith((".", "__")) and not entry.name.endswith(".py"):
                data = entry.read_bytes()
                ending = "." + entry.name.rpartition(".")[2]
                kind = _TYPES.get(ending) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
                self._found[name] = (data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"')

    async def page(self, request: Request) -> Response:
        """``/``."""
        return self._give("index.html", request)

    async def file(self, request: Request) -> Response:
        """``/static/NAME``."""
        return self._give(request.path_params["name"], request)

    def _give(self, name: str, request: Request) -> Response:
        found = self._found.get(name)
        if found is None:
            raise Refusal(404, "there is no such file")
        data, kind, tag = found
        headers = {"ETag": tag, "Cache-Control": "no-cache"}  # a new version of countline shows its own page
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, headers={**headers, "Content-Type": kind})
