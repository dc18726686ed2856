# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/fx/__init__.py
"""`wrap` under the path of newer releases; `horizon_plugin_pytorch.utils.fx_helper` is the documented one."""

from . import fx_helper

__all__ = ["fx_helper"]
