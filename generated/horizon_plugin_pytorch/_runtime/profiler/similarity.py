# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/similarity.py
"""`featuremap_similarity`: how alike the layers of two stages of a model are.

In: two models and inputs. Out: for each call of a layer that both have, how far the outputs are apart, after all that came
before, and when the second model's layer is given the first one's input: the error that this layer alone makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..._tables import TABLES
from ..._tools import TOOLS
from ..check_model import as_inputs
from ..layer_calls import tensors_in
from ..qtensor import QTensor, broadcast_scale
from .calls import LayerCall, run_layers
from .layers import aligned, is_quantized, settled, type_name, values
from .measures import is_worse, measure_named, signal_to_noise
from .scale_fit import ScaleFit, scale_fit
from .text_table import draw, folder, say, table_of, write

Metric = str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One call of a layer in two models.

    Attributes:
        index: its number in the order of calls.
        name: qualified name, as in the model; `title` adds the method, the number of the call and marks.
        type: full name of the class in the second model.
        similarity: of both outputs, by the metric that was asked for.
        scale: of the output in the second model, or else the first; None when there is none.
        error: largest absolute difference.
        error_in_scales: the same in scales of the output; None without a scale.
        own_error_in_scales: the same when the layer gets the input that it has in the first model; None: not comparable.
        own_sqnr: signal to noise of the same, decibel; None: not comparable.
        own_mean_error: mean of the signed error of the same, in scales of the output; None: not comparable, or no scale.
        fit: how the scale that the second model's layer gives its output fits the first model's values; None: it gives none.
    """

    index: int
    name: str
    title: str
    type: str
    similarity: float
    scale: Tensor | None
    error: float
    error_in_scales: float | None
    own_error_in_scales: float | None
    own_sqnr: float | None
    own_mean_error: float | None
    fit: ScaleFit | None

    def row(self) -> list[Any]:
        """The columns of the table."""
        own = self.own_error_in_scales
        return [self.index, self.title, self.type, self.similarity, self.scale, self.error, self.error_in_scales, own]


def featuremap_similarity(
    model1: nn.Module,
    model2: nn.Module,
    inputs: Any,
    similarity_func: Metric | None = None,
    threshold: float | None = None,
    devices: torch.device | tuple[torch.device, torch.device] | None = None,
    out_dir: str | Path | None = None,
) -> list[list[Any]]:
    """Compare two stages of a model layer by layer; write similarity.txt, ordered_op_error_similarity.txt, similarity.html.

    Args:
        model1: the earlier stage: float, calibration, QAT. An unfused float model is fused where `model2` is.
        model2: the later stage. Both are copied, not changed.
        inputs: a tensor, or a tuple or list of the arguments of forward.
        similarity_func: "Cosine" (None), "MSE", "L1", "KL", "SQNR", or a function of both tensors.
        threshold: rows worse than this are printed; None: the metric's own.
        devices: where both, or each, run; None: where they are.
        out_dir: where files go; None: the current directory.

    Returns:
        A row a call: index, name, type, similarity, out scale, largest error, largest error in scales, and the same with
        equal inputs. None where there is no scale, or where inputs do not correspond.

    Raises:
        ArgumentError: an unknown metric, or a model without layers.
    """
    metric = TOOLS.default_metric if similarity_func is None else similarity_func
    found = compare_layers(model1, model2, as_inputs(inputs), metric, devices)
    report_similarity(found, metric, threshold, out_dir, same_model(model1, model2))
    return [c.row() for c in found]


def report_similarity(
    found: tuple[Comparison, ...], metric: Metric, threshold: float | None, out_dir: str | Path | None, warning: str
) -> None:
    """Write the files of comparisons; print a warning, if any, and the rows beyond the threshold."""
    table, ordered = table_of("similarity"), table_of("similarity_by_op_error")
    write(out_dir, (table, draw(table, (c.row() for c in found))))
    write(out_dir, (ordered, draw(ordered, (c.row() for c in by_own_error(found)))))
    beyond = [c.row() for c in found if is_worse(metric, c.similarity, threshold)]
    if warning:
        say(warning)
    if beyond:
        say(draw(table, beyond))
    write_similarity_page(folder(out_dir), found, metric)


def write_similarity_page(target: Path, found: tuple[Comparison, ...], metric: Metric) -> None:
    """The comparisons as a page."""
    from .page import Sections, write_page  # which draws what every tool found, so it imports this module

    title = "Feature map similarity"
    write_page(target / TOOLS.pages["similarity"], Sections(title, comparisons=found, metric=metric_name(metric)))


