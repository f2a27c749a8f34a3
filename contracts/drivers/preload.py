"""The library that makes a program's clock run fast: where it lies, which programs take it, and whether it works.

libfaketime stands between a program and the C library, by LD_PRELOAD. A program that does not go through the C library,
or whose loader takes no such library, has the true clock whatever is said: it is told apart before anything is judged.
"""

import contextlib
import mmap
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.drivers.base import HarnessError

# Where the library is, in place of looking for it.
LIBRARY_VARIABLE = "OMNIMOCK_LIBFAKETIME"
# Debian and Ubuntu put it below a folder of the machine's kind; others do not. The one for threads is wanted first.
_PLACES = ("usr/lib/*/faketime", "usr/lib64/faketime", "usr/lib/faketime", "usr/local/lib/faketime")
_NAMES = ("libfaketimeMT.so.1", "libfaketime.so.1")
_INSTALL = f"apt-get install faketime, dnf install libfaketime, or name the library in {LIBRARY_VARIABLE}"
# A script may name another script as its interpreter; Linux follows so many.
_SCRIPTS_MAX = 4
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  Not ours: the library leaves things there.
_SHARED_NAMES = ("faketime_shm_", "sem.faketime_sem_")
# The trial takes half a second; a busy machine is given more.
_TRIAL_SECONDS_MAX = 30.0
# By what is measured in so short a time a busy machine may be off.
_OFF_MAX = 2.0

# Told by the one clock that the library leaves alone: how fast another runs, and whether a wait of a thread ends.
_TRIAL = """
import sys, threading, time
factor = float(sys.argv[1])
def uptime():
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])
began, since = uptime(), time.monotonic()
while (spent := uptime() - began) < 0.2:
    time.sleep(0.005 * factor)
speed = (time.monotonic() - since) / spent
waiting = threading.Thread(target=threading.Event().wait, args=(0.05 * factor,), daemon=True)
waiting.start()
began = uptime()
while waiting.is_alive() and uptime() - began < 0.5:
    time.sleep(0.005 * factor)
print(speed, int(not waiting.is_alive()), flush=True)
"""


