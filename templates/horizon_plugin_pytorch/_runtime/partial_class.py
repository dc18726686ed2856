# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/partial_class.py
"""A class with some of its arguments: what `with_args` returns.

In: a class and keyword arguments. Out: a factory that can be extended, compared, copied and pickled, so that qconfigs
made of such factories can too.
"""

from typing import Any


class PartialClass:
    """Calling it makes an instance of `cls` with `keywords`, and with the arguments of the call.

    Attributes:
        cls: the class.
        keywords: its keyword arguments so far.
    """

    def __init__(self, cls: type, keywords: dict[str, Any]) -> None:
        self.cls = cls
        self.keywords = dict(keywords)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make an instance."""
        return self.cls(*args, **{**self.keywords, **kwargs})

    def with_args(self, **kwargs: Any) -> "PartialClass":
        """A factory with more arguments; a later value of an argument wins."""
        return PartialClass(self.cls, {**self.keywords, **kwargs})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PartialClass):
            return NotImplemented
        return self.cls is other.cls and self.keywords == other.keywords

    def __hash__(self) -> int:
        return hash((self.cls, tuple(sorted(self.keywords))))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={_short(value)}" for key, value in self.keywords.items())
        return f"{self.cls.__name__}.with_args({arguments})"


def _short(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)
