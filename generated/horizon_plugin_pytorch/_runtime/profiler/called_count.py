# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/profiler/called_count.py
"""`get_module_called_count`: how often each module is called, so that shared and unused ones show.

In: a model in any stage and its arguments. Out: name -> number of calls.
"""

import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from ..check_model import as_inputs
from .calls import LayerCall, run_layers
from .layers import layers_of, settled
from .text_table import draw, say, table_of


def get_module_called_count(
    model: nn.Module,
    example_inputs: Any,
    check_leaf_module: Callable[[nn.Module], bool] | None = None,
    print_tabulate: bool = True,
) -> dict[str, int]:
    """Count the calls of each layer in one run.

    Args:
        model: a model in any stage. It is copied, not changed.
        example_inputs: a tensor, or a tuple or list of the arguments of forward.
        check_leaf_module: says which of the layers count; None: all.
        print_tabulate: print the table.

    Returns:
        Qualified name -> calls; 0: unused, more than 1: shared. A module that is registered under two names counts under
        the first one, with a warning.
    """
    twin = settled(model, "get_module_called_count")
    counts = {name: 0 for name, module in layers_of(twin) if check_leaf_module is None or check_leaf_module(module)}

    def count(call: LayerCall) -> None:
        if call.name in counts:
            counts[call.name] += 1

    run_layers(twin, as_inputs(example_inputs), count)
    for first, others in _registered_twice(twin, counts).items():
        warnings.warn(f"{', '.join(others)}: the same module as {first!r}, counted there", UserWarning, stacklevel=2)
    if print_tabulate:
        say(count_table(counts))
    return counts


def count_table(counts: dict[str, int]) -> str:
    """The table of counts."""
    return draw(table_of("called_count"), counts.items())


def _registered_twice(model: nn.Module, names: dict[str, int]) -> dict[str, list[str]]:
    """First name -> further names of the same module."""
    first = {id(module): name for name, module in model.named_modules() if name in names}
    found: dict[str, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        known = first.get(id(module))
        if known is not None and known != name:
            found.setdefault(known, []).append(repr(name))
    return found