def find_library(variables: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Path:
    """Return where the library is; raise HarnessError where it is not, or cannot be."""
    if sys.platform != "linux":
        raise HarnessError(f"a time warp needs Linux, and this is {sys.platform}: leave --warp out")
    named = variables.get(LIBRARY_VARIABLE)
    if named:
        path = Path(named).absolute()
        if not path.is_file():
            raise HarnessError(f"{LIBRARY_VARIABLE} names {named}, and there is no such file")
        return path
    for name in _NAMES:
        for place in _PLACES:
            for found in sorted(root.glob(f"{place}/{name}")):
                return found
    raise HarnessError(f"a time warp needs libfaketime, which is not installed: {_INSTALL}")


def check_preloads(command: Sequence[str], library: Path) -> None:
    """Raise HarnessError where it can be seen that a command takes no library; one that is not there is for others."""
    program = _program(command[0]) if command else None
    if program is None:
        return
    why = _refuses(program, library)
    if why:
        raise HarnessError(f"a time warp cannot reach {program}: {why}; leave --warp out")


def warps(library: Path, factor: float, variables: Mapping[str, str]) -> bool:
    """See in a program of our own that the clock runs so fast; return whether waits of threads do, too.

    Raise HarnessError where it does not.
    """
    try:
        done = subprocess.run(  # noqa: S603  It is this interpreter, and a text of ours.
            [sys.executable, "-I", "-S", "-c", _TRIAL, f"{factor:g}"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=_TRIAL_SECONDS_MAX,
            check=False,
        )
        speed, threads = (float(each) for each in done.stdout.split())
    except subprocess.TimeoutExpired:
        raise HarnessError(f"a program that runs under {library} hangs; a newer libfaketime may not") from None
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise HarnessError(f"a program that is to run under {library} does not: {last[:200]}") from None
    if not factor / _OFF_MAX <= speed <= factor * _OFF_MAX:
        raise HarnessError(
            f"under {library} a clock runs {speed:.2g} times as fast, and {factor:g} times was asked for"
        )
    return bool(threads)


def has_loaded(pid: int, library: Path) -> bool:
    """Whether a program that runs has the library in its memory."""
    with contextlib.suppress(OSError):
        return library.resolve().as_posix().encode() in Path(f"/proc/{pid}/maps").read_bytes()
    return False


def left_over() -> set[Path]:
    """Return what the library has left in shared memory of programs that are no more: it cannot, where they are killed.

    A program that gets such a number again would not start.
    """
    found = set()
    for prefix in _SHARED_NAMES:
        for path in _SHARED_MEMORY.glob(f"{prefix}[0-9]*"):
            pid = path.name.removeprefix(prefix)
            if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
                found.add(path)
    return found


def _program(name: str) -> Path | None:
    """Return the file that the system runs for a command: for a script that of its interpreter."""
    for _ in range(_SCRIPTS_MAX):
        where = shutil.which(name)
        if where is None:
            return None
        path = Path(where).resolve()
        words = _interpreter(path)
        if not words:
            return path
        if Path(words[0]).name == "env":
            words = [each for each in words[1:] if not each.startswith("-") and "=" not in each] or words
        name = words[0]
    return None


def _interpreter(path: Path) -> list[str]:
    with contextlib.suppress(OSError), path.open("rb") as file:
        line = file.readline(4096)
        if line.startswith(b"#!"):
            return line[2:].decode("utf-8", "replace").split()
    return []


def _refuses(program: Path, library: Path) -> str:
    """Return why a program takes no library, as far as its file tells."""
    try:
        theirs, ours = _Elf(program), _Elf(library)
        mode = program.stat().st_mode
    except (OSError, ValueError, IndexError):
        # Of another kind, cut, or not to be read: it may do all the same, and is looked at when it runs.
        return ""
    if theirs.loader is None:
        return "it is linked statically, and loads no library"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return "it runs with the rights of another user, and loads no library that is not that user's"
    if theirs.kind != ours.kind:
        return f"it is for another kind of processor than {library}; name one for it in {LIBRARY_VARIABLE}"
    if ("musl" in theirs.loader) != ours.needs_musl:
        of = ("musl", "glibc") if "musl" in theirs.loader else ("glibc", "musl")
        return f"it is built with {of[0]}, and {library} with {of[1]}; name one for it in {LIBRARY_VARIABLE}"
    if theirs.is_go:
        return "it is written in Go, which asks the system for the time past all libraries"
    return ""


class _Elf:
    """What there is to know of an executable file, or a library."""

    def __init__(self, path: Path) -> None:
        """Raise ValueError for a file of another kind."""
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[:4] != b"\x7fELF":
                raise ValueError(f"{path} is not of the format ELF")
            self._wide, self._order = content[4] == 2, "little" if content[5] == 1 else "big"
            self.kind = (content[4], content[5], content[18:20])
            self.loader = self._loader(content)
            self.needs_musl = content.find(b"\0libc.musl-") >= 0
            self.is_go = content.find(b"\xff Go buildinf:") >= 0

    def _loader(self, content: mmap.mmap) -> str | None:
        """Return the program that loads its libraries: the segment of the type 3; None where there is none."""
        wide = self._wide
        table = self._number(content, 0x20 if wide else 0x1C, 8 if wide else 4)
        size = self._number(content, 0x36 if wide else 0x2A, 2)
        for index in range(self._number(content, 0x38 if wide else 0x2C, 2)):
            at = table + index * size
            if self._number(content, at, 4) == 3:
                place = self._number(content, at + (8 if wide else 4), 8 if wide else 4)
                length = self._number(content, at + (0x20 if wide else 0x10), 8 if wide else 4)
                return content[place : place + length].rstrip(b"\0").decode("utf-8", "replace")
        return None

    def _number(self, content: mmap.mmap, at: int, width: int) -> int:
        return int.from_bytes(content[at : at + width], "little" if self._order == "little" else "big")
