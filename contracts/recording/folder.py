"""The folder of recordings: new files beside those that are there, each whole at every moment, none overwritten."""

import contextlib
import os
import re
import tempfile
from pathlib import Path

# Names that every file system takes, and that a scenario may have.
_STEM_CHARACTERS_MAX = 60
_FILES_MAX = 100_000


class Folder:
    """Gives out names that nobody has, and writes under them."""

    def __init__(self, path: Path) -> None:
        """Make it; raise ValueError where nothing can be written there. Trying leaves nothing behind."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            reason = "is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
            raise ValueError(f"--folder {path}: cannot write there: {reason or error}") from None

    def first(self, wanted: str, content: bytes) -> str:
        """Write a new file, and return its name without `.json`: the one that is wanted, or that with a number."""
        stem = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:_STEM_CHARACTERS_MAX].strip("-") or "unnamed"
        temporary = self._temporary(content)
        try:
            for number in range(1, _FILES_MAX):
                name = stem if number == 1 else f"{stem}-{number}"
                if self.file(name, "yaml").exists():
                    continue
                with contextlib.suppress(FileExistsError):
                    _appear(temporary, self.file(name), content)
                    return name
        finally:
            temporary.unlink(missing_ok=True)
        raise OSError(f"there are {_FILES_MAX} files of the name {stem} already")

    def again(self, name: str, content: bytes, ending: str = "json") -> None:
        """Put a new content in the place of a file of this run, in one step."""
        temporary = self._temporary(content)
        try:
            temporary.replace(self.file(name, ending))
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def remove(self, name: str, ending: str) -> None:
        """Take away a file of this run."""
        self.file(name, ending).unlink(missing_ok=True)

    def file(self, name: str, ending: str = "json") -> Path:
        """Return the path of a file."""
        return self.path / f"{name}.{ending}"

    def _temporary(self, content: bytes) -> Path:
        handle, name = tempfile.mkstemp(prefix=".omnimock-", dir=self.path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)


def _appear(temporary: Path, path: Path, content: bytes) -> None:
    """Let a file appear whole, unless there is one; raise FileExistsError where there is."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links.
        with path.open("xb") as file:
            file.write(content)
