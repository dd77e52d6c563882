"""Real images without an engine: a base made by debootstrap, built upon by buildah (isolation chroot, storage vfs), run by `unshare` and
`chroot` as the image says that it wants to be run. All of it below .cache/deploy; nothing of the machine is changed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploying import DOCKER, ROOT, TOOLS

STORE = (TOOLS / "containers").resolve()
BASE = "localhost/countline-test-base:latest"
ASKED = "COUNTLINE_TEST_IMAGES"
NEEDED = ("buildah", "debootstrap", "bash", "unshare", "nsenter", "chroot", "ip")


def missing() -> str:
    """Why no image can be built here; '' if it can."""
    if not os.environ.get(ASKED):
        return "builds a container image, which takes minutes: `make test-images`"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"needs {', '.join(absent)} (Debian's buildah, debootstrap, util-linux, iproute2)"
    return "" if os.geteuid() == 0 else "needs root: debootstrap and chroot do"


def given_image() -> str:
    """An image that is there already and is to be tried: COUNTLINE_TEST_IMAGES=localhost/countline:cpu; else ''."""
    asked = os.environ.get(ASKED, "")
    return asked if "/" in asked else ""


def environment() -> dict[str, str]:
    """Of buildah: a store of its own, and no engine."""
    STORE.mkdir(parents=True, exist_ok=True)
    settings = STORE / "storage.conf"
    settings.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{STORE}/graph"\nrunroot = "{STORE}/run"\n')
    return {
        **os.environ,
        "CONTAINERS_STORAGE_CONF": str(settings),
        "BUILDAH_ISOLATION": "chroot",
        "STORAGE_DRIVER": "vfs",
    }


def buildah(*words: str, timeout: float = 300) -> str:
    """What it prints. Raises AssertionError with what it says."""
    done = subprocess.run(
        ["buildah", *words], env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"buildah {' '.join(words)}: {done.stderr[-3000:]}"
    return done.stdout.strip()


def certificates() -> str:
    """The bundle that this machine trusts; '' where nothing names one."""
    names = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    return next((os.environ[name] for name in names if os.path.isfile(os.environ.get(name, ""))), "")


def base() -> str:
    """The image to build upon: this machine's Debian, bare, from where its apt has it; made once."""
    if subprocess.run(
        ["buildah", "inspect", "--type", "image", BASE], env=environment(), capture_output=True, check=False
    ).returncode:
        container = buildah("from", "scratch")
        root = Path(buildah("mount", container))
        mirror, codename = _mirror()
        command = ["debootstrap", "--variant=minbase", codename, str(root), mirror]
        made = subprocess.run(command, capture_output=True, text=True, timeout=1700, check=False)
        assert made.returncode == 0, (made.stdout + made.stderr)[-2000:]
        for settings in Path("/etc/apt/apt.conf.d").iterdir():  # how this machine's apt reaches its mirror
            if "Acquire::" in settings.read_text(errors="replace"):
                shutil.copy(settings, root / "etc" / "apt" / "apt.conf.d" / settings.name)
        buildah("commit", "--rm", container, BASE)
    return BASE


def _mirror() -> tuple[str, str]:
    form = "$(SITE) $(CODENAME) $(COMPONENT)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "Created-By: Packages", "--format", form],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split() for line in listed.stdout.splitlines() if line.endswith(" main")]
    return next((site, codename) for site, codename, _ in found if "-" not in codename)


def build(name: str, tag: str, *options: str) -> None:
    """As a user does it, by docker/build.sh."""
    trusted = certificates()
    command = ["sh", str(DOCKER / "build.sh"), name, "--builder", "buildah", "--base", base(), "--tag", tag, *options]
    if trusted:
        command += ["--ca", trusted]
    command += ["--", "--layers=false"]  # of vfs each layer would be a copy of all
    log = STORE / f"build-{name}.log"
    with log.open("wb") as out:
        done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=out, stderr=out, timeout=2700, check=False)
    assert done.returncode == 0, log.read_text(errors="replace")[-3000:]


@dataclass
class Image:
    """A built image, unpacked."""

    root: Path
    config: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of its files."""
        entries = (Path(folder) / name for folder, _, names in os.walk(self.root) for name in names)
        return sum(path.lstat().st_size for path in entries)


@contextmanager
def unpacked(tag: str) -> Iterator[Image]:
    """The files of an image, and what it says of itself."""
    container = buildah("from", tag)
    try:
        said = json.loads(buildah("inspect", "--type", "image", tag))
        yield Image(Path(buildah("mount", container)), said["Docker"]["config"])
    finally:
        buildah("rm", container)
        if tag != given_image():
            buildah("rmi", tag)


@dataclass
class Container:
    """Runs an image as an engine with ``--read-only --cap-drop ALL --security-opt no-new-privileges`` does: its user, environment,
    folder and command; a root file system that cannot be written; loopback of its own.

    Parameters
    ----------
    mounts: folders and files of the host by their place in it; those that end in ``:ro`` cannot be written.
    """

    image: Image
    mounts: dict[str, Path] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    def _inside(self, words: Sequence[str]) -> list[str]:
        config = self.image.config
        user, group = config["User"].split(":")
        setting = ["env", "-i", f"--chdir={config['WorkingDir'] or '/'}", *config["Env"]]
        limits = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]
        return ["chroot", str(self.image.root), *limits, *setting, *words]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin; without words its own command."""
        config = self.image.config
        command = [*(config["Entrypoint"] or ()), *(words or config["Cmd"])]
        root = self.image.root
        lines = ["set -e", "ip link set lo up", "mount --make-rprivate /", f"mount --bind {root} {root}"]
        lines.append(f"mount -o remount,bind,ro {root}")
        lines += [
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs tmpfs {root}/tmp",
            f"mount --rbind /dev {root}/dev",
        ]
        for place, path in self.mounts.items():
            target = f"{root}{place.removesuffix(':ro')}"
            lines.append(f"mount --bind {path} {target}")
            if place.endswith(":ro"):
                lines.append(f"mount -o remount,bind,ro {target}")
        told, tell = os.pipe()
        lines += [f"echo up >&{tell}", f"exec {tell}>&-", 'exec "$@"']
        apart = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork"]
        alone = ["unshare", *apart, "bash", "-c", "\n".join(lines), "bash"]
        try:
            self.process = subprocess.Popen(
                [*alone, *self._inside(command)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=[tell],
            )
        finally:
            os.close(tell)
        with os.fdopen(told) as up:
            assert up.readline() == "up\n", self.process.communicate(timeout=30)[0]
        return self.process

    def first(self) -> int:
        """Number of its first process, on the host."""
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def close(self) -> None:
        """End it at once, if it has not ended. (The kernel ends all others of a namespace with its first process.)"""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.first(), signal.SIGKILL)
        if self.process is not None:
            self.process.communicate(timeout=60)

    def execute(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command in it, as `docker exec` and health checks do."""
        enter = ["nsenter", "--target", str(self.first()), "--mount", "--net", "--pid"]
        return subprocess.run([*enter, *self._inside(words)], capture_output=True, text=True, timeout=60, check=False)
