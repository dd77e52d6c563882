"""Writes docs/licences.md: the licence of every package that countline needs, or can use, from the packages' own metadata.

``--check`` only compares. Ends with code 1, and says why, where a licence is unknown or does not fit.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TARGET = Path(__file__).resolve().parent.parent / "docs" / "licences.md"

FIT = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
    "Unlicense", "Zlib",
}  # fmt: skip
"""Licences of what everybody installs. MPL 2.0 asks for the source of its own files only."""
FIT_AS_EXTRA = FIT | {"LGPL-3.0-only", "EPL-2.0"}
"""And of what is installed only by who asks for it: a library of its own that may be replaced."""

NAMES = {
    "apache software license": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "osi approved :: apache software license": "Apache-2.0",
    "mit license": "MIT",
    "bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "psfl": "PSF-2.0",
    "isc license (iscl)": "ISC",
}
"""Words in metadata -> SPDX."""
HEADS = {
    r"\AMIT License\s": "MIT",
    r"\A\s*Apache License\s+Version 2\.0": "Apache-2.0",
    r"\ABSD 3-Clause": "BSD-3-Clause",
    r"\ABSD 2-Clause": "BSD-2-Clause",
}
"""How licence files begin, for packages that name their licence nowhere else."""


def licence(package: Distribution) -> str:
    """SPDX expression of the package's licence; '' if it cannot be told."""
    data = package.metadata
    if data.get("License-Expression"):
        return str(data["License-Expression"])
    said = [str(data.get("License") or "").strip()]
    said += [
        c.removeprefix("License ::").removeprefix(" OSI Approved ::").strip()
        for c in data.get_all("Classifier") or []
        if c.startswith("License ::")
    ]
    found = [NAMES.get(word.lower(), word) for word in said if "\n" not in word]  # a whole text names others, too
    known = [word for word in found if word in FIT_AS_EXTRA or re.search(r"GPL|Proprietary", word)]
    return known[0] if known else _of_file(package)


def _of_file(package: Distribution) -> str:
    for name in package.metadata.get_all("License-File") or []:
        if "/" in name:
            continue  # of something that is bundled
        text = next(
            (f.read_text() for f in package.files or [] if str(f).endswith((f"licenses/{name}", f"dist-info/{name}"))),
            "",
        )
        for head, meaning in HEADS.items():
            if re.search(head, text):
                return meaning
    return ""


def fits(expression: str, *, extra: bool) -> bool:
    """Whether the licence is one of those that fit; of ``OR`` one is enough, of ``AND`` all must."""
    allowed = FIT_AS_EXTRA if extra else FIT
    flat = re.sub(r"\(([^()]*)\)", lambda m: "Zlib" if fits(m[1], extra=extra) else "unfit", expression)
    return any(all(part.strip() in allowed for part in choice.split(" AND ")) for choice in flat.split(" OR "))


def needed(extras: set[str]) -> dict[str, Distribution]:
    """Every installed package that countline with these extras leads to, by name."""
    found: dict[str, Distribution] = {}
    queue = [("countline", frozenset(extras))]
    seen = set()
    while queue:
        name, wanted = queue.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        if name != "countline":
            found[canonicalize_name(name)] = package
        for requirement in _requirements(package, wanted):
            queue.append((requirement.name, frozenset(requirement.extras)))
    return found


def _requirements(package: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in package.requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def faults() -> list[str]:
    """What does not fit, in words."""
    core, whole = needed(set()), needed({"all"})
    found = []
    for name, package in sorted(whole.items()):
        text = licence(package)
        if not text:
            found.append(f"{name}: its metadata names no licence that is known")
        elif not fits(text, extra=name not in core):
            found.append(f"{name}: {text} does not fit" + ("" if name in core else ", not even as an extra"))
    return found


def page() -> str:
    """The whole of docs/licences.md."""
    core, whole = needed(set()), needed({"all"})
    rows = ["| package | licence | |", "|---|---|---|"]
    for name, package in sorted(whole.items()):
        rows.append(f"| `{name}` | {licence(package)} | {'always' if name in core else 'with an extra'} |")
    return HEAD + "\n".join(rows) + "\n"


HEAD = """\
# Licences

<!-- made by tools/licences.py from the packages' metadata -->

countline is under the Apache License 2.0. It contains no code and no weights of the GPL or AGPL, and calls none. Some packages
that it needs bring such code along; what that means is said here. This is no legal advice.

* **PyAV's wheels** (`av`) are under the BSD licence and bundle FFmpeg (LGPL 3) with the encoders **x264 and x265, which are under
  the GPL 2 or later**. countline decodes with FFmpeg's own decoders and writes annotated videos with libvpx (VP9, BSD) or
  FFmpeg's MPEG-4 encoder (LGPL); it never calls x264 or x265. Who passes those wheels on (in a container image or an appliance)
  passes GPL code on, and has to do what its licence asks; or builds PyAV against an FFmpeg without them
  (`pip install av --no-binary av`), and countline misses nothing: annotated videos then are MPEG-4 if libvpx is missing, too.
* **`pyxtrackers`** (MIT) holds a port of SORT, whose original is under the GPL 3, beside the ByteTrack (published under MIT)
  that countline uses. countline imports ByteTrack's module alone and bars the import of the other;
  the default tracker does without the package altogether.
* **`psycopg`** (LGPL 3) is installed with the extra `postgres` only and used as a library of its own. Its binary wheels bundle
  libpq and OpenSSL.
* **`opencv-python-headless`** (extras `view` and `demo`) bundles an FFmpeg under the LGPL.
* The weights of the models inside are under Apache 2.0 and MIT; see [NOTICE](../NOTICE).

A test reads the metadata of everything that is installed and fails where a licence is unknown or does not fit. The packages of
`countline[all]`, those that they need included:

"""


def main() -> int:
    """Write the page, or compare it."""
    wrong = faults()
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    if "--check" not in sys.argv:
        TARGET.write_text(page(), encoding="utf-8")
        return 0
    written = TARGET.read_text(encoding="utf-8").splitlines()
    # Other versions of Python need some packages more, and some less.
    missing = [line for line in page().splitlines() if line not in written]
    for line in missing:
        print(f"docs/licences.md lacks: {line}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
