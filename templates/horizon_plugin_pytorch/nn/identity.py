# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/nn/identity.py
"""Identity: what is left in the place of a fused or dropped module."""

from typing import Self

from torch import Tensor, nn


class Identity(nn.Module):
    """Returns its input, whatever it is."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input."""
        return input

    @classmethod
    def from_float(cls, mod: nn.Module) -> Self:  # noqa: ARG003 - the signature of every such class
        """Take the place of any module."""
        return cls()
