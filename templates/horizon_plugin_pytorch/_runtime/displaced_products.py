# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/displaced_products.py
"""Products of patches of two feature maps, one output channel for each displacement between them.

In: two maps [N, C, H, W]. Out: float, QAT and quantized modules that give [N, (2r + 1)^2, h, w] with r = max_displacement
// stride2; x runs fastest over the channels. Integers are summed over channels first; patches of more than one element then
hold these sums in 16 bits, at a scale that the QAT module observes (numerics 6.8).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantizeBase

from .composite import inner_qconfig
from .errors import ArgumentError
from .exact import exact_product, exact_sum
from .exact_qat import straight_through
from .layout import IMAGE_DIMS
from .qat_module import QATModule
from .qtensor import QTensor
from .quantized_module import Input, QuantizedModule, Scaled

_PATCH = (-2, -1)


class DisplacedProducts(nn.Module):
    """The mean product of patches, for every displacement.

    Args:
        kernel_size: height and width of a patch, odd.
        max_displacement: the largest displacement, in elements.
        stride1: step of the patches in the first map.
        stride2: step of the displacements.
        pad_size: zeros around both maps.
        is_multiply: True; no other form can be quantized.
    """

    _OP: str

    def __init__(
        self,
        kernel_size: int = 1,
        max_displacement: int = 1,
        stride1: int = 1,
        stride2: int = 1,
        pad_size: int = 0,
        is_multiply: bool = True,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ArgumentError(f"kernel_size must be odd and at least 1, not {kernel_size}")
        if min(stride1, stride2) < 1 or min(max_displacement, pad_size) < 0:
            raise ArgumentError("stride1 and stride2 must be at least 1, max_displacement and pad_size at least 0")
        if not is_multiply:
            raise ArgumentError("is_multiply must be True: only products are computed")
        self.kernel_size = kernel_size
        self.max_displacement = max_displacement
        self.stride1 = stride1
        self.stride2 = stride2
        self.pad_size = pad_size
        self.is_multiply = is_multiply

    def forward(self, data1: Tensor, data2: Tensor) -> Tensor:
        """Two maps [N, C, H, W] to [N, (2r + 1)^2, h, w]."""
        sums = _channel_sums(self, data1, data2, _products)
        return _patches(self, sums).sum(_PATCH) / _count(self, data1)

    def extra_repr(self) -> str:
        """What was asked for."""
        return (
            f"kernel_size={self.kernel_size}, max_displacement={self.max_displacement}, stride1={self.stride1}, "
            f"stride2={self.stride2}, pad_size={self.pad_size}"
        )


def _products(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(1)


def _integer_products(x: Tensor, y: Tensor) -> Tensor:
    return exact_product(_products, x, y, int(x.shape[1]))


def _count(module: Any, x: Tensor) -> int:
    """How many products an output element adds up."""
    return int(x.shape[1]) * int(module.kernel_size) ** 2


def _channel_sums(module: Any, x: Tensor, y: Tensor, products: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Sums over channels for every displacement: [N, (2r + 1)^2, rows, columns], with all that patches reach.

    Raises:
        ValueError: the maps differ in shape, or no patch fits.
    """
    if x.dim() != IMAGE_DIMS or x.shape != y.shape:
        raise ValueError(f"{type(module).__name__}: takes two [N, C, H, W], not {list(x.shape)} and {list(y.shape)}")
    x, y = (torch.nn.functional.pad(t, [module.pad_size] * 4) for t in (x, y))
    height, width = (_extent(module, int(size)) for size in x.shape[2:])
    start, radius, step = module.max_displacement, module.max_displacement // module.stride2, module.stride2
    moves = [step * move for move in range(-radius, radius + 1)]
    first = _part(x, (start, height), (start, width))
    seconds = (_part(y, (start + dy, height), (start + dx, width)) for dy in moves for dx in moves)
    return torch.stack([products(first, second) for second in seconds], dim=1)


