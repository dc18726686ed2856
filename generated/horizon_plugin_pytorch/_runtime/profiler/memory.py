# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/memory.py
"""`show_cuda_memory_consumption`: how much memory is in use after each layer, forward and backward.

In: a model and inputs. Out: a page with the course of memory. On a CUDA device the allocator is asked; on the CPU, which
does not count, the storages that operations made and that are still alive are added up.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from ..._tools import TOOLS
from ..check_model import as_inputs
from ..errors import ArgumentError
from ..layer_calls import tensors_in
from ..qat_module import raw
from .layers import layers_of
from .page import Sections, write_page
from .text_table import folder

Sample = tuple[str, str, int]


def show_cuda_memory_consumption(
    model: nn.Module,
    example_inputs: Any,
    device: torch.device | str,
    check_leaf_module: Callable[[nn.Module], bool] | None = None,
    out_dir: str | Path | None = None,
    file_name: str | None = None,
    custom_backward: Callable[[Any], object] | None = None,
) -> tuple[Sample, ...]:
    """Run a copy of a model forward and backward and draw the memory in use.

    Args:
        model: a float or prepared model, in the mode that is to be looked at. It is copied, not changed.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        device: where the copy runs.
        check_leaf_module: says after which layers to look; None: all.
        out_dir: where the page goes; None: the current directory.
        file_name: name of the page without suffix; None: mem_info.
        custom_backward: called with the model's output; it must not retain the graph. None: the output is one tensor,
            whose sum goes backward.

    Returns:
        (layer, "forward" or "backward", bytes in use) in the order of time.

    Raises:
        ArgumentError: the output is not one tensor and `custom_backward` is None.
    """
    place = torch.device(device)
    twin = copy.deepcopy(model).to(place)
    meter = _Meter(place)
    for name, module in layers_of(twin):
        if check_leaf_module is None or check_leaf_module(module):
            module.register_forward_hook(meter.watching(name))
    inputs = [x.to(place) if isinstance(x, Tensor) else x for x in as_inputs(example_inputs)]
    with torch.enable_grad(), meter:
        output = twin(*inputs)
        if custom_backward is not None:
            custom_backward(output)
        elif isinstance(output, Tensor):
            raw(output).sum().backward()  # type: ignore[no-untyped-call]
        else:
            raise ArgumentError(f"the model gives a {type(output).__name__}, not one tensor: pass custom_backward")
    file = TOOLS.pages["memory"] if file_name is None else f"{file_name}.html"
    peak = max((size for _, _, size in meter.samples), default=0)
    facts = (("MiB at most", f"{peak / 2**20:.3f}"), ("device", str(place)))
    page = Sections("Memory consumption", type(model).__name__, memory=tuple(meter.samples), facts=facts)
    write_page(folder(out_dir) / file, page)
    return tuple(meter.samples)


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Samples the memory in use."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.samples: list[Sample] = []
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def watching(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        """A forward hook that samples behind a layer, and before its backward pass."""

        def hook(module: nn.Module, args: Any, result: Any) -> None:
            self._sample(name, "forward")
            for x in tensors_in(result):
                if raw(x).requires_grad:
                    raw(x).register_hook(lambda _: self._sample(name, "backward"))  # type: ignore[no-untyped-call]

        return hook

    def _sample(self, name: str, phase: str) -> None:
        self.samples.append((name, phase, self._in_use()))

    def _in_use(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device)
        self._alive = {key: entry for key, entry in self._alive.items() if not entry[0].expired()}  # type: ignore[no-untyped-call]
        return sum(size for _, size in self._alive.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.device.type != "cuda":
            for x in tensors_in(result):
                storage = raw(x).untyped_storage()
                self._alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())  # type: ignore[no-untyped-call]
        return result
