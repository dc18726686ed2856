# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/identity.py
"""Names of converted models, for graphs that can hold words but no modules.

In: a model. Out: a name that no other model has, in no process: compiled graphs are kept on disk, and a graph of another
process must not find a model of this one.
"""

import uuid
import weakref

from torch import nn

_MODELS: weakref.WeakValueDictionary[str, nn.Module] = weakref.WeakValueDictionary()


def introduce(model: nn.Module) -> str:
    """A new name for a model; it leads to the model as long as that lives."""
    name = uuid.uuid4().hex
    _MODELS[name] = model
    return name


def model_of(name: str) -> nn.Module:
    """The model of a name."""
    return _MODELS[name]