def metric_name(metric: Metric) -> str:
    """The name of a metric or of the user's function."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def by_own_error(found: Sequence[Comparison]) -> list[Comparison]:
    """The largest error of a layer alone first; those without one last."""
    return sorted(found, key=lambda c: -1.0 if c.own_error_in_scales is None else c.own_error_in_scales, reverse=True)


def same_model(model1: nn.Module, model2: nn.Module) -> str:
    """Why two models are no two stages: they are one object or their layers are of the same stage; "" otherwise."""
    if model1 is model2:
        return "Both models are one object: copy the model (copy.deepcopy) before it is prepared or converted in place."
    if not is_quantized(model1) and not is_quantized(model2):
        return "Neither model quantizes anything: a float model is compared with a float model."
    return ""


def compare_layers(
    model1: nn.Module, model2: nn.Module, inputs: Sequence[Any], metric: Metric, devices: Any = None
) -> tuple[Comparison, ...]:
    """The comparisons, in the order of the second model's calls."""
    caller = "featuremap_similarity"
    pair = devices if isinstance(devices, tuple | list) else (devices, devices)
    measure = measure_named(metric)
    first = {}
    with torch.no_grad():
        run_layers(
            *_placed(settled(aligned(model1, model2), caller), inputs, pair[0]),
            on_call=lambda c: first.update({c.key: c}),
        )
        compared: list[Comparison] = []

        def compare(call: LayerCall) -> None:
            if (other := first.get(call.key)) and (made := _compare(len(compared), other, call, measure)):
                compared.append(made)

        run_layers(*_placed(settled(aligned(model2, model1), caller), inputs, pair[1]), on_call=compare)
    shared = {c.name for c in compared if "(1)" in c.title}
    return tuple(replace(c, title=f"{c.title}(0)") if c.name in shared and c.title == c.name else c for c in compared)


def _placed(model: nn.Module, inputs: Sequence[Any], device: torch.device | None) -> tuple[nn.Module, Sequence[Any]]:
    if device is None:
        return model, inputs
    return model.to(device), [x.to(device) if isinstance(x, Tensor) else x for x in inputs]


def _compare(index: int, a: LayerCall, b: LayerCall, measure: Callable[[Tensor, Tensor], float]) -> Comparison | None:
    """None when the outputs do not correspond."""
    if not b.outputs or [x.shape for x in a.outputs] != [x.shape for x in b.outputs]:
        return None
    device = b.outputs[0].device
    x, y = _flat(a.outputs, device), _flat(b.outputs, device)
    if not x.numel():
        return None
    scales = tuple(_scale(q) if _scale(q) is not None else _scale(p) for p, q in zip(a.outputs, b.outputs, strict=True))
    own = _own_outputs(a, b)
    return Comparison(
        index=index,
        name=b.name,
        title=f"{b.title}{_identity_mark(a.module, b.module)}",
        type=type_name(b.module),
        similarity=measure(x, y),
        scale=scales[0],
        error=float((x - y).abs().max()),
        error_in_scales=_in_scales(a.outputs, b.outputs, scales),
        own_error_in_scales=None if own is None else _in_scales(a.outputs, own, scales),
        own_sqnr=None if own is None else signal_to_noise(x, _flat(own, device)),
        own_mean_error=None if own is None else _mean_in_scales(a.outputs, own, scales),
        fit=scale_fit(b.module, a.outputs, b.outputs),
    )


def _own_outputs(a: LayerCall, b: LayerCall) -> tuple[Tensor, ...] | None:
    """What the second model's layer puts out for the first one's input; None when it cannot be given that."""
    if not b.inputs or [x.shape for x in a.inputs] != [x.shape for x in b.inputs]:
        return None
    given = [_as_input(x, like) for x, like in zip(a.inputs, b.inputs, strict=True)]
    outputs = tuple(tensors_in(b.rerun(given)))
    return outputs if [x.shape for x in outputs] == [x.shape for x in a.outputs] else None


def _as_input(x: Tensor, like: Tensor) -> Tensor:
    """A tensor of one model in the form that the other model's layer takes it."""
    data = values(x).to(like.device)
    if not isinstance(like, QTensor):
        return data.to(like.dtype)
    quantized = QTensor(data, like.q_scale(), like.dtype, like.q_per_channel_axis())
    if not like.is_quantized:
        return quantized
    return QTensor(quantized.int_repr(), like.q_scale(), like.dtype, like.q_per_channel_axis())


def _flat(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.cat([values(x).reshape(-1).to(device, torch.float32) for x in tensors])


def _scale(x: Tensor) -> Tensor | None:
    return x.q_scale().detach() if isinstance(x, QTensor) else None


def _in_scales(a: Sequence[Tensor], b: Sequence[Tensor], scales: Sequence[Tensor | None]) -> float | None:
    """The largest difference in scales of the output; None without a scale."""
    largest = [
        float(((values(x).to(y.device) - values(y)).abs() / _broadcast(scale, y)).max())
        for x, y, scale in zip(a, b, scales, strict=True)
        if scale is not None and y.numel()
    ]
    return max(largest) if largest else None


def _mean_in_scales(a: Sequence[Tensor], b: Sequence[Tensor], scales: Sequence[Tensor | None]) -> float | None:
    """The mean of b - a in scales of the output; None without a scale."""
    steps = [
        ((values(y) - values(x).to(y.device)) / _broadcast(scale, y)).flatten()
        for x, y, scale in zip(a, b, scales, strict=True)
        if scale is not None and y.numel()
    ]
    return float(torch.cat(steps).mean()) if steps else None


def _broadcast(scale: Tensor, x: Tensor) -> Tensor:
    axis = x.q_per_channel_axis() if isinstance(x, QTensor) and scale.numel() > 1 else -1
    return broadcast_scale(scale, x.dim(), axis) if axis >= 0 else scale.max()


def _identity_mark(a: nn.Module, b: nn.Module) -> str:
    identities = [type(module) in {TABLES.identity, nn.Identity} for module in (a, b)]
    return "(I vs I)" if all(identities) else "(I)" if any(identities) else ""
