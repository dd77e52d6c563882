"""The configuration file for the editor: read as it is, replaced atomically, with owner and permissions kept."""

from __future__ import annotations

import difflib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from countline.config import Config
from countline.config.harvest import harvest
from countline.config.secret_places import text_secrets, without_secrets
from countline.config.yaml_reader import read_yaml
from countline.errors import ConfigError
from countline.redaction import during, redact

__all__ = ["ConfigFile", "unified"]


def unified(before: str, after: str, name: str, *, old: str = "now", new: str = "with the edits") -> str:
    """A unified diff of two texts of a configuration, without secrets that stand in them; '' where both are the same."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{name} ({old})", f"{name} ({new})"
    )
    text = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    with during([*_secrets(before, name), *_secrets(after, name)]):  # of one that is not in use nobody else knows them
        return redact(without_secrets(text))


def _secrets(text: str, name: str) -> list[object]:
    try:
        document = read_yaml(name, text)
    except ConfigError:
        return [*text_secrets(text)]
    return [*document.secrets, *harvest(document.data, Config)]


def _mounts() -> set[str]:
    """Mount points, files among them, which ``os.path.ismount`` does not see."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return set()
    return {_OCTAL.sub(lambda m: chr(int(m[1], 8)), line.split(" ")[4]) for line in lines if line.count(" ") > 4}


_OCTAL = re.compile(r"\\([0-7]{3})")


class ConfigFile:
    """A configuration file. Methods raise ConfigError where the file system refuses."""

    def __init__(self, path: Path) -> None:
        self.named = path

    @property
    def path(self) -> Path:
        """The target of the file, so that replacing it keeps a symbolic link."""
        return Path(os.path.realpath(self.named))

    def why_not(self) -> str:
        """Why it cannot be written; '' where it can, as far as is known before trying."""
        path = self.path
        if not path.is_file():
            return f"{self.named} is no file"
        if not os.access(path, os.W_OK):
            return f"{self.named} may not be written by this user"
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return f"the folder of {self.named} may not be written by this user, so that the file cannot be replaced at once"
        if str(path) in _mounts():
            return f"{self.named} is mounted by itself, so that it cannot be replaced at once: mount its folder"
        return ""

    def read(self) -> tuple[bytes, str]:
        """Its bytes, and the same as text."""
        try:
            content = self.path.read_bytes()
            return content, content.decode("utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot be read: {error.strerror}", where=str(self.named), fix="put the file back"
            ) from None
        except UnicodeDecodeError:
            raise ConfigError("is not UTF-8 text", where=str(self.named), fix="save it as UTF-8") from None

    @contextmanager
    def replacement(self, content: bytes) -> Iterator[Replacement]:
        """Write ``content`` to a temporary file beside the file, for :meth:`Replacement.commit`; else it is deleted."""
        path = self.path
        part = None
        try:
            try:
                found = os.stat(path)
                descriptor, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    with suppress(OSError):  # another owner: as root alone
                        os.fchown(file.fileno(), found.st_uid, found.st_gid)
                    os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode))
                    os.fsync(file.fileno())
            except OSError as error:
                raise self._unwritten(error) from None
            yield Replacement(self, Path(part))
        finally:
            if part is not None:
                with suppress(OSError):
                    os.unlink(part)

    def _unwritten(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"cannot be written: {error.strerror}",
            where=str(self.named),
            fix="free space, or give this user the right to write the file and its folder",
        )


class Replacement:
    """New content of a file, on disk and ready to replace it."""

    def __init__(self, file: ConfigFile, part: Path) -> None:
        self._file, self._part = file, part

    def commit(self) -> None:
        """Replace the file. Raises ConfigError: the file is as it was."""
        path = self._file.path
        try:
            os.replace(self._part, path)
        except OSError as error:
            raise self._file._unwritten(error) from None
        with suppress(OSError):  # the name is durable, too, where folders can be synced
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
