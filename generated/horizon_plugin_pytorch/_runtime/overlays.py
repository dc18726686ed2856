# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/overlays.py
"""Overlays: installed packages with marches, operators, patterns or colours from specs outside of this one's repository.

In: distributions with an entry point in the group `GROUP`. Each was made by ``horizon-gen build --specs DIR --package NAME``
and holds exactly those modules of this package that its specs add or change. Out: from the first import on, these modules
are found in the overlay; everything else is imported from here. What was generated for other modules than those installed
is refused, for integers would silently differ.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from .module_digest import digest

HOME = Path(__file__).parents[1]
PACKAGE = __name__.partition(".")[0]
GROUP = f"{PACKAGE}.overlays"
_REMEDY = "make it again with horizon-gen build --specs, or uninstall it"


class OverlayFinder(MetaPathFinder):
    """Finds modules of this package in an overlay."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The overlay's module of that name; a package keeps its other modules."""
        file = self.files.get(fullname)
        if file is None:
            return None
        here = HOME.joinpath(*fullname.split(".")[1:])
        below = [str(here), str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(fullname, file, submodule_search_locations=below)


def install() -> tuple[str, ...]:
    """Find the modules of the installed overlay first.

    Returns:
        The names of the overlays in use.

    Raises:
        ImportError: two overlays are installed, or one was made for another version of this package.
    """
    names = sorted({entry.value for entry in entry_points(group=GROUP)})
    if len(names) > 1:
        raise ImportError(
            f"overlays change the same modules, only one can be in use: {', '.join(names)}. Uninstall all but one, or make "
            "one package of their specs: horizon-gen build --specs DIR --specs DIR --package NAME"
        )
    for name in names:
        sys.meta_path.insert(0, OverlayFinder(_files(name)))
    return tuple(names)


def _files(name: str) -> dict[str, Path]:
    """Module name -> file, of everything that an overlay holds."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"the overlay {name} is installed, but cannot be found; {_REMEDY}")
    home = Path(spec.origin).parent / PACKAGE
    if (home / "MADE_FOR").read_text(encoding="ascii").splitlines()[-1] != digest(HOME):
        raise ImportError(f"the overlay {name} was made for another version of {PACKAGE}; {_REMEDY}")
    return {_module(file.relative_to(home)): file for file in home.rglob("*.py")}


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join((PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)))


overlays = install()
"""The names of the overlays in use."""
