"""A quicker start of servers in Java: the virtual machine keeps the classes that one run has loaded, for the next ones."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:CICompilerCount=1", "-XX:-UsePerfData"]
"""The quick compiler only, and one thread for garbage: these servers live for a minute beside everything else."""


class SharedClasses:
    """The classes of the jars of a folder. They are written down at the end of the first orderly run.

    The virtual machine takes them only with the jars under the very paths of that run and in the same Java. The file is therefore
    named after both, so that one that does not fit is never in the way of one that would.
    """

    def __init__(self, jars: Path) -> None:
        self.jars = jars.resolve()
        """Where they lie; begin the class path with this folder."""
        java = Path(os.path.realpath(shutil.which("java") or "java"))
        made = java.stat().st_mtime_ns if java.exists() else 0
        self.name = f"classes-{hashlib.sha256(f'{self.jars} {java} {made}'.encode()).hexdigest()[:12]}.jsa"
        self.kept = self.jars / self.name

    def flags(self, folder: Path, *, write: bool = True) -> list[str]:
        """What to give to ``java``. Without classes of an earlier run this one writes them into ``folder``, if it may."""
        if self.kept.exists():
            return [f"-XX:SharedArchiveFile={self.kept}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:class+path=off"]
        return (
            [f"-XX:ArchiveClassesAtExit={folder / self.name}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
            if write
            else []
        )

    def keep(self, folder: Path) -> None:
        """After an orderly end: what the run has written into ``folder`` serves from now on."""
        made = folder / self.name
        if not made.exists() or self.kept.exists():
            return
        for former in self.jars.glob("classes*.jsa"):
            former.unlink(missing_ok=True)
        aside = self.jars / f"{self.name}.{os.getpid()}"
        shutil.move(made, aside)  # may be another file system
        aside.rename(self.kept)  # whole or not at all, whoever else does the same