def _part(x: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """The part that begins at some row and column and has some height and width."""
    return x.narrow(2, *rows).narrow(3, *columns)


def _extent(module: Any, padded: int) -> int:
    """How many elements of a padded dimension the first map's patches cover."""
    free = padded - (module.kernel_size - 1) - 2 * module.max_displacement
    if free < 1:
        raise ValueError(
            f"{type(module).__name__}: {padded} elements with padding hold no patch of {module.kernel_size} displaced by "
            f"{module.max_displacement} to both sides; use a larger pad_size or a smaller max_displacement"
        )
    return int((free - 1) // module.stride1 * module.stride1 + module.kernel_size)


def _patches(module: Any, sums: Tensor) -> Tensor:
    """[N, D, h, w, kernel, kernel]."""
    size, step = module.kernel_size, module.stride1
    return sums.unfold(2, size, step).unfold(3, size, step)


def _integer_total(module: Any, x: Tensor, y: Tensor, inter: Any) -> Tensor:
    """Sums over channels and patch, of int8 maps; `inter`: integers of the shift to 16 bits, None without one."""
    sums = _channel_sums(module, x, y, _integer_products)
    if inter is not None:
        sums = module.compute.correlation_inter(sums, inter)
    return exact_sum(_patches(module, sums), _PATCH)


def _inter(module: Any, observed: Any, s_x: Tensor, s_y: Tensor) -> tuple[Tensor, Any]:
    """(scale of channel sums, integers of the shift to it); a patch of one element is not shifted."""
    if module.kernel_size == 1:
        return s_x * s_y, None
    scale = module.kernels.correlation_scale(observed, s_x, s_y)
    return scale, module.kernels.derive_correlation_inter(s_x=s_x, s_y=s_y, s_inter=scale)


class QATDisplacedProducts(QATModule):
    """Products of fake-quantized patches; their sums are those of the integers, with the gradient of the float sums."""

    kernel_size: int
    inter_post_process: FakeQuantizeBase | None

    def _set_up(self) -> None:
        super()._set_up()
        inter: Any = inner_qconfig(self.qconfig, "qint16").activation
        self.inter_post_process = inter() if self.kernel_size > 1 else None

    def forward(self, data1: Tensor, data2: Tensor) -> Tensor:
        """Two maps [N, C, H, W] to [N, (2r + 1)^2, h, w]."""
        x, y = self._admit(data1), self._admit(data2)
        sums = _channel_sums(self, x, y, _products)
        if self.inter_post_process is not None:
            self.inter_post_process(sums.detach())
        means = _patches(self, sums).sum(_PATCH) / _count(self, x)
        if isinstance(data1, QTensor) and isinstance(data2, QTensor) and self.quantizes:
            means = straight_through(means, self._means(data1, data2))
        return self._finish(means)

    @torch.no_grad()
    def _means(self, x: QTensor, y: QTensor) -> Tensor:
        """The means as the integers have them, before they are requantized."""
        observed = None if self.inter_post_process is None else self.inter_post_process.scale
        scale, inter = _inter(self, observed, x.q_scale(), y.q_scale())
        total = _integer_total(self, x.int_repr(), y.int_repr(), inter)
        return total.to(torch.float32) * (scale / _count(self, x))


class QuantizedDisplacedProducts(QuantizedModule):
    """Products of integer patches.

    Buffers:
        observed: float32 scale that was observed of channel sums; absent for patches of one element.
    """

    kernel_size: int
    observed: Tensor | None

    def _set_up(self, mod: QATDisplacedProducts) -> None:
        fake_quant: Any = mod.inter_post_process
        self.register_buffer("observed", None if fake_quant is None else fake_quant.scale.detach().clone())

    def bind(self, *inputs: Scaled | None) -> Scaled | None:
        """The march must support the dtype; the rest depends on sizes."""
        if inputs[0] is not None:
            self._check(inputs[0])
        return super().bind(*inputs)

    def forward(self, data1: QTensor, data2: QTensor) -> QTensor:
        """Two int8 maps [N, C, H, W] to int8 [N, (2r + 1)^2, h, w]."""
        inter, finishing = self.bound(self._derive, data1, data2, _count(self, data1))
        total = _integer_total(self, data1.int_repr(), data2.int_repr(), inter)
        return self._result(self.compute.correlation(total, finishing, output=self.dtype))

    def _derive(self, x: Input, y: Input, count: int) -> tuple[Any, Any]:
        self._check(y)
        k = self.kernels
        scale, inter = _inter(self, self.observed, x.q_scale(), y.q_scale())
        return inter, k.derive_correlation(s_inter=scale, s_out=self.scale, count=count, output=self.dtype)
