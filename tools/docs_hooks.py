"""Hooks of the documentation's site: the pages that stand beside docs/ in the repository belong to it, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import countline

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {
    "index.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "NOTICE.md": "NOTICE",
}
"""Page of the site -> file of the repository."""

_ROLE = re.compile(r":(?:class|meth|func|attr|data|mod|exc):<code>~?(?:[\w.]*\.)?(\w+)(?:\(\))?</code>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere."""
    for page, source in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == "NOTICE":
            text = f"# Notice\n\n```text\n{text}```\n"
        files.append(File.generated(config, page, content=_links(text)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to what stands beside docs/."""
    return (
        markdown
        if page.file.src_uri in OUTSIDE
        else re.sub(r"\]\(\.\./([\w./-]+)", lambda m: f"]({_page(m[1])}", markdown)
    )


def on_page_content(html: str, page: Any, config: MkDocsConfig, **_: Any) -> str:
    """Roles of docstrings as plain code. And what stands on the page under two names, and under neither at the place where it is
    defined (events), is found under the first: links to it would not know which is meant."""
    shown = set(re.findall(r'id="(countline\.[\w.]+)"', html))
    for name in sorted(n for n in shown if n.count(".") == 1):
        value = getattr(countline, name.partition(".")[2], None)
        defined = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        if isinstance(value, type) and defined not in shown:
            config.plugins["autorefs"].register_anchor(page, defined, anchor=name)  # type: ignore[attr-defined]
    return _ROLE.sub(r"<code>\1</code>", html)


def _links(text: str) -> str:
    """Links of a page at the root of the repository, as they are in the site."""
    return re.sub(r"\]\((?!https?:|#)([\w./-]+)", lambda m: f"]({_page(m[1].removeprefix('docs/'))}", text)


def _page(target: str) -> str:
    return next((page for page, source in OUTSIDE.items() if source == target), target)
