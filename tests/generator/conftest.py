"""A built copy of the checkout: `built` to look at, `checkout` to change."""

from pathlib import Path

import pytest
from trees import ROOT, cli, copy


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy(ROOT, tmp_path_factory.mktemp("built") / "checkout")
    told = cli(root, "build", "--force")
    assert told.status == 0, told
    return root


@pytest.fixture
def checkout(built: Path, tmp_path: Path) -> Path:
    return copy(built, tmp_path / "checkout")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--spec-trees", type=int, help="how many mutated spec trees test_fuzz.py tries")
