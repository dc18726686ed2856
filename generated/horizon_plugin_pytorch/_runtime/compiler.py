# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/compiler.py
"""Functions of the vendor's compiler: they check the model as far as the specs go, then say what is needed.

In: what the API documents. Out: never a compiled model; a `CompilerUnavailableError` once the arguments are valid and
`check_model` has printed what the march would refuse.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from torch import nn

from .check_model import check_model
from .errors import CompilerUnavailableError
from .user_input import did_you_mean

LAYOUTS = ("NHWC", "NCHW", "BPU_RAW")
LEVELS = ("O0", "O1", "O2", "O3", "ddr", "fast", "balance")
_Source = str | Sequence[str]
_Path = str | Path


def compile_model(
    module: nn.Module,
    example_inputs: Any,
    hbm: _Path,
    march: str | None = None,
    name: str | None = None,
    input_source: _Source = "ddr",
    input_layout: str | Sequence[str] | None = None,
    output_layout: str | Sequence[str] = "NCHW",
    opt: str | int = "O2",
    balance_factor: int = 2,
    progressbar: bool = True,
    jobs: int = 16,
    debug: bool = True,
    extra_args: Sequence[str] | None = None,
) -> NoReturn:
    """Check the model, then say that compiling needs the vendor's compiler.

    Raises:
        CompilerUnavailableError: always, once the arguments are valid.
        TypeError, ValueError: an argument that the compiler would refuse.
    """
    _check("compile_model", input_layout, output_layout, opt, balance_factor, jobs)
    _check_path("compile_model", "hbm", hbm)
    check_model(module, example_inputs, march, input_source)
    _refuse("compile_model", "compile", f"to get {hbm}")


def perf_model(
    module: nn.Module,
    example_inputs: Any,
    march: str | None = None,
    out_dir: _Path = ".",
    name: str | None = None,
    hbm: _Path | None = None,
    input_source: _Source = "ddr",
    input_layout: str | Sequence[str] | None = None,
    output_layout: str | Sequence[str] = "NCHW",
    opt: str | int = "O3",
    balance_factor: int = 2,
    progressbar: bool = True,
    jobs: int = 16,
    layer_details: bool = False,
    extra_args: Sequence[str] | None = None,
) -> NoReturn:
    """Check the model, then say that estimating its speed needs the vendor's compiler. Raises as `compile_model`."""
    _check("perf_model", input_layout, output_layout, opt, balance_factor, jobs)
    _check_path("perf_model", "out_dir", out_dir)
    check_model(module, example_inputs, march, input_source)
    _refuse("perf_model", "estimate the speed of", "to get its latency")


def visualize_model(
    module: nn.Module,
    example_inputs: Any,
    march: str | None = None,
    save_path: _Path | None = None,
    show: bool = True,
) -> NoReturn:
    """Check the model, then say that drawing the compiled model needs the vendor's compiler. Raises as `compile_model`."""
    if save_path is not None:
        _check_path("visualize_model", "save_path", save_path)
    check_model(module, example_inputs, march)
    _refuse("visualize_model", "draw", "to see it; print(model.graph) shows the graph here")


def export_hbir(module: nn.Module, example_inputs: Any, hbir: _Path, march: str | None = None) -> NoReturn:
    """Check the model, then say that HBIR is written by the vendor's compiler. Raises as `compile_model`."""
    _check_path("export_hbir", "hbir", hbir)
    check_model(module, example_inputs, march)
    _refuse("export_hbir", "export", f"to get {hbir}")


def _refuse(caller: str, verb: str, purpose: str) -> NoReturn:
    raise CompilerUnavailableError(
        f"{caller} needs the vendor's compiler, which is no part of this package: {verb} the model with the vendor's "
        f"toolchain {purpose}."
    )


def _check(
    caller: str,
    input_layout: str | Sequence[str] | None,
    output_layout: str | Sequence[str],
    opt: str | int,
    balance_factor: int,
    jobs: int,
) -> None:
    for argument, layout in (("input_layout", input_layout), ("output_layout", output_layout)):
        for one in (layout,) if isinstance(layout, str) else tuple(layout or ()):
            _check_word(caller, argument, one, LAYOUTS)
    _check_word(caller, "opt", f"O{opt}" if isinstance(opt, int) else opt, LEVELS)
    for argument, number in (("balance_factor", balance_factor), ("jobs", jobs)):
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"{caller}: {argument} must be a number of at least 0, not {number!r}")


def _check_word(caller: str, argument: str, word: object, known: tuple[str, ...]) -> None:
    if word not in known:
        near = did_you_mean(str(word), known)
        raise ValueError(f"{caller}: unknown {argument} {word!r}; known: {', '.join(known)}{near}")


def _check_path(caller: str, argument: str, path: object) -> None:
    if not isinstance(path, str | Path):
        raise TypeError(f"{caller}: {argument} is a path, not {type(path).__name__}")
