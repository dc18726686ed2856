# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/compiled.py
"""C code, compiled when it is first needed, called through a plain C interface.

In: C source. Out: a loaded library, or None where there is no compiler or it fails; then callers compute with torch
operations, and one warning says so. A library is kept in a folder of the user's under a name that says what is in it:
source, compiler, flags and processor. It is written under another name and renamed, so processes that start at once
do not meet half a file.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FLAGS = (
    *("-std=gnu99", "-O3", "-march=native", "-fPIC", "-shared"),
    # Values stay those of IEEE arithmetic, one operation at a time; only errno and trapped exceptions are given up.
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
)
_COMPILERS = ("cc", "gcc", "clang")
_TIMEOUT = 120  # seconds
_SHOWN = 300  # characters of what a compiler says
_SAME = "Values are the same; it takes longer. Install a C compiler, or name one in the environment variable CC."


class _Switch(threading.local):
    off = False


_SWITCH = _Switch()


@contextmanager
def without_compiled_code() -> Iterator[None]:
    """Compute with torch operations only: what compiled code is tested against."""
    before, _SWITCH.off = _SWITCH.off, True
    try:
        yield
    finally:
        _SWITCH.off = before


def library(source: str) -> ctypes.CDLL | None:
    """The library of some C source; None where it cannot be had, or is not wanted.

    Args:
        source: C99. OpenMP pragmas use torch's threads where that is possible and are ignored elsewhere.
    """
    return None if _SWITCH.off else _library(source)


@functools.cache
def _library(source: str) -> ctypes.CDLL | None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "cc", *_COMPILERS))), None)
    reason = "there is no C compiler"
    if compiler is not None:
        try:
            return ctypes.CDLL(str(_built(source, compiler)))
        except subprocess.CalledProcessError as error:
            reason = f"{compiler} refuses it: {' '.join(error.stderr.split())[-_SHOWN:]}"
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(error)
    warnings.warn(f"torch operations run instead of compiled code, because {reason}. {_SAME}", stacklevel=2)
    return None


def _built(source: str, compiler: str) -> Path:
    """The file of the library, compiled if this was never done here before."""
    runtime = _openmp()
    command = [compiler, *_FLAGS, *(["-fopenmp"] if runtime else [])]
    key = "\n".join((source, *command, runtime, _version(compiler), _processor()))
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    for folder in _folders():
        if (folder / name).exists():
            return folder / name
    folder = next(folder for folder in _folders() if _is_writable(folder))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        text, made = Path(scratch, "source.c"), Path(scratch, name)
        text.write_text(source)
        # torch's OpenMP is linked by its path: a second one would keep threads of its own.
        arguments = [*command, str(text), "-o", str(made), *([runtime] if runtime else []), "-lm"]
        subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=_TIMEOUT)  # noqa: S603 - no shell
        made.replace(folder / name)
    return folder / name


def _folders() -> Iterator[Path]:
    """Where libraries are kept: the user's cache, or, where that is read-only, a folder of this process."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    yield Path(home, "open-horizon-plugin")
    yield _own_folder()


@functools.cache
def _own_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="open-horizon-plugin-"))


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _version(compiler: str) -> str:
    command = [compiler, "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT).stdout  # noqa: S603


def _processor() -> str:
    """What `-march=native` depends on."""
    flags = [line for line in _lines("/proc/cpuinfo") if line.startswith(("flags", "Features", "model name"))]
    return "\n".join((platform.machine(), platform.processor(), *sorted(set(flags))))


def _openmp() -> str:
    """The path of the GNU OpenMP library that torch has loaded; "" where it has another one or none."""
    loaded = {line.split()[-1] for line in _lines("/proc/self/maps") if "libgomp" in line}
    return loaded.pop() if len(loaded) == 1 else ""


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
