# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/checkpoints.py
"""Checkpoints of calibration, QAT and converted models: everything is loaded, or nothing and one error.

In: a prepared or converted model, and a file or a state dict. Out: the same model with the saved state. A state dict
carries the march of each of its scales as metadata, which `torch.save` keeps, so a checkpoint of another march is known.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import ArgumentError

_STATE, _FURTHER, _MARCH = "state_dict", "further", "march"
_SHOWN = 3


class CheckpointError(ArgumentError, RuntimeError):
    """A checkpoint that does not belong to the model, or is damaged; the model is as it was."""


def save_checkpoint(model: nn.Module, path: str | Path, **further: Any) -> None:
    """Save the state of a model, to resume calibration or QAT later.

    Args:
        model: a prepared or converted model.
        path: the file; it is written beside and then moved, so that an interrupted call leaves the older one.
        further: what else is to be kept: an optimizer's state dict, the number of the epoch; plain values and tensors.
    """
    target = Path(path)
    written = target.with_name(f"{target.name}.part")
    torch.save({_STATE: model.state_dict(), _FURTHER: further}, written)
    written.replace(target)


def load_checkpoint(model: nn.Module, path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Load what `save_checkpoint` saved; only tensors and plain values are read (`weights_only`).

    Args:
        model: prepared from the same float model for the same march.
        path: the file.
        map_location: as of `torch.load`.

    Returns:
        What else was saved.

    Raises:
        CheckpointError: the file is damaged, or it is of another march or model. The model is as it was.
        FileNotFoundError: there is no such file.
    """
    try:
        saved = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        raise CheckpointError(
            f"{path} is damaged or no checkpoint: {_first_line(error)}. Nothing was loaded"
        ) from error
    if not isinstance(saved, Mapping) or _STATE not in saved:
        raise CheckpointError(f"{path} is no checkpoint of save_checkpoint. Nothing was loaded")
    load_state(model, saved[_STATE], source=str(path))
    return dict(saved[_FURTHER])


def load_state(
    model: nn.Module,
    state_dict: Mapping[str, Any],
    strict: bool = True,
    assign: bool = False,
    source: str = "state dict",
) -> Any:
    """`load_state_dict` that changes nothing when it fails.

    Returns:
        The missing and the unexpected keys, as `load_state_dict` does.

    Raises:
        CheckpointError: the state is of another march or model.
    """
    _check_march(model, getattr(state_dict, "_metadata", {}), source)
    before = tuple(_tensors(model))
    try:
        return nn.Module.load_state_dict(model, state_dict, strict=strict, assign=assign)
    except Exception as error:
        for held, name, tensor, values in before:
            tensor.data = values
            held[name] = tensor
        raise CheckpointError(
            f"{source} does not belong to this model: {_summary(error)}. Nothing was loaded"
        ) from error


def note_march(destination: Any, prefix: str, march: str) -> None:
    """Write a module's march into the metadata of a state dict."""
    metadata = getattr(destination, "_metadata", None)
    if metadata is not None:
        metadata.setdefault(prefix[:-1], {})[_MARCH] = march


def _tensors(model: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor, Tensor]]:
    """Every tensor of a model: where it is held, under which name, and a copy of its values."""
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    yield held, name, tensor, tensor.detach().clone()


def _check_march(model: nn.Module, metadata: Mapping[str, Mapping[str, Any]], source: str) -> None:
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, facts in metadata.items():
        own, saved = getattr(modules.get(name), "march", None), facts.get(_MARCH)
        if own is not None and saved is not None and own != saved:
            raise CheckpointError(
                f"{source} is of march {saved}, but {name or 'the model'} was prepared for {own}: call set_march before "
                f"prepare_qat_fx, or use a checkpoint of {own}. Nothing was loaded"
            )


def _summary(error: Exception) -> str:
    """The message of torch with its first few keys."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    found = []
    for line in lines[1:] or lines:
        head, _, keys = line.partition(": ")
        listed = keys.rstrip(". ").split(", ")
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        found.append(f"{head}: {', '.join(listed[:_SHOWN])}{more}" if "key(s)" in head else line.rstrip(". "))
    others = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + others


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
