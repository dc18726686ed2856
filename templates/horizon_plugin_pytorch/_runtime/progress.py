# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/progress.py
"""Progress of loops over many batches or layers.

In: something to iterate over. Out: the same, with a bar on a terminal where tqdm is installed; silent elsewhere.
"""

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], title: str) -> Iterator[T]:
    """The items, one after the other, while a bar on standard error shows how far it is."""
    if not sys.stderr.isatty():
        return iter(items)
    try:
        tqdm = import_module("tqdm")
    except ImportError:
        return iter(items)
    return iter(tqdm.tqdm(items, desc=title, leave=False, dynamic_ncols=True))
