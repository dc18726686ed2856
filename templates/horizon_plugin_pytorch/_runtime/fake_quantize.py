# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/fake_quantize.py
"""FakeQuantize: observe a tensor, put its values on the integer grid, and tell everyone after it the scale.

In: float tensors (or QTensors) during calibration, QAT and validation. Out: QTensors with float data. The march is the
one that was set when the module was made; its kernels round, so that what is simulated is what the integers will be.
"""

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from .checkpoints import note_march
from .clamp import Clamp
from .compiled_quantize import in_one_call
from .dtype import QuantDType
from .errors import ArgumentError
from .fake_quant_switches import SwitchedFakeQuantize
from .kept_weights import forget
from .locate import calling_place
from .march import require_march
from .observer_base import ObserverBase
from .observers import FixedScaleObserver
from .observers_v1 import MovingAverageMinMaxObserver
from .one_pass import NO_ENDS
from .partial_class import PartialClass
from .qtensor import QTensor
from .recording import graph_observer
from .straight_through import RoundedAs, default_rounding, fake_quantize_values, is_marked

__all__ = ["FakeQuantize", "fake_quantize_values"]


class FakeQuantize(SwitchedFakeQuantize):
    """Simulates quantization; `set_fake_quantize` says when it observes and when it quantizes.

    Args:
        observer: class (or `with_args` factory) of the observer.
        saturate: stop the gradient of saturated values; None: True.
        in_place: write the result into the input.
        compat_mask: without effect here; saved masks are one byte an element.
        channel_len: number of channels when the scheme is per channel, else 1.
        observer_kwargs: for the observer.

    Buffers:
        fake_quant_enabled, observer_enabled: uint8 [1].
        scale: float32 [channel_len]; 1 until it is observed.
        zero_point: int64 [channel_len]; always 0.

    Attributes:
        activation_post_process: the observer.
        dtype, qscheme, ch_axis, quant_min, quant_max: as the observer has them.
        march: the march that rounds.

    Raises:
        ArgumentError: `channel_len` is less than 1, or not 1 without channels.
    """

    scale: Tensor
    zero_point: Tensor
    activation_post_process: ObserverBase
    rounded_as: RoundedAs | None = None
    """What its values are rounded as: a layer's sums as its last shift rounds; None: a weight, or an activation."""
    owns_input: bool = False
    """Whether what is quantized was computed for it alone and may be overwritten where autograd keeps nothing."""
    owns_gradient: bool = False
    """Whether the gradient of the result is made for it alone and may be overwritten; true of a layer's weight."""

    def __init__(
        self,
        observer: type[ObserverBase] | PartialClass = MovingAverageMinMaxObserver,
        saturate: bool | None = None,
        in_place: bool = False,
        compat_mask: bool = True,
        channel_len: int = 1,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if channel_len < 1:
            raise ArgumentError(f"{type(self).__name__}: channel_len must be at least 1, not {channel_len}")
        self.march = require_march(type(self).__name__)
        self.activation_post_process = observer(**observer_kwargs)
        self.saturate = True if saturate is None else saturate
        self.in_place = in_place
        self.compat_mask = compat_mask
        self.channel_len = channel_len if self.activation_post_process.is_per_channel else 1
        self._make_scale()
        if self._is_fixed:
            self.set_qparams(self.activation_post_process.calculate_qparams()[0])

    def _make_scale(self) -> None:
        self.register_buffer("scale", torch.ones(self.channel_len))
        self.register_buffer("zero_point", torch.zeros(self.channel_len, dtype=torch.int64))

    @classmethod
    def with_args(cls, **kwargs: Any) -> PartialClass:
        """A factory of this class with arguments; extend it with its own `with_args`."""
        return PartialClass(cls, kwargs)

    @property
    def dtype(self) -> QuantDType:
        """The quantized dtype."""
        return self.activation_post_process.dtype

    @property
    def qscheme(self) -> torch.qscheme:
        """Per tensor or per channel."""
        return self.activation_post_process.qscheme

    @property
    def ch_axis(self) -> int:
        """The channels' dimension; -1 when the scheme is per tensor."""
        return self.activation_post_process.ch_axis

    @property
    def quant_min(self) -> int:
        """The smallest integer."""
        return self.activation_post_process.quant_min

    @property
    def quant_max(self) -> int:
        """The largest integer."""
        return self.activation_post_process.quant_max

    def forward(self, x: Tensor, activation: Clamp | None = None) -> QTensor:
        """Observe, then fake-quantize, as far as both are enabled.

        Args:
            x: any tensor; the scale of a QTensor has no effect, integers count as float32.
            activation: what is computed before, for whom `takes` gave True.

        Returns:
            A QTensor with float data and this module's scale, also when nothing is enabled.
        """
        observer: Any = self._modules["activation_post_process"]
        scale = self._buffers.get("scale")  # a module's own way to an attribute takes longer than what is done with it
        return QTensor(
            self.values(x, activation), self.scale if scale is None else scale, observer.dtype, observer.ch_axis
        )

    def values(self, x: Tensor, activation: Clamp | None = None) -> Tensor:
        """The data of what `forward` returns."""
        data = x.dequantize() if isinstance(x, QTensor) else x
        if not data.is_floating_point():
            data = data.to(torch.float32)
        if type(self) is FakeQuantize and self.saturate and not self.in_place:
            made = in_one_call(self, data, activation)
            if made is not None:
                return made
        observes, quantizes = self._observes(), self._quantizes()
        if observes:
            self._observe(data, activation)
        if quantizes:
            return self._fake_quantize(data, activation)
        return data if activation is None else activation(data)

    def train(self, mode: bool = True) -> Self:
        """As of any module; what was kept of a weight is forgotten."""
        forget(self)
        return super().train(mode)

    def takes(self, activation: Clamp, x: Tensor) -> bool:
        """Whether an activation of `x` is best computed along with it, and no hook sees what lies between; not if recorded."""
        plain = type(self) is FakeQuantize and self.saturate and not self.in_place
        unseen = plain and not (self._forward_hooks or self._forward_pre_hooks or is_marked())
        return unseen and x.is_cpu

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero point) that the observer has now."""
        return self.activation_post_process.calculate_qparams()

    def set_qparams(self, scale: float | Sequence[float] | Tensor, zero_point: int | Tensor | None = None) -> None:
        """Set the scale.

        Args:
            scale: positive; a number, or as many as there are channels.
            zero_point: None or 0.

        Raises:
            ArgumentError: not positive, not 0, or a wrong number of scales.
        """
        given = torch.as_tensor(scale, dtype=torch.float32, device=self.scale.device).detach().reshape(-1)
        if graph_observer() is None and not bool((torch.isfinite(given) & (given > 0)).all()):
            raise ArgumentError(f"{self._place()}: scale must be positive, not {scale}")
        if zero_point is not None and bool(torch.as_tensor(zero_point).ne(0).any()):
            raise ArgumentError(f"{self._place()}: zero_point must be 0 (dtypes are symmetric), not {zero_point}")
        self._write_scale(given)

    def reset_dtype(self, dtype: QuantDType | str | torch.dtype) -> None:
        """Quantize to another dtype, and with all of its integers, from now on.

        The scale becomes that of the range that was observed or learned; a fixed one, or one that nothing was observed for,
        stays as it is.
        """
        observer = self.activation_post_process
        steps = observer.quant_max - observer.quant_min
        observer.set_dtype(dtype)
        if observer.has_data:
            self._rescale(steps / (observer.quant_max - observer.quant_min))

    def _rescale(self, ratio: float) -> None:
        """Follow a change of the number of steps."""
        self._write_scale(self.activation_post_process.calculate_qparams()[0])

    def extra_repr(self) -> str:
        """State and scale, as a model prints it."""
        return (
            f"fake_quant_enabled={self.fake_quant_enabled.tolist()}, "
            f"observer_enabled={self.observer_enabled.tolist()}, quant_min={self.quant_min}, "
            f"quant_max={self.quant_max}, dtype={self.dtype}, qscheme={self.qscheme}, "
            f"ch_axis={self.ch_axis}, scale={self.scale.detach()}, zero_point={self.zero_point}"
        )

    @property
    def rounding(self) -> RoundedAs:
        """What its values are rounded as."""
        return self.rounded_as or default_rounding(self.ch_axis)

    @property
    def _is_fixed(self) -> bool:
        return isinstance(self.activation_post_process, FixedScaleObserver)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        note_march(destination, prefix, self.march)

    def _observe(self, data: Tensor, activation: Clamp | None) -> None:
        instead = graph_observer()
        if instead is None:
            self.observe(data, NO_ENDS if activation is None else activation.ends)
        else:
            instead(self, data)

    def observe(self, data: Tensor, ends: tuple[float, float] = NO_ENDS, place: str = "") -> None:
        """Let a tensor into the range, and take the scale that follows, whatever the switches say.

        Args:
            data: floating point.
            ends: what it is clamped to before.
            place: which layer this is, for the message; "": what the call stack says.

        Raises:
            ValueError: NaN or Inf.
        """
        observer = self.activation_post_process
        if observer.observe_into(data, self.scale, ends):
            return
        try:
            observer(data.detach() if ends == NO_ENDS else data.detach().clamp(*ends))
        except ValueError as error:
            where = place or calling_place()
            raise type(error)(f"{where}: {error}" if where else str(error)) from error
        if observer.has_data:
            self._write_scale(observer.calculate_qparams()[0])

    def _fake_quantize(self, data: Tensor, activation: Clamp | None) -> Tensor:
        observer = self.activation_post_process
        return fake_quantize_values(
            data,
            self.scale,
            observer.range,
            self.march,
            axis=observer.ch_axis,
            rounded_as=self.rounding,
            saturate=self.saturate,
            in_place=self.in_place,
            owns_input=self.owns_input,
            unsaved=self.owns_input
            and activation is not None
            and data._base is None,  # whose maker keeps nothing of it
            owns_gradient=self.owns_gradient,
            ends=NO_ENDS if activation is None else activation.ends,
        )

    def _write_scale(self, scale: Tensor) -> None:
        if is_marked():  # a file of a graph holds the scale that was found before
            return
        if scale.numel() not in {1, self.scale.numel()}:
            count = f"{scale.numel()} scales for {self.scale.numel()} channels"
            raise ArgumentError(f"{self._place()}: {count}; check channel_len in the qconfig")
        with torch.no_grad():
            self.scale.copy_(scale)

    def _place(self) -> str:
        return str(calling_place() or type(self).__name__)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """A fixed scale is not replaced by another one without a word."""
        saved = state_dict.get(prefix + "scale")
        if (
            self._is_fixed
            and isinstance(saved, Tensor)
            and not torch.equal(saved.to(self.scale).reshape(-1), self.scale)
        ):
            raise ArgumentError(
                f"{prefix.rstrip('.') or type(self).__name__}: its scale is fixed at {self.scale.tolist()}, but the "
                f"loaded one is {saved.tolist()}; change the qconfig or the checkpoint"
            )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
