# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/bias_shift.py
"""The shift of a layer's bias that makes up for what its integers do to the mean.

In: a QAT module with a bias, and a shift that was measured. Out: the bias that its integers are made of. The bias itself stays
the float model's, so that observers and comparisons see the float model, and a shift can be measured again at any time.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .recording import is_tracing, unrecorded
from .weights import per_channel

_KEY = "bias_shift"


class HasBiasShift(nn.Module):
    """A QAT module whose integers may have another bias than its floats.

    Buffers:
        bias_shift: float32 [out_channels], added wherever the module quantizes; [0] until it was measured.
    """

    bias: Any
    bias_shift: Tensor
    quantizes: bool
    kernels: Any
    _shift_shape: tuple[int]

    def _make_shift(self, channels: int) -> None:
        self.register_buffer(_KEY, torch.empty(0))
        self._shift_shape = (channels,)

    def set_bias_shift(self, shift: Tensor) -> None:
        """Take a shift, float [out_channels]; an empty one ends the correction."""
        self.bias_shift.resize_(shift.shape).copy_(shift)

    def shifted(self, bias: Tensor | None) -> Tensor | None:
        """The bias that the integers are made of; `bias` itself where no shift was measured."""
        shift = self._buffers[_KEY]
        if shift is None or not shift.numel():
            return bias
        return shift if bias is None else bias + shift

    def moved(self, out: Tensor) -> Tensor:
        """Values [N, C, ...] of a normalization by the batch, behind which no bias is added; with the shift as elsewhere."""
        if not self.quantizes or not self.bias_shift.numel():
            return out
        return out + per_channel(self.bias_shift, out.dim() - 2)

    def simulated_bias(self) -> Tensor | None:
        """The bias as the march's integers will hold it, if the model quantizes; its gradient is straight-through."""
        if not self.quantizes:
            return self.bias  # type: ignore[no-any-return]  # a Tensor or None
        if is_tracing():
            with unrecorded():  # a constant of a trace
                return self._held_bias()
        return self._held_bias()

    def _held_bias(self) -> Tensor | None:
        bias = self.shifted(self.bias)
        if bias is None:
            return None
        plain = bias.detach()
        held: Tensor = self.kernels.simulate_bias(plain)
        return bias if held is plain else bias + (held - bias).detach()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """The shift takes the shape that it was saved with; a state of this layer without one has none."""
        saved = state_dict.get(prefix + _KEY)
        if saved is None and prefix + "weight" in state_dict:
            saved = state_dict[prefix + _KEY] = self.bias_shift.new_empty(0)
        if isinstance(saved, Tensor) and saved.shape in {(0,), self._shift_shape}:
            self.bias_shift = self.bias_shift.new_empty(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
