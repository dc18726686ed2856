# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/user_input.py
"""Checks of what users pass in: one clear message that names the place and the remedy.

In: arguments of the public functions. Out: nothing, or an exception.
"""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Text "; did you mean 'x'?" for the known word nearest to `word`; empty when none is near."""
    near = difflib.get_close_matches(word, tuple(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def check_config_dict(config: object, argument: str) -> None:
    """Check one of the `*_custom_config_dict` arguments: None, or a dict with a list of names to preserve.

    Every attribute is preserved anyway, so the value has no further effect.

    Raises:
        TypeError: not a dict, or `preserved_attributes` is not a list of names.
        ValueError: an unknown key.
    """
    if config is None:
        return
    if not isinstance(config, dict):
        raise TypeError(f"{argument} must be a dict or None, not {type(config).__name__}")
    known = ("preserved_attributes",)
    for key in config:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise ValueError(f"{argument} has the unknown key {key!r}; known: {', '.join(known)}{near}")
    names = config.get("preserved_attributes", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{argument}['preserved_attributes'] must be a list of attribute names, not {names!r}")
