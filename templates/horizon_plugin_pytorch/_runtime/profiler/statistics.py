# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/statistics.py
"""`get_raw_features` and `profile_featuremap`: every tensor of a run, and what its values look like.

In: a model in any stage and its arguments. Out: the inputs, outputs and parameters of its layers; then tables of their
extremes, moments and scales, and a page of their histograms.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..._tools import TOOLS
from ...dtype import get_horizon_quant_dtype
from ..check_model import as_inputs
from ..errors import ArgumentError
from ..qtensor import QTensor
from .calls import LayerCall, run_layers
from .layers import settled, type_name, values
from .parameters import parameters_of
from .text_table import draw, folder, say, table_of, write

Feature = dict[str, Any]


def get_raw_features(
    model: nn.Module,
    example_inputs: Any,
    prefixes: tuple[str, ...] = (),
    types: tuple[type, ...] = (),
    device: torch.device | None = None,
    preserve_int: bool = False,
    use_class_name: bool = False,
    skip_identity: bool = False,
) -> list[Feature]:
    """Run a model and collect the tensors of its layers.

    Args:
        model: a model in any stage. It is copied, not changed.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        prefixes: only layers whose name starts with one of these, or whose class is one of `types`; both empty: all.
        types: see `prefixes`.
        device: where the copy runs; None: where the model is.
        preserve_int: keep the integers of a converted model instead of their float values.
        use_class_name: `module_name` is the class's name.
        skip_identity: leave out layers that return their input.

    Returns:
        A dict a tensor, in the order of calls: module_name, module_type, attr (input, output, weight, bias; "input-0-1":
        the second item of the first argument), data, scale (or None), ch_axis (-1: per tensor), dtype, ff_method (or None).
    """
    twin = settled(model, "get_raw_features")
    inputs = as_inputs(example_inputs)
    if device is not None:
        twin, inputs = twin.to(device), tuple(x.to(device) if isinstance(x, Tensor) else x for x in inputs)
    found: list[Feature] = []

    def collect(call: LayerCall) -> None:
        chosen = (
            not (prefixes or types) or call.name.startswith(tuple(prefixes)) or isinstance(call.module, tuple(types))
        )
        if chosen and not (skip_identity and isinstance(call.module, nn.Identity)):
            name = type(call.module).__name__ if use_class_name else call.title
            found.extend(_features(call, name, preserve_int=preserve_int))

    run_layers(twin, inputs, collect)
    return found


def _features(call: LayerCall, name: str, *, preserve_int: bool) -> Iterator[Feature]:
    common = {"module_name": name, "module_type": type_name(call.module), "ff_method": call.method or None}
    args, kwargs = call.arguments
    given = args[0] if len(args) == 1 else args
    tensors = [*_named("input", given), *_named("input", kwargs), *_named("output", call.result)]
    for attr, x in tensors:
        scaled = isinstance(x, QTensor)
        yield {
            **common,
            "attr": attr,
            "data": x.int_repr() if preserve_int and scaled and x.is_quantized else values(x),
            "scale": x.q_scale().detach() if isinstance(x, QTensor) else None,
            "ch_axis": x.q_per_channel_axis() if isinstance(x, QTensor) else -1,
            "dtype": str(x.dtype),
        }
    for parameter in parameters_of(call.module) if not call.number else ():
        data = parameter.stored if preserve_int and parameter.stored is not None else parameter.data
        facts = {"scale": parameter.scale, "ch_axis": parameter.ch_axis, "dtype": parameter.dtype}
        yield {**common, "attr": parameter.name, "data": data, **facts}


def _named(prefix: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested containers with their places."""
    if isinstance(value, Tensor):
        yield prefix, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named(f"{prefix}-{key}", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _named(f"{prefix}-{index}", item)


def profile_featuremap(
    featuremap: Sequence[Feature],
    with_tensorboard: bool = False,
    tensorboard_dir: str | Path | None = None,
    print_per_channel_scale: bool = False,
    show_per_channel: bool = False,
    out_dir: str | Path | None = None,
    file_name: str | None = None,
) -> None:
    """Write what tensors look like: statistic.txt and statistic.html; print the layers with NaN or Inf.

    Args:
        featuremap: from `get_raw_features`.
        with_tensorboard: also write histograms for tensorboard, which must be installed.
        tensorboard_dir: where to; None: `out_dir`.
        print_per_channel_scale: show every scale of a channel, not only how many there are.
        show_per_channel: draw the range of each channel.
        out_dir: where files go; None: the current directory.
        file_name: name of the files without suffix; None: statistic.

    Raises:
        ArgumentError: tensorboard is asked for and not installed.
    """
    rows = [
        statistic_row(index, feature, every_scale=print_per_channel_scale) for index, feature in enumerate(featuremap)
    ]
    by_range = sorted(zip(rows, map(_quant_range, featuremap), strict=True), key=lambda pair: pair[1], reverse=True)
    broken = [row for row, feature in zip(rows, featuremap, strict=True) if not _finite(feature["data"])]
    tables = [("statistics", rows), ("statistics_by_range", [row for row, _ in by_range]), ("not_finite", broken)]
    drawn = [(table_of(name), draw(table_of(name), cells)) for name, cells in tables]
    target = folder(out_dir)
    write(target, *drawn)
    if file_name is not None:
        (target / drawn[0][0].file).rename(target / f"{file_name}.txt")
    if broken:
        say(drawn[2][1])
    if with_tensorboard:
        tagged = [(f"{feature['module_name']}:{feature['attr']}", feature["data"]) for feature in featuremap]
        write_histograms(tagged, Path(tensorboard_dir or target))
    from .page import Sections, write_page

    page = target / (TOOLS.pages["statistics"] if file_name is None else f"{file_name}.html")
    write_page(page, Sections("Tensor statistics", features=tuple(featuremap), show_per_channel=show_per_channel))


def statistic_row(index: int, feature: Feature, *, every_scale: bool = False) -> list[Any]:
    """The columns of the table."""
    data = feature["data"].detach().to(torch.float32)
    measured = (torch.min, torch.max, torch.mean, partial(torch.var, correction=0))
    moments = [float(measure(data)) if data.numel() else None for measure in measured]
    scale = feature["scale"]
    shown = scale.tolist() if every_scale and scale is not None and scale.numel() > 1 else scale
    return [index, feature["module_name"], feature["module_type"], feature["attr"], *moments, shown, feature["dtype"]]


def _finite(data: Tensor) -> bool:
    return not data.is_floating_point() or bool(torch.isfinite(data).all())


def _quant_range(feature: Feature) -> float:
    """The largest value that the scale can show; without a scale the largest absolute value."""
    data, scale = feature["data"], feature["scale"]
    if scale is None:
        finite = data[torch.isfinite(data)] if data.is_floating_point() else data
        return float(finite.abs().max()) if finite.numel() else 0.0
    return float(scale.max()) * get_horizon_quant_dtype(feature["dtype"]).max


def write_histograms(tagged: Sequence[tuple[str, Tensor]], target: Path) -> None:
    """Histograms of tensors by tag, for tensorboard.

    Raises:
        ArgumentError: tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ArgumentError("with_tensorboard=True needs tensorboard: pip install tensorboard") from error
    with SummaryWriter(str(target)) as writer:
        for tag, data in tagged:
            writer.add_histogram(tag, data.float())
