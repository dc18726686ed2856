"""Specs of an older schema version are rewritten as text: what they say is what it was, and every comment stays."""

from pathlib import Path

import yaml
from trees import ROOT, cli

from generator.migrate import migrated, version_of
from generator.schema import KINDS

OLD = """\
# what follows was measured on a board
schema: march/0   # before versions counted
id: x9
inherits: bayes  # its parent
name: "X9: old"
boards: []

# widths
mid_bits: 16
pre_shift: {max: 9}  # the narrow shifter
rounding_sites:
  # as the manual says
  weighted.post_shift: floor
"""
NEW = """\
# what follows was measured on a board
schema: march/1   # before versions counted
id: x9
extends: bayes  # its parent
title: "X9: old"
boards: []

rounding:
  # as the manual says
  weighted.post_shift: floor
requantize:
  # widths
  mid_bits: 16
  pre_shift: {max: 9}  # the narrow shifter
"""


def test_an_old_march_is_rewritten_with_its_comments() -> None:
    text, steps = migrated(OLD)
    assert text == NEW
    assert len(steps) == 1
    assert migrated(text) == (text, ())


def test_a_migrated_march_builds(checkout: Path) -> None:
    (checkout / "specs/marches/x9.yaml").write_text(OLD)
    told = cli(checkout, "build")
    assert (told.status, "horizon-gen migrate" in told.out) == (1, True), told.out
    told = cli(checkout, "migrate", "--dry-run", str(checkout / "specs"))
    assert (told.status, "1 would be rewritten" in told.out) == (0, True)
    assert (checkout / "specs/marches/x9.yaml").read_text() == OLD
    told = cli(checkout, "migrate", str(checkout / "specs"))
    assert "+extends: bayes  # its parent" in told.out
    told = cli(checkout, "build")
    assert told.status == 0, told.out


def test_shipped_specs_are_of_the_newest_version() -> None:
    for path in (ROOT / "specs").rglob("*.yaml"):
        text = path.read_text()
        kind, version = version_of(text) or ("", 0)
        assert (kind in KINDS, version) == (True, 1), path
        assert migrated(text) == (text, ())
        assert yaml.safe_load(text)["schema"] == f"{kind}/{version}"


def test_a_missing_path_is_told(checkout: Path) -> None:
    told = cli(checkout, "migrate", "nowhere")
    assert (told.status, told.out) == (1, "no such file or folder: nowhere\n")
