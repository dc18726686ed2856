"""The build backend: setuptools, with one addition for editable installs.

A wheel of this distribution is what runs on a user's machine and needs torch alone. An editable install is a workshop: it
runs the generator and the demo too, so it also takes what the extras in `WORKSHOP` list. A wheel carries specs/ and templates/
as data of the generator, so that overlays can be built without a checkout.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_wheel,
)
from setuptools.command.build_py import build_py

__all__ = [
    "BuildWithData",
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

WORKSHOP = ("generator", "demo")
CARRIED = ("specs", "templates")
CONFIGURATION = "pyproject.toml"


class BuildWithData(build_py):
    """Copies what the generator works from beside it."""

    def run(self) -> None:
        """Build the packages, then add the data; an editable install works from the checkout itself."""
        super().run()
        if not self.editable_mode:
            data = Path(self.build_lib, "generator", "data")
            shutil.rmtree(data, ignore_errors=True)
            for name in CARRIED:
                shutil.copytree(name, data / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            shutil.copy(CONFIGURATION, data)


def prepare_metadata_for_build_editable(
    metadata_directory: str, config_settings: Mapping[str, str | list[str] | None] | None = None
) -> str:
    """The metadata of an editable install: the requirements of the workshop's extras are requirements."""
    name = build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)
    path = Path(metadata_directory, name, "METADATA")
    head, separator, body = path.read_text(encoding="utf-8").partition("\n\n")
    extras = tuple(f'; extra == "{extra}"' for extra in WORKSHOP)
    required = [line.partition(";")[0].rstrip() for line in head.splitlines() if line.endswith(extras)]
    path.write_text("\n".join([head, *required]) + separator + body, encoding="utf-8")
    return name
