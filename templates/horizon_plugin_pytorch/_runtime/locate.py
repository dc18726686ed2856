# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/locate.py
"""Where in the user's model an error happens, found from the call stack.

In: the frames of the calls in progress. Out: a phrase for error messages. Nothing is recorded while a model runs, so
this costs nothing until something goes wrong.
"""

import linecache
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from torch import nn

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parent.parent))


@dataclass(frozen=True, slots=True)
class Place:
    """A call of a module: its path inside the outermost module that is running, and the line of the user's code."""

    path: str
    line: str

    def __str__(self) -> str:
        return f"{self.path}, at `{self.line}`" if self.line else self.path


def calling_place() -> Place | None:
    """The innermost module call in progress; None outside of any module."""
    calls = tuple(_module_calls(sys._getframe(1)))
    if not calls:
        return None
    (_, inner), (_, root) = calls[0], calls[-1]
    line = next((_line(frame) for frame, _ in calls if not frame.f_code.co_filename.startswith(_LIBRARIES)), "")
    return Place(_path(root, inner), line)


def _module_calls(frame: FrameType | None) -> list[tuple[FrameType, nn.Module]]:
    """The frames whose first argument is a module, innermost first."""
    calls = []
    while frame is not None:
        arguments = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        owner = frame.f_locals.get(arguments[0]) if arguments else None
        if isinstance(owner, nn.Module):
            calls.append((frame, owner))
        frame = frame.f_back
    return calls


def _line(frame: FrameType) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).strip()


def _path(root: nn.Module, inner: nn.Module) -> str:
    name = next((name for name, module in root.named_modules() if module is inner), "")
    return f"{name} ({type(inner).__name__})" if name else type(inner).__name__
