"""View of the files that make a package of an overlay: its build file and its own module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OverlayView:
    """A package that adds to another."""

    package: str
    distribution: str
    base: str
    summary: str
    made_for: str
