# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/bias_correction.py
"""`correct_bias`: make each layer's integers right on average, without training.

In: a calibrated model and representative batches. Out: the same model, with a shift for the biases of its weighted layers.

Rounding down, saturation and a coarse weight move a whole channel, and what every layer does to the mean adds up along the
network, while errors without a mean average out in the next sum. A bias moves a channel for free. The integers' bias of
channel c of a layer becomes

    b[c] + d[c],    d[c] such that E[y_int[c](d[c])] = E[y_float[c]]

with the means over all batches and places; y_int are the dequantized integers of the converted model, whose earlier layers
are corrected already, y_float the values of the model without quantization. Source: Nagel, van Baalen, Blankevoort, Welling,
"Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2 and appendix D (the empirical
form). There the means are those before an activation. Integers are only known behind it, where a clamp passes on a part
of the shift, so the step that the paper takes, d1 = -(E[y_int(0)] - E[y_float]), is a trial here, and a secant goes on from it.

What the march does to a mean is measured, not known. Both models run node by node, all batches at each node, so that every
layer is computed a few times whatever the depth, and the features in use are held for all batches at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, fx, nn

from .bias_shift import HasBiasShift
from .check_model import as_inputs
from .convert import convert_fx
from .errors import ArgumentError
from .fake_quant_state import FakeQuantState, set_fake_quantize
from .module_copy import copy_model
from .progress import progress
from .qtensor import QTensor
from .quantized_weighted import QuantizedWeighted

Shifted = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class BiasShift:
    """What one layer got; all float32 [channels], in units of its output.

    Attributes:
        layer: qualified name.
        shift: what is added to the float model's bias.
        before, after: mean of the integers' values minus mean of the float values, without and with the shift.
        step: the scale of the output.
    """

    layer: str
    shift: Tensor
    before: Tensor
    after: Tensor
    step: Tensor


@dataclass(frozen=True, slots=True)
class BiasCorrection:
    """What `correct_bias` did; print it.

    Attributes:
        layers: in the order of the graph.
        left: (qualified name, reason) of the weighted layers whose error stays; later layers make up for it.
    """

    layers: tuple[BiasShift, ...]
    left: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        rows = [(x.layer, *(_in_steps(value, x.step) for value in (x.before, x.after, x.shift))) for x in self.layers]
        table = [("layer", "mean error before", "after", "shift (mean of the channels, in steps of the output)"), *rows]
        widths = [max(len(row[i]) for row in table) for i in range(3)]
        lines = ["  ".join([*map(str.ljust, row, widths), row[3]]) for row in table]
        return "\n".join([*lines, *(f"{layer}: left as it is, {reason}" for layer, reason in self.left)])


def correct_bias(model: nn.Module, batches: Iterable[Any]) -> BiasCorrection:
    """Shift the biases of a calibrated model's integers so that their means are those of the float model.

    Layers are corrected in the order of the graph, each with all earlier ones corrected. A shift is kept where it brings
    a channel's mean nearer. A layer that only a wrapped function calls is left as it is; one that is called several times
    is corrected for its first call. A shift is a buffer beside the bias, `bias_shift`, that takes effect wherever the layer
    quantizes: parameters and scales do not change, observers go on seeing the float model, and a model that is corrected
    again gets new shifts in place of the old. It may be trained or converted afterwards, in any state.

    Where observers unite their ranges over the processes of `torch.distributed` (`is_sync_quantize`), means are united too: each
    process gives its own batches, at least one, and all get the shifts of all batches together.

    Args:
        model: what `prepare_qat_fx` returned, calibrated or trained. Its shifts change, at the very end.
        batches: each a tensor, or a tuple or list of the arguments of forward; some hundred images, those of
            calibration for example. Their features are held in memory together.

    Returns:
        What was shifted, and what was left.

    Raises:
        TypeError, ValueError: not what `prepare_qat_fx` returned.
        ArgumentError: no batches, an empty one, or values that are not finite; the layer is named. Nothing has changed then.
    """
    inputs = [as_inputs(batch) for batch in batches]
    if not inputs:
        raise ArgumentError("correct_bias needs at least one batch of representative data")
    with torch.no_grad():
        layers = dict(_weighted_layers(model))
        integers = _integers(model, layers.values())
        shifts = tuple(_shifts(_unquantized(model), integers, inputs, layers, _is_united(model)))
    for found in shifts:
        layers.pop(found.layer).set_bias_shift(found.shift)
    return BiasCorrection(shifts, tuple((name, "the graph calls no integers of it") for name in layers))


def _integers(model: nn.Module, layers: Iterable[HasBiasShift]) -> fx.GraphModule:
    """The converted model without any shift."""
    shifts = [(layer, layer.bias_shift) for layer in layers]
    try:
        for layer, shift in shifts:
            layer.bias_shift = shift.new_empty(0)
        return convert_fx(model)
    finally:
        for layer, shift in shifts:
            layer.bias_shift = shift


def _unquantized(model: nn.Module) -> fx.GraphModule:
    """A copy without quantization; it shares the parameters."""
    twin, _ = copy_model(model, "correct_bias")
    set_fake_quantize(twin.eval(), FakeQuantState._FLOAT)
    assert isinstance(twin, fx.GraphModule)
    return twin


def _is_united(model: nn.Module) -> bool:
    """Whether every process of several is here, for observers wait for each other too."""
    several = dist.is_available() and dist.is_initialized()
    return several and any(getattr(module, "is_sync_quantize", False) for module in model.modules())


def _weighted_layers(model: nn.Module) -> Iterator[tuple[str, HasBiasShift]]:
    return ((name, x) for name, x in model.named_modules() if isinstance(x, HasBiasShift))


class _Run(fx.Interpreter):
    """One batch on its way through a graph."""

    def __init__(self, model: fx.GraphModule, inputs: Sequence[Any]) -> None:
        super().__init__(model)
        self.args_iter: Iterator[Any] = iter(inputs)

    def step(self, node: fx.Node) -> Any:
        """The value of a node, all before it being known."""
        self.env[node] = self.run_node(node)
        return self.env[node]

    def forget(self, node: fx.Node) -> None:
        """Drop what no later node reads."""
        for read in self.user_to_last_uses.get(node, ()):
            self.env.pop(read, None)


def _shifts(
    reference: fx.GraphModule, integers: fx.GraphModule, inputs: Sequence[Any], layers: Iterable[str], united: bool
) -> Iterator[BiasShift]:
    """Correct the converted model layer by layer; the nodes of both graphs correspond."""
    floats, runs = ([_Run(model, batch) for batch in inputs] for model in (reference, integers))
    waiting = set(layers)
    pairs = tuple(zip(reference.graph.nodes, integers.graph.nodes, strict=True))
    for exact, node in progress(pairs, "bias correction"):
        expected, given = _values(floats, exact), _values(runs, node)
        name = str(node.target)
        layer = integers.get_submodule(name) if node.op == "call_module" and name in waiting else None
        if isinstance(layer, QuantizedWeighted):
            waiting.discard(name)
            yield _corrected(name, layer, expected, given, partial(_values, runs, node), united)
        for run, done in (*((run, exact) for run in floats), *((run, node) for run in runs)):
            run.forget(done)


def _values(runs: Sequence[_Run], node: fx.Node) -> list[Any]:
    """The value of a node for each batch."""
    return [run.step(node) for run in runs]


def _corrected(
    name: str,
    layer: QuantizedWeighted,
    expected: Sequence[Any],
    given: Sequence[Any],
    again: Callable[[], Sequence[Any]],
    united: bool,
) -> BiasShift:
    """Give a layer the best shift that was found; its outputs are then those with it."""
    axis = given[0].dim() - 1 - layer._TRAILING
    mean = partial(_means, name, axis, united)
    bias, target = layer.bias.double(), mean(expected)
    before = mean(given) - target

    def error(shift: Tensor) -> Tensor:
        layer.set_bias((bias + shift).to(layer.bias))
        return mean(again()) - target

    shift = best_shift(error, before)
    return BiasShift(name, shift.float(), before.float(), error(shift).float(), _step(given[0]))


def best_shift(error: Shifted, unshifted: Tensor) -> Tensor:
    """The shift, one a channel, with the smallest error among 0, one trial, and where a line through both reaches 0.

    Args:
        error: shift -> error of each channel, which no other channel's shift has an effect on.
        unshifted: the error without a shift.
    """
    trial = -unshifted
    tried = error(trial)
    slope = (tried - unshifted) / trial  # the part of the shift that arrives; NaN where there is no error
    secant = torch.where(slope > 0, -unshifted / slope, trial)
    shifts = torch.stack([torch.zeros_like(trial), trial, secant])
    errors = torch.stack([unshifted, tried, error(secant)])
    return shifts.gather(0, errors.abs().argmin(0, keepdim=True))[0]


def _means(name: str, axis: int, united: bool, batches: Sequence[Any]) -> Tensor:
    """Mean of each channel over batches and places, float64; `united`: over those of all processes."""
    count = sum(batch.numel() // batch.shape[axis] for batch in batches)
    sums = torch.stack([_sums(batch, axis) for batch in batches]).sum(0)
    totals = torch.cat([sums, sums.new_tensor([count])])
    if united:
        dist.all_reduce(totals)
    means = totals[:-1] / totals[-1]  # NaN where there are no values
    if not bool(torch.isfinite(means).all()):
        raise ArgumentError(f"correct_bias: {name} gave no values, NaN or Inf; check the batches. Nothing was changed")
    return means


def _sums(value: Any, axis: int) -> Tensor:
    """Sum of each channel, float64; those of integers are exact."""
    others = [i for i in range(value.dim()) if i != axis]
    if isinstance(value, QTensor) and value.is_quantized:
        return value.int_repr().sum(others, dtype=torch.int64) * value.q_scale().double()
    plain: Tensor = value.dequantize() if isinstance(value, QTensor) else value
    return plain.sum(others, dtype=torch.float64)


def _step(value: Any) -> Tensor:
    return value.q_scale().detach().float() if isinstance(value, QTensor) else torch.ones(1)


def _in_steps(value: Tensor, step: Tensor) -> str:
    return f"{float((value / step.to(value)).mean()):+.3f}"
