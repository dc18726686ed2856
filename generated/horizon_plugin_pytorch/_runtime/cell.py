# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/cell.py
"""Recurrent cells: composites that are called with an input and a state of two tensors."""

from typing import Any

from torch import Tensor

from .composite import Known, QATComposite, zeros_like_output
from .qtensor import QTensor


class QATCell(QATComposite):
    """A composite over (x, h, c) whose graph returns (h, c), each the output of a child."""

    hidden_size: int

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            input: [N, input_size], or [input_size].
            hx: the state (h, c), each [N, hidden_size] or [hidden_size]; None: zeros.

        Returns:
            The next (h, c).
        """
        self._admit(input)
        h, c = self.zero_state(input) if hx is None else hx
        next_h, next_c = self._graph(input, h, c)
        return next_h, next_c

    def zero_state(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Zeros for an input; QTensors of the scales that the state has, when the input is a QTensor."""
        shape = (*x.shape[:-1], self.hidden_size)
        if not isinstance(x, QTensor):
            return x.new_zeros(shape), x.new_zeros(shape)
        h, c = (zeros_like_output(getattr(self, name), shape, x) for name in self._RESULTS)
        return h, c

    def bind(self, x: Known = None, h: Known = None, c: Known = None) -> Known:
        """Derive the integers of the first step, then of the steps whose state comes from the step before."""
        first: Any = self._bind_graph(x, h, c)
        return self._bind_graph(x, *first)
