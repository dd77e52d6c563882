"""Programs of others that tests start, kept under .cache. ``python tests/fetching.py`` fetches all of them, and runs those in Java
once, as ``make test`` does before it begins; a test whose program is not there yet fetches it, too.

Each function says why a program cannot be had; '' where it is there.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

__all__ = ["AZURITE", "REGISTRY", "S3PROXY", "alone", "azurite", "registry", "s3proxy"]

CACHE = Path(__file__).resolve().parents[1] / ".cache"
S3PROXY = CACHE / "s3proxy-3.1.0" / "s3proxy-3.1.0-jar-with-dependencies.jar"
"""An S3 server, from Maven Central (90 MB)."""
REGISTRY = CACHE / "apicurio-registry-2.6.13.Final" / "apicurio-registry-app-2.6.13.Final-runner.jar"
"""A registry of schemas, from Maven Central (140 MB)."""
AZURITE = CACHE / "azurite-3.35.0" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
"""Microsoft's emulator of Azure Blob Storage, from npm (190 MB)."""


@contextmanager
def alone(store: str = "") -> Iterator[None]:
    """Waits until no other process is within; look again then whether it has fetched what you want. Maven's store does not bear
    two writers."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"fetching{store}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def s3proxy() -> str:
    return _from_maven(S3PROXY, "org.gaul:s3proxy:3.1.0:jar:jar-with-dependencies")


def registry() -> str:
    return _from_maven(REGISTRY, "io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all")


def azurite() -> str:
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Azurite needs node and npm"
    with alone("-npm"):
        if AZURITE.is_file():
            return ""
        folder = AZURITE.parents[5]
        install = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder)]
        return _made(AZURITE, folder, [*install, folder.name.replace("-", "@")])


def _from_maven(wanted: Path, artifact: str) -> str:
    if shutil.which("java") is None or shutil.which("mvn") is None:
        return f"{artifact} needs java and mvn"
    with alone():
        if wanted.is_file():
            return ""
        goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
        words = [f"-Dartifact={artifact}", f"-DoutputDirectory={wanted.parent}"]
        return _made(wanted, wanted.parent, ["mvn", "-B", "-ntp", "-q", goal, *words])


def _made(wanted: Path, folder: Path, command: Sequence[str]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=folder)
    except subprocess.TimeoutExpired as error:
        return str(error)
    for packed in folder.glob("*.tar.gz"):
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
        packed.unlink()
    said = (done.stdout + done.stderr)[-300:]
    return "" if wanted.is_file() else f"{wanted.name} cannot be fetched: {said}"


def main() -> None:
    """All of them; what cannot be had is told, and no fault: its tests are skipped with the reason."""
    sys.path.insert(0, str(Path(__file__).with_name("kafka")))
    import kafka4

    import first_runs

    with ThreadPoolExecutor() as pool:
        for reason in pool.map(lambda fetch: fetch(), (s3proxy, registry, azurite, kafka4.missing)):
            if reason:
                print(f"not fetched for tests: {reason}", file=sys.stderr)
    first_runs.main()


if __name__ == "__main__":
    main()
