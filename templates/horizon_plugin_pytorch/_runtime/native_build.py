# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/native_build.py
"""C code to a loaded library: built on demand by the system's compiler, kept in a cache by content.

In: the text of a C file. Out: the library, or None where there is no compiler or it fails; that is told once, for everything
then computes without, slower and to the same bits. The name in the cache is a hash of the text, of the compiler, its flags and
the processor. A library appears in the cache whole, by renaming; processes that want the same one wait for the first to build
it. Where the cache cannot be written, libraries are built in a folder of this process.
"""

import atexit
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COMPILERS = ("gcc", "clang", "cc")
_FLAGS = (
    *("-O3", "-march=native", "-mprefer-vector-width=512", "-shared", "-fPIC", "-fwrapv", "-std=gnu11", "-x", "c"),
    # Floats are computed one IEEE operation at a time; only errno and trapped exceptions are given up.
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
)
_NOTICE = "compiled kernels are not available ({}); models compute without them: the same bits, slower"
_SECONDS = 120  # far more than any of these files takes


@functools.cache
def library(source: str) -> ctypes.CDLL | None:
    """The library of a C file; None, after one notice in a process, where it cannot be built."""
    try:
        return _loaded(source)
    except (OSError, subprocess.SubprocessError, LookupError) as error:
        _notice(_reason(error))
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or "").strip().splitlines()
        return f"{error.cmd[0]} failed: {lines[0] if lines else 'without a word'}"
    return str(error)


@functools.cache
def _notice(reason: str) -> None:
    warnings.warn(_NOTICE.format(reason), UserWarning, stacklevel=2)


def _loaded(source: str) -> ctypes.CDLL:
    command = (*_compiler(), *_FLAGS, *_threads())
    key = hashlib.sha256("\0".join((source, *command, _version(command[0]), processor())).encode()).hexdigest()
    path = _folder() / f"{key[:32]}.so"
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # damaged: it is built anew
            path.unlink(missing_ok=True)
    with _alone(path):
        if not path.exists():
            _build(source, command, path)
    return ctypes.CDLL(str(path))


def _build(source: str, command: tuple[str, ...], path: Path) -> None:
    """Compile beside the library's place, then rename."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, made = Path(folder, "source.c"), Path(folder, "made.so")
        text.write_text(source, encoding="utf-8")
        flags, linked = [f for f in command if not f.endswith(".so.1")], [f for f in command if f.endswith(".so.1")]
        line = [*flags, str(text), "-o", str(made), "-x", "none", *linked, "-lm"]
        _run(line)
        made.replace(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While other processes wait that build the same; where files cannot be locked, both build, which is safe too."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compiler() -> tuple[str, ...]:
    chosen = shlex.split(os.environ.get("CC", ""))
    names = [chosen] if chosen else [[name] for name in _COMPILERS]
    for name, *arguments in names:
        if (found := shutil.which(name)) is not None:
            return (found, *arguments)
    raise LookupError(f"no C compiler: looked for {', '.join(name for name, *_ in names)}")


@functools.cache
def _version(compiler: str) -> str:
    return _run([compiler, "--version"])


def _run(line: list[str]) -> str:
    """What the compiler prints; CalledProcessError where it fails."""
    done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603 - our own words
    return done.stdout


def _threads() -> tuple[str, ...]:
    """Flags for threads: those of the pool that torch has loaded, so that there are not two."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ("-fopenmp",)
    pools = {line.split()[-1] for line in lines if "/libgomp" in line}
    return ("-fopenmp", *sorted(pool for pool in pools if pool.endswith(".so.1"))[:1])


@functools.cache
def processor() -> str:
    """What tells one kind of processor from another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


@functools.cache
def _folder() -> Path:
    """The cache of the user, or a folder of this process."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path.home() may raise
    folder = Path(home, "horizon_plugin_pytorch")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        made = tempfile.mkdtemp(prefix="horizon_plugin_pytorch-")
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        return Path(made)
