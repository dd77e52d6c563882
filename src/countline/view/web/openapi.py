"""The description of the API for machines: OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

__all__ = ["description"]


def description(version: str) -> dict[str, Any]:
    """The whole document."""
    return {"openapi": "3.1.0", "info": {"title": "countline", "version": version}, "paths": {}}
